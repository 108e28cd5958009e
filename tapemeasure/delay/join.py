"""One trajectory, and one list of events, of all the stretches of a long file."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.long import OVERLAP_S, Stretch
from tapemeasure.delay.lost_samples import LostSamples
from tapemeasure.delay.part import trajectory_of
from tapemeasure.dsp.dropouts import Dropout
from tapemeasure.trajectory import DelayStep, DelayTrajectory


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
