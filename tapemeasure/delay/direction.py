"""Which of two files is the recording of the other: a machine adds noise, so the noisier one came out of it."""

import numpy as np

from tapemeasure.arrays import FloatArray, IntArray
from tapemeasure.trajectory import DelayTrajectory

BLOCK_S = 0.05
LEAST_BLOCKS = 40
FLOOR_DBFS = -110.0
SOFT_PCT, LOUD_PCT = 5.0, 90.0


def input_noise_excess_db(
    stimulus: FloatArray, output: FloatArray, trajectory: DelayTrajectory, *, sample_rate: float
) -> float | None:
    """How much noisier the input is in its soft moments than the output, each relative to its loud ones, dB.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each.
    trajectory : DelayTrajectory
        Delay of the output.
    sample_rate : float
        Hz.

    Returns
    -------
    float or None
        Below 0 where the output is the noisier one, as a recording is; None of less than 2 s.

    Notes
    -----
    Levels of the treble (second differences) in blocks of 50 ms at equal moments of the programme: the 5 % softest
    against the 10 % loudest.
    """
    length = max(1, round(BLOCK_S * sample_rate))
    times = trajectory.time_s[trajectory.valid]
    if not len(times):
        return None
    starts = np.arange(round(times[0] * sample_rate), round(times[-1] * sample_rate) - length, length)
    delay = trajectory.at((starts + 0.5 * length) / sample_rate)
    played = np.round(starts - delay * sample_rate).astype(np.int64)
    inside = (starts >= 0) & (starts + length <= len(output)) & (played >= 0) & (played + length <= len(stimulus))
    if inside.sum() < LEAST_BLOCKS:
        return None
    # hiss shows in the treble, which music has least of
    sharp = [np.diff(side, n=2, prepend=[0.0, 0.0]) for side in (stimulus, output)]
    return _range_db(sharp[1], starts[inside], length) - _range_db(sharp[0], played[inside], length)


def _range_db(samples: FloatArray, starts: IntArray, length: int) -> float:
    below = np.concatenate([[0.0], np.cumsum(samples**2)])
    power = np.maximum(below[starts + length] - below[starts], 0.0) / length
    soft, loud = np.percentile(10.0 * np.log10(power + 10.0 ** (FLOOR_DBFS / 10.0)), [SOFT_PCT, LOUD_PCT])
    return float(loud - soft)
