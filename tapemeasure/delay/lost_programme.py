"""Lost and doubled samples of an output that carries nothing but its programme.

The waveform's evidence, gathered for the refined delay, tells at every knot how high a step would be there
(`tapemeasure.delay.lost_scores`). What stands out is taken away from the output, which is tracked anew: a step by
whole samples leaves nothing behind, whatever else looks like one does.
"""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.delay.bulk import BulkDelay
from tapemeasure.delay.gcc import GOOD_QUALITY, FrameDelays, coarse_path, track_frames
from tapemeasure.delay.lost_place import Jump, Knots, joined
from tapemeasure.delay.lost_samples import LostSamples, repair_output, to_repaired
from tapemeasure.delay.lost_scores import StepScores, steady_noise, step_scores
from tapemeasure.delay.machine_fit import MachineFit
from tapemeasure.delay.refine import RefinedDelays, refine_delays
from tapemeasure.delay.resolution import SlowPair, warp
from tapemeasure.delay.smoother import Evidence
from tapemeasure.delay.trust import Grid, alike
from tapemeasure.delay.waveform import block_filters

THRESHOLD = 8.0
"""Steps below so many standard deviations are noise: clips of a real machine have jerks up to 7."""

CLEAR_SAMPLES = 1.0 / THRESHOLD
"""Uncertainty up to which one sample stands out; above it the programme is too soft or too dull to tell."""

LEAST_SAMPLES = 0.7
LARGE_SAMPLES = 2.5
"""From here on the waveform is not linear in a step: its height is read from the delays before and behind it."""

BEFORE_S = (0.05, 0.12)
"""From when until when beside a large step."""

LARGE_REACH_S = 0.03
WHOLE, WHOLE_OF_MANY = 0.25, 0.5
"""What a step by one or two whole samples, or by more, may leave behind, in samples: the gap of a block, filled with
silence, disturbs what is beside it."""

FOLLOWED_KNOTS, FOLLOWED = 20, 0.8
"""Knots to each side of a step that must be followed once it is taken away, and which part of them."""

ROUNDS = 4
MOST_PER_MINUTE = 60.0
APART_S = 0.04
NEAR_S, NEAR_SIGMA_S = 0.0015, 0.0007
"""How far from where it stands out a single sample may be, and the standard uncertainty of that."""


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
    enough is returned. A machine whose waveform cannot be followed has none that is.
    """
    follower = _Follower(stimulus, output, frames, sample_rate)
    lost: tuple[LostSamples, ...] = ()
    refined = refine_delays(stimulus, output, frames, sample_rate=sample_rate, progress=progress)
    for _ in range(ROUNDS):
        fresh = follower.corrected(lost, refined)
        if fresh is None:
            break
        lost, refined = fresh, follower.refined(fresh)
    sure = follower.sure(lost, refined)
    if len(sure) < len(lost):
        refined = follower.refined(sure)
    scores = follower.scores(refined)
    clear = 0.0 if scores is None else float(np.mean(scores.sigma_s * sample_rate < CLEAR_SAMPLES))
    return ProgrammeSteps(sure, refined, clear)


@dataclass(frozen=True)
class _Follower:
    """Input, output and its coarse delay."""

    stimulus: FloatArray
    output: FloatArray
    frames: FrameDelays
    sample_rate: float

    def refined(self, lost: tuple[LostSamples, ...]) -> RefinedDelays:
        """Delay of the output without some lost samples."""
        frames, rate = self.frames, self.sample_rate
        good = frames.loud & (frames.quality > GOOD_QUALITY)
        chosen = np.flatnonzero(good if good.any() else frames.loud)
        bulk = BulkDelay(chosen * frames.hop_samples / rate, frames.delay_s[chosen], 1, 1)
        whole = repair_output(self.output, lost, sample_rate=rate)
        path, _ = coarse_path(SlowPair.of(self.stimulus, whole, sample_rate=rate), bulk, polarity=1)
        known = track_frames(self.stimulus, whole, path, sample_rate=rate)
        return refine_delays(self.stimulus, whole, known, sample_rate=rate)

    def scores(self, refined: RefinedDelays) -> StepScores | None:
        """Heights of the steps that there may be; None where the waveform was not followed."""
        last, rate = refined.last, self.sample_rate
        if last is None:
            return None
        believed = alike(last.normal, Grid(refined.hop_samples, rate)) & last.rich
        evidence = Evidence(last.normal[0] * rate, last.normal[1] * rate**2, last.normal[2] * rate**2)
        return step_scores(evidence, last.delay_s, prior=last.prior, excess=steady_noise(last.normal, believed))

    def corrected(self, lost: tuple[LostSamples, ...], refined: RefinedDelays) -> tuple[LostSamples, ...] | None:
        """Lost samples with those that stand out now; None if nothing does."""
        scores = self.scores(refined)
        if scores is None or refined.last is None:
            return None
        small, large = self._clear(scores, refined)
        if not small and not large:
            return None
        step_s = refined.hop_samples / self.sample_rate
        delay = scores.delay_s * self.sample_rate
        for jump in small:
            knot = round(jump.time_s / step_s + 0.5)
            delay = delay + jump.samples * scores.bend(knot)
        jumps = [*small, *large]
        knots = Knots(refined.hop_samples, delay)
        model = _Machine(self.stimulus, refined.last.fit, self.sample_rate).plays
        return joined(lost, jumps, self.output, knots, model, sample_rate=self.sample_rate)

    def _clear(self, scores: StepScores, refined: RefinedDelays) -> tuple[list[Jump], list[Jump]]:
        """Small and large steps that stand out."""
        from scipy.signal import find_peaks

        height, sigma = scores.height_s * self.sample_rate, scores.sigma_s * self.sample_rate
        grid = Grid(refined.hop_samples, self.sample_rate)
        relative = np.where(np.isfinite(sigma), np.abs(height) / sigma, 0.0)
        relative[(np.abs(height) < LEAST_SAMPLES) | (np.abs(height) < LARGE_SAMPLES) & (sigma > CLEAR_SAMPLES)] = 0.0
        peaks = find_peaks(relative, height=THRESHOLD, distance=grid.knots(APART_S))[0]
        most = int(MOST_PER_MINUTE * (1.0 + len(relative) / grid.rate_hz / 60.0))
        small, large = [], []
        for knot in peaks[np.argsort(-relative[peaks])][:most]:
            # a step that begins at a knot stands between it and the one before
            time_s, high = float((knot - 0.5) / grid.rate_hz), float(height[knot])
            if abs(high) < LARGE_SAMPLES:
                small.append(Jump(time_s, high, NEAR_S, NEAR_SIGMA_S))
                continue
            high = _across(refined.delay_s, int(knot), grid) * self.sample_rate
            if abs(high) > LEAST_SAMPLES:
                large.append(Jump(time_s, high, LARGE_REACH_S))
        return small, large

    def sure(self, lost: tuple[LostSamples, ...], refined: RefinedDelays) -> tuple[LostSamples, ...]:
        """Those of which the repaired output has nothing left, and where one sample would show."""
        scores = self.scores(refined)
        if scores is None or not lost:
            return ()
        times = np.array([event.time_s for event in lost])
        step_s = refined.hop_samples / self.sample_rate
        knots = np.round(to_repaired(times, lost, sample_rate=self.sample_rate) / step_s).astype(np.int64)
        kept = []
        for event, knot in zip(lost, knots, strict=True):
            around = slice(max(0, knot - 4), knot + 5)
            left, sigma = (part[around] * self.sample_rate for part in (scores.height_s, scores.sigma_s))
            known = sigma < CLEAR_SAMPLES
            followed = refined.valid[max(0, knot - FOLLOWED_KNOTS) : knot + FOLLOWED_KNOTS].mean() > FOLLOWED
            most = WHOLE if abs(event.samples) < LARGE_SAMPLES else WHOLE_OF_MANY
            if not known.any() or not followed:
                continue
            worst = int(np.argmax(np.abs(left[known]) / sigma[known]))
            if abs(left[known][worst]) < most + 2.0 * sigma[known][worst]:
                kept.append(replace(event, significance=abs(event.samples) / float(sigma[known].min())))
        return tuple(kept)


def _across(delay_s: FloatArray, knot: int, grid: Grid) -> float:
    """How much the delay changes from before a knot to behind it, as lines through both sides tell, seconds."""
    near, far = (grid.knots(each) for each in BEFORE_S)
    ends = []
    for side in (np.arange(knot - far, knot - near), np.arange(knot + near, knot + far)):
        inside = side[(side >= 0) & (side < len(delay_s))]
        if len(inside) < 4:
            return 0.0
        ends.append(float(np.polyval(np.polyfit(inside - knot, delay_s[inside], 1), 0.0)))
    return ends[1] - ends[0]


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
