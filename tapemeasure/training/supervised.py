"""One batch of supervised training: truncated backpropagation through time, with or without a delay line.

A batch of segments runs through the network once; after a run-in without a loss, the weights are updated after each
block of samples, and the state is handed on. Where the targets are as recorded, a delay line stands between the
network and the loss (Supervised 2).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from tapemeasure.models.delay_line import N_TAPS, delay_line
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.correction import DelayCorrection
from tapemeasure.training.datasets import Batch
from tapemeasure.training.ema import RunningAverage
from tapemeasure.training.losses import BlockLoss

READ_AHEAD_SAMPLES = 4
"""Least delay of the line behind the network's own: its polynomial reads three samples ahead of the place."""


def line_margin_samples(model: RecordingPath, params: TrainNonlinearityParams) -> int:
    """Least delay that segments of recorded pairs must keep."""
    moved_s = 4e-6 * params.correction_us if params.scheme == "joint" else 0.0
    return model.config.latency_samples + READ_AHEAD_SAMPLES + math.ceil(moved_s * model.config.sample_rate)


class SupervisedSteps:
    """Updates of a network on batches of segments.

    Parameters
    ----------
    model : RecordingPath
    average : RunningAverage
        Told of every update.
    optimizer : torch.optim.Optimizer
        Of the network, and of the correction where there is one.
    params : TrainNonlinearityParams
        Lengths, loss, clipping.
    correction : DelayCorrection, optional
        Learned with the network (the joint scheme).
    """

    def __init__(
        self,
        model: RecordingPath,
        average: RunningAverage[RecordingPath],
        optimizer: torch.optim.Optimizer,
        params: TrainNonlinearityParams,
        correction: DelayCorrection | None = None,
    ) -> None:
        self.model, self.average, self.optimizer = model, average, optimizer
        self.params, self.correction = params, correction

    def __call__(self, batch: Batch) -> list[float] | None:
        """Losses of all updates on one batch; None as soon as a value is not finite."""
        run_in, block = self.params.warm_up_samples, self.params.update_samples
        state = self.model.start(len(batch))
        line = _Line(batch, self.model.config.latency_samples)
        if run_in:
            with torch.no_grad():
                output, state = self.model(batch.inputs[..., :run_in], state, batch.conditions)
                line.feed(output)
        measure = BlockLoss(self.params.loss)
        losses = []
        for start in range(run_in, batch.inputs.shape[-1] - block + 1, block):
            cut = slice(start, start + block)
            output, state = self.model(batch.inputs[..., cut], state.detached(), batch.conditions)
            if batch.delays is not None:
                output = line.read(output, self._corrected(batch, batch.delays[..., cut], cut.start))
            loss = measure(output, line.targets(cut))
            if self.correction is not None:
                loss = loss + self.correction.penalty()
            if not self._update(loss):
                return None
            losses.append(float(loss.detach()))
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Nothing: what changes belongs to the network and the correction."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to go on from."""

    def _corrected(self, batch: Batch, delay: Tensor, start: int) -> Tensor:
        """Delays of a block that begins `start` samples behind the segments' starts."""
        if self.correction is None:
            return delay
        correction: Tensor = self.correction(batch.pairs, batch.starts + start, delay.shape[-1])
        return delay + correction

    def _update(self, loss: Tensor) -> bool:
        """One step of the optimiser; False, and nothing done, if a value is not finite."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        # each group by itself, so that a long filter does not take the network's share
        norms = [
            nn.utils.clip_grad_norm_(group["params"], self.params.clip_gradient_norm)
            for group in self.optimizer.param_groups
        ]
        if not all(bool(torch.isfinite(value)) for value in (loss, *norms)):
            return False
        self.optimizer.step()
        self.average.update()
        return True


class _Line:
    """The delay line behind a network that is `latency` late, and the targets that belong to its blocks."""

    def __init__(self, batch: Batch, latency: int) -> None:
        self._batch = batch
        self._latency = latency
        self._past = batch.inputs[..., :0]
        self._longest = 0
        if batch.delays is not None:
            self._longest = math.ceil(float(batch.delays.max())) + 2 * N_TAPS

    def feed(self, output: Tensor) -> None:
        """Keep what is not listened to."""
        if self._longest:
            self._past = torch.cat([self._past, output.detach()], dim=-1)[..., -self._longest :]

    def read(self, output: Tensor, delays: Tensor) -> Tensor:
        """The block of output as it comes out late."""
        joined = torch.cat([self._past, output], dim=-1)
        # the line counts from the first sample that it is given
        late = delay_line(joined, delays - self._latency - self._past.shape[-1])
        self.feed(output)
        return late

    def targets(self, cut: slice) -> Tensor:
        """Targets of a block; those of aligned pairs as late as the network is."""
        if self._batch.delays is not None or not self._latency:
            return self._batch.targets[..., cut]
        first = cut.start - self._latency
        held = self._batch.targets[..., max(first, 0) : cut.stop - self._latency]
        return nn.functional.pad(held, (max(-first, 0), 0))
