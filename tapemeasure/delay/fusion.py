"""Pilot and programme together: the fast part of the delay by the pilot, the slow difference by the programme.

A pilot on a track of its own is late by another, slowly varying amount than the programme: the tape runs askew by a
fraction of a milliradian (12 us at 7.5 ips over 3.8 mm), and the channels' filters differ. The programme knows that
difference, but only slowly, because its delay is known badly from moment to moment.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.errors import NoMatchError

BLOCK_S = 0.04
"""The errors of the programme's delay belong together for less."""

MIN_BLOCKS = 8
GROWTHS = 10.0 ** np.arange(-8.0, 2.1, 0.5)
"""Variance that the difference may gain from block to block, in that of a block's noise; the likeliest is taken."""


@dataclass(frozen=True)
class FusedDelays:
    """Delay of the programme's track at the pilot's times.

    Parameters
    ----------
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay and standard uncertainty, seconds.
    valid : ndarray of bool, shape (n_points,)
        Whether pilot or programme has evidence.
    difference_s, difference_sigma_s : ndarray, shape (n_points,)
        How much later the programme is than the pilot: azimuth and the channels' filters; and its uncertainty.
    """

    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray
    difference_s: FloatArray
    difference_sigma_s: FloatArray


def fuse_delays(
    time_s: FloatArray,
    delay_s: FloatArray,
    sigma_s: FloatArray,
    valid: BoolArray,
    *,
    programme_time_s: FloatArray,
    programme_delay_s: FloatArray,
    programme_sigma_s: FloatArray,
    programme_valid: BoolArray,
) -> FusedDelays:
    """Delay of the programme's track from a pilot's delay and the programme's own, seconds.

    Parameters
    ----------
    time_s, delay_s, sigma_s : ndarray, shape (n_points,)
        Output times, rising, delays by the pilot, and their standard uncertainties.
    valid : ndarray of bool, shape (n_points,)
        Where the pilot was found.
    programme_time_s, programme_delay_s, programme_sigma_s : ndarray, shape (n_knots,)
        The same by the programme.
    programme_valid : ndarray of bool, shape (n_knots,)
        Where the programme has evidence.

    Raises
    ------
    NoMatchError
        If there are less than 8 blocks of 40 ms in which both have evidence.

    Notes
    -----
    The difference is averaged over 40 ms and smoothed as a random walk whose speed is the likeliest for this
    take; its noise is that of the second differences from block to block. Where the pilot is lost the
    programme's own delay stands.
    """
    from tapemeasure.delay.pilot_kernels import smooth_walk

    middles, difference, variance = _blocks(
        programme_time_s,
        programme_delay_s - np.interp(programme_time_s, time_s, delay_s),
        programme_sigma_s,
        programme_valid & (np.interp(programme_time_s, time_s, valid.astype(np.float64)) > 0.999),
    )
    known = np.isfinite(variance)
    if known.sum() < MIN_BLOCKS:
        raise NoMatchError(
            f"pilot and programme cannot be fused: both are there in {known.sum()} blocks of 40 ms, {MIN_BLOCKS} are "
            "needed; track by the pilot alone, or by the programme (--pilot none)"
        )
    # the programme's uncertainty is that of a moment; how much of it is left in a block, the blocks tell
    variance = variance * _noise_share(difference[known], variance[known])
    usual = float(np.median(variance[known]))
    scores = [_likelihood(*smooth_walk(difference, variance, growth * usual)[2:]) for growth in GROWTHS]
    slow, spread = smooth_walk(difference, variance, float(GROWTHS[int(np.argmax(scores))]) * usual)[:2]
    slow_s = np.interp(time_s, middles, slow)
    slow_sigma_s = np.sqrt(np.interp(time_s, middles, spread))
    # where the pilot is lost
    own_s = np.interp(time_s, programme_time_s, programme_delay_s)
    own_sigma_s = np.interp(time_s, programme_time_s, np.where(programme_valid, programme_sigma_s, 1.0))
    own_valid = np.interp(time_s, programme_time_s, programme_valid.astype(np.float64)) > 0.999
    own_sigma_s = np.where(own_valid, own_sigma_s, np.inf)
    return FusedDelays(
        delay_s=np.where(valid, delay_s + slow_s, own_s),
        sigma_s=np.where(valid, np.hypot(sigma_s, slow_sigma_s), own_sigma_s),
        valid=valid | own_valid,
        difference_s=slow_s,
        difference_sigma_s=slow_sigma_s,
    )


def _blocks(
    time_s: FloatArray, values: FloatArray, sigma_s: FloatArray, good: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Middles of blocks of 40 ms, weighted means of the values in them, and the variance of each."""
    n_blocks = int((time_s[-1] - time_s[0]) / BLOCK_S) + 1
    number = ((time_s - time_s[0]) / BLOCK_S).astype(np.int64)
    weight = np.where(good & np.isfinite(sigma_s), np.maximum(sigma_s, 1e-12), np.inf) ** -2.0
    total = np.bincount(number, weight, n_blocks)
    count = np.bincount(number, weight > 0.0, n_blocks)
    mean = np.bincount(number, weight * np.where(weight > 0.0, values, 0.0), n_blocks) / np.where(total > 0, total, 1.0)
    # a block's mean is no better than one of its values: they share their error
    variance = np.where(total > 0.0, count / np.where(total > 0.0, total, 1.0), np.inf)
    return time_s[0] + (np.arange(n_blocks) + 0.5) * BLOCK_S, mean, variance


def _noise_share(difference: FloatArray, variance: FloatArray) -> float:
    """Noise from block to block (by second differences, which slow changes do not have) in that of one value."""
    bend = np.abs(np.diff(difference, 2))
    return float(np.clip((1.4826 * np.median(bend)) ** 2 / 6.0 / np.median(variance), 0.01, 10.0))


def _likelihood(misfit: float, spread: float) -> float:
    return -0.5 * (misfit + spread)
