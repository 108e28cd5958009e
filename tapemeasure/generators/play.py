"""What the generators give to a replica that plays: delay as long as wanted, and hiss block by block."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, ParameterError, SignalError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.generators.base import DelayGenerator, HissGenerator
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db

MARGIN_S = 4.0
"""A trajectory goes on for so long behind what was asked for: the last sample is played late."""

CHUNK_POINTS = 256
"""Streams are always read by so many points: filters round alike then, whoever reads."""

PREVIEW_S = 60.0
PREVIEW_MARGIN = 1.5
DRIFT_SIGMAS = 5.0


@dataclass(frozen=True)
class DelayRange:
    """Between which delays (seconds) a generated delay stays."""

    low_s: float
    high_s: float


def delay_range(model: DelayGenerator, amounts: Amounts) -> DelayRange:
    """Range that a generated delay is held in, its mean included, seconds.

    Raises
    ------
    SignalError
        If the amounts are so large that time would run backwards.

    Notes
    -----
    Half as much again as a minute of it reaches, and five standard deviations of the drift, which is slower than that.
    What lies beyond is cut off; for a Gaussian drift that is once in weeks.
    """
    stream = amounts.over(model.stream(np.random.default_rng(0)), rate_hz=model.rate_hz)
    preview = stream.read(round(PREVIEW_S * model.rate_hz))
    growth = float(np.max(np.diff(preview))) * model.rate_hz
    if growth >= 1.0:
        raise SignalError(
            f"generated delay: it grows by {growth:.2f} s per second; below 1 is needed for time to run forward; give "
            "less --wow, --flutter or --drift"
        )
    drift = getattr(model, "drift", None)
    wander_s = 0.0 if drift is None else DRIFT_SIGMAS * amounts.drift * drift.range_s
    reach_s = PREVIEW_MARGIN * float(np.max(np.abs(preview))) + wander_s
    return DelayRange(model.mean_delay_s - reach_s, model.mean_delay_s + reach_s)


def delay_chunks(model: DelayGenerator, *, generator: np.random.Generator, amounts: Amounts) -> Iterator[FloatArray]:
    """New delay of a machine without end, its mean included, seconds: chunks of `CHUNK_POINTS` points."""
    limits = delay_range(model, amounts)
    stream = amounts.over(model.stream(generator), rate_hz=model.rate_hz)
    while True:
        yield np.clip(model.mean_delay_s + stream.read(CHUNK_POINTS), limits.low_s, limits.high_s)


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
    SignalError
        If the amounts are so large that time would run backwards.
    """
    if not 0.0 < duration_s < math.inf:
        raise ParameterError(f"delay of {duration_s:g} s; give more than 0 s")
    chunks = delay_chunks(model, generator=generator, amounts=amounts or Amounts())
    n_chunks = math.ceil((duration_s + model.mean_delay_s + MARGIN_S) * model.rate_hz / CHUNK_POINTS)
    delay_s = np.concatenate(list(itertools.islice(chunks, n_chunks)))
    return DelayTrajectory(0.0, model.rate_hz, delay_s, np.zeros(len(delay_s)), np.ones(len(delay_s), dtype=np.bool_))


class HissSource:
    """Hiss and hum of a machine for any number of channels, each with a hiss of its own and the hum in common.

    Parameters
    ----------
    model : HissGenerator
        What has learned the machine's hiss; one of as many channels as are wanted keeps their coherence, otherwise
        every channel is an independent realisation of its first.
    n_channels : int
        At least 1.
    sample_rate : int
        Of what it is put on, Hz.
    generator : numpy.random.Generator
        Decides which hiss it is.
    hiss_db, hum_db : float
        Levels against the machine's own, decibels; minus infinity: none.

    Raises
    ------
    MismatchError
        If the hiss was learned at another sample rate.
    """

    def __init__(
        self,
        model: HissGenerator,
        *,
        n_channels: int,
        sample_rate: int,
        generator: np.random.Generator,
        hiss_db: float = 0.0,
        hum_db: float = 0.0,
    ) -> None:
        if model.sample_rate != sample_rate:
            raise MismatchError(
                f"hiss learned at {model.sample_rate} Hz, what is played has {sample_rate} Hz; resample it"
            )
        n_streams = 1 if model.n_channels == n_channels else n_channels
        self._streams = [model.stream(child) for child in generator.spawn(n_streams)]
        self.n_channels = n_channels
        self._hiss_gain, self._hum_gain = amplitude_from_db(hiss_db), amplitude_from_db(hum_db)

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, shape (n_samples, n_channels)."""
        if len(self._streams) == 1:
            hiss, hum = self._streams[0].read(n_samples), self._streams[0].read_hum(n_samples)
        else:
            hiss = np.concatenate([stream.read(n_samples)[:, :1] for stream in self._streams], axis=1)
            hum = self._streams[0].read_hum(n_samples)[:, :1]
        return np.asarray(self._hiss_gain * hiss + self._hum_gain * hum, dtype=np.float64)
