"""The slow wander of the delay, below all wow: a slope that comes and goes, and never leaves the measured range."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.generators.base import MeasuredDelay

SLOPE_PIECE_S = 20.0
"""A slope is taken over pieces of this length: slower than all wow, faster than a reel's change."""

LONGEST_SLOPE_S = 60.0
"""A slope is taken to last so long where the takes are too short to tell."""

FORGOTTEN = 8.0
"""Time constants after which the start is forgotten (3e-4)."""


@dataclass(frozen=True)
class Drift:
    """Slow wander of the delay: Gaussian, stationary, with a slope and a range as measured.

    Parameters
    ----------
    slope_s_per_s : float
        Standard deviation of the slope, seconds of delay per second.
    range_s : float
        Standard deviation of the position, seconds; 0 means no drift.
    memory_s : float
        Time after which the slope is another one, seconds.

    Notes
    -----
    ``x'' + x' / memory + (slope / range)^2 x = noise``: for white noise the slope's and the position's standard
    deviations are in that ratio.
    """

    slope_s_per_s: float
    range_s: float
    memory_s: float

    @cached_property
    def poles(self) -> tuple[complex, complex]:
        """Of the equation, 1/s."""
        damping = 1.0 / self.memory_s
        stiffness = (self.slope_s_per_s / self.range_s) ** 2
        root = complex(damping**2 / 4.0 - stiffness) ** 0.5
        return -damping / 2.0 + root, -damping / 2.0 - root

    def stream(self, generator: np.random.Generator, *, rate_hz: float) -> "DriftStream | None":
        """A new wander of `rate_hz` points per second; None where the machine has none."""
        if self.range_s <= 0.0 or self.slope_s_per_s <= 0.0:
            return None
        return DriftStream(self, generator, rate_hz)


class DriftStream:
    """A running `Drift`; begins in its stationary state."""

    def __init__(self, drift: Drift, generator: np.random.Generator, rate_hz: float) -> None:
        self._generator = generator
        first, second = (np.exp(pole / rate_hz) for pole in drift.poles)
        self._feedback = np.array([1.0, -(first + second).real, (first * second).real])
        self._gain = drift.range_s / math.sqrt(_gain_of_two_poles(self._feedback))
        self._state = np.zeros(2)
        settling_s = FORGOTTEN / min(-pole.real for pole in drift.poles)
        remaining = math.ceil(settling_s * rate_hz)
        while remaining > 0:
            remaining -= len(self.read(min(remaining, 65536)))

    def read(self, n_points: int) -> FloatArray:
        """The next points, seconds."""
        from scipy.signal import lfilter

        if n_points == 0:
            # a filter of nothing gives back no valid state
            return np.zeros(0)
        noise = self._gain * self._generator.standard_normal(n_points)
        points, self._state = lfilter([1.0], self._feedback, noise, zi=self._state)
        return np.asarray(points, dtype=np.float64)


def _gain_of_two_poles(feedback: FloatArray) -> float:
    """Power behind ``1 / (1 + a z^-1 + b z^-2)`` for white noise of power 1."""
    _, a, b = feedback
    return float((1.0 + b) / ((1.0 - b) * ((1.0 + b) ** 2 - a**2)))


def fit_drift(measured: MeasuredDelay) -> Drift:
    """Slope, range and memory of a machine's slow wander.

    Parameters
    ----------
    measured : MeasuredDelay
        Delay of its takes. Pieces shorter than 20 s say nothing of drift and are left out.

    Notes
    -----
    The slope is that of a straight line through 20 s under a window that lets no wow above 0.2 Hz pass; the range is
    the spread of what is slower than that about the mean of its take, and at least what such slopes make of a take
    of up to a minute; the memory follows from the correlation of neighbouring slopes.
    """
    slopes: list[FloatArray] = []
    positions: list[float] = []
    lengths: list[float] = []
    for piece in measured.pieces:
        n = round(SLOPE_PIECE_S * measured.rate_hz)
        if len(piece) < n:
            continue
        hop = n // 2
        time_s = (np.arange(n) - 0.5 * (n - 1)) / measured.rate_hz
        window = np.hanning(n + 2)[1:-1]
        frames = np.stack([piece[first : first + n] for first in range(0, len(piece) - n + 1, hop)])
        slopes.append(frames @ (window * time_s) / np.sum(window * time_s**2))
        positions.extend(frames @ window / np.sum(window))
        lengths.append(len(piece) / measured.rate_hz)
    if not slopes:
        return Drift(0.0, 0.0, SLOPE_PIECE_S)
    every = np.concatenate(slopes)
    slope = math.sqrt(float(np.mean(every**2)))
    # a short take does not show the way back
    shown_s = min(float(np.mean(lengths)), LONGEST_SLOPE_S)
    range_s = max(float(np.std(positions)), slope * shown_s / math.sqrt(12.0))
    return Drift(slope, range_s, _memory_s(slopes, power=slope**2))


def _memory_s(slopes: list[FloatArray], *, power: float) -> float:
    """Time constant of the slope, from slopes of neighbouring pieces that do not overlap."""
    products = np.concatenate([piece[2:] * piece[:-2] for piece in slopes])
    if len(products) < 2 or power <= 0.0:
        return SLOPE_PIECE_S
    correlation = min(max(float(np.mean(products)) / power, math.exp(-2.0)), 0.9)
    return -SLOPE_PIECE_S / math.log(correlation)
