"""Steps in the delay: blocks of samples that got lost or doubled, and a tape whose speed changed for good."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.analysis.lag_path import LagPath, follow_lag
from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.dsp.correlation import generalised_correlation
from tapemeasure.trajectory import DelayTrajectory

LEAST_STEP_S = 1.2e-3
LEAST_JUMP_S = 1e-3
LEAST_AMPLITUDE = 1e-5
JOINED = 3
"""Jumps of the path so many windows apart are one."""

AROUND_S = 0.06
WINDOW_S = 0.08
REACH_S = 1.5e-3
NEAR_S = 0.15
RATE_HZ = 11000.0
TAPS = 10
"""On each side, for what a machine makes of a signal."""

PRE_EMPHASIS = 0.95
RIDGE = 1e-2
SHARED = 0.1
LEAST_NOISE = 1e-4
LEAST_TRUST = 0.25
"""A channel whose error between the stretches is more than four times that in them is left out."""

ALIKE = 6.0
"""Places whose likelihood differs by less than this cannot be told apart."""

RIGHT_S = 1e-3
"""A tracked delay so near the path is kept: it is the finer one."""


@dataclass(frozen=True)
class Slip:
    """Samples that are missing (or twice) in an output.

    Parameters
    ----------
    time_s : float
        Output time.
    samples : int
        Negative: lost; positive: doubled.
    """

    time_s: float
    samples: int


@dataclass(frozen=True)
class Slips:
    """All slips of a take, and its delay with them in it.

    Parameters
    ----------
    slips : tuple of Slip
        In order.
    trajectory : DelayTrajectory
        The tracked one, set right where a pilot's next period was taken for its own behind a slip.
    """

    slips: tuple[Slip, ...]
    trajectory: DelayTrajectory


def find_slips(stimulus: FloatArray, output: FloatArray, *, sample_rate: int, trajectory: DelayTrajectory) -> Slips:
    """Blocks that got lost or doubled: steps of the delay of 1.2 ms and more that no tape can make.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        Input and output, full scale 1.0.
    sample_rate : int
        Hz.
    trajectory : DelayTrajectory
        Tracked delay of the output, 100 points per second or more.

    Notes
    -----
    The path of the lag through the whole take (`tapemeasure.analysis.lag_path`) says how many and about where: what a
    pilot leaves open by whole periods, the programme before and behind decides. Size and moment then come from the
    waveforms at their own rate: the lags of 0.08 s before and behind, and the sample at which changing from the one to
    the other leaves the smallest error. Position within some milliseconds where the signal is not silent. A single
    sample is below what is looked for here.
    """
    path = follow_lag(stimulus, output, sample_rate=sample_rate, trajectory=trajectory)
    if path is None:
        return Slips((), trajectory)
    slips, jumps = [], _jumps(path)
    ends_s = len(np.trim_zeros(np.any(np.abs(stimulus) > LEAST_AMPLITUDE, axis=1), "b")) / sample_rate
    for number in range(len(jumps)):
        slip = _measure(stimulus, output, path, jumps, number, sample_rate=sample_rate)
        # behind the last sound hum may look like part of it, later
        over = slip.time_s > ends_s + path.lag_s[jumps[number][0]]
        if abs(slip.samples) >= LEAST_STEP_S * sample_rate and not over:
            slips.append(slip)
    if not slips:
        return Slips((), trajectory)
    return Slips(tuple(slips), _set_right(trajectory, path, slips))


def _jumps(path: LagPath) -> list[tuple[int, int]]:
    """Last window before and first window behind every jump of the path, both with a signal in them."""
    places = np.flatnonzero(np.abs(np.diff(path.level_s)) >= LEAST_JUMP_S)
    if not len(places):
        return []
    informed = np.flatnonzero(path.informed)
    jumps = []
    for group in np.split(places, np.flatnonzero(np.diff(places) > JOINED) + 1):
        before, behind = informed[informed <= group[0]], informed[informed > group[-1]]
        if len(before) and len(behind):
            jumps.append((int(before[-1]), int(behind[0])))
    return jumps


def _measure(
    stimulus: FloatArray,
    output: FloatArray,
    path: LagPath,
    jumps: list[tuple[int, int]],
    number: int,
    *,
    sample_rate: int,
) -> Slip:
    """Size and moment of a jump between two windows, by the waveforms between the jumps before and behind it."""
    before, behind = jumps[number]
    first = round((path.time_s[before] - AROUND_S) * sample_rate)
    last = round((path.time_s[behind] + AROUND_S) * sample_rate)
    window = round(WINDOW_S * sample_rate)
    supposed = [round(path.lag_s[number] * sample_rate) for number in (before, behind)]
    old = _lag(stimulus, output, first - window, window, delay=supposed[0], sample_rate=sample_rate)
    new = _lag(stimulus, output, last, window, delay=supposed[1], sample_rate=sample_rate)
    after = round(path.time_s[jumps[number - 1][1]] * sample_rate) if number > 0 else 0
    until = round(path.time_s[jumps[number + 1][0]] * sample_rate) if number + 1 < len(jumps) else len(output)
    near = round(NEAR_S * sample_rate)
    position = _split(
        stimulus,
        output,
        _Stretch(max(first - near, after), first, old),
        _Stretch(last, min(last + near, until), new),
        factor=max(1, int(sample_rate // RATE_HZ)),
    )
    margin = (last - first) // 16
    if not first + margin < position < last - margin:
        # the waveforms do not know: steady tones fit at many lags
        position = (first + last) // 2
    return Slip(position / sample_rate, new - old)


def _set_right(trajectory: DelayTrajectory, path: LagPath, slips: list[Slip]) -> DelayTrajectory:
    """The tracked delay where it agrees with the path, else the path with its jumps where the slips are."""
    time_s = trajectory.time_s
    where = np.interp(time_s, path.time_s, np.arange(len(path.time_s)))
    window = np.round(where).astype(np.int64)
    for slip in slips:
        near = np.abs(time_s - slip.time_s) < AROUND_S
        side = np.where(time_s < slip.time_s, -1, 1) * math.ceil(AROUND_S / float(path.time_s[1] - path.time_s[0]))
        window[near] = np.clip(window + side, 0, len(path.time_s) - 1)[near]
    known_s = path.lag_s[window]
    right = np.abs(trajectory.delay_s - known_s) < RIGHT_S
    return replace(trajectory, delay_s=np.where(right, trajectory.delay_s, known_s))


def _cut(samples: FloatArray, start: int, stop: int) -> FloatArray:
    """Part of a signal, zeros outside it."""
    low, high = max(0, min(start, len(samples))), max(0, min(stop, len(samples)))
    cut = np.zeros((stop - start, samples.shape[1]))
    if high > low:
        cut[low - start : high - start] = samples[low:high]
    return cut


def _lag(stimulus: FloatArray, output: FloatArray, start: int, length: int, *, delay: int, sample_rate: int) -> int:
    """Delay of a window of the output in samples, near the supposed one, which is kept where nothing is clear."""
    reach = round(REACH_S * sample_rate)
    shape = np.hanning(length)
    played = _cut(stimulus, start - delay, start - delay + length).T * shape
    heard = _cut(output, start, start + length).T * shape
    loud = (np.abs(played).max(axis=1) > 1e-4) & (np.abs(heard).max(axis=1) > 1e-4)
    if not loud.any():
        return delay
    lags = generalised_correlation(played[loud], heard[loud], max_lag_samples=reach)
    # of lags that fit equally well (steady tones) the nearest
    total = np.abs(lags).sum(axis=0) * (1.0 - 0.5 * np.abs(np.linspace(-1.0, 1.0, 2 * reach + 1)))
    peak = int(np.argmax(total))
    return delay + peak - reach if total[peak] > 0.25 else delay


@dataclass(frozen=True)
class _Stretch:
    """A stretch of the output whose delay is known, samples."""

    first: int
    stop: int
    delay: int


def _split(stimulus: FloatArray, output: FloatArray, before: _Stretch, behind: _Stretch, *, factor: int) -> int:
    """Sample of the output, between two stretches, at which going over from the one to the other fits best.

    What the machine makes of the input is fitted on both stretches (some taps and the noise that is left), so that its
    response is not taken for a change; then the likelihood of every place is summed over the channels. All at the
    sample rate divided by `factor`, at which wow within the stretches does not matter.
    """
    between = before.stop, behind.first
    totals, trusts = [np.zeros((between[1] - between[0]) // factor + 1)], [0.0]
    for channel in range(output.shape[1]):
        played, heard = stimulus[:, [channel]], output[:, [channel]]
        responses, noise = _responses(played, heard, (before, behind), factor=factor)
        if noise == 0.0:
            continue
        there = _low(heard, *between, factor=factor)
        old, new = (
            (there - _through(response, played, _Stretch(*between, stretch.delay), factor=factor)) ** 2
            for response, stretch in zip(responses, (before, behind), strict=True)
        )
        left = float(_changed(old, new).min()) / max(len(there), 1)
        # of errors far outside the noise it counts that they are, not how far
        totals.append(_changed(np.log1p(old / max(noise, left)), np.log1p(new / max(noise, left))))
        trusts.append(noise / max(noise, left))
    # a response that was fitted to other tones than play here (a sweep, the start of a tone) has nothing to say
    least = min(LEAST_TRUST, max(trusts))
    total = np.sum([part for part, trust in zip(totals, trusts, strict=True) if trust >= least], axis=0)
    best = int(np.argmin(total))
    # between two pulses nothing tells where: the middle of what is as likely
    begin, end = next(run for run in runs_of(total <= total[best] + ALIKE) if run[0] <= best < run[1])
    return between[0] + factor * (begin + end - 1) // 2


def _changed(old: FloatArray, new: FloatArray) -> FloatArray:
    """Sum of the one up to every place and of the other from there on."""
    behind = np.cumsum(new[::-1])[::-1]
    return np.asarray(np.concatenate([[0.0], np.cumsum(old)]) + np.concatenate([behind, [0.0]]), dtype=np.float64)


def _low(samples: FloatArray, start: int, stop: int, *, factor: int) -> FloatArray:
    """Part of one channel at the low rate with its bass taken down."""
    from scipy.signal import resample_poly

    margin = 20 * factor
    part = resample_poly(_cut(samples, start - margin, stop + margin)[:, 0], 1, factor)
    count = (stop - start) // factor
    return np.asarray(part[20 : 20 + count] - PRE_EMPHASIS * part[19 : 19 + count], dtype=np.float64)


def _wide(stimulus: FloatArray, stretch: _Stretch, *, factor: int) -> FloatArray:
    """What was played in a stretch, with as much around it as the response reaches."""
    reach = TAPS * factor
    return _low(stimulus, stretch.first - stretch.delay - reach, stretch.stop - stretch.delay + reach, factor=factor)


def _through(response: FloatArray, stimulus: FloatArray, stretch: _Stretch, *, factor: int) -> FloatArray:
    """What comes out of a stretch by the response that was fitted."""
    count = (stretch.stop - stretch.first) // factor
    return np.convolve(_wide(stimulus, stretch, factor=factor), response, mode="valid")[:count]


def _responses(
    stimulus: FloatArray, output: FloatArray, stretches: tuple[_Stretch, _Stretch], *, factor: int
) -> tuple[tuple[FloatArray, FloatArray], float]:
    """Taps from one channel of the input to the output in two stretches, and the power of what they leave.

    Least squares, each stretch with a part of the other: one alone may hold no signal, and both together smear where
    their delays differ by parts of a sample.
    """
    from scipy.linalg import solve_toeplitz

    n_taps = 2 * TAPS + 1
    own, cross = np.zeros((2, n_taps)), np.zeros((2, n_taps))
    power, count = np.zeros(2), 0
    for number, stretch in enumerate(stretches):
        heard = _low(output, stretch.first, stretch.stop, factor=factor)
        if not len(heard):
            continue
        played = _wide(stimulus, stretch, factor=factor)[: len(heard) + 2 * TAPS]
        middle = played[TAPS : len(played) - TAPS]
        cross[number] = np.correlate(played, heard, mode="valid")[::-1]
        own[number] = np.correlate(np.pad(middle, (0, 2 * TAPS)), middle, mode="valid")
        power[number] = float(np.sum(heard**2))
        count += len(heard)
    if own[:, 0].sum() <= 0.0 or power.sum() <= 0.0:
        return (np.zeros(n_taps), np.zeros(n_taps)), 0.0
    left = 0.0
    responses = []
    for number in range(2):
        matrix = own[number] + SHARED * own.sum(axis=0)
        matrix[0] *= 1.0 + RIDGE
        response = np.asarray(solve_toeplitz(matrix, cross[number] + SHARED * cross.sum(axis=0)), dtype=np.float64)
        through = float(response @ np.convolve(response, np.r_[own[number, :0:-1], own[number]], mode="valid"))
        left += max(power[number] - 2.0 * float(response @ cross[number]) + through, 0.0)
        responses.append(response)
    return (responses[0], responses[1]), max(left, LEAST_NOISE * float(power.sum())) / count


def lasting_change_s(trajectory: DelayTrajectory, *, around_s: float = 1.0) -> tuple[float, float] | None:
    """When and by how much the delay changes for good within a second, seconds; None where it does not.

    Notes
    -----
    Medians of a second before and behind every moment; what stands out of their usual differences by a factor of eight
    and by 1.5 ms is a change. With record and play head apart it means that the tape's speed changed.
    """
    width = round(around_s * trajectory.rate_hz)
    values = trajectory.delay_s[trajectory.valid]
    times = trajectory.time_s[trajectory.valid]
    if len(values) < 4 * width:
        return None
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, width)[:: max(1, width // 10)], axis=1)
    apart = 2 * 10
    change = medians[apart:] - medians[:-apart]
    usual = float(np.median(np.abs(change)))
    peak = int(np.argmax(np.abs(change)))
    if abs(change[peak]) < max(1.5e-3, 8.0 * usual):
        return None
    moment = min(len(times) - 1, (peak + apart // 2) * max(1, width // 10) + width // 2)
    return float(times[moment]), float(change[peak])
