"""Tracking what does not fit into memory: stretch by stretch, each found where the last one ended, and joined.

A short file is one stretch. A long one is cut into stretches of a minute that overlap by two seconds; the first that
can be tracked is searched for over the whole largest delay, its neighbours within a second of it. Where two overlap
they are cross-faded, and a pilot's period is told by the stretch before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress, no_progress
from tapemeasure.delay.dropouts import Dropout
from tapemeasure.delay.lost_samples import LostSamples
from tapemeasure.delay.part import Part, TrackSettings, track_part, trajectory_of
from tapemeasure.delay.points import Points
from tapemeasure.errors import NoMatchError, SignalError
from tapemeasure.trajectory import DelayStep, DelayTrajectory

WHOLE_S = 240.0
WHOLE_SAMPLES = 1.2e7
"""What is shorter than both is tracked in one piece."""

STRETCH_S = 60.0
STRETCH_SAMPLES = 3e6
"""A stretch is no longer than this either: half a minute of 96 kHz."""

OVERLAP_S = 1.0
REACH_S = 1.0
"""How far a stretch's delay may lie from that of its neighbour, before it is searched for anew."""


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
    stimulus: Source, output: Source, settings: TrackSettings, *, progress: Progress = no_progress
) -> list[Stretch]:
    """Track an output stretch by stretch; those without evidence are left out, delays count from both files' begin.

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
    for number, core in enumerate(cores):
        stretch = search.track(core, found, progress=partial(_progress_of, progress, number, count))
        if stretch is not None:
            found.append(stretch)
    if not found:
        raise search.failure
    progress(1.0)
    return found


def _progress_of(progress: Progress, number: int, count: int, fraction: float) -> None:
    progress((number + fraction) / count)


class _Search:
    """Where to look for the next stretch, and why the last one could not be tracked."""

    def __init__(self, stimulus: Source, output: Source, settings: TrackSettings) -> None:
        self.stimulus, self.output, self.settings = stimulus, output, settings
        self.failure: NoMatchError | SignalError = NoMatchError("no matching audio")

    def track(self, core: tuple[int, int], before: list[Stretch], *, progress: Progress) -> Stretch | None:
        """The stretch with this core, near the delay of those before it, else anywhere; None if it is not found."""
        if before:
            delay_s = _last_delay(before[-1])
            near = self._attempt(core, delay_s, replace(self.settings, max_delay_s=REACH_S), before, progress)
            if near is not None:
                return near
        return self._attempt(core, None, self.settings, before, progress)

    def _attempt(
        self,
        core: tuple[int, int],
        near_s: float | None,
        settings: TrackSettings,
        before: list[Stretch],
        progress: Progress,
    ) -> Stretch | None:
        rate = self.output.sample_rate
        first = max(0, core[0] - round(OVERLAP_S * rate))
        stop = min(self.output.n_samples, core[1] + round(OVERLAP_S * rate))
        reach = round(settings.max_delay_s * rate)
        begin = first - (reach if near_s is None else round(near_s * rate))
        end = stop + reach if near_s is None else begin + stop - first
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
            part = track_part(x, y, settings, sample_rate=rate, continues=bool(before), progress=progress)
        except (NoMatchError, SignalError) as failure:
            self.failure = failure
            return None
        points = _later(part.points, time_s=first / rate, delay_s=offset_s)
        if not points.valid.any():
            return None
        return Stretch(core, first, replace(part, points=_same_period(points, before)))


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


def _last_delay(stretch: Stretch) -> float:
    points = stretch.part.points
    return float(np.median(points.delay_s[points.valid][-20:]))


def _same_period(points: Points, before: list[Stretch]) -> Points:
    """The delays moved by whole periods of an ambiguous pilot, so that they go on where those before ended."""
    if points.ambiguous_s is None or not before:
        return points
    old = before[-1].part.points
    time_s = points.time_s[points.valid]
    near = time_s[(time_s >= old.time_s[0]) & (time_s <= old.time_s[-1] + OVERLAP_S)]
    near = near if near.size else time_s[:1]
    new_s = np.interp(near, points.time_s, points.delay_s)
    old_s = np.interp(near, old.time_s[old.valid], old.delay_s[old.valid])
    periods = round(float(np.median(old_s - new_s)) / points.ambiguous_s)
    return replace(points, delay_s=points.delay_s + periods * points.ambiguous_s, ambiguous_s=old.ambiguous_s)


def join_stretches(stretches: list[Stretch], *, rate_hz: float, sample_rate: float, n_samples: int) -> DelayTrajectory:
    """One trajectory of all stretches, cross-faded where they overlap, bridged and not valid where one is missing.

    Parameters
    ----------
    stretches : list of Stretch
        In the order of time, at least one.
    rate_hz : float
        Points per second.
    sample_rate : float
        Hz.
    n_samples : int
        Length of the output.
    """
    duration_s = (n_samples - 1) / sample_rate
    if len(stretches) == 1 and stretches[0].core == (0, n_samples):
        return trajectory_of(stretches[0].part.points, rate_hz=rate_hz, duration_s=duration_s)
    n_points = max(1, int(np.floor(duration_s * rate_hz)) + 1)
    delay, sigma, weight = np.zeros(n_points), np.zeros(n_points), np.zeros(n_points)
    valid = np.zeros(n_points, dtype=np.bool_)
    for place, grid, share in _on_grid(stretches, rate_hz, sample_rate, n_points):
        delay[place] += share * grid.delay_s
        sigma[place] += share * np.where(np.isfinite(grid.sigma_s), grid.sigma_s, 1e300)
        weight[place] += share
        valid[place] |= grid.valid & (share > 0.0)
    known = weight > 0.0
    where = np.arange(n_points)
    safe = np.where(known, weight, 1.0)
    bridged = np.interp(where, where[known], (delay / safe)[known])
    sigma = np.where(known & (sigma < 1e200), sigma / safe, np.inf)
    return DelayTrajectory(0.0, rate_hz, bridged, sigma, valid, core_events(stretches, sample_rate=sample_rate).steps)


def _on_grid(
    stretches: list[Stretch], rate_hz: float, sample_rate: float, n_points: int
) -> Iterator[tuple[slice, DelayTrajectory, FloatArray]]:
    """Every stretch on its part of the grid, and its weight there: 1, falling to 0 over an overlap."""
    for stretch in stretches:
        points = stretch.part.points
        begin_s = max(0.0, stretch.core[0] / sample_rate - OVERLAP_S)
        end_s = stretch.core[1] / sample_rate + OVERLAP_S
        first = int(np.ceil(begin_s * rate_hz))
        stop = min(n_points, int(np.floor(end_s * rate_hz)) + 1)
        if stop <= first:
            continue
        grid = trajectory_of(points, rate_hz=rate_hz, duration_s=(stop - 1) / rate_hz, first_s=first / rate_hz)
        time_s = np.arange(first, stop) / rate_hz
        edge = np.minimum(time_s - begin_s, end_s - time_s) / (2.0 * OVERLAP_S)
        # evidence outweighs a bridge
        share = np.clip(edge, 1e-3, 1.0) * np.where(grid.valid, 1.0, 1e-6)
        yield slice(first, stop), grid, np.asarray(share, dtype=np.float64)


def core_events(stretches: list[Stretch], *, sample_rate: float) -> "Events":
    """What happened in all stretches, each counted once."""
    steps: list[DelayStep] = []
    lost: list[LostSamples] = []
    dropouts: list[Dropout] = []
    for stretch in stretches:
        begin_s, end_s = (edge / sample_rate for edge in stretch.core)
        if len(stretches) == 1:
            begin_s, end_s = -np.inf, np.inf
        points = stretch.part.points
        steps += [step for step in points.steps if begin_s <= step.time_s < end_s]
        lost += [event for event in points.lost_samples if begin_s <= event.time_s < end_s]
        dropouts += [event for event in points.dropouts if begin_s <= event.start_s < end_s]
    return Events(tuple(steps), tuple(lost), tuple(dropouts))


@dataclass(frozen=True)
class Events:
    """Steps of the delay, lost samples and dropouts, each in the order of time."""

    steps: tuple[DelayStep, ...]
    lost_samples: tuple[LostSamples, ...]
    dropouts: tuple[Dropout, ...]


def core_points(stretches: list[Stretch], *, sample_rate: float) -> tuple[FloatArray, BoolArray]:
    """Times and validity of all points, each counted once; a missing stretch is two points that are not valid."""
    times, flags = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
    end_s = 0.0
    for stretch in stretches:
        begin_s, stop_s = (edge / sample_rate for edge in stretch.core)
        if begin_s > end_s + 1e-9:
            times.append(np.array([end_s, begin_s]))
            flags.append(np.zeros(2, dtype=np.bool_))
        points = stretch.part.points
        inside = (points.time_s >= begin_s) & (points.time_s < stop_s) if len(stretches) > 1 else slice(None)
        times.append(points.time_s[inside])
        flags.append(points.valid[inside])
        end_s = stop_s
    return np.concatenate(times), np.concatenate(flags)
