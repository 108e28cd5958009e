"""What a meter plays into a machine: one second that is repeated without a seam."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.signals.tones import FADE_S, multitone_samples
from tapemeasure.units import amplitude_from_db, db_from_power

MeterTones = Literal["flutter", "response", "silence"]
FLUTTER_HZ = 3150.0
RESPONSE_HZ = (63.0, 125.0, 315.0, 1000.0, 3150.0, 6300.0, 10000.0, 12500.0, 16000.0)
"""Tones of the response; the one of 3150 Hz tells speed and flutter at the same time."""

HIGHEST_PART = 0.42


@dataclass(frozen=True)
class MeterSignal:
    """One second of tones.

    Parameters
    ----------
    samples : ndarray, shape (sample_rate,)
        Full scale 1.0; what follows its end is its beginning.
    played_dbfs : mapping of float to float
        Rms level of each tone by its frequency in Hz, full scale = 1.0 rms.
    """

    samples: FloatArray
    played_dbfs: Mapping[float, float]


def meter_signal(
    kind: MeterTones, *, sample_rate: int, level_dbfs: float, flutter_hz: float = FLUTTER_HZ
) -> MeterSignal:
    """Tones to meter a machine with, one second long and seamless when repeated.

    Parameters
    ----------
    kind : {"flutter", "response", "silence"}
        One tone; several tones from 63 Hz to 16 kHz, as far as the rate allows; nothing.
    sample_rate : int
        Hz.
    level_dbfs : float
        Peak level: of the one tone, of the largest sample of several; at most 0 dBFS.
    flutter_hz : float
        The one tone: a whole number of Hz.

    Raises
    ------
    ParameterError
        If the kind is unknown, the tone is no whole number of hertz or does not fit, or the level is above 0 dBFS.

    Examples
    --------
    >>> signal = meter_signal("flutter", sample_rate=44100, level_dbfs=-12.0)
    >>> {hz: round(level, 2) for hz, level in signal.played_dbfs.items()}
    {3150.0: -15.01}
    """
    if kind not in get_args(MeterTones):
        raise ParameterError(f"meter signal {kind!r}; there are {', '.join(get_args(MeterTones))}")
    if level_dbfs > 0.0:
        raise ParameterError(f"level_dbfs is {level_dbfs:g} dBFS; give at most 0 dBFS")
    if kind == "silence":
        return MeterSignal(np.zeros(sample_rate), {})
    limit_hz = HIGHEST_PART * sample_rate
    wanted = (flutter_hz,) if kind == "flutter" else tuple(hz for hz in RESPONSE_HZ if hz < limit_hz)
    if flutter_hz != round(flutter_hz) or not 0.0 < wanted[0] < limit_hz:
        raise ParameterError(f"a tone of {flutter_hz:g} Hz; give a whole number of Hz below {limit_hz:g} Hz")
    if kind == "flutter":
        turns = np.arange(sample_rate) * flutter_hz / sample_rate
        samples = amplitude_from_db(level_dbfs) * np.sin(2.0 * np.pi * (turns % 1.0))
        return MeterSignal(samples, {flutter_hz: level_dbfs - db_from_power(2.0)})
    fade_samples = round(FADE_S * sample_rate)
    faded = multitone_samples(
        frequencies_hz=wanted,
        duration_s=1.0 + 2.5 * fade_samples / sample_rate,
        sample_rate=sample_rate,
        level_dbfs=level_dbfs,
    )
    samples = faded[fade_samples : fade_samples + sample_rate]
    power = 2.0 * np.abs(np.fft.rfft(samples) / sample_rate) ** 2
    return MeterSignal(samples, {hz: db_from_power(float(power[round(hz)])) for hz in wanted})
