"""An endless signal from a model that makes windows: each begins with the end of the one before."""

import numpy as np
import torch

from tapemeasure.arrays import FloatArray
from tapemeasure.models.samplers import heun_sample
from tapemeasure.models.threads import torch_threads
from tapemeasure.models.unet1d import UNet1d


class PaintedStream:
    """Points of unit power that a trained network paints window after window.

    Parameters
    ----------
    network : UNet1d
        Trained with and without known points.
    context : int
        Points at the beginning of a window that are the end of the one before.
    n_steps : int
        Steps of the sampler for a window.
    generator : numpy.random.Generator
        Decides which signal it is.

    Notes
    -----
    No cross-fade: the points behind the known ones are drawn from what the network takes for likely after them, so
    that a seam is no other place than any.
    """

    def __init__(self, network: UNet1d, *, context: int, n_steps: int, generator: np.random.Generator) -> None:
        self._network, self._context, self._n_steps = network, context, n_steps
        self._generator = generator
        self._known = torch.zeros(1, network.config.window)
        self._is_known = torch.zeros(1, network.config.window)
        self._ready = np.zeros(0)

    def read(self, n_points: int) -> FloatArray:
        """The next points, shape (n_points,); how they are asked for changes nothing."""
        parts, n_ready = [self._ready], len(self._ready)
        while n_ready < n_points:
            parts.append(self._next_window())
            n_ready += len(parts[-1])
        ready = np.concatenate(parts)
        self._ready = ready[n_points:]
        return ready[:n_points]

    def _next_window(self) -> FloatArray:
        """The points of one more window without those that it began with."""
        noise = torch.from_numpy(self._generator.standard_normal(self._known.shape, dtype=np.float32))
        # small networks: a second thread costs more than it brings, and the last digits depend on it
        with torch_threads(1):
            window = heun_sample(self._network, noise, self._known, self._is_known, n_steps=self._n_steps)
        fresh = window[0, int(self._is_known.sum()) :].numpy().astype(np.float64)
        self._known = torch.zeros_like(window)
        self._known[:, : self._context] = window[:, window.shape[1] - self._context :]
        self._is_known[:, : self._context] = 1.0
        return fresh
