"""Figures of a delay trajectory: mean, spread, drift and speed deviation."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.trajectory import DelayTrajectory

SPEED_BANDWIDTH_HZ = 40.0
"""Speed is measured from 0 to this frequency: differentiation multiplies the delay's noise by frequency."""


@dataclass(frozen=True)
class DelayStatistics:
    """Figures of a delay trajectory; None where too little of it is valid.

    Parameters
    ----------
    mean_delay_s : float
        Mean delay, seconds.
    delay_std_s : float
        Standard deviation of the delay about its mean, drift included, seconds.
    delay_peak_to_peak_s : float
        Largest minus smallest delay, drift included, seconds.
    drift_ppm : float
        Slope of the straight line through the delay, parts per million: the difference of the clocks' rates or of the
        mean speeds. Positive: the output runs slow. Over a few seconds it is the slowest wow, and not a drift.
    speed_deviation_rms_pct : float
        Root mean square of the speed deviation about its mean, unweighted, 0 to `speed_bandwidth_hz`, per cent.
    speed_bandwidth_hz : float
        Upper limit of the speed's frequencies.
    valid_pct : float
        Part of the trajectory for which there was evidence, per cent.
    """

    mean_delay_s: float | None
    delay_std_s: float | None
    delay_peak_to_peak_s: float | None
    drift_ppm: float | None
    speed_deviation_rms_pct: float | None
    speed_bandwidth_hz: float
    valid_pct: float


def delay_statistics(trajectory: DelayTrajectory) -> DelayStatistics:
    """Mean, spread, drift and speed deviation of a delay trajectory.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Only its valid points count; speed is not taken across a gap.

    Notes
    -----
    Standard deviation and peak-to-peak are not detrended: over a short file no line can tell drift from slow wow.
    The speed is low-passed at 40 Hz or at 0.4 of the trajectory's rate, whichever is lower, then -d'(t).

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(1000) / 100.0
    >>> still = DelayTrajectory(0.0, 100.0, 0.02 + 5e-6 * time, np.zeros(1000), np.ones(1000, dtype=bool))
    >>> round(delay_statistics(still).drift_ppm, 6)
    5.0
    """
    valid = trajectory.valid
    bandwidth_hz = min(SPEED_BANDWIDTH_HZ, 0.4 * trajectory.rate_hz)
    valid_pct = 100.0 * float(np.mean(valid))
    if not valid.any():
        return DelayStatistics(None, None, None, None, None, bandwidth_hz, valid_pct)
    delay = trajectory.delay_s[valid]
    time = trajectory.time_s[valid]
    drift_ppm: float | None = None
    if len(delay) >= 3:
        drift_ppm = 1e6 * float(np.polyfit(time - time[0], delay - delay[0], 1)[0])
    speed = _speed(trajectory, bandwidth_hz=bandwidth_hz)
    return DelayStatistics(
        mean_delay_s=float(np.mean(delay)),
        delay_std_s=float(np.std(delay)),
        delay_peak_to_peak_s=float(np.ptp(delay)),
        drift_ppm=drift_ppm,
        speed_deviation_rms_pct=None if speed is None else 100.0 * float(np.std(speed)),
        speed_bandwidth_hz=bandwidth_hz,
        valid_pct=valid_pct,
    )


def trajectory_error_us_rms(trajectory: DelayTrajectory, truth: DelayTrajectory) -> float | None:
    """Error of a tracked delay against the true one, constant removed, microseconds rms; None if nothing is valid.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Only its valid points count.
    truth : DelayTrajectory
        Delay that a device knows exactly.

    Notes
    -----
    The constant is the machine's own group delay at the pilot's or the programme's frequencies, which a truth about the
    transport does not hold.
    """
    valid = trajectory.valid
    if not valid.any():
        return None
    return 1e6 * float(np.std(trajectory.delay_s[valid] - truth.at(trajectory.time_s[valid])))


def _speed(trajectory: DelayTrajectory, *, bandwidth_hz: float) -> FloatArray | None:
    """Speed deviation of the valid stretches that are longer than the low-pass; None if there is none."""
    from scipy.signal import firwin

    half = round(1.5 * trajectory.rate_hz / bandwidth_hz) + 1
    taps = firwin(2 * half + 1, bandwidth_hz, fs=trajectory.rate_hz, window=("kaiser", 5.0))
    pieces = []
    for first, last in runs_of(trajectory.valid):
        delay = trajectory.delay_s[first:last]
        if len(delay) > 2 * half + 3:
            pieces.append(_derivative(np.convolve(delay - delay[0], taps, "valid"), rate_hz=trajectory.rate_hz))
    return -np.concatenate(pieces) if pieces else None


def _derivative(values: FloatArray, *, rate_hz: float) -> FloatArray:
    """Slope by a cubic spline: exact to 1 % up to 0.3 of the rate, where differences would read 14 % low."""
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(np.arange(len(values)) / rate_hz, values)(np.arange(len(values)) / rate_hz, 1))
