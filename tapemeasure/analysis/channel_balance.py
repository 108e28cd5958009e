"""Balance of two channels: how much louder the second one is, against frequency."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.response import REFERENCE_HZ, Response
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, SignalError

LOW_HZ, HIGH_HZ = 250.0, 6300.0


@dataclass(frozen=True)
class ChannelBalance:
    """Gain of channel 2 over channel 1.

    Parameters
    ----------
    frequency_hz, difference_db, sigma_db : ndarray, shape (n_points,)
        The difference at every frequency and its standard uncertainty; NaN where one channel is not measurable.
    at_1khz_db, at_1khz_sigma_db : float
        At 1 kHz.
    largest_db, largest_hz : float
        Largest difference (with its sign) between 250 Hz and 6.3 kHz, and where it is.
    """

    frequency_hz: FloatArray
    difference_db: FloatArray
    sigma_db: FloatArray
    at_1khz_db: float
    at_1khz_sigma_db: float
    largest_db: float
    largest_sigma_db: float
    largest_hz: float


def channel_balance(first: Response, second: Response) -> ChannelBalance:
    """Gain of the second channel over the first, dB.

    Parameters
    ----------
    first, second : Response
        Of the same signal in both channels, on one grid of frequencies.

    Raises
    ------
    MismatchError
        If the frequencies differ.
    SignalError
        If the channels have no frequency in common that is measurable at 1 kHz and between 250 Hz and 6.3 kHz.

    Notes
    -----
    The difference of the two magnitudes; their uncertainties are taken as independent.
    """
    frequency = first.frequency_hz
    if len(frequency) != len(second.frequency_hz) or not np.allclose(frequency, second.frequency_hz, rtol=1e-9):
        raise MismatchError("channel balance: the responses have different frequencies; take both from one signal")
    difference = second.magnitude_db - first.magnitude_db
    sigma = np.hypot(first.sigma_db, second.sigma_db)
    known = np.isfinite(difference)
    middle = np.flatnonzero(known & (frequency >= LOW_HZ) & (frequency <= HIGH_HZ))
    if first.gain_db is None or second.gain_db is None or len(middle) == 0:
        raise SignalError("channel balance: one channel tells nothing at 1 kHz; play the same signal into both")
    nearest = middle[np.argmin(np.abs(np.log(frequency[middle] / REFERENCE_HZ)))]
    largest = middle[np.argmax(np.abs(difference[middle]))]
    return ChannelBalance(
        frequency_hz=frequency,
        difference_db=difference,
        sigma_db=sigma,
        at_1khz_db=second.gain_db - first.gain_db,
        at_1khz_sigma_db=float(sigma[nearest]),
        largest_db=float(difference[largest]),
        largest_sigma_db=float(sigma[largest]),
        largest_hz=float(frequency[largest]),
    )
