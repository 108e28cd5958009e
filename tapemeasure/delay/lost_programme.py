"""Lost and doubled samples of an output that carries nothing but its programme.

Blocks that correlation sees are taken away first (`tapemeasure.delay.lost_blocks`). The waveform's evidence, gathered
for the refined delay, then tells at every knot how high a step would be there (`tapemeasure.delay.lost_scores`), and
`tapemeasure.delay.lost_steps` what of that stands out. It is taken away from the output, which is tracked anew: a step
by whole samples leaves nothing behind, whatever else looks like one does.
"""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress, no_progress
from tapemeasure.delay.gcc import FrameDelays, coarse_path, track_frames
from tapemeasure.delay.lost_blocks import Blocks, lost_blocks, usual_delay
from tapemeasure.delay.lost_place import Knots, joined
from tapemeasure.delay.lost_samples import LostSamples, from_repaired, repair_output, to_repaired
from tapemeasure.delay.lost_scores import StepScores
from tapemeasure.delay.lost_steps import AROUND_KNOTS, CLEAR_SAMPLES, THRESHOLD, Heard, is_block
from tapemeasure.delay.machine_fit import MachineFit
from tapemeasure.delay.refine import RefinedDelays, refine_delays
from tapemeasure.delay.resolution import SlowPair, warp
from tapemeasure.delay.trust import Grid
from tapemeasure.delay.waveform import block_filters

WHOLE, WHOLE_OF_MANY = 0.25, 0.5
"""What a step by one or two whole samples, or by more, may leave behind, in samples: the gap of a block, filled with
silence, disturbs what is beside it."""

FOLLOWED_KNOTS, FOLLOWED, FOLLOWED_BLOCK = 20, 0.8, 0.5
"""Knots to each side of a step that must be followed once it is taken away, and which part of them: of a block, which
beyond that must fit."""

SAME_S = 0.01
"""Places that differ by no more are no progress."""

BESIDE_KNOTS = 8
"""Knots to each side of a block that its silence disturbs."""

ROUNDS, PATIENCE = 6, 1
"""How often what stands out is taken away, and after how many times more something of it must prove right."""


@dataclass(frozen=True)
class ProgrammeSteps:
    """Lost samples, the delay refined on the output without them, and what part of the output would show one."""

    lost: tuple[LostSamples, ...]
    refined: RefinedDelays
    clear_share: float


def lost_in_programme(
    stimulus: FloatArray,
    output: FloatArray,
    frames: FrameDelays,
    *,
    sample_rate: float,
    progress: Progress = no_progress,
) -> ProgrammeSteps:
    """Lost and doubled samples of an output without a pilot, to some milliseconds, and its refined delay.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel; the output with its polarity put right.
    frames : FrameDelays
        Coarse delay of the output as it is.
    sample_rate : float
        Hz.
    progress : callable
        Told the completed fraction.

    Notes
    -----
    A step counts where it stands 8 standard deviations out, where one sample would, and where less than a quarter of
    a sample is left of it in the repaired output. Soft and dull passages tell nothing; how much of the output is clear
    enough is returned. A machine whose waveform cannot be followed has none that is. Blocks are counted by the delay
    before and behind them: where some thousand samples are lost at once, what the machine's speed did meanwhile is not
    known, and the count is as uncertain as that.
    """
    blocks = lost_blocks(stimulus, output, frames, sample_rate=sample_rate)
    lost, follower = blocks.lost, _Follower(stimulus, output, blocks, sample_rate)
    whole = repair_output(output, lost, sample_rate=sample_rate)
    refined = refine_delays(stimulus, whole, blocks.frames, sample_rate=sample_rate, progress=progress)
    first = refined
    for step in range(ROUNDS):
        fresh = follower.corrected(lost, refined, unplaced=step == 0)
        if fresh is None or (step and _same(fresh, lost)):
            break
        lost, refined = fresh, follower.refined(fresh)
        if step >= PATIENCE and not follower.sure(lost, refined):
            break
    sure = follower.sure(lost, refined)
    if len(sure) < len(lost):
        refined = follower.refined(sure) if sure or blocks.lost else first
    heard = Heard.of(refined, sample_rate=sample_rate)
    clear = 0.0 if heard is None else float(np.mean(heard.scores().sigma_s * sample_rate < CLEAR_SAMPLES))
    return ProgrammeSteps(sure, refined, clear)


@dataclass(frozen=True)
class _Follower:
    """Input, output, and its coarse delay without the blocks that correlation finds."""

    stimulus: FloatArray
    output: FloatArray
    blocks: Blocks
    sample_rate: float

    def refined(self, lost: tuple[LostSamples, ...]) -> RefinedDelays:
        """Delay of the output without some lost samples."""
        rate, usual = self.sample_rate, usual_delay(self.blocks.frames, self.sample_rate)
        there_s = from_repaired(usual.time_s, self.blocks.lost, sample_rate=rate)[0]
        now_s = to_repaired(there_s, lost, sample_rate=rate)
        bulk = replace(usual, time_s=now_s, delay_s=usual.delay_s + now_s - usual.time_s)
        whole = repair_output(self.output, lost, sample_rate=rate)
        path, _ = coarse_path(SlowPair.of(self.stimulus, whole, sample_rate=rate), bulk, polarity=1)
        known = track_frames(self.stimulus, whole, path, sample_rate=rate)
        return refine_delays(self.stimulus, whole, known, sample_rate=rate)

    def corrected(
        self, lost: tuple[LostSamples, ...], refined: RefinedDelays, *, unplaced: bool
    ) -> tuple[LostSamples, ...] | None:
        """Lost samples with those that stand out now; None if nothing does. `unplaced`: place the blocks first."""
        heard = Heard.of(refined, sample_rate=self.sample_rate)
        if heard is None:
            return None
        scores = heard.scores()
        steps = heard.found(scores, lost, unplaced=unplaced)
        if not steps:
            return None
        delay = scores.delay_s * self.sample_rate
        for step in steps:
            if step.bridged is None:
                delay = delay + step.jump.samples * scores.bend(round(step.jump.time_s * heard.grid.rate_hz + 0.5))
        for step in steps:
            if (bridged := step.bridged) is not None:
                delay[bridged.first : bridged.first + len(bridged.delay_s)] = bridged.delay_s * self.sample_rate
        knots, jumps = Knots(refined.hop_samples, delay), [step.jump for step in steps]
        model = _Machine(self.stimulus, heard.last.fit, self.sample_rate).plays
        return joined(lost, jumps, self.output, knots, model, sample_rate=self.sample_rate)

    def sure(self, lost: tuple[LostSamples, ...], refined: RefinedDelays) -> tuple[LostSamples, ...]:
        """Those of which the repaired output has nothing left, and where they stand out."""
        heard = Heard.of(refined, sample_rate=self.sample_rate)
        if heard is None or not lost:
            return ()
        scores, kept = heard.scores(), []
        for event in lost:
            knot = heard.knot(event, lost)
            sigma = _doubt_of_block(event, lost, heard) if is_block(event) else _doubt(scores, knot, heard.grid)
            if sigma is None or not _followed(event, lost, refined.valid, heard):
                continue
            significance = abs(event.samples) / sigma
            if significance > THRESHOLD:
                kept.append(replace(event, significance=significance))
        return tuple(kept)


def _same(one: tuple[LostSamples, ...], other: tuple[LostSamples, ...]) -> bool:
    """Whether the counts are the same, and the places nearly."""
    return len(one) == len(other) and all(
        a.samples == b.samples and abs(a.time_s - b.time_s) < SAME_S for a, b in zip(one, other, strict=True)
    )


def _doubt(scores: StepScores, knot: int, grid: Grid) -> float | None:
    """Uncertainty of a step by one or two samples; None if it has left something, or one sample would not show."""
    around = slice(max(0, knot - AROUND_KNOTS), knot + AROUND_KNOTS + 1)
    left, sigma = (part[around] * grid.sample_rate for part in (scores.height_s, scores.sigma_s))
    known = sigma < CLEAR_SAMPLES
    if not known.any():
        return None
    worst = int(np.argmax(np.abs(left[known]) / sigma[known]))
    nothing = abs(left[known][worst]) < WHOLE + 2.0 * sigma[known][worst]
    return float(sigma[known].min()) if nothing else None


def _doubt_of_block(event: LostSamples, lost: tuple[LostSamples, ...], heard: Heard) -> float | None:
    """Uncertainty of a block's count; None if it has left something."""
    left, rate = heard.left_of(event, lost), heard.grid.sample_rate
    nothing = abs(left.height_s) * rate < WHOLE_OF_MANY + 2.0 * left.sigma_s * rate
    return left.sigma_s * rate if nothing else None


def _followed(event: LostSamples, lost: tuple[LostSamples, ...], valid: BoolArray, heard: Heard) -> bool:
    """Whether the waveform was followed on both sides of a lost sample."""
    block, knot = is_block(event), heard.knot(event, lost)
    beside = BESIDE_KNOTS if block else 0
    first = knot - beside - max(0, -event.samples) // heard.grid.hop
    before, behind = valid[max(0, first - FOLLOWED_KNOTS) : max(0, first)], valid[knot + beside :][:FOLLOWED_KNOTS]
    followed = np.concatenate([before, behind])
    if not len(before) or not len(behind) or followed.mean() <= (FOLLOWED_BLOCK if block else FOLLOWED):
        return False
    return not (block and heard.misfit_beside(event, lost))


@dataclass(frozen=True)
class _Machine:
    """The input as the fitted machine plays it."""

    stimulus: FloatArray
    fit: MachineFit
    sample_rate: float

    def plays(self, delay_samples: FloatArray, first: int) -> FloatArray:
        """What stands in the output from sample `first` on, by its delay there."""
        from scipy import fft

        filters = block_filters(self.fit)
        if (half := len(delay_samples) // 2) > filters.block // 4:
            parts = self.plays(delay_samples[:half], first), self.plays(delay_samples[half:], first + half)
            return np.concatenate(parts)
        # the machine rings into the stretch from before it
        missing = max(0, filters.block - len(delay_samples))
        ahead = missing // 2
        delay = np.pad(delay_samples, (ahead, missing - ahead), mode="edge")
        warped = warp(self.stimulus, (delay - (first - ahead)) / self.sample_rate, sample_rate=self.sample_rate)
        spectrum, power = filters.model[0] * fft.rfft(warped[: filters.block]), warped[: filters.block]
        for response in filters.model[1:]:
            power = power * warped[: filters.block] ** 2
            spectrum += response * fft.rfft(power)
        return np.asarray(fft.irfft(spectrum, filters.block)[ahead : ahead + len(delay_samples)], dtype=np.float64)
