"""Compiled loop of the pilot trackers: a scalar smoother."""

import numba
import numpy as np

from tapemeasure.arrays import FloatArray


@numba.njit(cache=True, nogil=True)
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
