"""``tapemeasure measure``: response, distortion, noise and delay of one take or of a folder of takes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli.common import (
    PICTURE_ENDINGS,
    FiniteRange,
    check_output,
    force_option,
    json_option,
    print_result,
    warn,
)
from tapemeasure.cli.measure_table import take_rows
from tapemeasure.cli.pair import pair_trajectory, require_channel
from tapemeasure.delay.track import PILOTS
from tapemeasure.errors import SignalError, TapeMeasureError, UsageError
from tapemeasure.io import provenance, read_pair, write_json

if TYPE_CHECKING:
    from tapemeasure.analysis.rotating_parts import RotatingPart
    from tapemeasure.analysis.take_details import Transport
    from tapemeasure.trajectory import DelayTrajectory


@dataclass(frozen=True)
class _Options:
    timeline: str | None
    trajectory: str | None
    aligned: bool
    pilot: str
    channel: int
    harmonics: int
    smoothing_octaves: float
    head_delay_ms: float | None
    speed_ips: float | None
    part: tuple[str, ...]

    def transport(self) -> "Transport":
        """What the user tells of the machine."""
        from tapemeasure.analysis.take_details import Transport

        if self.part and self.speed_ips is None:
            raise UsageError("--part names lines by the tape's speed; give --speed too")
        head_delay_s = None if self.head_delay_ms is None else 1e-3 * self.head_delay_ms
        return Transport(head_delay_s, self.speed_ips, None, tuple(_part(text) for text in self.part))


def _part(text: str) -> "RotatingPart":
    """A rotating part from NAME=DIAMETER."""
    from tapemeasure.analysis.rotating_parts import RotatingPart

    name, _, diameter = text.partition("=")
    try:
        return RotatingPart(name, float(diameter))
    except ValueError as error:
        raise UsageError(f"--part {text}: give a name and a diameter in mm above 0, e.g. capstan=6.0") from error


@click.command(epilog="Levels of tones and sweeps are peak dBFS; levels of noise are rms dBFS (full scale 1.0 rms).")
@click.argument("files", nargs=-1, required=True, metavar="INPUT OUTPUT | FOLDER")
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
@click.option("-o", "--output", "output_json", metavar="FILE.json", help="Write the JSON here too.")
@click.option("--plot", metavar="FILE", help="Draw the responses (png, svg or pdf).")
@click.option("--plot-flutter", metavar="FILE", help="Draw the spectrum of wow and flutter of one take.")
@json_option
@force_option
def command(
    files: tuple[str, ...],
    output_json: str | None,
    plot: str | None,
    plot_flutter: str | None,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Measure response, distortion, noise, wow and flutter and delay of a take.

    INPUT is what was played, OUTPUT what came back. A FOLDER holds pairs <name>_input.wav and <name>_output.wav, in
    it or one folder below, with their timelines <name>_input.json. The delay is tracked and undone first. With a
    timeline the sweeps give response and harmonics and the steps THD against level; without one the response comes
    from the programme, where its coherence allows.

    \b
    Examples:
      tapemeasure measure stimulus.wav capture.wav --timeline stimulus.json
      tapemeasure measure raw/akai --json
      tapemeasure measure in.wav out.wav --pilot none -o take.json --plot response.svg
      tapemeasure measure in.wav out.wav --head-delay 160 --speed 7.5 --part capstan=6.0
    """
    chosen = _Options(**options)
    chosen.transport()
    check_output(output_json, endings=(".json",), force=force, inputs=[chosen.timeline])
    for picture in (plot, plot_flutter):
        check_output(picture, endings=PICTURE_ENDINGS, force=force)
    if plot_flutter is not None and (chosen.aligned or len(files) == 1):
        raise UsageError("--plot-flutter draws one take whose delay is tracked; leave --aligned and folders out")
    folder = _folder(files, chosen)
    if folder is None:
        takes, result = _one(files, chosen)
    else:
        takes, result = _many(folder, chosen)
    if output_json is not None:
        write_json(output_json, result, force=force)
    if plot is not None:
        _draw(takes, Path(plot), force=force)
    if plot_flutter is not None:
        _draw_flutter(takes[0], Path(plot_flutter), force=force)
    print_result(result, as_json=as_json, rows=[row for take in takes for row in take_rows(take)])
    failed = [take["name"] for take in takes if "error" in take]
    if failed:
        raise SignalError(f"{len(failed)} of {len(takes)} takes could not be measured: {', '.join(failed)}")


def _folder(files: tuple[str, ...], chosen: _Options) -> Path | None:
    """The folder of takes that was asked for; None for a pair of files."""
    if len(files) == 2:
        return None
    if len(files) != 1 or not Path(files[0]).is_dir():
        raise UsageError(f"{' '.join(files)}: give INPUT and OUTPUT, or one folder of <name>_input.wav pairs")
    if chosen.trajectory is not None:
        raise UsageError("--trajectory belongs to one take; measure the takes of the folder one by one")
    return Path(files[0])


def _one(files: tuple[str, ...], chosen: _Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    input_file, output_file = Path(files[0]), Path(files[1])
    timeline = None if chosen.timeline is None else Path(chosen.timeline)
    take = _measure(input_file, output_file, timeline, chosen, name=output_file.stem.removesuffix("_output"))
    paths = {"input": input_file, "output": output_file, "timeline": chosen.timeline, "trajectory": chosen.trajectory}
    inputs = {key: Path(path) for key, path in paths.items() if path is not None}
    return [take], {**take, "provenance": provenance(inputs=inputs)}


def _many(folder: Path, chosen: _Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
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
    return takes, {"takes": takes, "provenance": provenance(inputs=inputs)}


def _measure(
    input_file: Path, output_file: Path, timeline_file: Path | None, chosen: _Options, *, name: str
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
        )
        delay = {
            "method": tracked.method,
            **asdict(delay_statistics(tracked.trajectory)),
            "inverted_polarity": tracked.inverted_polarity,
            "warnings": list(tracked.warnings),
        }
        trajectory = tracked.trajectory
        output = undo_delay(output, tracked.trajectory, sample_rate=sample_rate, length_samples=len(stimulus))
    measured = measure_take(
        stimulus,
        output,
        sample_rate=sample_rate,
        timeline=timeline,
        channel=chosen.channel - 1,
        harmonics=chosen.harmonics,
        smoothing_octaves=chosen.smoothing_octaves,
        trajectory=trajectory,
        transport=chosen.transport(),
    )
    for text in measured.warnings:
        warn(f"{name}: {text}")
    return {"name": name, "input": input_file, "output": output_file, **measured.as_dict(delay=delay)}


def _draw_flutter(take: dict[str, Any], path: Path, *, force: bool) -> None:
    from tapemeasure.plotting.flutter import plot_wow_flutter

    if take["wow_flutter"] is None:
        raise SignalError(f"{path}: no wow and flutter to draw; {'; '.join(take['not_measured'])}")
    plot_wow_flutter(take["wow_flutter"], path, title="Wow and flutter", force=force)


def _draw(takes: list[dict[str, Any]], path: Path, *, force: bool) -> None:
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
