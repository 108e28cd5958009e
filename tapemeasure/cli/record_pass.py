"""The two passes of `tapemeasure record` for machines with two heads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from tapemeasure.cli.common import print_result, progress_bar, warn
from tapemeasure.cli.record_check import judge_take
from tapemeasure.cli.record_meter import meter
from tapemeasure.cli.record_plan import Plan, hardware_settings, next_step, plan_facts, plan_rows, take_paths
from tapemeasure.errors import DeviceError
from tapemeasure.io import provenance
from tapemeasure.params import Params, updated_settings


def print_pass(plan: Plan, notes: Mapping[str, str], *, force: bool, dry_run: bool, as_json: bool) -> None:
    """Play the test signals onto the tape."""
    from tapemeasure.devices.passes import print_tape

    facts = plan_facts(plan, notes)
    if dry_run:
        result = {"dry_run": True, "pass": "print", "take": plan.paths.name, **facts}
        print_result(result, as_json=as_json, rows=[*plan_rows(plan), ("", "dry run: nothing was played")])
        return
    facts["recorded_at"] = now()
    with progress_bar(f"print {plan.paths.name}") as progress:
        take = print_tape(
            plan.device,
            plan.played,
            connection=plan.connection,
            paths=plan.paths,
            timeline=plan.stimulus.timeline,
            facts=facts,
            force=force,
            progress=progress,
        )
    rows = [
        *plan_rows(plan)[:-1],
        ("printed", f"{plan.paths.name}, between two markers"),
        ("written", str(take.paths.input)),
    ]
    print_result({**take.sidecar, "files": {"input": take.paths.input, "sidecar": take.paths.sidecar}},
                 as_json=as_json, rows=rows)  # fmt: skip
    click.echo(
        f"next: rewind the tape, then `tapemeasure record --device {plan.device_name} --pass capture --take "
        f"{plan.paths.name}`, and start the tape when it records",
        err=True,
    )


def capture_pass(
    params: Params,
    name: str,
    assignments: Sequence[str],
    notes: Mapping[str, str],
    *,
    output: str | None,
    take: str | None,
    wait_s: float,
    check: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Record the playback of a printed tape and make a take of it."""
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.passes import capture_samples, capture_tape, check_capture_room, read_print
    from tapemeasure.devices.takes import PRINTED
    from tapemeasure.params import HardwareSettings, validated

    paths, capture = take_paths(name, output=output, take=take, printed=True)
    printed = read_print(paths)
    settings = hardware_settings(params, name)
    if name not in params.devices:
        # a card without a profile: as it was printed
        settings = validated(HardwareSettings, printed["settings"], where=str(paths.marked(PRINTED).sidecar))
    device = HardwareDevice(updated_settings(settings, assignments, where=f"record --device {name}"))
    n_samples = capture_samples(device, printed_samples=int(printed["printed_samples"]), wait_s=wait_s)
    check_capture_room(device, paths, n_samples=n_samples, force=force)
    connection = device.connect()
    rows = [
        ("device", f"{name} at {device.settings.sample_rate} Hz, second pass"),
        ("records through", str(connection.input)),
        ("take", f"{paths.output}, {n_samples / device.settings.sample_rate:.0f} s"),
    ]
    if dry_run:
        result = {"dry_run": True, "pass": "capture", "take": paths.name, "recorded_samples": n_samples}
        print_result(result, as_json=as_json, rows=[*rows, ("", "dry run: nothing was recorded")])
        return
    click.echo(
        f"recording: start the tape now, within {wait_s:g} s; the recording ends by itself behind the end marker",
        err=True,
    )
    note = {"notes": {**printed.get("notes", {}), **notes}, "recorded_at": now(), "provenance": provenance(
        inputs={"input": paths.marked(PRINTED).input})}  # fmt: skip
    with meter(paths.name) as watch:
        made = capture_tape(
            device,
            connection=connection,
            paths=paths,
            wait_s=wait_s,
            facts=note,
            force=force,
            judge=(lambda error_pct: judge_take(device.settings, speed_error_pct=error_pct)) if check else None,
            watch=watch,
        )
    frame, kept = made.frame, made.take.paths
    for text in made.take.recording.warnings:
        warn(text)
    verdict = made.take.sidecar.get("check", {"good": True, "verdict": ["not checked"]})
    rows += [
        ("print found", f"from {frame.start_samples / device.settings.sample_rate:.3f} s, markers match "
         f"{frame.match[0]:.2f}, {frame.match[1]:.2f}"),
        ("speed", f"{frame.speed_error_pct:+.4f} %, undone"),
        *(("verdict", text) for text in verdict["verdict"]),
        ("written", f"{kept.output}, {kept.raw}"),
    ]  # fmt: skip
    print_result({**made.take.sidecar, "files": {"input": kept.input, "output": kept.output, "raw": kept.raw}},
                 as_json=as_json, rows=rows)  # fmt: skip
    if kept.mark != "":
        raise DeviceError(f"the take is not good and is kept as {kept.output}: {'; '.join(verdict['verdict'])}")
    click.echo(next_step(name, capture), err=True)


def now() -> str:
    """The time of day, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
