"""Figures of a delay trajectory: mean, spread, drift and speed deviation."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.dsp.uniform import half_length, slope_taps, slope_values
from tapemeasure.trajectory import DelayTrajectory

SPEED_BANDWIDTH_HZ = 40.0
"""Speed is measured from 0 to this frequency: differentiation multiplies the delay's noise by frequency."""

ERROR_MEMORY_S = 0.1
"""Errors of the tracker this far apart count as independent: it smooths over a tenth of a second at most."""


@dataclass(frozen=True)
class DelayStatistics:
    """Figures of a delay trajectory, with standard uncertainties; None where too little of it is valid.

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
    mean_delay_sigma_s, delay_std_sigma_s : float
        What the tracker's errors leave unknown of mean and standard deviation, seconds.
    delay_peak_to_peak_sigma_s : float
        The same for the difference of two single points, seconds.
    drift_sigma_ppm : float
        Uncertainty of the slope as the drift of the clocks: what wow and flutter of any phase, and the tracker's
        errors, leave of a line through a time this long.
    speed_deviation_sigma_pct : float
        What the tracker's errors add to the rms, per cent.
    longest_gap_s : float
        Longest time without evidence, seconds.
    """

    mean_delay_s: float | None
    delay_std_s: float | None
    delay_peak_to_peak_s: float | None
    drift_ppm: float | None
    speed_deviation_rms_pct: float | None
    speed_bandwidth_hz: float
    valid_pct: float
    mean_delay_sigma_s: float | None
    delay_std_sigma_s: float | None
    delay_peak_to_peak_sigma_s: float | None
    drift_sigma_ppm: float | None
    speed_deviation_sigma_pct: float | None
    longest_gap_s: float


def delay_statistics(trajectory: DelayTrajectory) -> DelayStatistics:
    """Mean, spread, drift and speed deviation of a delay trajectory, each with its standard uncertainty.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Only its valid points count; speed is not taken across a gap, nor from a step. A drift is the slope between the
        steps: lost samples are no difference of the clocks' rates.

    Notes
    -----
    Standard deviation and peak-to-peak are not detrended: over a short file no line can tell drift from slow wow.
    The speed is -d'(t), low-passed at 40 Hz or at 0.4 of the trajectory's rate, whichever is lower.

    The slope's uncertainty is the spectrum of what lies beside the line, weighted with the slope's own response: a sine
    that fits k times into T seconds gives 6 / (pi k T) of its rms value. For white errors that is the textbook's
    sqrt(12 / n) sigma / T.

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
    delay = trajectory.delay_s[valid]
    some = len(delay) > 0
    sigma_s = _typical_sigma(trajectory)
    spread_s = float(np.std(delay)) if some else None
    n_independent = max(1.0, len(delay) / max(1.0, ERROR_MEMORY_S * trajectory.rate_hz))
    mean_sigma_s = None if sigma_s is None else sigma_s / np.sqrt(n_independent)
    drift_ppm, drift_sigma_ppm = _drift(trajectory)
    speed = _speed(trajectory, bandwidth_hz=bandwidth_hz)
    speed_sigma_pct = None
    if speed is not None and sigma_s is not None:
        taps = slope_taps(rate_hz=trajectory.rate_hz, limit_hz=bandwidth_hz)
        speed_sigma_pct = _added(100.0 * float(np.std(speed)), 100.0 * sigma_s * float(np.sqrt(np.sum(taps**2))))
    return DelayStatistics(
        mean_delay_s=float(np.mean(delay)) if some else None,
        delay_std_s=spread_s,
        delay_peak_to_peak_s=float(np.ptp(delay)) if some else None,
        drift_ppm=drift_ppm,
        speed_deviation_rms_pct=None if speed is None else 100.0 * float(np.std(speed)),
        speed_bandwidth_hz=bandwidth_hz,
        valid_pct=100.0 * float(np.mean(valid)),
        mean_delay_sigma_s=mean_sigma_s,
        delay_std_sigma_s=(
            None
            if sigma_s is None or spread_s is None or mean_sigma_s is None
            else float(np.hypot(_added(spread_s, sigma_s), mean_sigma_s))
        ),
        delay_peak_to_peak_sigma_s=None if sigma_s is None else float(np.sqrt(2.0)) * sigma_s,
        drift_sigma_ppm=drift_sigma_ppm,
        speed_deviation_sigma_pct=speed_sigma_pct,
        longest_gap_s=max((stop - first for first, stop in runs_of(~valid)), default=0) / trajectory.rate_hz,
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


def _typical_sigma(trajectory: DelayTrajectory) -> float | None:
    """Root mean square of the valid points' uncertainties, seconds; None where none is finite."""
    sigma = trajectory.sigma_s[trajectory.valid]
    sigma = sigma[np.isfinite(sigma)]
    return float(np.sqrt(np.mean(sigma**2))) if sigma.size else None


def _added(measured: float, error: float) -> float:
    """What an independent error has added to a measured rms value, at most all of it."""
    return measured - float(np.sqrt(max(measured**2 - error**2, 0.0)))


def _drift(trajectory: DelayTrajectory) -> tuple[float | None, float | None]:
    """Slope of the delay and its standard uncertainty, parts per million."""
    valid, time = trajectory.valid, trajectory.time_s
    if valid.sum() < 3:
        return None, None
    first, last = np.flatnonzero(valid)[[0, -1]]
    inside = slice(first, last + 1)
    good, time = valid[inside], time[inside] - time[first]
    delay = (trajectory.delay_s - trajectory.stepped(trajectory.time_s))[inside]
    slope, offset = np.polyfit(time[good], delay[good] - delay[good][0], 1)
    beside = np.where(good, delay - delay[good][0] - slope * time - offset, 0.0)
    n, length_s = len(beside), len(beside) / trajectory.rate_hz
    power = 2.0 * np.abs(np.fft.rfft(beside)[1:]) ** 2 / n**2
    cycles = np.arange(1, len(power) + 1)
    response = 6.0 / (np.pi * cycles * length_s)
    # the line has taken its part of what was there
    power = power / (1.0 - 3.0 / (np.pi * cycles) ** 2)
    # what is not there to be seen in a gap is not known there either
    sigma = float(np.sqrt(np.sum(power * response**2))) * n / float(good.sum())
    noise_s = _typical_sigma(trajectory)
    if noise_s is not None:
        n_independent = max(1.0, float(good.sum()) / max(1.0, ERROR_MEMORY_S * trajectory.rate_hz))
        sigma = float(np.hypot(sigma, np.sqrt(12.0 / n_independent) * noise_s / length_s))
    return 1e6 * float(slope), 1e6 * sigma


def _speed(trajectory: DelayTrajectory, *, bandwidth_hz: float) -> FloatArray | None:
    """Speed deviation of the valid stretches that are longer than the low-pass; None if there is none."""
    half = half_length(rate_hz=trajectory.rate_hz, limit_hz=bandwidth_hz)
    smooth = trajectory.delay_s - trajectory.stepped(trajectory.time_s)
    pieces = [
        -slope_values(smooth[first:last], rate_hz=trajectory.rate_hz, limit_hz=bandwidth_hz)[half:-half]
        for first, last in runs_of(trajectory.valid)
        if last - first > 2 * half + 3
    ]
    return np.concatenate(pieces) if pieces else None
