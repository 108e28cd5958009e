"""Which period of a pilot is the right one, by the rise and fall of the programme's loudness.

A pilot tells the delay modulo its period. A machine may distort the programme beyond what correlation recognises; its
loudness still rises and falls with the input's, and a few milliseconds are enough to tell 10 ms apart.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray

STEP_S = 1e-3
RISE_STEPS = 4
FLOOR_DB = -50.0
"""Loudness below this, relative to the loudest moment, counts as silence."""

MIN_MATCH = 0.1
"""Unrelated programmes of 5 s reach 0.09, those that belong together 0.14 to 0.4."""
MIN_LEAD = 1.5
"""How far the best period must stand out of every other: 2.4 and more where it is right, 1.2 elsewhere."""

MEAN_STEPS = 200
SCALE_STEPS = 400


ENVELOPE_S = 0.02
LEAST_CHANGE_DB, LEAST_COMMON_S = 2.0, 3.0


@dataclass(frozen=True)
class LoudnessAgreement:
    """Delay at which two files' loudness agrees best, good to some 20 ms, and its correlation there."""

    delay_s: float
    agreement: float


def loudness_agreement(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: float, max_delay_s: float
) -> LoudnessAgreement:
    """How well the loudness of two channels agrees, at the best delay up to `max_delay_s`, however the speed wanders.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each, not silent.
    sample_rate : float
        Hz.
    max_delay_s : float
        Largest delay that is looked for, late or early, seconds.

    Notes
    -----
    Correlation of the levels in dB, in steps of 20 ms, where both files overlap for at least 3 s and both levels move.
    """
    from scipy.signal import correlate

    x, y = (_levels(side, sample_rate) for side in (stimulus, output))
    ones_x, ones_y = np.ones(len(x)), np.ones(len(y))

    def at_all_lags(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.asarray(correlate(a, b, mode="full", method="fft"), dtype=np.float64)

    count = np.maximum(np.round(at_all_lags(ones_y, ones_x)), 1.0)
    sum_x, sum_y = at_all_lags(ones_y, x), at_all_lags(y, ones_x)
    together = at_all_lags(y, x) - sum_x * sum_y / count
    size_x = np.maximum(at_all_lags(ones_y, x**2) - sum_x**2 / count, 1e-6 * count)
    size_y = np.maximum(at_all_lags(y**2, ones_x) - sum_y**2 / count, 1e-6 * count)
    lag_s = (np.arange(len(together)) - (len(x) - 1)) * ENVELOPE_S
    # a steady level, and a single begin or end, agree with anything
    moving = (size_x > LEAST_CHANGE_DB**2 * count) & (size_y > LEAST_CHANGE_DB**2 * count)
    allowed = moving & (np.abs(lag_s) <= max_delay_s) & (count * ENVELOPE_S >= LEAST_COMMON_S)
    score = np.where(allowed, together / np.sqrt(size_x * size_y), -1.0)
    best = int(np.argmax(score))
    return LoudnessAgreement(float(lag_s[best]), float(score[best]))


def _levels(samples: FloatArray, sample_rate: float) -> FloatArray:
    """Level in steps of 20 ms, dB below the loudest, not below the floor."""
    length = max(1, round(ENVELOPE_S * sample_rate))
    whole = samples[: max(1, len(samples) // length) * length]
    power = np.mean(whole.reshape(max(1, len(whole) // length), -1) ** 2, axis=1)
    return np.asarray(10.0 * np.log10(power / max(float(power.max()), 1e-300) + 10.0 ** (FLOOR_DB / 10.0)))


@dataclass(frozen=True)
class PeriodMatch:
    """Whole periods to add to a delay, the correlation of the rises there, and whether that is beyond doubt."""

    periods: int
    match: float
    clear: bool


def match_periods(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    time_s: FloatArray,
    delay_s: FloatArray,
    period_s: float,
    sample_rate: float,
    max_delay_s: float,
) -> PeriodMatch:
    """Number of periods by which a pilot's delay must be corrected for the programme's loudness to match.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel of input and output.
    time_s, delay_s : ndarray, shape (n_points,)
        Output times, rising, and delays known modulo `period_s`.
    period_s : float
        Seconds; at least 5 ms for a clear answer.
    sample_rate : float
        Hz.
    max_delay_s : float
        Largest delay that is looked for, seconds.

    Notes
    -----
    Loudness in steps of 1 ms, its rises over 4 ms about their local mean, divided by their local size; the output's
    are put on the input's time axis by the pilot's delay, and correlated with the input's at all whole periods by one
    Fourier transform: time and memory grow with the length alone.
    """
    from scipy.signal import correlate

    played, heard = _rises(stimulus, sample_rate), _rises(output, sample_rate)
    grid_s = (np.arange(len(heard)) + 0.5) * STEP_S
    left_s = grid_s - np.interp(grid_s, time_s, delay_s)
    most = int(np.ceil((max_delay_s + float(np.abs(delay_s).max(initial=0.0))) / period_s))
    # the input's time that the output's goes back to, in equal steps from a whole one on
    first = int(np.floor(left_s[0] / STEP_S)) if len(left_s) else 0
    n_moved = int(np.ceil(left_s[-1] / STEP_S)) - first + 1 if len(left_s) else 1
    axis_s = (np.arange(n_moved) + first + 0.5) * STEP_S
    moved = np.interp(axis_s, left_s, heard, left=0.0, right=0.0) if len(left_s) else np.zeros(1)
    together = correlate(moved, played, mode="full", method="fft")
    lag_s = (np.arange(len(together)) - (len(played) - 1) + first) * STEP_S
    periods = np.arange(-most, most + 1)
    wanted_s: FloatArray = periods.astype(np.float64) * period_s
    products = np.interp(wanted_s, lag_s, together, left=0.0, right=0.0)
    scores = products / np.maximum(_sizes(played, wanted_s - first * STEP_S, n_moved) * np.linalg.norm(moved), 1e-300)
    best = int(np.argmax(scores))
    match, second = float(scores[best]), float(np.delete(scores, best).max(initial=0.0))
    return PeriodMatch(int(periods[best]), match, match > max(MIN_MATCH, MIN_LEAD * second))


def _sizes(played: FloatArray, lag_s: FloatArray, n_moved: int) -> FloatArray:
    """Norm of that part of the input which lies under the output at every lag."""
    energy = np.concatenate([[0.0], np.cumsum(played**2)])
    shift = np.round(lag_s / STEP_S).astype(np.int64)
    first, stop = np.clip(-shift, 0, len(played)), np.clip(n_moved - shift, 0, len(played))
    return np.asarray(np.sqrt(np.maximum(energy[stop] - energy[first], 0.0)), dtype=np.float64)


def _rises(samples: FloatArray, sample_rate: float) -> FloatArray:
    """Rises of the loudness, one value a millisecond, the same in soft and in loud passages, about a mean of zero."""
    from scipy.ndimage import uniform_filter1d

    edges = np.round(np.arange(0.0, len(samples) / sample_rate, STEP_S) * sample_rate).astype(np.int64)
    edges = edges[edges < len(samples)]
    power = np.add.reduceat(samples**2, edges) if len(edges) else np.zeros(0)
    loudness = 10.0 * np.log10(power / max(float(power.max(initial=0.0)), 1e-300) + 10.0 ** (FLOOR_DB / 10.0))
    rise = np.zeros(len(loudness))
    rise[RISE_STEPS:] = np.maximum(0.0, loudness[RISE_STEPS:] - loudness[:-RISE_STEPS])
    rise -= uniform_filter1d(rise, MEAN_STEPS)
    # 1 dB rms keeps the ripple of hiss small
    return np.asarray(rise / np.sqrt(uniform_filter1d(rise**2, SCALE_STEPS) + 1.0), dtype=np.float64)
