"""The newest samples of a signal that comes in blocks."""

from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray

SPARE_SAMPLES = 32768


@dataclass
class History:
    """Samples that a part still needs, channel by channel in one array; zeros before the first.

    Parameters
    ----------
    n_channels : int
        Channels.
    kept_samples : int
        How many old samples are there beside the newest block.
    samples : ndarray, shape (n_channels, any)
        The newest sample of every channel is at ``end - 1``; moved to the front only when the array is full, so that a
        long memory costs no time.
    end : int
        One behind the newest sample.
    """

    n_channels: int
    kept_samples: int
    samples: FloatArray = field(init=False)
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.samples = np.zeros((self.n_channels, 2 * self.kept_samples + SPARE_SAMPLES))
        self.end = self.kept_samples

    def append(self, block: FloatArray) -> None:
        """Take in the next samples, shape (n_samples, n_channels)."""
        if self.end + len(block) > self.samples.shape[1]:
            kept = self.samples[:, self.end - self.kept_samples : self.end].copy()
            if self.kept_samples + len(block) > self.samples.shape[1]:
                self.samples = np.zeros((self.n_channels, 2 * self.kept_samples + len(block)))
            self.samples[:, : self.kept_samples] = kept
            self.end = self.kept_samples
        self.samples[:, self.end : self.end + len(block)] = block.T
        self.end += len(block)
