"""Flux on the tape by the standards' time constants, as biquads that can be undone exactly.

References
----------
.. [1] IEC 60094-1, "Magnetic tape sound recording and reproducing systems: general conditions and requirements".
.. [2] NAB, "Magnetic tape recording and reproducing (reel-to-reel)", 1965.
"""

import math
from functools import lru_cache

import numpy as np

from tapemeasure.arrays import FloatArray

REFERENCE_HZ = 1000.0
"""Where the record amplifier has its gain."""

LOWEST_HZ = 2.0
"""Below it the bass boost is level: the standard's curve would go on without end. 0.05 dB are missing at 20 Hz."""


def flux_db(frequencies_hz: FloatArray, *, bass_us: float | None, treble_us: float) -> FloatArray:
    """Level of the flux on the tape that a standard prescribes, dB (0 dB in the middle of the range).

    Parameters
    ----------
    frequencies_hz : ndarray
        Above 0 Hz.
    bass_us, treble_us : float
        Time constants t1 (None: infinite) and t2, microseconds.

    Examples
    --------
    >>> flux_db(np.array([20.0, 10000.0]), bass_us=3180.0, treble_us=50.0).round(2).tolist()
    [8.61, -10.36]
    """
    angular = 2.0e-6 * math.pi * frequencies_hz
    level = -10.0 * np.log10(1.0 + np.square(angular * treble_us))
    if bass_us is not None:
        level = level + 10.0 * np.log10(1.0 + 1.0 / np.square(angular * bass_us))
    return np.asarray(level, dtype=np.float64)


@lru_cache(maxsize=32)
def flux_sections(*, bass_us: float | None, treble_us: float, sample_rate: int) -> FloatArray:
    """Biquads (rows b0 b1 b2 1 a1 a2) whose response follows `flux_db`, 0 dB at 1 kHz; zeros and poles within 1.

    Notes
    -----
    Treble: two real zeros and two real poles, fitted to the curve up to 0.45 of the sample rate, within 0.03 dB at
    8..192 kHz (the bilinear transform misses it by decibels). Bass: the bilinear transform, which is exact there.
    """
    rows = [_treble_section(treble_us * 1e-6 * sample_rate)]
    if bass_us is not None:
        rows.append(_bass_section(1e6 / (2.0 * math.pi * bass_us), sample_rate=sample_rate))
    sections = np.array(rows)
    delay = np.exp(-2j * math.pi * REFERENCE_HZ / sample_rate) ** np.arange(3)
    gain = abs(np.prod((sections[:, :3] @ delay) / (sections[:, 3:] @ delay)))
    sections[0, :3] /= gain
    sections.setflags(write=False)
    return sections


def inverse_sections(sections: FloatArray) -> FloatArray:
    """Biquads that undo others, whose zeros lie within the unit circle."""
    swapped = np.concatenate((sections[:, 3:], sections[:, :3]), axis=1)
    return swapped / swapped[:, 3:4]


def _bass_section(corner_hz: float, *, sample_rate: int) -> list[float]:
    """Shelf that rises by 6 dB an octave from `corner_hz` down to `LOWEST_HZ`."""
    zero, pole = (math.tan(math.pi * frequency / sample_rate) for frequency in (corner_hz, LOWEST_HZ))
    return [(1.0 + zero) / (1.0 + pole), (zero - 1.0) / (1.0 + pole), 0.0, 1.0, (pole - 1.0) / (1.0 + pole), 0.0]


def _treble_section(treble_samples: float) -> list[float]:
    """Low-pass of first order, its time constant in samples; 0 dB at 0 Hz."""
    from scipy.optimize import least_squares

    angular = 2.0 * math.pi * np.linspace(0.005, 0.45, 90)
    wanted_db = -10.0 * np.log10(1.0 + np.square(angular * treble_samples))

    def level_db(roots: FloatArray) -> FloatArray:
        powers = (1.0 + np.square(roots)[:, np.newaxis] - 2.0 * np.outer(roots, np.cos(angular))).prod(axis=0)
        return np.asarray(10.0 * np.log10(powers / np.prod(np.square(1.0 - roots))))

    # the hyperbolic tangent keeps zeros and poles within the unit circle
    start = np.arctanh([-0.1, -0.5, math.exp(-1.0 / treble_samples), -0.4])

    def error_db(unbounded: FloatArray) -> FloatArray:
        roots = np.tanh(unbounded)
        return level_db(roots[:2]) - level_db(roots[2:]) - wanted_db

    fit = least_squares(error_db, start, xtol=1e-12, ftol=1e-12)
    first, second, third, fourth = np.tanh(fit.x).tolist()
    gain = (1.0 - third) * (1.0 - fourth) / ((1.0 - first) * (1.0 - second))
    numerator = [gain, -gain * (first + second), gain * first * second]
    return [*numerator, 1.0, -(third + fourth), third * fourth]
