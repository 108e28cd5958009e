"""What a training gives: the record of its epochs and the best network, exported and checked by reading it back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.analysis.linear_fit import fit_fir
from tapemeasure.analysis.signal_errors import dc_blocked_esr, esr
from tapemeasure.errors import TrainingError
from tapemeasure.models.model_file import load_recording_path, save_recording_path
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.render import render
from tapemeasure.training.datasets import AlignedPair, condition_values

BASELINE_TAPS = 2048
RUN_IN_S = 0.25
"""Seconds that the network hears before each stretch of the validation set."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch brought.

    Parameters
    ----------
    epoch : int
        From 1.
    train_loss : float
        Mean loss of the updates; NaN if there was none.
    validation_esr, validation_dc_blocked_esr : float
        Error-to-signal ratios on the validation set; NaN if the network's output was not finite.
    learning_rate : float
        At the end of the epoch.
    """

    epoch: int
    train_loss: float
    validation_esr: float
    validation_dc_blocked_esr: float
    learning_rate: float


@dataclass(frozen=True)
class TrainingResult:
    """A trained network, as it was after its best epoch.

    Parameters
    ----------
    model : RecordingPath
        Weights of the best epoch.
    epochs : tuple of EpochRecord
        All epochs, in order.
    best_epoch : int
        The one with the smallest validation loss, from 1.
    loss : str
        Which error decided: ``esr`` or ``dc_blocked_esr``.
    recoveries : int
        How often a non-finite value was recovered from.
    correction_rms_s : float or None
        Root mean square of what the joint scheme added to the delay, seconds; None in other schemes.
    """

    model: RecordingPath
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    loss: str
    recoveries: int
    correction_rms_s: float | None = None

    @property
    def best(self) -> EpochRecord:
        """Record of the best epoch."""
        return self.epochs[self.best_epoch - 1]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for training.json."""
        return {
            "best_epoch": self.best_epoch,
            "validation_esr": self.best.validation_esr,
            "validation_dc_blocked_esr": self.best.validation_dc_blocked_esr,
            "loss": self.loss,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "recoveries": self.recoveries,
            "correction_rms_s": self.correction_rms_s,
            "config": asdict(self.model.config),
            "epochs": [asdict(record) for record in self.epochs],
        }


def validation_errors(model: RecordingPath, validation: Sequence[AlignedPair]) -> tuple[float, float]:
    """ESR and DC-blocked ESR of a network on a validation set, pooled; NaN if an output is not finite."""
    run_in_samples = round(RUN_IN_S * model.config.sample_rate)
    names = model.config.condition_names
    output = np.concatenate(
        [
            render(model, pair.input, run_in_samples=run_in_samples, conditions=condition_values(pair, names))
            for pair in validation
        ]
    )
    if not np.isfinite(output).all():
        return math.nan, math.nan
    target = np.concatenate([pair.target for pair in validation])
    return esr(output, target), dc_blocked_esr(output, target)


def linear_validation_esr(pairs: Sequence[AlignedPair], validation: Sequence[AlignedPair]) -> float:
    """ESR of the best linear filter of the training set on the validation set: what a network must beat.

    Parameters
    ----------
    pairs, validation : sequence of AlignedPair
        At one sample rate; the filter has 2048 taps, or as many as the longest pair has samples.
    """
    inputs, targets = [pair.input for pair in pairs], [pair.target for pair in pairs]
    taps = min(BASELINE_TAPS, max(len(samples) for samples in inputs))
    fir = fit_fir(inputs, targets, taps=taps)
    output = np.concatenate([fir.apply(pair.input) for pair in validation])
    return esr(output, np.concatenate([pair.target for pair in validation]))


def export_best(
    result: TrainingResult,
    path: Path | str,
    *,
    validation: Sequence[AlignedPair],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the best epoch's network, read it back, and make sure that it has the error that was recorded.

    Parameters
    ----------
    result : TrainingResult
        What `train_recording_path` returned.
    path : path
        ``.safetensors``.
    validation : sequence of AlignedPair
        The validation set of the training.
    facts : mapping
        Further JSON values for the file's header.

    Raises
    ------
    OutputError
        If it cannot be written.
    TrainingError
        If the file's network has another validation ESR than the best epoch.
    """
    of_training = {"best_epoch": result.best_epoch, "validation_esr": result.best.validation_esr}
    save_recording_path(result.model, path, facts={**of_training, **(facts or {})})
    model, _ = load_recording_path(path)
    found, _ = validation_errors(model, validation)
    if not math.isclose(found, result.best.validation_esr, rel_tol=1e-4):
        raise TrainingError(
            f"{path}: its validation ESR is {found:.6g}, that of epoch {result.best_epoch} was "
            f"{result.best.validation_esr:.6g}; train again and keep the checkpoint for a look"
        )
