"""Dropouts: where the level of a pilot falls for a moment, because the tape has lost the head or its coating."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, runs_of
from tapemeasure.units import db_from_amplitude

BLOCK_S = 4.0
DEEP_DB = -6.0
SHORTEST_S = 2e-3


@dataclass(frozen=True)
class Dropout:
    """A dropout: output time at which it begins, its length, and its lowest level against the usual one."""

    start_s: float
    length_s: float
    depth_db: float


def usual_level(level: FloatArray, *, rate_hz: float) -> FloatArray:
    """Level that is usual around every point: slow changes belong to it, what falls out for a moment does not.

    Parameters
    ----------
    level : ndarray, shape (n_points,)
        Amplitude of the pilot, in any unit.
    rate_hz : float
        Points per second.
    """
    block = max(8, round(BLOCK_S * rate_hz))
    whole = float(np.percentile(level[level >= np.median(level)], 50.0)) if len(level) else 0.0
    if len(level) < 2 * block:
        return np.full(len(level), whole)
    firsts = np.arange(0, len(level) - block // 2, block)
    upper = np.array([np.percentile(level[first : first + block], 75.0) for first in firsts])
    middles = 0.5 * (firsts + np.minimum(firsts + block, len(level)))
    # where the pilot is away for a whole block its usual level is that of the other blocks
    upper = np.where(upper > 0.25 * whole, upper, whole)
    return np.asarray(np.interp(np.arange(len(level)), middles, upper), dtype=np.float64)


def find_dropouts(
    level: FloatArray,
    usual: FloatArray,
    inside: BoolArray,
    *,
    time_s: FloatArray,
    threshold_db: float = -DEEP_DB,
    shortest_s: float = SHORTEST_S,
    hold_s: float = 0.0,
) -> tuple[Dropout, ...]:
    """Stretches in which the level lies far below the usual one (6 dB and more, 2 ms and more).

    Parameters
    ----------
    level, usual : ndarray, shape (n_points,)
        Amplitude of the pilot, and `usual_level` of it.
    inside : ndarray of bool, shape (n_points,)
        Where the pilot should be.
    time_s : ndarray, shape (n_points,)
        Output times, in equal steps, seconds.
    threshold_db : float
        Fall of the level from which it counts, above 0 dB.
    shortest_s : float
        A shorter one does not count, seconds.
    hold_s : float
        Two dips that are no further apart are one, seconds.
    """
    if len(level) < 2:
        return ()
    step_s = float(time_s[1] - time_s[0])
    relative = level / np.maximum(usual, 1e-300)
    low = inside & (usual > 0.0) & (relative < 10.0 ** (-threshold_db / 20.0))
    for first, stop in runs_of(~low):
        if first > 0 and stop < len(low) and stop - first <= round(hold_s / step_s):
            low[first:stop] = True
    found = []
    for first, stop in runs_of(low):
        length_s = (stop - first) * step_s
        if length_s >= shortest_s:
            depth_db = db_from_amplitude(max(float(relative[first:stop].min()), 1e-5))
            found.append(Dropout(float(time_s[first]), length_s, depth_db))
    return tuple(found)
