"""Quasi-peak detectors: of noise after ITU-R 468, and of the weighted speed deviation of a tape."""

from functools import cache

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.weighting import itu468_response, weighted_samples
from tapemeasure.errors import ParameterError

NOISE_ATTACK_S, NOISE_DECAY_S, NOISE_POINTER_S = 1.4035e-3, 0.29566, 0.14014
NOISE_OVERSAMPLING = 2
"""A rectified 10 kHz at 44.1 kHz would miss its peaks."""

NOISE_SETTLED_S = 1.0
"""The pointer has then risen to within 0.01 dB of a steady signal."""

FLUTTER_STAGES_S = ((25.18e-3, 3.26e-3), (6.30e-3, 0.985))
"""Attack and decay of the two stages that follow the rectified deviation."""

FLUTTER_GAIN = 1.0257
FLUTTER_SETTLED_S = 1.0
FLUTTER_RATE_HZ = 2000.0
"""The detector runs at this rate or above."""


def noise_quasi_peak(samples: FloatArray, *, sample_rate: float) -> FloatArray:
    """Reading of an ITU-R 468 noise meter at every moment: network, rectifier, pointer; full scale = 1.0 rms.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    sample_rate : float
        Hz, at least 32000: the curve ends at 16 kHz there, and noise above reads too little.

    Returns
    -------
    ndarray, shape (2 n_samples,)
        Twice as many points a second as samples. A steady sine of 1 kHz reads its rms value. It begins at 0 and has
        settled after 1 s.

    Notes
    -----
    The rectified signal is followed with an attack of 1.40 ms and a decay of 296 ms, then smoothed with 140 ms. The
    eleven tone bursts of the standard (5 kHz, through the network) read within 0.13 dB of their nominal values.

    References
    ----------
    Recommendation ITU-R BS.468-4, annex 1, sections 1 and 2.
    """
    weighted = weighted_samples(
        samples, sample_rate=sample_rate, response=itu468_response, oversampling=NOISE_OVERSAMPLING
    )
    return _noise_pointer(np.abs(weighted), rate_hz=NOISE_OVERSAMPLING * sample_rate) / _sine_reading(sample_rate)


def flutter_quasi_peak(deviation: FloatArray, *, rate_hz: float) -> FloatArray:
    """Reading of a quasi-peak flutter meter at every moment, in the unit of the deviation.

    Parameters
    ----------
    deviation : ndarray, shape (n_points,)
        Weighted speed deviation, without its mean.
    rate_hz : float
        Points per second, above 0.

    Returns
    -------
    ndarray, shape (n_points,)
        It begins at 0 and has settled after 1 s.

    Notes
    -----
    The rectified deviation passes two stages (attack 25.2 ms and decay 3.3 ms, then 6.3 ms and 985 ms). Pulses of one
    sign, one a second, of 10, 30, 60 and 100 ms read 21, 62, 90 and 100 % of their height, and between pulses of
    100 ms the reading falls to 40 %, each within 0.5 %. A steady sine of 4 Hz reads 0.83 to 0.87 of its peak. What
    comes with fewer than 2000 points a second is interpolated first.

    References
    ----------
    The meter of DIN 45507, replaced there and in AES6-2008 by the two-sigma reading.
    """
    from scipy.signal import resample_poly

    from tapemeasure.dsp.kernels import attack_and_decay

    if not rate_hz > 0.0:
        raise ParameterError(f"rate_hz is {rate_hz:g} Hz; give more than 0 Hz")
    if len(deviation) == 0:
        return np.zeros(0)
    factor = max(1, int(np.ceil(FLUTTER_RATE_HZ / rate_hz)))
    level = np.abs(np.asarray(resample_poly(deviation, factor, 1) if factor > 1 else deviation, dtype=np.float64))
    for attack_s, decay_s in FLUTTER_STAGES_S:
        level = attack_and_decay(level, _share(attack_s, factor * rate_hz), _share(decay_s, factor * rate_hz))
    return FLUTTER_GAIN * level[::factor]


def _noise_pointer(rectified: FloatArray, *, rate_hz: float) -> FloatArray:
    from tapemeasure.dsp.kernels import attack_and_decay

    peak = attack_and_decay(rectified, _share(NOISE_ATTACK_S, rate_hz), _share(NOISE_DECAY_S, rate_hz))
    smoothing = _share(NOISE_POINTER_S, rate_hz)
    reading: FloatArray = attack_and_decay(peak, smoothing, smoothing)
    return reading


@cache
def _sine_reading(sample_rate: float) -> float:
    """What the detector makes of a steady sine of 1 kHz and 1.0 rms."""
    rate_hz = NOISE_OVERSAMPLING * sample_rate
    phase = 2.0 * np.pi * 1000.0 / rate_hz * np.arange(round(3.0 * rate_hz))
    reading = _noise_pointer(np.sqrt(2.0) * np.abs(np.sin(phase)), rate_hz=rate_hz)
    return float(np.mean(reading[round(2.5 * rate_hz) :]))


def _share(time_s: float, rate_hz: float) -> float:
    """Part of a distance that is taken in one step."""
    return float(-np.expm1(-1.0 / (time_s * rate_hz)))
