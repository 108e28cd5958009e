"""Supervised 1: a recurrent network learns to turn the input into the output whose delay was undone.

Truncated backpropagation through time: a batch of segments runs through the network once; after a run-in without a
loss, the weights are updated after each block of samples, and the state is handed on. After every epoch the
validation set is heard, and a checkpoint is written. Steps that would make a weight NaN or infinite are undone.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.errors import ParameterError, SignalError, TrainingError
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.checkpoints import Checkpoint, fingerprint, load_checkpoint, save_checkpoint
from tapemeasure.training.datasets import AlignedPair, Segments, common_sample_rate, cut_segments
from tapemeasure.training.losses import BlockLoss
from tapemeasure.training.results import EpochRecord, TrainingResult, validation_errors
from tapemeasure.training.threads import torch_threads

Log = Callable[[str], None]

LAST_LEARNING_RATE = 0.01
"""Learning rate at the end of the cosine, relative to its start."""

RATE_AFTER_RECOVERY = 0.5
MAX_RECOVERIES = 20


def train_supervised1(
    pairs: Sequence[AlignedPair],
    validation: Sequence[AlignedPair],
    params: TrainNonlinearityParams,
    *,
    checkpoint: Path | str,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> TrainingResult:
    """Train a recording path on aligned pairs.

    Parameters
    ----------
    pairs, validation : sequence of AlignedPair
        What is learned from, and what decides which epoch is the best; at one sample rate.
    params : TrainNonlinearityParams
        Size, rates, lengths, seed, threads.
    checkpoint : path
        Written after every epoch. If it exists and belongs to the same data and settings, training goes on from it,
        and ends with the weights that an unbroken run ends with.
    progress : callable
        Told the completed fraction.
    log : callable
        Told one line an epoch, and every recovery.

    Raises
    ------
    SignalError
        If there is no pair or only silence.
    MismatchError
        If the sample rates differ.
    ParameterError
        If a segment is too short for the run-in and one update.
    TrainingError
        If no epoch gave a finite result, or the checkpoint is damaged.
    OutputError
        If the checkpoint cannot be written.

    Notes
    -----
    Adam, gradients clipped by their norm, the learning rate falls along a cosine to 1 % of its start. When a loss or a
    gradient is not finite, weights and optimiser go back to the last epoch's end and the rate is halved.

    References
    ----------
    O. Mikkonen, A. Wright, E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023.
    """
    with torch_threads(params.threads):
        run = _Run(pairs, validation, params, log)
        run.resume(load_checkpoint(checkpoint), where=checkpoint)
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
        log: Log,
    ) -> None:
        if not pairs or not validation:
            raise SignalError(
                f"training: {len(pairs)} training pairs, {len(validation)} validation pairs; give at least one of each"
            )
        sample_rate = common_sample_rate([*pairs, *validation])
        self.params = params
        self.log = log
        self.validation = validation
        self.segments = _segments(pairs, params, sample_rate)
        self.fingerprint = fingerprint(params, pairs, validation)
        self.generator = torch.Generator().manual_seed(params.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(params.seed)
            self.model = RecordingPath(RecordingPathConfig(params.hidden_size, params.skip, sample_rate))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=params.learning_rate)
        self.best_model = copy.deepcopy(self.model.state_dict())
        self.epochs: list[EpochRecord] = []
        self.recoveries = 0

    @property
    def losses(self) -> list[float]:
        """Validation loss of every epoch; infinite where it was not finite or nothing was learned."""
        values = [(getattr(record, f"validation_{self.params.loss}"), record.train_loss) for record in self.epochs]
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
        good = self._snapshot()
        losses: list[float] = []
        n_batches = math.ceil(len(self.segments) / self.params.batch_size)
        batches = self.segments.batches(batch_size=self.params.batch_size, generator=self.generator)
        for index, (inputs, targets) in enumerate(batches):
            fraction = (len(self.epochs) + index / n_batches) / self.params.max_epochs
            self._set_learning_rate(fraction)
            progress(fraction)
            of_batch = self._train_batch(inputs, targets)
            if of_batch is None:
                self._recover(good, f"batch {index + 1} of epoch {len(self.epochs) + 1}")
                if self.recoveries > MAX_RECOVERIES:
                    break
            else:
                losses += of_batch
        self._validate(sum(losses) / len(losses) if losses else math.nan)

    def _train_batch(self, inputs: Tensor, targets: Tensor) -> list[float] | None:
        """Losses of all updates on one batch; None as soon as a value is not finite."""
        run_in, block = self.params.warm_up_samples, self.params.update_samples
        state = self.model.start(len(inputs))
        if run_in:
            with torch.no_grad():
                _, state = self.model(inputs[..., :run_in], state)
        measure = BlockLoss(self.params.loss)
        losses = []
        for start in range(run_in, inputs.shape[-1] - block + 1, block):
            output, state = self.model(inputs[..., start : start + block], state.detached())
            loss = measure(output, targets[..., start : start + block])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.params.clip_gradient_norm)
            if not bool(torch.isfinite(loss) & torch.isfinite(norm)):
                return None
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    def _set_learning_rate(self, fraction: float) -> None:
        cosine = 0.5 * (1.0 + math.cos(math.pi * fraction))
        rate = self.params.learning_rate * (LAST_LEARNING_RATE + (1.0 - LAST_LEARNING_RATE) * cosine)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * RATE_AFTER_RECOVERY**self.recoveries

    def _recover(self, good: dict[str, Any], where: str) -> None:
        """Go back to the last good weights with half the learning rate."""
        self._restore(good)
        self.recoveries += 1
        rate = RATE_AFTER_RECOVERY**self.recoveries
        self.log(f"{where}: a value is not finite; back to the last good weights at {rate:g} of the learning rate")

    def _validate(self, train_loss: float) -> None:
        """Hear the validation set, record the epoch, keep its weights if they are the best so far."""
        number = len(self.epochs) + 1
        esr, dc_blocked_esr = validation_errors(self.model, self.validation)
        rate = self.optimizer.param_groups[0]["lr"]
        self.epochs.append(EpochRecord(number, train_loss, esr, dc_blocked_esr, rate))
        self.log(f"epoch {number}: training loss {train_loss:.5f}, validation ESR {esr:.5f}")
        if self.best_epoch == number:
            self.best_model = copy.deepcopy(self.model.state_dict())
        elif not math.isfinite(esr):
            self._recover({**self._snapshot(), "model": self.best_model}, f"validation of epoch {number}")

    def _snapshot(self) -> dict[str, Any]:
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    def _restore(self, snapshot: dict[str, Any]) -> None:
        self.model.load_state_dict(snapshot["model"])
        # a copy, because the optimiser goes on in the very tensors that it is given
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))

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
        """Go on from a checkpoint of the same data and settings; one of others is told of and left aside."""
        if found is None:
            return
        if found.fingerprint != self.fingerprint:
            self.log(f"{where}: belongs to other data or settings; training starts anew")
            return
        self._restore({"model": found.model, "optimizer": found.optimizer})
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
        return TrainingResult(self.model, tuple(self.epochs), self.best_epoch, self.params.loss, self.recoveries)


def _segments(pairs: Sequence[AlignedPair], params: TrainNonlinearityParams, sample_rate: int) -> Segments:
    length_samples = round(params.segment_s * sample_rate)
    needed = params.warm_up_samples + params.update_samples
    if length_samples < needed:
        raise ParameterError(
            f"train_nonlinearity.segment_s = {params.segment_s}: {length_samples} samples at {sample_rate} Hz; "
            f"warm_up_samples + update_samples need {needed}"
        )
    return cut_segments(pairs, length_samples=length_samples)
