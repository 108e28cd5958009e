"""Noise of a device in silence: levels with and without weighting, spectrum, third octaves, hum lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import PowerSpectrum, band_power, hann, power_spectrum, third_octave_powers
from tapemeasure.dsp.weighting import a_weighting_db, itu468_db
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_amplitude, db_from_power

MIN_DURATION_S = 0.1
ABOVE_HZ = 200.0
MAINS_HZ = (50.0, 60.0)
HUM_ORDERS = 10
HUM_MIN_DURATION_S = 0.4
HUM_TOLERANCE = 0.002
"""How far the mains, and the clock of the recording, may be off."""
_LINE_OVER_FLOOR = 16.0
"""Power of a line against the floor beside it, from which it counts."""


@dataclass(frozen=True)
class HumLine:
    """One line of a mains comb; its rms level."""

    frequency_hz: float
    level_dbfs: float


@dataclass(frozen=True)
class Noise:
    """Noise levels and spectrum; see the schema in `tapemeasure.analysis.take` for every field."""

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
    Every level is without each stretch's mean value, which is told apart as DC. Weighted and band-limited levels come
    from the Welch spectrum (Hann windows of 0.19 s, or of the longest stretch where that is shorter). For white noise
    of duration T their standard deviation is ``4.34 / sqrt(bandwidth T)`` dB, 0.03 dB for one second. The displayed
    density is the median over the windows, which single ticks do not lift.
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
    lines = {mains: _hum_lines(stretches, sample_rate=sample_rate, mains_hz=mains) for mains in MAINS_HZ}
    return Noise(
        level_dbfs=db_from_power(float(np.mean(np.square(samples)))),
        level_above_200hz_dbfs=db_from_power(band_power(mean, low_hz=ABOVE_HZ)),
        level_a_dbfs=_weighted_dbfs(mean, a_weighting_db(mean.frequency_hz)),
        level_468_dbfs=_weighted_dbfs(mean, itu468_db(mean.frequency_hz)),
        dc_dbfs=db_from_amplitude(abs(dc)) if dc != 0.0 else None,
        hum_50hz_dbfs=_sum_dbfs(lines[50.0]),
        hum_60hz_dbfs=_sum_dbfs(lines[60.0]),
        hum_lines=tuple(sorted({*lines[50.0], *lines[60.0]}, key=lambda line: line.frequency_hz)),
        duration_s=sum(len(stretch) for stretch in stretches) / sample_rate,
        frequency_hz=median.frequency_hz,
        density_dbfs_per_hz=_db_or_nan(median.density_per_hz),
        third_octave_hz=third_hz,
        third_octave_dbfs=_db_or_nan(third_power),
    )


def _weighted_dbfs(spectrum: PowerSpectrum, weighting_db: FloatArray) -> float:
    return db_from_power(band_power(spectrum, weighting_db=weighting_db))


def _db_or_nan(power: FloatArray) -> FloatArray:
    levels = np.full(len(power), np.nan)
    np.log10(power, out=levels, where=power > 0.0)
    return 10.0 * levels


def _hum_lines(stretches: Sequence[FloatArray], *, sample_rate: int, mains_hz: float) -> tuple[HumLine, ...]:
    """Lines of one comb that stand out of the noise in the longest stretch; 300 Hz belongs to both combs.

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
            lines.append(HumLine(frequency_hz=frequency, level_dbfs=db_from_power(excess)))
    return tuple(lines)


def _sum_dbfs(lines: Sequence[HumLine]) -> float | None:
    if not lines:
        return None
    return db_from_power(sum(10.0 ** (line.level_dbfs / 10.0) for line in lines))
