"""What a hiss would be if it were made of white noises: its spectra, coherence and hum taken off."""

import math
from collections.abc import Sequence

import numpy as np

from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.generators.hiss import PIECE_S, HissModel, without_hum

LEAST_RESPONSE = 0.03
"""A response is divided by as if it were at least this part of what it is beside: no frequency is blown up."""


def whitened_hiss(stretches: Sequence[FloatArray], model: HissModel) -> tuple[FloatArray, ...]:
    """The noises of power 1 that a model's filters make these stretches of.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        Hiss alone, of the model's channels and sample rate; full scale 1.0.
    model : HissModel
        Learned from them.

    Returns
    -------
    tuple of ndarray, each of shape (n_samples, n_channels)
        In pieces of at most 4 s, each less the filters' length; what is shorter is left out.

    Notes
    -----
    The matrix of filters is inverted at every frequency. Gaussian hiss becomes white Gaussian noise without relation
    between its channels; whatever else a hiss has is what is left to learn.
    """
    white = []
    for stretch in map(as_channels, stretches):
        for piece in np.array_split(stretch, math.ceil(len(stretch) / (PIECE_S * model.sample_rate))):
            if len(piece) > 2 * model.taps.shape[2]:
                rest = without_hum(piece - piece.mean(axis=0), model.hum, sample_rate=model.sample_rate)
                white.append(_unfiltered(rest, model.taps))
    return tuple(white)


def _unfiltered(piece: FloatArray, taps: FloatArray) -> FloatArray:
    """A piece through the inverse of the filters, without the ends that nobody can tell."""
    n_taps = taps.shape[2]
    edge = n_taps // 2
    padded = np.pad(piece, ((edge, edge), (0, 0)), mode="reflect")
    size = len(padded)
    # the middle tap at no delay
    centred = np.roll(np.pad(taps, ((0, 0), (0, 0), (0, size - n_taps))), -edge, axis=2)
    response = np.fft.rfft(centred, axis=2).transpose(2, 0, 1)
    for channel in range(len(taps)):
        own = response[:, channel, channel]
        least = LEAST_RESPONSE * _beside(np.abs(own), width=8 * size // n_taps + 1)
        own[np.abs(own) < least] = least[np.abs(own) < least]
    spectrum = np.linalg.solve(response, np.fft.rfft(padded, axis=0)[:, :, np.newaxis])[:, :, 0]
    white = np.fft.irfft(spectrum, size, axis=0)
    return np.asarray(white[n_taps : size - n_taps], dtype=np.float64)


def _beside(magnitude: FloatArray, *, width: int) -> FloatArray:
    """Rms of a magnitude over its neighbours."""
    from scipy.ndimage import uniform_filter1d

    return np.sqrt(np.maximum(uniform_filter1d(magnitude**2, width, mode="nearest"), 1e-300))
