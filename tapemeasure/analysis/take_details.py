"""What a take tells beyond response, harmonics and noise: its speed, its tape, its distortion, and the verdict.

`TakeDetails` is the part of a measured take that `tapemeasure.analysis.take` adds to its JSON, field by field. What
the take does not allow is None or empty; `not_measured` says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.azimuth import Azimuth, measure_azimuth
from tapemeasure.analysis.channel_balance import ChannelBalance, channel_balance
from tapemeasure.analysis.compression import CompressionCurve, compression_curve
from tapemeasure.analysis.crosstalk import Crosstalk, measure_crosstalk
from tapemeasure.analysis.din45500 import DinFigures, DinRow, Figure, din45500_table
from tapemeasure.analysis.distortion import DistortionVsLevel
from tapemeasure.analysis.dropouts import ToneDropouts, measure_dropouts
from tapemeasure.analysis.group_delay import GroupDelay, group_delay
from tapemeasure.analysis.intermodulation import Intermodulation, intermodulation
from tapemeasure.analysis.loops import HysteresisLoop, hysteresis_loop
from tapemeasure.analysis.maximum_output import MaximumOutput, maximum_output_level, saturation_output_level
from tapemeasure.analysis.modulation_noise import ModulationNoise, measure_modulation_noise
from tapemeasure.analysis.multitone import multitone_response
from tapemeasure.analysis.noise import Noise, SignalToNoise, signal_to_noise
from tapemeasure.analysis.passband import HeadBump, Passband, head_bump, passband
from tapemeasure.analysis.print_through import PrintThrough, measure_print_through
from tapemeasure.analysis.response import Response
from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.silence import Silence
from tapemeasure.analysis.take_view import TakeView
from tapemeasure.analysis.thd_noise import ThdNoise, thd_noise
from tapemeasure.analysis.wow_flutter import WowFlutter, measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.signals.timeline import Timeline
from tapemeasure.trajectory import DelayTrajectory

MODULATION_HZ = (900.0, 3500.0)
MODULATION_DBFS = (-20.0, -6.0)
"""Tones whose modulation noise is read: loud against hiss, and not squeezed by saturation."""

LOOP_DBFS = -6.0
MOL_HZ = (300.0, 1100.0)
SOL_HZ = 6000.0
SAME_SIGNAL = 0.99
PEAK_OVER_RMS_DB = 3.01


@dataclass(frozen=True)
class Transport:
    """What is known of the machine beforehand.

    Parameters
    ----------
    head_delay_s : float or None
        Travel time between the heads where the take came off the tape while it was recorded; None: rewound.
    speed_ips : float or None
        Tape speed, inches per second.
    track_distance_mm : float or None
        Distance of the tracks' middles.
    parts : tuple of RotatingPart
        Diameters, which name the lines of the flutter; they need `speed_ips`.
    """

    head_delay_s: float | None = None
    speed_ips: float | None = None
    track_distance_mm: float | None = None
    parts: tuple[RotatingPart, ...] = ()


@dataclass(frozen=True)
class TakeDetails:
    """Further measures of a take; None or empty where it does not allow them (see `not_measured`).

    `crosstalk` is that of the pilot's track into the measured one, `dropouts` are those of a tone pilot,
    `signal_to_noise` is against the level of 3 % third harmonic, `maximum_output`; `channel_balance` is that of two
    channels which played the same multitone; all else as in its own class.
    """

    wow_flutter: WowFlutter | None
    modulation_noise: ModulationNoise | None
    dropouts: ToneDropouts | None
    crosstalk: Crosstalk | None
    azimuth: Azimuth | None
    print_through: PrintThrough | None
    maximum_output: MaximumOutput | None
    saturation_output: MaximumOutput | None
    signal_to_noise: SignalToNoise | None
    intermodulation: tuple[Intermodulation, ...]
    thd_noise: tuple[ThdNoise, ...]
    compression: tuple[CompressionCurve, ...]
    hysteresis: tuple[HysteresisLoop, ...]
    multitone_response: Response | None
    channel_balance: ChannelBalance | None
    passband: Passband | None
    head_bump: HeadBump | None
    group_delay: GroupDelay | None
    din45500: tuple[DinRow, ...]
    not_measured: tuple[str, ...]


def measure_details(
    played: FloatArray,
    heard: FloatArray,
    *,
    sample_rate: int,
    channel: int,
    timeline: Timeline | None,
    silences: tuple[Silence, ...],
    response: Response | None,
    curves: Sequence[DistortionVsLevel],
    noise: Noise | None,
    trajectory: DelayTrajectory | None = None,
    transport: Transport | None = None,
) -> TakeDetails:
    """Wow and flutter, tape, distortion and verdict of a take, as far as it allows them; units in the fields' names.

    Parameters
    ----------
    played, heard : ndarray, shape (n_samples, n_channels)
        Stimulus and output, its delay undone.
    sample_rate, channel, timeline
        As in `tapemeasure.analysis.take.measure_take`.
    silences, response, curves, noise
        What that measured.
    trajectory : DelayTrajectory, optional
        The delay that was undone; gives wow and flutter.
    transport : Transport, optional
        What is known of the machine.
    """
    known = Transport() if transport is None else transport
    recorded = np.flatnonzero(heard[:, channel])
    ends = int(recorded[-1]) + 1 if recorded.size else 0
    take = TakeView(played, heard, sample_rate, channel, timeline, silences, ends, [])
    flutter = None
    if trajectory is not None:
        flutter = take.attempt(
            "wow and flutter",
            measure_wow_flutter,
            trajectory,
            head_delay_s=known.head_delay_s,
            parts=known.parts,
            speed_ips=known.speed_ips,
        )
    maximum = _one_curve(take, "maximum output level", curves, MOL_HZ, maximum_output_level)
    ratio = None
    if maximum is not None and noise is not None:
        ratio = signal_to_noise(noise, reference_dbfs=maximum.output_dbfs - PEAK_OVER_RMS_DB)
    compressions = [take.attempt("compression", compression_curve, curve) for curve in curves]
    return TakeDetails(
        wow_flutter=flutter,
        modulation_noise=_modulation_noise(take),
        dropouts=_dropouts(take),
        crosstalk=_crosstalk(take),
        azimuth=_azimuth(take, known),
        print_through=_print_through(take),
        maximum_output=maximum,
        saturation_output=_one_curve(
            take, "saturation output level", curves, (SOL_HZ, np.inf), saturation_output_level
        ),
        signal_to_noise=ratio,
        intermodulation=_intermodulation(take),
        thd_noise=_thd_noise(take),
        compression=tuple(curve for curve in compressions if curve is not None),
        hysteresis=_hysteresis(take, response),
        multitone_response=_multitone(take, channel),
        channel_balance=_balance(take),
        passband=None if response is None else take.attempt("passband", passband, response),
        head_bump=None if response is None else take.attempt("head bump", head_bump, response),
        group_delay=None if response is None else take.attempt("group delay", group_delay, response),
        din45500=din45500_table(_din_figures(response, flutter, ratio)),
        not_measured=tuple(dict.fromkeys(take.reasons)),
    )


def _one_curve(
    take: TakeView,
    name: str,
    curves: Sequence[DistortionVsLevel],
    within_hz: tuple[float, float],
    measure: Callable[[DistortionVsLevel], MaximumOutput],
) -> MaximumOutput | None:
    """Measure of the first curve whose frequency lies in a range."""
    for curve in curves:
        if within_hz[0] <= curve.frequency_hz <= within_hz[1]:
            return take.attempt(name, measure, curve)
    return None


def _modulation_noise(take: TakeView) -> ModulationNoise | None:
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


def _dropouts(take: TakeView) -> ToneDropouts | None:
    channel, pilot = _pilot_channel(take), None if take.timeline is None else take.timeline.pilot
    if channel is None or pilot is None or pilot.kind != "tone" or pilot.frequency_hz is None:
        return None
    tone = take.heard[pilot.first_samples : take.ends_samples, channel]
    return take.attempt(
        "dropouts", measure_dropouts, tone, sample_rate=take.sample_rate, frequency_hz=pilot.frequency_hz
    )


def _crosstalk(take: TakeView) -> Crosstalk | None:
    channel, silence = _pilot_channel(take), take.silent()
    if channel is None or silence is None:
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
    first, second = take.played[:, 0], take.played[:, 1]
    power = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return power > 0.0 and float(np.sum(first * second)) >= SAME_SIGNAL * power


def _multitone(take: TakeView, channel: int) -> Response | None:
    """Response of a channel at the tones of the first multitone."""
    segments = take.segments("multitone")
    if not segments:
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


def _balance(take: TakeView) -> ChannelBalance | None:
    """Only where the same signal was played on both tracks."""
    if not _plays_the_same(take):
        return None
    first, second = _multitone(take, 0), _multitone(take, 1)
    return None if first is None or second is None else take.attempt("balance", channel_balance, first, second)


def _azimuth(take: TakeView, known: Transport) -> Azimuth | None:
    """Only where the same signal was played on both tracks."""
    if not _plays_the_same(take):
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


def _print_through(take: TakeView) -> PrintThrough | None:
    """Echoes of the first marker in the silence behind it."""
    markers = take.segments("marker")
    if not markers or take.timeline is None:
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


def _intermodulation(take: TakeView) -> tuple[Intermodulation, ...]:
    found = []
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
        found += [] if pair is None else [pair]
    return tuple(found)


def _thd_noise(take: TakeView) -> tuple[ThdNoise, ...]:
    found = []
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


def _hysteresis(take: TakeView, response: Response | None) -> tuple[HysteresisLoop, ...]:
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


def _din_figures(response: Response | None, flutter: WowFlutter | None, ratio: SignalToNoise | None) -> DinFigures:
    """What is compared with the standard's minimum; crosstalk and erasure need a take of their own."""
    speed = wow = noise = None
    if flutter is not None and np.isfinite([flutter.speed_error_pct, flutter.speed_error_sigma_pct]).all():
        speed = Figure(flutter.speed_error_pct, flutter.speed_error_sigma_pct)
    if flutter is not None and np.isfinite([flutter.weighted_2sigma_pct, flutter.weighted_2sigma_sigma_pct]).all():
        wow = Figure(flutter.weighted_2sigma_pct, flutter.weighted_2sigma_sigma_pct)
    if ratio is not None and np.isfinite([ratio.a_db, ratio.a_sigma_db]).all():
        noise = Figure(ratio.a_db, ratio.a_sigma_db)
    return DinFigures(response=response, speed_error_pct=speed, wow_flutter_pct=wow, signal_to_noise_db=noise)
