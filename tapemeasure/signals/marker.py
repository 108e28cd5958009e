"""The marker burst at both ends of a stimulus: a short chirp whose autocorrelation is one narrow peak."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.units import amplitude_from_db

MARKER_START_HZ = 1000.0
MARKER_STOP_HZ = 8000.0
MARKER_DURATION_S = 0.05


def marker_burst(*, sample_rate: int, level_dbfs: float) -> FloatArray:
    """Linear chirp from 1 kHz to 8 kHz in 50 ms under a Hann window.

    Parameters
    ----------
    sample_rate : int
        Hz.
    level_dbfs : float
        Level of the largest sample; 0 dBFS is an amplitude of 1.0.

    Returns
    -------
    ndarray, shape (round(0.05 * sample_rate),)
        Full scale 1.0.

    Notes
    -----
    The band lies where every tape machine plays, and its 7 kHz make the envelope of the autocorrelation fall below
    half within 0.2 ms; beyond 1 ms it stays below a tenth.
    """
    length_samples = round(MARKER_DURATION_S * sample_rate)
    time_s = np.arange(length_samples) / sample_rate
    slope_hz_per_s = (MARKER_STOP_HZ - MARKER_START_HZ) / MARKER_DURATION_S
    chirp = np.sin(2.0 * np.pi * (MARKER_START_HZ + 0.5 * slope_hz_per_s * time_s) * time_s)
    burst = chirp * np.hanning(length_samples)
    result: FloatArray = burst * (amplitude_from_db(level_dbfs) / np.max(np.abs(burst)))
    return result
