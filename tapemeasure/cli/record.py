"""``tapemeasure record``: play the test signals through a real machine and record what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from tapemeasure.cli.common import (
    FiniteRange,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    warn,
)
from tapemeasure.cli.record_check import check_levels, judge_take, level_rows
from tapemeasure.cli.record_meter import meter
from tapemeasure.cli.record_pass import capture_pass, now, print_pass
from tapemeasure.cli.record_plan import (
    Plan,
    make_plan,
    next_step,
    plan_facts,
    plan_rows,
    read_notes,
    read_stimulus,
    take_paths,
)
from tapemeasure.errors import DeviceError, TapeMeasureError, UsageError
from tapemeasure.params import load_params

if TYPE_CHECKING:
    from tapemeasure.devices.takes import Take


def _complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        profiles = load_params(ctx.params.get("params_file") or "params.yaml").devices
    except TapeMeasureError:
        return []
    names = (name for name, profile in profiles.items() if profile.kind == "hardware")
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(
    epilog="Exit codes: 0 a good take, 1 the levels are refused, samples were lost, it ended early or its check found "
    "something (what there is is kept), 2 usage."
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
@click.option("--pass", "which_pass", type=click.Choice(["print", "capture"]),
              help="Two heads: print the test signals onto the tape, or capture its playback.")  # fmt: skip
@click.option("--wait", "wait_s", type=FiniteRange(1.0, 600.0), default=30.0, show_default=True, metavar="S",
              help="--pass capture: how long the tape may take to start.")  # fmt: skip
@click.option("--repeat", type=click.IntRange(1, 99), default=1, show_default=True, metavar="N",
              help="Make so many takes.")  # fmt: skip
@click.option("--silence", "silence_s", type=FiniteRange(0.0, 600.0), default=0.0, metavar="S",
              help="Put so much silence behind the test signals, for hiss.")  # fmt: skip
@click.option("--check-only", is_flag=True, help="Check the levels with a short soft signal, and record nothing.")
@click.option("--level-check/--no-level-check", default=True, show_default=True, help="Check the levels first.")
@click.option("--check/--no-check", default=True, show_default=True, help="Check the take afterwards by the tracker.")
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
    which_pass: str | None,
    wait_s: float,
    repeat: int,
    silence_s: float,
    check_only: bool,
    level_check: bool,
    check: bool,
    assignments: Sequence[str],
    notes: Sequence[str],
    dry_run: bool,
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Play the test signals through a real machine and record what comes back.

    Three heads: the machine plays back while it records. Two heads: `--pass print` records the tape, `--pass capture`
    its playback; markers find the start, and the difference of the clocks is undone.

    A short soft signal checks levels, channels, polarity and latency first. Writes <take>_input.wav (what was played,
    at the level it was played), <take>_output.wav, <take>_input.json (the segments) and <take>.json (card, channels,
    levels, lost samples, hashes, verdict). Audio goes to disk as it comes; until a take is complete its files are
    called .partial; one with lost samples keeps .xruns in its name, one that the check found bad .failed.

    \b
    Examples:
      tapemeasure record --device akai --dry-run
      tapemeasure record --device akai --check-only
      tapemeasure record --device akai --note tape=Maxell --note speed_ips=7.5 --silence 60
      tapemeasure record --device "USB Audio" --level -12 --set tail_s=5 -o raw/akai
      tapemeasure record --device cassette --pass print
      tapemeasure record --device cassette --pass capture
    """
    noted = read_notes(notes)
    if level_db is not None:
        assignments = [*assignments, f"level_db={level_db}"]
    params = params_or_defaults(ctx, params_file)
    if which_pass is not None and (check_only or repeat > 1):
        raise UsageError("--pass: --check-only and --repeat are for machines with three heads; leave them out")
    if which_pass == "capture":
        capture_pass(
            params, name, assignments, noted, output=output, take=take, wait_s=wait_s, check=check, force=force,
            dry_run=dry_run, as_json=as_json,
        )  # fmt: skip
        return
    stimulus = read_stimulus(Path(stimulus_path), silence_s=silence_s)
    plan = make_plan(params, name, stimulus, assignments, output=output, take=take, force=force)
    if which_pass == "print":
        print_pass(plan, noted, force=force, dry_run=dry_run, as_json=as_json)
        return
    if plan.device.settings.mode == "two_pass":
        raise UsageError(
            f"devices.{name}.mode is two_pass: use --pass print, rewind, then --pass capture (or --set mode=three_head)"
        )
    facts = plan_facts(plan, noted)
    if dry_run:
        files = {"input": plan.paths.input, "output": plan.paths.output, "sidecar": plan.paths.sidecar}
        settings = plan.device.settings.model_dump(mode="json")
        result = {"dry_run": True, "take": plan.paths.name, "settings": settings, "files": files, **facts}
        print_result(result, as_json=as_json, rows=[*plan_rows(plan), ("", "dry run: nothing was played")])
        return
    if level_check or check_only:
        facts["level_check"] = _check_levels(plan, to_stdout=check_only and not as_json)
        if check_only:
            if as_json:
                print_result(facts, as_json=True)
            return
    for number in range(repeat):
        if number > 0:
            if take is not None:
                plan = replace(plan, paths=take_paths(name, output=output, take=f"{take}-{number + 1}")[0])
            else:
                plan = replace(plan, paths=take_paths(name, output=output, take=None)[0])
        _tell(plan, _record(plan, facts, check=check, force=force), as_json=as_json)
    click.echo(next_step(name, plan.capture), err=True)


def _check_levels(plan: Plan, *, to_stdout: bool) -> Mapping[str, Any]:
    """Play the soft signal, tell what it told; DeviceError where the take would be of no use."""
    from tapemeasure.devices.level_check import level_facts, level_problems

    settings = plan.device.settings
    checked = check_levels(plan.device, plan.connection)
    width = max(len(label) for label, _ in level_rows(checked, settings))
    for label, value in level_rows(checked, settings):
        click.echo(f"{label:<{width}}  {value}", err=not to_stdout)
    refusals, warnings = level_problems(checked, settings, peak=plan.played.peak)
    for text in warnings:
        warn(text)
    if refusals:
        raise DeviceError(f"level check: {'; '.join(refusals)} (--no-level-check records all the same)")
    return level_facts(checked, settings)


def _record(plan: Plan, facts: Mapping[str, Any], *, check: bool, force: bool) -> "Take":
    from tapemeasure.devices.takes import record_take

    with meter(f"record {plan.paths.name}") as watch:
        return record_take(
            plan.device,
            plan.played,
            connection=plan.connection,
            paths=plan.paths,
            timeline=plan.stimulus.timeline,
            facts={**facts, "recorded_at": now()},
            force=force,
            judge=judge_take(plan.device.settings) if check else None,
            watch=watch,
        )


def _tell(plan: Plan, made: "Take", *, as_json: bool) -> None:
    """Print the take; raise DeviceError if it is not a good one."""
    recording, kept = made.recording, made.paths
    for text in recording.warnings:
        warn(text)
    there = {key: path for key in ("input", "output", "timeline", "sidecar") if (path := getattr(kept, key)).exists()}
    length_s = recording.length_samples / recording.sample_rate
    levels = zip(recording.peak_dbfs, recording.rms_dbfs, strict=True)
    verdict = made.sidecar.get("check", {}).get("verdict", [])
    rows = [
        *plan_rows(plan)[:-1],
        ("recorded", f"{length_s:.3f} s, {len(recording.xruns)} xruns, {recording.clipped_runs_total} clipped runs"),
        ("levels", "; ".join(f"peak {p:.1f}, rms {r:.1f} dBFS" for p, r in levels)),
        *(("verdict", text) for text in verdict),
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
    if kept.mark != "":
        raise DeviceError(
            f"the take is not good: {verdict[0]}{' (and more, see above)' if len(verdict) > 1 else ''}; it is kept as "
            f"{kept.output} (to use it all the same take .failed out of its file names)"
        )
