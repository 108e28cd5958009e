"""The band that a device passes, and the bump that a replay head makes of long wavelengths."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tapemeasure.analysis.response import Response
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError, SignalError

BUMP_LOW_HZ, BUMP_HIGH_HZ = 25.0, 250.0
LEVEL_LOW_HZ, LEVEL_HIGH_HZ = 315.0, 1000.0
"""Where the response is level on a sound machine: the bump stands above its median there."""
BUMP_SIGMAS = 3.0
BUMP_MIN_DB = 0.1


@dataclass(frozen=True)
class Passband:
    """Where a response falls below that at 1 kHz.

    Parameters
    ----------
    drop_db : float
        By how much.
    low_hz, low_sigma_hz, high_hz, high_sigma_hz : float or None
        The frequencies and their standard uncertainties; None where the response does not fall so far.
    """

    drop_db: float
    low_hz: float | None
    low_sigma_hz: float | None
    high_hz: float | None
    high_sigma_hz: float | None


@dataclass(frozen=True)
class HeadBump:
    """The highest rise of the response at long wavelengths.

    Parameters
    ----------
    frequency_hz, frequency_sigma_hz : float
        Of its top, and the standard uncertainty.
    height_db, sigma_db : float
        Above the median of 315 Hz to 1 kHz, and the standard uncertainty.
    """

    frequency_hz: float
    frequency_sigma_hz: float
    height_db: float
    sigma_db: float


def passband(response: Response, *, drop_db: float = 3.0) -> Passband:
    """Frequencies between which a response stays within some decibels of that at 1 kHz, Hz.

    Parameters
    ----------
    response : Response
        With a gain at 1 kHz.
    drop_db : float
        Above 0.

    Raises
    ------
    ParameterError
        If `drop_db` is not above 0.
    SignalError
        If the response has no value at 1 kHz.

    Notes
    -----
    The first crossing away from 1 kHz on either side, straight lines between points on the logarithmic axis. The
    uncertainty is that of the magnitude over its slope there.
    """
    if not drop_db > 0.0:
        raise ParameterError(f"passband: drop_db is {drop_db:g} dB; give more than 0")
    if response.gain_db is None:
        raise SignalError("passband: the response has no value at 1 kHz; play a sweep through it")
    drop = response.gain_db - response.magnitude_db
    start = int(np.searchsorted(response.frequency_hz, 1000.0))
    rising, falling = range(start, len(drop)), range(start - 1, -1, -1)
    return Passband(
        drop_db,
        *_crossing(response, drop, falling, drop_db=drop_db),
        *_crossing(response, drop, rising, drop_db=drop_db),
    )


def _crossing(
    response: Response, drop: FloatArray, path: range, *, drop_db: float
) -> tuple[float, float] | tuple[None, None]:
    frequency = response.frequency_hz
    for before, index in pairwise(path):
        if not (np.isfinite(drop[before]) and np.isfinite(drop[index])):
            return None, None
        if drop[before] < drop_db <= drop[index]:
            octaves = np.log2(frequency[index] / frequency[before])
            slope_db = (drop[index] - drop[before]) / octaves
            found_hz = float(frequency[before] * 2.0 ** ((drop_db - drop[before]) / slope_db))
            sigma_db = max(response.sigma_db[before], response.sigma_db[index])
            return found_hz, float(found_hz * np.log(2.0) * sigma_db / abs(slope_db))
    return None, None


def head_bump(response: Response) -> HeadBump | None:
    """Top of the rise between 25 Hz and 250 Hz; None where the response does not rise there.

    Parameters
    ----------
    response : Response
        Measured down to 50 Hz or lower.

    Raises
    ------
    SignalError
        If it tells nothing from 25 Hz to 250 Hz, or nothing from 315 Hz to 1 kHz.

    Notes
    -----
    Vertex of the parabola, on the logarithmic axis, through the highest point within and its neighbours. A top at the
    edge of the range is no bump, nor is one lower than 0.1 dB or three times its uncertainty. That counts the largest
    uncertainty of the response within a third of an octave and the rounding by a twelfth of an octave of smoothing.
    """
    frequency, magnitude = response.frequency_hz, response.magnitude_db
    low = np.flatnonzero((frequency >= BUMP_LOW_HZ) & (frequency <= BUMP_HIGH_HZ) & np.isfinite(magnitude))
    level = (frequency >= LEVEL_LOW_HZ) & (frequency <= LEVEL_HIGH_HZ) & np.isfinite(magnitude)
    if len(low) < 3 or not level.any():
        raise SignalError(
            f"head bump: the response tells {len(low)} points from {BUMP_LOW_HZ:g} to {BUMP_HIGH_HZ:g} Hz and "
            f"{np.count_nonzero(level)} from {LEVEL_LOW_HZ:g} to {LEVEL_HIGH_HZ:g} Hz; play a sweep from 20 Hz on"
        )
    top = int(np.argmax(magnitude[low]))
    if not 0 < top < len(low) - 1:
        return None
    three = low[top - 1 : top + 2]
    position = np.log2(frequency[three] / frequency[low[top]])
    bend, slope, height = np.polyfit(position, magnitude[three], 2)
    shift = -slope / (2.0 * bend) if bend < 0.0 else 0.0
    height_db = float(height + 0.5 * slope * shift - np.median(magnitude[level]))
    # a response smoothed over a twelfth of an octave is lower at a top by this
    rounded_db = abs(float(bend)) / 12.0**3
    near = np.abs(np.log2(frequency / frequency[low[top]])) <= 1.0 / 3.0
    top_sigma_db = float(np.nanmax(response.sigma_db[near]))
    scatter = float(np.median(response.sigma_db[level])) / np.sqrt(np.count_nonzero(level))
    sigma_db = float(np.linalg.norm([top_sigma_db, scatter, rounded_db]))
    if height_db < max(BUMP_MIN_DB, BUMP_SIGMAS * sigma_db):
        return None
    found_hz = float(frequency[low[top]] * 2.0**shift)
    # noise tilts the parabola, which moves its top
    tilt = top_sigma_db * float(np.sqrt(2.0)) / float(position[2] - position[0])
    octaves = tilt / (2.0 * abs(float(bend))) if bend < 0.0 else 0.5 * float(position[2] - position[0])
    return HeadBump(found_hz, found_hz * float(np.log(2.0)) * octaves, height_db, sigma_db)
