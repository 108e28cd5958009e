"""Hum and noise while tones play: everything but the tones and their harmonics."""

from collections.abc import Sequence

import numpy as np

from tapemeasure.analysis.noise import Noise, measure_noise
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError

NOTCH_PART, LEAST_NOTCH_HZ, MOST_NOTCH_HZ = 0.1, 12.0, 300.0
"""Of a tone, to both sides: the sidebands of flutter and scrape lie within 300 Hz."""

HARMONIC_PART = 0.02
"""Of the tone, to both sides of each of its harmonics."""

HARMONICS = 5
FILTER_S = 0.6
KAISER_BETA = 9.0
LEAST_S = 0.5


def measure_background(samples: FloatArray, *, sample_rate: int, tones_hz: Sequence[float] = ()) -> Noise:
    """Levels and hum lines of what is left of a channel when its tones are taken out, dBFS rms.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        At least 1.1 s where there are tones, full scale 1.0.
    sample_rate : int
        Hz.
    tones_hz : sequence of float
        Where the tones lie now. Without one the signal is measured as it is.

    Raises
    ------
    SignalError
        If the signal is too short.

    Notes
    -----
    Each tone is notched out with 10 % of its frequency (12 to 300 Hz) to both sides, and its harmonics up to the fifth
    with 2 %. White noise loses 0.25 dB beside one tone of 3150 Hz, more beside many. What a tone modulates further away
    is noise here: beside a tone a tape is noisier than in silence.
    """
    if not len(tones_hz):
        return measure_noise([samples], sample_rate=sample_rate)
    taps = _notches(sample_rate, tones_hz)
    if len(samples) - len(taps) < LEAST_S * sample_rate:
        raise SignalError(
            f"noise: {len(samples) / sample_rate:.2f} s beside a tone; give at least {FILTER_S + LEAST_S:g} s"
        )
    from scipy.signal import oaconvolve

    rest = oaconvolve(samples - np.mean(samples), taps, mode="valid")
    return measure_noise([np.asarray(rest, dtype=np.float64)], sample_rate=sample_rate)


def _notches(sample_rate: int, tones_hz: Sequence[float]) -> FloatArray:
    """Symmetric filter with a notch at every tone and harmonic."""
    half = round(0.5 * FILTER_S * sample_rate)
    n = 8 * half
    frequency = np.fft.rfftfreq(n, 1.0 / sample_rate)
    passed = np.ones(len(frequency))
    for tone_hz in tones_hz:
        for order in range(1, HARMONICS + 1):
            part = NOTCH_PART if order == 1 else HARMONIC_PART
            reach_hz = min(max(part * tone_hz, LEAST_NOTCH_HZ), MOST_NOTCH_HZ)
            passed[np.abs(frequency - order * tone_hz) <= reach_hz] = 0.0
    response = np.fft.irfft(passed, n)
    return np.concatenate([response[-half:], response[: half + 1]]) * np.kaiser(2 * half + 1, KAISER_BETA)
