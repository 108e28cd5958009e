"""``tapemeasure record``: play the test signals through a real machine and record what comes back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import (
    FiniteRange,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    progress_bar,
    warn,
)
from tapemeasure.errors import DeviceError, MismatchError, TapeMeasureError, UsageError
from tapemeasure.io import provenance, read_audio
from tapemeasure.params import HardwareSettings, Params, load_params, updated_settings
from tapemeasure.signals.timeline import Timeline, load_timeline
from tapemeasure.units import db_from_amplitude

if TYPE_CHECKING:
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.sound_cards import Connection
    from tapemeasure.devices.takes import Take, TakePaths

RAW = Path("raw")


@dataclass(frozen=True)
class _Stimulus:
    path: Path
    samples: FloatArray
    sample_rate: int
    timeline: Timeline | None
    timeline_path: Path | None


@dataclass(frozen=True)
class _Plan:
    """Everything resolved, before anything is played."""

    device_name: str
    device: "HardwareDevice"
    connection: "Connection"
    stimulus: _Stimulus
    played: FloatArray
    paths: "TakePaths"
    capture: Path
    needed_bytes: int


def _complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        profiles = load_params(ctx.params.get("params_file") or "params.yaml").devices
    except TapeMeasureError:
        return []
    names = (name for name, profile in profiles.items() if profile.kind == "hardware")
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(
    epilog="Exit codes: 0 a good take, 1 samples were lost or it ended early (what there is is kept), 2 usage."
)
@click.option(
    "--device",
    "name",
    required=True,
    metavar="NAME",
    shell_complete=_complete_device,
    help="A profile of kind hardware, an index or a part of a sound card's name.",
)
@click.option(
    "--stimulus",
    "stimulus_path",
    default="data/stimuli",
    show_default=True,
    metavar="FOLDER|FILE",
    help="Test signals: the folder that `synthesize` made, or any WAV.",
)
@click.option("-o", "--output", metavar="FOLDER", help="Where the take goes.  [default: raw/<device>/<take>]")
@click.option("--take", metavar="NAME", help="Name of the take.  [default: the next of take01, take02, ...]")
@click.option(
    "--level",
    "level_db",
    type=FiniteRange(-80.0, 0.0),
    metavar="DB",
    help="Play at this level (profile: level_db).",
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Another setting, e.g. tail_s=5.")
@click.option("--note", "notes", multiple=True, metavar="KEY=VALUE", help="For the sidecar: tape, speed, bias, ...")
@click.option("--dry-run", is_flag=True, help="Print everything that is resolved, and play nothing.")
@params_option
@force_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    stimulus_path: str,
    output: str | None,
    take: str | None,
    level_db: float | None,
    assignments: Sequence[str],
    notes: Sequence[str],
    dry_run: bool,
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Play the test signals through a real machine and record what comes back.

    For machines with three heads, which play back while they record. Writes <take>_input.wav (what was played, at
    the level it was played), <take>_output.wav, <take>_input.json (the segments) and <take>.json (card, channels,
    levels, lost samples, hashes). Audio goes to disk as it comes; until a take is complete its files are called
    .partial, and one with lost samples keeps .xruns in its name.

    \b
    Examples:
      tapemeasure record --device akai --dry-run
      tapemeasure record --device akai --note tape=Maxell --note speed_ips=7.5
      tapemeasure record --device "USB Audio" --level -12 --set tail_s=5 -o raw/akai
    """
    from tapemeasure.devices.recording import recording_facts
    from tapemeasure.devices.takes import record_take

    noted = _notes(notes)
    if level_db is not None:
        assignments = [*assignments, f"level_db={level_db}"]
    params = params_or_defaults(ctx, params_file)
    plan = _plan(params, name, _read_stimulus(Path(stimulus_path)), assignments, output=output, take=take, force=force)
    facts = _facts(plan, noted)
    if dry_run:
        files = {"input": plan.paths.input, "output": plan.paths.output, "sidecar": plan.paths.sidecar}
        settings = plan.device.settings.model_dump(mode="json")
        result = {"dry_run": True, "take": plan.paths.name, "settings": settings, "files": files, **facts}
        print_result(result, as_json=as_json, rows=[*_plan_rows(plan), ("", "dry run: nothing was played")])
        return
    facts["recorded_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    with progress_bar(f"record {plan.paths.name}") as progress:
        made = record_take(
            plan.device,
            plan.played,
            connection=plan.connection,
            paths=plan.paths,
            timeline=plan.stimulus.timeline,
            facts=facts,
            force=force,
            progress=progress,
        )
    _tell(plan, made, recording_facts(made.recording), as_json=as_json)


def _read_stimulus(path: Path) -> _Stimulus:
    """Audio of the stimulus, and its timeline where one lies beside it under the same name (``.json``)."""
    audio = path / "stimulus.wav" if path.is_dir() else path
    if not audio.is_file():
        raise UsageError(f"{audio}: no such file; make the test signals with `tapemeasure synthesize`")
    samples, sample_rate = read_audio(audio)
    beside = audio.with_suffix(".json")
    if not beside.is_file():
        return _Stimulus(audio, samples, sample_rate, None, None)
    timeline = load_timeline(beside)
    if (timeline.sample_rate, timeline.length_samples) != (sample_rate, len(samples)):
        raise MismatchError(
            f"{beside} tells of {timeline.length_samples} samples at {timeline.sample_rate} Hz, {audio} holds "
            f"{len(samples)} at {sample_rate} Hz; make both again with `tapemeasure synthesize`"
        )
    return _Stimulus(audio, samples, sample_rate, timeline, beside)


def _plan(
    params: Params,
    name: str,
    stimulus: _Stimulus,
    assignments: Sequence[str],
    *,
    output: str | None,
    take: str | None,
    force: bool,
) -> _Plan:
    """Resolve card, settings, level and files; whatever can be refused is refused here."""
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.takes import check_room, needed_bytes

    settings = updated_settings(_settings(params, name, stimulus), assignments, where=f"record --device {name}")
    device = HardwareDevice(settings)
    played = device.played(stimulus.samples, sample_rate=stimulus.sample_rate)
    paths, capture = _paths(name, output=output, take=take)
    check_room(paths, needed_bytes=needed_bytes(device, played), force=force)
    return _Plan(
        device_name=name,
        device=device,
        connection=device.connect(),
        stimulus=stimulus,
        played=played,
        paths=paths,
        capture=capture,
        needed_bytes=needed_bytes(device, played),
    )


def _settings(params: Params, name: str, stimulus: _Stimulus) -> HardwareSettings:
    """Settings of a profile; for a card without one the stimulus' rate and as many channels as the stimulus has."""
    profile = params.devices.get(name)
    if profile is None:
        channels = tuple(range(1, stimulus.samples.shape[1] + 1))
        return HardwareSettings(
            match=name, sample_rate=stimulus.sample_rate, input_channels=channels, output_channels=channels
        )
    if profile.kind != "hardware":
        raise UsageError(
            f"devices.{name} is of kind {profile.kind}, which is computed; use `tapemeasure simulate --device {name}`"
        )
    return profile.settings


def _paths(name: str, *, output: str | None, take: str | None) -> tuple["TakePaths", Path]:
    """Files of the take, and the folder that `devices.<name>.capture` would name."""
    from tapemeasure.devices.takes import TakePaths, next_take

    if take is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", take):
        raise UsageError(f"--take {take}: use letters, digits, - and _ only")
    folder_name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "device"
    capture = Path(output) if output else RAW / folder_name

    def paths(take_name: str) -> TakePaths:
        return TakePaths(capture if output else capture / take_name, take_name)

    return (next_take(paths) if take is None else paths(take)), capture


def _notes(texts: Sequence[str]) -> dict[str, str]:
    notes = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UsageError(f"--note {text}: write it as key=value, for example tape=Maxell")
        notes[key] = value
    return notes


def _facts(plan: _Plan, notes: Mapping[str, str]) -> dict[str, Any]:
    stimulus = plan.stimulus
    inputs = {"stimulus": stimulus.path}
    if stimulus.timeline_path is not None:
        inputs["timeline"] = stimulus.timeline_path
    return {
        "device": plan.device_name,
        "kind": plan.device.name,
        "played_peak_dbfs": db_from_amplitude(float(abs(plan.played).max())),
        "stimulus": stimulus.path,
        "timeline": stimulus.timeline_path,
        "notes": notes,
        "provenance": provenance(inputs=inputs),
    }


def _plan_rows(plan: _Plan) -> list[tuple[str, str]]:
    settings, connection = plan.device.settings, plan.connection
    length_s = len(plan.played) / settings.sample_rate
    peak_dbfs = db_from_amplitude(float(abs(plan.played).max()))
    return [
        ("device", f"{plan.device_name} at {settings.sample_rate} Hz"),
        ("plays through", f"{connection.output}, channels {_listed(settings.output_channels)}"),
        ("records through", f"{connection.input}, channels {_listed(settings.input_channels)}"),
        ("stimulus", f"{plan.stimulus.path}, {length_s:.1f} s and {settings.tail_s:g} s of tail"),
        ("level", f"{settings.level_db:g} dB, peak {peak_dbfs:.1f} dBFS"),
        ("take", f"{plan.paths.output}, at most {plan.needed_bytes / 2**20:.0f} MiB"),
    ]


def _listed(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels))


def _tell(plan: _Plan, made: "Take", facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the take; raise DeviceError if it is not a good one."""
    recording, kept = made.recording, made.paths
    for text in recording.warnings:
        warn(text)
    there = {key: path for key in ("input", "output", "timeline", "sidecar") if (path := getattr(kept, key)).exists()}
    length_s = recording.length_samples / recording.sample_rate
    rows = [
        *_plan_rows(plan)[:-1],
        ("recorded", f"{length_s:.3f} s, {len(recording.xruns)} xruns, {recording.clipped_runs_total} clipped runs"),
        ("levels", "; ".join(f"peak {p:.1f}, rms {r:.1f} dBFS" for p, r in _levels(facts))),
        ("written", ", ".join(map(str, there.values())) or "nothing"),
    ]
    print_result({**made.sidecar, "files": there, "warnings": recording.warnings}, as_json=as_json, rows=rows)
    if recording.stopped_early is not None:
        planned_s = recording.planned_samples / recording.sample_rate
        held = f"what was recorded is kept in {kept.output}" if there else "nothing was recorded"
        raise DeviceError(f"{recording.stopped_early}; ended after {length_s:.2f} s of {planned_s:.2f} s; {held}")
    if recording.xruns:
        raise DeviceError(
            f"the take lost samples ({len(recording.xruns)} xruns) and is kept as {kept.output}; record it again (the "
            "pipeline leaves such takes out; to use it all the same take .xruns out of its file names)"
        )
    click.echo(_next_step(plan), err=True)


def _levels(facts: Mapping[str, Any]) -> list[tuple[float, float]]:
    return list(zip(facts["peak_dbfs"], facts["rms_dbfs"], strict=True))


def _next_step(plan: _Plan) -> str:
    profile = f"devices.{plan.device_name}.capture: {plan.capture}"
    if re.fullmatch(r"[A-Za-z0-9_-]+", plan.device_name) and not plan.device_name.isdecimal():
        return f"next: write `{profile}` in params.yaml, then `dvc repro`"
    return f"next: give a profile of kind hardware `capture: {plan.capture}` in params.yaml, then `dvc repro`"
