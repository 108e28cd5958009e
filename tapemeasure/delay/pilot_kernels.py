"""Compiled loops of the pilot trackers: a filter that is only evaluated where it is wanted, a scalar smoother."""

import numba
import numpy as np

from tapemeasure.arrays import FloatArray


@numba.njit(cache=True, fastmath=True, nogil=True)
def filter_at(samples: FloatArray, taps: FloatArray, step: int, n_points: int) -> FloatArray:
    """Complex filter at samples 0, step, 2 step...: (n_points, 2), real and imaginary part.

    `taps` is (3, n_taps): real and imaginary part, and the low-pass that both were made of. The middle tap stands on
    the sample. Beyond the ends of the file taps are left out, and the rest counts for more.
    """
    n_samples, n_taps = samples.shape[0], taps.shape[1]
    half = n_taps // 2
    real_taps, imag_taps, lowpass = taps[0], taps[1], taps[2]
    whole = lowpass.sum()
    out = np.zeros((n_points, 2))
    for point in range(n_points):
        start = point * step - half
        low, high = max(0, -start), min(n_taps, n_samples - start)
        if high <= low:
            continue
        around = samples[start + low : start + high]
        real = 0.0
        imag = 0.0
        for k in range(high - low):
            real += around[k] * real_taps[low + k]
            imag += around[k] * imag_taps[low + k]
        scale = 1.0 if high - low == n_taps else whole / max(lowpass[low:high].sum(), 0.1 * whole)
        out[point, 0] = real * scale
        out[point, 1] = imag * scale
    return out


@numba.njit(cache=True)
def smooth_walk(
    values: FloatArray, variances: FloatArray, growth: float
) -> tuple[FloatArray, FloatArray, float, float]:
    """Random walk under noise: smoothed values, their variances, and what the likelihood of `growth` needs.

    That is the sum of the squared innovations over their variances, and of these variances' logarithms.

    `variances` are those of the values, infinite where one is missing; `growth` is the walk's variance from value to
    value. Forward Kalman filter, backward Rauch-Tung-Striebel smoother, started without knowledge.
    """
    n = values.shape[0]
    state, spread = np.empty(n), np.empty(n)
    misfit, spread_sum = 0.0, 0.0
    mean, variance = 0.0, np.inf
    for k in range(n):
        variance += growth
        if np.isfinite(variances[k]):
            if np.isfinite(variance):
                total = variance + variances[k]
                error = values[k] - mean
                misfit += error * error / total
                spread_sum += np.log(total)
                gain = variance / total
                mean += gain * error
                variance *= 1.0 - gain
            else:
                mean, variance = values[k], variances[k]
        state[k], spread[k] = mean, variance
    for k in range(n - 2, -1, -1):
        ahead = spread[k] + growth
        if not np.isfinite(ahead):
            state[k], spread[k] = state[k + 1], spread[k + 1] + growth
        elif ahead > 0.0:
            back = spread[k] / ahead
            state[k] += back * (state[k + 1] - state[k])
            spread[k] += back * back * (spread[k + 1] - ahead)
    return state, spread, misfit, spread_sum
