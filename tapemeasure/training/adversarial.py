"""One batch of adversarial training: a network and a delay line against critics, input and output never paired.

What the network makes of the inputs goes through a delay line that follows measured trajectories, those of other
segments, and the critics compare it with recordings of other moments. The network starts from a simple machine that was
found without pairs as well (`tapemeasure.training.unpaired_start`).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tapemeasure.models.critics import Critics, critics_loss, maker_loss, matching_loss
from tapemeasure.models.delay_line import delay_line
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, Batch, RecordedPair
from tapemeasure.training.ema import RunningAverage
from tapemeasure.training.supervised import READ_AHEAD_SAMPLES
from tapemeasure.training.unpaired_start import fit_unpaired, sliced_distance

CRITICS_RATE = 3e-4
CRITICS_BETAS = (0.5, 0.9)
MAKER_SHARE = 0.02
"""Learning rate of the network while it is judged, as a share of the one that it starts with."""

MATCHING_WEIGHT = 1.0
DISTRIBUTION_WEIGHT = 10.0
BLOCK_SAMPLES = 8192
"""What the critics hear at once; their longest window has a quarter of it."""

LONGEST_LAG_S = 0.023


def imitated_pairs(
    pairs: Sequence[RecordedPair], others: Sequence[AlignedPair], *, seed: int
) -> tuple[list[AlignedPair], list[AlignedPair]]:
    """Inputs of two sets, with what a simple machine found without pairs makes of them.

    Parameters
    ----------
    pairs : sequence of RecordedPair
        The training set, which the machine is found from: inputs and outputs, not who belongs to whom.
    others : sequence of AlignedPair
        The validation set; only its inputs are heard.
    seed : int
        Of the search.

    Raises
    ------
    SignalError
        If there is less than a second of programme, or only silence.
    """
    machine = fit_unpaired(
        [pair.input for pair in pairs],
        [pair.target for pair in pairs],
        sample_rate=pairs[0].sample_rate,
        seed=seed,
    )

    def played(pair: AlignedPair) -> AlignedPair:
        return AlignedPair(pair.name, pair.input, machine.apply(pair.input), pair.sample_rate, pair.conditions)

    return [played(pair) for pair in pairs], [played(pair) for pair in others]


class AdversarialSteps:
    """Updates of a network and of its critics on batches of segments.

    Parameters
    ----------
    model : RecordingPath
    average : RunningAverage
        Told of every update of the network.
    optimizer : torch.optim.Optimizer
        Of the network.
    params : TrainNonlinearityParams
        Run-in, clipping, seed.

    References
    ----------
    O. Mikkonen, A. Wright, E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023.
    """

    def __init__(
        self,
        model: RecordingPath,
        average: RunningAverage[RecordingPath],
        optimizer: torch.optim.Optimizer,
        params: TrainNonlinearityParams,
    ) -> None:
        self.model, self.average, self.optimizer, self.params = model, average, optimizer, params
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(params.seed)
            self.critics = Critics()
        self.critics_optimizer = torch.optim.Adam(self.critics.parameters(), CRITICS_RATE, CRITICS_BETAS)
        self.generator = torch.Generator().manual_seed(params.seed)

    def __call__(self, batch: Batch) -> list[float] | None:
        """Losses of the network, one a block; None as soon as a value is not finite."""
        if batch.delays is None:
            raise ValueError("the adversarial scheme needs recorded pairs")
        order = torch.randperm(len(batch), generator=self.generator)
        delays, recordings = batch.delays[order], batch.targets[order.flip(0)]
        run_in = self.params.warm_up_samples
        block = min(BLOCK_SAMPLES, batch.inputs.shape[-1] - run_in)
        state = self.model.start(len(batch))
        if run_in:
            with torch.no_grad():
                _, state = self.model(batch.inputs[..., :run_in], state, batch.conditions)
        losses = []
        for start in range(run_in, batch.inputs.shape[-1] - block + 1, block):
            cut = slice(start, start + block)
            output, state = self.model(batch.inputs[..., cut], state.detached(), batch.conditions)
            delay = delays[..., cut]
            # only how the delay moves can be heard; what the line does not yet hold is not judged
            first = int(torch.ceil((delay.amax(dim=-1) - delay.amin(dim=-1)).max())) + 2 * READ_AHEAD_SAMPLES
            moved = delay - delay.amin(dim=-1, keepdim=True) + READ_AHEAD_SAMPLES
            late = delay_line(output, moved)[..., first:]
            loss = self._step(late, recordings[..., start + first : start + block])
            if loss is None:
                return None
            losses.append(loss)
        return losses

    def _step(self, made: Tensor, real: Tensor) -> float | None:
        """One update of the critics, and one of the network."""
        of_real, of_made = self.critics(real), self.critics(made.detach())
        if not self._update(self.critics_optimizer, critics_loss(of_real, of_made)):
            return None
        with torch.no_grad():
            of_real = self.critics(real)
        of_made = self.critics(made)
        longest_lag = round(LONGEST_LAG_S * self.model.config.sample_rate)
        distance = _batch_distance(made, real, min(longest_lag, made.shape[-1] // 4), self.generator)
        loss = maker_loss(of_made) + MATCHING_WEIGHT * matching_loss(of_real, of_made) + DISTRIBUTION_WEIGHT * distance
        if not self._update(self.optimizer, loss):
            return None
        self.average.update()
        return float(loss.detach())

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> bool:
        """One step of an optimiser; False, and nothing done, if a value is not finite."""
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norms = [
            nn.utils.clip_grad_norm_(group["params"], self.params.clip_gradient_norm)
            for group in optimizer.param_groups
        ]
        if not all(bool(torch.isfinite(value)) for value in (loss, *norms)):
            return False
        optimizer.step()
        return True

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {
            "critics": self.critics.state_dict(),
            "optimizer": self.critics_optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.critics.load_state_dict(state["critics"])
        self.critics_optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])


def _batch_distance(made: Tensor, real: Tensor, longest_lag: int, generator: torch.Generator) -> Tensor:
    """Sliced distance of all that is made to all recordings of a batch."""
    return sliced_distance(made.reshape(-1), real.reshape(-1), longest_lag, generator)
