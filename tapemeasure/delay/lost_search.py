"""Lost and doubled samples, found in a tone, in pulses, and in a tone inside the programme."""

from dataclasses import replace

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.demodulation import (
    POINTS,
    TonePhase,
    narrow_step,
    wide_band_hz,
)
from tapemeasure.delay.lost_samples import LostSamples
from tapemeasure.delay.pulses import PulseDelays, PulseTrain
from tapemeasure.delay.resolution import warp
from tapemeasure.delay.steps import Step, find_steps
from tapemeasure.delay.tone import Tone
from tapemeasure.dsp.demodulation import demodulate, lowpass_taps
from tapemeasure.dsp.dropouts import usual_level

NEAR_S = 3e-3
FITTED_S = 7e-3
MARGIN_S = 1.5e-3
INBAND_WIDE_HZ = 400.0
PRESENT = 0.5
"""Part of the usual amplitude above which a tone's phase is trusted."""

INBAND_PRESENT = 0.25
"""The same inside the programme: one lost sample is a third of a turn of 15 kHz, which halves its amplitude there."""

BESIDE_S = (0.05, 0.3)
"""From when until when beside a step the programme tells the whole turns of it."""


def lost_in_tone(tone: Tone, output: FloatArray, phase: TonePhase, *, sample_rate: float) -> tuple[LostSamples, ...]:
    """Lost and doubled samples of an output that carries a tone on a channel of its own.

    Parameters
    ----------
    tone : Tone
        Of the input.
    output : ndarray, shape (n_samples,)
        Pilot channel.
    phase : TonePhase
        Of `output`, from `tapemeasure.delay.demodulation.follow_tone`.
    sample_rate : float
        Hz.

    Notes
    -----
    A step of the tone's phase in a band of 800 Hz (`tapemeasure.delay.steps.find_steps`), placed where the tone before
    it and the tone behind it together fit the samples best: to some samples with hiss 48 dB below the tone. More
    samples than half the tone's period are known modulo that period.
    """
    fine = phase.step_samples // POINTS
    rate_hz = sample_rate / fine
    omega = 2.0 * np.pi * tone.frequency_hz
    smear = lowpass_taps(wide_band_hz(tone.frequency_hz, sample_rate=sample_rate), rate_hz)
    steps = find_steps(
        (tone.phase - phase.wide_phase) / omega,
        phase.wide_amplitude > PRESENT * usual_level(phase.wide_amplitude, rate_hz=rate_hz),
        quantum_s=1.0 / sample_rate,
        rate_hz=rate_hz,
        smear=smear,
        margin=round(MARGIN_S * rate_hz),
    )
    found = []
    for step in steps:
        place, sigma = _place_in_tone(tone, output, phase, step, sample_rate)
        found.append(_event(step, place / sample_rate, sigma / sample_rate))
    return tuple(found)


def _event(step: Step, time_s: float, time_sigma_s: float) -> LostSamples:
    # what is missing makes the rest early
    return LostSamples(time_s, step.quanta, float(time_sigma_s), abs(step.quanta) / max(step.sigma, 1e-9))


def _place_in_tone(
    tone: Tone, output: FloatArray, phase: TonePhase, step: Step, sample_rate: float
) -> tuple[float, float]:
    """First sample behind a step, and its standard uncertainty, samples."""
    fine = phase.step_samples // POINTS
    centre = step.index * fine
    near, far = round(NEAR_S * sample_rate), round((MARGIN_S + FITTED_S) * sample_rate)
    first, stop = max(0, centre - near), min(len(output), centre + near)
    where = np.arange(first, stop)
    points = np.arange(len(phase.wide_phase)) * fine
    carrier = 2.0 * np.pi * np.mod(where * (tone.frequency_hz / sample_rate), 1.0)
    inside = (np.abs(points - centre) > MARGIN_S * sample_rate) & (np.abs(points - centre) < far)
    errors = []
    for side in (inside & (points < centre), inside & (points >= centre)):
        if side.sum() < 3:
            return float(centre), NEAR_S * sample_rate
        line = np.polyfit(points[side] - centre, phase.wide_phase[side], 1)
        model = np.median(phase.wide_amplitude[side]) * np.cos(carrier + np.polyval(line, where - centre))
        errors.append((output[first:stop] - model) ** 2)
    before, behind = errors
    cost = np.concatenate([[0.0], np.cumsum(before - behind)])
    best = int(np.argmin(cost))
    noise = (before[:best].sum() + behind[best:].sum()) / max(len(where), 1)
    contrast = float(np.mean(np.abs(before - behind)))
    return float(first + best), float(1.0 + 4.0 * noise / max(contrast, 1e-300))


def lost_in_pulses(train: PulseTrain, pulses: PulseDelays, *, sample_rate: float) -> tuple[LostSamples, ...]:
    """Lost and doubled samples between the pulses of an output, each to half a period.

    Parameters
    ----------
    train : PulseTrain
        Of the input.
    pulses : PulseDelays
        Of the output.
    sample_rate : float
        Hz.
    """
    period_s = train.period_samples / sample_rate
    steps = find_steps(
        pulses.delay_s, pulses.found, quantum_s=1.0 / sample_rate, rate_hz=1.0 / period_s, smear=None, margin=1
    )
    return tuple(
        _event(step, 0.5 * float(pulses.time_s[step.index - 1] + pulses.time_s[step.index]), period_s / np.sqrt(12.0))
        for step in steps
    )


def lost_in_inband(
    stimulus: FloatArray, output: FloatArray, delay_s: FloatArray, *, frequency_hz: float, sample_rate: float
) -> tuple[LostSamples, ...]:
    """Lost and doubled samples of an output that carries a tone inside the programme.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The channel that carries programme and tone; the output with its polarity put right.
    delay_s : ndarray, shape (n_samples of `output`,)
        Delay by the programme, which may have smoothed a step away.
    frequency_hz, sample_rate : float
        Hz.
    """
    fine = narrow_step(sample_rate) // POINTS
    rate_hz = sample_rate / fine
    reference, base = (
        demodulate(samples, frequency_hz=frequency_hz, sample_rate=sample_rate, bandwidth_hz=INBAND_WIDE_HZ, step=fine)
        for samples in (warp(stimulus, delay_s, sample_rate=sample_rate), output)
    )
    amplitude, expected = np.abs(base), np.abs(reference)
    present = expected > 0.1 * np.median(expected)
    gain = float(np.median(amplitude[present]) / max(float(np.median(expected[present])), 1e-12))
    known = delay_s[::fine][: len(base)]
    # how far the programme's delay is ahead of what the tone counts
    ahead = np.unwrap(np.angle(base * np.conj(reference))) / (2.0 * np.pi * frequency_hz)
    steps = find_steps(
        known - ahead,
        present & (amplitude > INBAND_PRESENT * gain * expected),
        quantum_s=1.0 / sample_rate,
        rate_hz=rate_hz,
        smear=lowpass_taps(INBAND_WIDE_HZ, rate_hz),
        margin=round(2.0 * MARGIN_S * rate_hz),
    )
    turn = sample_rate / frequency_hz
    whole = [
        replace(step, quanta=round(step.quanta + turn * _turns_ahead(ahead, step.index, turn / sample_rate, rate_hz)))
        for step in steps
    ]
    return tuple(_event(step, step.index * fine / sample_rate, NEAR_S) for step in whole if step.quanta)


def _turns_ahead(ahead: FloatArray, index: int, turn_s: float, rate_hz: float) -> int:
    """Whole turns that a step was counted short of by the tone, as the programme before and behind it tells."""
    near, far = (round(each * rate_hz) for each in BESIDE_S)
    before, behind = ahead[max(0, index - far) : max(0, index - near)], ahead[index + near : index + far]
    if not len(before) or not len(behind):
        return 0
    return round(float(np.median(behind) - np.median(before)) / turn_s)
