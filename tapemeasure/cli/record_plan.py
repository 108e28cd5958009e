"""What `tapemeasure record` resolves before anything is played: stimulus, card, settings, level, files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, UsageError
from tapemeasure.io import provenance
from tapemeasure.params import HardwareSettings, Params, updated_settings
from tapemeasure.signals.timeline import Pilot, Segment, Timeline, load_timeline
from tapemeasure.units import amplitude_from_db, db_from_amplitude

if TYPE_CHECKING:
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.played import Played
    from tapemeasure.devices.sound_cards import Connection
    from tapemeasure.devices.takes import TakePaths

RAW = Path("raw")
HISS_SEGMENT = "silence_hiss"


@dataclass(frozen=True)
class Stimulus:
    """The test signals, their timeline where there is one, and where both lie."""

    path: Path
    played: "Played"
    timeline: Timeline | None
    timeline_path: Path | None


@dataclass(frozen=True)
class Plan:
    """Everything resolved, before anything is played."""

    device_name: str
    device: "HardwareDevice"
    connection: "Connection"
    stimulus: Stimulus
    played: "Played"
    paths: "TakePaths"
    capture: Path
    needed_bytes: int


def read_stimulus(path: Path, *, silence_s: float = 0.0) -> Stimulus:
    """Audio of the stimulus, and its timeline where one lies beside it under the same name (``.json``).

    Parameters
    ----------
    path : path
        The folder that `synthesize` made, or any audio file.
    silence_s : float
        Seconds of silence that are put behind it; a pilot of its own channel goes on in them.
    """
    from tapemeasure.devices.played import played_file

    audio = path / "stimulus.wav" if path.is_dir() else path
    if not audio.is_file():
        raise UsageError(f"{audio}: no such file; make the test signals with `tapemeasure synthesize`")
    played = played_file(audio)
    beside = audio.with_suffix(".json")
    timeline = load_timeline(beside) if beside.is_file() else None
    if timeline is not None and (timeline.sample_rate, timeline.length_samples) != (
        played.sample_rate,
        played.n_samples,
    ):
        raise MismatchError(
            f"{beside} tells of {timeline.length_samples} samples at {timeline.sample_rate} Hz, {audio} holds "
            f"{played.n_samples} at {played.sample_rate} Hz; make both again with `tapemeasure synthesize`"
        )
    stimulus = Stimulus(audio, played, timeline, None if timeline is None else beside)
    return with_silence(stimulus, silence_s=silence_s) if silence_s > 0.0 else stimulus


def with_silence(stimulus: Stimulus, *, silence_s: float) -> Stimulus:
    """The stimulus with silence behind it, told by its timeline; pulses or a tone on their own channel go on."""
    played, timeline = stimulus.played, stimulus.timeline
    length = round(silence_s * played.sample_rate)
    tail = np.zeros((length, played.n_channels))
    if timeline is not None:
        pilot = timeline.pilot
        if pilot.kind in ("pulses", "tone") and pilot.channel is not None and pilot.channel < played.n_channels:
            tail[:, pilot.channel] = _pilot_goes_on(pilot, played.n_samples, length, played.sample_rate)
        segment = Segment(HISS_SEGMENT, "silence", played.n_samples, length)
        timeline = replace(timeline, length_samples=played.n_samples + length, segments=(*timeline.segments, segment))
    return replace(stimulus, played=played.followed_by(tail), timeline=timeline)


def _pilot_goes_on(pilot: Pilot, start: int, length: int, sample_rate: int) -> FloatArray:
    """Samples of a pilot from a position behind its beginning."""
    position = np.arange(start, start + length) - pilot.first_samples
    amplitude = amplitude_from_db(pilot.level_dbfs or 0.0)
    frequency_hz = pilot.frequency_hz or 1.0
    if pilot.kind == "pulses":
        return np.asarray(np.where(position % round(sample_rate / frequency_hz) == 0, amplitude, 0.0))
    return np.asarray(amplitude * np.sin(2.0 * np.pi * frequency_hz * position / sample_rate))


def make_plan(
    params: Params,
    name: str,
    stimulus: Stimulus,
    assignments: Sequence[str],
    *,
    output: str | None,
    take: str | None,
    force: bool,
) -> Plan:
    """Resolve card, settings, level and files; whatever can be refused is refused here."""
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.takes import check_room, needed_bytes

    settings = updated_settings(hardware_settings(params, name, stimulus), assignments, where=f"record --device {name}")
    device = HardwareDevice(settings)
    played = device.at_level(stimulus.played)
    paths, capture = take_paths(name, output=output, take=take)
    check_room(paths, needed_bytes=needed_bytes(device, played), force=force)
    return Plan(
        device_name=name,
        device=device,
        connection=device.connect(),
        stimulus=stimulus,
        played=played,
        paths=paths,
        capture=capture,
        needed_bytes=needed_bytes(device, played),
    )


def hardware_settings(params: Params, name: str, stimulus: Stimulus | None = None) -> HardwareSettings:
    """Settings of a profile; for a card without one the stimulus' rate and as many channels as the stimulus has."""
    profile = params.devices.get(name)
    if profile is None:
        if stimulus is None:
            return HardwareSettings(match=name)
        channels = tuple(range(1, stimulus.played.n_channels + 1))
        return HardwareSettings(
            match=name, sample_rate=stimulus.played.sample_rate, input_channels=channels, output_channels=channels
        )
    if profile.kind != "hardware":
        raise UsageError(
            f"devices.{name} is of kind {profile.kind}, which is computed; use `tapemeasure simulate --device {name}`"
        )
    return profile.settings


def take_paths(name: str, *, output: str | None, take: str | None, printed: bool = False) -> tuple["TakePaths", Path]:
    """Files of the take, and the folder that `devices.<name>.capture` would name.

    Without a name of the take: the next free one; with `printed` the last that was printed and not yet captured.
    """
    from tapemeasure.devices.takes import TakePaths, last_printed, next_take

    if take is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", take):
        raise UsageError(f"--take {take}: use letters, digits, - and _ only")
    folder_name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "device"
    capture = Path(output) if output else RAW / folder_name

    def paths(take_name: str) -> TakePaths:
        return TakePaths(capture if output else capture / take_name, take_name)

    if take is not None:
        return paths(take), capture
    return (last_printed(capture) if printed else next_take(paths)), capture


def read_notes(texts: Sequence[str]) -> dict[str, str]:
    """Notes of ``--note key=value``; UsageError where one is none."""
    notes = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UsageError(f"--note {text}: write it as key=value, for example tape=Maxell")
        notes[key] = value
    return notes


def plan_facts(plan: Plan, notes: Mapping[str, str]) -> dict[str, Any]:
    """What the sidecar tells beside the recording itself."""
    stimulus = plan.stimulus
    inputs = {"stimulus": stimulus.path}
    if stimulus.timeline_path is not None:
        inputs["timeline"] = stimulus.timeline_path
    return {
        "device": plan.device_name,
        "kind": plan.device.name,
        "played_peak_dbfs": db_from_amplitude(max(plan.played.peak)),
        "stimulus": stimulus.path,
        "timeline": stimulus.timeline_path,
        "notes": notes,
        "provenance": provenance(inputs=inputs),
    }


def plan_rows(plan: Plan) -> list[tuple[str, str]]:
    """The plan as a table."""
    settings, connection = plan.device.settings, plan.connection
    peak_dbfs = db_from_amplitude(max(plan.played.peak))
    return [
        ("device", f"{plan.device_name} at {settings.sample_rate} Hz, {settings.mode.replace('_', ' ')}"),
        ("plays through", f"{connection.output}, channels {listed(settings.output_channels)}"),
        ("records through", f"{connection.input}, channels {listed(settings.input_channels)}"),
        ("stimulus", f"{plan.stimulus.path}, {plan.played.duration_s:.1f} s and {settings.tail_s:g} s of tail"),
        ("level", f"{settings.level_db:g} dB, peak {peak_dbfs:.1f} dBFS"),
        ("take", f"{plan.paths.output}, at most {plan.needed_bytes / 2**20:.0f} MiB"),
    ]


def listed(channels: Sequence[int]) -> str:
    """Numbers with commas."""
    return ", ".join(map(str, channels))


def next_step(device_name: str, capture: Path) -> str:
    """What to do with a good take."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", device_name) and not device_name.isdecimal():
        return f"next: write `devices.{device_name}.capture: {capture}` in params.yaml, then `dvc repro`"
    return f"next: give a profile of kind hardware `capture: {capture}` in params.yaml, then `dvc repro`"
