"""Everything that one whole take tells: response, harmonics, distortion against level, noise.

A take is a stimulus and the device's output *after its delay was undone* (sample n of both belongs together).
`measure_take` gathers what the take allows; what it does not allow is None (or an empty list), never a guess.

`TakeMeasurement.as_dict` is the JSON of the stage and the command ``measure``. Arrays are lists; NaN is ``null`` and
means "not measurable here". All levels are relative to full scale = 1.0: ``*_dbfs`` of a noise is its rms (a
full-scale sine reads -3.01), ``level_dbfs`` of a sweep, a tone or a step is its PEAK amplitude (a full-scale sine
reads 0), as in the timeline::

    sample_rate        int, Hz
    duration_s         float, length of the take
    channel            int, measured channel, from 0
    response           Response or null: the one to draw first; the sweep whose level is nearest to -20 dBFS,
                       else the response from the programme
    sweep_response     list of Response, one a sweep, by rising level
      source           "sweep" or "programme"
      name             segment of the timeline, or "programme"
      level_dbfs       float or null (programme): peak level of the stimulus
      frequency_hz     [n], 48 points an octave
      magnitude_db     [n], gain of the fundamental: output / stimulus
      phase_deg        [n], unwrapped, output relative to stimulus
      sigma_db         [n], standard uncertainty of magnitude_db
      gain_db          float or null: magnitude at 1 kHz
      low_3db_hz       float or null: lower frequency where the gain is 3 dB below that at 1 kHz (null: not reached)
      high_3db_hz      float or null: the upper one
      gain_sigma_db    float or null, standard uncertainty of gain_db; so
      low_3db_sigma_hz   float or null
      high_3db_sigma_hz  float or null
      phase_sigma_deg  [n], standard uncertainty of phase_deg
    harmonic_response  list of HarmonicResponse, orders 2..N of every sweep, by rising level, then order
      name             segment of the timeline
      level_dbfs       float, peak level of the stimulus
      order            int
      frequency_hz     [n], of the FUNDAMENTAL, 24 points an octave
      magnitude_db     [n], harmonic relative to the fundamental of the output; null where hidden in noise
      floor_db         [n], the noise floor of that reading, same reference
      sigma_db         [n], standard uncertainty of magnitude_db
    thd_vs_level       list of DistortionVsLevel, one a frequency of the stepped sines, by rising frequency
      frequency_hz     float
      level_dbfs       [n], peak level of the stimulus, rising
      output_dbfs      [n], peak level of the output's fundamental
      gain_db          [n], output / stimulus, fundamental; null where hidden in noise
      thd_pct          [n], harmonics 2..N against the fundamental, noise subtracted; null where hidden in noise
      thd_floor_pct    [n], what noise alone would read
      harmonics_db     [n][N-1], orders 2..N relative to the fundamental; null where hidden or above Nyquist
      gain_sigma_db    [n], standard uncertainty of gain_db
      thd_sigma_pct    [n], standard uncertainty of thd_pct
      harmonics_sigma_db  [n][N-1], standard uncertainty of harmonics_db
    noise              Noise or null (no silence in the stimulus)
      level_dbfs               float, rms of the output in the silences, without its mean value
      level_above_200hz_dbfs   float
      level_a_dbfs             float, A-weighted rms
      level_468_dbfs           float, ITU-R 468 curve, rms (not quasi-peak)
      dc_dbfs                  float or null, mean value
      hum_50hz_dbfs            float or null: sum of the lines found at 50, 100, ... 500 Hz
      hum_60hz_dbfs            float or null: the same for 60 Hz
      hum_lines                list of {frequency_hz, level_dbfs, sigma_db}: every line found, of both combs
      duration_s               float, of the silences together
      frequency_hz             [n]
      density_dbfs_per_hz      [n], power density (median over windows), one-sided
      third_octave_hz          [m], nominal band centres
      third_octave_dbfs        [m], level in each band; null where the window cannot resolve it
      level_468_quasi_peak_dbfs      float or null (silence shorter than 1.1 s): mean reading of an ITU-R 468 meter
      level_sigma_db                 float, standard uncertainty of level_dbfs; null for less than 0.75 s; so
      level_above_200hz_sigma_db     float
      level_a_sigma_db               float
      level_468_sigma_db             float
      level_468_quasi_peak_sigma_db  float or null
      hum_50hz_sigma_db              float or null
      hum_60hz_sigma_db              float or null
      third_octave_sigma_db          [m]
      dc_sigma_db                    float or null
      density_sigma_db               float, of every density_dbfs_per_hz
    wow_flutter        WowFlutter or null (no trajectory); this and the next are those of
                       `tapemeasure.analysis.take_details.TakeDetails`, every field with its unit, and with its standard
                       uncertainty beside it (``sigma``)
    modulation_noise, dropouts, crosstalk, azimuth, print_through, maximum_output, saturation_output, signal_to_noise
                       each an object or null
    intermodulation, thd_noise, compression, hysteresis
                       lists of objects
    multitone_response Response or null, at the tones of the multitone
    programme_response Response or null, from the programme alone
    equalisation       object or null: how far the response lies from the curve of a standard, or from a flat one
    channel_balance    object or null: of two channels that played the same multitone
    passband, head_bump, group_delay
                       each an object or null
    din45500           list of requirements with verdicts
    not_measured       list of str: why one of these is missing
    silences           list of {start_s, end_s}: where the noise was read, on the time axis of the stimulus
    warnings           list of str, for the reader
    delay              filled by the caller (stage or command) from the delay trajectory, or null
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.distortion import (
    DistortionVsLevel,
    ToneDistortion,
    distortion_vs_level,
    standing_amplitudes,
    tone_distortion,
)
from tapemeasure.analysis.harmonics import HarmonicResponse
from tapemeasure.analysis.noise import Noise, measure_noise
from tapemeasure.analysis.response import Response, programme_response
from tapemeasure.analysis.silence import Silence, find_silences, no_silence_text
from tapemeasure.analysis.take_details import TakeDetails, measure_details
from tapemeasure.analysis.take_sweeps import preferred, sweeps_of
from tapemeasure.analysis.take_view import FADED_S, longest_silence, recorded_samples
from tapemeasure.analysis.tape_equalisation import Equalisation
from tapemeasure.analysis.timing_error import timing_of, with_loss
from tapemeasure.analysis.tone_check import MIN_PERIODS
from tapemeasure.analysis.transport import Transport
from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.timeline import Segment, SegmentKind, Timeline
from tapemeasure.trajectory import DelayTrajectory

STEP_MARGIN_S = 0.05


@dataclass(frozen=True)
class TakeMeasurement:
    """What one take allows to be measured; fields and units as in the module's schema."""

    sample_rate: int
    duration_s: float
    channel: int
    response: Response | None
    sweep_response: tuple[Response, ...]
    harmonic_response: tuple[HarmonicResponse, ...]
    thd_vs_level: tuple[DistortionVsLevel, ...]
    noise: Noise | None
    details: TakeDetails
    silences: tuple[Silence, ...]
    warnings: tuple[str, ...]

    def as_dict(self, *, delay: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Plain values in the order of the module's schema, with the caller's `delay` figures at the end."""
        values = asdict(self)
        details = values.pop("details")
        ending = {key: values.pop(key) for key in ("silences", "warnings")}
        return {**values, **details, **ending, "delay": None if delay is None else dict(delay)}


def measure_take(
    stimulus: FloatArray,
    aligned_output: FloatArray,
    *,
    sample_rate: int,
    timeline: Timeline | None = None,
    channel: int = 0,
    harmonics: int = 5,
    smoothing_octaves: float = 1.0 / 12.0,
    silence_dbfs: float = -60.0,
    guard_s: float = 0.15,
    min_length_s: float = 0.5,
    trajectory: DelayTrajectory | None = None,
    captured: FloatArray | None = None,
    transport: Transport | None = None,
    equalisation: Equalisation | None = None,
) -> TakeMeasurement:
    """Response, harmonics, distortion against level and noise of a take, as far as it allows them.

    Parameters
    ----------
    stimulus, aligned_output : ndarray, shape (n_samples,) or (n_samples, n_channels)
        What was played, and what came back with its delay undone (see `tapemeasure.delay.apply`).
    sample_rate : int
        Hz.
    timeline : Timeline, optional
        Names the sweeps and the stepped sines. Without it the response comes from the whole take as programme.
    channel : int
        Measured channel, from 0.
    harmonics : int
        Highest order of harmonics, 2..9.
    smoothing_octaves : float
        Of the responses; 0 for none.
    silence_dbfs, guard_s, min_length_s : float
        What counts as silence of the stimulus, as in `tapemeasure.analysis.silence.find_silences`.
    trajectory : DelayTrajectory, optional
        The delay that was undone; gives wow and flutter.
    captured : ndarray, optional
        The output as it came back, its delay not undone. A tone pilot in it tells flutter up to 1000 Hz.
    transport : Transport, optional
        What is known of the machine: how the take was made, tape speed, diameters.
    equalisation : Equalisation, optional
        Curve of a standard that the response is compared with; by default a flat one.

    Raises
    ------
    MismatchError
        If lengths or sample rates of stimulus, output and timeline differ.
    SignalError
        If the channel is missing, or the output is all zeros.
    ParameterError
        If the standard has no curve for the tape's speed, or that was not given.

    Notes
    -----
    Noise is read from the aligned output. Undoing a wow of milliseconds smears hum that did not come off the tape:
    `tapemeasure.analysis.hiss.measure_hiss` reads it from the output as captured.
    """
    played, heard = _one_channel(stimulus, aligned_output, channel=channel)
    _check_timeline(timeline, sample_rate=sample_rate, length_samples=len(played))
    warnings: list[str] = []
    ends_samples = recorded_samples(heard)
    timing = timing_of(trajectory)
    sweeps = _recorded(timeline, "sweep", ends_samples=ends_samples, warnings=warnings)
    responses, orders, timings = sweeps_of(
        played, heard, timeline, sweeps, harmonics=harmonics, smoothing_octaves=smoothing_octaves,
        speed_deviation_pct=_speed_deviation_pct(trajectory), timing=timing, warnings=warnings,
    )  # fmt: skip
    response = preferred(responses)
    if response is None:
        response = _from_programme(
            played, heard, sample_rate=sample_rate, smoothing_octaves=smoothing_octaves, warnings=warnings
        )
        response = None if response is None else with_loss(response, timing)
    steps = _recorded(timeline, "step", ends_samples=ends_samples, warnings=warnings)
    finding = {"silence_dbfs": silence_dbfs, "guard_s": guard_s, "min_length_s": min_length_s}
    silences = find_silences(played, sample_rate=sample_rate, timeline=timeline, **finding)
    heard_silences = tuple(silence for silence in silences if silence.end_s * sample_rate <= ends_samples)
    if silences and not heard_silences:
        warnings.append(
            f"no noise level: the output ends at {ends_samples / sample_rate:.2f} s, before any silence does"
        )
    if not silences:
        warnings.append(f"no noise level: {no_silence_text(played, sample_rate=sample_rate, **finding)}")
    told = _thd_vs_level(
        played,
        heard,
        steps,
        sample_rate=sample_rate,
        harmonics=harmonics,
        warnings=warnings,
        silence=longest_silence(heard, heard_silences, sample_rate=sample_rate),
    )
    curves = tuple(
        replace(curve, gain_sigma_db=np.hypot(curve.gain_sigma_db, timing.loss_db(curve.frequency_hz)))
        for curve in told
    )
    noise = _noise(heard, heard_silences, sample_rate=sample_rate)
    details = measure_details(
        as_channels(stimulus),
        as_channels(aligned_output),
        sample_rate=sample_rate,
        channel=channel,
        timeline=timeline,
        silences=heard_silences,
        response=response,
        curves=curves,
        noise=noise,
        smoothing_octaves=smoothing_octaves,
        trajectory=trajectory,
        sweep_timing=None if response is None else timings.get(response.name),
        captured=None if captured is None else as_channels(captured),
        transport=transport,
        equalisation=equalisation,
    )
    return TakeMeasurement(
        sample_rate=sample_rate,
        duration_s=len(played) / sample_rate,
        channel=channel,
        response=response,
        sweep_response=tuple(responses),
        harmonic_response=tuple(orders),
        thd_vs_level=curves,
        noise=noise,
        details=details,
        silences=heard_silences,
        warnings=tuple(warnings),
    )


def _one_channel(stimulus: FloatArray, output: FloatArray, *, channel: int) -> tuple[FloatArray, FloatArray]:
    played, heard = as_channels(stimulus), as_channels(output)
    for name, samples in (("stimulus", played), ("output", heard)):
        if not 0 <= channel < samples.shape[1]:
            raise SignalError(f"{name} has {samples.shape[1]} channel(s), channel {channel + 1} was asked for")
    if len(played) != len(heard):
        raise MismatchError(f"stimulus has {len(played)} samples, output {len(heard)}; align the output first")
    if not np.any(heard[:, channel]):
        raise SignalError("the output is all zeros; check the cable, the level and the channel")
    return played[:, channel], heard[:, channel]


def _speed_deviation_pct(trajectory: DelayTrajectory | None) -> float:
    """Rms speed deviation of the take, per cent; 0 where it is not known."""
    found = None if trajectory is None else delay_statistics(trajectory).speed_deviation_rms_pct
    return 0.0 if found is None else found


def _check_timeline(timeline: Timeline | None, *, sample_rate: int, length_samples: int) -> None:
    if timeline is None:
        return
    if timeline.sample_rate != sample_rate:
        raise MismatchError(
            f"the timeline is for {timeline.sample_rate} Hz, the take is {sample_rate} Hz; resample the take"
        )
    if timeline.length_samples != length_samples:
        raise MismatchError(
            f"the timeline is for {timeline.length_samples} samples, the stimulus has {length_samples}; "
            "give the timeline that belongs to it"
        )


def _recorded(timeline: Timeline | None, kind: SegmentKind, *, ends_samples: int, warnings: list[str]) -> list[Segment]:
    """Segments of a kind that came back whole: behind the end of its recording an aligned output is all zeros."""
    if timeline is None:
        return []
    limit = ends_samples + round(FADED_S * timeline.sample_rate)
    segments = timeline.of_kind(kind)
    whole = [segment for segment in segments if segment.stop_samples <= limit]
    if missing := [segment.name for segment in segments if segment.stop_samples > limit]:
        warnings.append(
            f"the output ends at {ends_samples / timeline.sample_rate:.2f} s; not measured: {', '.join(missing)}"
        )
    return whole


def _from_programme(
    played: FloatArray, heard: FloatArray, *, sample_rate: int, smoothing_octaves: float, warnings: list[str]
) -> Response | None:
    # an output that was recorded too short is zero where its alignment had nothing to read
    part = slice(int(np.argmax(heard != 0.0)), recorded_samples(heard))
    try:
        return programme_response(
            played[part], heard[part], sample_rate=sample_rate, smoothing_octaves=smoothing_octaves
        )
    except SignalError as error:
        warnings.append(f"no response: {error}")
        return None


def _thd_vs_level(
    played: FloatArray,
    heard: FloatArray,
    steps: list[Segment],
    *,
    sample_rate: int,
    harmonics: int,
    warnings: list[str],
    silence: FloatArray | None,
) -> tuple[DistortionVsLevel, ...]:
    margin = round(STEP_MARGIN_S * sample_rate)
    tones: dict[float, list[ToneDistortion]] = {}
    standing = {
        hz: standing_amplitudes(silence, sample_rate=sample_rate, frequency_hz=hz, harmonics=harmonics)
        for hz in {segment.frequencies_hz[0] for segment in steps}
        if silence is not None and len(silence) >= MIN_PERIODS * sample_rate / hz
    }
    for segment in steps:
        steady = slice(segment.start_samples + margin, segment.stop_samples - margin)
        frequency_hz = segment.frequencies_hz[0]
        try:
            tone = tone_distortion(
                played[steady], heard[steady], sample_rate=sample_rate, frequency_hz=frequency_hz, harmonics=harmonics,
                standing=standing.get(frequency_hz),
            )  # fmt: skip
        except SignalError as error:
            warnings.append(f"{segment.name}: {error}")
            continue
        tones.setdefault(frequency_hz, []).append(tone)
    return tuple(distortion_vs_level(tones[frequency_hz]) for frequency_hz in sorted(tones))


def _noise(heard: FloatArray, silences: tuple[Silence, ...], *, sample_rate: int) -> Noise | None:
    if not silences:
        return None
    cuts = [heard[round(silence.start_s * sample_rate) : round(silence.end_s * sample_rate)] for silence in silences]
    return measure_noise(cuts, sample_rate=sample_rate)
