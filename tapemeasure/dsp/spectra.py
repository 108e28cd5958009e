"""Power spectra, levels of bands, amplitudes of tones, fractional-octave smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.errors import ParameterError, SignalError

NOMINAL_THIRD_OCTAVES_HZ = (
    20.0, 25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0, 125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0, 800.0,
    1000.0, 1250.0, 1600.0, 2000.0, 2500.0, 3150.0, 4000.0, 5000.0, 6300.0, 8000.0, 10000.0, 12500.0, 16000.0, 20000.0,
)  # fmt: skip
"""IEC 61260-1 names of the bands; the exact centres are 1000 * 10**(n / 10) Hz, n = -17..13."""


@dataclass(frozen=True)
class PowerSpectrum:
    """One-sided power density of a signal.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bins,)
        Uniform from 0 to half the sample rate.
    density_per_hz : ndarray, shape (n_bins,)
        Mean square per hertz; full scale = 1.0 rms.
    n_windows : int
        Windows that were averaged (they overlap by half).
    """

    frequency_hz: FloatArray
    density_per_hz: FloatArray
    n_windows: int

    @property
    def bin_hz(self) -> float:
        """Distance of the bins, Hz."""
        return float(self.frequency_hz[1] - self.frequency_hz[0])


def frames_of(samples: FloatArray, *, length_samples: int, hop_samples: int) -> FloatArray:
    """View of all whole frames of a signal, shape (n_frames, length_samples); no frame if it is too short."""
    if len(samples) < length_samples:
        return np.empty((0, length_samples))
    return np.lib.stride_tricks.sliding_window_view(samples, length_samples)[::hop_samples]


def hann(length_samples: int) -> FloatArray:
    """Periodic Hann window, shape (length_samples,)."""
    window: FloatArray = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length_samples) / length_samples)
    return window


def power_spectrum(
    stretches: Sequence[FloatArray], *, sample_rate: float, window_samples: int, median: bool = False
) -> PowerSpectrum:
    """Power density by Welch's method, pooled over all windows of several stretches of a signal.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,)
        Each loses its mean value first; one that is shorter than the window adds nothing.
    sample_rate : float
        Hz.
    window_samples : int
        Length of the Hann windows, which overlap by half; at least 8.
    median : bool
        Median over the windows (robust to ticks, its bias for Gaussian noise removed) instead of their mean.

    Raises
    ------
    SignalError
        If no stretch is as long as the window.

    Notes
    -----
    The relative standard deviation of a bin is about ``1.1 / sqrt(n_windows)`` for the mean (the windows overlap)
    and 1.4 times that for the median.

    References
    ----------
    P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70; B. Allen et al., Phys. Rev. D 85 (2012) 122006 (median).
    """
    if window_samples < 8:
        raise ParameterError(f"window of {window_samples} samples; give at least 8")
    window = hann(window_samples)
    powers = [_frame_powers(stretch, window) for stretch in stretches]
    pooled = np.concatenate(powers) if powers else np.empty((0, window_samples // 2 + 1))
    if len(pooled) == 0:
        longest = max((len(stretch) for stretch in stretches), default=0)
        raise SignalError(
            f"spectrum: the longest stretch has {longest} samples, the window needs {window_samples}; give more signal"
        )
    average = np.median(pooled, axis=0) / _median_bias(len(pooled)) if median else np.mean(pooled, axis=0)
    density = average / (sample_rate * np.sum(window**2))
    density[1 : (window_samples + 1) // 2] *= 2.0
    return PowerSpectrum(
        frequency_hz=np.arange(len(density), dtype=np.float64) * (sample_rate / window_samples),
        density_per_hz=np.asarray(density, dtype=np.float64),
        n_windows=len(pooled),
    )


def _frame_powers(stretch: FloatArray, window: FloatArray) -> FloatArray:
    n = len(window)
    if len(stretch) < n:
        return np.empty((0, n // 2 + 1))
    frames = frames_of(stretch - np.mean(stretch), length_samples=n, hop_samples=n // 2)
    powers: FloatArray = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return powers


def _median_bias(n_windows: int) -> float:
    """Median over mean of n exponentially distributed powers: 1 for one, ln 2 for many."""
    doubled = 2.0 * np.arange(1.0, (n_windows - 1) // 2 + 1)
    return float(1.0 + np.sum(1.0 / (doubled + 1.0) - 1.0 / doubled))


def band_power(
    spectrum: PowerSpectrum, *, low_hz: float = 0.0, high_hz: float = np.inf, weighting_db: FloatArray | None = None
) -> float:
    """Mean square of a signal within a band, full scale = 1.0 rms.

    Parameters
    ----------
    spectrum : PowerSpectrum
        Each bin counts with the part of its width that lies inside the band.
    low_hz, high_hz : float
        Edges of the band.
    weighting_db : ndarray, shape (n_bins,), optional
        Gain of a weighting curve at the spectrum's frequencies.
    """
    step = spectrum.bin_hz
    top_hz = spectrum.frequency_hz[-1]
    lower = np.maximum(spectrum.frequency_hz - 0.5 * step, 0.0)
    upper = np.minimum(spectrum.frequency_hz + 0.5 * step, top_hz)
    width = np.minimum(upper, high_hz) - np.maximum(lower, low_hz)
    # the end bins are half as wide, and their density counts only once
    share = np.clip(width, 0.0, None)
    share[[0, -1]] *= 2.0
    gain = 1.0 if weighting_db is None else 10.0 ** (weighting_db / 10.0)
    return float(np.sum(spectrum.density_per_hz * share * gain))


def third_octave_powers(spectrum: PowerSpectrum) -> tuple[FloatArray, FloatArray]:
    """Mean square in each third octave.

    Returns
    -------
    centre_hz : ndarray, shape (n_bands,)
        Nominal centres from 20 Hz up, of the bands that lie wholly below half the sample rate.
    power : ndarray, shape (n_bands,)
        Full scale = 1.0 rms; NaN for a band narrower than three bins, which the window cannot resolve.

    References
    ----------
    IEC 61260-1:2014 (base-ten bands).
    """
    exact = 1000.0 * 10.0 ** (np.arange(-17, 14) / 10.0)
    lower, upper = exact * 10.0**-0.05, exact * 10.0**0.05
    inside = upper <= spectrum.frequency_hz[-1]
    powers = [
        band_power(spectrum, low_hz=low, high_hz=high) if high - low >= 3.0 * spectrum.bin_hz else np.nan
        for low, high in zip(lower[inside], upper[inside], strict=True)
    ]
    return np.array(NOMINAL_THIRD_OCTAVES_HZ)[inside], np.array(powers)


def tone_amplitudes(samples: FloatArray, *, sample_rate: float, frequencies_hz: Sequence[float]) -> ComplexArray:
    """Complex peak amplitudes of tones of known frequencies, by windowed least squares.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Signal; a constant is fitted beside the tones.
    sample_rate : float
        Hz.
    frequencies_hz : sequence of float
        Distinct, each above 0 and below half the sample rate, at least 2 periods of the record apart.

    Returns
    -------
    ndarray of complex, shape (n_tones,)
        ``c`` of ``samples = sum(real(c * exp(2j pi f t)))``, t from the first sample.

    Raises
    ------
    SignalError
        If the record is too short to tell the tones apart, or a frequency does not fit below half the sample rate.

    Notes
    -----
    Exact for tones alone; the Hann window keeps what else is in the signal from leaking in. White noise of density
    S (per Hz) adds an amplitude of rms ``sqrt(3 S / duration)``.

    Examples
    --------
    >>> tone = 0.5 * np.cos(2 * np.pi * 1000.0 * np.arange(4410) / 44100)
    >>> abs(tone_amplitudes(tone, sample_rate=44100, frequencies_hz=[1000.0])).round(9).tolist()
    [0.5]
    """
    return fit_tones(samples, sample_rate=sample_rate, frequencies_hz=frequencies_hz)[0]


def fit_tones(
    samples: FloatArray, *, sample_rate: float, frequencies_hz: Sequence[float]
) -> tuple[ComplexArray, FloatArray]:
    """Amplitudes of tones as `tone_amplitudes` gives them, with its errors, and the signal without tones and constant.

    Returns
    -------
    amplitudes : ndarray of complex, shape (n_tones,)
    rest : ndarray, shape (n_samples,)
    """
    frequencies = np.asarray(frequencies_hz, dtype=np.float64)
    _check_resolvable(frequencies, n_samples=len(samples), sample_rate=sample_rate)
    n = len(frequencies)
    basis = np.empty((2 * n + 1, len(samples)))
    basis[0] = 1.0
    for row, frequency_hz in enumerate(frequencies, start=1):
        turning = _turning(2.0 * np.pi * frequency_hz / sample_rate, length_samples=len(samples))
        basis[row], basis[n + row] = turning.real, -turning.imag
    weighted = basis * hann(len(samples))
    coefficients = np.linalg.solve(weighted @ basis.T, weighted @ samples)
    amplitudes = np.asarray(coefficients[1 : n + 1] + 1j * coefficients[n + 1 :], dtype=np.complex128)
    return amplitudes, samples - coefficients @ basis


def _turning(step_rad: float, *, length_samples: int) -> ComplexArray:
    """``exp(1j * step_rad * n)``: as products of a coarse and a fine turn, which takes sines of few angles only."""
    n_fine = int(np.ceil(np.sqrt(max(length_samples, 1))))
    fine = np.exp(1j * step_rad * np.arange(n_fine))
    coarse = np.exp(1j * step_rad * n_fine * np.arange(-(-length_samples // n_fine)))
    turning: ComplexArray = np.outer(coarse, fine).reshape(-1)[:length_samples]
    return turning


def _check_resolvable(frequencies_hz: FloatArray, *, n_samples: int, sample_rate: float) -> None:
    spacing = np.diff(np.concatenate([[0.0], np.sort(frequencies_hz)]))
    needed = 2.0 * sample_rate / max(n_samples, 1)
    if np.any(spacing < needed * (1.0 - 1e-9)):
        raise SignalError(
            f"tones: {n_samples / sample_rate:.4f} s of signal resolves {needed:.1f} Hz, the tones (or the lowest one "
            f"and 0 Hz) are {np.min(spacing):.1f} Hz apart; give a longer signal"
        )
    if np.max(frequencies_hz) >= sample_rate / 2:
        raise SignalError(
            f"tones: {np.max(frequencies_hz):.1f} Hz does not fit below half the sample rate of {sample_rate} Hz"
        )


def octave_grid(*, low_hz: float, high_hz: float, per_octave: int) -> FloatArray:
    """Frequencies evenly spaced on a logarithmic scale, from `low_hz` up to at most `high_hz`, Hz."""
    steps = int(np.floor(np.log2(high_hz / low_hz) * per_octave + 1e-9))
    grid: FloatArray = low_hz * 2.0 ** (np.arange(max(steps, 0) + 1) / per_octave)
    return grid


def smooth_octaves(
    values: FloatArray, *, bin_hz: float, at_hz: FloatArray, octaves: float, weights: FloatArray | None = None
) -> FloatArray:
    """Mean of a spectrum over a fraction of an octave around each of some frequencies.

    Parameters
    ----------
    values : ndarray, shape (n_bins,)
        Values at 0, bin_hz, 2 bin_hz, ... (powers, or one part of a complex response).
    bin_hz : float
        Distance of the bins.
    at_hz : ndarray, shape (n_points,)
        Centres of the bands.
    octaves : float
        Width of the bands; a band narrower than one bin is widened to one bin.
    weights : ndarray, shape (n_bins,), optional
        Weight of each bin; NaN is returned where they sum to zero.

    Returns
    -------
    ndarray, shape (n_points,)
    """
    half = np.maximum(at_hz * np.sinh(0.5 * octaves * np.log(2.0)), 0.5 * bin_hz)
    middle = at_hz * np.cosh(0.5 * octaves * np.log(2.0))
    weight = np.ones(len(values)) if weights is None else weights
    total = _band_sums(values * weight, bin_hz=bin_hz, low_hz=middle - half, high_hz=middle + half)
    norm = _band_sums(weight, bin_hz=bin_hz, low_hz=middle - half, high_hz=middle + half)
    mean = np.full(len(at_hz), np.nan)
    np.divide(total, norm, out=mean, where=norm > 0.0)
    return mean


def _band_sums(values: FloatArray, *, bin_hz: float, low_hz: FloatArray, high_hz: FloatArray) -> FloatArray:
    """Sums of bin-wide steps between two frequencies, in bins."""
    edges = (np.arange(len(values) + 1) - 0.5) * bin_hz
    cumulative = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(np.interp(high_hz, edges, cumulative) - np.interp(low_hz, edges, cumulative), dtype=np.float64)
