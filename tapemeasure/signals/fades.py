"""Raised-cosine fades: test signals begin and end without a click."""

import numpy as np

from tapemeasure.arrays import FloatArray


def faded(samples: FloatArray, *, fade_in_samples: int, fade_out_samples: int) -> FloatArray:
    """Signal with raised-cosine (half-Hann) fades at its ends.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Any amplitude.
    fade_in_samples, fade_out_samples : int
        Lengths of the fades; each is cut to half of the signal.

    Returns
    -------
    ndarray, shape (n_samples,)
        A new array; the first and last sample are 0 where the fade is not.

    Examples
    --------
    >>> faded(np.ones(6), fade_in_samples=2, fade_out_samples=1)
    array([0. , 0.5, 1. , 1. , 1. , 0. ])
    """
    result = np.array(samples, dtype=np.float64)
    half = len(result) // 2
    result[: min(fade_in_samples, half)] *= fade_in(min(fade_in_samples, half))
    n_out = min(fade_out_samples, half)
    if n_out:
        result[-n_out:] *= fade_in(n_out)[::-1]
    return result


def fade_in(length_samples: int) -> FloatArray:
    """Rising half of a Hann window, from 0 towards 1 (which would be the next sample)."""
    ramp: FloatArray = 0.5 - 0.5 * np.cos(np.pi * np.arange(length_samples) / max(length_samples, 1))
    return ramp
