"""Gaussian noise of a measured spectrum, endless and without seams: white noise through a long filter."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import power_spectrum

BLOCK_POINTS = 16384

White = Callable[[int], FloatArray]
"""Gives the next points of all sources, shape (n_sources, n_points)."""


def white_noise(generator: np.random.Generator, *, n_sources: int) -> White:
    """White Gaussian noise of power 1."""
    return lambda n_points: generator.standard_normal((n_sources, n_points))


class ShapedNoise:
    """Noise of power 1 through filters, one output a row of filters; stationary from the first sample.

    Parameters
    ----------
    taps : ndarray, shape (n_outputs, n_sources, n_taps)
        Filters from every source of noise to every output.
    white : callable
        The sources, such as `white_noise`.
    block_points : int
        How many points are asked for at a time; for white noise it changes which noise it is.
    """

    def __init__(self, taps: FloatArray, white: White, *, block_points: int = BLOCK_POINTS) -> None:
        self._taps, self._white, self._block_points = taps, white, block_points
        n_outputs, _, n_taps = taps.shape
        self._past = white(n_taps - 1)
        self._ready = np.zeros((n_outputs, 0))

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, shape (n_outputs, n_samples); how they are asked for changes nothing."""
        parts = [self._ready]
        n_ready = self._ready.shape[1]
        while n_ready < n_samples:
            parts.append(self._next_block())
            n_ready += self._block_points
        ready = np.concatenate(parts, axis=1) if len(parts) > 1 else self._ready
        self._ready = ready[:, n_samples:]
        return ready[:, :n_samples]

    def _next_block(self) -> FloatArray:
        from scipy.signal import oaconvolve

        noise = np.concatenate([self._past, self._white(self._block_points)], axis=1)
        self._past = noise[:, noise.shape[1] - self._past.shape[1] :]
        return np.asarray(oaconvolve(noise[np.newaxis], self._taps, mode="valid", axes=-1).sum(axis=1))


def taps_of_response(response: FloatArray, *, power: float) -> FloatArray:
    """Filter of zero phase (delayed by half its length) with a magnitude.

    Parameters
    ----------
    response : ndarray, shape (n_taps / 2 + 1,)
        Magnitude on the grid of the discrete Fourier transform.
    power : float
        Sum of the squared taps: the power that white noise of power 1 leaves with.
    """
    n_taps = 2 * (len(response) - 1)
    taps = np.roll(np.fft.irfft(response, n_taps), n_taps // 2) * np.hanning(n_taps + 1)[:-1]
    energy = float(np.dot(taps, taps))
    return taps * math.sqrt(power / energy) if energy > 0.0 else taps


def delay_noise_taps(speeds: Sequence[FloatArray], *, rate_hz: float, window_s: float) -> FloatArray:
    """Filter from white noise of power 1 to a delay (seconds) whose speed has the measured spectrum.

    Parameters
    ----------
    speeds : sequence of ndarray, each of shape (n_points,)
        Relative speed deviation between neighbouring points of the delay.
    rate_hz : float
        Points per second.
    window_s : float
        Longest window of the spectrum; below 1.5 bins of it the delay has no noise.

    Notes
    -----
    Welch's method on the speed, whose spectrum is flatter than the delay's, over the response of the discrete
    differentiator; the filter is twice as long as the window, so that its own window smears no more than Welch's.
    """
    window = min(round(window_s * rate_hz), max(map(len, speeds))) // 2 * 2
    spectrum = power_spectrum(speeds, sample_rate=rate_hz, window_samples=window)
    n_taps = 2 * window
    frequency_hz = np.fft.rfftfreq(n_taps, 1.0 / rate_hz)
    log_density = np.log(np.maximum(spectrum.density_per_hz, 1e-300))
    density = np.exp(np.interp(frequency_hz, spectrum.frequency_hz, log_density))
    above = frequency_hz >= 1.5 * rate_hz / window
    power = np.zeros(len(frequency_hz))
    power[above] = density[above] / (2.0 * rate_hz * np.sin(math.pi * frequency_hz[above] / rate_hz)) ** 2
    return taps_of_response(np.sqrt(power * rate_hz / 2.0), power=float(np.sum(power)) * rate_hz / n_taps)
