"""Lines in the spectrum of a tape's speed, and the rotating parts that they belong to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import frames_of, hann
from tapemeasure.errors import ParameterError

METRES_PER_INCH = 0.0254
SEGMENT_S = 20.0
"""Longest window of a spectrum: a reel's line moves as it empties."""

OVER_FLOOR = 20.0
"""Power of a line against the median beside it, from which it counts."""

BESIDE_BINS = 15
LOBE_BINS = 2
HARMONICS = 6
SAME_PART = 0.02
"""How far a line may lie from a part's frequency: diameters and speeds are known to a per cent."""

MAX_LINES = 20
LEAST_LINE = 0.01
"""A weaker line, against the strongest, may be a side lobe."""


@dataclass(frozen=True)
class RotatingPart:
    """A round part that the tape runs over, or a reel: name and diameter, millimetres."""

    name: str
    diameter_mm: float

    def __post_init__(self) -> None:
        if not 0.0 < self.diameter_mm < math.inf:
            raise ParameterError(f"{self.name}: diameter_mm is {self.diameter_mm:g} mm; give more than 0 mm")

    def turns_per_s(self, *, speed_ips: float) -> float:
        """Turns per second at a tape speed, v / (pi d), Hz.

        Examples
        --------
        >>> round(RotatingPart("capstan", 6.0).turns_per_s(speed_ips=7.5), 3)
        10.106
        """
        return METRES_PER_INCH * speed_ips / (math.pi * 1e-3 * self.diameter_mm)


@dataclass(frozen=True)
class FlutterLine:
    """A line of the speed's spectrum.

    Parameters
    ----------
    frequency_hz, frequency_sigma_hz : float
        Hz, and the standard uncertainty of a steady line.
    deviation_pct : float
        Speed deviation, per cent rms.
    sigma_pct : float
        Its standard uncertainty: what the noise beside the line leaves unknown.
    part : str or None
        Rotating part that turns that often, ``capstan x2`` for twice a turn; None where none was given that does.
    """

    frequency_hz: float
    frequency_sigma_hz: float
    deviation_pct: float
    sigma_pct: float
    part: str | None


def speed_lines(
    deviation: FloatArray,
    *,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    parts: Sequence[RotatingPart] = (),
    speed_ips: float | None = None,
) -> tuple[FlutterLine, ...]:
    """Lines of a speed deviation that stand out of what is beside them, the strongest first, at most 20.

    Parameters
    ----------
    deviation : ndarray, shape (n_points,)
        Relative speed deviation (0.01 = 1 %).
    rate_hz : float
        Points per second.
    low_hz, high_hz : float
        Where lines are looked for.
    parts : sequence of RotatingPart
        Parts to name the lines by; each also by its harmonics up to the sixth.
    speed_ips : float, optional
        Tape speed, inches per second; needed where parts are given.

    Raises
    ------
    ParameterError
        If parts are given and no speed above 0.

    Notes
    -----
    Hann windows of up to 20 s, half overlapped: lines closer than 4 / T are one. A line is the power within two bins
    of its peak, less the median of 15 bins on both sides, from 20 times that floor on.
    """
    if parts and not (speed_ips is not None and speed_ips > 0.0):
        raise ParameterError("rotating parts need the tape's speed to be named; give speed_ips above 0 in/s")
    power, bin_hz = _line_powers(deviation, rate_hz=rate_hz)
    found = []
    for peak in range(max(LOBE_BINS, math.ceil(low_hz / bin_hz)), min(len(power) - LOBE_BINS, int(high_hz / bin_hz))):
        lobe = slice(peak - LOBE_BINS, peak + LOBE_BINS + 1)
        if power[peak] < np.max(power[lobe]):
            continue
        beside = np.concatenate(
            [power[max(1, peak - BESIDE_BINS) : peak - LOBE_BINS], power[peak + LOBE_BINS + 1 : peak + BESIDE_BINS + 1]]
        )
        floor = float(np.median(beside)) / math.log(2.0) if len(beside) else 0.0
        excess = float(np.sum(power[lobe])) - floor * (2 * LOBE_BINS + 1)
        if power[peak] <= OVER_FLOOR * floor or excess <= 0.0:
            continue
        # the lobe's centre of mass
        frequency_hz = bin_hz * (peak + _offset(power, peak))
        rms_pct = 100.0 * math.sqrt(excess)
        sigma_pct = 100.0 * math.sqrt(floor)
        # the bound for a sine in white noise, a Hann window being 1.5 bins wide
        error_hz = 1.5 * bin_hz * math.sqrt(3.0 * floor / excess) / (2.0 * math.pi)
        found.append(
            FlutterLine(frequency_hz, error_hz, rms_pct, sigma_pct, _name(frequency_hz, parts, speed_ips, bin_hz))
        )
    found.sort(key=lambda line: -line.deviation_pct)
    return tuple(line for line in found[:MAX_LINES] if line.deviation_pct > LEAST_LINE * found[0].deviation_pct)


def _line_powers(deviation: FloatArray, *, rate_hz: float) -> tuple[FloatArray, float]:
    """Mean square that a line of each bin has within its main lobe; distance of the bins, Hz."""
    n = min(len(deviation), round(SEGMENT_S * rate_hz)) // 2 * 2
    if n < 16:
        return np.zeros(0), 1.0
    window = hann(n)
    frames = frames_of(deviation - np.mean(deviation), length_samples=n, hop_samples=n // 2)
    power = np.mean(np.abs(np.fft.rfft(frames * window, axis=1)) ** 2, axis=0)
    return np.asarray(2.0 * power / (n * np.sum(window**2)), dtype=np.float64), rate_hz / n


def _offset(power: FloatArray, peak: int) -> float:
    """Distance of a Hann line from its largest bin, in bins, from the two bins beside it."""
    left, middle, right = np.sqrt(power[peak - 1 : peak + 2])
    if right >= left:
        return float((2.0 * right - middle) / (middle + right))
    return -float((2.0 * left - middle) / (middle + left))


def _name(frequency_hz: float, parts: Sequence[RotatingPart], speed_ips: float | None, bin_hz: float) -> str | None:
    """The part, and how many times a turn, that is nearest to a line; None if none is near."""
    best, nearest = None, 1.0
    for part in parts:
        turns_hz = part.turns_per_s(speed_ips=speed_ips or 0.0)
        for order in range(1, HARMONICS + 1):
            away = abs(frequency_hz - order * turns_hz) / max(SAME_PART * order * turns_hz, bin_hz)
            # of two parts that fit, the one that fits with fewer periods a turn
            if away * order**0.5 < nearest:
                best, nearest = (part.name if order == 1 else f"{part.name} x{order}"), away * order**0.5
    return best
