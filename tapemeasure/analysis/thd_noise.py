"""Everything in the output of a sine that is not the sine: harmonics, hiss and hum together (THD+N)."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.spread import mean_of_blocks
from tapemeasure.analysis.tone_check import require_played_tone
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import frames_of, hann, tone_amplitudes
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_amplitude

LOWEST_HZ, HIGHEST_HZ = 20.0, 20000.0
NOTCH_Q = 3.0
WINDOWS = 4
_MAIN_LOBE_BINS = 3


@dataclass(frozen=True)
class ThdNoise:
    """Distortion and noise of a sine.

    Parameters
    ----------
    frequency_hz : float
        Of the sine.
    level_dbfs, output_dbfs, output_sigma_db : float
        Its peak level in the stimulus and in the output.
    thd_n_pct, thd_n_sigma_pct : float
        Rms of everything but the sine, against the rms of the whole output, and its standard uncertainty.
    low_hz, high_hz : float
        Band that was counted.
    """

    frequency_hz: float
    level_dbfs: float
    output_dbfs: float
    output_sigma_db: float
    thd_n_pct: float
    thd_n_sigma_pct: float
    low_hz: float
    high_hz: float


def thd_noise(stimulus: FloatArray, output: FloatArray, *, sample_rate: int, frequency_hz: float) -> ThdNoise:
    """Rms of harmonics and noise from 20 Hz to 20 kHz against that of the output of a sine, per cent.

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
        none or one of another frequency.

    Notes
    -----
    Power of Hann windows, half overlapping, the mean value removed. The sine is notched out with a width of
    ``frequency_hz / 3``: what is left of its flutter sidebands goes with it, and the noise of the notch is put back at
    the level found on both sides of it. The uncertainty is the scatter between the windows. At a low sample rate the
    band ends at 0.5 of it.

    Examples
    --------
    >>> time_s = np.arange(22050) / 44100
    >>> tone = 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    >>> bent = tone + 0.005 * np.sin(2 * np.pi * 3000 * time_s)
    >>> round(thd_noise(tone, bent, sample_rate=44100, frequency_hz=1000.0).thd_n_pct, 3)
    1.0
    """
    played = abs(require_played_tone(stimulus, output, sample_rate=sample_rate, frequency_hz=frequency_hz))
    if not np.any(output):
        raise SignalError("tone: the output is silent; check the cable, the level and the channel")
    tone = float(np.abs(tone_amplitudes(output, sample_rate=sample_rate, frequencies_hz=[frequency_hz])[0]))
    # the notch must hold the main lobe of the window
    window = hann(2 * len(output) // (WINDOWS + 1))
    frames = frames_of(output - np.mean(output), length_samples=len(window), hop_samples=len(window) // 2)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 * 2.0 / (len(window) * np.sum(window**2))
    frequency = np.arange(power.shape[1]) * (sample_rate / len(window))
    high_hz = min(HIGHEST_HZ, 0.5 * sample_rate)
    band = (frequency >= LOWEST_HZ) & (frequency <= high_hz)
    reach_hz = max(0.5 * frequency_hz / NOTCH_Q, _MAIN_LOBE_BINS * sample_rate / len(window))
    notch = band & (np.abs(frequency - frequency_hz) <= reach_hz)
    beside = band & ~notch & (np.abs(frequency - frequency_hz) <= 2.0 * reach_hz)
    fill = np.median(power[:, beside], axis=1) / np.log(2.0) if beside.any() else np.zeros(len(power))
    rest = np.sum(power[:, band & ~notch], axis=1) + fill * np.count_nonzero(notch)
    rest_rms = float(np.sqrt(np.mean(rest)))
    total_rms = float(np.hypot(rest_rms, tone / np.sqrt(2.0)))
    # half-overlapping Hann windows: 1.056 of them carry what one would
    scatter = float(np.sqrt(1.056)) * mean_of_blocks(rest).sigma / (2.0 * max(float(np.mean(rest)), 1e-300))
    return ThdNoise(
        frequency_hz=frequency_hz,
        level_dbfs=db_from_amplitude(played),
        output_dbfs=db_from_amplitude(tone),
        # a Hann window hears 1.5 bins, and the part in phase moves the amplitude
        output_sigma_db=20.0
        / float(np.log(10.0))
        * float(np.sqrt(1.5 * 1.056 * np.mean(fill) / len(power)))
        / max(tone, 1e-300),
        thd_n_pct=100.0 * rest_rms / total_rms,
        thd_n_sigma_pct=100.0 * rest_rms / total_rms * scatter,
        low_hz=LOWEST_HZ,
        high_hz=high_hz,
    )
