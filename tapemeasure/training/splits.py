"""Which part of a take trains, which validates and which tests.

A take with a timeline is split by its programme segments. A take whose folder names its set (``Train``, ``Val``,
``Test``) belongs to that set whole. Any other take is cut by time, 60 / 20 / 20 %, so that even one take has a test.
Where the delay was only bridged, nothing is learned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray
from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import SPLITS, Split, Timeline
from tapemeasure.trajectory import DelayTrajectory

LEAST_S = 1.0
"""Shortest stretch between bridged ones that is worth learning from."""

TIME_SHARES = {"train": (0.0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1.0)}


@dataclass(frozen=True)
class Range:
    """Samples ``start..stop`` of a take on its input's time axis."""

    start_samples: int
    stop_samples: int

    def as_slice(self) -> slice:
        """The range as a slice of a signal."""
        return slice(self.start_samples, self.stop_samples)


def programme_ranges(
    length_samples: int, *, timeline: Timeline | None = None, split: Split | None = None
) -> Mapping[Split, tuple[Range, ...]]:
    """Ranges of a take that belong to each set.

    Parameters
    ----------
    length_samples : int
        Length of the take's input.
    timeline : Timeline, optional
        Segments of the stimulus; its programme segments decide.
    split : str, optional
        Set of the whole take, where there is no timeline.

    Returns
    -------
    mapping of str to tuple of Range
        Every set, empty where the take has nothing for it; the sets never overlap.

    Raises
    ------
    SignalError
        If the take is shorter than its timeline's last programme segment.

    Examples
    --------
    >>> programme_ranges(100)["test"]
    (Range(start_samples=80, stop_samples=100),)
    """
    if timeline is not None:
        return {name: _of_timeline(timeline, name, length_samples) for name in SPLITS}
    if split is not None:
        return {name: (Range(0, length_samples),) if name == split else () for name in SPLITS}
    return {
        name: (Range(round(start * length_samples), round(stop * length_samples)),)
        for name, (start, stop) in zip(SPLITS, TIME_SHARES.values(), strict=True)
    }


def followed_samples(trajectory: DelayTrajectory, length_samples: int, *, sample_rate: int) -> BoolArray:
    """Whether there is evidence of the delay at every sample of an input.

    Parameters
    ----------
    trajectory : DelayTrajectory
        On output time.
    length_samples : int
        Of the input.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of bool, shape (length_samples,)
    """
    played_s = np.maximum.accumulate(trajectory.time_s - trajectory.delay_s)
    bridged = np.interp(np.arange(length_samples) / sample_rate, played_s, (~trajectory.valid).astype(np.float64))
    return np.asarray(bridged == 0.0)


def followed_ranges(ranges: Iterable[Range], followed: BoolArray, *, sample_rate: int) -> tuple[Range, ...]:
    """The stretches of a set whose delay was followed, each of a second at least; the ranges themselves if none is.

    Parameters
    ----------
    ranges : iterable of Range
    followed : ndarray of bool, shape (n_samples,)
        Of the whole input; see `followed_samples`.
    sample_rate : int
        Hz.

    Examples
    --------
    >>> followed = np.array([True] * 30 + [False] * 5 + [True] * 65)
    >>> followed_ranges([Range(10, 60)], followed, sample_rate=20)
    (Range(start_samples=10, stop_samples=30), Range(start_samples=35, stop_samples=60))
    """
    kept, whole = [], tuple(ranges)
    for part in whole:
        edges = np.flatnonzero(np.diff(followed[part.as_slice()].astype(np.int8), prepend=0, append=0))
        stretches = (edges + part.start_samples).reshape(-1, 2).tolist()
        kept += [Range(start, stop) for start, stop in stretches if stop - start >= LEAST_S * sample_rate]
    return tuple(kept) or whole


def _of_timeline(timeline: Timeline, split: Split, length_samples: int) -> tuple[Range, ...]:
    segments = timeline.of_split(split)
    for segment in segments:
        if segment.stop_samples > length_samples:
            raise SignalError(
                f"segment {segment.name} ends at sample {segment.stop_samples}, the take has {length_samples}; "
                "record the take again"
            )
    return tuple(Range(segment.start_samples, segment.stop_samples) for segment in segments)
