"""Which steps of the delay stand out of what the waveform tells, and what known ones have left behind."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.lost_place import Jump
from tapemeasure.delay.lost_samples import LostSamples, to_repaired
from tapemeasure.delay.lost_scores import Bridged, StepScores, steady_noise, step_over_gap, step_scores
from tapemeasure.delay.refine import LastPass, RefinedDelays
from tapemeasure.delay.smoother import Evidence
from tapemeasure.delay.trust import Grid, alike, scatter

THRESHOLD = 8.0
"""Steps below so many standard deviations are noise: clips of a real machine have jerks up to 7."""

CLEAR_SAMPLES = 1.0 / THRESHOLD
"""Uncertainty up to which one sample stands out; above it the programme is too soft or too dull to tell."""

LEAST_SAMPLES = 0.5
"""What is nearer to none than to one is no step; in bright music one sample looks like less."""

LARGE_SAMPLES = 2.5
"""From here on the waveform is not linear in a step: its height is read from the delays before and behind it."""

GAPS_S, UNPLACED_S = (0.03, 0.02), 0.04
"""How far from a large step the waveform was followed again; from one that only correlation has placed."""

NARROWER_KNOTS = (12, 8, 5, 3, 1)
"""The same for a known one, which has been taken away, the widest first."""

MISFIT, MISFIT_KNOTS, JOINED_KNOTS = 6.0, 241, 5
"""How much more than around must be left of the output, in power, where the delay is wrong; knots that are around, and
that are one stretch."""

BESIDE_KNOTS, MISFIT_SHARE = (4, 24), 0.1
"""Beside a block that was taken away, and which part of that may be wrong."""

LEFT_SAMPLES, LEFT_SIGMAS = 0.6, 1.5
"""What a known block must have left behind for its count to be changed: more than rounding, and than chance."""

LONGEST_S, BESIDE_S = 0.3, 0.01
"""Longest stretch that is bridged, and how far beside it a step may be."""

TRIED_SIGMAS, LIKELY_SIGMAS, SURE_SIGMAS = 2.0, 3.0, 4.0
"""From how many standard deviations of its height on a large step is tried where the delay is wrong, elsewhere, and
taken for one where it looks small."""

SMEARED_S = 0.1
"""So near a large step, smaller ones are what is smeared of it."""

LARGE_REACH_S = 0.03
NEAR_S, NEAR_SIGMA_S = 0.0015, 0.0007
"""How far from where it stands out a single sample may be, and the standard uncertainty of that."""

AROUND_KNOTS = 4
"""To each side of a single sample, where what is left of it may stand."""

APART_S = 0.04
MOST_PER_MINUTE = 60.0


@dataclass(frozen=True)
class Found:
    """A step in the repaired output, and the delay beside it where the waveform was not followed."""

    jump: Jump
    bridged: Bridged | None = None


def is_block(event: LostSamples) -> bool:
    """Whether so many samples are lost at once that the waveform is not linear in them."""
    return abs(event.samples) > LARGE_SAMPLES


@dataclass(frozen=True)
class Heard:
    """What the last pass heard of the waveform at the knots, its noise power over the assumed one, and the `misfit`.

    Where much more is left of the output than around, the delay is wrong by more than the waveform can tell.
    """

    last: LastPass
    evidence: Evidence
    excess: FloatArray
    misfit: BoolArray
    grid: Grid

    @classmethod
    def of(cls, refined: RefinedDelays, *, sample_rate: float) -> "Heard | None":
        """What was heard; None where the waveform was not followed."""
        from scipy.ndimage import median_filter

        last, rate = refined.last, sample_rate
        if last is None:
            return None
        grid = Grid(refined.hop_samples, rate)
        believed = alike(last.normal, grid) & last.rich
        evidence = Evidence(last.normal[0] * rate, last.normal[1] * rate**2, last.normal[2] * rate**2)
        left = scatter(last.normal)
        misfit = left > MISFIT * median_filter(left, MISFIT_KNOTS, mode="nearest")
        return cls(last, evidence, steady_noise(last.normal, believed), misfit, grid)

    def scores(self) -> StepScores:
        """Heights of the steps that there may be."""
        return step_scores(self.evidence, self.last.delay_s, prior=self.last.prior, excess=self.excess)

    def bridged(self, knot: int, *, gap_s: float, filled: int = 0) -> Bridged:
        """A large step at a knot, by what is far enough beside it; so many knots before it are filled with silence."""
        gap = self.grid.knots(gap_s)
        return self._over(knot, (gap + filled, gap))

    def _over(self, knot: int, gap_knots: tuple[int, int]) -> Bridged:
        excess = np.where(self.misfit, np.inf, self.excess)
        prior, delay_s = self.last.prior, self.last.delay_s
        return step_over_gap(self.evidence, delay_s, prior=prior, excess=excess, knot=knot, gap_knots=gap_knots)

    def found(self, scores: StepScores, lost: tuple[LostSamples, ...], *, unplaced: bool) -> list[Found]:
        """Steps that stand out, and what blocks that are known have left, all of them where they are `unplaced`."""
        blocks = [event for event in lost if is_block(event)]
        steps = self._left_of_blocks(blocks, lost, unplaced=unplaced)
        taken = [self.knot(event, lost) / self.grid.rate_hz for event in blocks]
        for step in [*self._misfits(), *self._clear(scores)]:
            if all(abs(step.jump.time_s - time_s) >= SMEARED_S for time_s in taken):
                steps.append(step)
                if step.bridged is not None:
                    taken.append(step.jump.time_s)
        return steps

    def knot(self, event: LostSamples, lost: tuple[LostSamples, ...]) -> int:
        """Knot of the repaired output at which what is behind a lost sample begins."""
        rate = self.grid.sample_rate
        return round(float(to_repaired(np.array([event.time_s]), lost, sample_rate=rate)[0]) * self.grid.rate_hz)

    def left_of(self, event: LostSamples, lost: tuple[LostSamples, ...]) -> Bridged:
        """What a known block has left behind."""
        filled, knot = self._filled(event), self.knot(event, lost)
        left = self._over(knot, (NARROWER_KNOTS[0] + filled, NARROWER_KNOTS[0]))
        for gap in NARROWER_KNOTS[1:]:
            closer = self._over(knot, (gap + filled, gap))
            # what is next to it tells more, if the waveform was followed there
            if abs(closer.height_s - left.height_s) > 2.0 * left.sigma_s:
                break
            left = closer
        return left

    def _filled(self, event: LostSamples) -> int:
        """Knots before that of a block that are filled with silence."""
        return int(np.ceil(max(0, -event.samples) / self.grid.hop))

    def _left_of_blocks(
        self, blocks: list[LostSamples], lost: tuple[LostSamples, ...], *, unplaced: bool
    ) -> list[Found]:
        steps = []
        for event in blocks:
            knot, reach_s, left = self.knot(event, lost), LARGE_REACH_S, self.left_of(event, lost)
            if unplaced or (not self._is_left(left) and self.misfit_beside(event, lost)):
                left = self.bridged(knot, gap_s=UNPLACED_S, filled=self._filled(event))
                reach_s = UNPLACED_S
            if self._is_left(left) or reach_s == UNPLACED_S:
                high = left.height_s * self.grid.sample_rate if self._is_left(left) else 0.0
                steps.append(Found(Jump((knot - 0.5) / self.grid.rate_hz, high, reach_s, bridged=True), left))
        return steps

    def _is_left(self, left: Bridged) -> bool:
        """Whether a block's count is wrong."""
        return abs(left.height_s) > max(LEFT_SAMPLES / self.grid.sample_rate, LEFT_SIGMAS * left.sigma_s)

    def misfit_beside(self, event: LostSamples, lost: tuple[LostSamples, ...]) -> bool:
        """Whether the delay is wrong beside a block that was taken away."""
        knot = self.knot(event, lost)
        first = knot - self._filled(event)
        near, far = BESIDE_KNOTS
        sides = self.misfit[max(0, first - far) : max(0, first - near)], self.misfit[knot + near : knot + far]
        return any(len(side) and float(side.mean()) > MISFIT_SHARE for side in sides)

    def _misfits(self) -> list[Found]:
        """Large steps where the delay is wrong for a while."""
        from scipy.ndimage import binary_closing, find_objects, label

        joined = binary_closing(self.misfit, np.ones(JOINED_KNOTS, dtype=np.bool_))
        steps = []
        for (run,) in find_objects(label(joined)[0]):
            knot, length = (run.start + run.stop) // 2, run.stop - run.start
            if length < JOINED_KNOTS // 2 or length > self.grid.knots(LONGEST_S):
                continue
            found = self._over(knot, (knot - run.start + 2, run.stop - knot + 2))
            if abs(found.height_s) > max(LARGE_SAMPLES / self.grid.sample_rate, TRIED_SIGMAS * found.sigma_s):
                reach_s = 0.5 * length / self.grid.rate_hz + BESIDE_S
                high = found.height_s * self.grid.sample_rate
                steps.append(Found(Jump((knot - 0.5) / self.grid.rate_hz, high, reach_s, bridged=True), found))
        return sorted(steps, key=lambda step: -abs(step.jump.samples))

    def _clear(self, scores: StepScores) -> list[Found]:
        """Small and large steps that stand out, the clearest first."""
        from scipy.signal import find_peaks

        rate, grid = self.grid.sample_rate, self.grid
        height, sigma = scores.height_s * rate, scores.sigma_s * rate
        relative = np.where(np.isfinite(sigma), np.abs(height) / sigma, 0.0)
        relative[(np.abs(height) < LEAST_SAMPLES) | (np.abs(height) < LARGE_SAMPLES) & (sigma > CLEAR_SAMPLES)] = 0.0
        peaks = find_peaks(relative, height=THRESHOLD, distance=grid.knots(APART_S))[0]
        most = int(MOST_PER_MINUTE * (1.0 + len(relative) / grid.rate_hz / 60.0))
        steps = []
        for knot in peaks[np.argsort(-relative[peaks])][:most]:
            # a step that begins at a knot stands between it and the one before
            time_s, high = float((knot - 0.5) / grid.rate_hz), float(height[knot])
            large = self._large(int(knot), looks_small=abs(high) < LARGE_SAMPLES)
            if large is not None:
                jump = Jump(time_s, large.height_s * rate, LARGE_REACH_S, bridged=True)
                steps.append(Found(jump, large))
            elif abs(high) < LARGE_SAMPLES:
                steps.append(Found(Jump(time_s, high, NEAR_S, NEAR_SIGMA_S)))
        return steps

    def _large(self, knot: int, *, looks_small: bool) -> Bridged | None:
        """The step at a knot if it is a large one: a smoother that follows it leaves little of it to be seen there."""
        least, sigmas = (LARGE_SAMPLES, SURE_SIGMAS) if looks_small else (LEAST_SAMPLES, LIKELY_SIGMAS)
        for gap_s in GAPS_S:
            found = self.bridged(knot, gap_s=gap_s)
            if abs(found.height_s) > max(least / self.grid.sample_rate, sigmas * found.sigma_s):
                return found
        return None
