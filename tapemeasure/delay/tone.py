"""The delay from a steady tone, on a channel of its own (3150 Hz) or inside the programme (15 kHz): its phase.

The tone is brought to 0 Hz and low-passed; the angle is the delay, what is in phase is amplitude modulation and noise.
A tone is ambiguous modulo its period; the programme, or the place where the tone begins, decides.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, runs_of
from tapemeasure.delay.resolution import bridge, warp
from tapemeasure.errors import NoMatchError

BANDWIDTH_HZ = 200.0
INBAND_BANDWIDTH_HZ = 50.0
STEP_S = 0.001
MIN_TONE_S = 0.25
DROPOUT = 0.3
"""Fraction of the tone's usual amplitude below which it counts as lost."""


@dataclass(frozen=True)
class Tone:
    """Steady tone of an input: frequency, phase at the input's sample 0 (radians), and where it begins and ends."""

    frequency_hz: float
    phase: float
    start_samples: int
    stop_samples: int


@dataclass(frozen=True)
class ToneDelays:
    """Delay every millisecond of the output.

    Parameters
    ----------
    step_samples : int
        Point k stands at the output's sample k * `step_samples`.
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay and standard uncertainty; bridged, and infinite, where the tone is lost.
    found : ndarray of bool, shape (n_points,)
        Whether the tone is there.
    ambiguous : bool
        Whether the delay is known modulo the tone's period only.
    bandwidth_hz : float
        Highest frequency of the delay that is followed.
    """

    step_samples: int
    delay_s: FloatArray
    sigma_s: FloatArray
    found: BoolArray
    ambiguous: bool
    bandwidth_hz: float


def find_tone(samples: FloatArray, *, sample_rate: float) -> Tone | None:
    """Steady tone of an input channel, or None if the channel holds something else.

    A tone is 0.25 s or longer between 300 Hz and 0.45 of the sample rate, holds 98 % of the channel's energy within
    30 Hz, and keeps its amplitude within 10 % over nine tenths of its length.
    """
    if len(samples) < MIN_TONE_S * sample_rate or not np.any(samples):
        return None
    window = np.hanning(len(samples))
    power = np.abs(np.fft.rfft(samples * window)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1.0 / sample_rate)
    peak = int(np.argmax(power))
    near = np.abs(frequencies - frequencies[peak]) < 30.0
    if not 300.0 <= frequencies[peak] <= 0.45 * sample_rate or power[near].sum() < 0.98 * power.sum():
        return None
    return measure_tone(samples, frequency_hz=float(frequencies[peak]), sample_rate=sample_rate)


def measure_tone(samples: FloatArray, *, frequency_hz: float, sample_rate: float) -> Tone | None:
    """Exact frequency and phase of a tone near `frequency_hz`, or None if its amplitude is not steady."""
    step = round(STEP_S * sample_rate)
    base = demodulate(samples, frequency_hz=frequency_hz, sample_rate=sample_rate, bandwidth_hz=BANDWIDTH_HZ, step=step)
    amplitude = np.abs(base)
    usual = float(np.median(amplitude[amplitude > 0.5 * amplitude.max(initial=0.0)])) if amplitude.any() else 0.0
    on = amplitude > 0.5 * usual
    if usual == 0.0 or on.sum() * STEP_S < MIN_TONE_S:
        return None
    if np.mean(np.abs(amplitude[on] / usual - 1.0) < 0.1) < 0.9:
        return None
    first, last = int(np.argmax(on)), len(on) - 1 - int(np.argmax(on[::-1]))
    steady = on & (np.abs(amplitude / usual - 1.0) < 0.1)
    time = np.arange(len(base)) * step / sample_rate
    angle = np.unwrap(np.angle(base[steady]))
    slope, phase = np.polyfit(time[steady], angle, 1)
    start, stop = _onset(amplitude / usual, first), _onset(amplitude[::-1] / usual, len(on) - 1 - last)
    return Tone(
        frequency_hz=frequency_hz + float(slope) / (2.0 * np.pi),
        phase=float(phase),
        start_samples=round(start * step),
        stop_samples=round((len(on) - 1 - stop) * step),
    )


def _onset(relative: FloatArray, first: int) -> float:
    """Fractional point at which the amplitude crosses one half."""
    if first == 0:
        return 0.0
    low, high = relative[first - 1], relative[first]
    return first - 1 + float((0.5 - low) / (high - low))


def demodulate(
    samples: FloatArray, *, frequency_hz: float, sample_rate: float, bandwidth_hz: float, step: int
) -> ComplexArray:
    """Complex amplitude of a tone every `step` samples: shifted to 0 Hz, low-passed (Kaiser, 80 dB), zero delay."""
    from scipy.signal import firwin, kaiserord, oaconvolve

    taps, beta = kaiserord(80.0, bandwidth_hz / (0.5 * sample_rate))
    taps |= 1
    lowpass = firwin(taps, bandwidth_hz, window=("kaiser", beta), fs=sample_rate)
    turn = np.exp(-2j * np.pi * frequency_hz / sample_rate * np.arange(len(samples)))
    shifted = oaconvolve(samples * turn, lowpass, mode="full")[taps // 2 : taps // 2 + len(samples)]
    return np.asarray(2.0 * shifted[::step], dtype=np.complex128)


def track_tone(
    tone: Tone,
    output: FloatArray,
    *,
    sample_rate: float,
    guide_time_s: FloatArray | None = None,
    guide_delay_s: FloatArray | None = None,
) -> ToneDelays:
    """Delay from the phase of a tone on a channel of its own, seconds.

    Parameters
    ----------
    tone : Tone
        Of the input, from `find_tone`.
    output : ndarray, shape (n_samples,)
        Pilot channel of the output.
    sample_rate : float
        Hz.
    guide_time_s, guide_delay_s : ndarray, optional
        Output times and delays, from the programme, that are good to half the tone's period.

    Raises
    ------
    NoMatchError
        If the tone is not in the output.

    Notes
    -----
    Complex demodulation, 200 Hz to each side. Expected accuracy with hiss 48 dB below the tone: 0.03 us rms, which is
    the Cramer-Rao bound; the machine's phase at the tone's frequency adds a constant.
    """
    step = round(STEP_S * sample_rate)
    base = demodulate(
        output, frequency_hz=tone.frequency_hz, sample_rate=sample_rate, bandwidth_hz=BANDWIDTH_HZ, step=step
    )
    amplitude = np.abs(base)
    noise = _noise_of_amplitude(amplitude)
    usual = float(np.median(amplitude[amplitude >= np.median(amplitude)]))
    found = _shrunk(amplitude > DROPOUT * usual, points=round(1.5 / (BANDWIDTH_HZ * STEP_S)))
    if usual <= 6.0 * noise or found.sum() * STEP_S < MIN_TONE_S:
        raise NoMatchError(
            f"no tone: {tone.frequency_hz:.1f} Hz is not steady in the pilot channel of the output; check the cable, "
            "or track without it (--pilot none)"
        )
    omega = 2.0 * np.pi * tone.frequency_hz
    time = np.arange(len(base)) * step / sample_rate
    period = 1.0 / tone.frequency_hz
    delay = _unwrapped(-(np.angle(base) - tone.phase) / omega, found, period)
    ambiguous = False
    if guide_time_s is not None and guide_delay_s is not None:
        expected = np.interp(time[found], guide_time_s, guide_delay_s)
        # stretch by stretch: over a dropout the turns cannot be counted
        for stretch in _stretches(found):
            delay[stretch] -= period * np.round(np.median(delay[stretch] - expected[stretch[found]]) / period)
    else:
        first = int(np.argmax(amplitude > 0.5 * usual))
        # the tone begins within the output, or it was running already
        ambiguous = first < 3 and tone.start_samples < 3 * step
        onset_s = (_onset(amplitude / usual, first) * step - tone.start_samples) / sample_rate
        early = found & (time < time[found][0] + 0.02)
        delay -= period * np.round((np.median(delay[early]) - (0.0 if ambiguous else onset_s)) / period)
    delay = bridge(delay, found)
    sigma = np.where(found, noise / (omega * np.maximum(amplitude, 1e-12)), np.inf)
    return ToneDelays(step, delay, sigma, found, ambiguous, BANDWIDTH_HZ)


def _stretches(found: BoolArray) -> list[BoolArray]:
    """One mask for every run of true values."""
    where = np.arange(len(found))
    return [(where >= first) & (where < last) for first, last in runs_of(found)]


def _unwrapped(delay_s: FloatArray, found: BoolArray, period_s: float) -> FloatArray:
    """Delays made continuous within every stretch; each starts as near as can be to the end of the one before."""
    result = delay_s.copy()
    before: float | None = None
    for stretch in _stretches(found):
        turned = np.unwrap(delay_s[stretch], period=period_s)
        if before is not None:
            turned = turned + period_s * np.round((before - turned[0]) / period_s)
        result[stretch] = turned
        before = float(turned[-1])
    return result


def track_inband(
    stimulus: FloatArray,
    output: FloatArray,
    delay_s: FloatArray,
    *,
    frequency_hz: float,
    sample_rate: float,
) -> ToneDelays:
    """Delay from a tone inside the programme, seconds, starting from the programme's own delay.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The channel that carries programme and tone; the output with its polarity put right.
    delay_s : ndarray, shape (n_samples of `output`,)
        Delay known so far, good to a quarter of the tone's period.
    frequency_hz, sample_rate : float
        Hz.

    Raises
    ------
    NoMatchError
        If the tone is not in the output.

    Notes
    -----
    The input is warped by the known delay and both are demodulated 50 Hz to each side: programme beside the tone is
    late by the same delay and does no harm.
    """
    step = round(STEP_S * sample_rate)
    reference, base = (
        demodulate(
            samples, frequency_hz=frequency_hz, sample_rate=sample_rate, bandwidth_hz=INBAND_BANDWIDTH_HZ, step=step
        )
        for samples in (warp(stimulus, delay_s, sample_rate=sample_rate), output)
    )
    product = base * np.conj(reference)
    amplitude, expected = np.abs(base), np.abs(reference)
    gain = float(np.median(amplitude) / max(float(np.median(expected)), 1e-12))
    found = _shrunk(
        (amplitude > DROPOUT * gain * expected) & (expected > 0.1 * np.median(expected)),
        points=round(0.5 / (INBAND_BANDWIDTH_HZ * STEP_S)),
    )
    # the machine's phase at the tone is a constant and no delay
    phase = np.angle(product * np.exp(-1j * np.angle(np.sum(product[found])))) if found.any() else np.angle(product)
    scatter = float(np.abs(np.mean(np.exp(1j * phase[found])))) if found.any() else 0.0
    if scatter < 0.5 or found.sum() * STEP_S < MIN_TONE_S:
        raise NoMatchError(
            f"no in-band tone: {frequency_hz:g} Hz does not follow the input; the machine may not pass it, "
            "track without it (--pilot none)"
        )
    omega = 2.0 * np.pi * frequency_hz
    known = delay_s[::step][: len(phase)]
    noise = _noise_of_amplitude(amplitude - gain * expected)
    sigma = np.where(found, noise / (omega * np.maximum(amplitude, 1e-12)), np.inf)
    # where the tone is lost the programme goes on
    delay = known + bridge(-phase / omega, found)
    return ToneDelays(step, delay, sigma, found, False, INBAND_BANDWIDTH_HZ)


def find_inband_tone(samples: FloatArray, *, sample_rate: float) -> float | None:
    """Frequency (Hz) of a steady line from 5 kHz to 0.45 of the sample rate, 20 dB above the programme around it."""
    from scipy.ndimage import median_filter
    from scipy.signal import welch

    if len(samples) < sample_rate:
        return None
    length = int(sample_rate // 2)
    # the median over time: a steady tone has it, a note does not
    frequencies, power = welch(samples, sample_rate, nperseg=length, average="median")
    prominence = power / np.maximum(median_filter(power, 201, mode="nearest"), 1e-300)
    allowed = (frequencies >= 5000.0) & (frequencies <= 0.45 * sample_rate)
    if not allowed.any():
        return None
    peak = int(np.argmax(np.where(allowed, prominence, 0.0)))
    if prominence[peak] < 100.0:
        return None
    step = round(STEP_S * sample_rate)
    base = demodulate(
        samples, frequency_hz=float(frequencies[peak]), sample_rate=sample_rate, bandwidth_hz=5.0, step=step
    )
    slope = np.angle(np.sum(base[1:] * np.conj(base[:-1]))) * sample_rate / step
    return float(frequencies[peak] + slope / (2.0 * np.pi))


def _noise_of_amplitude(amplitude: FloatArray) -> float:
    """Noise in phase with the tone, robust against slow level changes: the same noise turns its phase."""
    if len(amplitude) < 64:
        return float(np.std(amplitude))
    from scipy.ndimage import uniform_filter1d

    quick = amplitude - uniform_filter1d(amplitude, 51, mode="nearest")
    return float(1.4826 * np.median(np.abs(quick - np.median(quick))))


def _shrunk(good: BoolArray, *, points: int) -> BoolArray:
    """True only where the neighbours within `points` are true as well: the filter smears the edge of a dropout."""
    from scipy.ndimage import binary_erosion

    return np.asarray(binary_erosion(good, np.ones(2 * points + 1, dtype=np.bool_), border_value=1))
