"""Which period of a train of pulses is the right one, by loud seconds of the programme.

The pulses tell how the delay moves, all but a whole number of periods. With that movement undone, speed and wow
included, every second of programme stands at one lag against the input; those of steady tones fit at many, those of
music and sweeps at one, and all of them together decide.
"""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.resolution import SEARCH_RATE_HZ, decimate
from tapemeasure.dsp.correlation import WHITENING
from tapemeasure.dsp.fractional import read_at

PASSAGES = 16
PASSAGE_S = 1.0
FAINT_DB = 40.0
"""Passages this far below the loudest say nothing."""

REACHES_S = (0.1, 1.0)
"""How far a guide may be wrong; the second is asked where the first tells nothing."""

CLEAR = 1.5
"""How far the passages' agreement must stand out of that in every other period."""

LEAST = 0.03
"""Least agreement of the passages on average; unrelated ones reach 0.02 at 1.1 times what other periods have."""

HALF_TAPS = 16


def missing_periods(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    time_s: FloatArray,
    delay_s: FloatArray,
    period_s: float,
    sample_rate: float,
) -> int | None:
    """Whole periods that a delay is short of the true one; None where the programme does not tell.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel of input and output, full scale 1.0; the polarity does not matter.
    time_s, delay_s : ndarray, shape (n_points,)
        Output times, rising, and delays that are right modulo `period_s`, seconds.
    period_s : float
        Of the pulses, seconds.
    sample_rate : float
        Hz.

    Notes
    -----
    Generalised cross-correlation (``|G|**-0.6``) at about 11 kHz of up to 16 loud seconds of the output, one from each
    16th of its length, with the input delayed as the pulses say; the squared envelopes of all of them are averaged.
    The period is told if the highest average is 1.5 times that of any other period, and at least 0.03. Delays that are
    wrong by up to 1 s are put right.
    """
    starts = _loud_seconds(output, length=round(PASSAGE_S * sample_rate))
    for reach_s in REACHES_S:
        agreements = [
            _agreement(stimulus, output, start, time_s, delay_s, reach_s=reach_s, sample_rate=sample_rate)
            for start in starts
        ]
        known = [agreement for agreement in agreements if agreement is not None]
        if not known:
            return None
        lag_s, power = known[0][0], np.mean([each[1] for each in known], axis=0)
        best = int(np.argmax(power))
        periods = round(float(lag_s[best]) / period_s)
        others = power[np.abs(lag_s - lag_s[best]) > 0.5 * period_s]
        if power[best] > max(LEAST, CLEAR * float(others.max(initial=0.0))):
            return periods
    return None


def _loud_seconds(output: FloatArray, *, length: int) -> list[int]:
    """Starts of the loudest passage in each part of an output, the faint ones left out; the bass does not count."""
    hop = max(1, length // 4)
    edges = np.arange(0, max(len(output) - 1, 1), hop)
    power = np.add.reduceat(np.diff(output, append=output[-1:]) ** 2, edges)
    energy = np.convolve(power, np.ones(4), mode="valid") if len(power) >= 4 else np.array([power.sum()])
    parts = np.array_split(np.arange(len(energy)), min(PASSAGES, len(energy)))
    best = [int(part[np.argmax(energy[part])]) for part in parts]
    least = 10.0 ** (-FAINT_DB / 10.0) * energy.max()
    return [int(edges[index]) for index in best if energy[index] > least]


def _agreement(
    stimulus: FloatArray,
    output: FloatArray,
    start: int,
    time_s: FloatArray,
    delay_s: FloatArray,
    *,
    reach_s: float,
    sample_rate: float,
) -> tuple[FloatArray, FloatArray] | None:
    """Lags in seconds, and the squared envelope of the correlation there, 0..1; None outside the input."""
    from scipy import fft

    factor = max(1, int(sample_rate // SEARCH_RATE_HZ))
    rate = sample_rate / factor
    # the output on the input's time, but for the periods that are missing
    own_s = time_s - delay_s
    first = max(0, start - HALF_TAPS * factor)
    heard = decimate(output[first : start + round(PASSAGE_S * sample_rate)], factor)
    begin_s, end_s = np.interp([start / sample_rate, start / sample_rate + PASSAGE_S], time_s, own_s)
    played_s = np.arange(begin_s, end_s, 1.0 / rate)
    heard = read_at(heard, (np.interp(played_s, own_s, time_s) - first / sample_rate) * rate, half_taps=HALF_TAPS)
    reach = round(reach_s * rate)
    low = round(begin_s * sample_rate) - reach * factor
    high = low + (len(heard) + 2 * reach) * factor
    if high <= 0 or low >= len(stimulus) or end_s - begin_s < 0.5 * PASSAGE_S:
        return None
    inside = stimulus[max(low, 0) : high]
    expected = decimate(np.pad(inside, (max(-low, 0), max(high - max(low, 0) - len(inside), 0))), factor)
    length = fft.next_fast_len(len(expected) + len(heard))
    cross = fft.fft(heard * np.hanning(len(heard)), length) * np.conj(fft.fft(expected, length))
    magnitude = np.abs(cross)
    cross /= np.maximum(magnitude, 1e-9 * magnitude.max() + 1e-300) ** WHITENING
    # without its negative frequencies the correlation's magnitude is its envelope
    cross[length // 2 :] = 0.0
    most = float(np.abs(cross).sum()) / length
    # the piece begins `reach` samples behind the begin of what is played around it
    lags = np.arange(-reach, reach + 1)
    power = (np.abs(fft.ifft(cross)[lags - reach]) / max(most, 1e-300)) ** 2
    return lags / rate, np.asarray(power, dtype=np.float64)
