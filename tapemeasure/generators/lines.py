"""Sinusoids in measured delay: the lines that rotating parts draw into the spectrum of the speed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray

LOWEST_LINE_HZ = 0.2
MOST_LINES = 40
OVER_FLOOR_DB = 9.0
"""A peak of the pooled spectrum counts as a line this far above the noise beside it, for many pieces; more for few."""

LEAST_LINE = 1e-6
"""Power of the weakest line against the strongest: below lies what is left of the strong ones."""

FLOOR_BINS = 25
OVERSAMPLED = 4
"""Points of the spectrum per resolvable frequency."""


@dataclass(frozen=True)
class SpeedLine:
    """A sinusoid of the speed: frequency (Hz) and amplitude (relative speed deviation, 0.01 = 1 %)."""

    frequency_hz: float
    amplitude: float


def find_lines(speeds: Sequence[FloatArray], *, rate_hz: float, highest_hz: float) -> tuple[SpeedLine, ...]:
    """Lines that all pieces of a speed have in common, in the order of their frequency.

    Parameters
    ----------
    speeds : sequence of ndarray, each of shape (n_points,)
        Pieces of the relative speed deviation, each with phases of its own.
    rate_hz : float
        Points per second.
    highest_hz : float
        Lines are looked for up to this frequency.

    Notes
    -----
    The strongest peak that stands out of the noise beside it is taken, all lines found so far are fitted together
    (least squares, one frequency for all pieces, amplitude and phase for each) and taken off, and so on. The power of
    the noise within a line's bandwidth is taken off its amplitude.
    """
    frequencies: list[float] = []
    residuals = [speed - np.mean(speed) for speed in speeds]
    least = 0.0
    for _ in range(MOST_LINES):
        peak_hz, power = _strongest_peak(residuals, rate_hz=rate_hz, highest_hz=highest_hz, known_hz=frequencies)
        if power <= least:
            break
        least = max(least, LEAST_LINE * power)
        frequencies.append(_refined(residuals, peak_hz, rate_hz=rate_hz))
        residuals = [_without(speed, frequencies, rate_hz=rate_hz)[0] for speed in speeds]
    lines = [SpeedLine(f, a) for f, a in zip(frequencies, _amplitudes(speeds, frequencies, rate_hz), strict=True)]
    return tuple(sorted((line for line in lines if line.amplitude > 0.0), key=lambda line: line.frequency_hz))


def without_lines(speed: FloatArray, lines: Sequence[SpeedLine], *, rate_hz: float) -> FloatArray:
    """A piece of speed without its mean and the sinusoids at the lines' frequencies (fitted to this piece)."""
    return _without(speed, [line.frequency_hz for line in lines], rate_hz=rate_hz)[0]


def _without(speed: FloatArray, frequencies_hz: Sequence[float], *, rate_hz: float) -> tuple[FloatArray, ComplexArray]:
    """Residual of a joint fit, and the complex amplitude of every line."""
    turns = 2.0 * math.pi * np.outer(np.arange(len(speed)) / rate_hz, np.asarray(frequencies_hz, dtype=np.float64))
    basis = np.hstack([np.ones((len(speed), 1)), np.cos(turns), np.sin(turns)])
    # two lines closer than the piece can resolve share their power in any way: the smallest solution
    found = np.linalg.lstsq(basis, speed, rcond=1e-3)[0]
    n = len(frequencies_hz)
    return speed - basis @ found, np.asarray(found[1 : n + 1] - 1j * found[n + 1 :], dtype=np.complex128)


def _pooled_power(pieces: Sequence[FloatArray], *, rate_hz: float) -> tuple[FloatArray, FloatArray, float]:
    """Mean spectrum of all pieces on a common grid, its frequencies, and the width of a line in bins."""
    longest = max(len(piece) for piece in pieces)
    n = OVERSAMPLED * 2 ** math.ceil(math.log2(longest))
    total = np.zeros(n // 2 + 1)
    for piece in pieces:
        window = np.hanning(len(piece) + 2)[1:-1]
        total += np.abs(np.fft.rfft(piece * window, n)) ** 2 / np.sum(window) ** 2 * len(piece)
    frequency_hz = np.asarray(np.fft.rfftfreq(n, 1.0 / rate_hz), dtype=np.float64)
    return total / sum(map(len, pieces)), frequency_hz, n / longest


def _strongest_peak(
    pieces: Sequence[FloatArray], *, rate_hz: float, highest_hz: float, known_hz: Sequence[float]
) -> tuple[float, float]:
    """Frequency and power of the strongest peak that is no noise; a power of 0 where there is none."""
    from scipy.ndimage import median_filter

    power, frequency_hz, width = _pooled_power(pieces, rate_hz=rate_hz)
    floor = median_filter(power, size=2 * round(FLOOR_BINS * width / 2) + 1, mode="nearest") / math.log(2.0)
    # the largest of many bins of noise: exponential powers, averaged over the pieces
    n_looks = max(1.0, sum(map(len, pieces)) / max(map(len, pieces)))
    n_places = len(power) / width
    threshold = max(10.0 ** (OVER_FLOOR_DB / 10.0), 1.5 * (1.0 + math.log(n_places) / n_looks))
    inside = (frequency_hz >= LOWEST_LINE_HZ) & (frequency_hz <= highest_hz)
    for known in known_hz:
        inside &= np.abs(frequency_hz - known) > 1.5 * width * (frequency_hz[1] - frequency_hz[0])
    score = np.where(inside & (power > threshold * floor), power, 0.0)
    best = int(np.argmax(score))
    return float(frequency_hz[best]), float(score[best])


def _refined(pieces: Sequence[FloatArray], near_hz: float, *, rate_hz: float) -> float:
    """Frequency near a peak at which one sinusoid takes the most power off all pieces."""
    from scipy.optimize import minimize_scalar

    reach_hz = rate_hz / max(map(len, pieces))
    windows = [np.hanning(len(piece) + 2)[1:-1] for piece in pieces]

    def lost(frequency_hz: float) -> float:
        return -math.fsum(
            abs(np.dot(piece * window, np.exp(-2j * math.pi * frequency_hz * np.arange(len(piece)) / rate_hz))) ** 2
            for piece, window in zip(pieces, windows, strict=True)
        )

    bounds = (near_hz - reach_hz, near_hz + reach_hz)
    return float(minimize_scalar(lost, bounds=bounds, method="bounded", options={"xatol": 1e-4 * reach_hz}).x)


def _amplitudes(speeds: Sequence[FloatArray], frequencies_hz: Sequence[float], rate_hz: float) -> list[float]:
    """Amplitude of every line over all pieces, without what the noise adds to it."""
    if not frequencies_hz:
        return []
    fits = [_without(speed, frequencies_hz, rate_hz=rate_hz) for speed in speeds]
    weights = np.array([len(speed) for speed in speeds], dtype=np.float64)
    power = np.average([np.abs(amplitudes) ** 2 for _, amplitudes in fits], axis=0, weights=weights)
    noise, frequency_hz, _ = _pooled_power([residual for residual, _ in fits], rate_hz=rate_hz)
    reach_hz = 5.0 * rate_hz / max(map(len, speeds))
    for index, line_hz in enumerate(frequencies_hz):
        near = np.abs(frequency_hz - line_hz) < reach_hz
        # a Hann window's noise is 1.5 times a rectangle's, which the fit has; 4: from |X|^2 to amplitude squared
        power[index] -= 4.0 / 1.5 * float(np.median(noise[near])) / math.log(2.0)
    return [math.sqrt(max(0.0, float(value))) for value in power]
