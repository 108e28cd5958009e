"""Whether an output is inverted: the sign of its plain correlation with the input, once the delay is known.

A tracker works on whitened signals, in which a strongly nonlinear machine may look inverted (a tape below its coercive
field answers faintly, and with the other sign); what a listener calls polarity is that of the waveform's bulk.
"""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.trajectory import DelayTrajectory

BLOCK_S = 0.25
BLOCKS = 40
CLEAR = 0.15
"""Correlation below which the waveforms tell nothing about the polarity."""


def waveform_polarity(
    stimulus: FloatArray, output: FloatArray, trajectory: DelayTrajectory, *, sample_rate: float
) -> int | None:
    """Sign of the correlation between the delayed input and the output; None where it is not clear.

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
    int or None
        1, -1 if the output is inverted, None if the correlation lies below 0.15 in magnitude.

    Notes
    -----
    Taken over the 40 loudest blocks of 0.25 s in which the delay is valid.
    """
    length = max(1, round(BLOCK_S * sample_rate))
    starts = np.arange(0, max(1, len(output) - length + 1), length)
    middle_s = (starts + 0.5 * length) / sample_rate
    valid = np.interp(middle_s, trajectory.time_s, trajectory.valid.astype(np.float64)) > 0.5
    energy = np.array([float(np.sum(output[start : start + length] ** 2)) for start in starts])
    loudest = [int(starts[index]) for index in np.argsort(-energy) if valid[index]][:BLOCKS]
    cross = played_energy = heard_energy = 0.0
    for start in loudest:
        heard = output[start : start + length]
        time_s = (start + np.arange(len(heard))) / sample_rate
        played = read_at(stimulus, (time_s - trajectory.at(time_s)) * sample_rate, half_taps=8)
        cross += float(np.sum(played * heard))
        played_energy += float(np.sum(played**2))
        heard_energy += float(np.sum(heard**2))
    scale = np.sqrt(played_energy * heard_energy)
    if scale == 0.0 or abs(cross) < CLEAR * scale:
        return None
    return 1 if cross > 0.0 else -1
