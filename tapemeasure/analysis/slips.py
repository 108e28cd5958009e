"""Steps in the delay: blocks of samples that got lost or doubled, and a tape whose speed changed for good."""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.dsp.correlation import generalised_correlation
from tapemeasure.trajectory import DelayTrajectory

LEAST_STEP_S = 1.2e-3
IMPOSSIBLE_SPEED = 0.025
"""No machine's speed changes by so much within 10 ms; three steps of it are a jump."""

UNHEARD_S = 3e-3
"""What the trajectory alone must tell where nothing is played."""

LONGEST_S = 0.08
WINDOW_S = 0.12
REACH_S = 0.03
SETTLE_S = 0.04


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
    A step of the trajectory says about where; its size and moment come from the waveforms: the lags of 0.12 s before
    and behind it, and the sample at which changing from the one to the other leaves the smallest error. Position within
    a few milliseconds where the signal is not silent. A single sample is below what is looked for here.
    """
    found: list[Slip] = []
    delay_s = trajectory.delay_s.copy()
    for first, stop in _jumps(trajectory):
        jump = _Jump(trajectory.start_s, trajectory.rate_hz, first, stop, delay_s)
        slip, error = _measure(stimulus, output, jump, sample_rate=sample_rate)
        delay_s[stop:] += error / sample_rate
        if slip is not None and not any(abs(slip.time_s - other.time_s) < SETTLE_S for other in found):
            found.append(slip)
    return Slips(tuple(found), replace(trajectory, delay_s=delay_s))


@dataclass(frozen=True)
class _Jump:
    """A stretch of a trajectory in which its delay jumps, and the delays as they are known by now."""

    start_s: float
    rate_hz: float
    first: int
    stop: int
    delay_s: FloatArray

    @property
    def begin_s(self) -> float:
        return self.start_s + self.first / self.rate_hz

    @property
    def end_s(self) -> float:
        return self.start_s + self.stop / self.rate_hz

    def before_s(self) -> float:
        settle = round(SETTLE_S * self.rate_hz)
        return float(self.delay_s[max(0, self.first - settle)])

    def after_s(self) -> float:
        settle = round(SETTLE_S * self.rate_hz)
        return float(self.delay_s[min(len(self.delay_s) - 1, self.stop + settle)])


def _jumps(trajectory: DelayTrajectory) -> list[tuple[int, int]]:
    """First and last point of every stretch in which the delay changes faster than any tape."""
    steps = np.diff(trajectory.delay_s)
    if len(steps) < 5:
        return []
    width = max(3, round(0.5 * trajectory.rate_hz) | 1)
    padded = np.pad(steps, width // 2, mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    fast = np.abs(steps - usual) * trajectory.rate_hz > IMPOSSIBLE_SPEED
    jumps = []
    for first, stop in runs_of(fast):
        change_s = abs(float(np.sum((steps - usual)[first:stop])))
        if change_s >= LEAST_STEP_S and (stop - first) / trajectory.rate_hz <= LONGEST_S:
            jumps.append((first, stop))
    return jumps


def _measure(stimulus: FloatArray, output: FloatArray, jump: _Jump, *, sample_rate: int) -> tuple[Slip | None, int]:
    """Size and moment of a step by the waveforms around it, and by how much the trajectory is wrong behind it."""
    window, settle = round(WINDOW_S * sample_rate), round(SETTLE_S * sample_rate)
    first, last = round(jump.begin_s * sample_rate) - settle, round(jump.end_s * sample_rate) + settle
    expected = [round(delay_s * sample_rate) for delay_s in (jump.before_s(), jump.after_s())]
    old = _lag(stimulus, output, first - window, window, delay=expected[0], sample_rate=sample_rate)
    new = _lag(stimulus, output, last, window, delay=expected[1], sample_rate=sample_rate)
    least = LEAST_STEP_S * sample_rate
    if old is None or new is None:
        size = expected[1] - expected[0]
        return (Slip(0.5 * (jump.begin_s + jump.end_s), size) if abs(size) >= UNHEARD_S * sample_rate else None), 0
    error = new - expected[1]
    error = error if abs(error) >= least else 0
    if abs(new - old) < least:
        return None, error
    position = _split(stimulus, output, first, last, old, new)
    margin = (last - first) // 8
    if not first + margin < position < last - margin:
        # the waveforms do not know: steady tones fit at many lags
        position = round(0.5 * (jump.begin_s + jump.end_s) * sample_rate)
    return Slip(position / sample_rate, new - old), error


def _cut(samples: FloatArray, start: int, stop: int) -> FloatArray:
    """Part of a signal, zeros outside it."""
    low, high = max(0, min(start, len(samples))), max(0, min(stop, len(samples)))
    cut = np.zeros((stop - start, samples.shape[1]))
    if high > low:
        cut[low - start : high - start] = samples[low:high]
    return cut


def _lag(
    stimulus: FloatArray, output: FloatArray, start: int, length: int, *, delay: int, sample_rate: int
) -> int | None:
    """Delay of a window of the output in samples, near the one that is supposed; None where it is not clear."""
    reach = round(REACH_S * sample_rate)
    shape = np.hanning(length)
    played = _cut(stimulus, start - delay, start - delay + length).T * shape
    heard = _cut(output, start, start + length).T * shape
    loud = (np.abs(played).max(axis=1) > 1e-4) & (np.abs(heard).max(axis=1) > 1e-4)
    if not loud.any():
        return None
    lags = generalised_correlation(played[loud], heard[loud], max_lag_samples=reach)
    # of lags that fit equally well (steady tones) the nearest
    total = np.abs(lags).sum(axis=0) * (1.0 - 0.5 * np.abs(np.linspace(-1.0, 1.0, 2 * reach + 1)))
    peak = int(np.argmax(total))
    return delay + peak - reach if total[peak] > 0.25 else None


def _split(stimulus: FloatArray, output: FloatArray, first: int, last: int, before: int, after: int) -> int:
    """Sample of the output at which the delay changes from the one to the other with the smallest error."""
    heard = _cut(output, first, last)
    candidates = [_cut(stimulus, first - delay, last - delay) for delay in (before, after)]
    scales = [np.sum(played * heard, axis=0) / np.maximum(np.sum(played**2, axis=0), 1e-12) for played in candidates]
    # the gain of the better fit serves both, and each channel has the same say
    scale = np.where(np.abs(scales[0]) > np.abs(scales[1]), scales[0], scales[1])
    weight = 1.0 / np.maximum(np.sum(heard**2, axis=0), 1e-9)
    old, new = (np.sum(weight * np.square(heard - scale * played), axis=1) for played in candidates)
    total = np.concatenate([[0.0], np.cumsum(old)]) + np.concatenate([np.cumsum(new[::-1])[::-1], [0.0]])
    return first + int(np.argmin(total))


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
