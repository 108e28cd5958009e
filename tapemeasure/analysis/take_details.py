"""What a take tells beyond response, harmonics and noise: its speed, its tape, its distortion, and the verdict.

`TakeDetails` is the part of a measured take that `tapemeasure.analysis.take` adds to its JSON, field by field. What
the take does not allow is None or empty; `not_measured` says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.azimuth import Azimuth
from tapemeasure.analysis.channel_balance import ChannelBalance
from tapemeasure.analysis.compression import CompressionCurve, compression_curve
from tapemeasure.analysis.crosstalk import Crosstalk
from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.din45500 import DinFigures, DinRow, Figure, din45500_table
from tapemeasure.analysis.distortion import DistortionVsLevel
from tapemeasure.analysis.dropouts import ToneDropouts
from tapemeasure.analysis.group_delay import GroupDelay, group_delay
from tapemeasure.analysis.intermodulation import Intermodulation
from tapemeasure.analysis.loops import HysteresisLoop
from tapemeasure.analysis.maximum_output import MaximumOutput, maximum_output_level, saturation_output_level
from tapemeasure.analysis.modulation_noise import ModulationNoise
from tapemeasure.analysis.noise import Noise, SignalToNoise, signal_to_noise
from tapemeasure.analysis.passband import HeadBump, Passband, head_bump, passband
from tapemeasure.analysis.print_through import PrintThrough
from tapemeasure.analysis.response import Response
from tapemeasure.analysis.silence import Silence
from tapemeasure.analysis.take_segments import (
    azimuth_of,
    balance_of,
    crosstalk_of,
    dropouts_of,
    hysteresis_of,
    intermodulation_of,
    modulation_noise_of,
    multitone_of,
    print_through_of,
    programme_of,
    thd_noise_of,
)
from tapemeasure.analysis.take_view import TakeView, recorded_samples
from tapemeasure.analysis.tape_equalisation import CurveDeviation, Equalisation, deviation_from_curve
from tapemeasure.analysis.thd_noise import ThdNoise
from tapemeasure.analysis.timing_error import SweepTiming, timing_of, with_loss
from tapemeasure.analysis.transport import Transport
from tapemeasure.analysis.wow_flutter import WowFlutter, measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.signals.timeline import Timeline
from tapemeasure.trajectory import DelayTrajectory

MOL_HZ = (300.0, 1100.0)
SOL_HZ = 6000.0
PEAK_OVER_RMS_DB = 3.01
DIN_CROSSTALK_HZ = 1000.0


@dataclass(frozen=True)
class TakeDetails:
    """Further measures of a take; None or empty where it does not allow them (see `not_measured`).

    `crosstalk` is that of the pilot's track into the measured one, `dropouts` are those of a tone pilot,
    `signal_to_noise` is against the level of 3 % third harmonic, `maximum_output`; `channel_balance` is that of two
    channels which played the same multitone; `programme_response` is read from the programme alone, `equalisation`
    compares the response with the curve of a standard, or with a flat one; all else as in its own class.
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
    programme_response: Response | None
    equalisation: CurveDeviation | None
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
    smoothing_octaves: float = 1.0 / 12.0,
    trajectory: DelayTrajectory | None = None,
    sweep_timing: SweepTiming | None = None,
    captured: FloatArray | None = None,
    transport: Transport | None = None,
    equalisation: Equalisation | None = None,
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
    smoothing_octaves : float
        Of the programme's response.
    trajectory : DelayTrajectory, optional
        The delay that was undone; gives wow and flutter.
    sweep_timing : SweepTiming, optional
        Error of that delay behind the sweep that `response` was read from.
    captured : ndarray, shape (any, n_channels), optional
        The output as it came back: a tone pilot in it tells faster flutter than the trajectory.
    transport : Transport, optional
        What is known of the machine.
    equalisation : Equalisation, optional
        What the response is compared with; by default a flat one.

    Raises
    ------
    ParameterError
        If the standard has no curve for the tape's speed, or that was not given.
    """
    known = Transport() if transport is None else transport
    ends = recorded_samples(heard[:, channel])
    take = TakeView(played, heard, sample_rate, channel, timeline, silences, ends, [])
    flutter = _wow_flutter(take, known, trajectory=trajectory, captured=captured)
    wanted = Equalisation() if equalisation is None else equalisation
    deviation = None
    if response is not None:
        curve_db = wanted.curve_db(response.frequency_hz, speed_ips=known.speed_ips)
        deviation = take.attempt("equalisation", deviation_from_curve, response, curve_db=curve_db)
    maximum = _one_curve(take, "maximum output level", curves, MOL_HZ, maximum_output_level)
    ratio = None
    if maximum is not None and noise is not None:
        ratio = signal_to_noise(
            noise, reference_dbfs=maximum.output_dbfs - PEAK_OVER_RMS_DB, reference_sigma_db=maximum.sigma_db
        )
    take.reasons.append("erasure: it needs a tone and the same stretch of tape erased; use --tone with --erased")
    crosstalk = crosstalk_of(take)
    compressions = [take.attempt("compression", compression_curve, curve) for curve in curves]
    return TakeDetails(
        wow_flutter=flutter,
        modulation_noise=modulation_noise_of(take),
        dropouts=dropouts_of(take),
        crosstalk=crosstalk,
        azimuth=azimuth_of(take, known),
        print_through=print_through_of(take),
        maximum_output=maximum,
        saturation_output=_one_curve(
            take, "saturation output level", curves, (SOL_HZ, np.inf), saturation_output_level
        ),
        signal_to_noise=ratio,
        intermodulation=intermodulation_of(take, crosstalk=crosstalk),
        thd_noise=thd_noise_of(take),
        compression=tuple(curve for curve in compressions if curve is not None),
        hysteresis=hysteresis_of(take, response),
        multitone_response=_jittered(multitone_of(take, channel), trajectory),
        programme_response=_jittered(programme_of(take, smoothing_octaves=smoothing_octaves), trajectory),
        equalisation=deviation,
        channel_balance=balance_of(take),
        passband=None if response is None else take.attempt("passband", passband, response),
        head_bump=None if response is None else take.attempt("head bump", head_bump, response),
        group_delay=None
        if response is None
        else take.attempt("group delay", group_delay, response, timing=sweep_timing),
        din45500=din45500_table(_din_figures(response, flutter, ratio, crosstalk)),
        not_measured=tuple(dict.fromkeys(take.reasons)),
    )


def _wow_flutter(
    take: TakeView, known: Transport, *, trajectory: DelayTrajectory | None, captured: FloatArray | None
) -> WowFlutter | None:
    """From a tone pilot as it was captured, which is followed to 1000 Hz; else from the delay that was undone."""
    if trajectory is None:
        return None
    chosen = trajectory
    pilot = None if take.timeline is None else take.timeline.pilot
    if captured is not None and pilot is not None and pilot.kind == "tone" and pilot.frequency_hz is not None:
        channel = pilot.channel
        if channel is not None and channel < captured.shape[1]:
            tone = take.attempt(
                "fast flutter",
                tone_trajectory,
                captured[:, channel],
                sample_rate=take.sample_rate,
                nominal_hz=pilot.frequency_hz,
            )
            chosen = trajectory if tone is None else tone
    return take.attempt(
        "wow and flutter",
        measure_wow_flutter,
        chosen,
        head_delay_s=known.head_delay_s,
        parts=known.parts,
        speed_ips=known.speed_ips,
    )


def _jittered(response: Response | None, trajectory: DelayTrajectory | None) -> Response | None:
    return None if response is None else with_loss(response, timing_of(trajectory))


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


def _din_figures(
    response: Response | None, flutter: WowFlutter | None, ratio: SignalToNoise | None, crosstalk: Crosstalk | None
) -> DinFigures:
    """What is compared with the standard's minimum; erasure needs a take of its own."""
    speed = wow = noise = attenuation = None
    if flutter is not None:
        speed = _figure(flutter.speed_error_pct, flutter.speed_error_sigma_pct)
        wow = _figure(flutter.weighted_2sigma_pct, flutter.weighted_2sigma_sigma_pct)
    if ratio is not None:
        noise = _figure(ratio.a_db, ratio.a_sigma_db)
    if crosstalk is not None:
        at = crosstalk.frequency_hz == DIN_CROSSTALK_HZ
        if at.any():
            attenuation = _figure(-float(crosstalk.crosstalk_db[at][0]), float(crosstalk.sigma_db[at][0]))
    return DinFigures(
        response=response,
        speed_error_pct=speed,
        wow_flutter_pct=wow,
        signal_to_noise_db=noise,
        crosstalk_stereo_db=attenuation,
    )


def _figure(value: float, sigma: float) -> Figure | None:
    """None where the value or its uncertainty is not known."""
    return Figure(value, sigma) if np.isfinite([value, sigma]).all() else None
