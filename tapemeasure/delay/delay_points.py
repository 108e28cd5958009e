"""Delays at output times, before they are put on a grid; and those of a repaired output brought back."""

from dataclasses import dataclass, replace
from typing import Literal

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.lost_samples import LostSamples, delay_steps, from_repaired, to_repaired
from tapemeasure.dsp.dropouts import Dropout
from tapemeasure.trajectory import DelayStep

Method = Literal["pulses", "tone", "inband", "fused", "correlation"]


@dataclass(frozen=True)
class Points:
    """Delays at output times.

    Parameters
    ----------
    method : str
        What they were tracked by.
    time_s : ndarray, shape (n_points,)
        Output times, rising.
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay and standard uncertainty.
    valid : ndarray of bool, shape (n_points,)
        Whether there was evidence.
    polarity : int
        1, or -1 if the output is inverted.
    reach_s : float
        How far a point speaks for the time beside it.
    ambiguous_s : float or None
        The delay is known modulo this only; None where it is known.
    steps : tuple of DelayStep
        Jumps that `delay_s` holds, in the order of time.
    lost_samples : tuple of LostSamples
        What made those jumps.
    dropouts : tuple of Dropout
        Where the pilot's level falls for a moment.
    told : tuple of str
        What the user should know.
    clear_share : float or None
        Part of the output in which the programme would show a lost sample, 0..1; None where a pilot shows them.
    """

    method: Method
    time_s: FloatArray
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray
    polarity: int
    reach_s: float
    ambiguous_s: float | None = None
    steps: tuple[DelayStep, ...] = ()
    lost_samples: tuple[LostSamples, ...] = ()
    dropouts: tuple[Dropout, ...] = ()
    told: tuple[str, ...] = ()
    clear_share: float | None = None


@dataclass(frozen=True)
class Guide:
    """Delays at output times that are good to half a period of the pilot."""

    time_s: FloatArray
    delay_s: FloatArray


def moved_guide(guide: Guide | None, lost: tuple[LostSamples, ...], sample_rate: float) -> Guide | None:
    """The guide on the time of the repaired output."""
    if guide is None or not lost:
        return guide
    time_s = to_repaired(guide.time_s, lost, sample_rate=sample_rate)
    return Guide(time_s, guide.delay_s + time_s - guide.time_s)


def restored(points: Points, lost: tuple[LostSamples, ...], sample_rate: float) -> Points:
    """Points of the repaired output, on the time of the output as it is."""
    if not lost:
        return points
    time_s, kept = from_repaired(points.time_s, lost, sample_rate=sample_rate)
    return replace(
        points,
        time_s=time_s[kept],
        delay_s=(points.delay_s - points.time_s + time_s)[kept],
        sigma_s=points.sigma_s[kept],
        valid=points.valid[kept],
        steps=delay_steps(lost, sample_rate=sample_rate),
        lost_samples=lost,
    )
