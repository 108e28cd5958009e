"""Whether a recorded stretch can be measured at all: silent, clipped, too soft, or a tone of another frequency."""

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.dsp.spectra import hann, tone_amplitudes
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.units import db_from_amplitude

FULL_SCALE = 0.9999
"""A converter gives no more than this."""
MIN_CLIPPED_RUN = 3
SEARCH_OCTAVES = 0.5
MIN_PERIODS = 20.0
LOST_DB = 6.0
"""A line elsewhere must be this much stronger than what is found at the frequency played."""


def clipped_samples(samples: FloatArray) -> int:
    """Samples that lie at full scale (1.0) in runs of three or more; 0 for a signal that merely touches it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        As captured, before any delay was undone or gain applied.

    Examples
    --------
    >>> clipped_samples(np.array([0.2, 1.0, 1.0, 1.0, 0.3, 1.0]))
    3
    """
    runs = [stop - start for start, stop in runs_of(np.abs(samples) >= FULL_SCALE)]
    return sum(length for length in runs if length >= MIN_CLIPPED_RUN)


def strongest_line_hz(samples: FloatArray, *, sample_rate: int, near_hz: float) -> float:
    """Frequency of the strongest line within half an octave of a frequency, Hz.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        At least four periods of `near_hz`.
    sample_rate : int
        Hz.
    near_hz : float
        Centre of the search.

    Raises
    ------
    SignalError
        If the stretch is too short.

    Notes
    -----
    Parabola through the logarithms of the three highest bins of a Hann window: within 2 % of a bin
    (``1 / duration``) for a steady tone.
    """
    if len(samples) * near_hz / sample_rate < 4.0:
        raise SignalError(f"tone: {len(samples)} samples hold fewer than 4 periods of {near_hz:g} Hz; play it longer")
    power = np.abs(np.fft.rfft((samples - np.mean(samples)) * hann(len(samples)))) ** 2
    bin_hz = sample_rate / len(samples)
    reach = 2.0**SEARCH_OCTAVES
    low = max(1, int(np.ceil(near_hz / reach / bin_hz)))
    high = min(len(power) - 2, int(np.floor(near_hz * reach / bin_hz)))
    peak = low + int(np.argmax(power[low : high + 1]))
    left, middle, right = np.log(np.maximum(power[peak - 1 : peak + 2], 1e-300))
    curvature = left - 2.0 * middle + right
    shift = 0.0 if curvature >= 0.0 else float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5))
    return (peak + shift) * bin_hz


def require_tone(output: FloatArray, *, sample_rate: int, frequency_hz: float) -> None:
    """Refuse a stretch whose tone has another frequency than the one played.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        The steady part of the tone, its delay undone.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone played.

    Raises
    ------
    SignalError
        If the strongest line within half an octave lies more than two periods of the record beside the tone and is
        6 dB stronger than what is found at the tone itself.
    """
    found_hz = strongest_line_hz(output, sample_rate=sample_rate, near_hz=frequency_hz)
    if abs(found_hz - frequency_hz) <= 2.0 * sample_rate / len(output) or found_hz >= 0.5 * sample_rate:
        return
    there, here = (
        float(np.abs(tone_amplitudes(output, sample_rate=sample_rate, frequencies_hz=[tone_hz])[0]))
        for tone_hz in (found_hz, frequency_hz)
    )
    noise = float(np.sqrt(6.0 * np.mean(np.square(output)) / len(output)))
    # in a stretch of noise some bin is always the highest: that is a lost tone and not a tone elsewhere
    if there > 10.0 * noise and db_from_amplitude(there) > db_from_amplitude(here) + LOST_DB:
        off_pct = 100.0 * (found_hz / frequency_hz - 1.0)
        raise SignalError(
            f"tone: {found_hz:.1f} Hz came back where {frequency_hz:g} Hz was played ({off_pct:+.1f} %); set the "
            "machine to the speed of the recording, or undo the delay first"
        )


def require_played_tone(stimulus: FloatArray, output: FloatArray, *, sample_rate: int, frequency_hz: float) -> complex:
    """Refuse a pair that is no recording of a steady sine; else the sine's complex amplitude in the stimulus.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The steady part of the tone (no fades), the output's delay undone.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone played.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the record holds fewer than 20 periods of the tone, the stimulus does not hold the tone, or the output holds
        NaN or a tone of another frequency.
    """
    if len(stimulus) != len(output):
        raise MismatchError(f"tone: stimulus {len(stimulus)} samples, output {len(output)}; align the output first")
    periods = len(stimulus) * frequency_hz / sample_rate
    if periods < MIN_PERIODS:
        raise SignalError(
            f"tone: {periods:.1f} periods of {frequency_hz:g} Hz; at least {MIN_PERIODS:g} are needed, play it longer"
        )
    played = complex(tone_amplitudes(stimulus, sample_rate=sample_rate, frequencies_hz=[frequency_hz])[0])
    if abs(played) < 0.5 * np.sqrt(2.0 * np.mean(np.square(stimulus))) or played == 0.0:
        raise SignalError(f"tone: the stimulus is not a sine of {frequency_hz:g} Hz there; check the timeline")
    if not np.isfinite(output).all():
        raise SignalError("tone: the output holds NaN or infinite samples; record it again")
    require_tone(output, sample_rate=sample_rate, frequency_hz=frequency_hz)
    return played
