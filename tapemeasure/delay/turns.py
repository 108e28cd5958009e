"""Which turn of a tone is the right one, by the whole programme at once.

The tone tells how the delay moves, all but one constant. With that movement undone, minutes of programme are one single
passage: steady tones and sweeps, each of which fits at many delays, fit together at one delay only.
"""

from dataclasses import replace

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.resolution import SlowPair, bridge, warp
from tapemeasure.delay.tone_delays import ToneDelays
from tapemeasure.dsp.correlation import WHITENING

REACH_S = 0.05
"""How far a guide may be wrong: four times the distance at which passages still agree."""

CLEAR = 1.5
"""How far the power at the best delay must stand out of that at all others beyond its own peak."""

BESIDE_S = 0.5e-3
"""Width of the envelope's peak to each side, at least; one and a half periods of a lower tone."""

FINE_S = 0.2e-3
"""What the envelope's peak is good to, filters of the machine included: a guide closer than this is kept."""

HALF_TAPS = 16
FADED = 0.2
"""Part of a stretch that is faded in and out."""


def right_turns(
    found: ToneDelays, stimulus: FloatArray, output: FloatArray, *, period_s: float, sample_rate: float
) -> tuple[ToneDelays, bool]:
    """A tone's delays moved to the turns that the programme tells, and whether it told that of the longest stretch.

    Parameters
    ----------
    found : ToneDelays
        Delays that may be wrong by whole periods, another number of them in each of its stretches.
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel of input and output, full scale 1.0.
    period_s : float
        Of the lowest tone.
    sample_rate : float
        Hz.

    Notes
    -----
    A stretch that the programme does not tell goes on with the least jump where the stretch beside it ends; all stay
    where the guide has put them if the programme tells none.
    """
    missing = missing_delays(
        stimulus,
        output,
        found.delay_s,
        step_samples=found.step_samples,
        stretches=found.stretches,
        period_s=period_s,
        sample_rate=sample_rate,
    )
    told = [index for index, delay_s in enumerate(missing) if delay_s is not None]
    if not told:
        return found, False
    delay = found.delay_s.copy()
    for (first, stop), missing_s in zip(found.stretches, missing, strict=True):
        delay[first:stop] += missing_s or 0.0
    order = sorted(set(range(len(missing))) - set(told), key=lambda index: abs(index - told[0]))
    for index in order:
        first, stop = found.stretches[index]
        behind = index > told[0]
        near = found.stretches[index - 1][1] - 1 if behind else found.stretches[index + 1][0]
        jump_s = delay[near] - delay[first if behind else stop - 1]
        delay[first:stop] += period_s * np.round(jump_s / period_s)
    longest = int(np.argmax([stop - first for first, stop in found.stretches]))
    return replace(found, delay_s=bridge(delay, found.found)), longest in told


def missing_delays(
    stimulus: FloatArray,
    output: FloatArray,
    delay_s: FloatArray,
    *,
    step_samples: int,
    stretches: tuple[tuple[int, int], ...],
    period_s: float,
    sample_rate: float,
) -> list[float | None]:
    """How much a delay that is right but for a constant is short of the true one, whole periods, seconds.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel of input and output, full scale 1.0; the polarity does not matter.
    delay_s : ndarray, shape (n_points,)
        Delay at every `step_samples`-th sample of the output.
    step_samples : int
        Samples.
    stretches : tuple of (first, stop)
        Points whose delays share one constant; the constant may be another in every stretch.
    period_s : float
        Of the tone; up to 20 ms.
    sample_rate : float
        Hz.

    Returns
    -------
    list of float or None
        One a stretch; None where the programme does not tell the turn.

    Notes
    -----
    Generalised cross-correlation (``|G|**-0.6``) at about 11 kHz of the output and the input delayed as the tone says,
    over the whole stretch; the peak of its envelope is good to 0.2 ms.
    """
    pair = SlowPair.of(stimulus, output, sample_rate=sample_rate)
    y, rate, factor = pair.output, pair.sample_rate, sample_rate / pair.sample_rate
    places = np.arange(len(delay_s)) * (step_samples / factor)
    expected = warp(pair.stimulus, np.interp(np.arange(len(y)), places, delay_s), sample_rate=rate, half_taps=HALF_TAPS)
    found: list[float | None] = []
    for first, stop in stretches:
        inside = slice(round(first * step_samples / factor), round(stop * step_samples / factor))
        found.append(_turn(expected[inside], y[inside], period_s=period_s, rate=rate))
    return found


def _turn(expected: FloatArray, heard: FloatArray, *, period_s: float, rate: float) -> float | None:
    from scipy import fft
    from scipy.signal.windows import tukey

    reach = round(REACH_S * rate)
    if len(heard) <= 2 * reach:
        return None
    length = fft.next_fast_len(len(heard) + reach)
    # hard ends, which both have at the same place, would match each other
    fade = tukey(len(heard), FADED)
    cross = fft.fft(fade * heard, length) * np.conj(fft.fft(fade * expected, length))
    magnitude = np.abs(cross)
    cross /= np.maximum(magnitude, 1e-9 * magnitude.max() + 1e-300) ** WHITENING
    # without its negative frequencies the correlation's magnitude is its envelope
    cross[length // 2 :] = 0.0
    power = np.abs(fft.ifft(cross)) ** 2
    lags = np.arange(-reach, reach + 1)
    power = power[lags]
    best = int(np.argmax(power))
    others = power[np.abs(lags - lags[best]) > max(1.5 * period_s, BESIDE_S) * rate]
    if not power[best] > CLEAR * float(others.max(initial=0.0)):
        return None
    lag_s = float(lags[best]) / rate
    return 0.0 if abs(lag_s) < max(0.5 * period_s, FINE_S) else period_s * round(lag_s / period_s)
