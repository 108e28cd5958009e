"""How far the bands of the spectrum disagree on the delay, and what that says about the machine's model.

A machine that does something other than its model does bends the delay of some bands for as long as a note lasts. Noise
averages out over the knots of a note, this does not, and the trajectory alone cannot show it: it follows.
"""

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray, IntArray

FRAMES = 9
"""Frames over which the disagreement is averaged."""

OF_NOISE = 2.0
"""Squares of the disagreement that noise alone makes at most, in units of the information: neighbouring frequencies
share a window, and a single partial gives 1.9."""

LEAST_FREE = 0.1


def band_discord(
    linear: ComplexArray, left: ComplexArray, response: ComplexArray, noise: FloatArray, edges: IntArray
) -> FloatArray:
    """Information of every frame about its delay, 1/sample^2, and the squares by which its bands disagree.

    Parameters
    ----------
    linear, left : ndarray, shape (n_frames, n_frequencies)
        Spectra of the warped input, and of what the model leaves of the output.
    response, noise : ndarray, shape (n_frequencies,)
        Of the machine: its linear response and the power of the noise in a frame.
    edges : ndarray of int, shape (n_bands,)
        First frequency of every band.

    Returns
    -------
    ndarray, shape (n_frames, 2)
        Both in units of the information: white noise makes the second once to twice the first.
    """
    omega = np.arange(len(noise)) * (np.pi / (len(noise) - 1))
    slope = linear * (-1j * omega * response).astype(np.complex64)
    weight = (2.0 / noise).astype(np.float32)
    pull = np.add.reduceat(weight * (slope.real * left.real + slope.imag * left.imag), edges, axis=1)
    told = np.add.reduceat(weight * (slope.real**2 + slope.imag**2), edges, axis=1)
    return disagreement(pull, told)


def disagreement(pull: FloatArray, told: FloatArray) -> FloatArray:
    """Information of every frame about its delay, and the squares by which its bands disagree: see `band_discord`.

    Parameters
    ----------
    pull, told : ndarray, shape (n_frames, n_bands)
        Gradient and information of every band, in units of the noise, 1/sample and 1/sample^2.
    """
    total = np.maximum(told.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    share = told / total
    apart = np.sum((pull - share * pull.sum(axis=1, keepdims=True)) ** 2, axis=1)
    free = np.maximum(1.0 - np.sum(share**2, axis=1), LEAST_FREE)
    return np.stack([total[:, 0], apart / free], axis=1).astype(np.float64)


def machine_error(discord: FloatArray) -> FloatArray:
    """Standard uncertainty of every frame's delay by what the machine's model does not hold, samples.

    Parameters
    ----------
    discord : ndarray, shape (n_frames, 2)
        As `band_discord` gives it, frames half a frame apart.

    Notes
    -----
    The variance of the bands' mean, the bands taken for independent, less what noise would give; averaged over some
    frames by their information. What bends all bands alike is not seen.
    """
    from scipy.ndimage import correlate1d

    information, apart = discord.T
    beyond = np.maximum(apart - OF_NOISE * information, 0.0) / np.maximum(information, np.finfo(np.float32).tiny)
    # not a running sum: a loud frame's rounding error would stay behind in the silence after it
    variance, weight = (
        correlate1d(row, np.full(FRAMES, 1.0 / FRAMES), mode="nearest") for row in (beyond, information)
    )
    return np.asarray(np.sqrt(variance / np.maximum(weight, 1e-30)), dtype=np.float64)
