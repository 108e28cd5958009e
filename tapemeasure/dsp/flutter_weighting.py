"""Weighting of wow and flutter: the curve through the standard's 17 points, and a causal filter for live use."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError

# AES6-2008 table 1 = IEC 60386 = DIN 45507: frequency in Hz, weighting in dB
FLUTTER_TABLE = (
    (0.1, -48.0), (0.2, -30.6), (0.315, -19.7), (0.4, -15.0), (0.63, -8.4), (0.8, -6.0), (1.0, -4.2), (1.6, -1.8),
    (2.0, -0.9), (4.0, 0.0), (6.3, -0.9), (10.0, -2.1), (20.0, -5.9), (40.0, -10.4), (63.0, -14.2), (100.0, -17.3),
    (200.0, -23.0),
)  # fmt: skip
"""Frequency of the speed's deviation, Hz, and its weighting, dB."""

LOWEST_RATE_HZ = 100.0
USED_PART = 0.45
"""Points of the table above this part of the rate are not fitted."""

# two zeros and three poles in Hz, then the sum of a pair of poles and its natural frequency in Hz: where the fit begins
_START_HZ = (50.0, 500.0, 10.2, 62.0, 1.35, 0.70, 0.453)


def flutter_weighting_db(frequency_hz: npt.ArrayLike) -> FloatArray:
    """Weighting of wow and flutter in dB, 0 dB at 4 Hz; exact at the 17 points of the standard's table.

    Parameters
    ----------
    frequency_hz : array_like
        Frequencies of the speed's deviation, Hz, from 0 (which gives ``-inf``).

    Notes
    -----
    Monotone cubic (PCHIP) through (log f, dB); below 0.1 Hz and above 200 Hz on with the slope of the last two points
    (17.4 and -5.7 dB an octave).

    References
    ----------
    AES6-2008 table 1 = IEC 60386 = DIN 45507.

    Examples
    --------
    >>> flutter_weighting_db([0.2, 4.0, 200.0]).round(2).tolist()
    [-30.6, 0.0, -23.0]
    """
    from scipy.interpolate import PchipInterpolator

    table = np.array(FLUTTER_TABLE)
    points, levels_db = np.log(table[:, 0]), table[:, 1]
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    place = np.full(frequency.shape, -np.inf)
    np.log(frequency, out=place, where=frequency > 0.0)
    inside = np.clip(place, points[0], points[-1])
    low, high = ((levels_db[i + 1] - levels_db[i]) / (points[i + 1] - points[i]) for i in (0, -2))
    beyond = low * np.minimum(place - points[0], 0.0) + high * np.maximum(place - points[-1], 0.0)
    return np.asarray(PchipInterpolator(points, levels_db)(inside) + beyond, dtype=np.float64)


def flutter_weighting_sections(rate_hz: float) -> FloatArray:
    """Causal filter that weights wow and flutter as it comes in: second-order sections for `scipy.signal.sosfilt`.

    Parameters
    ----------
    rate_hz : float
        Points of the speed's deviation per second, at least 100 Hz.

    Returns
    -------
    ndarray, shape (n_sections, 6)

    Raises
    ------
    ParameterError
        If the rate is below 100 Hz.

    Notes
    -----
    Three zeros at 0 Hz and two in the left half plane, five poles, bilinear transform; poles, zeros and gain are fitted
    to the table at the rate itself, so that the warping of a low rate costs nothing: within 0.25 dB at every point of
    the table below 0.45 of the rate. Off line `flutter_weighting_db` has no such error.

    References
    ----------
    AES6-2008 table 1 = IEC 60386 = DIN 45507.
    """
    if not LOWEST_RATE_HZ <= rate_hz < np.inf:
        raise ParameterError(f"rate_hz is {rate_hz:g} Hz; the weighting filter needs at least {LOWEST_RATE_HZ:g} Hz")
    return _fitted_sections(float(rate_hz)).copy()


@cache
def _fitted_sections(rate_hz: float) -> FloatArray:
    from scipy.optimize import least_squares
    from scipy.signal import freqz_sos

    table = np.array([point for point in FLUTTER_TABLE if point[0] < USED_PART * rate_hz])

    def missing_db(values: FloatArray) -> FloatArray:
        sections = _sections(np.exp(values[:-1]), rate_hz)
        response = freqz_sos(sections, table[:, 0], fs=rate_hz)[1]
        return np.asarray(20.0 * np.log10(np.abs(response)) + values[-1] - table[:, 1], dtype=np.float64)

    start = np.append(np.log(_START_HZ), 0.0)
    start[-1] = -np.mean(missing_db(start))

    def cubes(values: FloatArray) -> FloatArray:
        return np.asarray((2.0 * np.abs(missing_db(values))) ** 3, dtype=np.float64)

    # their squares are the sixth power of the errors: the largest one counts
    found: Any = least_squares(cubes, start, max_nfev=200)
    sections = _sections(np.exp(found.x[:-1]), rate_hz)
    sections[0, :3] *= 10.0 ** (found.x[-1] / 20.0)
    return sections


def _sections(hz: FloatArray, rate_hz: float) -> FloatArray:
    from scipy.signal import bilinear_zpk, zpk2sos

    spread = np.sqrt(complex(0.25 * hz[5] ** 2 - hz[6] ** 2))
    zeros = np.array([0.0, 0.0, 0.0, -hz[0], -hz[1]])
    poles = np.array([-hz[2], -hz[3], -hz[4], -0.5 * hz[5] + spread, -0.5 * hz[5] - spread])
    design: Any = bilinear_zpk(2.0 * np.pi * zeros, 2.0 * np.pi * poles, 1.0, rate_hz)
    return np.asarray(zpk2sos(*design), dtype=np.float64)
