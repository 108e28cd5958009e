"""Steady tones: one sine, many at once with a low crest factor, and pairs for intermodulation."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.signals.fades import faded
from tapemeasure.units import amplitude_from_db

FADE_S = 0.01
MULTITONE_LOWEST_HZ = 31.0
MULTITONE_HIGHEST_HZ = 20000.0
SMPTE_RATIO = 4.0

_CREST_GRID = 48000
_CREST_ITERATIONS = 100
_CREST_CLIP = 0.6


def tone_samples(*, frequency_hz: float, duration_s: float, sample_rate: int, level_dbfs: float) -> FloatArray:
    """Sine of one level, phase 0 at its first sample, with 10 ms fades.

    Parameters
    ----------
    frequency_hz : float
        Below half the sample rate.
    duration_s : float
        Length in seconds, fades included.
    sample_rate : int
        Hz.
    level_dbfs : float
        Peak level; 0 dBFS is an amplitude of 1.0.

    Returns
    -------
    ndarray, shape (round(duration_s * sample_rate),)
        Full scale 1.0.

    Raises
    ------
    ParameterError
        If the frequency does not fit below half the sample rate.
    """
    sine = _sine(frequency_hz, duration_s, sample_rate)
    return _with_fades(amplitude_from_db(level_dbfs) * sine, sample_rate)


def two_tone_samples(
    *, frequencies_hz: tuple[float, float], duration_s: float, sample_rate: int, level_dbfs: float
) -> FloatArray:
    """Pair of sines for intermodulation; the sum of the two amplitudes is the peak level.

    The lower tone is four times as strong where the two lie two octaves or more apart (SMPTE 60 + 7000 Hz, DIN
    250 + 8000 Hz), else both are equal (CCIF 19 + 20 kHz).

    Parameters
    ----------
    frequencies_hz : tuple of two floats
        In any order, both below half the sample rate.
    duration_s : float
        Length in seconds, fades included.
    sample_rate : int
        Hz.
    level_dbfs : float
        Peak level.

    Raises
    ------
    ParameterError
        If a frequency does not fit below half the sample rate.
    """
    lower_hz, upper_hz = sorted(frequencies_hz)
    ratio = two_tone_ratio(lower_hz, upper_hz)
    lower = _sine(lower_hz, duration_s, sample_rate)
    upper = _sine(upper_hz, duration_s, sample_rate)
    amplitude = amplitude_from_db(level_dbfs)
    return _with_fades(amplitude * (ratio * lower + upper) / (ratio + 1.0), sample_rate)


def two_tone_ratio(lower_hz: float, upper_hz: float) -> float:
    """Amplitude of the lower tone over the upper one: 4 or 1."""
    return SMPTE_RATIO if upper_hz >= 4.0 * lower_hz else 1.0


def multitone_frequencies_hz(*, tones_per_octave: int, sample_rate: int) -> tuple[float, ...]:
    """Frequencies of the multitone: a fraction of an octave apart around 1 kHz, from 31 Hz to 20 kHz.

    Each is the nearest odd whole number of Hz, so that the signal repeats every second and products of even order
    (sums and differences of two) fall between the tones, on even numbers. The range ends at 0.45 of the sample rate.

    Examples
    --------
    >>> multitone_frequencies_hz(tones_per_octave=1, sample_rate=44100)[:6]
    (31.0, 63.0, 125.0, 251.0, 501.0, 1001.0)
    """
    highest_hz = min(MULTITONE_HIGHEST_HZ, 0.45 * sample_rate)
    steps = np.arange(-6 * tones_per_octave, 5 * tones_per_octave + 1)
    exact_hz = 1000.0 * 2.0 ** (steps / tones_per_octave)
    odd_hz = np.unique(2.0 * np.floor(exact_hz / 2.0) + 1.0)
    within = (odd_hz >= MULTITONE_LOWEST_HZ) & (odd_hz <= highest_hz)
    return tuple(float(frequency_hz) for frequency_hz in odd_hz[within])


def multitone_samples(
    *, frequencies_hz: tuple[float, ...], duration_s: float, sample_rate: int, level_dbfs: float
) -> FloatArray:
    """Sines of equal amplitude at once, with phases that keep the peak low.

    Parameters
    ----------
    frequencies_hz : tuple of float
        Whole numbers of Hz below 24 kHz and half the sample rate.
    duration_s : float
        Length in seconds, fades included.
    sample_rate : int
        Hz.
    level_dbfs : float
        Level of the largest sample.

    Raises
    ------
    ParameterError
        If a frequency does not fit below half the sample rate.

    Notes
    -----
    Phases start from Schroeder's and are improved by clipping the one-second period and keeping the phases of what
    remains. The crest factor comes to 10 dB to 12 dB, up to 2 dB below the median of random phases; tones spread
    over ten octaves cannot come much lower (Schroeder's own phases, made for a linear spacing, reach 12 dB to 15 dB).

    References
    ----------
    E. van der Ouderaa, J. Schoukens, J. Renneboog, "Peak factor minimization using a time-frequency domain swapping
    algorithm", IEEE Trans. Instrum. Meas. 37 (1), 1988.
    """
    phases = _low_crest_phases(frequencies_hz)
    total = np.zeros(round(duration_s * sample_rate))
    for frequency_hz, phase in zip(frequencies_hz, phases, strict=True):
        total += _sine(frequency_hz, duration_s, sample_rate, phase=float(phase))
    total = _with_fades(total, sample_rate)
    return total * (amplitude_from_db(level_dbfs) / float(np.max(np.abs(total))))


def _low_crest_phases(frequencies_hz: tuple[float, ...]) -> FloatArray:
    """Phases (rad, of sines) by time-frequency swapping on one second at 48 kHz, the same for every sample rate."""
    bins = np.asarray(frequencies_hz).astype(np.int64)
    order = np.arange(len(bins))
    phases: FloatArray = -np.pi * order * (order - 1) / len(bins)
    best, best_peak = phases, np.inf
    for _ in range(_CREST_ITERATIONS):
        spectrum = np.zeros(_CREST_GRID // 2 + 1, dtype=np.complex128)
        # the sine's phase is the cosine's less a quarter turn
        spectrum[bins] = np.exp(1j * (phases - np.pi / 2))
        period = np.fft.irfft(spectrum)
        peak = np.max(np.abs(period))
        if peak < best_peak:
            best, best_peak = phases, peak
        clipped = np.clip(period, -_CREST_CLIP * peak, _CREST_CLIP * peak)
        phases = np.angle(np.fft.rfft(clipped)[bins]) + np.pi / 2
    return best


def _sine(frequency_hz: float, duration_s: float, sample_rate: int, *, phase: float = 0.0) -> FloatArray:
    if frequency_hz >= sample_rate / 2:
        raise ParameterError(
            f"a tone of {frequency_hz:g} Hz does not fit below half the sample_rate of {sample_rate} Hz; lower it"
        )
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    result: FloatArray = np.sin(2.0 * np.pi * frequency_hz * time_s + phase)
    return result


def _with_fades(samples: FloatArray, sample_rate: int) -> FloatArray:
    fade_samples = round(FADE_S * sample_rate)
    return faded(samples, fade_in_samples=fade_samples, fade_out_samples=fade_samples)
