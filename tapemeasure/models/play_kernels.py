"""Compiled play operators, the simplest hysteresis: what a pin in a slot of given half-width does."""

import numba
import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray


@numba.njit(cache=True, nogil=True)
def play(samples: FloatArray, half_widths: FloatArray) -> Float32Array:
    """Every play operator on a signal, from rest, ``p[n] = max(x[n] - r, min(x[n] + r, p[n-1]))``; (n_widths, n)."""
    output = np.zeros((len(half_widths), len(samples)), np.float32)
    for k in range(len(half_widths)):
        place = 0.0
        for n in range(len(samples)):
            place = max(samples[n] - half_widths[k], min(samples[n] + half_widths[k], place))
            output[k, n] = place
    return output
