"""Compression: how the gain of a tone falls towards high levels, and where it is 1 dB and 3 dB down."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.distortion import DistortionVsLevel
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError

LINEAR_SPAN_DB = 24.0
"""Steps this far below the loudest one, or softer, tell the gain of small signals."""
MIN_LINEAR_STEPS = 2


@dataclass(frozen=True)
class CompressionCurve:
    """Gain against level, relative to that of small signals.

    Parameters
    ----------
    frequency_hz : float
        Of the tone.
    level_dbfs, output_dbfs : ndarray, shape (n_steps,)
        Peak level of stimulus and output, rising.
    compression_db, sigma_db : ndarray, shape (n_steps,)
        How far the gain lies below that of small signals (negative: above it), and its standard uncertainty.
    small_signal_gain_db, small_signal_sigma_db : float
        Gain that it is relative to.
    level_1db_dbfs, level_1db_sigma_db : float or None
        Input level at which the gain is 1 dB down; None where no step reaches it.
    level_3db_dbfs, level_3db_sigma_db : float or None
        The same for 3 dB.
    """

    frequency_hz: float
    level_dbfs: FloatArray
    output_dbfs: FloatArray
    compression_db: FloatArray
    sigma_db: FloatArray
    small_signal_gain_db: float
    small_signal_sigma_db: float
    level_1db_dbfs: float | None
    level_1db_sigma_db: float | None
    level_3db_dbfs: float | None
    level_3db_sigma_db: float | None


def compression_curve(curve: DistortionVsLevel) -> CompressionCurve:
    """Compression of one frequency against level, dB.

    Parameters
    ----------
    curve : DistortionVsLevel
        Of `tapemeasure.analysis.distortion.distortion_vs_level`, with at least two steps 24 dB below the loudest.

    Raises
    ------
    SignalError
        If too few soft steps stand above the noise to tell the gain of small signals.

    Notes
    -----
    The gain of small signals is the mean of the steps 24 dB or more below the loudest, weighted by their uncertainty;
    a cubic nonlinearity that is 1 dB down at the top bends it by 0.004 dB. The levels of 1 dB and 3 dB are read from
    a spline through the steps: for steps of 6 dB within 0.2 dB. A machine with too little bias also expands soft
    signals: the curve then dips below 0.
    """
    level, gain, sigma = curve.level_dbfs, curve.gain_db, curve.gain_sigma_db
    known = np.isfinite(gain)
    soft = known & (level <= level[-1] - LINEAR_SPAN_DB)
    if np.count_nonzero(soft) < MIN_LINEAR_STEPS:
        raise SignalError(
            f"compression at {curve.frequency_hz:g} Hz: {np.count_nonzero(soft)} steps {LINEAR_SPAN_DB:g} dB below the "
            f"loudest stand above the noise; play at least {MIN_LINEAR_STEPS}"
        )
    weight = 1.0 / np.maximum(sigma[soft], 1e-6) ** 2
    small = float(np.sum(weight * gain[soft]) / np.sum(weight))
    small_sigma = float(1.0 / np.sqrt(np.sum(weight)))
    compression = small - gain
    together = np.hypot(sigma, small_sigma)
    at_1db, at_3db = (_reached(level, compression, together, limit_db=limit) for limit in (1.0, 3.0))
    return CompressionCurve(
        curve.frequency_hz, level, curve.output_dbfs, compression, together, small, small_sigma, *at_1db, *at_3db
    )


def between_steps(level: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smooth curve through steps in level (cubic spline): level, value, and what is uncertain of it between the steps.

    Parameters
    ----------
    level, values : ndarray, shape (n_steps,)
        Rising levels, at least two; values that are NaN are bridged.

    Returns
    -------
    level, value, sigma : ndarray, shape (n_points,)
        64 points a step; the uncertainty is the distance of the spline from monotone cubics through the same steps.
    """
    from scipy.interpolate import CubicSpline, PchipInterpolator

    known = np.isfinite(values)
    fine = np.interp(np.arange(64 * (len(level) - 1) + 1) / 64.0, np.arange(len(level)), level)
    fine = fine[(fine >= level[known][0]) & (fine <= level[known][-1])]
    monotone = np.asarray(PchipInterpolator(level[known], values[known])(fine), dtype=np.float64)
    if np.count_nonzero(known) < 4:
        return fine, monotone, np.abs(monotone - np.interp(fine, level[known], values[known]))
    smooth = np.asarray(CubicSpline(level[known], values[known])(fine), dtype=np.float64)
    return fine, smooth, np.abs(smooth - monotone)


def _reached(
    level: FloatArray, compression: FloatArray, sigma: FloatArray, *, limit_db: float
) -> tuple[float, float] | tuple[None, None]:
    """Lowest level above which the compression stays beyond a limit, and its uncertainty."""
    fine, curve, between = between_steps(level, compression)
    below = np.flatnonzero(curve < limit_db)
    if len(below) == 0 or below[-1] == len(curve) - 1:
        return None, None
    index = int(below[-1])
    slope = (curve[index + 1] - curve[index]) / (fine[index + 1] - fine[index])
    found = float(fine[index] + (limit_db - curve[index]) / slope)
    noise_db = np.interp(found, level[np.isfinite(sigma)], sigma[np.isfinite(sigma)])
    return found, float(np.hypot(noise_db, between[index]) / slope)
