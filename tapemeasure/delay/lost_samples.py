"""Samples that a recording lost or doubled: the list of them, the output without them, and the way back.

Everything is tracked on a repaired output, into which lost samples are put again and from which doubled ones are taken
out: nothing is smeared over a step there. Times and delays are then brought back to the output as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.trajectory import DelayStep

FILLED_STRAIGHT = 8
"""More lost samples than these are filled with silence, not with a line."""


@dataclass(frozen=True)
class LostSamples:
    """An output that goes on elsewhere than it should.

    Parameters
    ----------
    time_s : float
        Output time at which it happens, seconds.
    samples : int
        Negative: samples that are missing there; positive: samples that are there twice.
    time_sigma_s : float
        Standard uncertainty of the time, seconds.
    significance : float
        Size of the step in standard deviations of the delay's noise.
    """

    time_s: float
    samples: int
    time_sigma_s: float
    significance: float


def repair_output(output: FloatArray, lost: Sequence[LostSamples], *, sample_rate: float) -> FloatArray:
    """Output with its lost samples put in again (a line, or silence) and its doubled ones taken out.

    Parameters
    ----------
    output : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Full scale 1.0.
    lost : sequence of LostSamples
        In the order of time.
    sample_rate : float
        Hz.
    """
    if not lost:
        return output
    parts, taken = [], 0
    for event in lost:
        place = min(max(round(event.time_s * sample_rate), taken), len(output))
        parts.append(output[taken:place])
        taken = place if event.samples < 0 else min(place + event.samples, len(output))
        if event.samples < 0:
            parts.append(_filling(output, place, -event.samples))
    return np.concatenate([*parts, output[taken:]])


def _filling(output: FloatArray, place: int, count: int) -> FloatArray:
    if count > FILLED_STRAIGHT or not 0 < place < len(output):
        return np.zeros((count, *output.shape[1:]))
    share = np.arange(1, count + 1).reshape(-1, *[1] * (output.ndim - 1)) / (count + 1)
    return np.asarray((1.0 - share) * output[place - 1] + share * output[place], dtype=np.float64)


def to_repaired(time_s: FloatArray, lost: Sequence[LostSamples], *, sample_rate: float) -> FloatArray:
    """Time in the repaired output of times in the output, seconds; a delay grows by as much as its time."""
    total = np.concatenate([[0.0], np.cumsum([-event.samples / sample_rate for event in lost])])
    passed = np.searchsorted([event.time_s for event in lost], time_s, side="right")
    return np.asarray(time_s + total[passed], dtype=np.float64)


def from_repaired(
    time_s: FloatArray, lost: Sequence[LostSamples], *, sample_rate: float
) -> tuple[FloatArray, BoolArray]:
    """Time in the output of times in the repaired one, seconds, and which of them are in the output at all."""
    time, kept = np.array(time_s, dtype=np.float64), np.ones(len(time_s), dtype=np.bool_)
    total_s = 0.0
    for event in lost:
        begin_s, length_s = event.time_s + total_s, -event.samples / sample_rate
        total_s += length_s
        kept &= (time_s < begin_s) | (time_s >= begin_s + length_s)
        behind = time_s >= begin_s
        time[behind] = time_s[behind] - total_s
    return time, kept


def delay_steps(lost: Sequence[LostSamples], *, sample_rate: float) -> tuple[DelayStep, ...]:
    """Steps of the delay at lost samples: what is missing makes the rest early."""
    return tuple(DelayStep(event.time_s, event.samples / sample_rate) for event in lost)
