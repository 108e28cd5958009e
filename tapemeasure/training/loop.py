"""Training of a recording path: epochs, validation, recovery from non-finite values, checkpoints, the best epoch kept.

After every epoch the validation set is heard through the averaged weights, and a checkpoint is written; a run that was
killed goes on to the weights of an unbroken one. Steps that would make a weight NaN or infinite are undone.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.errors import ParameterError, SignalError, TrainingError
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.threads import torch_threads
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.adversarial import MAKER_SHARE, AdversarialSteps, imitated_pairs
from tapemeasure.training.checkpoints import Checkpoint, fingerprint, last_good_checkpoint, save_checkpoint
from tapemeasure.training.correction import DelayCorrection
from tapemeasure.training.datasets import AlignedPair, Batch, RecordedPair, Segments, common_sample_rate, cut_segments
from tapemeasure.training.ema import RunningAverage
from tapemeasure.training.results import EpochRecord, TrainingResult, validation_errors
from tapemeasure.training.start import start_model
from tapemeasure.training.supervised import SupervisedSteps, line_margin_samples

Log = Callable[[str], None]

LAST_LEARNING_RATE = 0.01
"""Learning rate at the end of the cosine, relative to its start."""

CORRECTION_RATE = 0.02
"""Learning rate of the delay's correction, in its standard deviations."""

RATE_AFTER_RECOVERY = 0.5
MAX_RECOVERIES = 20


class Steps(Protocol):
    """Updates of the weights on one batch."""

    def __call__(self, batch: Batch) -> list[float] | None:
        """Losses of all updates; None as soon as a value is not finite."""

    def state_dict(self) -> dict[str, Any]:
        """What the scheme remembers between two batches."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


def train_recording_path(
    pairs: Sequence[AlignedPair],
    validation: Sequence[AlignedPair],
    params: TrainNonlinearityParams,
    *,
    checkpoint: Path | str,
    recorded: Sequence[RecordedPair] = (),
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> TrainingResult:
    """Train a recording path on a machine's input and output.

    Parameters
    ----------
    pairs, validation : sequence of AlignedPair
        What is learned from, and what decides which epoch is the best; at one sample rate. Conditions that the pairs
        have become inputs of the network.
    params : TrainNonlinearityParams
        Scheme, size, rates, lengths, seed, threads.
    checkpoint : path
        Written after every epoch; the one before stays beside it. If one of them is whole and belongs to the same data
        and settings, training goes on from it, and ends with the weights that an unbroken run ends with.
    recorded : sequence of RecordedPair
        The training pairs as recorded, for the schemes ``supervised2``, ``joint`` and ``adversarial``.
    progress : callable
        Told the completed fraction.
    log : callable
        Told one line an epoch with its losses and the time left, and every recovery.

    Raises
    ------
    SignalError
        If there is no pair or only silence.
    MismatchError
        If the sample rates or the conditions differ.
    ParameterError
        If a segment is too short for the run-in and one update.
    TrainingError
        If no epoch gave a finite result.
    OutputError
        If the checkpoint cannot be written.

    Notes
    -----
    The linear part starts from least squares. Adam, gradients clipped by their norm, the learning rate falls along a
    cosine to 1 % of its start. When a loss or a gradient is not finite, weights and optimiser go back to the last
    epoch's end and the rate is halved. The scheme ``adversarial`` first imitates a simple machine that is found without
    pairs, then goes on against critics and keeps its last epoch; the targets of `validation` only tell the errors.

    References
    ----------
    O. Mikkonen, A. Wright, E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023.
    """
    start = None
    if params.scheme == "adversarial":
        # the aligned pairs are not looked at: only the recordings' programme, and who belongs to whom is not told
        log("adversarial: a simple machine is looked for, without pairs")
        _heard(pairs, recorded, params)
        taught = imitated_pairs(recorded, validation, seed=params.seed)
        before = params.model_copy(update={"scheme": "supervised1"})
        beside = Path(f"{checkpoint}.start")
        start = train_recording_path(*taught, before, checkpoint=beside, log=lambda text: log(f"start: {text}")).model
        pairs = taught[0]
    with torch_threads(params.threads):
        run = _Run(pairs, validation, params, recorded, log, start)
        run.resume(last_good_checkpoint(checkpoint, fingerprint=run.fingerprint, log=log), where=checkpoint)
        while not run.finished:
            run.epoch(progress)
            save_checkpoint(run.checkpoint(), checkpoint)
        progress(1.0)
        return run.result()


class _Run:
    """The state of one training; every attribute that changes is in its checkpoint."""

    def __init__(
        self,
        pairs: Sequence[AlignedPair],
        validation: Sequence[AlignedPair],
        params: TrainNonlinearityParams,
        recorded: Sequence[RecordedPair],
        log: Log,
        start: RecordingPath | None,
    ) -> None:
        if not pairs or not validation:
            raise SignalError(
                f"training: {len(pairs)} training pairs, {len(validation)} validation pairs; give at least one of each"
            )
        self.sample_rate = common_sample_rate([*pairs, *validation])
        heard = _heard(pairs, recorded, params)
        self.params = params
        self.log = log
        self.validation = validation
        _check_segment(params, self.sample_rate)
        self.model = start_model(pairs, params) if start is None else start
        self.segments = _segments(heard, params, self.sample_rate, self.model)
        self.fingerprint = fingerprint(params, heard, validation)
        self.generator = torch.Generator().manual_seed(params.seed)
        self.average = RunningAverage(self.model, updates=params.ema_updates)
        self.correction = _correction(heard, params)
        self.optimizer = torch.optim.Adam(self._rates(), lr=params.learning_rate)
        self.steps: Steps
        if params.scheme == "adversarial":
            self.steps = AdversarialSteps(self.model, self.average, self.optimizer, params)
        else:
            self.steps = SupervisedSteps(self.model, self.average, self.optimizer, params, self.correction)
        self.best_model = copy.deepcopy(self.average.model.state_dict())
        self.epochs: list[EpochRecord] = []
        self.recoveries = 0
        self.spent_s: list[float] = []

    def _rates(self) -> list[dict[str, Any]]:
        """Groups of the optimiser, each with the rate that its cosine starts from."""
        network = [weight for name, weight in self.model.named_parameters() if name != "fir"]
        share = MAKER_SHARE if self.params.scheme == "adversarial" else 1.0
        groups = [{"params": network, "first_lr": share * self.params.learning_rate}]
        if self.model.fir is not None:
            groups.append({"params": [self.model.fir], "first_lr": self.params.fir_learning_rate})
        if self.correction is not None:
            rate = CORRECTION_RATE * self.correction.sigma_samples
            groups.append({"params": [self.correction.knots], "first_lr": rate})
        return groups

    @property
    def losses(self) -> list[float]:
        """Validation loss of every epoch; infinite where it was not finite or nothing was learned.

        Where nothing is paired, nothing tells which epoch is the best: the latest counts.
        """
        if self.params.scheme == "adversarial":
            return [
                -float(r.epoch) if math.isfinite(r.validation_esr + r.train_loss) else math.inf for r in self.epochs
            ]
        measure = "dc_blocked_esr" if self.params.loss == "dc_blocked_esr" else "esr"
        values = [(getattr(record, f"validation_{measure}"), record.train_loss) for record in self.epochs]
        return [value if math.isfinite(value + train_loss) else math.inf for value, train_loss in values]

    @property
    def best_epoch(self) -> int:
        """Number of the best epoch, from 1; 0 if no epoch was finite yet."""
        losses = self.losses
        return losses.index(min(losses)) + 1 if losses and min(losses) < math.inf else 0

    @property
    def finished(self) -> bool:
        since_best = len(self.epochs) - self.best_epoch
        return (
            len(self.epochs) >= self.params.max_epochs
            or (self.best_epoch > 0 and since_best >= self.params.patience_epochs)
            or self.recoveries > MAX_RECOVERIES
        )

    def epoch(self, progress: Progress) -> None:
        """Show every segment once, then hear the validation set."""
        begin = time.monotonic()
        good = self._snapshot()
        losses: list[float] = []
        n_batches = math.ceil(len(self.segments) / self.params.batch_size)
        batches = self.segments.batches(batch_size=self.params.batch_size, generator=self.generator)
        for index, batch in enumerate(batches):
            fraction = (len(self.epochs) + index / n_batches) / self.params.max_epochs
            self._set_learning_rate(fraction)
            progress(fraction)
            of_batch = self.steps(batch)
            if of_batch is None:
                self._recover(good, f"batch {index + 1} of epoch {len(self.epochs) + 1}")
                if self.recoveries > MAX_RECOVERIES:
                    break
            else:
                losses += of_batch
        self._validate(sum(losses) / len(losses) if losses else math.nan)
        self.spent_s.append(time.monotonic() - begin)

    def _set_learning_rate(self, fraction: float) -> None:
        cosine = 0.5 * (1.0 + math.cos(math.pi * fraction))
        share = LAST_LEARNING_RATE + (1.0 - LAST_LEARNING_RATE) * cosine
        for group in self.optimizer.param_groups:
            group["lr"] = group["first_lr"] * share * RATE_AFTER_RECOVERY**self.recoveries

    def _recover(self, good: dict[str, Any], where: str) -> None:
        """Go back to the last good weights with half the learning rate."""
        self._restore(good)
        self.recoveries += 1
        rate = RATE_AFTER_RECOVERY**self.recoveries
        self.log(f"{where}: a value is not finite; back to the last good weights at {rate:g} of the learning rate")

    def _validate(self, train_loss: float) -> None:
        """Hear the validation set, record the epoch, keep its weights if they are the best so far."""
        number = len(self.epochs) + 1
        esr, dc_blocked_esr = validation_errors(self.average.model, self.validation)
        rate = self.optimizer.param_groups[0]["lr"]
        self.epochs.append(EpochRecord(number, train_loss, esr, dc_blocked_esr, rate))
        self.log(f"epoch {number}: training loss {train_loss:.5f}, validation ESR {esr:.5f}{self._time_left()}")
        if self.best_epoch == number:
            self.best_model = copy.deepcopy(self.average.model.state_dict())
        elif not math.isfinite(esr):
            now = self._snapshot()
            average = {**now["average"], "model": self.best_model}
            self._recover({**now, "model": self.best_model, "average": average}, f"validation of epoch {number}")

    def _time_left(self) -> str:
        """How long the rest takes at most, from the epochs of this process."""
        if not self.spent_s:
            return ""
        left_s = (self.params.max_epochs - len(self.epochs)) * sum(self.spent_s) / len(self.spent_s)
        return f", at most {left_s:.0f} s left"

    def _snapshot(self) -> dict[str, Any]:
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "average": self.average.state_dict(),
            "correction": {} if self.correction is None else copy.deepcopy(self.correction.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "steps": copy.deepcopy(self.steps.state_dict()),
        }

    def _restore(self, snapshot: dict[str, Any]) -> None:
        self.model.load_state_dict(snapshot["model"])
        self.average.load_state_dict(snapshot["average"])
        if self.correction is not None:
            self.correction.load_state_dict(snapshot["correction"])
        # a copy, because the optimiser goes on in the very tensors that it is given
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))
        self.steps.load_state_dict(copy.deepcopy(snapshot["steps"]))

    def checkpoint(self) -> Checkpoint:
        """Everything that `resume` needs."""
        return Checkpoint(
            fingerprint=self.fingerprint,
            **self._snapshot(),
            best_model=self.best_model,
            generator=self.generator.get_state(),
            epochs=[asdict(record) for record in self.epochs],
            recoveries=self.recoveries,
        )

    def resume(self, found: Checkpoint | None, *, where: Path | str) -> None:
        """Go on from a checkpoint of the same data and settings."""
        if found is None:
            return
        self._restore(vars(found))
        self.best_model = found.best_model
        self.generator.set_state(found.generator)
        self.epochs = [EpochRecord(**record) for record in found.epochs]
        self.recoveries = found.recoveries
        self.log(f"{where}: going on after epoch {len(self.epochs)} of at most {self.params.max_epochs}")

    def result(self) -> TrainingResult:
        """The best epoch's network.

        Raises
        ------
        TrainingError
            If no epoch was finite.
        """
        if self.best_epoch == 0:
            raise TrainingError(
                f"training: none of {len(self.epochs)} epochs gave a finite loss ({self.recoveries} "
                "recoveries); check the levels of the capture and lower learning_rate"
            )
        self.model.load_state_dict(self.best_model)
        self.model.eval()
        moved_s = None if self.correction is None else self.correction.rms_s(self.sample_rate)
        return TrainingResult(
            self.model, tuple(self.epochs), self.best_epoch, self.params.loss, self.recoveries, moved_s
        )


def _heard(
    pairs: Sequence[AlignedPair], recorded: Sequence[RecordedPair], params: TrainNonlinearityParams
) -> Sequence[AlignedPair]:
    """What the loss compares with: the aligned pairs, or those as recorded."""
    if params.scheme == "supervised1":
        return pairs
    if not recorded:
        raise SignalError(f"training: scheme {params.scheme} needs the pairs as recorded, with their delay; give them")
    common_sample_rate([*pairs, *recorded])
    return recorded


def _correction(pairs: Sequence[AlignedPair], params: TrainNonlinearityParams) -> DelayCorrection | None:
    if params.scheme != "joint":
        return None
    return DelayCorrection(pairs, rate_hz=params.correction_rate_hz, sigma_s=1e-6 * params.correction_us)


def _check_segment(params: TrainNonlinearityParams, sample_rate: int) -> None:
    length_samples = round(params.segment_s * sample_rate)
    needed = params.warm_up_samples + params.update_samples
    if length_samples < needed:
        raise ParameterError(
            f"train_nonlinearity.segment_s = {params.segment_s}: {length_samples} samples at {sample_rate} Hz; "
            f"warm_up_samples + update_samples need {needed}"
        )


def _segments(
    pairs: Sequence[AlignedPair], params: TrainNonlinearityParams, sample_rate: int, model: RecordingPath
) -> Segments:
    return cut_segments(
        pairs,
        length_samples=round(params.segment_s * sample_rate),
        margin_samples=line_margin_samples(model, params),
        condition_names=model.config.condition_names,
    )
