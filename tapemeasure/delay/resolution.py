"""What the trackers share: a lower sample rate for coarse work, a warped input, bridged gaps."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.trajectory import DelayStep, DelayTrajectory, steps_until

SEARCH_RATE_HZ = 11025.0


@dataclass(frozen=True)
class SlowPair:
    """Input and output at about 11 kHz, enough for coarse delays; sample 0 of each is that of the file.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each, without their means.
    sample_rate : float
        Hz.
    """

    stimulus: FloatArray
    output: FloatArray
    sample_rate: float

    @classmethod
    def of(cls, stimulus: FloatArray, output: FloatArray, *, sample_rate: float) -> "SlowPair":
        """Pair of one channel each, (n_samples,), at `sample_rate`, Hz."""
        factor = max(1, int(sample_rate // SEARCH_RATE_HZ))
        return cls(decimate(stimulus, factor), decimate(output, factor), sample_rate / factor)


def decimate(samples: FloatArray, factor: int) -> FloatArray:
    """Signal at a `factor`-th of its sample rate, without its mean; sample 0 stays sample 0."""
    from scipy.signal import resample_poly

    centred = samples - samples.mean()
    return np.asarray(centred if factor == 1 else resample_poly(centred, 1, factor), dtype=np.float64)


def warp(stimulus: FloatArray, delay_s: FloatArray, *, sample_rate: float, half_taps: int = 32) -> FloatArray:
    """Stimulus as it stands in an output that is late by `delay_s`, given at every sample of the output."""
    positions = np.arange(len(delay_s)) - delay_s * sample_rate
    return read_at(stimulus, positions, half_taps=half_taps)


def bridge(values: FloatArray, good: BoolArray) -> FloatArray:
    """Values with the bad ones interpolated linearly between good ones, and held at the ends; zeros if none is good."""
    if not good.any():
        return np.zeros(len(values))
    where = np.arange(len(values))
    return np.asarray(np.interp(where, where[good], values[good]), dtype=np.float64)


def on_samples(delay_s: FloatArray, *, hop: int, length: int) -> FloatArray:
    """Delay at every sample of the output, from one value every `hop` samples (cubic; straight for three or less)."""
    from scipy.interpolate import CubicSpline

    grid = np.arange(len(delay_s)) * hop
    where = np.minimum(np.arange(length), grid[-1])
    if len(grid) < 4:
        return np.asarray(np.interp(where, grid, delay_s), dtype=np.float64)
    return np.asarray(CubicSpline(grid, delay_s)(where), dtype=np.float64)


def to_grid(
    time_s: FloatArray,
    delay_s: FloatArray,
    sigma_s: FloatArray,
    valid: BoolArray,
    *,
    rate_hz: float,
    n_points: int,
    reach_s: float,
    steps: tuple[DelayStep, ...] = (),
) -> DelayTrajectory:
    """Trajectory on a uniform grid from time 0, of delays at rising times, with the `steps` that they hold.

    Delays are interpolated by a cubic spline and held at the ends; a grid point is valid if the nearest time on each
    side is valid and no further than `reach_s` away (one side is enough at the ends).
    """
    from scipy.interpolate import CubicSpline

    grid = np.arange(n_points) / rate_hz
    inside = np.clip(grid, time_s[0], time_s[-1])
    # a spline would ring at a step
    smooth = delay_s - steps_until(steps, time_s)
    delay = CubicSpline(time_s, smooth)(inside) if len(time_s) > 3 else np.interp(inside, time_s, smooth)
    delay = delay + steps_until(steps, grid)
    right = np.clip(np.searchsorted(time_s, grid), 0, len(time_s) - 1)
    left = np.maximum(right - (time_s[right] > grid), 0)
    # beyond the ends both neighbours are the same point
    left = np.where(grid > time_s[-1], len(time_s) - 1, left)
    good = valid[left] & valid[right]
    good &= (np.abs(grid - time_s[left]) <= reach_s) & (np.abs(time_s[right] - grid) <= reach_s)
    sigma = np.maximum(sigma_s[left], sigma_s[right])
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=rate_hz,
        delay_s=np.asarray(delay, dtype=np.float64),
        sigma_s=np.asarray(sigma, dtype=np.float64),
        valid=np.asarray(good, dtype=np.bool_),
        steps=steps,
    )


def lowpass(values: FloatArray, *, rate_hz: float, limit_hz: float) -> FloatArray:
    """Values without what lies above `limit_hz` (Kaiser, zero phase; the ends are extended by reflection)."""
    from scipy.signal import firwin

    half = round(3.0 * rate_hz / limit_hz)
    taps = firwin(2 * half + 1, limit_hz, fs=rate_hz, window=("kaiser", 5.0))
    padded = np.pad(values, half, mode="reflect", reflect_type="odd") if len(values) > half else None
    return values if padded is None else np.convolve(padded, taps, "valid")
