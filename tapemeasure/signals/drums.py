"""A drum kit: swept sines for skins, bands of noise for snares and cymbals."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.signals.fades import faded

BEND_S = 0.025


@dataclass(frozen=True)
class Drum:
    """A drum or cymbal.

    Parameters
    ----------
    skin_hz : float
        Frequency on which the skin comes to rest; 0 without a skin.
    skin_bend : float
        How many times higher it starts; the pitch falls with a time constant of 25 ms.
    skin_decay_s : float
        Time constant of the skin's amplitude.
    noise : float
        Amplitude of the noise beside a skin of 1.
    noise_band_hz : tuple of two floats
        Where the noise lies.
    noise_decay_s : float
        Time constant of the noise.
    """

    skin_hz: float = 0.0
    skin_bend: float = 1.0
    skin_decay_s: float = 0.1
    noise: float = 0.0
    noise_band_hz: tuple[float, float] = (200.0, 16000.0)
    noise_decay_s: float = 0.1


DRUMS = {
    "kick": Drum(46.0, 3.2, 0.16, 0.08, (1500.0, 6000.0), 0.006),
    "snare": Drum(185.0, 1.4, 0.07, 0.8, (900.0, 12000.0), 0.09),
    "low_tom": Drum(92.0, 1.5, 0.2, 0.06, (400.0, 4000.0), 0.03),
    "high_tom": Drum(140.0, 1.5, 0.16, 0.06, (500.0, 5000.0), 0.03),
    "closed_hat": Drum(noise=1.0, noise_band_hz=(6500.0, 17000.0), noise_decay_s=0.03),
    "open_hat": Drum(noise=1.0, noise_band_hz=(5500.0, 17000.0), noise_decay_s=0.18),
    "shaker": Drum(noise=1.0, noise_band_hz=(3500.0, 11000.0), noise_decay_s=0.035),
    "crash": Drum(noise=1.0, noise_band_hz=(2500.0, 17000.0), noise_decay_s=0.6),
}


def play_drum(drum: Drum, *, sample_rate: int, generator: np.random.Generator) -> FloatArray:
    """Samples of one hit with a peak of 1, six time constants long.

    Parameters
    ----------
    drum : Drum
        What is hit.
    sample_rate : int
        Hz.
    generator : numpy.random.Generator
        Draws the noise.
    """
    longest_s = max(drum.skin_decay_s if drum.skin_hz else 0.0, drum.noise_decay_s if drum.noise else 0.0)
    time_s = np.arange(round(6.0 * longest_s * sample_rate)) / sample_rate
    hit = np.zeros(len(time_s))
    if drum.skin_hz:
        bend = (drum.skin_bend - 1.0) * BEND_S * (1.0 - np.exp(-time_s / BEND_S))
        cycles = drum.skin_hz * (time_s + bend)
        hit += np.sin(2.0 * np.pi * cycles) * np.exp(-time_s / drum.skin_decay_s)
    if drum.noise:
        noise = band_noise(len(time_s), band_hz=drum.noise_band_hz, sample_rate=sample_rate, generator=generator)
        hit += drum.noise * noise * np.exp(-time_s / drum.noise_decay_s)
    hit = faded(hit, fade_in_samples=round(0.0005 * sample_rate), fade_out_samples=round(0.01 * sample_rate))
    return hit / float(np.max(np.abs(hit)))


def band_noise(
    length_samples: int, *, band_hz: tuple[float, float], sample_rate: int, generator: np.random.Generator
) -> FloatArray:
    """Gaussian noise with a peak of 1 between two frequencies, with slopes of second order outside."""
    spectrum = np.fft.rfft(generator.standard_normal(length_samples))
    frequency_hz = np.fft.rfftfreq(length_samples, 1.0 / sample_rate)
    lower_hz, upper_hz = band_hz
    with np.errstate(divide="ignore"):
        high_pass = 1.0 / (1.0 + (lower_hz / np.maximum(frequency_hz, 1e-9)) ** 4)
    low_pass = 1.0 / (1.0 + (frequency_hz / upper_hz) ** 8)
    noise: FloatArray = np.fft.irfft(spectrum * np.sqrt(high_pass * low_pass), length_samples)
    return noise / float(np.max(np.abs(noise)))
