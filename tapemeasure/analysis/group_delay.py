"""Group delay of a device: how much later each frequency arrives than 1 kHz does."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.response import REFERENCE_HZ, Response
from tapemeasure.analysis.timing_error import SweepTiming
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError, SignalError

MIN_POINTS = 5


@dataclass(frozen=True)
class GroupDelay:
    """Group delay against frequency.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_points,)
        Those of the response.
    delay_us, sigma_us : ndarray, shape (n_points,)
        Microseconds later than 1 kHz, and the standard uncertainty; NaN where not measurable.
    octaves : float
        Width over which the phase's slope was taken.
    """

    frequency_hz: FloatArray
    delay_us: FloatArray
    sigma_us: FloatArray
    octaves: float


def group_delay(response: Response, *, octaves: float = 1.0 / 6.0, timing: SweepTiming | None = None) -> GroupDelay:
    """Group delay relative to that at 1 kHz, microseconds.

    Parameters
    ----------
    response : Response
        With points that lie close enough for its phase to be whole (from a sweep, or from programme).
    octaves : float
        Width over which the slope of the phase is taken, above 0 and at most 2.
    timing : SweepTiming, optional
        Error of the delay that was undone before the sweep was read: it bends the phase.

    Raises
    ------
    ParameterError
        If `octaves` is out of range.
    SignalError
        If the response does not reach 1 kHz with at least five points within the width.

    Notes
    -----
    ``-dphi / d(2 pi f)`` by a straight line of least squares through the phase within the width; the constant part is
    dropped, because it belongs to the alignment. The phase of a point is as uncertain as its magnitude (1 dB = 6.6
    degrees); points of a smoothed response are not independent, which the uncertainty does not count. At the ends of
    the band, and where the width holds fewer than five points, there is no value.
    """
    if not 0.0 < octaves <= 2.0:
        raise ParameterError(f"group delay over {octaves:g} octaves; give more than 0 and at most 2")
    frequency = response.frequency_hz
    half = 2.0 ** (0.5 * octaves)
    delay, sigma = np.full(len(frequency), np.nan), np.full(len(frequency), np.nan)
    for index, centre_hz in enumerate(frequency):
        near = slice(
            int(np.searchsorted(frequency, centre_hz / half * (1.0 - 1e-9))),
            int(np.searchsorted(frequency, centre_hz * half * (1.0 + 1e-9))),
        )
        if centre_hz / half < frequency[0] * (1.0 - 1e-9) or centre_hz * half > frequency[-1] * (1.0 + 1e-9):
            continue
        delay[index], sigma[index] = _slope(
            2.0 * np.pi * frequency[near], np.radians(response.phase_deg[near]), response.sigma_db[near], timing
        )
    known = np.isfinite(delay)
    if not known.any() or not frequency[known][0] <= REFERENCE_HZ <= frequency[known][-1]:
        raise SignalError(
            f"group delay: the response has no {MIN_POINTS} points within {octaves:g} octaves around 1 kHz; take it "
            "from a sweep, or widen the octaves"
        )
    at_reference = float(np.interp(np.log(REFERENCE_HZ), np.log(frequency[known]), delay[known]))
    # both ends of the difference are uncertain
    reference_sigma = float(np.interp(np.log(REFERENCE_HZ), np.log(frequency[known]), sigma[known]))
    return GroupDelay(frequency, 1e6 * (delay - at_reference), 1e6 * np.hypot(sigma, reference_sigma), octaves)


def _slope(
    angular: FloatArray, phase: FloatArray, sigma_db: FloatArray, timing: SweepTiming | None
) -> tuple[float, float]:
    """Group delay and its uncertainty, seconds."""
    known = np.isfinite(phase)
    if np.count_nonzero(known) < MIN_POINTS or not known.all():
        return float("nan"), float("nan")
    centred = angular - np.mean(angular)
    sigma_rad = np.log(10.0) / 20.0 * sigma_db
    norm = float(np.sum(centred**2))
    sigma = float(np.sqrt(np.sum((centred * sigma_rad) ** 2)) / norm)
    moved = 0.0 if timing is None else timing.delay_sigma_s(angular, centred / norm)
    return float(-np.sum(centred * phase) / norm), float(np.hypot(sigma, moved))
