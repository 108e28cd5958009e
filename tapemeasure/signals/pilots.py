"""Pilots: the timing reference that a stimulus carries beside or inside the programme."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params.stages import PilotParams
from tapemeasure.signals.fades import fade_in
from tapemeasure.signals.timeline import Pilot, Timeline
from tapemeasure.units import amplitude_from_db

PILOT_START_S = 0.25
GATE_FADE_S = 0.01


def describe_pilot(params: PilotParams, *, sample_rate: int) -> Pilot:
    """Where and how the pilot of these settings stands in a stimulus.

    Pulses and the tone have channel 2 (index 1) of their own; the in-band tone is added to channel 1 (index 0).
    The rate of the pulses is told as it is, after rounding the period to whole samples.

    Parameters
    ----------
    params : PilotParams
        Kind, levels and frequencies.
    sample_rate : int
        Hz.
    """
    first_samples = round(PILOT_START_S * sample_rate)
    match params.kind:
        case "pulses":
            rate_hz = sample_rate / pulse_period_samples(params.pulse_rate_hz, sample_rate=sample_rate)
            return Pilot("pulses", 1, params.level_dbfs, rate_hz, first_samples)
        case "tone":
            return Pilot("tone", 1, params.level_dbfs, params.tone_hz, first_samples)
        case "inband":
            return Pilot("inband", 0, params.inband_level_dbfs, params.inband_hz, first_samples)
        case "none":
            return Pilot("none")


def pulse_period_samples(pulse_rate_hz: float, *, sample_rate: int) -> int:
    """Whole number of samples from pulse to pulse (441 at 44.1 kHz for 100 pulses/s)."""
    return round(sample_rate / pulse_rate_hz)


def pilot_samples(pilot: Pilot, *, length_samples: int, sample_rate: int) -> FloatArray:
    """Samples of a pilot, from its first sample to the end of the stimulus.

    Parameters
    ----------
    pilot : Pilot
        As `describe_pilot` gives it.
    length_samples : int
        Length of the stimulus.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (length_samples,)
        Positive pulses, each one sample high; or a sine with phase 0 at `pilot.first_samples`; zeros without a pilot.
    """
    samples = np.zeros(length_samples)
    if pilot.frequency_hz is None or pilot.level_dbfs is None:
        return samples
    amplitude = amplitude_from_db(pilot.level_dbfs)
    if pilot.kind == "pulses":
        samples[pilot.first_samples :: pulse_period_samples(pilot.frequency_hz, sample_rate=sample_rate)] = amplitude
        return samples
    running_s = np.arange(max(length_samples - pilot.first_samples, 0)) / sample_rate
    samples[pilot.first_samples :] = amplitude * np.sin(2.0 * np.pi * pilot.frequency_hz * running_s)
    return samples


def add_inband_pilot(samples: FloatArray, pilot: FloatArray, *, timeline: Timeline) -> FloatArray:
    """Programme channel with the pilot added, but not in the segments of silence.

    The pilot fades out in the 10 ms before such a segment and in again in the 10 ms behind it, its phase going on as
    if it had never paused, so that the segment holds exact zeros and the machine's hiss can be heard in it.

    Parameters
    ----------
    samples, pilot : ndarray, shape (n_samples,)
        Full scale 1.0.
    timeline : Timeline
        Tells where silence is.
    """
    gate = np.ones(len(samples))
    n_fade = round(GATE_FADE_S * timeline.sample_rate)
    for segment in timeline.of_kind("silence"):
        before, behind = segment.start_samples - n_fade, segment.stop_samples + n_fade
        gate[before : segment.start_samples] = fade_in(n_fade)[::-1]
        gate[segment.start_samples : segment.stop_samples] = 0.0
        gate[segment.stop_samples : behind] = fade_in(n_fade)
    return samples + gate * pilot
