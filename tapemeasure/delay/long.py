"""Tracking what does not fit into memory: stretch by stretch, each found where the last ones ended.

A short file is one stretch. A long one is cut into stretches of a minute that overlap by two seconds; the first that
can be tracked is searched for over the whole largest delay. Behind it they are followed in waves of four, each
stretch within a second of where the line through the last wave's end leads; those of a wave know nothing of each other
and may be tracked at the same time. A pilot's period is told by the stretch before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.delay.part import Part, TrackSettings, track_part
from tapemeasure.delay.points import Points
from tapemeasure.delay.workers import Workers
from tapemeasure.errors import NoMatchError, SignalError

WHOLE_S = 240.0
WHOLE_SAMPLES = 1.2e7
"""What is shorter than both is tracked in one piece."""

STRETCH_S = 60.0
STRETCH_SAMPLES = 2.2e6
"""A stretch is no longer than this either, 23 s of 96 kHz: two of an hour in stereo at once take about 1 GB."""

OVERLAP_S = 1.0
REACH_S = 1.0
"""How far a stretch's delay may lie from where it is expected, before it is searched for anew."""

EDGE_S = 0.1
"""How much more of the input is read on either side: what has come to a stretch's ends must be in it."""

WAVE = 4
"""Stretches of a wave: the same for any number of threads, so that the result is the same."""

MAX_SLOPE = 0.02


class Source(Protocol):
    """Audio that is read by parts; `tapemeasure.audio_stream.AudioSource` is one."""

    @property
    def sample_rate(self) -> float:
        """Hz."""

    @property
    def n_samples(self) -> int:
        """Length."""

    @property
    def n_channels(self) -> int:
        """Number of channels."""

    def read(self, first: int, stop: int) -> FloatArray:
        """Samples from `first` to before `stop`, (n_samples, n_channels)."""


@dataclass(frozen=True)
class Stretch:
    """A tracked stretch: its borders in the output without and with overlap, in samples, and what was found."""

    core: tuple[int, int]
    first: int
    part: Part


def track_stretches(
    stimulus: Source, output: Source, settings: TrackSettings, *, threads: int = 1, progress: Progress = no_progress
) -> list[Stretch]:
    """Track an output stretch by stretch; those without evidence are left out, delays count from both files' begin.

    `threads` stretches are tracked at the same time, each in memory; their number changes nothing of the result.

    Raises
    ------
    SignalError, NoMatchError
        As `track_part`, if no stretch at all can be tracked.
    """
    rate = output.sample_rate
    if max(stimulus.n_samples, output.n_samples) <= min(WHOLE_S * rate, WHOLE_SAMPLES):
        whole = stimulus.read(0, stimulus.n_samples), output.read(0, output.n_samples)
        part = track_part(*whole, settings, sample_rate=rate, progress=progress)
        return [Stretch((0, output.n_samples), 0, part)]
    count = int(np.ceil(output.n_samples / min(STRETCH_S * rate, STRETCH_SAMPLES)))
    edges = np.linspace(0, output.n_samples, count + 1).astype(np.int64)
    cores = [(int(first), int(stop)) for first, stop in pairwise(edges)]
    search = _Search(stimulus, output, settings)
    found: list[Stretch] = []
    failure: Exception = NoMatchError("no matching audio")
    with Workers(threads, n_jobs=count, progress=progress) as workers:
        done = 0
        while done < count:
            wave = cores[done : done + (WAVE if found else 1)]
            before = found[-1] if found else None
            for answer in workers.run(partial(search.track, before), wave):
                if isinstance(answer, Stretch):
                    points = _same_period(answer.part.points, found)
                    found.append(replace(answer, part=replace(answer.part, points=points)))
                elif answer is not None:
                    failure = answer
            done += len(wave)
    if not found:
        raise failure
    progress(1.0)
    return _settled(found)


@dataclass(frozen=True)
class _Search:
    """The files, and what is asked."""

    stimulus: Source
    output: Source
    settings: TrackSettings

    def track(self, before: Stretch | None, core: tuple[int, int], progress: Progress) -> Stretch | Exception | None:
        """The stretch with this core, near where the one `before` leads, else anywhere; or why it is not found."""
        if before is not None:
            middle_s = 0.5 * sum(core) / self.output.sample_rate
            near_s = _expected_delay(before.part.points, middle_s)
            near = self._attempt(core, near_s, replace(self.settings, max_delay_s=REACH_S), True, progress)
            if isinstance(near, Stretch):
                return near
        return self._attempt(core, None, self.settings, before is not None, progress)

    def _attempt(
        self, core: tuple[int, int], near_s: float | None, settings: TrackSettings, continues: bool, progress: Progress
    ) -> Stretch | Exception | None:
        rate = self.output.sample_rate
        first = max(0, core[0] - round(OVERLAP_S * rate))
        stop = min(self.output.n_samples, core[1] + round(OVERLAP_S * rate))
        reach = round(settings.max_delay_s * rate)
        low, high = (reach, reach) if near_s is None else (round(s * rate) for s in (near_s + EDGE_S, EDGE_S - near_s))
        begin, end = first - low, stop + high
        begin = min(max(begin, 0), self.stimulus.n_samples)
        end = min(max(end, begin), self.stimulus.n_samples)
        # the delay of this stretch counts from the begin of what is read of the input
        offset_s = (first - begin) / rate
        if near_s is not None:
            settings = replace(settings, max_delay_s=settings.max_delay_s + abs(near_s - offset_s))
        else:
            settings = replace(settings, max_delay_s=settings.max_delay_s + offset_s)
        x, y = self.stimulus.read(begin, end), self.output.read(first, stop)
        try:
            part = track_part(x, y, settings, sample_rate=rate, continues=continues, progress=progress)
        except (NoMatchError, SignalError) as failure:
            return failure
        points = _later(part.points, time_s=first / rate, delay_s=offset_s)
        return Stretch(core, first, replace(part, points=points)) if points.valid.any() else None


def _later(points: Points, *, time_s: float, delay_s: float) -> Points:
    """The same points of files that begin earlier: output times and delays are more by this."""
    return replace(
        points,
        time_s=points.time_s + time_s,
        delay_s=points.delay_s + delay_s,
        steps=tuple(replace(step, time_s=step.time_s + time_s) for step in points.steps),
        lost_samples=tuple(replace(event, time_s=event.time_s + time_s) for event in points.lost_samples),
        dropouts=tuple(replace(event, start_s=event.start_s + time_s) for event in points.dropouts),
    )


def _expected_delay(points: Points, time_s: float) -> float:
    """Delay at a later output time, on the line through the end of a stretch, seconds."""
    when, delay = points.time_s[points.valid], points.delay_s[points.valid]
    half = len(when) // 2
    slope = float(np.median((delay[-half:] - delay[:half]) / (when[-half:] - when[:half]))) if half > 1 else 0.0
    ahead_s = time_s - float(np.median(when[-20:]))
    return float(np.median(delay[-20:])) + float(np.clip(slope, -MAX_SLOPE, MAX_SLOPE)) * ahead_s


def _same_period(points: Points, before: Sequence[Stretch]) -> Points:
    """The delays moved by whole periods of an ambiguous pilot, so that they go on where those before ended."""
    if points.ambiguous_s is None or not before:
        return points
    old = before[-1].part.points
    periods = round(_jump(old, points) / points.ambiguous_s)
    return replace(points, delay_s=points.delay_s - periods * points.ambiguous_s, ambiguous_s=old.ambiguous_s)


def _jump(old: Points, new: Points) -> float:
    """How much larger the delay is in a stretch than in the one before, where they overlap, seconds."""
    time_s = new.time_s[new.valid]
    near = time_s[(time_s >= old.time_s[0]) & (time_s <= old.time_s[-1] + OVERLAP_S)]
    near = near if near.size else time_s[:1]
    new_s = np.interp(near, new.time_s, new.delay_s)
    old_s = np.interp(near, old.time_s[old.valid], old.delay_s[old.valid])
    return float(np.median(new_s - old_s))


def _settled(found: list[Stretch]) -> list[Stretch]:
    """The stretches with those ambiguous ones at the begin moved to the period that the first sure one tells."""
    sure = next((index for index, each in enumerate(found) if each.part.points.ambiguous_s is None), 0)
    if sure == 0:
        return found
    last, first = found[sure - 1].part.points, found[sure].part.points
    period_s = last.ambiguous_s or 1.0
    shift_s = period_s * round(_jump(last, first) / period_s)
    moved = []
    for stretch in found[:sure]:
        points = replace(stretch.part.points, delay_s=stretch.part.points.delay_s + shift_s, ambiguous_s=None)
        moved.append(replace(stretch, part=replace(stretch.part, points=points)))
    return [*moved, *found[sure:]]
