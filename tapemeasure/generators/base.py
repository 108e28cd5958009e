"""What every generator of delay or hiss offers, and the measured delay that generators learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 100.0
"""Points per second of generated delay: wow and flutter up to 40 Hz."""

SHORTEST_PIECE_S = 2.0
LONGEST_GAP_S = 0.05
"""A gap in the evidence up to this long stays bridged; a longer one divides a piece."""

STILL_S = 2e-8
"""Standard deviation of the delay of a machine without any wow or flutter."""

LEAST_TOTAL_S = 10.0
"""Measured delay that the statistics of wow need at the very least."""


class DelayStream(Protocol):
    """A delay that goes on and on."""

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds, shape (n_points,)."""
        ...


class DelayGenerator(Protocol):
    """Makes delay like that of a machine."""

    @property
    def rate_hz(self) -> float:
        """Points per second."""
        ...

    @property
    def mean_delay_s(self) -> float:
        """Mean delay of the machine, seconds; not part of what the streams give."""
        ...

    def stream(self, generator: np.random.Generator) -> DelayStream:
        """A new delay, other than all before, decided by the random generator."""
        ...


class HissNoise(Protocol):
    """A hiss that goes on and on."""

    def read(self, n_samples: int) -> FloatArray:
        """The next samples of noise, without hum; shape (n_samples, n_channels), full scale 1.0."""
        ...

    def read_hum(self, n_samples: int) -> FloatArray:
        """The next samples of hum alone; shape (n_samples, n_channels)."""
        ...


class HissGenerator(Protocol):
    """Makes hiss like that of a machine."""

    @property
    def n_channels(self) -> int:
        """Channels."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    def stream(self, generator: np.random.Generator) -> HissNoise:
        """A new hiss, other than all before, decided by the random generator."""
        ...


@dataclass(frozen=True)
class MeasuredDelay:
    """Pieces of a machine's delay without gaps, which generators learn from and are compared with.

    Parameters
    ----------
    pieces : tuple of ndarray, each of shape (n_points,)
        Delay about the mean of its piece, seconds.
    mean_s : tuple of float
        Mean delay of every piece, seconds.
    rate_hz : float
        Points per second.
    """

    pieces: tuple[FloatArray, ...]
    mean_s: tuple[float, ...]
    rate_hz: float

    @property
    def total_s(self) -> float:
        """Time of all pieces, seconds."""
        return sum(len(piece) for piece in self.pieces) / self.rate_hz

    @property
    def mean_delay_s(self) -> float:
        """Mean delay of all pieces, seconds."""
        return float(np.average(self.mean_s, weights=[len(piece) for piece in self.pieces]))

    @property
    def still(self) -> bool:
        """Whether nothing moved: less than any tracker can see."""
        return max(float(np.std(piece)) for piece in self.pieces) < STILL_S

    def cut(self, length_s: float) -> "MeasuredDelay":
        """The same delay in equal pieces of at most `length_s`, each about its own mean; no point is lost."""
        pieces, means = [], []
        for piece, mean_s in zip(self.pieces, self.mean_s, strict=True):
            n_parts = max(1, int(np.ceil(len(piece) / self.rate_hz / length_s - 1e-9)))
            for part in np.array_split(piece, n_parts):
                centre_s = float(np.mean(part))
                pieces.append(part - centre_s)
                means.append(mean_s + centre_s)
        return MeasuredDelay(tuple(pieces), tuple(means), self.rate_hz)


def measured_delay(
    trajectories: Sequence[DelayTrajectory], *, rate_hz: float = RATE_HZ, least_total_s: float = LEAST_TOTAL_S
) -> MeasuredDelay:
    """Delay of a machine in pieces without gaps, from the trajectories of its takes.

    Parameters
    ----------
    trajectories : sequence of DelayTrajectory
        Tracked or exact. Gaps without evidence longer than 0.05 s are left out, steps (lost samples) are undone.
    rate_hz : float
        Points per second wanted, above 0.
    least_total_s : float
        Seconds of evidence that there must be.

    Raises
    ------
    SignalError
        If there is less than `least_total_s`; the message tells how much.
    """
    pieces, means = [], []
    for trajectory in trajectories:
        even = trajectory.resampled(rate_hz)
        delay_s = even.delay_s - even.stepped(even.time_s)
        for first, end in _known(even):
            if end - first >= SHORTEST_PIECE_S * rate_hz:
                mean_s = float(np.mean(delay_s[first:end]))
                pieces.append(delay_s[first:end] - mean_s)
                means.append(mean_s)
    total_s = sum(len(piece) for piece in pieces) / rate_hz
    if total_s < least_total_s or not pieces:
        raise SignalError(
            f"generator of delay: {total_s:.1f} s of tracked delay in pieces of {SHORTEST_PIECE_S:g} s or more, "
            f"{least_total_s:g} s are needed; record more takes"
        )
    return MeasuredDelay(tuple(pieces), tuple(means), rate_hz)


def _known(trajectory: DelayTrajectory) -> list[tuple[int, int]]:
    """First point and end of every stretch with evidence; short gaps count as evidence, ends do not."""
    known = trajectory.valid.copy()
    for first, end in runs_of(~trajectory.valid):
        inside = first > 0 and end < len(known)
        if inside and end - first <= LONGEST_GAP_S * trajectory.rate_hz:
            known[first:end] = True
    return runs_of(known)


def speed_of(piece: FloatArray, *, rate_hz: float) -> FloatArray:
    """Relative speed deviation between neighbouring points of a delay, shape (n_points - 1,)."""
    return -np.diff(piece) * rate_hz
