"""How close generated delay comes to measured delay: spectra, spread, wow and flutter, distributions, memory."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import power_spectrum
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import MeasuredDelay, speed_of
from tapemeasure.generators.lines import find_lines
from tapemeasure.trajectory import DelayTrajectory

BANDS_HZ = ((0.5, 2.0), (2.0, 6.0), (6.0, 12.0), (12.0, 25.0))
DISTANCE_BAND_HZ = (0.5, 25.0)
WINDOW_S, SHORTEST_S = 5.12, 2.56
"""Windows of the spectra that are compared: as published; shorter takes, down to the second, are windows themselves."""

LAGS_S = 2.0
NEAREST_S = 1.28
QUANTILES = (np.arange(400) + 0.5) / 400.0


@dataclass(frozen=True)
class DelayFigures:
    """What tells one delay from another.

    Parameters
    ----------
    std_s, kurtosis : float
        Standard deviation of the delay about the mean of its take, seconds; excess kurtosis (a sine: -1.5).
    speed_rms_pct, weighted_2sigma_pct : float
        Rms of the speed between 0.5 and 25 Hz and weighted wow and flutter, per cent; NaN in takes under 5 s.
    strongest_line_hz, strongest_line_pct : float
        Line of the spectrum with the largest speed, Hz and per cent rms; NaN without one.
    speed_noise_pct : float
        Rms of the speed that is no line, per cent.
    """

    std_s: float
    kurtosis: float
    speed_rms_pct: float
    weighted_2sigma_pct: float
    strongest_line_hz: float
    strongest_line_pct: float
    speed_noise_pct: float


@dataclass(frozen=True)
class DelayComparison:
    """Distances of one set of delays from another; 0 would be the same.

    Parameters
    ----------
    log_spectral_distance_db : float
        Between the spectra of single takes, 0.5-25 Hz: mean over all pairs of takes of the rms difference in decibels.
        Two sets of one machine do not reach 0: their own distance is the floor.
    log_spectral_distance_sigma_db : float
        Standard error over the takes.
    window_s : float
        Windows of these spectra, seconds.
    pooled_distance_db : float
        The same between the mean spectra of both sets: without the noise of single takes.
    band_db : tuple of float
        Level of the delay in 0.5-2, 2-6, 6-12, 12-25 Hz against the other set, decibels.
    delay_distance, speed_distance, second_difference_distance : float
        Wasserstein distance of the distributions, over the other set's standard deviation.
    autocorrelation_distance : float
        Largest difference of the speed's autocorrelations up to 2 s.
    nearest_neighbour : float
        Median distance of 1.28 s of speed to the nearest of the other set, over that set's own median distance from
        take to take: far below 1, it is a copy.
    figures, other_figures : DelayFigures
        Of this set and the other.
    """

    log_spectral_distance_db: float
    log_spectral_distance_sigma_db: float
    window_s: float
    pooled_distance_db: float
    band_db: tuple[float, ...]
    delay_distance: float
    speed_distance: float
    second_difference_distance: float
    autocorrelation_distance: float
    nearest_neighbour: float
    figures: DelayFigures
    other_figures: DelayFigures

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def compare_delays(delay: MeasuredDelay, other: MeasuredDelay, *, take_s: float) -> DelayComparison:
    """Distances between two sets of delay, cut into takes of one length.

    Parameters
    ----------
    delay, other : MeasuredDelay
        For example generated and held-out; the same rate.
    take_s : float
        Length of a take, at least 2.56 s; below 5.12 s the lowest frequencies run together, 1 / `take_s` apart.

    Raises
    ------
    SignalError
        If the rates differ, or a set has no take so long.

    References
    ----------
    L. Rabiner, B.-H. Juang, "Fundamentals of Speech Recognition", 1993, 4.5 (log spectral distance).
    """
    if delay.rate_hz != other.rate_hz:
        raise SignalError(f"delays of {delay.rate_hz:g} and {other.rate_hz:g} points a second; resample one of them")
    ours, theirs = _takes(delay, take_s), _takes(other, take_s)
    rate_hz = delay.rate_hz
    spectra, other_spectra = _spectra_db(ours, rate_hz), _spectra_db(theirs, rate_hz)
    pairs = np.sqrt(np.mean((spectra[:, np.newaxis] - other_spectra) ** 2, axis=2))
    speeds = [speed_of(take, rate_hz=rate_hz) for take in ours]
    other_speeds = [speed_of(take, rate_hz=rate_hz) for take in theirs]
    return DelayComparison(
        log_spectral_distance_db=float(np.mean(pairs)),
        log_spectral_distance_sigma_db=_pair_sigma(pairs),
        window_s=min(WINDOW_S, take_s),
        pooled_distance_db=float(np.sqrt(np.mean((_mean_db(spectra) - _mean_db(other_spectra)) ** 2))),
        band_db=_band_levels_db(ours, theirs, rate_hz),
        delay_distance=_wasserstein(ours, theirs),
        speed_distance=_wasserstein(speeds, other_speeds),
        second_difference_distance=_wasserstein(
            [np.diff(speed) for speed in speeds], [np.diff(speed) for speed in other_speeds]
        ),
        autocorrelation_distance=float(
            np.max(np.abs(_autocorrelation(speeds, rate_hz) - _autocorrelation(other_speeds, rate_hz)))
        ),
        nearest_neighbour=_nearest(speeds, other_speeds, rate_hz),
        figures=delay_figures(ours, rate_hz=rate_hz),
        other_figures=delay_figures(theirs, rate_hz=rate_hz),
    )


def delay_figures(takes: Sequence[FloatArray], *, rate_hz: float) -> DelayFigures:
    """Spread, kurtosis, wow and flutter and the strongest line of takes of one machine (delay, seconds)."""
    pooled = np.concatenate([take - np.mean(take) for take in takes])
    variance = float(np.mean(pooled**2))
    speeds = [speed_of(take, rate_hz=rate_hz) for take in takes]
    lines = find_lines(speeds, rate_hz=rate_hz, highest_hz=DISTANCE_BAND_HZ[1])
    strongest = max(lines, key=lambda line: line.amplitude, default=None)
    in_band = float(np.mean([_band_power(speed, rate_hz) for speed in speeds]))
    of_lines = 0.5 * sum(line.amplitude**2 for line in lines if line.frequency_hz >= DISTANCE_BAND_HZ[0])
    return DelayFigures(
        std_s=math.sqrt(variance),
        kurtosis=float(np.mean(pooled**4)) / variance**2 - 3.0 if variance > 0.0 else math.nan,
        speed_rms_pct=100.0 * math.sqrt(in_band),
        weighted_2sigma_pct=float(np.mean([_weighted_2sigma_pct(take, rate_hz) for take in takes])),
        strongest_line_hz=math.nan if strongest is None else strongest.frequency_hz,
        strongest_line_pct=math.nan if strongest is None else 100.0 * strongest.amplitude / math.sqrt(2.0),
        speed_noise_pct=100.0 * math.sqrt(max(0.0, in_band - of_lines)),
    )


def _takes(delay: MeasuredDelay, take_s: float) -> list[FloatArray]:
    """Equal takes about their means; what is left over is not used."""
    n = round(take_s * delay.rate_hz)
    takes = [
        piece[first : first + n] - np.mean(piece[first : first + n])
        for piece in delay.pieces
        for first in range(0, len(piece) - n + 1, n)
    ]
    if not takes or take_s < SHORTEST_S:
        raise SignalError(
            f"comparison of delays: no piece of {take_s:g} s (at least {SHORTEST_S:g} s); cut shorter takes"
        )
    return takes


def _spectra_db(takes: Sequence[FloatArray], rate_hz: float) -> FloatArray:
    """Level of the delay's spectrum within the band, one row a take."""
    rows = []
    for take in takes:
        # of the speed, whose spectrum has no slope that leaks, and back
        speed = speed_of(take, rate_hz=rate_hz)
        window = min(round(WINDOW_S * rate_hz), len(speed)) // 2 * 2
        spectrum = power_spectrum([speed], sample_rate=rate_hz, window_samples=window)
        band = (spectrum.frequency_hz >= DISTANCE_BAND_HZ[0]) & (spectrum.frequency_hz <= DISTANCE_BAND_HZ[1])
        density = spectrum.density_per_hz[band] / (2.0 * math.pi * spectrum.frequency_hz[band]) ** 2
        rows.append(10.0 * np.log10(np.maximum(density, 1e-300)))
    return np.array(rows)


def _mean_db(spectra_db: FloatArray) -> FloatArray:
    return np.asarray(10.0 * np.log10(np.mean(10.0 ** (spectra_db / 10.0), axis=0)), dtype=np.float64)


def _pair_sigma(pairs: FloatArray) -> float:
    """Standard error of the mean over all pairs: the spread over the takes of either set."""
    parts = [
        float(np.var(np.mean(pairs, axis=axis), ddof=1)) / n
        for axis, n in ((1, len(pairs)), (0, pairs.shape[1]))
        if n > 1
    ]
    return math.sqrt(sum(parts)) if parts else math.nan


def _band_levels_db(ours: Sequence[FloatArray], theirs: Sequence[FloatArray], rate_hz: float) -> tuple[float, ...]:
    levels = []
    for takes in (ours, theirs):
        frequency_hz = np.fft.rfftfreq(len(takes[0]), 1.0 / rate_hz)
        window = np.hanning(len(takes[0]) + 2)[1:-1]
        power = np.mean([np.abs(np.fft.rfft(take * window)) ** 2 for take in takes], axis=0)
        levels.append([float(np.sum(power[(frequency_hz >= low) & (frequency_hz < high)])) for low, high in BANDS_HZ])
    return tuple(10.0 * math.log10(a / b) if a > 0.0 < b else math.nan for a, b in zip(*levels, strict=True))


def _wasserstein(ours: Sequence[FloatArray], theirs: Sequence[FloatArray]) -> float:
    """Distance of two distributions (mean difference of their quantiles) in standard deviations of the second."""
    first, second = np.concatenate(ours), np.concatenate(theirs)
    spread = float(np.std(second))
    if spread == 0.0:
        return math.nan
    return float(np.mean(np.abs(np.quantile(first, QUANTILES) - np.quantile(second, QUANTILES)))) / spread


def _autocorrelation(speeds: Sequence[FloatArray], rate_hz: float) -> FloatArray:
    """Of the speed, up to 2 s, pooled; 1 at no lag."""
    n_lags = round(LAGS_S * rate_hz) + 1
    total = np.zeros(n_lags)
    for speed in speeds:
        size = 2 ** math.ceil(math.log2(2 * len(speed)))
        power = np.abs(np.fft.rfft(speed - np.mean(speed), size)) ** 2
        # every lag over the number of products that it has
        total += np.fft.irfft(power)[:n_lags] / (len(speed) - np.arange(n_lags))
    return total / total[0] if total[0] > 0.0 else total


def _nearest(ours: Sequence[FloatArray], theirs: Sequence[FloatArray], rate_hz: float) -> float:
    """Median distance of our windows to their nearest, over their own from take to take."""
    n = round(NEAREST_S * rate_hz)
    every = [np.lib.stride_tricks.sliding_window_view(speed, n) for speed in theirs]
    found = np.min([_least_distances(_windows(ours, n), windows) for windows in every], axis=0)
    if len(every) < 2:
        return math.nan
    own = [
        np.min(
            [_least_distances(_windows([speed], n), windows) for windows in every[:index] + every[index + 1 :]], axis=0
        )
        for index, speed in enumerate(theirs)
    ]
    typical = float(np.median(np.concatenate(own)))
    return float(np.median(found)) / typical if typical > 0.0 else math.nan


def _windows(speeds: Sequence[FloatArray], n: int) -> FloatArray:
    """Windows that do not overlap, one a row."""
    return np.concatenate([speed[: len(speed) // n * n].reshape(-1, n) for speed in speeds])


def _least_distances(rows: FloatArray, others: FloatArray) -> FloatArray:
    """Euclidean distance of every row to the nearest of the others."""
    squares = np.sum(rows**2, axis=1)[:, np.newaxis] + np.sum(others**2, axis=1) - 2.0 * rows @ others.T
    return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0.0)), dtype=np.float64)


def _band_power(speed: FloatArray, rate_hz: float) -> float:
    """Mean square of a speed between 0.5 and 25 Hz."""
    power = np.abs(np.fft.rfft(speed - np.mean(speed))) ** 2 * 2.0 / len(speed) ** 2
    frequency_hz = np.fft.rfftfreq(len(speed), 1.0 / rate_hz)
    low_hz, high_hz = DISTANCE_BAND_HZ
    return float(np.sum(power[(frequency_hz >= low_hz) & (frequency_hz <= high_hz)]))


def _weighted_2sigma_pct(take: FloatArray, rate_hz: float) -> float:
    n = len(take)
    trajectory = DelayTrajectory(0.0, rate_hz, take, np.zeros(n), np.ones(n, dtype=np.bool_))
    return measure_wow_flutter(trajectory).weighted_2sigma_pct
