"""Delay from pieces of the measured speed, drawn at random and joined by cross-fades."""

import math
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.generators.base import MeasuredDelay, speed_of
from tapemeasure.generators.drift import Drift, fit_drift
from tapemeasure.generators.shaped_noise import ShapedNoise

FADE_S = 0.5
SLOW_S = 6.0
"""Speed makes delay about its mean over such a time (0.17 Hz): what is slower the drift makes, and joints must not."""

N_PLACES = 32
"""Random places of which the next block begins at the one that continues the block before best."""


@dataclass(frozen=True)
class BootstrapDelay:
    """Delay whose speed is copied, block after block, from the measured one.

    Parameters
    ----------
    speeds : tuple of ndarray
        Measured pieces of the speed about their mean.
    block_s : float
        Length of a block between two cross-fades, seconds; infinite: whole pieces are replayed.
    drift : Drift
        Slow wander.
    rate_hz : float
        Points per second.
    mean_delay_s : float
        Mean delay of the machine, seconds.
    """

    speeds: tuple[FloatArray, ...]
    block_s: float
    drift: Drift
    rate_hz: float
    mean_delay_s: float

    def stream(self, generator: np.random.Generator) -> "BootstrapStream":
        """A new delay, other than all before, decided by the random generator."""
        return BootstrapStream(self, generator)


class BootstrapStream:
    """A running `BootstrapDelay`."""

    def __init__(self, model: BootstrapDelay, generator: np.random.Generator) -> None:
        self._model = model
        self._block_generator, drift_generator = generator.spawn(2)
        self._drift = model.drift.stream(drift_generator, rate_hz=model.rate_hz)
        # equal power, because the pieces have nothing to do with each other
        self._fade = np.sin(0.5 * math.pi * (np.arange(round(FADE_S * model.rate_hz)) + 0.5) / (FADE_S * model.rate_hz))
        self._tail = np.zeros(len(self._fade))
        self._ready = np.zeros(0)
        self._wobble = ShapedNoise(
            _integrator(model.rate_hz)[np.newaxis, np.newaxis],
            lambda n_points: self._speed(n_points)[np.newaxis],
            block_points=round(SLOW_S * model.rate_hz),
        )

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds."""
        delay_s: FloatArray = self._wobble.read(n_points)[0].copy()
        return delay_s if self._drift is None else delay_s + self._drift.read(n_points)

    def _speed(self, n_points: int) -> FloatArray:
        """The next points of the speed."""
        while len(self._ready) < n_points:
            self._ready = np.concatenate([self._ready, self._next_block()])
        speed, self._ready = self._ready[:n_points], self._ready[n_points:]
        return speed

    def _next_block(self) -> FloatArray:
        """The block that continues the one before best, up to where its own end fades."""
        fade, tail = self._fade, self._tail
        block = min((self._drawn() for _ in range(N_PLACES)), key=lambda drawn: _jolt(drawn[: len(fade)] - tail))
        first = block[: len(fade)]
        scale = math.sqrt(float(np.dot(first, first)) * float(np.dot(tail, tail)))
        alike = max(0.0, float(np.dot(first, tail)) / scale) if scale > 0.0 else 0.0
        # fades of equal power are too loud by this where both sides are alike
        joint = (first * fade + tail * fade[::-1]) / np.sqrt(1.0 + 2.0 * alike * fade * fade[::-1])
        end = len(block) - len(fade)
        self._tail = block[end:]
        return np.concatenate([joint, block[len(fade) : end]])

    def _drawn(self) -> FloatArray:
        """A block from anywhere in the measured speed."""
        speeds, n_fade = self._model.speeds, len(self._fade)
        lengths = np.array([len(speed) for speed in speeds], dtype=np.float64)
        piece = speeds[int(self._block_generator.choice(len(speeds), p=lengths / lengths.sum()))]
        length = min(len(piece), n_fade + round(min(self._model.block_s * self._model.rate_hz, len(piece))))
        first = int(self._block_generator.integers(0, len(piece) - length + 1))
        return piece[first : first + length]


def _jolt(speed: FloatArray) -> float:
    """How far a difference of speeds drives the delay, square."""
    return float(np.mean(np.cumsum(speed) ** 2))


def _integrator(rate_hz: float) -> FloatArray:
    """Filter from speed to delay without what is slow; every faster movement keeps its place in time."""
    half = round(0.5 * SLOW_S * rate_hz)
    mean = np.hanning(2 * half + 3)[1:-1]
    about_mean = -mean / mean.sum()
    about_mean[half] += 1.0
    return np.asarray(-np.cumsum(about_mean) / rate_hz, dtype=np.float64)


def fit_bootstrap(measured: MeasuredDelay, *, block_s: float = 8.0) -> BootstrapDelay:
    """Generator that copies blocks of the measured speed (1/s); `block_s` infinite replays whole pieces.

    Parameters
    ----------
    measured : MeasuredDelay
        Pieces shorter than six cross-fades are left out where there are longer ones.
    block_s : float
        Seconds, above 0.

    Raises
    ------
    ParameterError
        If the blocks have no length.

    Notes
    -----
    A block begins where its speed, integrated over the cross-fade, follows that of the block before best: a lasting
    difference would be a slow delay that no machine made. Rotating parts still change their phase at a joint, so that
    a part of their lines is counted as noise of the speed; eight seconds between two joints keep that part small.
    """
    if not block_s > 0.0:
        raise ParameterError(f"blocks of {block_s:g} s; give more than 0 s")
    speeds = [speed_of(piece, rate_hz=measured.rate_hz) for piece in measured.pieces]
    shortest = min(round(6.0 * FADE_S * measured.rate_hz), max(map(len, speeds)))
    centred = tuple(speed - np.mean(speed) for speed in speeds if len(speed) >= shortest)
    return BootstrapDelay(centred, block_s, fit_drift(measured), measured.rate_hz, measured.mean_delay_s)
