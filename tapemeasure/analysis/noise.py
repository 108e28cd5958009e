"""Noise of a device in silence: levels with and without weighting, spectrum, third octaves, hum lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapemeasure.analysis.quasi_peak import NOISE_SETTLED_S, noise_quasi_peak
from tapemeasure.analysis.spread import Figure, mean_of_blocks, rms_figure
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.spectra import PowerSpectrum, band_power, hann, power_spectrum, third_octave_powers
from tapemeasure.dsp.weighting import a_weighting_response, itu468_response, weighted_samples
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_amplitude, db_from_power

MIN_DURATION_S = 0.1
ABOVE_HZ = 200.0
MAINS_HZ = (50.0, 60.0)
HUM_ORDERS = 10
HUM_MIN_DURATION_S = 0.4
HUM_TOLERANCE = 0.002
"""How far the mains, and the clock of the recording, may be off."""
BLOCK_S = 0.25
"""Blocks whose spread gives the uncertainty of a level."""

MIN_BLOCKS = 3
_LINE_OVER_FLOOR = 16.0
"""Power of a line against the floor beside it, from which it counts."""


@dataclass(frozen=True)
class HumLine:
    """One line of a mains comb; its rms level and that level's standard uncertainty."""

    frequency_hz: float
    level_dbfs: float
    sigma_db: float


@dataclass(frozen=True)
class Noise:
    """Noise levels and spectrum; see the schema in `tapemeasure.analysis.take` for every field.

    ``*_sigma_db`` are standard uncertainties from the spread of blocks of 0.25 s; NaN for less than three of them.
    """

    level_dbfs: float
    level_above_200hz_dbfs: float
    level_a_dbfs: float
    level_468_dbfs: float
    dc_dbfs: float | None
    hum_50hz_dbfs: float | None
    hum_60hz_dbfs: float | None
    hum_lines: tuple[HumLine, ...]
    duration_s: float
    frequency_hz: FloatArray
    density_dbfs_per_hz: FloatArray
    third_octave_hz: FloatArray
    third_octave_dbfs: FloatArray
    level_468_quasi_peak_dbfs: float | None
    level_sigma_db: float
    level_above_200hz_sigma_db: float
    level_a_sigma_db: float
    level_468_sigma_db: float
    level_468_quasi_peak_sigma_db: float | None
    hum_50hz_sigma_db: float | None
    hum_60hz_sigma_db: float | None
    third_octave_sigma_db: FloatArray
    dc_sigma_db: float | None
    density_sigma_db: float


@dataclass(frozen=True)
class SignalToNoise:
    """Signal-to-noise ratios against a reference level, dB, with standard uncertainties.

    Parameters
    ----------
    reference_dbfs : float
        Level of the signal, rms.
    unweighted_db, a_db, itu468_quasi_peak_db : float
        Against the noise, the A-weighted noise, and the reading of an ITU-R 468 meter (NaN: too short for it).
    """

    reference_dbfs: float
    reference_sigma_db: float
    unweighted_db: float
    unweighted_sigma_db: float
    a_db: float
    a_sigma_db: float
    itu468_quasi_peak_db: float
    itu468_quasi_peak_sigma_db: float


def signal_to_noise(noise: Noise, *, reference_dbfs: float, reference_sigma_db: float = 0.0) -> SignalToNoise:
    """Signal-to-noise ratios of a noise against a reference level, dB.

    Parameters
    ----------
    noise : Noise
        Of the silences.
    reference_dbfs : float
        RMS level of the reference: a full-scale sine is -3.01 dBFS. The level at 3 % third harmonic, or that of the
        reference fluxivity.
    reference_sigma_db : float
        Its standard uncertainty, which every ratio holds too.

    References
    ----------
    Recommendation ITU-R BS.468-4 (quasi-peak).
    """
    quasi_peak, sigma = noise.level_468_quasi_peak_dbfs, noise.level_468_quasi_peak_sigma_db
    return SignalToNoise(
        reference_dbfs=reference_dbfs,
        reference_sigma_db=reference_sigma_db,
        unweighted_db=reference_dbfs - noise.level_dbfs,
        unweighted_sigma_db=float(np.hypot(noise.level_sigma_db, reference_sigma_db)),
        a_db=reference_dbfs - noise.level_a_dbfs,
        a_sigma_db=float(np.hypot(noise.level_a_sigma_db, reference_sigma_db)),
        itu468_quasi_peak_db=np.nan if quasi_peak is None else reference_dbfs - quasi_peak,
        itu468_quasi_peak_sigma_db=np.nan if sigma is None else float(np.hypot(sigma, reference_sigma_db)),
    )


def measure_noise(stretches: Sequence[FloatArray], *, sample_rate: int) -> Noise:
    """Noise levels in dBFS rms, density in dBFS per hertz, third octaves and hum lines.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,)
        Output of the device while its input was silent; pooled. Full scale = 1.0 rms.
    sample_rate : int
        Hz, at least 8000.

    Raises
    ------
    SignalError
        If no stretch is 0.1 s long.

    Notes
    -----
    Every level is without each stretch's mean value, which is told apart as DC. Weighted levels are the rms behind the
    networks themselves (`tapemeasure.dsp.weighting.weighted_samples`), the quasi-peak level is the mean reading of the
    meter over stretches longer than 1.1 s. Third octaves and the level above 200 Hz come from the Welch spectrum (Hann
    windows of 0.19 s, or of the longest stretch where that is shorter). For white noise of duration T their standard
    deviation is ``4.34 / sqrt(bandwidth T)`` dB, 0.03 dB for one second. The displayed density is the median over the
    windows, which single ticks do not lift.

    References
    ----------
    IEC 61672-1:2013 (A); Recommendation ITU-R BS.468-4; IEC 61260-1:2014 (third octaves).
    """
    longest = max((len(stretch) for stretch in stretches), default=0)
    if longest < MIN_DURATION_S * sample_rate:
        raise SignalError(
            f"noise: the longest silent stretch has {longest / sample_rate:.3f} s; give at least {MIN_DURATION_S} s"
        )
    window = min(2 ** round(np.log2(0.186 * sample_rate)), longest // 2 * 2)
    mean = power_spectrum(stretches, sample_rate=sample_rate, window_samples=window)
    median = power_spectrum(stretches, sample_rate=sample_rate, window_samples=window, median=True)
    samples = np.concatenate([stretch - np.mean(stretch) for stretch in stretches])
    dc = float(np.mean(np.concatenate(stretches)))
    third_hz, third_power = third_octave_powers(mean)
    lines = _told_apart({mains: _hum_lines(stretches, sample_rate=sample_rate, mains_hz=mains) for mains in MAINS_HZ})
    a_level = _weighted(stretches, a_weighting_response, sample_rate=sample_rate)
    itu468_level = _weighted(stretches, itu468_response, sample_rate=sample_rate)
    quasi_peak = _quasi_peak(stretches, sample_rate=sample_rate)
    block_spectra = _block_spectra(stretches, sample_rate=sample_rate)
    return Noise(
        level_dbfs=db_from_power(float(np.mean(np.square(samples)))),
        level_above_200hz_dbfs=db_from_power(band_power(mean, low_hz=ABOVE_HZ)),
        level_a_dbfs=db_from_amplitude(a_level.value),
        level_468_dbfs=db_from_amplitude(itu468_level.value),
        dc_dbfs=db_from_amplitude(abs(dc)) if dc != 0.0 else None,
        hum_50hz_dbfs=_sum_dbfs(lines[50.0]),
        hum_60hz_dbfs=_sum_dbfs(lines[60.0]),
        hum_lines=tuple(sorted({*lines[50.0], *lines[60.0]}, key=lambda line: line.frequency_hz)),
        duration_s=sum(len(stretch) for stretch in stretches) / sample_rate,
        frequency_hz=median.frequency_hz,
        density_dbfs_per_hz=_db_or_nan(median.density_per_hz),
        third_octave_hz=third_hz,
        third_octave_dbfs=_db_or_nan(third_power),
        level_468_quasi_peak_dbfs=None if quasi_peak is None else db_from_amplitude(quasi_peak.value),
        level_sigma_db=_sigma_db(_pooled_rms(stretches, sample_rate=sample_rate)),
        level_above_200hz_sigma_db=_power_sigma_db(
            np.array([band_power(spectrum, low_hz=ABOVE_HZ) for spectrum in block_spectra])
        ),
        level_a_sigma_db=_sigma_db(a_level),
        level_468_sigma_db=_sigma_db(itu468_level),
        level_468_quasi_peak_sigma_db=None if quasi_peak is None else _sigma_db(quasi_peak),
        hum_50hz_sigma_db=_sum_sigma_db(lines[50.0]),
        hum_60hz_sigma_db=_sum_sigma_db(lines[60.0]),
        dc_sigma_db=_dc_sigma_db(stretches, dc, sample_rate=sample_rate),
        # the median over windows that overlap by half
        density_sigma_db=4.34 * 1.4 * 1.1 / float(np.sqrt(median.n_windows)),
        third_octave_sigma_db=4.34 / np.sqrt(np.maximum(1.0, 0.2316 * third_hz * len(samples) / sample_rate)),
    )


def _dc_sigma_db(stretches: Sequence[FloatArray], dc: float, *, sample_rate: int) -> float | None:
    """Uncertainty of the mean value's level, from the means of blocks of 0.25 s; None for less than two."""
    n = round(BLOCK_S * sample_rate)
    means = [float(np.mean(part[first : first + n])) for part in stretches for first in range(0, len(part) - n + 1, n)]
    if len(means) < 2 or dc == 0.0:
        return None
    return float(20.0 / np.log(10.0) * mean_of_blocks(np.array(means)).sigma / abs(dc))


def _pooled_rms(stretches: Sequence[FloatArray], *, sample_rate: int) -> Figure:
    samples = np.concatenate([stretch - np.mean(stretch) for stretch in stretches])
    return rms_figure(samples, block_samples=round(BLOCK_S * sample_rate))


def _weighted(
    stretches: Sequence[FloatArray], response: Callable[[npt.ArrayLike], ComplexArray], *, sample_rate: int
) -> Figure:
    """Rms behind a network, of all stretches."""
    weighted = [
        weighted_samples(stretch - np.mean(stretch), sample_rate=sample_rate, response=response)
        for stretch in stretches
        if len(stretch)
    ]
    return rms_figure(np.concatenate(weighted), block_samples=round(BLOCK_S * sample_rate))


def _quasi_peak(stretches: Sequence[FloatArray], *, sample_rate: int) -> Figure | None:
    """Mean reading of the ITU-R 468 meter; None if no stretch lets it settle."""
    settled = round(NOISE_SETTLED_S * sample_rate)
    readings = [
        noise_quasi_peak(stretch - np.mean(stretch), sample_rate=sample_rate)[2 * settled :]
        for stretch in stretches
        if len(stretch) > 1.1 * settled
    ]
    if not readings:
        return None
    together = np.concatenate(readings)
    # the pointer remembers a third of a second
    blocks = np.array_split(together, max(1, len(together) // sample_rate))
    return mean_of_blocks(np.array([np.mean(block) for block in blocks]))


def _block_spectra(stretches: Sequence[FloatArray], *, sample_rate: int) -> list[PowerSpectrum]:
    """Spectrum of every block of 0.25 s."""
    n = round(BLOCK_S * sample_rate)
    window = n // 2 // 2 * 2
    return [
        power_spectrum([stretch[first : first + n]], sample_rate=sample_rate, window_samples=window)
        for stretch in stretches
        for first in range(0, len(stretch) - n + 1, n)
    ]


def _sigma_db(figure: Figure) -> float:
    return float(20.0 / np.log(10.0) * figure.sigma / figure.value) if figure.value > 0.0 else float("nan")


def _power_sigma_db(powers: FloatArray) -> float:
    if len(powers) < MIN_BLOCKS or not np.all(powers > 0.0):
        return float("nan")
    figure = mean_of_blocks(powers)
    return float(10.0 / np.log(10.0) * figure.sigma / figure.value)


def _told_apart(combs: dict[float, tuple[HumLine, ...]]) -> dict[float, tuple[HumLine, ...]]:
    """Lines of both combs (300 Hz) belong to the one that has others; to both where both have, or none."""
    shared = {line.frequency_hz for line in combs[50.0]} & {line.frequency_hz for line in combs[60.0]}
    own = {mains: {line.frequency_hz for line in lines} - shared for mains, lines in combs.items()}
    return {
        mains: lines
        if own[mains] or not any(own.values())
        else tuple(line for line in lines if line.frequency_hz not in shared)
        for mains, lines in combs.items()
    }


def _db_or_nan(power: FloatArray) -> FloatArray:
    levels = np.full(len(power), np.nan)
    np.log10(power, out=levels, where=power > 0.0)
    return 10.0 * levels


def _hum_lines(stretches: Sequence[FloatArray], *, sample_rate: int, mains_hz: float) -> tuple[HumLine, ...]:
    """Lines of one comb that stand out of the noise in the longest stretch; 300 Hz may belong to both.

    A line is the power within its Hann main lobe (and the tolerance), less the median of the bins beside it.
    """
    stretch = max(stretches, key=len)
    if len(stretch) < HUM_MIN_DURATION_S * sample_rate:
        return ()
    window = hann(len(stretch))
    power = np.abs(np.fft.rfft((stretch - np.mean(stretch)) * window)) ** 2
    # one-sided mean square of a sine, summed over its main lobe
    power *= 2.0 / (len(stretch) * float(np.sum(window**2)))
    bin_hz = sample_rate / len(stretch)
    lines = []
    for order in range(1, HUM_ORDERS + 1):
        frequency = order * mains_hz
        half = 2 + round(HUM_TOLERANCE * frequency / bin_hz)
        centre = round(frequency / bin_hz)
        beside = half + max(8, round(8.0 / bin_hz))
        low, high = centre - half, centre + half + 1
        around = np.concatenate([power[max(centre - beside, 1) : low], power[high : centre + beside + 1]])
        if len(around) == 0:
            continue
        # the median of exponentially distributed powers is ln 2 of their mean
        floor = float(np.median(around)) / np.log(2.0)
        excess = float(np.sum(power[low:high])) - floor * (high - low)
        if excess > _LINE_OVER_FLOOR * floor and float(np.max(power[low:high])) > _LINE_OVER_FLOOR * floor:
            # noise beats with the line, and has a power of its own, spread over two bins of a Hann window's lobe; the
            # floor itself is known from so many bins
            width = high - low
            sigma = np.sqrt(4.0 * excess * floor + 2.0 * width * floor**2 + 2.0 * (width * floor) ** 2 / len(around))
            lines.append(HumLine(frequency, db_from_power(excess), 10.0 / float(np.log(10.0)) * float(sigma) / excess))
    return tuple(lines)


def _sum_sigma_db(lines: Sequence[HumLine]) -> float | None:
    """Standard uncertainty of the lines' summed power."""
    if not lines:
        return None
    powers = np.array([10.0 ** (line.level_dbfs / 10.0) for line in lines])
    errors = powers * np.array([line.sigma_db for line in lines])
    return float(np.sqrt(np.sum(errors**2)) / np.sum(powers))


def _sum_dbfs(lines: Sequence[HumLine]) -> float | None:
    if not lines:
        return None
    return db_from_power(sum(10.0 ** (line.level_dbfs / 10.0) for line in lines))
