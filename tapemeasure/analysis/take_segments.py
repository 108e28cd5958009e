"""Measures that single segments of a take tell of: steps, pairs of tones, the multitone, the pilot, the marker.

Each gives None (or nothing), with the reason noted in the `TakeView`, where the take lacks what it needs.
"""

from dataclasses import replace

import numpy as np

from tapemeasure.analysis.azimuth import Azimuth, measure_azimuth
from tapemeasure.analysis.channel_balance import ChannelBalance, channel_balance
from tapemeasure.analysis.crosstalk import Crosstalk, measure_crosstalk
from tapemeasure.analysis.dropouts import ToneDropouts, measure_dropouts
from tapemeasure.analysis.intermodulation import Intermodulation, intermodulation
from tapemeasure.analysis.loops import HysteresisLoop, hysteresis_loop
from tapemeasure.analysis.modulation_noise import ModulationNoise, measure_modulation_noise
from tapemeasure.analysis.multitone import multitone_response
from tapemeasure.analysis.print_through import PrintThrough, measure_print_through
from tapemeasure.analysis.response import Response, programme_response
from tapemeasure.analysis.take_view import TakeView
from tapemeasure.analysis.thd_noise import ThdNoise, thd_noise
from tapemeasure.analysis.transport import Transport
from tapemeasure.dsp.spectra import tone_amplitudes
from tapemeasure.signals.timeline import Segment

MODULATION_HZ = (900.0, 3500.0)
MODULATION_DBFS = (-20.0, -6.0)
"""Tones whose modulation noise is read: loud against hiss, and not squeezed by saturation."""

LOOP_DBFS = -6.0
SAME_SIGNAL = 0.99


def modulation_noise_of(take: TakeView) -> ModulationNoise | None:
    """Of the loudest step that is neither soft nor squeezed."""
    silence = take.silent()
    low_hz, high_hz = MODULATION_HZ
    low_dbfs, high_dbfs = MODULATION_DBFS
    steps = [
        segment
        for segment in take.segments("step")
        if low_hz <= segment.frequencies_hz[0] <= high_hz and low_dbfs <= (segment.level_dbfs or 0.0) <= high_dbfs
    ]
    if not steps:
        take.reasons.append(
            f"modulation noise: the take has no step of {low_hz:g}-{high_hz:g} Hz at {low_dbfs:g} to {high_dbfs:g} dBFS"
        )
        return None
    loudest = max(steps, key=lambda segment: segment.level_dbfs or 0.0)
    return take.attempt(
        "modulation noise",
        measure_modulation_noise,
        take.steady(loudest)[1],
        sample_rate=take.sample_rate,
        frequency_hz=loudest.frequencies_hz[0],
        silence=None if silence is None else silence[:, take.channel],
    )


def _pilot_channel(take: TakeView) -> int | None:
    """Channel of a pilot beside the measured one, if the output has it."""
    pilot = None if take.timeline is None else take.timeline.pilot
    if pilot is None or pilot.channel is None or pilot.channel == take.channel:
        return None
    return pilot.channel if pilot.channel < take.heard.shape[1] else None


def dropouts_of(take: TakeView) -> ToneDropouts | None:
    """Of a tone pilot."""
    channel, pilot = _pilot_channel(take), None if take.timeline is None else take.timeline.pilot
    if channel is None or pilot is None or pilot.kind != "tone" or pilot.frequency_hz is None:
        take.reasons.append("dropouts: they are read from a tone pilot on a track of its own; play one, or use --tone")
        return None
    tone = take.heard[pilot.first_samples : take.ends_samples, channel]
    return take.attempt(
        "dropouts", measure_dropouts, tone, sample_rate=take.sample_rate, frequency_hz=pilot.frequency_hz
    )


def crosstalk_of(take: TakeView) -> Crosstalk | None:
    """Of the pilot's track into the measured one, in the longest silence."""
    channel, silence = _pilot_channel(take), take.silent()
    if channel is None or silence is None:
        take.reasons.append("crosstalk: a pilot on a track of its own must go on while the measured track is silent")
        return None
    return take.attempt(
        "crosstalk",
        measure_crosstalk,
        silence[:, channel],
        silence[:, take.channel],
        sample_rate=take.sample_rate,
    )


def _plays_the_same(take: TakeView) -> bool:
    """Whether the same signal was played on both tracks."""
    if take.played.shape[1] < 2 or take.heard.shape[1] < 2:
        return False
    both = take.played[:, :2]
    products = both.T @ both
    power = float(np.sqrt(products[0, 0] * products[1, 1]))
    return power > 0.0 and float(products[0, 1]) >= SAME_SIGNAL * power


def multitone_of(take: TakeView, channel: int) -> Response | None:
    """Response of a channel at the tones of the first multitone."""
    segments = take.segments("multitone")
    if not segments:
        take.reasons.append("multitone: none in the take")
        return None
    stimulus, output = take.steady(segments[0], channel=channel)
    return take.attempt(
        f"multitone in channel {channel + 1}",
        multitone_response,
        stimulus,
        output,
        sample_rate=take.sample_rate,
        frequencies_hz=segments[0].frequencies_hz,
    )


def balance_of(take: TakeView) -> ChannelBalance | None:
    """Only where the same signal was played on both tracks."""
    if not _plays_the_same(take):
        take.reasons.append("channel balance: the same signal must be played on both tracks")
        return None
    first, second = multitone_of(take, 0), multitone_of(take, 1)
    return None if first is None or second is None else take.attempt("balance", channel_balance, first, second)


def azimuth_of(take: TakeView, known: Transport) -> Azimuth | None:
    """Only where the same signal was played on both tracks."""
    if not _plays_the_same(take):
        take.reasons.append("azimuth: the same signal must be played on both tracks")
        return None
    return take.attempt(
        "azimuth",
        measure_azimuth,
        take.heard[: take.ends_samples, 0],
        take.heard[: take.ends_samples, 1],
        sample_rate=take.sample_rate,
        speed_ips=known.speed_ips,
        track_distance_mm=known.track_distance_mm,
    )


def print_through_of(take: TakeView) -> PrintThrough | None:
    """Echoes of the first marker in the silence behind it."""
    markers = take.segments("marker")
    if not markers or take.timeline is None:
        take.reasons.append("print-through: no marker with silence behind it in the take")
        return None
    marker = markers[0]
    later = [
        segment.start_samples
        for segment in take.timeline.segments
        if segment.kind != "silence" and segment.start_samples >= marker.stop_samples
    ]
    until = min([take.ends_samples, *later])
    return take.attempt(
        "print-through",
        measure_print_through,
        take.heard[:, take.channel],
        sample_rate=take.sample_rate,
        start_s=marker.start_samples / take.sample_rate,
        stop_s=marker.stop_samples / take.sample_rate,
        silent_from_s=0.0,
        silent_until_s=until / take.sample_rate,
    )


def intermodulation_of(take: TakeView, *, crosstalk: Crosstalk | None) -> tuple[Intermodulation, ...]:
    """Of every pair of tones; the pilot's crosstalk, whose lines may fall on the products, makes them less certain."""
    found = []
    if not take.segments("two_tone"):
        take.reasons.append("intermodulation: no pair of tones in the take")
    for segment in take.segments("two_tone"):
        stimulus, output = take.steady(segment)
        first_hz, second_hz = segment.frequencies_hz
        pair = take.attempt(
            segment.name,
            intermodulation,
            stimulus,
            output,
            sample_rate=take.sample_rate,
            frequencies_hz=(first_hz, second_hz),
        )
        found += [] if pair is None else [_with_leak(take, segment, pair, crosstalk)]
    return tuple(found)


def _with_leak(take: TakeView, segment: Segment, pair: Intermodulation, crosstalk: Crosstalk | None) -> Intermodulation:
    """The pair with what leaks over from the pilot's track at the products' frequencies among its uncertainties."""
    channel = _pilot_channel(take)
    if channel is None or crosstalk is None or not np.isfinite(crosstalk.overall_db) or not pair.products:
        return pair
    pilot = take.steady(segment, channel=channel)[1]
    lines_hz = [product.frequency_hz for product in pair.products]
    leaked = np.abs(tone_amplitudes(pilot, sample_rate=take.sample_rate, frequencies_hz=lines_hz))
    leaked *= 10.0 ** (crosstalk.overall_db / 20.0)
    reference = 10.0 ** (pair.output_dbfs / 20.0)
    share = {2: 0.0, 3: 0.0}
    for product, amplitude in zip(pair.products, leaked, strict=True):
        share[product.order] += 100.0 * float(amplitude) / reference
    return replace(
        pair,
        second_sigma_pct=float(np.hypot(pair.second_sigma_pct, share[2])),
        third_sigma_pct=float(np.hypot(pair.third_sigma_pct, share[3])),
    )


def thd_noise_of(take: TakeView) -> tuple[ThdNoise, ...]:
    """Of every step."""
    found = []
    if not take.segments("step"):
        take.reasons.append("THD, THD+N, compression, maximum output, loops: no stepped tone in the take")
    for segment in take.segments("step"):
        stimulus, output = take.steady(segment)
        figure = take.attempt(
            f"THD+N of {segment.name}",
            thd_noise,
            stimulus,
            output,
            sample_rate=take.sample_rate,
            frequency_hz=segment.frequencies_hz[0],
        )
        found += [] if figure is None else [figure]
    return tuple(found)


def hysteresis_of(take: TakeView, response: Response | None) -> tuple[HysteresisLoop, ...]:
    """Loops of the loud steps."""
    found = []
    for segment in take.segments("step"):
        if response is None or (segment.level_dbfs or 0.0) < LOOP_DBFS:
            continue
        stimulus, output = take.steady(segment)
        loop = take.attempt(
            f"loop of {segment.name}",
            hysteresis_loop,
            stimulus,
            output,
            sample_rate=take.sample_rate,
            frequency_hz=segment.frequencies_hz[0],
            response=response,
        )
        found += [] if loop is None else [loop]
    return tuple(found)


def programme_of(take: TakeView, *, smoothing_octaves: float) -> Response | None:
    """Response from the programme segments alone, weighted by the coherence."""
    segments = take.segments("programme")
    if not segments:
        take.reasons.append("programme response: no programme segment in the take")
        return None
    first, stop = segments[0].start_samples, min(segments[-1].stop_samples, take.ends_samples)
    return take.attempt(
        "programme response",
        programme_response,
        take.played[first:stop, take.channel],
        take.heard[first:stop, take.channel],
        sample_rate=take.sample_rate,
        smoothing_octaves=smoothing_octaves,
    )
