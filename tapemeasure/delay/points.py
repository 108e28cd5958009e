"""Delays of an output at the times that its timing reference gives, before they are put on a grid."""

from dataclasses import replace
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.delay.delay_points import Guide as Guide
from tapemeasure.delay.delay_points import Method as Method
from tapemeasure.delay.delay_points import Points as Points
from tapemeasure.delay.delay_points import moved_guide, restored
from tapemeasure.delay.demodulation import follow_tone
from tapemeasure.delay.fusion import fuse_delays
from tapemeasure.delay.inband import fused_with_programme, track_inband
from tapemeasure.delay.lost_programme import lost_in_programme
from tapemeasure.delay.lost_samples import LostSamples, repair_output, to_repaired
from tapemeasure.delay.lost_search import lost_in_inband, lost_in_pulses, lost_in_tone
from tapemeasure.delay.periods import missing_periods
from tapemeasure.delay.pilot import FoundPilot
from tapemeasure.delay.programme import Programme
from tapemeasure.delay.pulses import PulseDelays, PulseTrain, track_pulses
from tapemeasure.delay.refine import RefinedDelays, refine_delays
from tapemeasure.delay.resolution import lowpass, on_samples
from tapemeasure.delay.tone import Tone
from tapemeasure.delay.tone_delays import ToneDelays, track_tones
from tapemeasure.delay.turns import right_turns
from tapemeasure.errors import NoMatchError

DISTORTED = (
    "the machine distorts the programme so much that its waveform cannot be followed; tracked by correlation alone, "
    "good to some ten microseconds beside what the distortion itself delays: use a pilot"
)
TONES = (
    "much of what is heard are lone tones or sweeps: they fit at more than one delay, and do not tell it from the "
    "machine's own phase; what is found may be wrong by far more than its uncertainty: use a pilot"
)
MUCH = 1.0 / 3.0
TURN_IN_DOUBT = "the programme hardly tells the tone's periods apart; the mean delay may be wrong by multiples of"
MIN_COARSE_MATCH = 0.35
"""Correlation of the frames from which it alone is relied on: 0.6 through a machine without bias, 0.2 by chance."""

INBAND_PASSES = 2
UNKNOWN_S = 50e-6
"""Uncertainty of the programme's delay where it says nothing and is bridged."""


def track_points(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    pilot: FoundPilot | None,
    guide: Guide | None,
    programme: Programme | None,
    programme_channel: int,
    sample_rate: float,
    rate_hz: float,
    progress: Progress,
) -> Points:
    """Delay by the pilot that was found, else by the programme, seconds.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        Input and output.
    pilot : FoundPilot or None
        Pilot of the input.
    guide : Guide or None
        Tells the pilot's periods apart.
    programme : Programme or None
        The programme as it was found in the output.
    programme_channel : int
        From 0.
    sample_rate : float
        Hz.
    rate_hz : float
        Points per second of the grid that follows; a tone is low-passed for it.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    NoMatchError
        If the output holds neither.
    """
    polarity = None if programme is None else programme.polarity
    x = stimulus[:, programme_channel]
    if pilot is not None and pilot.channel is not None:
        beside = output[:, pilot.channel]
        heard = None if programme is None else (x, output[:, programme_channel])
        points, lost = (
            _by_pulses(pilot.train, beside, guide, polarity, sample_rate, heard)
            if pilot.train is not None
            else _by_tone(pilot.tones, beside, guide, polarity, sample_rate, rate_hz, heard)
        )
        if pilot.fused and programme is not None:
            y = programme.polarity * output[:, programme_channel]
            points = _fused(points, lost, x, y, programme, sample_rate, progress)
        return restored(points, lost, sample_rate)
    if programme is None:
        raise NoMatchError("no matching audio: there is neither a pilot nor a programme; check the channel")
    inband_hz = None if pilot is None else pilot.inband_hz
    y = programme.polarity * output[:, programme_channel]
    return _by_programme(x, y, programme, inband_hz, sample_rate, rate_hz, progress)


def _fused(
    points: Points,
    lost: tuple[LostSamples, ...],
    stimulus: FloatArray,
    output: FloatArray,
    programme: Programme,
    sample_rate: float,
    progress: Progress,
) -> Points:
    """The pilot's points moved to the programme's track, both on the time of the repaired output."""
    refined = _refined(stimulus, output, programme, lost, sample_rate, progress)
    hop_s = refined.hop_samples / sample_rate
    fused = fuse_delays(
        points.time_s,
        points.delay_s,
        points.sigma_s,
        points.valid,
        programme_time_s=np.arange(len(refined.delay_s), dtype=np.float64) * hop_s,
        programme_delay_s=refined.delay_s,
        programme_sigma_s=refined.sigma_s,
        programme_valid=refined.valid,
    )
    return replace(points, method="fused", delay_s=fused.delay_s, sigma_s=fused.sigma_s, valid=fused.valid)


def _refined(
    stimulus: FloatArray,
    output: FloatArray,
    programme: Programme,
    lost: tuple[LostSamples, ...],
    sample_rate: float,
    progress: Progress,
) -> RefinedDelays:
    """Delay by the programme on the time of the repaired output; `output` is the one as it is."""
    frames = programme.frames
    time_s = np.arange(len(frames.delay_s)) * frames.hop_samples / sample_rate
    moved = frames.delay_s + to_repaired(time_s, lost, sample_rate=sample_rate) - time_s
    whole = repair_output(output, lost, sample_rate=sample_rate)
    return refine_delays(stimulus, whole, replace(frames, delay_s=moved), sample_rate=sample_rate, progress=progress)


def _by_pulses(
    train: PulseTrain,
    output: FloatArray,
    guide: Guide | None,
    polarity: int | None,
    sample_rate: float,
    programme: tuple[FloatArray, FloatArray] | None,
) -> tuple[Points, tuple[LostSamples, ...]]:
    """Points on the time of the repaired output, and what was repaired; `programme` is that of input and output."""

    def follow(samples: FloatArray, guide: Guide | None) -> PulseDelays:
        return track_pulses(train, samples, sample_rate=sample_rate, **_guidance(guide))

    pulses = follow(output, guide)
    lost = lost_in_pulses(train, pulses, sample_rate=sample_rate)
    whole = repair_output(output, lost, sample_rate=sample_rate)
    if lost:
        pulses = follow(whole, moved_guide(guide, lost, sample_rate))
    period_s = train.period_samples / sample_rate
    if programme is not None and not pulses.agreed:
        played, heard = programme
        missing = missing_periods(
            played,
            repair_output(heard, lost, sample_rate=sample_rate),
            time_s=pulses.time_s,
            delay_s=pulses.delay_s,
            period_s=period_s,
            sample_rate=sample_rate,
        )
        if missing:
            pulses = follow(whole, Guide(pulses.time_s, pulses.delay_s + missing * period_s))
        pulses = replace(pulses, ambiguous=missing is None)
    points = Points(
        method="pulses",
        time_s=pulses.time_s,
        delay_s=pulses.delay_s,
        sigma_s=pulses.sigma_s,
        valid=pulses.found,
        polarity=pulses.polarity if polarity is None else polarity,
        reach_s=1.01 * period_s,
        ambiguous_s=period_s if pulses.ambiguous else None,
        dropouts=pulses.dropouts,
        told=_alias_told(pulses, period_s),
    )
    return points, lost


def _alias_told(pulses: PulseDelays, period_s: float) -> tuple[str, ...]:
    if not pulses.aliased_s > 0.5e-6:
        return ()
    return (
        f"flutter reaches up to the {0.5 / period_s:g} Hz that {1.0 / period_s:g} pulses/s can follow, and what lies "
        "above folds back; it is part of the uncertainty: take a tone as pilot for quick flutter",
    )


def _by_tone(
    tones: tuple[Tone, ...],
    output: FloatArray,
    guide: Guide | None,
    polarity: int | None,
    sample_rate: float,
    rate_hz: float,
    programme: tuple[FloatArray, FloatArray] | None,
) -> tuple[Points, tuple[LostSamples, ...]]:
    """Points on the time of the repaired output, and what was repaired; `programme` is that of input and output."""
    phase = follow_tone(output, frequency_hz=tones[0].frequency_hz, sample_rate=sample_rate)
    lost = lost_in_tone(tones[0], output, phase, sample_rate=sample_rate)
    whole = repair_output(output, lost, sample_rate=sample_rate)
    found = track_tones(
        tones,
        whole,
        sample_rate=sample_rate,
        strongest=None if lost else phase,
        **_guidance(moved_guide(guide, lost, sample_rate)),
    )
    period_s = 1.0 / min(tone.frequency_hz for tone in tones)
    told: tuple[str, ...] = ()
    if programme is not None:
        played, heard = programme
        heard = repair_output(heard, lost, sample_rate=sample_rate)
        found, sure = right_turns(found, played, heard, period_s=period_s, sample_rate=sample_rate)
        told = () if sure else (f"{TURN_IN_DOUBT} {1e3 * period_s:.3f} ms",)
    points = _of_tone("tone", found, polarity or 1, sample_rate, rate_hz, period_s)
    return replace(points, told=told), lost


def _by_programme(
    stimulus: FloatArray,
    output: FloatArray,
    programme: Programme,
    inband_hz: float | None,
    sample_rate: float,
    rate_hz: float,
    progress: Progress,
) -> Points:
    """Delay by the programme and, where there is one, the tone inside it; `output` with its polarity put right."""
    lost: tuple[LostSamples, ...] = ()
    refined, clear_share = programme.refined, None
    if refined is None and inband_hz is None:
        found = lost_in_programme(stimulus, output, programme.frames, sample_rate=sample_rate, progress=progress)
        refined, lost, clear_share = found.refined, found.lost, found.clear_share
    elif refined is None:
        refined = refine_delays(stimulus, output, programme.frames, sample_rate=sample_rate, progress=progress)
    if refined.coarse and programme.match < MIN_COARSE_MATCH:
        raise NoMatchError(
            f"no matching audio: the waveform cannot be followed, and a correlation of {programme.match:.2f} alone may "
            f"be chance, {MIN_COARSE_MATCH:g} is needed: the machine distorts too much, or its speed wanders by more "
            "than a per cent; use a pilot"
        )
    if inband_hz is not None:
        return _by_inband(stimulus, output, programme, refined, inband_hz, sample_rate, rate_hz)
    points = Points(
        method="correlation",
        time_s=np.arange(len(refined.delay_s)) * refined.hop_samples / sample_rate,
        delay_s=refined.delay_s,
        sigma_s=refined.sigma_s,
        valid=refined.valid,
        polarity=programme.polarity,
        reach_s=1.01 * refined.hop_samples / sample_rate,
        told=(TONES,) if refined.tonal_share > MUCH else (DISTORTED,) if refined.coarse else (),
        clear_share=clear_share,
    )
    return restored(points, lost, sample_rate)


def _by_inband(
    stimulus: FloatArray,
    output: FloatArray,
    programme: Programme,
    refined: RefinedDelays,
    inband_hz: float,
    sample_rate: float,
    rate_hz: float,
) -> Points:
    def known(refined: RefinedDelays, length: int) -> FloatArray:
        return on_samples(refined.delay_s, hop=refined.hop_samples, length=length)

    settings: dict[str, Any] = {"frequency_hz": inband_hz, "sample_rate": sample_rate}
    lost = lost_in_inband(stimulus, output, known(refined, len(output)), **settings)
    if lost:
        refined = _refined(stimulus, output, programme, lost, sample_rate, no_progress)
        output = repair_output(output, lost, sample_rate=sample_rate)
    delay = known(refined, len(output))
    hop_s = refined.hop_samples / sample_rate
    grid = np.arange(len(refined.delay_s)) * hop_s
    sigma_known = np.where(refined.valid, refined.sigma_s, UNKNOWN_S)
    for _ in range(INBAND_PASSES):
        doubt_s = np.interp(np.arange(len(output)) / sample_rate, grid, sigma_known)
        tone = track_inband(stimulus, output, delay, sigma_s=doubt_s, **settings)
        place = np.arange(len(tone.delay_s)) * tone.step_samples / sample_rate
        sigma = np.interp(place, grid, sigma_known)
        tone = fused_with_programme(
            tone, np.interp(place, grid, refined.delay_s), sigma, limit_hz=0.5 * rate_hz, sample_rate=sample_rate
        )
        delay = on_samples(tone.delay_s, hop=tone.step_samples, length=len(output))
    return restored(
        _of_tone("inband", tone, programme.polarity, sample_rate, rate_hz, 1.0 / inband_hz), lost, sample_rate
    )


def _guidance(guide: Guide | None) -> dict[str, Any]:
    return {} if guide is None else {"guide_time_s": guide.time_s, "guide_delay_s": guide.delay_s}


def _of_tone(
    method: Method, tone: ToneDelays, polarity: int, sample_rate: float, rate_hz: float, period_s: float
) -> Points:
    """Points of a tone, without what the grid cannot hold: it would only be noise there."""
    step_s = tone.step_samples / sample_rate
    delay, sigma, limit_hz = tone.delay_s, tone.sigma_s, 0.5 * rate_hz
    if limit_hz < tone.bandwidth_hz:
        delay = lowpass(delay, rate_hz=1.0 / step_s, limit_hz=limit_hz)
        noise = np.sqrt(np.maximum(sigma**2 - tone.systematic_s**2, 0.0))
        sigma = np.hypot(noise * np.sqrt(limit_hz / tone.bandwidth_hz), tone.systematic_s)
    time = np.arange(len(delay), dtype=np.float64) * step_s
    ambiguous_s = period_s if tone.ambiguous else None
    return Points(method, time, delay, sigma, tone.found, polarity, 1.01 * step_s, ambiguous_s, dropouts=tone.dropouts)
