"""The delay frame by frame, by generalised cross-correlation: a coarse path first, then passes guided by it."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, IntArray, Progress, no_progress
from tapemeasure.delay.bulk import BulkDelay
from tapemeasure.delay.resolution import SlowPair, bridge, on_samples, warp
from tapemeasure.dsp.correlation import frames, generalised_correlation, parabola_offset, rival_height

COARSE_FRAME_S = 0.093
COARSE_HOP_S = 0.025
COARSE_REACH_S = 0.030
MAX_SPEED = 0.011
"""Fastest change of the delay that is followed (1.1 % of speed)."""

MOVE_COST = 0.02
"""Correlation that a path gives up for every column it moves."""

FINE_FRAME_S = 0.0464
HOP_S = 0.005
FINE_REACHES_S = (0.8e-3, 0.25e-3)
GOOD_QUALITY = 0.25
TONE_PERIOD_S, RIVAL, TONE_S = 0.5e-3, 0.95, 0.1
"""A period up to this long may be mistaken for the next one, the speed being what it may be, where the correlation is
so high there, relative to its maximum, for most of a tenth of a second."""

BLOCK_FRAMES = 1024


@dataclass(frozen=True)
class FrameDelays:
    """Delay of every frame.

    Parameters
    ----------
    hop_samples : int
        Frame k is centred on the output's sample k * `hop_samples`.
    delay_s : ndarray, shape (n_frames,)
        Delay, seconds; bridged where the correlation says nothing.
    quality : ndarray, shape (n_frames,)
        Generalised correlation at that delay, 0..1.
    loud : ndarray of bool, shape (n_frames,)
        Whether both signals are above the noise there, and are no lone high tone.
    """

    hop_samples: int
    delay_s: FloatArray
    quality: FloatArray
    loud: BoolArray

    def match(self) -> float:
        """Median correlation of the frames where there is something to compare, 0..1."""
        return float(np.median(self.quality[self.loud])) if self.loud.any() else 0.0


def track_frames(
    stimulus: FloatArray,
    output: FloatArray,
    path_s: FloatArray,
    *,
    sample_rate: float,
    progress: Progress = no_progress,
) -> FrameDelays:
    """Delay of one channel at every 5 ms of the output, seconds.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each; the output with its polarity put right.
    path_s : ndarray, shape (n_times,)
        Where to look: delays every 25 ms, as `coarse_path` finds them, seconds.
    sample_rate : float
        Hz.
    progress : callable
        Told the completed fraction.

    Notes
    -----
    Two passes over frames of 46 ms in which the input is warped by what the pass before found, each smoothed by a
    running median. Expected accuracy: 2..5 us rms on music.
    """
    progress(0.2)
    hop = max(1, round(HOP_S * sample_rate))
    length = round(FINE_FRAME_S * sample_rate / 2) * 2
    grid = np.arange(-(-len(output) // hop)) * hop / sample_rate
    guide = np.interp(grid, np.arange(len(path_s)) * COARSE_HOP_S, path_s)
    tone_reach = round(TONE_PERIOD_S * sample_rate)
    rich = np.ones(len(grid), dtype=np.bool_)
    for step, reach in enumerate(FINE_REACHES_S):
        warped = warp(stimulus, on_samples(guide, hop=hop, length=len(output)), sample_rate=sample_rate, half_taps=16)
        lag, quality, loud, rival = _peaks(
            warped, output, length=length, hop=hop, max_lag_samples=max(2, round(reach * sample_rate)), reach=tone_reach
        )
        if step == 0:
            # this pass sees the next period
            rich = ~lone_tones(rival, hop_s=hop / sample_rate)
        good = loud & rich & (quality > GOOD_QUALITY)
        guide = bridge(guide + _without_outliers(lag, good) / sample_rate, good)
        progress(0.2 + 0.4 * (step + 1))
    return FrameDelays(hop_samples=hop, delay_s=guide, quality=quality, loud=loud & rich)


def coarse_path(pair: SlowPair, bulk: BulkDelay, *, polarity: int | None = None) -> tuple[FloatArray, int]:
    """Delay every 25 ms, seconds, by the best continuous path through coarse correlations (Viterbi), and the polarity.

    Frames of 93 ms are compared, up to 30 ms beside the bulk delay. The polarity, unless it is given, is the one under
    which the whole path correlates better: single passages of bass-heavy music may say the wrong one.
    """
    x, y, rate = pair.stimulus, pair.output, pair.sample_rate
    guide = bulk.at(np.arange(len(y)) / rate)
    hop, reach = coarse_hop(rate), round(COARSE_REACH_S * rate)
    lags = coarse_correlations(warp(x, guide, sample_rate=rate, half_taps=16), y, rate=rate, reach=reach)
    steps = max(1, round(MAX_SPEED * hop))
    rows = np.arange(len(lags))
    paths = {sign: best_path(sign * lags, max_step=steps) for sign in ((1, -1) if polarity is None else (polarity,))}
    sign = max(paths, key=lambda sign: float(sign * lags[rows, paths[sign]].sum()))
    delay = (paths[sign] - reach) / rate + guide[np.minimum(rows * hop, len(guide) - 1)]
    # the hop is a whole number of samples, so its time is not exactly 25 ms
    return np.asarray(np.interp(rows * COARSE_HOP_S, rows * hop / rate, delay), dtype=np.float64), sign


def coarse_hop(rate: float) -> int:
    """Samples between the frames of `coarse_correlations`."""
    return max(1, round(COARSE_HOP_S * rate))


def coarse_correlations(played: FloatArray, heard: FloatArray, *, rate: float, reach: int) -> FloatArray:
    """Correlations of frames of 93 ms every 25 ms, one frame a row, up to `reach` samples early and late."""
    length = round(COARSE_FRAME_S * rate / 2) * 2
    window = np.hanning(length)
    a, b = (frames(side, length=length, hop=coarse_hop(rate)) for side in (played, heard))
    return np.concatenate(
        [
            generalised_correlation(
                a[k : k + BLOCK_FRAMES] * window, b[k : k + BLOCK_FRAMES] * window, max_lag_samples=reach
            )
            for k in range(0, len(a), BLOCK_FRAMES)
        ]
    )


def best_path(reward: FloatArray, *, max_step: int, jump_cost: float = np.inf) -> IntArray:
    """Columns, one a row, that collect the most reward while moving by at most `max_step` columns a row (Viterbi).

    Or while jumping to anywhere at the price of `jump_cost`.
    """
    from tapemeasure.delay.kernels import best_columns

    # through silence and pure tones, which fit at every period, the path stands still
    return np.asarray(best_columns(np.ascontiguousarray(reward), max_step, MOVE_COST, jump_cost), dtype=np.int64)


def _peaks(
    a: FloatArray, b: FloatArray, *, length: int, hop: int, max_lag_samples: int, reach: int
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray]:
    """Lag of every frame in samples on the best path, its quality, whether it is loud, and the rival within `reach`."""
    window = np.hanning(length)
    frames_a, frames_b = frames(a, length=length, hop=hop), frames(b, length=length, hop=hop)
    correlations, powers = [], []
    for first in range(0, len(frames_a), BLOCK_FRAMES):
        part_a = frames_a[first : first + BLOCK_FRAMES] * window
        part_b = frames_b[first : first + BLOCK_FRAMES] * window
        values = generalised_correlation(part_a, part_b, max_lag_samples=max_lag_samples)
        correlations.append(values)
        powers.append(np.stack([np.mean(part_a**2, axis=1), np.mean(part_b**2, axis=1)], axis=1))
    power = np.concatenate(powers)
    loud = np.asarray((power > 1e-4 * power.max(axis=0)).all(axis=1))
    values = np.concatenate(correlations)
    peak = best_path(values, max_step=max(1, round(MAX_SPEED * hop)))
    lag = peak - max_lag_samples + parabola_offset(values, peak)
    # a maximum on the border is no maximum
    inside = (peak > 0) & (peak < values.shape[1] - 1)
    quality = np.where(inside, values[np.arange(len(peak)), peak], 0.0)
    return lag, quality, loud, rival_height(values, peak, reach_samples=reach)


def lone_tones(rival: FloatArray, *, hop_s: float) -> BoolArray:
    """Frames, `hop_s` seconds apart, in which a lone high tone sounds, by their `rival_height`."""
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(rival > RIVAL, 2 * round(0.5 * TONE_S / hop_s) + 1, mode="nearest"))


def _without_outliers(lag: FloatArray, good: BoolArray) -> FloatArray:
    """Lags smoothed by a running median over 45 ms, those without evidence bridged."""
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(bridge(lag, good), 9, mode="nearest"), dtype=np.float64)
