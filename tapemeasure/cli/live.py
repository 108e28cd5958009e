"""``tapemeasure live``: play through a trained replica of a machine in real time."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli.common import (
    FiniteRange,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    warn,
)
from tapemeasure.cli.emulate import level_warnings
from tapemeasure.cli.emulate_options import Wanted, replica_options, taken
from tapemeasure.cli.live_view import live_view
from tapemeasure.cli.record_plan import hardware_settings
from tapemeasure.errors import DeviceError, MismatchError
from tapemeasure.io import provenance
from tapemeasure.params import HardwareSettings, updated_settings
from tapemeasure.units import amplitude_from_db

if TYPE_CHECKING:
    from tapemeasure.cli.live_session import Session
    from tapemeasure.devices.live_results import LiveRun
    from tapemeasure.devices.neural import NeuralDevice
    from tapemeasure.replica.model import Replica

MOST_CHANNELS = 2
"""Of a card that no profile tells of."""

TOLD_XRUNS = 5


@click.command(
    epilog="Exit codes: 0 played (also when Ctrl-C ended it), 1 the device failed or went away, or the model cannot be "
    "read, 2 usage."
)
@click.option("--device", "name", metavar="NAME", default="default", show_default=True,
              help="A profile of kind hardware, an index or a part of a card's name.")  # fmt: skip
@replica_options
@click.option("--head-delay", is_flag=True, help="Keep the machine's own delay from head to head. Without it the "
              "output comes as early as the moving tape lets it.")  # fmt: skip
@click.option("--seconds", "length_s", type=FiniteRange(0.1, 360000.0), metavar="S", help="End after so many seconds.")
@click.option("--block", "block_samples", type=click.IntRange(16, 8192), metavar="SAMPLES",
              help="Block length that the card is asked for.  [default: its own]")  # fmt: skip
@click.option("--device-set", "device_assignments", multiple=True, metavar="KEY=VALUE",
              help="Another setting of the device, e.g. input_channels=[1]. May be repeated.")  # fmt: skip
@params_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    name: str,
    head_delay: bool,
    length_s: float | None,
    block_samples: int | None,
    device_assignments: Sequence[str],
    params_file: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Play through a trained replica in real time: from the inputs of a sound card to its outputs.

    The same options and the same seed give the same samples as `tapemeasure emulate`. Delay and hiss are made ahead of
    time, never while a block waits. One input goes into all outputs, several inputs go into one output as their mean.
    On a terminal a screen is drawn, elsewhere a line a second goes to stderr. Ctrl-C ends it.

    \b
    Examples:
      tapemeasure live --model akai --device "Scarlett"
      tapemeasure live --model akai --device akai --delay generated --hiss generated --wow 2
      tapemeasure live --model akai --device 3 --device-set input_channels=[1] --seconds 60 --json
    """
    from tapemeasure.cli.emulate_noise import wobble
    from tapemeasure.cli.live_session import open_session
    from tapemeasure.devices.live_stream import play_live
    from tapemeasure.devices.neural import NeuralDevice
    from tapemeasure.replica.model import model_path

    wanted = taken(options)
    model_file = model_path(wanted.folder)
    device = NeuralDevice(model_file, wanted.conditions)
    # what is asked for is looked at before the card is
    put_on = wobble(wanted)
    settings = _settings(ctx, name, params_file, device_assignments, device)
    with ExitStack() as threads:
        session = open_session(
            wanted,
            put_on,
            device.replica,
            n_tracks=len(settings.output_channels),
            head_delay=head_delay,
            threads=threads,
        )
        title = f"{model_file.parent.name} through {name}, delay {session.put_on.source}"
        with live_view(title) as (show, every_s):
            run = play_live(
                settings,
                session.whole.process,
                duration_s=length_s,
                block_samples=block_samples or 0,
                watch=show,
                watch_every_s=every_s,
                until=session.failure,
            )
    if run.interrupted:
        click.echo("ended by Ctrl-C", err=True)
    driven = amplitude_from_db(max(run.input_peak_dbfs) + wanted.saturation_db)
    warnings = _warnings(device, session, run, driven, where=name)
    for text in warnings:
        warn(text)
    result = {
        "device": name,
        "model": model_file,
        **_result(run, session, device.replica, wanted),
        "warnings": warnings,
        "provenance": provenance(inputs={"model": model_file, **session.files}),
    }
    print_result(result, as_json=as_json, rows=_rows(result))
    if run.stopped_early is not None:
        raise DeviceError(f"{run.stopped_early}; played for {run.duration_s:.2f} s")


def _settings(
    ctx: click.Context, name: str, params_file: str, assignments: Sequence[str], device: "NeuralDevice"
) -> HardwareSettings:
    """Settings of the card; one without a profile takes the model's rate and its first two channels."""
    params = params_or_defaults(ctx, params_file)
    settings = hardware_settings(params, name)
    model_rate = device.replica.sample_rate
    if name not in params.devices:
        settings = _of_card(settings.model_copy(update={"sample_rate": model_rate}))
    settings = updated_settings(settings, assignments, where=f"live --device {name}")
    if settings.sample_rate != model_rate:
        raise MismatchError(
            f"{device.model} was trained at {model_rate} Hz, the device {name} is set to {settings.sample_rate} Hz; "
            f"set the card to {model_rate} Hz (--device-set sample_rate={model_rate}), or train a model at its rate"
        )
    return settings


def _of_card(settings: HardwareSettings) -> HardwareSettings:
    """The first channels of a card that has no profile, at most two."""
    from tapemeasure.devices.sound_cards import find_connection, list_sound_cards

    connection = find_connection(list_sound_cards(), match=settings.match)
    counts = connection.input.input_channels, connection.output.output_channels
    inputs, outputs = (tuple(range(1, min(MOST_CHANNELS, count) + 1)) for count in counts)
    return settings.model_copy(update={"input_channels": inputs, "output_channels": outputs})


def _warnings(device: "NeuralDevice", session: "Session", run: "LiveRun", peak: float, *, where: str) -> list[str]:
    """What went wrong or may sound wrong."""
    texts = list(device.warnings())
    if run.duration_s > 0.0 and peak > 0.0:
        texts += level_warnings(peak, device.replica.facts, path=Path(where))
    if run.xruns:
        places = ", ".join(f"{xrun.position_s:.2f} s" for xrun in run.xruns[:TOLD_XRUNS])
        more = " ..." if len(run.xruns) > TOLD_XRUNS else ""
        texts.append(
            f"{len(run.xruns)} xruns at {places}{more}, {run.own_xruns} of them after a block of this program's that "
            "took too long; give a larger --block, or end other programs"
        )
    if run.clipped_samples:
        texts.append(f"{run.clipped_samples} samples were cut at full scale; lower the input")
    if run.spoilt_samples:
        texts.append(f"{run.spoilt_samples} samples came in as NaN or infinite and were taken for silence")
    if session.held_samples or session.silent_samples:
        texts.append(
            f"delay was not ready for {session.held_samples} samples and hiss for {session.silent_samples}: this "
            "computer is too slow for that generator; choose another --delay or --hiss"
        )
    if not run.real_time:
        texts.append(
            "no real-time priority: other programs can make the sound stumble; Linux: join the group audio, or set "
            "rtprio in /etc/security/limits.d"
        )
    return texts


def _result(run: "LiveRun", session: "Session", replica: "Replica", wanted: Wanted) -> dict[str, Any]:
    rate = replica.sample_rate
    facts = asdict(run)
    facts["xruns"] = [asdict(xrun) for xrun in run.xruns]
    replica_ms, block_ms = 1e3 * session.whole.latency_samples / rate, 1e3 * run.block_samples / rate
    return {
        "delay": session.put_on.source,
        "hiss": session.hiss_file,
        "cell": f"{replica.cell}-{replica.n_units}",
        "filter_taps": len(replica.taps),
        "conditions": dict(replica.conditions),
        "sample_rate": rate,
        "n_tracks": session.whole.n_channels,
        "saturation_db": wanted.saturation_db,
        "seed": wanted.seed,
        "replica_latency_ms": replica_ms,
        "block_ms": block_ms,
        "added_latency_ms": replica_ms + block_ms,
        "delay_not_ready_samples": session.held_samples,
        "hiss_not_ready_samples": session.silent_samples,
        **facts,
    }


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    reported = "" if result["reported_latency_s"] is None else (
        f"; the card tells of {1e3 * result['reported_latency_s']:.1f} ms"
    )  # fmt: skip
    return [
        ("played", f"{result['duration_s']:.2f} s, {result['n_tracks']} tracks, {result['sample_rate']} Hz"),
        ("model", f"{result['model']} ({result['cell']}, {result['filter_taps']} taps)"),
        ("delay", result["delay"]),
        ("hiss", "none" if result["hiss"] is None else str(result["hiss"])),
        (
            "added latency",
            f"{result['added_latency_ms']:.1f} ms: replica {result['replica_latency_ms']:.1f} ms, block "
            f"{result['block_ms']:.1f} ms{reported}",
        ),
        (
            "load",
            f"{result['load_pct']:.1f} % of a block, longest {result['longest_pct']:.1f} %; {result['cpu_pct']:.1f} % "
            "of a core",
        ),
        ("xruns", f"{len(result['xruns'])}, {result['own_xruns']} of its own"),
    ]
