"""Dropouts: moments in which the tape loses contact with the head."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

LENGTH_SPREAD, DEPTH_SPREAD = 0.5, 0.25
"""Standard deviation of the logarithm of length and depth; the settings are their medians."""

EDGE_SHARE = 0.25
"""Share of a dropout's length that each of its smooth edges takes."""


@dataclass(frozen=True)
class Dropout:
    """One dropout: where it begins in the output, how long it lasts with its edges, how deep it is, on which channel.

    Channels count from 1.
    """

    start_s: float
    length_s: float
    depth_db: float
    channel: int


def draw_dropouts(
    settings: TapeSettings, *, n_channels: int, duration_s: float, generator: np.random.Generator
) -> tuple[Dropout, ...]:
    """Dropouts of all channels in the order of time.

    Parameters
    ----------
    settings : TapeSettings
        `dropouts_per_minute` on each channel, `dropout_length_ms` and `dropout_depth_db` (medians).
    n_channels : int
        Channels; each has its own dropouts.
    duration_s : float
        Length of the take.
    generator : numpy.random.Generator
        Source of everything random.

    Notes
    -----
    Poisson process; log-normal lengths and depths.
    """
    found = []
    for channel in range(1, n_channels + 1):
        n_events = int(generator.poisson(settings.dropouts_per_minute * duration_s / 60.0))
        starts_s = duration_s * generator.random(n_events)
        lengths_s = settings.dropout_length_ms * 1e-3 * np.exp(LENGTH_SPREAD * generator.standard_normal(n_events))
        depths_db = settings.dropout_depth_db * np.exp(DEPTH_SPREAD * generator.standard_normal(n_events))
        rows = zip(starts_s.tolist(), lengths_s.tolist(), depths_db.tolist(), strict=True)
        found += [Dropout(start_s, length_s, depth_db, channel) for start_s, length_s, depth_db in rows]
    return tuple(sorted(found, key=lambda event: (event.start_s, event.channel)))


@dataclass
class Dropouts:
    """Gain of all dropouts over time, the same for all frequencies; feed it block after block.

    Parameters
    ----------
    events : tuple of Dropout
        In the order of time.
    sample_rate : int
        Hz.
    """

    events: tuple[Dropout, ...]
    sample_rate: int
    _starts_s: FloatArray = field(init=False, repr=False)
    _longest_s: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._starts_s = np.array([event.start_s for event in self.events])
        self._longest_s = max((event.length_s for event in self.events), default=0.0)

    def process(self, block: FloatArray, *, start_samples: int) -> FloatArray:
        """Block whose first sample is the sample `start_samples` of the output; not changed itself."""
        begin_s, end_s = start_samples / self.sample_rate, (start_samples + len(block)) / self.sample_rate
        first = np.searchsorted(self._starts_s, begin_s - self._longest_s)
        last = np.searchsorted(self._starts_s, end_s)
        if first == last:
            return block
        out = block.copy()
        for event in self.events[first:last]:
            begin = max(math.ceil(event.start_s * self.sample_rate) - start_samples, 0)
            end = min(math.ceil((event.start_s + event.length_s) * self.sample_rate) - start_samples, len(block))
            if end > begin:
                time_s = (start_samples + np.arange(begin, end)) / self.sample_rate
                out[begin:end, event.channel - 1] *= dropout_gain(time_s, event)
        return out

    def truth(self) -> list[dict[str, Any]]:
        """All events, plain values."""
        return [asdict(event) for event in self.events]


def dropout_gain(time_s: FloatArray, event: Dropout) -> FloatArray:
    """Amplitude gain of a dropout at moments of the output: 1 outside, smooth edges, `depth_db` below in the middle."""
    from_edge = np.minimum(time_s - event.start_s, event.start_s + event.length_s - time_s)
    share = np.clip(from_edge / (EDGE_SHARE * event.length_s), 0.0, 1.0)
    return np.asarray(1.0 - (1.0 - amplitude_from_db(-event.depth_db)) * share * share * (3.0 - 2.0 * share))
