"""Training of a diffusion model: rounds of updates, validation of the averaged weights, recovery, checkpoints.

After every round the validation windows are denoised by the averaged weights, and a checkpoint is written; a run that
was killed goes on to the weights of an unbroken one. A round with a value that is not finite is undone. Several
processes (see `distribution`) share the windows of every update, and end with the weights of a single one.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.errors import ParameterError, SignalError, TrainingError
from tapemeasure.models.diffusion import ALL_NOISE, Denoiser, diffusion_loss
from tapemeasure.models.threads import torch_threads
from tapemeasure.models.unet1d import UNet1d
from tapemeasure.training.checkpoints import Checkpoint, last_good_checkpoint, save_checkpoint
from tapemeasure.training.diffusion_results import DiffusionResult, DiffusionRound, DiffusionSettings, fingerprint_of
from tapemeasure.training.distribution import Team, team
from tapemeasure.training.ema import RunningAverage

Log = Callable[[str], None]

LAST_LEARNING_RATE = 0.01
RATE_AFTER_RECOVERY = 0.5
MAX_RECOVERIES = 10
CLIP_NORM = 1.0
WITHOUT_CONTEXT = 0.15
"""Share of the windows that are learned without known points, for the first window of a stream."""

VALIDATION_HOPS = 16
MOST_VALIDATED = 256
VALIDATION_ANGLES = 4


def train_diffusion(
    training: Sequence[FloatArray],
    validation: Sequence[FloatArray],
    settings: DiffusionSettings,
    *,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> DiffusionResult:
    """Train a U-net on windows of signals of unit power.

    Parameters
    ----------
    training, validation : sequence of ndarray, each of shape (n_points,)
        What is learned from, and what decides which round is the best. Pieces shorter than a window are left out.
    settings : DiffusionSettings
        Lengths, rates, seed.
    checkpoint : path, optional
        Written after every round; the one before stays beside it. If one of them is whole and belongs to the same data
        and settings, training goes on from it.
    progress : callable
        Told the completed fraction.
    log : callable
        Told one line a round with its losses and the time left, and every recovery.

    Raises
    ------
    SignalError
        If no piece is as long as a window.
    ParameterError
        If a GPU is asked for that is not there, or there are more processes than windows of an update.
    TrainingError
        If no round gave a finite loss.
    OutputError
        If the checkpoint cannot be written.

    Notes
    -----
    Adam, gradients clipped by their norm, a cosine down to 1 % of the learning rate; noise levels evenly distributed
    over each batch. The validation hears the same windows with the same noise after every round.
    """
    with torch_threads(settings.threads), team(settings.device) as members:
        log = log if members.leads else _nobody
        run = _Run(training, validation, settings, log, members)
        if checkpoint is not None:
            found = last_good_checkpoint(checkpoint, fingerprint=run.fingerprint, log=log) if members.leads else None
            run.resume(members.from_leader(found), where=checkpoint)
        while not run.finished:
            run.round(progress)
            if checkpoint is not None and members.leads:
                save_checkpoint(run.checkpoint(), checkpoint)
        progress(1.0)
        return run.result()


def _nobody(text: str) -> None:
    """Told what another process tells."""


def _no_answer(noisy: Tensor, angle: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
    """What a network says that has learned nothing."""
    return torch.zeros_like(noisy)


class _Run:
    """The state of one training; every attribute that changes is in its checkpoint."""

    def __init__(
        self,
        training: Sequence[FloatArray],
        validation: Sequence[FloatArray],
        settings: DiffusionSettings,
        log: Log,
        members: Team,
    ) -> None:
        if settings.batch_size < members.size:
            raise ParameterError(
                f"diffusion: batch_size = {settings.batch_size} for {members.size} processes; give one window each"
            )
        window, n_channels = settings.network.window, settings.n_channels
        self.settings, self.log, self.team = settings, log, members
        self.windows = _Windows(training, window, hop=n_channels, what="training")
        heard = _Windows(validation, window, hop=VALIDATION_HOPS * n_channels, what="validation")
        self.heard = heard.at(torch.arange(0, len(heard), -(-len(heard) // MOST_VALIDATED)))
        self.fingerprint = fingerprint_of(settings, (*training, *validation))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = UNet1d(settings.network).to(members.device)
        self.shared = members.joined(self.network)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.average = RunningAverage(self.network, updates=settings.ema_updates)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate)
        self.best = copy.deepcopy(self.average.model.state_dict())
        self.rounds: list[DiffusionRound] = []
        self.recoveries = 0
        self.spent_s: list[float] = []

    @property
    def n_rounds(self) -> int:
        return math.ceil(self.settings.n_updates / self.settings.round_updates)

    @property
    def finished(self) -> bool:
        return len(self.rounds) >= self.n_rounds or self.recoveries > MAX_RECOVERIES

    @property
    def best_round(self) -> int:
        """Number of the best round, from 1; 0 if none was finite yet."""
        losses = [record.validation_loss if record.finite else math.inf for record in self.rounds]
        return losses.index(min(losses)) + 1 if losses and min(losses) < math.inf else 0

    def round(self, progress: Progress) -> None:
        """Update the weights, then denoise the validation windows."""
        begin = time.monotonic()
        good = self._snapshot()
        first = len(self.rounds) * self.settings.round_updates
        n_updates = min(self.settings.round_updates, self.settings.n_updates - first)
        losses: list[float] = []
        for index in range(n_updates):
            fraction = (first + index) / self.settings.n_updates
            self._set_learning_rate(fraction)
            progress(fraction)
            losses.append(self._update())
            if not math.isfinite(losses[-1]):
                self._recover(good, f"update {first + index + 1}")
                break
        record = DiffusionRound(first + n_updates, sum(losses) / len(losses), self._validation_loss())
        self.rounds.append(record)
        if self.best_round == len(self.rounds):
            self.best = copy.deepcopy(self.average.model.state_dict())
        elif math.isfinite(record.train_loss) and not record.finite:
            self._recover(good, f"validation after update {record.updates}")
        self.spent_s.append(time.monotonic() - begin)
        left_s = (self.n_rounds - len(self.rounds)) * sum(self.spent_s) / len(self.spent_s)
        self.log(
            f"update {record.updates}: training loss {record.train_loss:.4f}, "
            f"validation loss {record.validation_loss:.4f}, {left_s:.0f} s left"
        )

    def _update(self) -> float:
        """One update; its loss, not finite where the weights were left alone."""
        batch = self.settings.batch_size
        # drawn by every process alike, so that any number of them learns from the same batches
        place = torch.randint(len(self.windows), (batch,), generator=self.generator)
        noise = torch.randn((batch, self.settings.network.window), generator=self.generator)
        # one angle from every equal part of the range: less scatter from update to update
        angle = (torch.arange(batch) + torch.rand((batch,), generator=self.generator)) * (ALL_NOISE / batch)
        is_known = self._is_known(torch.rand((batch,), generator=self.generator) >= WITHOUT_CONTEXT)
        mine = self.team.share
        weight = self.team.size * float(torch.sum(1.0 - mine(is_known)) / torch.sum(1.0 - is_known))
        self.optimizer.zero_grad()
        loss = weight * self._loss(self.shared, self.windows.at(mine(place)), mine(noise), mine(angle), mine(is_known))
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        joint_loss = self.team.mean(loss.detach())
        if not bool(torch.isfinite(joint_loss + norm)):
            return math.nan
        self.optimizer.step()
        self.average.update()
        return float(joint_loss)

    def _is_known(self, with_context: Tensor) -> Tensor:
        known = torch.zeros(len(with_context), self.settings.network.window)
        known[:, : self.settings.context] = with_context.to(known.dtype).unsqueeze(-1)
        return known

    def _loss(self, network: Denoiser, clean: Tensor, noise: Tensor, angle: Tensor, is_known: Tensor) -> Tensor:
        to = self.team.device
        return diffusion_loss(network, clean.to(to), noise.to(to), angle.to(to), is_known.to(to))

    def _validation_loss(self) -> float:
        """Loss over the validation windows against that of no answer: always with the same noise, all with context.

        All processes hear the same windows, and take what the first one finds: they shall agree on the best round.
        """
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        is_known = self._is_known(torch.ones(len(self.heard)))
        total = 0.0
        with torch.no_grad():
            for index in range(VALIDATION_ANGLES):
                noise = torch.randn(self.heard.shape, generator=generator)
                angle = torch.full((len(self.heard),), (index + 0.5) * ALL_NOISE / VALIDATION_ANGLES)
                loss, blank = (
                    float(self._loss(network, self.heard, noise, angle, is_known))
                    for network in (self.average.model, _no_answer)
                )
                total += loss / blank
        return self.team.from_leader(total / VALIDATION_ANGLES)

    def _set_learning_rate(self, fraction: float) -> None:
        share = LAST_LEARNING_RATE + (1.0 - LAST_LEARNING_RATE) * 0.5 * (1.0 + math.cos(math.pi * fraction))
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * share * RATE_AFTER_RECOVERY**self.recoveries

    def _recover(self, good: dict[str, Any], where: str) -> None:
        """Go back to the weights before the round with half the learning rate."""
        self._restore(good)
        self.recoveries += 1
        rate = RATE_AFTER_RECOVERY**self.recoveries
        self.log(f"{where}: a value is not finite; back to the last good weights at {rate:g} of the learning rate")

    def _snapshot(self) -> dict[str, Any]:
        return {
            "model": copy.deepcopy(self.network.state_dict()),
            "average": self.average.state_dict(),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    def _restore(self, snapshot: dict[str, Any]) -> None:
        self.network.load_state_dict(snapshot["model"])
        self.average.load_state_dict(snapshot["average"])
        # a copy, because the optimiser goes on in the very tensors that it is given
        self.optimizer.load_state_dict(copy.deepcopy(snapshot["optimizer"]))

    def checkpoint(self) -> Checkpoint:
        """Everything that `resume` needs."""
        return Checkpoint(
            fingerprint=self.fingerprint,
            **self._snapshot(),
            correction={},
            steps={},
            best_model=self.best,
            generator=self.generator.get_state(),
            epochs=[asdict(record) for record in self.rounds],
            recoveries=self.recoveries,
        )

    def resume(self, found: Checkpoint | None, *, where: Path | str) -> None:
        """Go on from a checkpoint of the same data and settings."""
        if found is None:
            return
        self._restore(vars(found))
        self.best = found.best_model
        self.generator.set_state(found.generator)
        self.rounds = [DiffusionRound(**record) for record in found.epochs]
        self.recoveries = found.recoveries
        self.log(f"{where}: going on after round {len(self.rounds)} of {self.n_rounds}")

    def result(self) -> DiffusionResult:
        """The best round's network."""
        if self.best_round == 0:
            raise TrainingError(
                f"diffusion: none of {len(self.rounds)} rounds gave a finite loss ({self.recoveries} recoveries); "
                "check the delay for values that are not finite and lower learning_rate"
            )
        network = UNet1d(self.settings.network)
        network.load_state_dict(self.best)
        network.eval()
        return DiffusionResult(network, tuple(self.rounds), self.best_round, self.recoveries)


class _Windows:
    """Windows of all pieces that are long enough, taken out when they are asked for."""

    def __init__(self, pieces: Sequence[FloatArray], window: int, *, hop: int, what: str) -> None:
        long_enough = [np.asarray(piece, dtype=np.float32) for piece in pieces if len(piece) >= window]
        if not long_enough:
            longest = max(map(len, pieces), default=0)
            raise SignalError(
                f"diffusion: the longest piece for {what} has {longest} points, a window has {window}; record longer "
                "takes"
            )
        begins = np.cumsum([0, *map(len, long_enough[:-1])])
        starts = [
            begin + np.arange(0, len(piece) - window + 1, hop) for begin, piece in zip(begins, long_enough, strict=True)
        ]
        self._points = torch.from_numpy(np.concatenate(long_enough))
        self._starts = torch.from_numpy(np.concatenate(starts))
        self._place = torch.arange(window)

    def __len__(self) -> int:
        return len(self._starts)

    def at(self, which: Tensor) -> Tensor:
        """Windows of these numbers, one a row."""
        return self._points[self._starts[which].unsqueeze(-1) + self._place]
