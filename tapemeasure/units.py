"""Decibels and the unit conversions that every room uses."""

import math

import numpy as np

from tapemeasure.arrays import FloatArray


def amplitude_from_db(level_db: float) -> float:
    """Amplitude ratio of a level in decibels (20 lg convention).

    Examples
    --------
    >>> round(amplitude_from_db(-6.0206), 4)
    0.5
    """
    return float(10.0 ** (level_db / 20.0))


def db_from_amplitude(amplitude: float) -> float:
    """Level in dB of an amplitude ratio; ``-inf`` for zero.

    Examples
    --------
    >>> round(db_from_amplitude(10.0), 6)
    20.0
    """
    return 20.0 * math.log10(amplitude) if amplitude > 0.0 else -math.inf


def db_from_power(power: float) -> float:
    """Level in dB of a power ratio; ``-inf`` for zero.

    Examples
    --------
    >>> round(db_from_power(10.0), 6)
    10.0
    """
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf


def db(amplitudes: FloatArray) -> FloatArray:
    """Level in dB of each amplitude ratio of an array; ``-inf`` where it is zero."""
    with np.errstate(divide="ignore"):
        result: FloatArray = 20.0 * np.log10(np.abs(amplitudes))
    return result


def rms(samples: FloatArray) -> float:
    """Root mean square over all samples (and channels); 0 for an empty array.

    Examples
    --------
    >>> import numpy as np
    >>> rms(np.array([3.0, -3.0]))
    3.0
    """
    return float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0


def rms_dbfs(samples: FloatArray) -> float:
    """RMS level in dBFS, full scale = 1.0 rms (a full-scale sine reads -3.01 dBFS)."""
    return db_from_amplitude(rms(samples))
