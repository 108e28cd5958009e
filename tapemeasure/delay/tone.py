"""Steady tones of an input channel: frequency, phase, and where they begin and end.

Several at once may stand on one channel (315 and 3150 Hz): the lower one tells the turns of the higher one apart.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.demodulation import NARROW_HZ, narrow_step
from tapemeasure.dsp.demodulation import demodulate

MIN_TONE_S = 0.25
MAX_TONES = 4
LOOKED_AT_S = 8.0
"""Length of the stretch in which tones are looked for; their phase is measured over all of the input."""

LOWEST_HZ = 300.0
WHOLE_ENERGY = 0.98
LEAST_ENERGY = 0.005
NEAR_HZ = 30.0


@dataclass(frozen=True)
class Tone:
    """Steady tone of an input: frequency, phase at the input's sample 0 (radians), and where it begins and ends."""

    frequency_hz: float
    phase: float
    start_samples: int
    stop_samples: int


def find_tones(samples: FloatArray, *, sample_rate: float) -> tuple[Tone, ...]:
    """Steady tones of an input channel, the strongest first; none if the channel holds something else.

    A tone is 0.25 s or longer between 300 Hz and 0.45 of the sample rate and keeps its amplitude within 10 % over nine
    tenths of its length. Up to four tones, 200 Hz and more apart, hold 98 % of the channel's energy within 30 Hz.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    sample_rate : float
        Hz.
    """
    if len(samples) < MIN_TONE_S * sample_rate or not np.any(samples):
        return ()
    tones = []
    for frequency_hz in _lines(_steady_stretch(samples, sample_rate), sample_rate):
        tone = measure_tone(samples, frequency_hz=frequency_hz, sample_rate=sample_rate)
        if tone is None:
            return ()
        tones.append(tone)
    return tuple(tones)


def _steady_stretch(samples: FloatArray, sample_rate: float) -> FloatArray:
    """Up to 8 s from the middle of what is not silent."""
    block = max(1, round(0.05 * sample_rate))
    n_blocks = len(samples) // block
    energy = np.array([np.sum(samples[k * block : (k + 1) * block] ** 2) for k in range(n_blocks)])
    loud = np.flatnonzero(energy > 0.25 * np.percentile(energy, 95.0)) if n_blocks else np.zeros(0, dtype=np.int64)
    if len(loud) == 0:
        return samples
    first, stop = int(loud[0]) * block, (int(loud[-1]) + 1) * block
    most = round(LOOKED_AT_S * sample_rate)
    if stop - first > most:
        first = (first + stop - most) // 2
        stop = first + most
    return samples[first:stop]


def _lines(samples: FloatArray, sample_rate: float) -> list[float]:
    """Frequencies of up to four lines that hold nearly all energy, the strongest first; else none."""
    from scipy.fft import next_fast_len

    length = next_fast_len(len(samples), real=True)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), length)) ** 2
    frequencies = np.fft.rfftfreq(length, 1.0 / sample_rate)
    whole, held = float(power.sum()), 0.0
    found: list[float] = []
    while held < WHOLE_ENERGY * whole:
        peak = int(np.argmax(power))
        line = np.abs(frequencies - frequencies[peak]) < NEAR_HZ
        energy = float(power[line].sum())
        apart = all(abs(frequencies[peak] - other) >= NARROW_HZ for other in found)
        inside = LOWEST_HZ <= frequencies[peak] <= 0.45 * sample_rate
        if len(found) == MAX_TONES or not apart or not inside or energy < LEAST_ENERGY * whole:
            return []
        found.append(float(frequencies[peak]))
        held += energy
        power[line] = 0.0
    return found


def measure_tone(samples: FloatArray, *, frequency_hz: float, sample_rate: float) -> Tone | None:
    """Exact frequency and phase of a tone near `frequency_hz`, or None if its amplitude is not steady.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    frequency_hz : float
        Good to 1 Hz.
    sample_rate : float
        Hz.
    """
    step = narrow_step(sample_rate)
    base = demodulate(samples, frequency_hz=frequency_hz, sample_rate=sample_rate, bandwidth_hz=NARROW_HZ, step=step)
    amplitude = np.abs(base)
    usual = float(np.median(amplitude[amplitude > 0.5 * amplitude.max(initial=0.0)])) if amplitude.any() else 0.0
    on = amplitude > 0.5 * usual
    if usual == 0.0 or on.sum() * step < MIN_TONE_S * sample_rate:
        return None
    steady = on & (np.abs(amplitude / usual - 1.0) < 0.1)
    if steady.sum() < 0.9 * on.sum():
        return None
    first, last = int(np.argmax(on)), len(on) - 1 - int(np.argmax(on[::-1]))
    time = np.arange(len(base)) * step / sample_rate
    slope, phase = np.polyfit(time[steady], np.unwrap(np.angle(base[steady])), 1)
    start, stop = crossing(amplitude / usual, first), crossing(amplitude[::-1] / usual, len(on) - 1 - last)
    return Tone(
        frequency_hz=frequency_hz + float(slope) / (2.0 * np.pi),
        phase=float(phase),
        start_samples=round(start * step),
        stop_samples=round((len(on) - 1 - stop) * step),
    )


def crossing(relative: FloatArray, first: int) -> float:
    """Fractional point at which the amplitude crosses one half, `first` being the first point above it."""
    if first == 0:
        return 0.0
    low, high = relative[first - 1], relative[first]
    return first - 1 + float((0.5 - low) / (high - low))
