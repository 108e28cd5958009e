"""What the generators give to a replica that plays: a delay trajectory as long as wanted, and hiss block by block."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.generators.base import DelayGenerator
from tapemeasure.generators.hiss import HissModel
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db

MARGIN_S = 1.0
"""A trajectory goes on for so long behind what was asked for: the last sample is played late."""

CHUNK_POINTS = 65536


def generated_delay(
    model: DelayGenerator, *, duration_s: float, generator: np.random.Generator, amounts: Amounts | None = None
) -> DelayTrajectory:
    """New delay of a machine, its mean delay included, seconds.

    Parameters
    ----------
    model : DelayGenerator
        What has learned the machine's delay.
    duration_s : float
        Seconds of output wanted, above 0.
    generator : numpy.random.Generator
        Decides which delay it is.
    amounts : Amounts, optional
        More or less drift, wow and flutter.

    Raises
    ------
    ParameterError
        If the time is not above 0.
    """
    if not 0.0 < duration_s < math.inf:
        raise ParameterError(f"delay of {duration_s:g} s; give more than 0 s")
    stream = (amounts or Amounts()).over(model.stream(generator), rate_hz=model.rate_hz)
    n_points = math.ceil((duration_s + model.mean_delay_s + MARGIN_S) * model.rate_hz) + 1
    parts = [stream.read(min(CHUNK_POINTS, n_points - first)) for first in range(0, n_points, CHUNK_POINTS)]
    delay_s = model.mean_delay_s + np.concatenate(parts)
    return DelayTrajectory(0.0, model.rate_hz, delay_s, np.zeros(n_points), np.ones(n_points, dtype=np.bool_))


class HissSource:
    """Hiss and hum of a machine for any number of channels, each with a hiss of its own and the hum in common.

    Parameters
    ----------
    model : HissModel
        What has learned the machine's hiss; one of as many channels as are wanted keeps their coherence, otherwise
        every channel is an independent realisation of its first.
    n_channels : int
        At least 1.
    generator : numpy.random.Generator
        Decides which hiss it is.
    hiss_db, hum_db : float
        Levels against the machine's own, decibels; minus infinity: none.
    """

    def __init__(
        self,
        model: HissModel,
        *,
        n_channels: int,
        generator: np.random.Generator,
        hiss_db: float = 0.0,
        hum_db: float = 0.0,
    ) -> None:
        n_streams = 1 if model.n_channels == n_channels else n_channels
        self._streams = [model.stream(child) for child in generator.spawn(n_streams)]
        self._n_channels = n_channels
        self._hiss_gain, self._hum_gain = amplitude_from_db(hiss_db), amplitude_from_db(hum_db)

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, shape (n_samples, n_channels)."""
        if len(self._streams) == 1:
            hiss, hum = self._streams[0].read(n_samples), self._streams[0].read_hum(n_samples)
        else:
            hiss = np.concatenate([stream.read(n_samples)[:, :1] for stream in self._streams], axis=1)
            hum = self._streams[0].read_hum(n_samples)[:, :1]
        return np.asarray(self._hiss_gain * hiss + self._hum_gain * hum, dtype=np.float64)

    def added_to(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """The blocks, shape (any, n_channels), with hiss and hum on top."""
        for block in blocks:
            yield block + self.read(len(block))
