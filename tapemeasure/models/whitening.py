"""From the speed of a tape to a signal of unit power and nearly flat spectrum, and from that to delay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import power_spectrum
from tapemeasure.errors import SignalError

WINDOW_S = 1.28
"""Windows of the spectrum that is taken off: short, so that lines stay lines in what is left."""

DRIFT_BELOW_HZ = 0.15
HIGH_PASS_S = 20.0
"""Half the length of the filter that leaves all below 0.15 Hz to the drift."""


@dataclass(frozen=True)
class Whitening:
    """A filter of zero phase whose magnitude is the coarse spectrum of a speed.

    Parameters
    ----------
    taps : ndarray, shape (n_taps,), n_taps odd
        From white noise of power 1 to speed; symmetric, with a response above 0 at every frequency.
    rate_hz : float
        Points per second.
    """

    taps: FloatArray
    rate_hz: float

    @property
    def edge(self) -> int:
        """Points at either end of a piece that cannot be whitened."""
        return len(self.taps) // 2

    def whitened(self, speed: FloatArray) -> FloatArray:
        """Signal that the filter makes this speed of; without `edge` points at both ends, where nobody can tell.

        Parameters
        ----------
        speed : ndarray, shape (n_points,)
            Relative speed deviation about its mean.

        Returns
        -------
        ndarray, shape (n_points - 2 edge,)
            Empty where the piece is too short.
        """
        edge = self.edge
        if len(speed) <= 2 * edge:
            return np.zeros(0)
        padded = np.pad(speed, edge, mode="reflect")
        response = np.fft.rfft(np.roll(np.pad(self.taps, (0, len(padded) - len(self.taps))), -edge)).real
        white = np.fft.irfft(np.fft.rfft(padded) / response, len(padded))
        return np.asarray(white[2 * edge : len(padded) - 2 * edge], dtype=np.float64)

    def delay_taps(self) -> FloatArray:
        """Filter from the white signal to delay (seconds), without anything below 0.15 Hz; shape (n_taps,).

        Notes
        -----
        The integral of the high-passed speed: as the speed's taps sum to 0, the integral ends, and so the delay
        neither wanders nor remembers how it began.
        """
        half = round(HIGH_PASS_S * self.rate_hz)
        place = np.arange(-half, half + 1)
        width = 2.0 * DRIFT_BELOW_HZ / self.rate_hz
        low_pass = np.sinc(width * place) * np.kaiser(len(place), 6.0)
        high_pass = (place == 0) - low_pass / np.sum(low_pass)
        return np.asarray(-np.cumsum(np.convolve(self.taps, high_pass)) / self.rate_hz, dtype=np.float64)


def fit_whitening(speeds: Sequence[FloatArray], *, rate_hz: float, window_s: float = WINDOW_S) -> Whitening:
    """The filter for measured speeds.

    Parameters
    ----------
    speeds : sequence of ndarray, each of shape (n_points,)
        Relative speed deviation about the mean of its piece.
    rate_hz : float
        Points per second.
    window_s : float
        Length of the spectrum's windows, seconds; shorter ones leave lines more power above what is beside them.

    Raises
    ------
    SignalError
        If nothing moves, or no piece is four windows long.

    Notes
    -----
    Welch's spectrum; the taps are tapered by a triangle, whose transform is nowhere negative, so the response can be
    divided by. The rest has power 1.
    """
    window = round(window_s * rate_hz) // 2 * 2
    longest = max(map(len, speeds), default=0)
    if longest < 4 * window:
        raise SignalError(
            f"whitening: the longest piece of delay is {longest / rate_hz:.1f} s, {4 * window / rate_hz:.1f} s are "
            "needed; record longer takes"
        )
    spectrum = power_spectrum(speeds, sample_rate=rate_hz, window_samples=window)
    density = np.asarray(spectrum.density_per_hz, dtype=np.float64)
    if not np.max(density) > 0.0:
        raise SignalError("whitening: the speed does not move at all; there is nothing to learn")
    n_taps = 2 * window
    frequency_hz = np.fft.rfftfreq(n_taps, 1.0 / rate_hz)
    # what lies 120 dB under the strongest is rounding
    log_density = np.log(np.maximum(density, 1e-12 * np.max(density)))
    response = np.exp(0.5 * np.interp(frequency_hz, spectrum.frequency_hz, log_density))
    taps = np.fft.fftshift(np.fft.irfft(response, n_taps))
    symmetric = np.append(taps, taps[0]) * np.bartlett(n_taps + 1)
    raw = Whitening(symmetric[1:-1], rate_hz)
    rest = np.concatenate([raw.whitened(speed) for speed in speeds])
    return Whitening(raw.taps * math.sqrt(float(np.mean(rest**2))), rate_hz)
