"""The delay of a replica sample by sample, without end: from a generator's chunks, or from a known trajectory."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.uniform import spline_pieces
from tapemeasure.generators.play import CHUNK_POINTS, DelayRange
from tapemeasure.trajectory import DelayTrajectory

AROUND_POINTS = 48
"""Points beside a chunk that its spline is laid through: what lies further away weighs less than 1e-17."""

OVERSHOOT = 0.05
"""How far a spline may leave the range of its points, as a part of that."""


class TapeMotion(Protocol):
    """Delay in the order of time."""

    @property
    def limits(self) -> DelayRange:
        """Range that it never leaves."""
        ...

    def read(self, first: int, n_samples: int, *, sample_rate: int) -> FloatArray:
        """Delay at the output samples from `first` on, seconds; `first` never goes back."""
        ...


def spline_chunks(chunks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """Quintic spline through a delay that comes in chunks of `CHUNK_POINTS`; `CHUNK_POINTS` pieces of it each time.

    Parameters
    ----------
    chunks : iterator of ndarray, shape (CHUNK_POINTS,)
        Delay, seconds; the last one may be shorter, and its last point is held for ever.

    Yields
    ------
    ndarray, shape (CHUNK_POINTS, 6)
        As `tapemeasure.dsp.uniform.spline_pieces`.

    Notes
    -----
    Each chunk's spline sees `AROUND_POINTS` beyond both of its ends, so that neighbours agree to rounding.
    """
    before = np.zeros(0)
    this = next(chunks)
    while True:
        after = _filled(next(chunks, this[-1:]), this)
        points = np.concatenate([before, _filled(this, before), after[: AROUND_POINTS + 1]])
        yield spline_pieces(points)[len(before) : len(before) + CHUNK_POINTS]
        before, this = _filled(this, before)[-AROUND_POINTS:], after


def chunks_of(delay_s: FloatArray) -> Iterator[FloatArray]:
    """A delay that is known, in chunks of `CHUNK_POINTS`."""
    return (delay_s[first : first + CHUNK_POINTS] for first in range(0, len(delay_s), CHUNK_POINTS))


def _filled(chunk: FloatArray, before: FloatArray) -> FloatArray:
    """A chunk that ends early goes on with its last point."""
    if len(chunk) == CHUNK_POINTS:
        return chunk
    last = chunk[-1] if len(chunk) else before[-1]
    return np.concatenate([chunk, np.full(CHUNK_POINTS - len(chunk), last)])


class SplineMotion:
    """Delay of a generator.

    Parameters
    ----------
    next_pieces : callable
        Gives the next `spline_chunks`; None where they are not ready yet: the delay is held until they are.
    rate_hz : float
        Points per second.
    limits : DelayRange
        Range that the points stay in.
    """

    def __init__(self, next_pieces: Callable[[], FloatArray | None], *, rate_hz: float, limits: DelayRange) -> None:
        overshoot_s = OVERSHOOT * (limits.high_s - limits.low_s)
        self.limits = DelayRange(limits.low_s - overshoot_s, limits.high_s + overshoot_s)
        self.held_samples = 0
        """Samples at which the delay stood still because nothing was ready."""
        self._next_pieces, self._rate_hz = next_pieces, rate_hz
        self._pieces = np.zeros((0, 6))
        self._first_piece = 0

    def read(self, first: int, n_samples: int, *, sample_rate: int) -> FloatArray:
        """Delay at the output samples from `first` on, seconds; `first` never goes back."""
        from tapemeasure.dsp.kernels import evaluate_pieces

        if n_samples == 0:
            return np.zeros(0)
        places = np.maximum(np.arange(first, first + n_samples) * (self._rate_hz / sample_rate), 0.0)
        self._fetch(int(places[0]), int(places[-1]))
        inside = places - self._first_piece
        self.held_samples += int(np.count_nonzero(inside >= len(self._pieces)))
        delay_s = np.asarray(evaluate_pieces(self._pieces, inside), dtype=np.float64)
        return np.asarray(np.clip(delay_s, self.limits.low_s, self.limits.high_s), dtype=np.float64)

    def _fetch(self, low: int, high: int) -> None:
        """Pieces from `low` to `high`; at least one, whatever it takes."""
        while self._first_piece + len(self._pieces) <= high:
            pieces = self._next_pieces()
            if pieces is None:
                return
            keep = min(max(low - self._first_piece, 0), len(self._pieces))
            self._pieces = np.concatenate([self._pieces[keep:], pieces])
            self._first_piece += keep


class TrajectoryMotion:
    """Delay that is known from its first to its last point, which is held.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Tracked or exact; time runs forward in it.
    """

    def __init__(self, trajectory: DelayTrajectory) -> None:
        low_s, high_s = float(np.min(trajectory.delay_s)), float(np.max(trajectory.delay_s))
        overshoot_s = OVERSHOOT * (high_s - low_s)
        self.limits = DelayRange(low_s - overshoot_s, high_s + overshoot_s)
        self._trajectory = trajectory

    def read(self, first: int, n_samples: int, *, sample_rate: int) -> FloatArray:
        """Delay at the output samples from `first` on, seconds."""
        delay_s = self._trajectory.at(np.arange(first, first + n_samples) / sample_rate)
        return np.clip(delay_s, self.limits.low_s, self.limits.high_s)
