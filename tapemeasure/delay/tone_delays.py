"""The delay from a steady tone on a channel of its own (3150 Hz): its phase; what is in phase is amplitude modulation.

A tone is ambiguous modulo its period; the programme, a lower tone, or the place where the tone begins or ends, decides.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, runs_of
from tapemeasure.delay.demodulation import CLEAR, NARROW_HZ, TonePhase, follow_tone
from tapemeasure.delay.resolution import bridge
from tapemeasure.delay.tone import MIN_TONE_S, Tone, crossing
from tapemeasure.dsp.dropouts import Dropout, find_dropouts, usual_level
from tapemeasure.errors import NoMatchError

DROPOUT = 0.3
"""Fraction of the tone's usual amplitude below which it counts as lost."""

GROUP_DELAY_S, GROUP_DELAY_SIGMA_S = 5e-6, 7e-6
"""What the filters of a machine hold the tone's swing back by: a tone alone cannot tell it. From 0 (a digital chain) to
a dozen microseconds (an upper limit of second order at 13 to 20 kHz)."""

EDGE_S = 1e-3

SURE = 1.0 / 6.0
"""Standard deviation, in periods, up to which the number of whole turns is beyond doubt."""


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
    amplitude : ndarray, shape (n_points,)
        Peak amplitude, full scale 1.0: its fluctuation is the tape's modulation noise.
    systematic_s : ndarray, shape (n_points,)
        That part of `sigma_s` which is no noise, and which no low-pass makes less.
    dropouts : tuple of Dropout
        Where the tone falls by 6 dB and more.
    stretches : tuple of (first, stop)
        Points whose delays share one number of whole turns beyond doubt.
    """

    step_samples: int
    delay_s: FloatArray
    sigma_s: FloatArray
    found: BoolArray
    ambiguous: bool
    bandwidth_hz: float
    amplitude: FloatArray
    systematic_s: FloatArray
    dropouts: tuple[Dropout, ...] = ()
    stretches: tuple[tuple[int, int], ...] = ()


def track_tone(
    tone: Tone,
    output: FloatArray,
    *,
    sample_rate: float,
    guide_time_s: FloatArray | None = None,
    guide_delay_s: FloatArray | None = None,
    phase: TonePhase | None = None,
) -> ToneDelays:
    """Delay from the phase of a tone on a channel of its own, seconds.

    Parameters
    ----------
    tone : Tone
        Of the input, from `find_tones`.
    output : ndarray, shape (n_samples,)
        Pilot channel of the output.
    sample_rate : float
        Hz.
    guide_time_s, guide_delay_s : ndarray, optional
        Output times and delays, from the programme or a lower tone, that are good to half the tone's period.
    phase : TonePhase, optional
        Of `output`, where `follow_tone` was asked already.

    Raises
    ------
    NoMatchError
        If the tone is not in the output.

    Notes
    -----
    Complex demodulation that follows the tone, 200 Hz to each side. Expected accuracy with hiss 48 dB below the tone:
    0.03 us rms, which is the Cramer-Rao bound; the machine's phase at the tone's frequency adds a constant. Its group
    delay there shows every swing late, which no phase can tell from the delay: 5 us are taken off, and the speed
    deviation times 7 us is part of the uncertainty.
    """
    if phase is None:
        phase = follow_tone(output, frequency_hz=tone.frequency_hz, sample_rate=sample_rate)
    step_s = phase.step_samples / sample_rate
    time: FloatArray = np.arange(len(phase.phase), dtype=np.float64) * step_s
    usual = usual_level(phase.amplitude, rate_hz=1.0 / step_s)
    found = eroded(phase.amplitude > DROPOUT * usual, points=round(1.5 / (NARROW_HZ * step_s)))
    if not np.median(usual) > CLEAR * phase.noise or found.sum() * step_s < MIN_TONE_S:
        raise NoMatchError(
            f"no tone: {tone.frequency_hz:.1f} Hz is not steady in the pilot channel of the output; check the cable, "
            "or track without it (--pilot none)"
        )
    omega, period = 2.0 * np.pi * tone.frequency_hz, 1.0 / tone.frequency_hz
    raw = (tone.phase - phase.phase) / omega
    delay, stretches = joined(raw, found, period_s=period)
    ambiguous = False
    if guide_time_s is not None and guide_delay_s is not None:
        for first, stop in stretches:
            beyond = delay[first:stop] - np.interp(time[first:stop], guide_time_s, guide_delay_s)
            delay[first:stop] -= period * np.round(np.median(beyond[found[first:stop]]) / period)
    else:
        turn, known = _turns(tone, phase, usual, found, delay, sample_rate=sample_rate)
        delay -= period * turn
        ambiguous = not (known and len(stretches) == 1)
    delay = bridge(delay, found)
    speed = np.gradient(delay, step_s) if len(delay) > 1 else np.zeros(1)
    # at the ends of the file the filter looks to one side
    edge = np.abs(speed) * np.maximum(0.0, EDGE_S - np.minimum(time, time[-1] - time))
    swing = speed - speed.mean()
    delay = delay + GROUP_DELAY_S * swing
    systematic = np.hypot(GROUP_DELAY_SIGMA_S * swing, edge)
    sigma = np.hypot(phase.noise / (omega * np.maximum(phase.amplitude, 1e-12)), systematic)
    return ToneDelays(
        step_samples=phase.step_samples,
        delay_s=delay,
        sigma_s=np.where(found, sigma, np.inf),
        found=found,
        ambiguous=ambiguous,
        bandwidth_hz=NARROW_HZ,
        amplitude=phase.amplitude,
        systematic_s=systematic,
        dropouts=find_dropouts(phase.amplitude, usual, _between(found), time_s=time),
        stretches=stretches,
    )


def track_tones(
    tones: tuple[Tone, ...],
    output: FloatArray,
    *,
    sample_rate: float,
    guide_time_s: FloatArray | None = None,
    guide_delay_s: FloatArray | None = None,
    strongest: TonePhase | None = None,
) -> ToneDelays:
    """Delay from all tones of a channel, seconds, each as `track_tone` tracks it; `strongest` is the first one's phase.

    Notes
    -----
    Each tone tells the turns of the next higher one. Their delays, whose constants differ by the machine's phase, are
    moved to that of the most exact tone and averaged with the weights of their uncertainties.
    """
    tracked: list[ToneDelays] = []
    guide = (guide_time_s, guide_delay_s)
    for tone in sorted(tones, key=lambda tone: tone.frequency_hz):
        found = track_tone(
            tone,
            output,
            sample_rate=sample_rate,
            guide_time_s=guide[0],
            guide_delay_s=guide[1],
            phase=strongest if tone is tones[0] else None,
        )
        time = np.arange(len(found.delay_s)) * found.step_samples / sample_rate
        guide = (time[found.found], found.delay_s[found.found])
        tracked.append(found)
    best = min(tracked, key=lambda found: float(np.median(found.sigma_s[found.found])))
    if len(tracked) == 1:
        return best
    weight, total = np.zeros(len(best.delay_s)), np.zeros(len(best.delay_s))
    for found in tracked:
        both = found.found & best.found
        moved = found.delay_s + (float(np.median((best.delay_s - found.delay_s)[both])) if both.any() else 0.0)
        own = np.where(found.found, found.sigma_s, np.inf) ** -2.0
        weight += own
        total += own * moved
    known = weight > 0.0
    delay = bridge(np.divide(total, weight, out=np.zeros(len(total)), where=known), known)
    sigma = np.where(known, np.maximum(weight, 1e-300) ** -0.5, np.inf)
    return ToneDelays(
        best.step_samples,
        delay,
        sigma,
        known,
        tracked[0].ambiguous,
        best.bandwidth_hz,
        best.amplitude,
        np.minimum(best.systematic_s, sigma),
        best.dropouts,
        tracked[0].stretches,
    )


def joined(delay_s: FloatArray, found: BoolArray, *, period_s: float) -> tuple[FloatArray, tuple[tuple[int, int], ...]]:
    """Delays that follow each other over gaps with the least jumps, and the stretches inside which that is no doubt.

    A gap leaves a doubt if the delay usually wanders by a sixth of a period over as much time.
    """
    result = delay_s.copy()
    stretches: list[tuple[int, int]] = []
    before: int | None = None
    for first, stop in runs_of(found):
        if before is not None:
            result[first:stop] += period_s * np.round((result[before] - result[first]) / period_s)
            gap = first - before
            both = found[gap:stop] & found[: stop - gap]
            wander = np.std((result[gap:stop] - result[: stop - gap])[both]) if both.any() else np.inf
            if wander < SURE * period_s:
                first = stretches.pop()[0]
        stretches.append((first, stop))
        before = stop - 1
    return result, tuple(stretches)


def _turns(
    tone: Tone, phase: TonePhase, usual: FloatArray, found: BoolArray, delay_s: FloatArray, *, sample_rate: float
) -> tuple[float, bool]:
    """Whole periods to take off, by the place where the tone begins, or ends; and whether that is beyond doubt."""
    step, period = phase.step_samples, 1.0 / tone.frequency_hz
    relative = phase.amplitude / np.maximum(usual, 1e-300)
    on = np.flatnonzero(relative > 0.5)
    time = np.arange(len(relative)) * step / sample_rate
    near = round(0.05 * sample_rate / step)
    good = np.flatnonzero(found)
    last_known = (len(relative) - 1) * step - tone.stop_samples
    ends = (
        (int(on[0]), relative, tone.start_samples, False, good[:near]),
        (len(relative) - 1 - int(on[-1]), relative[::-1], last_known, True, good[-near:]),
    )
    for first, level, expected_samples, reverse, points in ends:
        if first < 3:
            continue
        place = crossing(level, first)
        slope = max(float(level[first] - level[first - 1]), 1e-3)
        sigma_s = phase.noise / float(np.median(usual)) / slope * step / sample_rate
        at = len(level) - 1 - place if reverse else place
        edge_s = (expected_samples / sample_rate - place * step / sample_rate) * (1 if reverse else -1)
        slope_s = np.polyfit(time[points] - at * step / sample_rate, delay_s[points], 1)
        turn = round((float(slope_s[1]) - edge_s) / period)
        if sigma_s < SURE * period:
            return turn, True
    return round(float(np.median(delay_s[good[:near]])) / period), False


def _between(found: BoolArray) -> BoolArray:
    """True from the first to the last true value."""
    places = np.flatnonzero(found)
    inside = np.zeros(len(found), dtype=np.bool_)
    if len(places):
        inside[places[0] : places[-1] + 1] = True
    return inside


def eroded(good: BoolArray, *, points: int) -> BoolArray:
    """True only where the neighbours within `points` are true as well: the filter smears the edge of a dropout."""
    from scipy.ndimage import minimum_filter1d

    return np.asarray(minimum_filter1d(good, 2 * points + 1, mode="nearest"), dtype=np.bool_)
