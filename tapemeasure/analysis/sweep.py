"""Deconvolution of a synchronised exponential sweep: one impulse response for each order of distortion."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep

MIN_SWEEP_S = 0.2
_IN_BAND = 1e-10
"""Regularisation inside the swept band, relative to the largest power of the sweep's spectrum."""


@dataclass(frozen=True)
class SweepImpulses:
    """Impulse responses of all orders, on one circular time axis.

    Parameters
    ----------
    impulse : ndarray, shape (n_samples,)
        The linear response begins at sample 0; that of order m lies ``sweep.harmonic_lead_s(m)`` before it (negative
        times wrap).
    wire : ndarray, shape (n_samples,)
        The same of a wire: a unit impulse limited to the swept band.
    sample_rate : int
        Hz.
    sweep : SynchronisedSweep
        Band and time constant of the sweep.
    tail_s : float
        How much of the device's ringing behind the sweep was recorded.
    """

    impulse: FloatArray
    wire: FloatArray
    sample_rate: int
    sweep: SynchronisedSweep
    tail_s: float

    def cut(self, *, centre_s: float, left_s: float, right_s: float) -> tuple[ComplexArray, float]:
        """Spectrum of a tapered piece of the impulse response, and the piece's energy in samples.

        Returns
        -------
        spectrum : ndarray of complex, shape (n_bins,)
            From 0 Hz in steps of `bin_hz`; time 0 is at `centre_s`.
        energy_samples : float
            Sum of the squared window: the power that white noise leaves in the spectrum is proportional to it.
        """
        left, right = round(left_s * self.sample_rate), round(right_s * self.sample_rate)
        centre = round(centre_s * self.sample_rate)
        return _cut(self.impulse, centre, left, right), float(np.sum(_taper(left, right) ** 2))

    def short(self, *, centre_s: float, left_s: float, right_s: float) -> tuple[ComplexArray, float, float]:
        """As `cut`, with as few bins as a piece needs: the spectrum, the energy, and the distance of the bins in Hz."""
        from scipy.fft import next_fast_len

        left, right = round(left_s * self.sample_rate), round(right_s * self.sample_rate)
        offset = np.arange(-left, right)
        taper = _taper(left, right)
        piece = np.zeros(next_fast_len(8 * (left + right), real=True))
        piece[offset] = self.impulse[(offset + round(centre_s * self.sample_rate)) % len(self.impulse)] * taper
        spectrum = np.asarray(np.fft.rfft(piece), dtype=np.complex128)
        return spectrum, float(np.sum(taper**2)), self.sample_rate / len(piece)

    def linear(self) -> tuple[ComplexArray, ComplexArray, float]:
        """Linear response, that of a wire cut out in the same way, and the cut's energy (samples).

        The cut goes from 30 % of the way to the second order's response up to the end of the recorded tail. What the
        ends of the swept band do to it cancels in the quotient of the two.
        """
        left_s, right_s = self._linear_sides_s()
        spectrum, energy_samples = self.cut(centre_s=0.0, left_s=left_s, right_s=right_s)
        left, right = round(left_s * self.sample_rate), round(right_s * self.sample_rate)
        return spectrum, _cut(self.wire, 0, left, right), energy_samples

    def behind_linear(self) -> ComplexArray:
        """A cut of the same shape directly behind that of `linear`: hum and noise, without any response.

        Nothing is left there of frequencies that the sweep reaches in its last moments.
        """
        left_s, right_s = self._linear_sides_s()
        return self.cut(centre_s=left_s + right_s, left_s=left_s, right_s=right_s)[0]

    def _linear_sides_s(self) -> tuple[float, float]:
        gap_s = self.sweep.harmonic_lead_s(2)
        return 0.3 * gap_s, max(self.tail_s, 0.05 * gap_s)

    @property
    def bin_hz(self) -> float:
        """Distance of the bins of `cut`, Hz."""
        return self.sample_rate / len(self.impulse)


def _cut(impulse: FloatArray, centre: int, left: int, right: int) -> ComplexArray:
    """Spectrum of a tapered piece of a circular impulse response, time 0 at its centre."""
    offset = np.arange(-left, right)
    piece = np.zeros(len(impulse))
    piece[offset % len(piece)] = impulse[(offset + centre) % len(piece)] * _taper(left, right)
    return np.asarray(np.fft.rfft(piece), dtype=np.complex128)


def _taper(left: int, right: int) -> FloatArray:
    """1 around time 0, raised-cosine fall over the outer half of each side."""
    offset = np.arange(-left, right)
    side = np.where(offset < 0, max(left, 1), max(right, 1))
    outer = np.clip(2.0 * np.abs(offset) / side - 1.0, 0.0, 1.0)
    taper: FloatArray = 0.5 + 0.5 * np.cos(np.pi * outer)
    return taper


def deconvolve_sweep(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    sweep: SynchronisedSweep,
) -> SweepImpulses:
    """Impulse responses of every order of distortion from one synchronised sweep.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The sweep from its first sample, followed by silence; and the device's output, its delay undone.
    sample_rate : int
        Hz.
    sweep : SynchronisedSweep
        What was played; the signals' length beyond its duration is the tail in which the device rings out.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the stimulus is silent or shorter than 0.2 s.

    Notes
    -----
    The output's spectrum is divided by the stimulus', with a regularisation that opens smoothly beyond the swept
    band. Level and fades of the sweep cancel.

    References
    ----------
    A. Novak, P. Lotton, L. Simon, "Synchronized swept-sine", J. Audio Eng. Soc. 63 (2015) 786.
    """
    from scipy.fft import next_fast_len

    if len(stimulus) != len(output):
        raise MismatchError(f"sweep: stimulus {len(stimulus)} samples, output {len(output)}; align the output first")
    tail_s = len(stimulus) / sample_rate - sweep.duration_s
    if sweep.duration_s < MIN_SWEEP_S or tail_s < -1.0 / sample_rate:
        raise SignalError(
            f"sweep: {sweep.duration_s:.3f} s in {len(stimulus) / sample_rate:.3f} s of signal; the sweep needs at "
            f"least {MIN_SWEEP_S} s and no more than the signal"
        )
    if not np.any(stimulus):
        raise SignalError("sweep: the stimulus is silent; check the timeline")
    n_fft = next_fast_len(2 * len(stimulus), real=True)
    played = np.fft.rfft(stimulus, n_fft)
    power = np.abs(played) ** 2
    frequency = np.arange(len(played), dtype=np.float64) * (sample_rate / n_fft)
    exponent = _opening(frequency, start_hz=sweep.start_hz, stop_hz=sweep.stop_hz)
    regularisation = np.max(power) * _IN_BAND ** (1.0 - exponent)
    inverse = np.conj(played) / (power + regularisation)
    return SweepImpulses(
        impulse=np.fft.irfft(np.fft.rfft(output, n_fft) * inverse, n_fft),
        wire=np.fft.irfft(played * inverse, n_fft),
        sample_rate=sample_rate,
        sweep=sweep,
        tail_s=max(tail_s, 0.0),
    )


def _opening(frequency_hz: FloatArray, *, start_hz: float, stop_hz: float) -> FloatArray:
    """0 inside the band; rises to 1 within half an octave below it and a sixth of an octave above it."""
    safe = np.maximum(frequency_hz, 1e-3)
    below, above = 2.0 * np.log2(start_hz / safe), 6.0 * np.log2(safe / stop_hz)
    return np.clip(np.maximum(below, above), 0.0, 1.0)
