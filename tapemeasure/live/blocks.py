"""Blocks of any size made into pieces of one size, and a filter that looks to both sides while its input comes in."""

from typing import Literal

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError


class Pieces:
    """Cuts what comes in into pieces of one length.

    Parameters
    ----------
    length_samples : int
        Of every piece, at least 1.
    n_channels : int
        Channels of the blocks.
    """

    def __init__(self, *, length_samples: int, n_channels: int) -> None:
        if length_samples < 1:
            raise ParameterError(f"length_samples is {length_samples}; give at least 1")
        self.length_samples = length_samples
        self._rest = np.zeros((0, n_channels))

    def process(self, block: FloatArray) -> list[FloatArray]:
        """Whole pieces, each of shape (length_samples, n_channels), that a block of shape (any, n_channels) ends."""
        together = np.concatenate([self._rest, block]) if len(self._rest) else block
        n_whole = len(together) // self.length_samples
        stop = n_whole * self.length_samples
        # a copy: the block may be a view of a buffer that is used again
        self._rest = together[stop:].copy()
        return [piece.copy() for piece in np.split(together[:stop], n_whole)] if n_whole else []


class ZeroPhaseFilter:
    """Symmetric filter of values that come in block by block; a value comes out when all around it is known.

    Parameters
    ----------
    taps : ndarray, shape (n_taps,)
        Symmetric, an odd number.
    mirror : {"even", "odd"}
        How the values go on beyond both ends: as their mirror image, or as that turned about the end's own value.
    step : int
        Every so many values one comes out; the first one always.
    hop_points : int
        So many come out together at least, as one long convolution is cheaper than many short ones.

    Notes
    -----
    `finish` gives what is left; all together are what one call with the whole signal would give.
    """

    def __init__(
        self, taps: FloatArray, *, mirror: Literal["even", "odd"] = "even", step: int = 1, hop_points: int = 1
    ) -> None:
        self._taps, self._step, self._hop = taps, step, hop_points
        self._half = len(taps) // 2
        self._mirror = mirror
        self._values = np.zeros(0)
        self._begun = False

    @property
    def lag_points(self) -> int:
        """Values that must follow one before it comes out."""
        return self._half

    def process(self, values: FloatArray) -> FloatArray:
        """Filtered values that are ready, shape (n_points,)."""
        self._values = np.concatenate([self._values, values])
        if not self._begun:
            if len(self._values) <= self._half:
                return np.zeros(0)
            self._values = np.concatenate([self._before(), self._values])
            self._begun = True
        ready = (len(self._values) - len(self._taps)) // self._step + 1
        return self._take(ready // self._hop * self._hop)

    def finish(self) -> FloatArray:
        """The last filtered values, shape (n_points,); as many in all as came in, over the step."""
        if len(self._values) < 2:
            return np.zeros(0)
        if self._begun:
            behind = self._extended(self._values[-self._half - 1 :], 0, self._half)[-self._half :]
            self._values = np.concatenate([self._values, behind])
        else:
            # shorter than the filter: it goes on as far as its mirror image reaches, and holds
            reach = min(self._half, len(self._values) - 1)
            extended = self._extended(self._values, reach, reach)
            self._values = np.pad(extended, self._half - reach, mode="edge")
            self._begun = True
        return self._take((len(self._values) - len(self._taps)) // self._step + 1)

    def _before(self) -> FloatArray:
        return self._extended(self._values[: self._half + 1], self._half, 0)[: self._half]

    def _extended(self, values: FloatArray, before: int, behind: int) -> FloatArray:
        return np.pad(values, (before, behind), mode="reflect", reflect_type=self._mirror)

    def _take(self, count: int) -> FloatArray:
        from scipy.signal import oaconvolve

        if count <= 0:
            return np.zeros(0)
        used = self._values[: (count - 1) * self._step + len(self._taps)]
        if self._step == 1:
            made = oaconvolve(used, self._taps, mode="valid")
        else:
            made = np.lib.stride_tricks.sliding_window_view(used, len(self._taps))[:: self._step] @ self._taps
        self._values = self._values[count * self._step :]
        return np.asarray(made, dtype=np.float64)
