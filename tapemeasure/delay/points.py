"""Delays of an output at the times that its timing reference gives, before they are put on a grid."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress
from tapemeasure.delay.pilot import FoundPilot
from tapemeasure.delay.programme import Programme
from tapemeasure.delay.pulses import PulseTrain, track_pulses
from tapemeasure.delay.refine import refine_delays
from tapemeasure.delay.resolution import lowpass, on_samples
from tapemeasure.delay.tone import Tone, ToneDelays, track_inband, track_tone
from tapemeasure.errors import NoMatchError

Method = Literal["pulses", "tone", "inband", "correlation"]


@dataclass(frozen=True)
class Points:
    """Delays at output times.

    Parameters
    ----------
    method : str
        What they were tracked by.
    time_s : ndarray, shape (n_points,)
        Output times, rising.
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay and standard uncertainty.
    valid : ndarray of bool, shape (n_points,)
        Whether there was evidence.
    polarity : int
        1, or -1 if the output is inverted.
    reach_s : float
        How far a point speaks for the time beside it.
    ambiguous_s : float or None
        The delay is known modulo this only; None where it is known.
    """

    method: Method
    time_s: FloatArray
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray
    polarity: int
    reach_s: float
    ambiguous_s: float | None = None


@dataclass(frozen=True)
class Guide:
    """Delays at output times that are good to half a period of the pilot."""

    time_s: FloatArray
    delay_s: FloatArray


def track_points(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    pilot: FoundPilot | None,
    guide: Guide | None,
    programme: Programme | None,
    programme_channel: int,
    sample_rate: float,
    rate_hz: float,
    progress: Progress,
) -> Points:
    """Delay by the pilot that was found, else by the programme, seconds.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        Input and output.
    pilot : FoundPilot or None
        Pilot of the input.
    guide : Guide or None
        Tells the pilot's periods apart.
    programme : Programme or None
        The programme as it was found in the output.
    programme_channel : int
        From 0.
    sample_rate : float
        Hz.
    rate_hz : float
        Points per second of the grid that follows; a tone is low-passed for it.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    NoMatchError
        If the output holds neither.
    """
    polarity = None if programme is None else programme.polarity
    if pilot is not None and pilot.channel is not None and pilot.train is not None:
        return _by_pulses(pilot.train, output[:, pilot.channel], guide, polarity, sample_rate)
    if pilot is not None and pilot.channel is not None and pilot.tone is not None:
        return _by_tone(pilot.tone, output[:, pilot.channel], guide, polarity, sample_rate, rate_hz)
    if programme is None:
        raise NoMatchError("no matching audio: there is neither a pilot nor a programme; check the channel")
    inband_hz = None if pilot is None else pilot.inband_hz
    x, y = stimulus[:, programme_channel], programme.polarity * output[:, programme_channel]
    return _by_programme(x, y, programme, inband_hz, sample_rate, rate_hz, progress)


def _by_pulses(
    train: PulseTrain, output: FloatArray, guide: Guide | None, polarity: int | None, sample_rate: float
) -> Points:
    pulses = track_pulses(
        train,
        output,
        sample_rate=sample_rate,
        guide_time_s=None if guide is None else guide.time_s,
        guide_delay_s=None if guide is None else guide.delay_s,
    )
    period_s = train.period_samples / sample_rate
    return Points(
        method="pulses",
        time_s=pulses.time_s,
        delay_s=pulses.delay_s,
        sigma_s=pulses.sigma_s,
        valid=pulses.found,
        polarity=pulses.polarity if polarity is None else polarity,
        reach_s=1.01 * period_s,
        ambiguous_s=period_s if pulses.ambiguous else None,
    )


def _by_tone(
    tone: Tone, output: FloatArray, guide: Guide | None, polarity: int | None, sample_rate: float, rate_hz: float
) -> Points:
    found = track_tone(
        tone,
        output,
        sample_rate=sample_rate,
        guide_time_s=None if guide is None else guide.time_s,
        guide_delay_s=None if guide is None else guide.delay_s,
    )
    return _of_tone("tone", found, polarity or 1, sample_rate, rate_hz, 1.0 / tone.frequency_hz)


def _by_programme(
    stimulus: FloatArray,
    output: FloatArray,
    programme: Programme,
    inband_hz: float | None,
    sample_rate: float,
    rate_hz: float,
    progress: Progress,
) -> Points:
    """Delay by the programme and, where there is one, the tone inside it; `output` with its polarity put right."""
    refined = refine_delays(stimulus, output, programme.frames, sample_rate=sample_rate, progress=progress)
    if inband_hz is not None:
        known = on_samples(refined.delay_s, hop=refined.hop_samples, length=len(output))
        tone = track_inband(stimulus, output, known, frequency_hz=inband_hz, sample_rate=sample_rate)
        return _of_tone("inband", tone, programme.polarity, sample_rate, rate_hz, 1.0 / inband_hz)
    return Points(
        method="correlation",
        time_s=np.arange(len(refined.delay_s)) * refined.hop_samples / sample_rate,
        delay_s=refined.delay_s,
        sigma_s=refined.sigma_s,
        valid=refined.valid,
        polarity=programme.polarity,
        reach_s=1.01 * refined.hop_samples / sample_rate,
    )


def _of_tone(
    method: Method, tone: ToneDelays, polarity: int, sample_rate: float, rate_hz: float, period_s: float
) -> Points:
    """Points of a tone, without what the grid cannot hold: it would only be noise there."""
    step_s = tone.step_samples / sample_rate
    delay, sigma, limit_hz = tone.delay_s, tone.sigma_s, 0.5 * rate_hz
    if limit_hz < tone.bandwidth_hz:
        delay = lowpass(delay, rate_hz=1.0 / step_s, limit_hz=limit_hz)
        sigma = np.asarray(sigma * np.sqrt(limit_hz / tone.bandwidth_hz), dtype=np.float64)
    time = np.arange(len(delay), dtype=np.float64) * step_s
    ambiguous_s = period_s if tone.ambiguous else None
    return Points(method, time, delay, sigma, tone.found, polarity, 1.01 * step_s, ambiguous_s)
