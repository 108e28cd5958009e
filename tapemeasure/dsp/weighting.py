"""Weighting curves for noise, in dB by frequency; they are applied through the power spectrum."""

import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import FloatArray
from tapemeasure.units import db

# IEC 61672-1, annex E: pole frequencies of the A-weighting, Hz, and its gain at 1 kHz, dB
_A_POLES_HZ = (20.6, 107.7, 737.9, 12194.0)
_A_GAIN_DB = 2.00

# ITU-R BS.468-4, the published polynomial fit to the curve of its filter
_H1 = (-4.737338981378384e-24, 2.043828333606125e-15, -1.363894795463638e-7, 1.0)
_H2 = (1.306612257412824e-19, -2.118150887518656e-11, 5.559488023498642e-4)
_468_SCALE = 1.246332637532143e-4
# the fit's own 18.2 dB leaves -0.039 dB at 1 kHz, where the curve is 0 dB by definition
_468_GAIN_DB = 18.239


def a_weighting_db(frequency_hz: npt.ArrayLike) -> FloatArray:
    """A-weighting in dB, 0 dB at 1 kHz.

    Parameters
    ----------
    frequency_hz : array_like
        Frequencies, Hz, from 0 (which gives ``-inf``).

    Notes
    -----
    The closed form of IEC 61672-1; within 0.05 dB of the table's one-decimal values from 10 Hz to 20 kHz once those
    are taken at the exact base-ten band centres.

    References
    ----------
    IEC 61672-1:2013, 5.5 and annex E.

    Examples
    --------
    >>> a_weighting_db([100.0, 1000.0, 10000.0]).round(1).tolist()
    [-19.1, 0.0, -2.5]
    """
    squared = np.square(np.asarray(frequency_hz, dtype=np.float64))
    f1, f2, f3, f4 = (pole**2 for pole in _A_POLES_HZ)
    response = f4 * squared**2 / ((squared + f1) * np.sqrt((squared + f2) * (squared + f3)) * (squared + f4))
    return db(response) + _A_GAIN_DB


def itu468_db(frequency_hz: npt.ArrayLike) -> FloatArray:
    """ITU-R 468 weighting in dB, 0 dB at 1 kHz and +12.2 dB at 6.3 kHz.

    Parameters
    ----------
    frequency_hz : array_like
        Frequencies, Hz, from 0 (which gives ``-inf``).

    Notes
    -----
    Within 0.05 dB of the standard's table. This is the curve alone. A level that carries the standard's name also
    needs its quasi-peak rectifier.

    References
    ----------
    Recommendation ITU-R BS.468-4, annex 1.

    Examples
    --------
    >>> itu468_db([400.0, 2000.0, 6300.0]).round(1).tolist()
    [-7.8, 5.6, 12.2]
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    squared = frequency**2
    h1 = np.polyval(_H1, squared)
    h2 = np.polyval(_H2, squared) * frequency
    return db(_468_SCALE * frequency / np.hypot(h1, h2)) + _468_GAIN_DB
