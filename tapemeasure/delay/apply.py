"""Applying a delay trajectory to a signal, and undoing it: windowed sinc at the warped positions."""

from collections.abc import Callable

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayTrajectory

BLOCK_SAMPLES = 1 << 20
MAX_ITERATIONS = 50
CONVERGED_SAMPLES = 1e-6


def apply_delay(
    samples: FloatArray,
    trajectory: DelayTrajectory,
    *,
    sample_rate: float,
    length_samples: int | None = None,
    half_taps: int = 32,
) -> FloatArray:
    """Signal as it comes out late: ``y(t) = x(t - d(t))`` with d in seconds at output time.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Input, full scale 1.0; zeros are read outside it.
    trajectory : DelayTrajectory
        Held constant before its first and behind its last point.
    sample_rate : float
        Hz.
    length_samples : int, optional
        Length of the output; by default that of the input.
    half_taps : int
        Taps on each side of the windowed sinc.

    Returns
    -------
    ndarray, shape (length_samples,) or (length_samples, n_channels)

    Raises
    ------
    SignalError
        If the delay changes by 100 % of speed or more.
    ParameterError
        If `half_taps` is out of range.
    """
    _require_forward(trajectory)
    length = len(samples) if length_samples is None else length_samples

    def positions(first: int, last: int) -> FloatArray:
        time = np.arange(first, last) / sample_rate
        return np.asarray((time - trajectory.at(time)) * sample_rate, dtype=np.float64)

    return _read_blocks(samples, length, half_taps, positions)


def undo_delay(
    output: FloatArray, trajectory: DelayTrajectory, *, sample_rate: float, length_samples: int, half_taps: int = 32
) -> FloatArray:
    """Output on the input's time axis: ``out(u) = y(t)`` where ``t - d(t) = u``.

    Parameters
    ----------
    output : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Full scale 1.0; zeros are read outside it.
    trajectory : DelayTrajectory
        Delay of the output, held constant before its first and behind its last point.
    sample_rate : float
        Hz.
    length_samples : int
        Length of the result, usually that of the input.
    half_taps : int
        Taps on each side of the windowed sinc.

    Returns
    -------
    ndarray, shape (length_samples,) or (length_samples, n_channels)

    Raises
    ------
    SignalError
        If the delay changes by 100 % of speed or more, so that time would stand still.
    ParameterError
        If `half_taps` is out of range.

    Notes
    -----
    The inverse map is solved by Newton's method to 1e-6 samples, not interpolated. With 32 half taps a delay that was
    applied and undone leaves an error below -80 dB up to 0.4 of the sample rate.
    """
    _require_forward(trajectory)

    def positions(first: int, last: int) -> FloatArray:
        return invert_time(np.arange(first, last) / sample_rate, trajectory, sample_rate=sample_rate) * sample_rate

    return _read_blocks(output, length_samples, half_taps, positions)


def covered_samples(
    trajectory: DelayTrajectory, *, sample_rate: float, output_samples: int, length_samples: int
) -> int:
    """Samples of an input of `length_samples` that had come out when an output of `output_samples` ended.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay of the output.
    sample_rate : float
        Hz.
    output_samples, length_samples : int
        Length of the output, and of the input.

    Examples
    --------
    >>> late = DelayTrajectory(0.0, 100.0, np.full(100, 0.1), np.zeros(100), np.ones(100, dtype=bool))
    >>> covered_samples(late, sample_rate=1000, output_samples=1000, length_samples=1000)
    900
    """
    end_s = np.array([output_samples / sample_rate])
    left_s = float((end_s - trajectory.at(end_s))[0])
    return int(np.clip(np.floor(left_s * sample_rate + 1e-6), 0, length_samples))


def invert_time(input_time_s: FloatArray, trajectory: DelayTrajectory, *, sample_rate: float) -> FloatArray:
    """Output time at which the input's moments come out: the t of ``t - d(t) = input_time_s``, seconds.

    Notes
    -----
    Starts from the trajectory's own points and repeats ``t += (u - (t - d(t))) / (1 - d'(t))``.
    """
    grid, delay = trajectory.time_s, trajectory.delay_s
    leaving = grid - delay
    # outside the trajectory the delay is held
    time = np.interp(input_time_s, leaving, grid)
    time = np.where(input_time_s < leaving[0], input_time_s + delay[0], time)
    time = np.where(input_time_s > leaving[-1], input_time_s + delay[-1], time)
    rate = np.interp(time, grid, 1.0 + trajectory.speed_deviation())
    rate = np.where((time < grid[0]) | (time > grid[-1]), 1.0, rate)
    for _ in range(MAX_ITERATIONS):
        error = input_time_s - (time - trajectory.at(time))
        if np.abs(error).max(initial=0.0) * sample_rate < CONVERGED_SAMPLES:
            break
        time = time + error / rate
    return time


def _require_forward(trajectory: DelayTrajectory) -> None:
    step = np.diff(trajectory.delay_s)
    if len(step) and step.max() * trajectory.rate_hz >= 1.0:
        at = trajectory.time_s[int(np.argmax(step))]
        raise SignalError(
            f"delay trajectory: at {at:.3f} s the delay grows by {step.max() * trajectory.rate_hz:.2f} s per second; "
            "below 1 is needed for time to run forward; check the trajectory"
        )


def _read_blocks(
    samples: FloatArray, length: int, half_taps: int, positions: Callable[[int, int], FloatArray]
) -> FloatArray:
    """Read block by block, so that the positions of a long file never stand in memory all at once."""
    result = np.zeros((length, *samples.shape[1:]))
    for first in range(0, length, BLOCK_SAMPLES):
        last = min(length, first + BLOCK_SAMPLES)
        where = positions(first, last)
        # only the samples that this block can reach
        low = int(np.clip(np.floor(where.min()) - half_taps - 1, 0, len(samples)))
        high = int(np.clip(np.ceil(where.max()) + half_taps + 2, low, len(samples)))
        if high > low:
            result[first:last] = read_at(samples[low:high], where - low, half_taps=half_taps)
    return result
