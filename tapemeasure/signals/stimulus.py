"""The whole stimulus: every test signal in order, the pilot, and the timeline that names them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.errors import MismatchError
from tapemeasure.io import read_audio, refuse_overwrite, write_audio, write_json
from tapemeasure.params.stages import StimuliParams
from tapemeasure.signals.marker import marker_burst
from tapemeasure.signals.parts import Part, measuring_parts, programme_parts
from tapemeasure.signals.pilots import add_inband_pilot, describe_pilot, pilot_samples
from tapemeasure.signals.timeline import Segment, Timeline, load_timeline

AUDIO_NAME = "stimulus.wav"
TIMELINE_NAME = "stimulus.json"
LEAD_IN_S = 0.5
TAIL_S = 1.0


@dataclass(frozen=True)
class Stimulus:
    """What is played into a device.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        Test signals in channel 1; the pilot in channel 2, where it has one of its own. Full scale 1.0.
    timeline : Timeline
        Every segment by name, and the pilot.
    warnings : tuple of str
        What the user should know.
    """

    samples: FloatArray
    timeline: Timeline
    warnings: tuple[str, ...] = ()


def build_stimulus(
    params: StimuliParams, *, programme: FloatArray | None = None, progress: Progress = no_progress
) -> Stimulus:
    """All test signals in order, with the pilot and the timeline.

    Parameters
    ----------
    params : StimuliParams
        Which signals, how long, how loud, at which sample rate.
    programme : ndarray, shape (n_samples,), optional
        The user's own programme at `params.sample_rate`, as `user_programme` gives it. It is scaled as a whole to
        the programme's peak level and goes to the sets by time: train, validation, test. Where it is too short each
        set gets its share, the built-in synthesiser plays the rest of the set, and a warning tells so.
    progress : callable
        Told the completed fraction.

    Returns
    -------
    Stimulus
        Two channels with a pilot of kind pulses or tone, else one.

    Raises
    ------
    ParameterError
        If a signal does not fit the sample rate, or a sweep is too short for its start frequency.
    SignalError
        If the user's programme is silent.

    Notes
    -----
    Order: marker, silence, sweeps, steps, multitone, two-tone pairs, programme (train, validation, test), silence,
    marker; 0.5 s lie before the first, 0.5 s of zeros behind each (the steps of one frequency follow each other at
    once), 1 s behind the last. Segments start at the same seconds at every sample rate, to half a sample. Levels are
    peak levels. The pilot runs from 0.25 s to the end, but an in-band pilot rests during the segments of silence.
    """
    parts = [*measuring_parts(params), *programme_parts(params, own=programme, progress=progress)]
    samples, segments = _lay_out(_framed(parts, params), sample_rate=params.sample_rate)
    pilot = describe_pilot(params.pilot, sample_rate=params.sample_rate)
    timeline = Timeline(params.sample_rate, len(samples), segments, pilot)
    reference = pilot_samples(pilot, length_samples=len(samples), sample_rate=params.sample_rate)
    if pilot.channel == 1:
        channels = np.stack([samples, reference], axis=1)
    else:
        channels = add_inband_pilot(samples, reference, timeline=timeline)[:, np.newaxis]
    return Stimulus(channels, timeline, _warnings(params, programme))


def save_stimulus(stimulus: Stimulus, folder: Path | str, *, force: bool = True) -> tuple[Path, Path]:
    """Write ``stimulus.wav`` (float32) and ``stimulus.json`` (the timeline) into a folder; give both paths.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    UsageError
        If one of the files exists and `force` is false.
    """
    audio, timeline = stimulus_files(folder)
    for path in (audio, timeline):
        refuse_overwrite(path, force=force)
    write_audio(audio, stimulus.samples, sample_rate=stimulus.timeline.sample_rate)
    write_json(timeline, stimulus.timeline.as_dict())
    return audio, timeline


def stimulus_files(folder: Path | str) -> tuple[Path, Path]:
    """Where a stimulus lies in a folder: audio and timeline."""
    return Path(folder) / AUDIO_NAME, Path(folder) / TIMELINE_NAME


def load_stimulus(folder: Path | str) -> Stimulus:
    """Read what `save_stimulus` wrote.

    Raises
    ------
    UsageError
        If a file is missing.
    AudioFileError
        If a file cannot be read.
    MismatchError
        If audio and timeline do not belong together.
    """
    audio, timeline_file = stimulus_files(folder)
    timeline = load_timeline(timeline_file)
    samples, sample_rate = read_audio(audio)
    if (len(samples), sample_rate) != (timeline.length_samples, timeline.sample_rate):
        raise MismatchError(
            f"{audio} holds {len(samples)} samples at {sample_rate} Hz, {timeline_file} tells of "
            f"{timeline.length_samples} at {timeline.sample_rate} Hz; make them again with `tapemeasure synthesize`"
        )
    return Stimulus(samples, timeline)


def _warnings(params: StimuliParams, own: FloatArray | None) -> tuple[str, ...]:
    """What to tell of the user's programme: that it is too short."""
    if own is None or len(own) >= round(params.programme.total_s * params.sample_rate):
        return ()
    return (
        f"{params.programme.folder} holds {len(own) / params.sample_rate:.1f} s of audio, the programme takes "
        f"{params.programme.total_s:.1f} s; each set begins with its share of it, the synthesiser plays the rest",
    )


def _framed(parts: list[Part], params: StimuliParams) -> list[Part]:
    """The parts between silences, and these between markers."""
    burst = marker_burst(sample_rate=params.sample_rate, level_dbfs=params.marker_level_dbfs)
    length_s = len(burst) / params.sample_rate
    marker = Part("marker_start", "marker", burst, length_s, params.marker_level_dbfs)
    silence = Part("silence_start", "silence", None, params.silence_s)
    start, end = [marker], [replace(marker, name="marker_end", gap_s=TAIL_S)]
    if round(params.silence_s * params.sample_rate) > 0:
        start.append(silence)
        end.insert(0, replace(silence, name="silence_end"))
    return [*start, *parts, *end]


def _lay_out(parts: list[Part], *, sample_rate: int) -> tuple[FloatArray, tuple[Segment, ...]]:
    """One channel of samples, and a segment for each part; a name that comes again gets a number."""
    segments: list[Segment] = []
    seen: dict[str, int] = {}
    cursor_s = LEAD_IN_S
    for part in parts:
        length = round(part.length_s * sample_rate) if part.samples is None else len(part.samples)
        seen[part.name] = seen.get(part.name, 0) + 1
        name = part.name if seen[part.name] == 1 else f"{part.name}_{seen[part.name]}"
        start = round(cursor_s * sample_rate)
        segments.append(Segment(name, part.kind, start, length, part.level_dbfs, part.frequencies_hz, part.split))
        cursor_s += part.length_s + part.gap_s
    samples = np.zeros(round(cursor_s * sample_rate))
    for segment, part in zip(segments, parts, strict=True):
        if part.samples is not None:
            samples[segment.start_samples : segment.stop_samples] = part.samples
    return samples, tuple(segments)
