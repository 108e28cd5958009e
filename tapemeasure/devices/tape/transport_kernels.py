"""Compiled inner loops of the transport: its delay between two points, and the reading of the tape.

All of them add in the same order whatever the length of a block, and carry no state: blocks join without a seam.
"""

import numba
import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import FloatArray

Float32Array = npt.NDArray[np.float32]

MAX_STEPS = 200
SOLVED_S = 1e-15


@numba.njit(cache=True, nogil=True)
def quintic_spline(coefficients: FloatArray, place: float) -> float:
    """Sum of quintic B-splines at `place`; coefficient i belongs to place i, and 2 <= place <= n - 4."""
    i = min(max(int(place), 2), coefficients.shape[0] - 4)
    x = place - i
    y = 1.0 - x
    x2, y2 = x * x, y * y
    far_left = y2 * y2 * y / 120.0
    far_right = x2 * x2 * x / 120.0
    left = 17.0 / 40.0 + (1 + x) * (0.625 + (1 + x) * (-1.75 + (1 + x) * (1.25 + (1 + x) * (-0.375 + (1 + x) / 24.0))))
    right = 17.0 / 40.0 + (1 + y) * (0.625 + (1 + y) * (-1.75 + (1 + y) * (1.25 + (1 + y) * (-0.375 + (1 + y) / 24.0))))
    here = 0.55 + x2 * (-0.5 + x2 * (0.25 - x / 12.0))
    next_one = 0.55 + y2 * (-0.5 + y2 * (0.25 - y / 12.0))
    value: float = (
        coefficients[i - 2] * far_left
        + coefficients[i - 1] * left
        + coefficients[i] * here
        + coefficients[i + 1] * next_one
        + coefficients[i + 2] * right
        + coefficients[i + 3] * far_right
    )
    return value


@numba.njit(cache=True, nogil=True)
def spline_values(
    coefficients: FloatArray, time_s: FloatArray, start_s: float, rate_hz: float, pad_points: int
) -> FloatArray:
    """Spline of the coefficients from `pad_points` on, the first at `start_s`; held constant beyond both ends."""
    last = float(coefficients.shape[0] - 2 * pad_points - 1)
    out = np.empty(time_s.shape[0])
    for n in range(time_s.shape[0]):
        place = (time_s[n] - start_s) * rate_hz
        out[n] = quintic_spline(coefficients, pad_points + min(max(place, 0.0), last))
    return out


@numba.njit(cache=True, nogil=True)
def solve_delay(base_s: FloatArray, coefficients: FloatArray, first_place: float, rate_hz: float) -> None:
    """Replace every b(t) of `base_s` by the d of ``d = b(t) + w(t - d)``, w the spline of `coefficients`.

    Point i of `base_s` lies at the place ``first_place + i`` of the spline. The iteration shrinks the error by the
    speed deviation in every step.
    """
    lowest, highest = 2.0, coefficients.shape[0] - 4.0
    delay = base_s[0]
    for n in range(base_s.shape[0]):
        for _ in range(MAX_STEPS):
            place = first_place + n - rate_hz * delay
            following = base_s[n] + quintic_spline(coefficients, min(max(place, lowest), highest))
            change = abs(following - delay)
            delay = following
            if change <= SOLVED_S:
                break
        base_s[n] = delay


@numba.njit(cache=True, nogil=True)
def read_cubic(samples: FloatArray, first: int, delay_samples: FloatArray) -> FloatArray:
    """Lagrange interpolation of order 3 at ``first + i - delay_samples[i]``, shape (n_delays, n_channels).

    `samples` is (n_channels, any). The four samples lie about the place, two on each side; for a delay below one sample
    they begin with the newest, as there is none after it.
    """
    n_channels = samples.shape[0]
    out = np.empty((delay_samples.shape[0], n_channels))
    for n in range(delay_samples.shape[0]):
        whole = int(np.floor(delay_samples[n]))
        x = delay_samples[n] - whole
        if whole >= 1:
            whole -= 1
            x += 1.0
        newest = first + n - whole
        a, b, c, d = x, x - 1.0, x - 2.0, x - 3.0
        w0, w1, w2, w3 = -b * c * d / 6.0, a * c * d / 2.0, -a * b * d / 2.0, a * b * c / 6.0
        for channel in range(n_channels):
            row = samples[channel]
            out[n, channel] = w0 * row[newest] + w1 * row[newest - 1] + w2 * row[newest - 2] + w3 * row[newest - 3]
    return out


@numba.njit(cache=True, nogil=True)
def plugin_samples(
    noise: FloatArray,
    phases: Float32Array,
    state: FloatArray,
    wow_steps: Float32Array,
    steps: Float32Array,
    amplitudes: FloatArray,
    offsets: FloatArray,
    wander: FloatArray,
    low_pass: FloatArray,
    wow_amplitude: float,
) -> FloatArray:
    """The plug-in's wow and flutter about the flutter's base, samples, one value for each of `noise`.

    Carries `phases` (float32; wow, then the flutter's harmonics) and `state` (the random walk, two of its low-pass).
    `wow_steps` holds a float32 phase step for each block, `wander` the walk's mean, noise and pull a sample.
    """
    turn = np.float32(2.0 * np.pi)
    block = noise.shape[0] // wow_steps.shape[0]
    mean, spread, pull = wander
    b0, b1, b2, a1, a2 = low_pass
    walk, first, second = state
    out = np.empty(noise.shape[0])
    for n in range(noise.shape[0]):
        walk += spread * noise[n]
        walk += pull * (mean - walk)
        smooth = b0 * walk + first
        first = b1 * walk - a1 * smooth + second
        second = b2 * walk - a2 * smooth
        value = wow_amplitude * (1.0 + np.cos(np.float64(phases[0])) + smooth)
        phases[0] += wow_steps[n // block]
        for harmonic in range(steps.shape[0]):
            value += amplitudes[harmonic] * np.cos(np.float64(phases[harmonic + 1]) + offsets[harmonic])
            phases[harmonic + 1] += steps[harmonic]
        for part in range(phases.shape[0]):
            if phases[part] >= turn:
                phases[part] -= turn
        out[n] = value
    state[0], state[1], state[2] = walk, first, second
    return out
