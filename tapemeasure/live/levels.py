"""Levels of each channel as they come in: peak, rms, largest peak so far, samples at full scale."""

import numpy as np

from tapemeasure.analysis.tone_check import clipped_samples
from tapemeasure.arrays import FloatArray
from tapemeasure.live.readings import Levels
from tapemeasure.units import db_from_amplitude, db_from_power


class LevelMeter:
    """Peak and rms level of every block, and of everything so far.

    Parameters
    ----------
    n_channels : int
        Channels of the blocks.
    """

    def __init__(self, n_channels: int) -> None:
        self._peak = np.zeros(n_channels)
        self._squares = np.zeros(n_channels)
        self._clipped = np.zeros(n_channels, dtype=np.int64)
        self._count = 0

    def process(self, block: FloatArray) -> Levels:
        """Levels of a block of shape (n_samples, n_channels), n_samples above 0."""
        peak, squares = np.max(np.abs(block), axis=0), np.sum(block**2, axis=0)
        self._peak = np.maximum(self._peak, peak)
        self._squares += squares
        self._clipped += [clipped_samples(channel) for channel in block.T]
        self._count += len(block)
        return self._levels(peak, squares / len(block))

    def total(self) -> Levels:
        """Levels of everything so far."""
        return self._levels(self._peak, self._squares / max(self._count, 1))

    def _levels(self, peak: FloatArray, power: FloatArray) -> Levels:
        return Levels(
            peak_dbfs=tuple(db_from_amplitude(float(value)) for value in peak),
            rms_dbfs=tuple(db_from_power(float(value)) for value in power),
            held_peak_dbfs=tuple(db_from_amplitude(float(value)) for value in self._peak),
            clipped_samples=tuple(int(value) for value in self._clipped),
        )
