"""Weighting curves for noise: in dB by frequency, and as networks that a signal is passed through off line."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.units import db

PAD_S = 0.1
"""A signal goes on by its own mirror image for this time, so that its ends do not click in the network."""

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
    return db(np.abs(a_weighting_response(frequency_hz)))


def a_weighting_response(frequency_hz: npt.ArrayLike) -> ComplexArray:
    """Complex gain of the A-weighting network, 0 dB at 1 kHz; its poles are those of the standard."""
    s = 1j * np.asarray(frequency_hz, dtype=np.float64)
    f1, f2, f3, f4 = _A_POLES_HZ
    gain = 10.0 ** (_A_GAIN_DB / 20.0) * f4**2
    return np.asarray(gain * s**4 / ((s + f1) ** 2 * (s + f2) * (s + f3) * (s + f4) ** 2), dtype=np.complex128)


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
    return db(np.abs(itu468_response(frequency_hz)))


def itu468_response(frequency_hz: npt.ArrayLike) -> ComplexArray:
    """Complex gain of the ITU-R 468 network, 0 dB at 1 kHz; the published polynomials are its two parts."""
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    squared = frequency**2
    scale = 10.0 ** (_468_GAIN_DB / 20.0) * _468_SCALE
    below = np.polyval(_H1, squared) + 1j * np.polyval(_H2, squared) * frequency
    return np.asarray(1j * scale * frequency / below, dtype=np.complex128)


def weighted_samples(
    samples: FloatArray,
    *,
    sample_rate: float,
    response: Callable[[npt.ArrayLike], ComplexArray],
    oversampling: int = 1,
) -> FloatArray:
    """Signal behind a weighting network, full scale 1.0.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0; without its mean value if hum and hiss are wanted alone.
    sample_rate : float
        Hz.
    response : callable
        Complex gain by frequency, e.g. `itu468_response`.
    oversampling : int
        Points of the result per sample.

    Returns
    -------
    ndarray, shape (oversampling * n_samples,)

    Notes
    -----
    Through the spectrum: the gain is the network's own up to half the sample rate, with none of the errors that a
    digital filter has there. Both ends go on by 0.1 s of their mirror image, which is left out of the result.
    """
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    if len(samples) == 0:
        return np.zeros(0)
    pad = min(round(PAD_S * sample_rate), len(samples) - 1)
    extended = np.pad(samples, pad, mode="reflect", reflect_type="odd") if pad else samples
    # zeros behind, as long as a network rings: 20 Hz falls by 100 dB in 0.1 s
    length = next_fast_len(len(extended) + round(PAD_S * sample_rate), real=True)
    spectrum = rfft(extended, length) * response(rfftfreq(length, 1.0 / sample_rate))
    weighted = oversampling * np.asarray(irfft(spectrum, length * oversampling), dtype=np.float64)
    return weighted[pad * oversampling : (pad + len(samples)) * oversampling]
