"""Compiled delay line: Lagrange's polynomial of degree 5 at a moving place, and the way back."""

import numba
import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray

N_TAPS = 6
SCALES = np.array([-1.0 / 120.0, 1.0 / 24.0, -1.0 / 12.0, 1.0 / 12.0, -1.0 / 24.0, 1.0 / 120.0])
"""One over the product of the distances of a node (at -2 ... 3) to the others."""

FARTHEST = 1e12
"""Places beyond, and NaN, are not looked for: what is read there is 0, or NaN as the place is."""


@numba.njit(cache=True)
def _weights(fraction, weights, slopes):  # type: ignore[no-untyped-def]
    """Weights of the samples at -2 ... 3 for a place at `fraction` (0..1), and their derivatives."""
    for k in range(N_TAPS):
        product = 1.0
        slope = 0.0
        for j in range(N_TAPS):
            if j != k:
                distance = fraction - (j - 2)
                slope = slope * distance + product
                product *= distance
        weights[k] = SCALES[k] * product
        slopes[k] = SCALES[k] * slope


@numba.njit(cache=True, nogil=True)
def delay_forward(samples: Float32Array, delay_samples: FloatArray) -> Float32Array:
    """Every row of `samples` read at ``n - delay_samples[n]``; both (batch, any length)."""
    batch, n_samples = samples.shape
    n_outputs = delay_samples.shape[1]
    output = np.zeros((batch, n_outputs), samples.dtype)
    weights, slopes = np.empty(N_TAPS), np.empty(N_TAPS)
    for b in range(batch):
        for n in range(n_outputs):
            place = n - delay_samples[b, n]
            if not abs(place) < FARTHEST:
                output[b, n] = 0.0 * place
                continue
            whole = int(np.floor(place))
            _weights(place - whole, weights, slopes)
            total = 0.0
            for k in range(max(0, 2 - whole), min(N_TAPS, n_samples + 2 - whole)):
                total += weights[k] * samples[b, whole - 2 + k]
            output[b, n] = total
    return output


@numba.njit(cache=True, nogil=True)
def delay_backward(
    samples: Float32Array, delay_samples: FloatArray, of_output: Float32Array
) -> tuple[Float32Array, FloatArray]:
    """Gradients of samples and delay of a run of `delay_forward`."""
    batch, n_samples = samples.shape
    of_samples = np.zeros(samples.shape, samples.dtype)
    of_delay = np.zeros(delay_samples.shape)
    weights, slopes = np.empty(N_TAPS), np.empty(N_TAPS)
    for b in range(batch):
        for n in range(delay_samples.shape[1]):
            place = n - delay_samples[b, n]
            if not abs(place) < FARTHEST:
                continue
            whole = int(np.floor(place))
            _weights(place - whole, weights, slopes)
            gradient = of_output[b, n]
            total = 0.0
            for k in range(max(0, 2 - whole), min(N_TAPS, n_samples + 2 - whole)):
                index = whole - 2 + k
                of_samples[b, index] += weights[k] * gradient
                total += slopes[k] * samples[b, index]
            of_delay[b, n] = -gradient * total
    return of_samples, of_delay
