"""Compiled loops over the spectra of short frames: their products, and what they say about their lag."""

import numba
import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, IntArray

LANES = 16
"""Turns that are known before the others follow from them, so many at a time: as many as a processor multiplies."""


@numba.njit(cache=True, fastmath=True, nogil=True)
def fill_turns(lag: float, real: FloatArray, imaginary: FloatArray) -> None:
    """Fill in the turn that a lag in samples gives to every bin of a spectrum, real and imaginary part."""
    n_bins = real.shape[0]
    step = np.exp(-1j * np.pi * lag / (n_bins - 1))
    turn = 1.0 + 0.0j
    for f in range(min(LANES, n_bins)):
        real[f], imaginary[f] = turn.real, turn.imag
        turn *= step
    for f in range(LANES, n_bins):
        before_real, before_imaginary = real[f - LANES], imaginary[f - LANES]
        real[f] = before_real * turn.real - before_imaginary * turn.imag
        imaginary[f] = before_real * turn.imag + before_imaginary * turn.real


@numba.njit(cache=True, fastmath=True, nogil=True)
def split(spectrum: ComplexArray, parts: FloatArray) -> None:
    """Copy the real and the imaginary part of a spectrum into two rows: a processor then takes many at a time."""
    for f in range(spectrum.shape[0]):
        parts[0, f], parts[1, f] = spectrum[f].real, spectrum[f].imag


@numba.njit(cache=True, fastmath=True, nogil=True)
def add_frame_products(
    played: ComplexArray,
    heard: ComplexArray,
    lag: FloatArray,
    usable: BoolArray,
    cross: ComplexArray,
    power: FloatArray,
) -> None:
    """Add the frames' cross-spectra, the input late by `lag` samples, to `cross`, and the two powers to `power`."""
    n_frames, n_bins = played.shape
    real, imaginary = np.empty(n_bins), np.empty(n_bins)
    x, y, sums = np.empty((2, n_bins)), np.empty((2, n_bins)), np.zeros((4, n_bins))
    for k in range(n_frames):
        if not usable[k]:
            continue
        fill_turns(lag[k], real, imaginary)
        split(played[k], x)
        split(heard[k], y)
        for f in range(n_bins):
            x_real = x[0, f] * real[f] - x[1, f] * imaginary[f]
            x_imaginary = x[0, f] * imaginary[f] + x[1, f] * real[f]
            sums[0, f] += x_real * y[0, f] + x_imaginary * y[1, f]
            sums[1, f] += x_real * y[1, f] - x_imaginary * y[0, f]
            sums[2, f] += x[0, f] * x[0, f] + x[1, f] * x[1, f]
            sums[3, f] += y[0, f] * y[0, f] + y[1, f] * y[1, f]
    cross += sums[0] + 1j * sums[1]
    power += sums[2:]


@numba.njit(cache=True, fastmath=True, nogil=True)
def frame_evidence(
    played: ComplexArray,
    heard: ComplexArray,
    lag: FloatArray,
    response: ComplexArray,
    weight: FloatArray,
    noise: FloatArray,
    edges: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Evidence of every frame for its lag, per sample and per sample^2.

    Observed curvature, and information as scattered as the rest of the frame is in units of `noise` (n_bins,), both
    (2, n_frames); gradient and information of each band, (n_bands, n_frames). `edges` are the bands' first bins.
    """
    n_frames, n_bins = played.shape
    n_bands = edges.shape[0]
    seen = np.zeros((2, n_frames))
    gradient, information = np.zeros((n_bands, n_frames)), np.zeros((n_bands, n_frames))
    omega = np.pi * np.arange(n_bins) / (n_bins - 1)
    pull, worth = weight * omega, weight * omega**2
    scattered = worth / noise
    real, imaginary, slope, told = np.empty(n_bins), np.empty(n_bins), np.empty(n_bins), np.empty(n_bins)
    x, y, h = np.empty((2, n_bins)), np.empty((2, n_bins)), np.empty((2, n_bins))
    split(response, h)
    for k in range(n_frames):
        fill_turns(lag[k], real, imaginary)
        split(played[k], x)
        split(heard[k], y)
        curvature = spread = 0.0
        for f in range(n_bins):
            turn_real = h[0, f] * real[f] - h[1, f] * imaginary[f]
            turn_imaginary = h[0, f] * imaginary[f] + h[1, f] * real[f]
            model_real = x[0, f] * turn_real - x[1, f] * turn_imaginary
            model_imaginary = x[0, f] * turn_imaginary + x[1, f] * turn_real
            power = model_real * model_real + model_imaginary * model_imaginary
            rest = (y[0, f] - model_real) ** 2 + (y[1, f] - model_imaginary) ** 2
            curvature += worth[f] * (model_real * y[0, f] + model_imaginary * y[1, f])
            spread += scattered[f] * power * rest
            slope[f] = pull[f] * (model_real * y[1, f] - model_imaginary * y[0, f])
            told[f] = worth[f] * power
        seen[0, k], seen[1, k] = curvature, spread
        for b in range(n_bands):
            pulled = known = 0.0
            for f in range(edges[b], edges[b + 1] if b + 1 < n_bands else n_bins):
                pulled -= slope[f]
                known += told[f]
            gradient[b, k], information[b, k] = pulled, known
    return seen, gradient, information
