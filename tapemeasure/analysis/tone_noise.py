"""Amplitudes of several tones at once, and what noise alone would read beside each of them."""

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.spectra import fit_tones, hann

_OFFSETS = np.array([-14, -12, -10, -8, -6, 6, 8, 10, 12, 14])
"""Where the noise is read, in periods of the record beside the tone."""


def tones_and_noise(samples: FloatArray, *, sample_rate: int, tones_hz: FloatArray) -> tuple[ComplexArray, FloatArray]:
    """Complex peak amplitudes of tones, and the rms amplitude that noise reads beside each, full scale 1.0.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        The steady part of the tones.
    sample_rate : int
        Hz.
    tones_hz : ndarray, shape (n_tones,)
        As `tapemeasure.dsp.spectra.tone_amplitudes` takes them, with its errors.

    Returns
    -------
    amplitudes : ndarray of complex, shape (n_tones,)
    noise : ndarray, shape (n_tones,)

    Notes
    -----
    The noise is read 6 to 14 periods of the record to both sides of a tone, from what is left when all tones are taken
    out, with the same window: their leakage would be the noise of a clean device. Half of its power is in phase with a
    tone, so the tone's amplitude is uncertain by ``noise / sqrt(2)``.
    """
    amplitudes, rest = fit_tones(samples, sample_rate=sample_rate, frequencies_hz=tones_hz.tolist())
    window = hann(len(samples))
    spectrum = 2.0 * np.abs(np.fft.rfft((rest - np.mean(rest)) * window)) / np.sum(window)
    places = np.round(tones_hz * len(samples) / sample_rate).astype(np.int64)[:, np.newaxis] + _OFFSETS
    usable = (places >= 2) & (places < len(spectrum) - 1)
    power = np.where(usable, spectrum[np.clip(places, 0, len(spectrum) - 1)] ** 2, 0.0)
    noise = np.sqrt(np.sum(power, axis=1) / np.maximum(np.sum(usable, axis=1), 1))
    return amplitudes, np.asarray(noise, dtype=np.float64)
