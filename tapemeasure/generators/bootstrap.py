"""Delay from pieces of the measured speed, drawn at random and joined by cross-fades."""

import math
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.generators.base import MeasuredDelay, speed_of
from tapemeasure.generators.drift import Drift, fit_drift

FADE_S = 1.0
LEAK_HZ = 0.03
"""Blocks of the speed make no delay below this frequency: there the drift does."""


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
        self._leak = math.exp(-2.0 * math.pi * LEAK_HZ / model.rate_hz)
        self._state = np.zeros(1)
        self._position(math.ceil(3.0 / (2.0 * math.pi * LEAK_HZ) * model.rate_hz))

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds."""
        delay_s = self._position(n_points)
        return delay_s if self._drift is None else delay_s + self._drift.read(n_points)

    def _position(self, n_points: int) -> FloatArray:
        """Integral of the next points of the speed, high-passed below the drift's frequencies."""
        from scipy.signal import lfilter

        if n_points == 0:
            # a filter of nothing gives back no valid state
            return np.zeros(0)
        while len(self._ready) < n_points:
            self._ready = np.concatenate([self._ready, self._next_block()])
        speed, self._ready = self._ready[:n_points], self._ready[n_points:]
        points, self._state = lfilter([-1.0 / self._model.rate_hz], [1.0, -self._leak], speed, zi=self._state)
        return np.asarray(points, dtype=np.float64)

    def _next_block(self) -> FloatArray:
        speeds, fade = self._model.speeds, self._fade
        lengths = np.array([len(speed) for speed in speeds], dtype=np.float64)
        piece = speeds[int(self._block_generator.choice(len(speeds), p=lengths / lengths.sum()))]
        length = min(len(piece), len(fade) + round(min(self._model.block_s * self._model.rate_hz, len(piece))))
        first = int(self._block_generator.integers(0, len(piece) - length + 1))
        block = piece[first : first + length].copy()
        block[: len(fade)] = block[: len(fade)] * fade + self._tail * fade[::-1]
        self._tail = block[length - len(fade) :].copy()
        return block[: length - len(fade)]


def fit_bootstrap(measured: MeasuredDelay, *, block_s: float = 4.0) -> BootstrapDelay:
    """Generator that copies blocks of the measured speed; `block_s` infinite replays whole pieces.

    Parameters
    ----------
    measured : MeasuredDelay
        Pieces shorter than three cross-fades are left out where there are longer ones.
    block_s : float
        Seconds, above 0.

    Raises
    ------
    ParameterError
        If the blocks have no length.
    """
    if not block_s > 0.0:
        raise ParameterError(f"blocks of {block_s:g} s; give more than 0 s")
    speeds = [speed_of(piece, rate_hz=measured.rate_hz) for piece in measured.pieces]
    shortest = min(round(3.0 * FADE_S * measured.rate_hz), max(map(len, speeds)))
    centred = tuple(speed - np.mean(speed) for speed in speeds if len(speed) >= shortest)
    return BootstrapDelay(centred, block_s, fit_drift(measured), measured.rate_hz, measured.mean_delay_s)
