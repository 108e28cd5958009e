"""The tape of a deck with two heads: recorded once, then read at any speed."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at

HALF_TAPS = 32
BLOCK_SAMPLES = 65536


class Reel:
    """A tape of a fixed length; it takes memory as it is recorded.

    Parameters
    ----------
    length_samples : int
        Its length.
    n_channels : int
        Tracks.
    """

    def __init__(self, length_samples: int, n_channels: int) -> None:
        self.length_samples = length_samples
        self.ratio = 1.0
        """Speed of playing by that of recording."""
        self._n_channels = n_channels
        self.erase()

    def erase(self) -> None:
        """Wind to the start of an empty tape."""
        self._pieces: list[FloatArray] = []
        self.recorded_samples = 0
        self.rewind()

    def rewind(self) -> None:
        """Wind to the start."""
        self._read_samples = 0

    def write(self, block: FloatArray) -> None:
        """Record behind what is there; what does not fit on the tape is not recorded."""
        block = block[: self.length_samples - self.recorded_samples]
        done = 0
        while done < len(block):
            if self.recorded_samples % BLOCK_SAMPLES == 0:
                self._pieces.append(np.zeros((BLOCK_SAMPLES, self._n_channels)))
            at = self.recorded_samples % BLOCK_SAMPLES
            part = block[done : done + BLOCK_SAMPLES - at]
            self._pieces[-1][at : at + len(part)] = part
            self.recorded_samples += len(part)
            done += len(part)

    def position_samples(self, moment: FloatArray) -> FloatArray:
        """Position on the tape at samples since the start of playing."""
        return moment * self.ratio

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, shape (n_samples, n_channels); zeros behind what was recorded."""
        moments = self._read_samples + np.arange(n_samples, dtype=np.float64)
        self._read_samples += n_samples
        where = self.position_samples(moments)
        first = max(0, int(where[0]) - HALF_TAPS)
        stored = self._cut(first, int(where[-1]) + HALF_TAPS + 2)
        if self.ratio == 1.0:
            start = int(where[0]) - first
            return stored[start : start + n_samples]
        return read_at(stored, where - first, half_taps=HALF_TAPS)

    def _cut(self, first: int, stop: int) -> FloatArray:
        """Samples of the tape; zeros outside."""
        cut = np.zeros((stop - first, self._n_channels))
        end = min(stop, self.recorded_samples)
        for number in range(first // BLOCK_SAMPLES, -(-end // BLOCK_SAMPLES)):
            origin = number * BLOCK_SAMPLES
            low, high = max(first, origin), min(end, origin + BLOCK_SAMPLES)
            if high > low:
                cut[low - first : high - first] = self._pieces[number][low - origin : high - origin]
        return cut
