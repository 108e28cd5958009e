"""Slow signals on a uniform grid, as a delay is one: between the points, without high frequencies, the slope."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError

HALF_LENGTH = 4.0
"""Half the length of a low-pass, in periods of its limit: 80 dB, and a transition of 0.6 of the limit."""

KAISER_BETA = 8.0


def spline_pieces(values: FloatArray) -> FloatArray:
    """Quintic spline through values at 0, 1, 2...: one polynomial between neighbours.

    Parameters
    ----------
    values : ndarray, shape (n_points,)
        At least one; fewer than six are joined by a spline of lower degree.

    Returns
    -------
    ndarray, shape (max(1, n_points - 1), degree + 1)
        Row i holds the coefficients between i and i + 1 in rising powers of the distance from i.

    Notes
    -----
    A sine of 0.1 of the grid's rate is followed to 1e-4 of its amplitude, one of 0.25 to 2 % (cubic: 1e-3 and 6 %).

    References
    ----------
    .. [1] M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine, 1999.
    """
    from scipy.interpolate import make_interp_spline

    n = len(values)
    degree = 5 if n > 5 else 3 if n > 3 else min(1, n - 1)
    if degree == 0:
        return np.array([[values[0], 0.0]])
    spline = make_interp_spline(np.arange(n, dtype=np.float64), values, k=degree)
    grid = np.arange(n - 1)
    pieces = np.empty((n - 1, degree + 1))
    factorial = 1.0
    for power in range(degree + 1):
        factorial *= max(power, 1)
        # the highest derivative is constant between neighbours and jumps at them
        pieces[:, power] = spline(grid + 0.5 * (power == degree), power) / factorial
    # exactly the values, not the spline's rounding of them
    pieces[:, 0] = values[:-1]
    return pieces


def lowpass_values(values: FloatArray, *, rate_hz: float, limit_hz: float) -> FloatArray:
    """Values without what lies above `limit_hz` (-6 dB there; Kaiser window, zero phase; the ends are mirrored).

    Parameters
    ----------
    values : ndarray, shape (n_points,)
    rate_hz : float
        Points per second.
    limit_hz : float
        0 to half of `rate_hz`.

    Raises
    ------
    ParameterError
        If the limit is out of range.
    """
    time_s, window = _window(rate_hz, limit_hz)
    taps = window * np.sinc(2.0 * limit_hz * time_s)
    return _filtered(values, taps / taps.sum())


def slope_values(values: FloatArray, *, rate_hz: float, limit_hz: float) -> FloatArray:
    """Derivative of values from 0 to `limit_hz`, per second: exact for a ramp, -6 dB at the limit, nothing above.

    Parameters and errors are those of `lowpass_values`.

    Notes
    -----
    One FIR filter, the windowed derivative of the low-pass' impulse response: within 0.5 % to 0.7 of the limit.
    """
    return _filtered(values, slope_taps(rate_hz=rate_hz, limit_hz=limit_hz))


def slope_taps(*, rate_hz: float, limit_hz: float) -> FloatArray:
    """Impulse response of `slope_values`; the noise of white values is multiplied by the root of its energy."""
    from scipy.special import i1

    time_s, window = _window(rate_hz, limit_hz)
    phase = 2.0 * np.pi * limit_hz * time_s
    safe = np.where(time_s == 0.0, 1.0, time_s)
    of_sinc = np.where(time_s == 0.0, 0.0, (phase * np.cos(phase) - np.sin(phase)) / (2.0 * np.pi * limit_hz * safe**2))
    # the window's own slope belongs to it, else the response ripples by 1 %
    part = time_s / time_s[-1]
    root = np.sqrt(np.maximum(1.0 - part**2, 1e-12))
    of_window = -KAISER_BETA * part / (root * time_s[-1]) * i1(KAISER_BETA * root) / np.i0(KAISER_BETA)
    taps = of_sinc * window + np.sinc(2.0 * limit_hz * time_s) * of_window
    # the filter ends on these two samples
    taps[[0, -1]] *= 0.5
    return np.asarray(-taps / np.sum(taps * time_s), dtype=np.float64)


def half_length(*, rate_hz: float, limit_hz: float) -> int:
    """Points on each side that a filtered value depends on."""
    return int(np.ceil(HALF_LENGTH * rate_hz / limit_hz))


def _window(rate_hz: float, limit_hz: float) -> tuple[FloatArray, FloatArray]:
    if not 0.0 < limit_hz <= 0.5 * rate_hz:
        raise ParameterError(f"limit_hz is {limit_hz:g} Hz; give more than 0 and at most {0.5 * rate_hz:g} Hz")
    half = half_length(rate_hz=rate_hz, limit_hz=limit_hz)
    return np.arange(-half, half + 1) / rate_hz, np.kaiser(2 * half + 1, KAISER_BETA)


def _filtered(values: FloatArray, taps: FloatArray) -> FloatArray:
    from scipy.signal import oaconvolve

    half = len(taps) // 2
    # the mean apart, so that a large constant costs no digits
    mean = float(np.mean(values))
    extended = np.zeros(1 + 2 * half)
    if len(values) > 1:
        extended = np.pad(values - mean, half, mode="reflect", reflect_type="odd")
    return np.asarray(oaconvolve(extended, taps, "valid") + mean * taps.sum(), dtype=np.float64)
