"""What a tape machine adds of its own: hiss and mains hum, behind the output gain."""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

HISS_KNEE_HZ, HISS_SHELF_HZ = 900.0, 200.0
"""The hiss rises below the first frequency and is level again below the second, as measured on an Akai 4000D."""

HUM_LINES = ((1, 1.0), (2, 0.6), (4, 0.3))
"""Multiples of the mains frequency, and their relative amplitudes."""


def hiss_filter(*, sample_rate: int) -> tuple[float, float, float]:
    """First-order low shelf (b0, b1, a1) that gives white noise of unit power the spectrum of hiss, at unit power."""
    knee, shelf = (math.tan(math.pi * frequency / sample_rate) for frequency in (HISS_KNEE_HZ, HISS_SHELF_HZ))
    b0, b1, a1 = (1.0 + knee) / (1.0 + shelf), (knee - 1.0) / (1.0 + shelf), (shelf - 1.0) / (1.0 + shelf)
    power = (b0 * b0 + b1 * b1 - 2.0 * b0 * b1 * a1) / (1.0 - a1 * a1)
    scale = 1.0 / math.sqrt(power)
    return b0 * scale, b1 * scale, a1


@dataclass(frozen=True)
class Noise:
    """Hiss and hum of all channels, with their state; ask for block after block.

    Parameters
    ----------
    settings : TapeSettings
        `hiss_dbfs` and `hum_dbfs`, total rms levels (None: off), and the mains frequency `hum_hz`.
    sample_rate : int
        Hz.
    n_channels : int
        Channels; the hiss of each is independent, the hum is common.
    generator : numpy.random.Generator
        Source of the hiss and of the phases of the hum's lines.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    generator: np.random.Generator
    _hum_phases: FloatArray = field(init=False)
    _hiss_state: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hum_phases", 2.0 * math.pi * self.generator.random(len(HUM_LINES)))
        object.__setattr__(self, "_hiss_state", np.zeros((1, self.n_channels)))

    def block(self, start_samples: int, n_samples: int) -> FloatArray:
        """Noise of the samples from `start_samples` on, shape (n_samples, n_channels)."""
        noise = np.zeros((n_samples, self.n_channels))
        if self.settings.hiss_dbfs is not None:
            noise += amplitude_from_db(self.settings.hiss_dbfs) * self._hiss(n_samples)
        if self.settings.hum_dbfs is not None:
            time_s = (start_samples + np.arange(n_samples)) / self.sample_rate
            noise += (amplitude_from_db(self.settings.hum_dbfs) * self._hum(time_s))[:, np.newaxis]
        return noise

    def _hiss(self, n_samples: int) -> FloatArray:
        from scipy.signal import lfilter

        b0, b1, a1 = hiss_filter(sample_rate=self.sample_rate)
        white = self.generator.standard_normal((n_samples, self.n_channels))
        shaped, state = lfilter([b0, b1], [1.0, a1], white, axis=0, zi=self._hiss_state)
        self._hiss_state[:] = state
        return np.asarray(shaped, dtype=np.float64)

    def _hum(self, time_s: FloatArray) -> FloatArray:
        """Lines below half the sample rate, of unit rms together."""
        lines = [line for line in HUM_LINES if line[0] * self.settings.hum_hz < self.sample_rate / 2]
        wave = np.zeros(len(time_s))
        for (multiple, amplitude), phase in zip(lines, self._hum_phases, strict=False):
            wave += amplitude * np.sin(2.0 * math.pi * multiple * self.settings.hum_hz * time_s + phase)
        power = sum(amplitude**2 for _, amplitude in lines) / 2.0
        return wave / math.sqrt(power) if lines else wave
