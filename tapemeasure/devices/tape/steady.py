"""A constant fraction of a sample, taken off or put on by one long filter."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.filters import StreamingFir

HALF_TAPS = 2048
KAISER_BETA = 10.0

ROUNDING_SAMPLES = 1e-9
"""A fraction below this is none: seconds times a rate do not come out whole."""


@lru_cache(maxsize=64)
def fraction_taps(fraction_samples: float) -> FloatArray:
    """Weights of the samples -2047..2048 about a place for its value `fraction_samples` (0..1) behind it.

    Notes
    -----
    Kaiser-windowed sinc of 4096 taps: error below -95 dB up to 0.499 of the sample rate (22.0 kHz at 44.1 kHz). AT
    half the rate no real filter can shift by a fraction; what lies between is turned by less than it should.
    """
    distance = np.arange(1 - HALF_TAPS, HALF_TAPS + 1) - fraction_samples
    inside = np.sqrt(np.maximum(0.0, 1.0 - (distance / HALF_TAPS) ** 2))
    taps: FloatArray = np.sinc(distance) * np.i0(KAISER_BETA * inside) / np.i0(KAISER_BETA)
    taps /= taps.sum()
    taps.setflags(write=False)
    return taps


def split_samples(samples: float) -> tuple[int, float]:
    """Whole and fraction (0..1) of a number of samples; a fraction that is rounding is none."""
    whole = int(np.floor(samples + ROUNDING_SAMPLES))
    fraction = samples - whole
    return whole, fraction if fraction > ROUNDING_SAMPLES else 0.0


@dataclass
class FractionReader:
    """Reads every channel a constant fraction of a sample ahead, block after block; no fraction costs nothing.

    Parameters
    ----------
    fractions_samples : tuple of float
        One for each channel, 0..1.
    """

    fractions_samples: tuple[float, ...]
    _filters: list[StreamingFir] = field(init=False)

    def __post_init__(self) -> None:
        # a fraction of 0 is a single tap of 1, so that all channels are equally late
        self._filters = [StreamingFir(fraction_taps(fraction)[::-1], 1) for fraction in self.fractions_samples]

    @property
    def latency_samples(self) -> int:
        """How much later the samples come out, apart from the fractions."""
        return HALF_TAPS + self._filters[0].latency_samples if any(self.fractions_samples) else 0

    def process(self, block: FloatArray) -> FloatArray:
        """The next samples, shape (n_samples, n_channels)."""
        if not self.latency_samples:
            return block
        columns = [part.process(block[:, channel, np.newaxis]) for channel, part in enumerate(self._filters)]
        return np.concatenate(columns, axis=1)
