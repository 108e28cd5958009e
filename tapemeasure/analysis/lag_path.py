"""The lag of an output from window to window, with jumps: which of all lags fits the waveforms of the whole take best.

A pilot alone repeats itself every period and programme alone has silences; a path through all windows at once, in which
every jump costs something, is sure of what neither tells at one moment.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, IntArray, runs_of
from tapemeasure.dsp.fractional import read_at
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 5500.0
"""Both signals are brought down to about this rate: lags are known to 0.2 ms."""

WINDOW_S = 0.1
HOP_S = 0.025
FFT_LENGTH = 4096
CHUNK = 40
PRE_EMPHASIS = 0.95
FLOOR_DB = -50.0
JUMP = 2.5
"""What a jump costs, in windows that do not fit at all."""

JUMP_PER_S = 5.0
DOUBLED = 1.0
"""What it costs more: blocks get lost far more often than they come twice."""

CREEP = 0.02
"""What a change by one sample of the low rate costs, so that nothing creeps where nothing is told."""

IMPOSSIBLE_SPEED = 0.025
"""No machine's speed changes by so much within 10 ms; faster steps of a trajectory are taken out."""

LONGEST_S = 0.08
INFORMED = 0.3
"""A channel whose best lag fits worse than this says nothing: it is silent, or hiss."""

ALIKE = 0.12
"""Lags that fit so much worse than the best are as good: noise decides between them, not a jump."""

START_S = 8.0
AHEAD_S = 4.0
HALF_TAPS = 8


@dataclass(frozen=True)
class LagPath:
    """Lag of an output in windows of 0.1 s.

    Parameters
    ----------
    time_s : ndarray, shape (n_windows,)
        Middle of each window, output time.
    lag_s : ndarray, shape (n_windows,)
        Delay of the output there.
    level_s : ndarray, shape (n_windows,)
        What it is more than the trajectory without its steps: constant but for jumps and creeping.
    informed : ndarray of bool, shape (n_windows,)
        Whether the waveforms of the window say anything about a lag.
    """

    time_s: FloatArray
    lag_s: FloatArray
    level_s: FloatArray
    informed: BoolArray


def steady_part_s(trajectory: DelayTrajectory) -> FloatArray:
    """Delay of a trajectory with all steps taken out that no tape can make, seconds.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Tracked delay.

    Notes
    -----
    A tape that slows down between two heads is as fast, for longer than a tracker smears a step over; it stays in.
    """
    delay_s = trajectory.delay_s
    steps = np.diff(delay_s)
    if len(steps) < 5:
        return delay_s.copy()
    width = max(3, round(0.5 * trajectory.rate_hz) | 1)
    padded = np.pad(steps, width // 2, mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    fast = np.abs(steps - usual) * trajectory.rate_hz > IMPOSSIBLE_SPEED
    for first, stop in runs_of(fast):
        if (stop - first) / trajectory.rate_hz <= LONGEST_S:
            steps[first:stop] = usual[first:stop]
    return np.asarray(np.concatenate([[0.0], np.cumsum(steps)]) + delay_s[0], dtype=np.float64)


def follow_lag(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, trajectory: DelayTrajectory
) -> LagPath | None:
    """Lag of an output behind its input with all its jumps; None where it is shorter than some windows.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        Full scale 1.0.
    sample_rate : int
        Hz.
    trajectory : DelayTrajectory
        Tracked delay. Its slow changes are used; where it jumps, and whether it is right by a pilot's period, is not.

    Notes
    -----
    Normalised correlation of windows of 0.1 s every 25 ms at all lags within 0.3 s of the last, below 2.7 kHz; then the
    path with the smallest sum of misfits and jumps (Viterbi), a jump counting as much as 2.5 windows that do not fit.
    Jumps of more than 1 ms and less than 0.3 s are found, several per second of them.

    References
    ----------
    .. [1] G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61(3), 1973.
    """
    factor = max(1, int(sample_rate // RATE_HZ))
    rate_hz = sample_rate / factor
    window, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    heard = _low(output, factor)
    n_windows = (len(heard) - window) // hop + 1
    if n_windows < 4:
        return None
    steady_s = steady_part_s(trajectory)
    # where blocks got lost, the output is ahead of what the steady delay tells
    moment_s = np.arange(len(heard) + round(AHEAD_S * rate_hz)) / rate_hz
    wander_s = np.interp(moment_s, trajectory.time_s, steady_s)
    played = read_at(_low(stimulus, factor), (moment_s - wander_s) * rate_hz, half_taps=HALF_TAPS)
    centre = _start(played, heard, rate_hz)
    levels, informed = _best_path(played, heard, centre, n_windows, window=window, hop=hop, rate_hz=rate_hz)
    level_s = levels / rate_hz
    time_s: FloatArray = (np.arange(n_windows, dtype=np.float64) * hop + 0.5 * window) / rate_hz
    slow_s = np.interp(time_s - level_s, trajectory.time_s, steady_s)
    return LagPath(time_s, level_s + slow_s, level_s, informed)


def _low(samples: FloatArray, factor: int) -> FloatArray:
    """Signal at the low rate with its bass taken down, so that no slow wave decides."""
    from scipy.signal import resample_poly

    low = resample_poly(samples, 1, factor, axis=0) if factor > 1 else samples
    return np.asarray(low - PRE_EMPHASIS * np.pad(low, ((1, 0), (0, 0)))[:-1])


def _start(played: FloatArray, heard: FloatArray, rate_hz: float) -> int:
    """Lag of the first seconds behind the trajectory: none, unless another within a few seconds fits far better."""
    from scipy.signal import correlate

    length = min(len(heard), round(START_S * rate_hz))
    total = np.zeros(2 * length - 1)
    for channel in range(heard.shape[1]):
        x, y = played[:length, channel], heard[:length, channel]
        energy = float(np.sqrt(np.sum(x**2) * np.sum(y**2)))
        if energy > 0.0:
            total += np.abs(correlate(y, x, method="fft")) / energy
    best = int(np.argmax(total))
    own = length - 1
    near = total[max(0, own - 3) : max(0, own + 4)]
    return 0 if near.max() > 0.7 * total[best] else best - own


def _best_path(
    played: FloatArray, heard: FloatArray, centre: int, n_windows: int, *, window: int, hop: int, rate_hz: float
) -> tuple[IntArray, np.ndarray]:
    """Lag of every window on the best path, in samples, and whether its waveforms say anything."""
    reach = (FFT_LENGTH - window) // 2
    n_lags = 2 * reach + 1
    per_lag = np.float32(JUMP_PER_S / rate_hz) * np.arange(n_lags, dtype=np.float32)
    came_from = np.zeros((n_windows, n_lags), dtype=np.int16)
    centres = np.zeros(n_windows, dtype=np.int64)
    informed = np.zeros(n_windows, dtype=np.bool_)
    cost = per_lag[np.abs(np.arange(n_lags) - reach)].copy()
    for first in range(0, n_windows, CHUNK):
        stop = min(n_windows, first + CHUNK)
        if first > 0:
            moved = int(np.argmin(cost)) - reach
            cost = _shifted(cost, moved)
            centre += moved
        centres[first:stop] = centre
        misfits, informed[first:stop] = _misfits(
            played, heard, range(first, stop), centre=centre, window=window, hop=hop, reach=reach
        )
        for number in range(first, stop):
            cost, came_from[number] = _step(cost, per_lag)
            cost += misfits[number - first]
    levels = np.zeros(n_windows, dtype=np.int64)
    place = int(np.argmin(cost))
    for number in range(n_windows - 1, -1, -1):
        levels[number] = centres[number] + place - reach
        place = int(came_from[number, place])
        if number > 0:
            place += int(centres[number] - centres[number - 1])
            place = min(max(place, 0), n_lags - 1)
    return levels, informed


def _shifted(cost: np.ndarray, by: int) -> np.ndarray:
    """Costs around another centre; lags that were not looked at cost as much as a jump more than the worst."""
    moved = np.full_like(cost, cost.max() + JUMP)
    if by >= 0:
        moved[: len(cost) - by] = cost[by:]
    else:
        moved[-by:] = cost[:by]
    return moved


def _step(cost: np.ndarray, per_lag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least cost of arriving at every lag (staying, creeping by one, jumping), and where from."""
    index = np.arange(len(cost), dtype=np.int16)
    best, origin = cost.copy(), index.copy()
    for by in (1, -1):
        other = np.full_like(cost, np.inf)
        if by > 0:
            other[1:] = cost[:-1] + CREEP
        else:
            other[:-1] = cost[1:] + CREEP
        better = other < best
        best[better], origin[better] = other[better], index[better] - by
    # jumps down (lost) and up (doubled): the cheapest origin by running minima
    for sign in (1, -1):
        line = (cost + per_lag)[::-1] if sign > 0 else cost - per_lag
        least = np.minimum.accumulate(line)
        where = np.maximum.accumulate(np.where(line == least, index, 0))
        if sign > 0:
            jumped, source = least[::-1] - per_lag + JUMP, (len(cost) - 1 - where)[::-1]
        else:
            jumped, source = least + per_lag + JUMP + DOUBLED, where
        better = jumped < best
        best[better], origin[better] = jumped[better], source[better]
    return best - best.min(), origin


def _misfits(
    played: FloatArray, heard: FloatArray, numbers: range, *, centre: int, window: int, hop: int, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Misfit of windows at every lag, summed over the channels (0 to 1 each), and whether they say anything."""
    from scipy import fft

    n_lags = 2 * reach + 1
    starts = np.arange(numbers.start, numbers.stop) * hop
    total = np.zeros((len(starts), n_lags), dtype=np.float32)
    informed = np.zeros(len(starts), dtype=np.bool_)
    origin = int(starts[0]) - centre - reach
    span = int(starts[-1] - starts[0]) + window + 2 * reach
    for channel in range(heard.shape[1]):
        power = [float(np.mean(signal[:, channel] ** 2)) for signal in (played, heard)]
        if min(power) <= 0.0:
            continue
        floor = [window * value * 10.0 ** (FLOOR_DB / 10.0) for value in power]
        part = np.zeros(span, dtype=np.float32)
        low, high = max(0, origin), min(len(played), origin + span)
        if high > low:
            part[low - origin : high - origin] = played[low:high, channel]
        segments = np.lib.stride_tricks.sliding_window_view(part, window + 2 * reach)[starts - starts[0]]
        pieces = np.stack([heard[start : start + window, channel] for start in starts]).astype(np.float32)
        spectrum = fft.rfft(segments, FFT_LENGTH, axis=1) * np.conj(fft.rfft(pieces, FFT_LENGTH, axis=1))
        # the envelope of the correlation: a machine turns the phase of a steady tone, which tells no lag
        product = 2.0 * fft.ifft(spectrum, FFT_LENGTH, axis=1)[:, :n_lags]
        local = _energy(part, window)[(starts - starts[0])[:, np.newaxis] + np.arange(n_lags)]
        energy = np.sum(pieces.astype(np.float64) ** 2, axis=1, keepdims=True)
        # segments run forward in time, so their first piece belongs to the largest lag
        fits = np.minimum(np.abs(product) / np.sqrt((local + floor[0]) * (energy + floor[1])), 1.0)[:, ::-1]
        best = fits.max(axis=1, keepdims=True)
        clear = best[:, 0] > INFORMED
        total[clear] += np.maximum(best - ALIKE - fits, 0.0)[clear]
        informed |= clear
    return total, informed


def _energy(part: np.ndarray, window: int) -> FloatArray:
    """Energy of every window of a signal: its own, or that of its envelope where that is larger."""
    from scipy.signal import hilbert

    envelope = np.abs(hilbert(part))
    powers = np.stack([part.astype(np.float64) ** 2, 0.5 * envelope**2])
    summed = np.pad(np.cumsum(powers, axis=1), ((0, 0), (1, 0)))
    return np.asarray((summed[:, window:] - summed[:, :-window]).max(axis=0))
