"""Compiled loops: reading a signal between its samples, and the diagonal of a banded matrix' inverse."""

import numba
import numpy as np

from tapemeasure.arrays import FloatArray


@numba.njit(cache=True, fastmath=True)
def read_between_samples(samples: FloatArray, positions: FloatArray, table: FloatArray) -> FloatArray:
    """Weighted sums of the samples around every position; zero is read outside the signal.

    `table` holds the interpolating kernel as (phases + 1, taps): row p belongs to the fraction p / phases, and two rows
    are interpolated linearly.
    """
    n_samples = samples.shape[0]
    n_taps = table.shape[1]
    phases = table.shape[0] - 1
    out = np.zeros(positions.shape[0])
    for n in range(positions.shape[0]):
        whole = np.floor(positions[n])
        scaled = (positions[n] - whole) * phases
        row = min(int(scaled), phases - 1)
        weight = scaled - row
        first = int(whole) - n_taps // 2 + 1
        start = max(0, -first)
        stop = min(n_taps, n_samples - first)
        low = 0.0
        high = 0.0
        for k in range(start, stop):
            sample = samples[first + k]
            low += table[row, k] * sample
            high += table[row + 1, k] * sample
        out[n] = low + weight * (high - low)
    return out


@numba.njit(cache=True)
def banded_inverse_diagonal(factor: FloatArray) -> FloatArray:
    """Diagonal of A^-1 for A = L L^T, L lower banded as scipy's ``cholesky_banded(lower=True)`` returns it.

    Takahashi's recurrence: only the inverse's entries inside the band are computed, from the last row up.
    """
    bands, n = factor.shape
    inverse = np.zeros((bands, n))
    for i in range(n - 1, -1, -1):
        pivot = factor[0, i]
        reach = min(bands - 1, n - 1 - i)
        for j in range(reach, -1, -1):
            total = 1.0 / pivot if j == 0 else 0.0
            for k in range(1, reach + 1):
                column = min(j, k)
                total -= factor[k, i] * inverse[abs(j - k), i + column]
            inverse[j, i] = total / pivot
    diagonal: FloatArray = inverse[0]
    return diagonal
