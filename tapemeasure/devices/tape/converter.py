"""Converters that lose or double a sample now and then, at known moments."""

from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.curve import Grid, SmoothCurve
from tapemeasure.devices.tape.history import History
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayStep, DelayTrajectory

BATCH = 256
CHUNK_POINTS = 65536


@dataclass(frozen=True)
class LostSample:
    """One event of the recording converter.

    Parameters
    ----------
    time_s : float
        Output time of the first sample behind it, seconds.
    samples : int
        -1: one was lost, and the output is a sample earlier from there on; +1: one came twice, and it is later.
    """

    time_s: float
    samples: int


def lost_samples(
    settings: TapeSettings, *, duration_s: float, sample_rate: int, generator: np.random.Generator
) -> tuple[LostSample, ...]:
    """Samples that the converter loses or doubles in a take, in the order of time.

    Parameters
    ----------
    settings : TapeSettings
        `lost_samples_per_minute`, the mean rate.
    duration_s : float
        Length of the output, seconds.
    sample_rate : int
        Hz; an event falls on a sample, and no two on the same.
    generator : numpy.random.Generator
        Gaps (exponential) and signs (even odds). A longer take begins with the events of a shorter one.
    """
    if settings.lost_samples_per_minute == 0.0:
        return ()
    events: list[LostSample] = []
    gaps, signs = generator.spawn(2)
    time_s, newest = 0.0, 0
    while time_s < duration_s:
        gap_s = gaps.exponential(60.0 / settings.lost_samples_per_minute, BATCH)
        sign = 2 * signs.integers(0, 2, BATCH) - 1
        for moment_s, samples in zip(time_s + np.cumsum(gap_s), sign, strict=True):
            index = max(int(np.ceil(moment_s * sample_rate)), newest + 1)
            if index >= duration_s * sample_rate:
                return tuple(events)
            events.append(LostSample(index / sample_rate, int(samples)))
            newest = index
        time_s += float(np.sum(gap_s))
    return tuple(events)


def with_lost_samples(
    trajectory: DelayTrajectory, lost: tuple[LostSample, ...], *, sample_rate: int
) -> DelayTrajectory:
    """Delay behind the converter, seconds: that before it, with the steps of the lost and doubled samples.

    The samples behind an event come from another moment: also the moving delay shifts along by the steps so far.
    """
    if not lost:
        return trajectory
    steps = tuple(DelayStep(event.time_s, event.samples / sample_rate) for event in lost)
    stepped = DelayTrajectory(
        trajectory.start_s, trajectory.rate_hz, trajectory.delay_s, trajectory.sigma_s, trajectory.valid, steps
    )
    curve = SmoothCurve.of(trajectory)
    grid = Grid(trajectory.start_s, trajectory.rate_hz, len(trajectory.delay_s))
    delay_s = np.empty(grid.n_points)
    for first in range(0, grid.n_points, CHUNK_POINTS):
        time_s = grid.times_s(first, first + CHUNK_POINTS)
        late_s = stepped.stepped(time_s)
        delay_s[first : first + CHUNK_POINTS] = late_s + curve.at(time_s - late_s)
    return DelayTrajectory(trajectory.start_s, trajectory.rate_hz, delay_s, trajectory.sigma_s, trajectory.valid, steps)


@dataclass
class Converter:
    """Loses and doubles samples of all channels alike, block after block.

    Parameters
    ----------
    lost : tuple of LostSample
        In the order of time.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.
    """

    lost: tuple[LostSample, ...]
    sample_rate: int
    n_channels: int
    _history: History = field(init=False)
    _received_samples: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._moments = np.array([round(event.time_s * self.sample_rate) for event in self.lost], dtype=np.int64)
        self._late = np.concatenate(([0], np.cumsum([event.samples for event in self.lost], dtype=np.int64)))
        self._history = History(self.n_channels, self.latency_samples + int(self._late.max()))

    @property
    def latency_samples(self) -> int:
        """Samples by which the output is behind the input: as many as are lost more than doubled, at any time."""
        return max(0, -int(self._late.min()))

    def process(self, block: FloatArray) -> FloatArray:
        """What the converter makes of `block`, shape (n_samples, n_channels), `latency_samples` late."""
        if not self.lost:
            return block
        first = self._received_samples - self.latency_samples
        moments = first + np.arange(len(block))
        late = self._late[np.searchsorted(self._moments, moments, side="right")]
        self._received_samples += len(block)
        self._history.append(block)
        newest = self._received_samples - 1
        return self._history.samples[:, self._history.end - 1 - newest + moments - late].T
