"""The table that tells what a replica is worth: its errors on the test set beside those of simpler models.

Rows: ``input`` (nothing done), ``gain`` (the best factor), ``fir`` (the best linear filter), ``gru`` (the trained
network). Gain and filter are fitted on the training set; all rows are scored on the test set, with one alignment.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.constant_lag import lag_errors
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.analysis.signal_errors import signal_errors
from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.errors import MismatchError, TrainingError
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.render import render
from tapemeasure.models.threads import torch_threads
from tapemeasure.params.stages import EvaluateParams
from tapemeasure.training.datasets import AlignedPair, common_sample_rate, condition_values

RUN_IN_S = 1.0
"""Seconds that the network hears before each stretch of the test set."""


@dataclass(frozen=True)
class ModelRow:
    """Errors of one model on the test set.

    Parameters
    ----------
    model : str
        ``input``, ``gain``, ``fir`` or ``gru``.
    esr, dc_blocked_esr : float
        Energy ratios, pooled over the test set.
    mr_stft : float
        Multi-resolution STFT distance.
    best_lag_esr : float
        ESR once one constant lag is undone: what is left of the error where timing as a whole does not count.
    lag_us : float
        That lag, microseconds; positive = late.
    residual_lag_rms_us : float or None
        Root mean square of the lag of windows of 0.1 s behind that, microseconds; None in less than a window.
    """

    model: str
    esr: float
    dc_blocked_esr: float
    mr_stft: float
    best_lag_esr: float
    lag_us: float
    residual_lag_rms_us: float | None


@dataclass(frozen=True)
class Evaluation:
    """All rows, how input and output were aligned, and what the network gave.

    Parameters
    ----------
    alignment : str
        How the delay of the targets was undone, the same for all rows.
    gain : float
        Factor of the row ``gain``.
    rows : tuple of ModelRow
        Without ``gru`` where no network was given.
    test_s : float
        Length of the test set, seconds.
    outputs : tuple of ndarray
        The network's output for each pair of the test set; empty where no network was given.
    """

    alignment: str
    gain: float
    rows: tuple[ModelRow, ...]
    test_s: float
    outputs: tuple[FloatArray, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the evaluation's JSON, without the audio."""
        return {
            "alignment": self.alignment,
            "test_s": self.test_s,
            "gain": self.gain,
            "rows": [asdict(row) for row in self.rows],
        }


def evaluate_take(
    train: Sequence[AlignedPair],
    test: Sequence[AlignedPair],
    model: RecordingPath | None,
    *,
    params: EvaluateParams,
    alignment: str,
    progress: Progress = no_progress,
) -> Evaluation:
    """Errors of input, gain, linear filter and network on the test set.

    Parameters
    ----------
    train : sequence of AlignedPair
        What gain and filter are fitted on: what the network was trained on.
    test : sequence of AlignedPair
        What all rows are scored on; nothing of it may be in `train`.
    model : RecordingPath or None
        The trained network.
    params : EvaluateParams
        Taps of the filter, threads.
    alignment : str
        How the targets' delay was undone, stated beside the rows.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    MismatchError
        If the sample rates of the pairs and the network differ.
    SignalError
        If a set is empty or silent.
    ParameterError
        If the filter has more taps than the longest training pair has samples.
    TrainingError
        If the network's output is not finite.
    """
    common_sample_rate(train)
    common_sample_rate(test)
    sample_rate = common_sample_rate([*train, *test])
    inputs, targets = [pair.input for pair in train], [pair.target for pair in train]
    gain = fit_gain(inputs, targets)
    progress(0.1)
    fir = fit_fir(inputs, targets, taps=params.fir_taps)
    progress(0.3)
    outputs = () if model is None else _network_outputs(model, test, sample_rate, params)
    progress(0.6)
    of_model: dict[str, Sequence[FloatArray]] = {
        "input": [pair.input for pair in test],
        "gain": [gain * pair.input for pair in test],
        "fir": [fir.apply(pair.input) for pair in test],
        "gru": outputs,
    }
    test_targets = [pair.target for pair in test]
    rows = []
    for index, (name, signals) in enumerate(of_model.items()):
        if signals:
            timing = lag_errors(signals, test_targets, sample_rate=sample_rate)
            rows.append(ModelRow(name, **asdict(signal_errors(signals, test_targets)), **asdict(timing)))
        progress(0.6 + 0.1 * (index + 1))
    test_s = sum(len(target) for target in test_targets) / sample_rate
    return Evaluation(alignment=alignment, gain=gain, rows=tuple(rows), test_s=test_s, outputs=outputs)


def _network_outputs(
    model: RecordingPath, test: Sequence[AlignedPair], sample_rate: int, params: EvaluateParams
) -> tuple[FloatArray, ...]:
    if model.config.sample_rate != sample_rate:
        raise MismatchError(
            f"evaluate: the network was trained at {model.config.sample_rate} Hz, the test set has {sample_rate} Hz; "
            "train it at that rate"
        )
    with torch_threads(params.threads):
        run_in_samples, names = round(RUN_IN_S * sample_rate), model.config.condition_names
        outputs = tuple(
            render(model, pair.input, run_in_samples=run_in_samples, conditions=condition_values(pair, names))
            for pair in test
        )
    for pair, output in zip(test, outputs, strict=True):
        if not np.isfinite(output).all():
            raise TrainingError(f"evaluate: the network's output for {pair.name} is NaN or infinite; train it again")
    return outputs


def excerpts(evaluation: Evaluation, test: Sequence[AlignedPair], *, duration_s: float = 5.0) -> dict[str, FloatArray]:
    """Audio to listen to: the loudest stretch of the test set as input, target, model and residual.

    Parameters
    ----------
    evaluation : Evaluation
        Of this test set, with a network.
    test : sequence of AlignedPair
    duration_s : float
        Length, seconds; shorter where the pair is.

    Returns
    -------
    dict of str to ndarray, shape (n_samples,)
        ``residual`` is target minus model. Empty where no network was evaluated.
    """
    if not evaluation.outputs:
        return {}
    stretches = []
    for index, pair in enumerate(test):
        length = min(len(pair.target), round(duration_s * pair.sample_rate))
        energy = np.concatenate([[0.0], np.cumsum(pair.target**2)])
        sums = energy[length:] - energy[:-length]
        stretches.append((float(sums.max()), index, int(sums.argmax()), length))
    _, index, start, length = max(stretches)
    cut = slice(start, start + length)
    target, model = test[index].target[cut], evaluation.outputs[index][cut]
    return {"input": test[index].input[cut], "target": target, "model": model, "residual": target - model}
