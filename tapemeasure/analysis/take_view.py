"""A take as its measures see it: the steady parts of its segments, its silence, and a place for the reasons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np

from tapemeasure.analysis.silence import Silence
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.timeline import Segment, SegmentKind, Timeline

STEP_MARGIN_S = 0.05
FADED_S = 0.01
"""The last samples of a segment may be zero without being cut off."""

SEARCHED_SAMPLES = 65536

Found = TypeVar("Found")
Given = ParamSpec("Given")


def longest_silence(heard: FloatArray, silences: Sequence[Silence], *, sample_rate: int) -> FloatArray | None:
    """Output of the longest silence, None if there is none."""
    if not silences:
        return None
    longest = max(silences, key=lambda silence: silence.end_s - silence.start_s)
    return heard[round(longest.start_s * sample_rate) : round(longest.end_s * sample_rate)]


def recorded_samples(samples: FloatArray) -> int:
    """Samples up to the last one that is not zero: behind its recording an aligned output is all zeros."""
    stop = len(samples)
    while stop > 0:
        found = np.flatnonzero(samples[max(0, stop - SEARCHED_SAMPLES) : stop])
        if found.size:
            return max(0, stop - SEARCHED_SAMPLES) + int(found[-1]) + 1
        stop -= SEARCHED_SAMPLES
    return 0


@dataclass(frozen=True)
class TakeView:
    """Stimulus and output of a take, what was played when, and what could not be measured.

    Parameters
    ----------
    played, heard : ndarray, shape (n_samples, n_channels)
        Stimulus and output, its delay undone.
    sample_rate : int
        Hz.
    channel : int
        Measured channel, from 0.
    timeline : Timeline or None
        Of the stimulus.
    silences : tuple of Silence
        Those that came back.
    ends_samples : int
        Where the output ends.
    reasons : list of str
        Filled by `attempt`: why a measure is missing.
    """

    played: FloatArray
    heard: FloatArray
    sample_rate: int
    channel: int
    timeline: Timeline | None
    silences: tuple[Silence, ...]
    ends_samples: int
    reasons: list[str]

    def attempt(
        self, name: str, function: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs
    ) -> Found | None:
        """What a measure finds; None, with its reason noted, where the take does not allow it."""
        try:
            return function(*args, **kwargs)
        except (SignalError, MismatchError) as error:
            self.reasons.append(f"{name}: {error}")
            return None

    def segments(self, kind: SegmentKind) -> list[Segment]:
        """Segments of a kind that came back whole."""
        found = [] if self.timeline is None else self.timeline.of_kind(kind)
        limit = self.ends_samples + round(FADED_S * self.sample_rate)
        return [segment for segment in found if segment.stop_samples <= limit]

    def steady(self, segment: Segment, *, channel: int | None = None) -> tuple[FloatArray, FloatArray]:
        """One channel (the measured one) of stimulus and output, within a segment's fades."""
        chosen = self.channel if channel is None else channel
        margin = round(STEP_MARGIN_S * self.sample_rate)
        part = slice(segment.start_samples + margin, segment.stop_samples - margin)
        return self.played[part, chosen], self.heard[part, chosen]

    def silent(self) -> FloatArray | None:
        """Output of the longest silence, all channels."""
        return longest_silence(self.heard, self.silences, sample_rate=self.sample_rate)
