"""``tapemeasure measure``: response, distortion, noise and delay of one take, a folder of takes, or a recorded tone."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli.common import (
    PICTURE_ENDINGS,
    FiniteRange,
    check_output,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    threads_option,
    warn,
)
from tapemeasure.cli.measure_options import SIDES, STANDARDS, MeasureOptions
from tapemeasure.cli.measure_table import spread_rows, take_rows
from tapemeasure.cli.measure_tone import tone_result, tone_rows
from tapemeasure.cli.pair import pair_trajectory, require_channel
from tapemeasure.delay.track import PILOTS
from tapemeasure.errors import SignalError, TapeMeasureError, UsageError
from tapemeasure.io import provenance, read_pair, write_json

if TYPE_CHECKING:
    from tapemeasure.params import MachineParams
    from tapemeasure.trajectory import DelayTrajectory


@click.command(epilog="Levels of tones and sweeps are peak dBFS; levels of noise are rms dBFS (full scale 1.0 rms).")
@click.argument("files", nargs=-1, required=True, metavar="INPUT OUTPUT | FOLDER | TONE")
@click.option("--timeline", metavar="FILE.json", help="Names the sweeps and steps in INPUT; `synthesize` wrote it.")
@click.option(
    "--pilot",
    type=click.Choice(PILOTS),
    default="auto",
    show_default=True,
    metavar="KIND",
    help="What the delay is tracked by: auto, none (the programme itself), pulses, tone, inband.",
)
@click.option("--trajectory", metavar="FILE", help="Delay that `track` saved; else it is tracked.")
@click.option("--aligned", is_flag=True, help="OUTPUT is aligned already; nothing is tracked.")
@click.option("--channel", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Channel, from 1.")
@click.option(
    "--harmonics", type=click.IntRange(2, 9), default=5, show_default=True, metavar="N", help="Highest order."
)
@click.option(
    "--smoothing",
    "smoothing_octaves",
    type=FiniteRange(0.0, 1.0),
    default=1.0 / 12.0,
    show_default="1/12",
    metavar="OCTAVES",
    help="Width over which responses are averaged.",
)
@click.option(
    "--head-delay",
    "head_delay_ms",
    type=FiniteRange(0.01, 5000.0),
    metavar="MS",
    help="The take came off the tape while it was recorded, the heads so far apart: undone in wow and flutter.",
)
@click.option("--speed", "speed_ips", type=FiniteRange(0.1, 120.0), metavar="IPS", help="Tape speed, inches a second.")
@click.option(
    "--part",
    multiple=True,
    metavar="NAME=MM",
    help="Diameter of a rotating part (capstan=6.0), which names the lines of the flutter; may be repeated.",
)
@click.option(
    "--track-distance",
    "track_distance_mm",
    type=FiniteRange(0.01, 100.0),
    metavar="MM",
    help="Distance of the tracks' middles; with --speed the azimuth is told as an angle.",
)
@click.option(
    "--machine",
    metavar="NAME",
    help="Takes heads, speed, parts and equalisation from params.yaml, devices.NAME.machine.",
)
@click.option(
    "--equalisation",
    type=click.Choice(STANDARDS),
    metavar="CURVE",
    help="Compare the response with a tape's flux curve: none (flat), iec, nab, iec_type_ii; needs --speed.",
)
@click.option(
    "--side",
    type=click.Choice(SIDES),
    metavar="SIDE",
    help="With --equalisation: OUTPUT is the recorded flux (record, the default) or a replay amplifier's (replay).",
)
@click.option("--tone", is_flag=True, help="Measure one recording of a test tape's tone, without an input.")
@click.option(
    "--nominal",
    "nominal_hz",
    type=FiniteRange(100.0, 20000.0),
    default=3150.0,
    show_default=True,
    metavar="HZ",
    help="With --tone: the frequency that was recorded (3000 on NAB and JIS test tapes).",
)
@click.option("--erased", metavar="FILE", help="With --tone: the same stretch of tape, played after it was erased.")
@threads_option
@params_option
@click.option("-o", "--output", "output_json", metavar="FILE.json", help="Write the JSON here too.")
@click.option("--plot", metavar="FILE", help="Draw the responses (png, svg or pdf).")
@click.option("--plot-flutter", metavar="FILE", help="Draw the spectrum of wow and flutter of one take.")
@click.option("--plot-equalisation", metavar="FILE", help="Draw how far responses lie from the curve.")
@click.option("--plot-spread", metavar="FILE", help="Draw how the figures of a folder's takes spread.")
@json_option
@force_option
def command(
    files: tuple[str, ...],
    machine: str | None,
    params_file: str,
    output_json: str | None,
    plot: str | None,
    plot_flutter: str | None,
    plot_equalisation: str | None,
    plot_spread: str | None,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Measure response, distortion, noise, wow and flutter and delay of a take.

    INPUT is what was played, OUTPUT what came back. A FOLDER holds pairs <name>_input.wav and <name>_output.wav, in
    it or one folder below, with their timelines <name>_input.json; the spread of every figure over them is told too.
    With --tone one recording of a test tape's tone is enough. The delay is tracked and undone first. With a
    timeline the sweeps give response and harmonics and the steps THD against level; without one the response comes
    from the programme, where its coherence allows.

    \b
    Examples:
      tapemeasure measure stimulus.wav capture.wav --timeline stimulus.json
      tapemeasure measure raw/akai --json
      tapemeasure measure in.wav out.wav --pilot none -o take.json --plot response.svg
      tapemeasure measure in.wav out.wav --head-delay 160 --speed 7.5 --part capstan=6.0
      tapemeasure measure in.wav out.wav --equalisation iec --speed 7.5
      tapemeasure measure --tone tape3150.wav --plot-flutter flutter.svg
      tapemeasure measure --tone tape1k.wav --nominal 1000 --erased erased.wav
    """
    chosen = MeasureOptions(**options, machine=_machine(machine, params_file))
    chosen.check()
    check_output(output_json, endings=(".json",), force=force, inputs=[chosen.timeline])
    for picture in (plot, plot_flutter, plot_equalisation, plot_spread):
        check_output(picture, endings=PICTURE_ENDINGS, force=force)
    folder = None if chosen.tone else _folder(files, chosen)
    _check_pictures(chosen, folder, flutter=plot_flutter, spread=plot_spread, responses=plot or plot_equalisation)
    if chosen.tone:
        result = tone_result(files, chosen)
        takes, rows = [result], tone_rows(result)
    else:
        takes, result = _one(files, chosen) if folder is None else _many(folder, chosen)
        rows = [row for take in takes for row in take_rows(take)] + spread_rows(result.get("spread", []))
    if output_json is not None:
        write_json(output_json, result, force=force)
    _draw(takes, result, plot, plot_flutter, plot_equalisation, plot_spread, force=force)
    print_result(result, as_json=as_json, rows=rows)
    failed = [take["name"] for take in takes if "error" in take]
    if failed:
        raise SignalError(f"{len(failed)} of {len(takes)} takes could not be measured: {', '.join(failed)}")


def _machine(name: str | None, params_file: str) -> "MachineParams":
    """What params.yaml tells of a machine; nothing without a name."""
    from tapemeasure.params import MachineParams

    if name is None:
        return MachineParams()
    return params_or_defaults(click.get_current_context(), params_file).device(name).machine


def _check_pictures(
    chosen: MeasureOptions, folder: Path | None, *, flutter: str | None, spread: str | None, responses: str | None
) -> None:
    if flutter is not None and (chosen.aligned or folder is not None):
        raise UsageError("--plot-flutter draws one take whose delay is tracked; leave --aligned and folders out")
    if spread is not None and folder is None:
        raise UsageError("--plot-spread draws repeat takes; give a folder of them")
    if responses is not None and chosen.tone:
        raise UsageError("--plot draws responses, which one tone does not tell; --plot-flutter draws its flutter")


def _folder(files: tuple[str, ...], chosen: MeasureOptions) -> Path | None:
    """The folder of takes that was asked for; None for a pair of files."""
    if len(files) == 2:
        return None
    if len(files) != 1 or not Path(files[0]).is_dir():
        raise UsageError(f"{' '.join(files)}: give INPUT and OUTPUT, or one folder of <name>_input.wav pairs")
    if chosen.trajectory is not None:
        raise UsageError("--trajectory belongs to one take; measure the takes of the folder one by one")
    return Path(files[0])


def _one(files: tuple[str, ...], chosen: MeasureOptions) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    input_file, output_file = Path(files[0]), Path(files[1])
    timeline = None if chosen.timeline is None else Path(chosen.timeline)
    take = _measure(input_file, output_file, timeline, chosen, name=output_file.stem.removesuffix("_output"))
    paths = {"input": input_file, "output": output_file, "timeline": chosen.timeline, "trajectory": chosen.trajectory}
    inputs = {key: Path(path) for key, path in paths.items() if path is not None}
    return [take], {**take, "provenance": provenance(inputs=inputs)}


def _many(folder: Path, chosen: MeasureOptions) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from tapemeasure.devices.captures import list_takes

    found = list_takes(folder)
    if not found:
        raise UsageError(f"{folder}: holds no <name>_input.wav; give a folder of pairs, or INPUT and OUTPUT")
    takes = []
    for files in found:
        timeline = files.timeline if chosen.timeline is None else Path(chosen.timeline)
        try:
            takes.append(_measure(files.input, files.output, timeline, chosen, name=files.name))
        except TapeMeasureError as error:
            warn(f"{files.name}: {error}")
            takes.append({"name": files.name, "error": str(error)})
    inputs = {path.relative_to(folder).as_posix(): path for files in found for path in (files.input, files.output)}
    spread = _spread(takes)
    return takes, {"takes": takes, "spread": spread, "provenance": provenance(inputs=inputs)}


def _spread(takes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spread of every figure, as JSON; empty for fewer than two takes."""
    from tapemeasure.analysis.repeat_takes import spread_of_takes

    if sum("error" not in take for take in takes) < 2:
        return []
    return [figure.as_dict() for figure in spread_of_takes(takes)]


def _measure(
    input_file: Path, output_file: Path, timeline_file: Path | None, chosen: MeasureOptions, *, name: str
) -> dict[str, Any]:
    """JSON of one take, without provenance."""
    from tapemeasure.analysis.take import measure_take
    from tapemeasure.signals.timeline import load_timeline

    timeline = None if timeline_file is None else load_timeline(timeline_file)
    stimulus, output, sample_rate = read_pair(input_file, output_file)
    for path, samples in ((input_file, stimulus), (output_file, output)):
        require_channel(samples, chosen.channel, path=path)
    delay: dict[str, Any] | None = None
    trajectory: DelayTrajectory | None = None
    captured = None
    if not chosen.aligned:
        from tapemeasure.analysis.delay_statistics import delay_statistics
        from tapemeasure.delay.apply import undo_delay

        tracked = pair_trajectory(
            stimulus,
            output,
            sample_rate=sample_rate,
            channel=chosen.channel,
            pilot=chosen.pilot,
            trajectory_file=chosen.trajectory,
            label=f"measure: track {name}",
            known_pilot=None if timeline is None else timeline.pilot,
            threads=chosen.threads,
        )
        delay = {
            "method": tracked.method,
            **asdict(delay_statistics(tracked.trajectory)),
            "inverted_polarity": tracked.inverted_polarity,
            "warnings": list(tracked.warnings),
        }
        trajectory, captured = tracked.trajectory, output
        output = undo_delay(
            output, trajectory, sample_rate=sample_rate, length_samples=len(stimulus), threads=chosen.threads
        )
    measured = measure_take(
        stimulus,
        output,
        sample_rate=sample_rate,
        timeline=timeline,
        channel=chosen.channel - 1,
        harmonics=chosen.harmonics,
        smoothing_octaves=chosen.smoothing_octaves,
        trajectory=trajectory,
        captured=captured,
        transport=chosen.transport(),
        equalisation=chosen.wanted(),
    )
    for text in measured.warnings:
        warn(f"{name}: {text}")
    return {"name": name, "input": input_file, "output": output_file, **measured.as_dict(delay=delay)}


def _draw(
    takes: list[dict[str, Any]],
    result: dict[str, Any],
    plot: str | None,
    plot_flutter: str | None,
    plot_equalisation: str | None,
    plot_spread: str | None,
    *,
    force: bool,
) -> None:
    """Draw what was asked for."""
    if plot is not None:
        _draw_responses(takes, Path(plot), force=force)
    if plot_flutter is not None:
        from tapemeasure.plotting.flutter import plot_wow_flutter

        if takes[0]["wow_flutter"] is None:
            reasons = "; ".join(takes[0]["not_measured"])
            raise SignalError(f"{plot_flutter}: no wow and flutter to draw; {reasons}")
        plot_wow_flutter(takes[0]["wow_flutter"], Path(plot_flutter), title="Wow and flutter", force=force)
    if plot_equalisation is not None:
        from tapemeasure.plotting.deviation import plot_deviation

        deviations = {take["name"]: take["equalisation"] for take in takes if take.get("equalisation") is not None}
        plot_deviation(deviations, Path(plot_equalisation), title="Response against the curve", force=force)
    if plot_spread is not None:
        from tapemeasure.plotting.repeat_takes import plot_spread as draw_spread

        draw_spread(result["spread"], Path(plot_spread), title="Spread over repeat takes", force=force)


def _draw_responses(takes: list[dict[str, Any]], path: Path, *, force: bool) -> None:
    from tapemeasure.plotting import Curve, plot_response

    curves = []
    for take in takes:
        responses = take.get("sweep_response") or [take.get("response")]
        curves += [
            Curve(
                label=f"{take['name']} {response['name']}",
                x=response["frequency_hz"],
                y=response["magnitude_db"],
                sigma=response["sigma_db"],
            )
            for response in responses
            if response is not None
        ]
    plot_response(curves, path, title="Response", force=force)
