"""How close generated hiss comes to measured hiss: levels, spectrum, tails of the distribution, coherence."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray, as_channels
from tapemeasure.dsp.spectra import hann, power_spectrum, third_octave_powers
from tapemeasure.dsp.weighting import a_weighting_response, itu468_response, weighted_samples
from tapemeasure.errors import SignalError
from tapemeasure.units import db

LOWEST_BAND_HZ, HIGHEST_BAND_HZ = 50.0, 20000.0
WINDOW_S = 0.4
KURTOSIS_BANDS_HZ = ((200.0, 1000.0), (1000.0, 5000.0), (5000.0, 16000.0))
COHERENCE_BANDS_HZ = ((50.0, 200.0), (200.0, 2000.0), (2000.0, 16000.0))


@dataclass(frozen=True)
class HissComparison:
    """Differences of one hiss from another; 0 would be the same.

    Parameters
    ----------
    band_hz : tuple of float
        Nominal third octaves from 50 Hz to 20 kHz.
    band_db : tuple of float
        Level in each against the other hiss (all channels together), decibels.
    band_sigma_db : tuple of float
        Standard uncertainty of the difference: what two stretches of the same noise differ by.
    worst_band_db : float
        Largest difference without its sign.
    level_db, a_level_db, itu468_level_db : float
        Unweighted, A-weighted and ITU-R 468 weighted level against the other, decibels.
    kurtosis_difference : tuple of float
        Of the excess kurtosis in 0.2-1, 1-5, 5-16 kHz: Gaussian noise has 0.
    coherence_difference : tuple of float
        Of the channels' magnitude-squared coherence in 50-200 Hz, 0.2-2, 2-16 kHz; NaN for one channel.
    """

    band_hz: tuple[float, ...]
    band_db: tuple[float, ...]
    band_sigma_db: tuple[float, ...]
    worst_band_db: float
    level_db: float
    a_level_db: float
    itu468_level_db: float
    kurtosis_difference: tuple[float, ...]
    coherence_difference: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def compare_hiss(hiss: Sequence[FloatArray], other: Sequence[FloatArray], *, sample_rate: int) -> HissComparison:
    """Differences between two sets of stretches of hiss, for example generated and measured.

    Parameters
    ----------
    hiss, other : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        The same number of channels; stretches shorter than 0.4 s are left out.
    sample_rate : int
        Hz.

    Raises
    ------
    SignalError
        If a set has no stretch of 0.4 s, is silent, or the numbers of channels differ.
    """
    ours, theirs = _usable(hiss, sample_rate=sample_rate), _usable(other, sample_rate=sample_rate)
    if ours[0].shape[1] != theirs[0].shape[1]:
        raise SignalError(f"hiss of {ours[0].shape[1]} and of {theirs[0].shape[1]} channels; compare equal numbers")
    band_hz, powers, n_ours = _third_octaves(ours, sample_rate=sample_rate)
    _, other_powers, n_theirs = _third_octaves(theirs, sample_rate=sample_rate)
    band_db = db(np.sqrt(powers / other_powers))
    # a third octave of width B in a time T: 2 B T degrees of freedom and more, Hann windows lose a third of them
    width_hz = band_hz * (10.0**0.05 - 10.0**-0.05)
    looks = np.maximum(1.0, width_hz * 2.0 / 3.0 / (1.0 / n_ours + 1.0 / n_theirs))
    levels = [_levels(part, sample_rate=sample_rate) for part in (ours, theirs)]
    differences = db(np.sqrt(np.asarray(levels[0]) / np.asarray(levels[1])))
    return HissComparison(
        band_hz=tuple(band_hz.tolist()),
        band_db=tuple(band_db.tolist()),
        band_sigma_db=tuple((10.0 / math.log(10.0) / np.sqrt(looks)).tolist()),
        worst_band_db=float(np.max(np.abs(band_db))),
        level_db=float(differences[0]),
        a_level_db=float(differences[1]),
        itu468_level_db=float(differences[2]),
        kurtosis_difference=_differences(_kurtosis(ours, sample_rate), _kurtosis(theirs, sample_rate)),
        coherence_difference=_differences(_coherence(ours, sample_rate), _coherence(theirs, sample_rate)),
    )


def _usable(stretches: Sequence[FloatArray], *, sample_rate: int) -> list[FloatArray]:
    found = [as_channels(stretch) for stretch in stretches if len(stretch) >= round(WINDOW_S * sample_rate)]
    if not found or not any(np.any(stretch) for stretch in found):
        raise SignalError(f"comparison of hiss: no stretch of {WINDOW_S:g} s with any sound in it; give more hiss")
    return [stretch - stretch.mean(axis=0) for stretch in found]


def _third_octaves(stretches: Sequence[FloatArray], *, sample_rate: int) -> tuple[FloatArray, FloatArray, float]:
    """Nominal frequencies, power of all channels in each band, and the time measured, seconds."""
    window_samples = round(WINDOW_S * sample_rate) // 2 * 2
    columns = [stretch[:, channel] for stretch in stretches for channel in range(stretch.shape[1])]
    spectrum = power_spectrum(columns, sample_rate=sample_rate, window_samples=window_samples)
    nominal_hz, powers = third_octave_powers(spectrum)
    known = (nominal_hz >= LOWEST_BAND_HZ) & (nominal_hz <= HIGHEST_BAND_HZ) & np.isfinite(powers) & (powers > 0.0)
    return nominal_hz[known], powers[known], sum(map(len, stretches)) / sample_rate


def _levels(stretches: Sequence[FloatArray], *, sample_rate: int) -> list[float]:
    """Mean square without weighting, with A, and with ITU-R 468."""
    n = sum(stretch.size for stretch in stretches)
    totals = [sum(float(np.sum(stretch**2)) for stretch in stretches) / n]
    for response in (a_weighting_response, itu468_response):
        weighted = [
            weighted_samples(stretch[:, channel], sample_rate=sample_rate, response=response)
            for stretch in stretches
            for channel in range(stretch.shape[1])
        ]
        totals.append(sum(float(np.sum(samples**2)) for samples in weighted) / n)
    return totals


def _kurtosis(stretches: Sequence[FloatArray], sample_rate: int) -> list[float]:
    """Excess kurtosis in every band."""
    from scipy.signal import butter, sosfilt

    found = []
    for low_hz, high_hz in KURTOSIS_BANDS_HZ:
        sections = butter(4, (low_hz, high_hz), "bandpass", fs=sample_rate, output="sos")
        bands = [sosfilt(sections, stretch, axis=0).ravel() for stretch in stretches]
        pooled = np.concatenate(bands)
        found.append(float(np.mean(pooled**4) / np.mean(pooled**2) ** 2 - 3.0))
    return found


def _coherence(stretches: Sequence[FloatArray], sample_rate: int) -> list[float]:
    """Magnitude-squared coherence of the first two channels, mean over each band."""
    if stretches[0].shape[1] < 2:
        return [math.nan] * len(COHERENCE_BANDS_HZ)
    n = round(WINDOW_S * sample_rate) // 2 * 2
    window = hann(n)[:, np.newaxis]
    cross: ComplexArray = np.zeros(n // 2 + 1, dtype=np.complex128)
    power = np.zeros((n // 2 + 1, 2))
    for stretch in stretches:
        for first in range(0, len(stretch) - n + 1, n // 2):
            spectrum = np.fft.rfft(stretch[first : first + n, :2] * window, axis=0)
            cross += spectrum[:, 0] * spectrum[:, 1].conj()
            power += np.abs(spectrum) ** 2
    frequency_hz = np.fft.rfftfreq(n, 1.0 / sample_rate)
    coherence = np.abs(cross) ** 2 / np.maximum(power.prod(axis=1), 1e-300)
    return [
        float(np.mean(coherence[(frequency_hz >= low) & (frequency_hz < high)])) for low, high in COHERENCE_BANDS_HZ
    ]


def _differences(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    return tuple(a - b for a, b in zip(ours, theirs, strict=True))
