"""``tapemeasure hiss``: cut the hiss out where the input is silent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import FiniteRange, force_option, json_option, print_result
from tapemeasure.cli.pair import pair_trajectory, require_channel
from tapemeasure.io import provenance, read_pair, refuse_overwrite, write_audio, write_json
from tapemeasure.signals.timeline import load_timeline


@click.command(epilog="Levels are rms dBFS: full scale is 1.0 rms, a full-scale sine reads -3.01 dBFS.")
@click.argument("input_file", metavar="INPUT")
@click.argument("output_file", metavar="OUTPUT")
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Write each segment as WAV, and hiss.json, here.")
@click.option(
    "--silence-dbfs",
    type=FiniteRange(-140.0, 0.0),
    default=-60.0,
    show_default=True,
    metavar="DBFS",
    help="The input counts as silent where its level (rms of 20 ms) lies below.",
)
@click.option(
    "--guard",
    "guard_s",
    type=FiniteRange(0.0, 5.0),
    default=0.15,
    show_default=True,
    metavar="S",
    help="Taken off at both ends of every silence.",
)
@click.option(
    "--min-length",
    "min_length_s",
    type=FiniteRange(0.1, 3600.0),
    default=0.5,
    show_default=True,
    metavar="S",
    help="Shortest segment, guards taken off.",
)
@click.option("--channel", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Channel, from 1.")
@click.option("--timeline", "timeline_file", metavar="FILE.json", help="Of INPUT: its soft test tones are no silence.")
@click.option("--trajectory", "trajectory_file", metavar="FILE", help="Delay that `track` saved; else it is tracked.")
@json_option
@force_option
def command(
    input_file: str,
    output_file: str,
    folder: str | None,
    silence_dbfs: float,
    guard_s: float,
    min_length_s: float,
    channel: int,
    timeline_file: str | None,
    trajectory_file: str | None,
    as_json: bool,
    force: bool,
) -> None:
    """Cut the hiss out of OUTPUT where INPUT is silent, and measure it.

    The delay between the two is tracked first, so that each silence of the input is found in the output. The cuts are
    the output's own samples, untouched.

    \b
    Examples:
      tapemeasure hiss take_input.wav take_output.wav
      tapemeasure hiss take_input.wav take_output.wav -o hiss --min-length 0.3
      tapemeasure hiss in.wav out.wav --trajectory delay.npz --json
    """
    from tapemeasure.analysis.hiss import measure_hiss

    if folder is not None:
        refuse_overwrite(Path(folder) / "hiss.json", force=force)
    timeline = None if timeline_file is None else load_timeline(timeline_file)
    stimulus, output, sample_rate = read_pair(input_file, output_file)
    for path, samples in ((input_file, stimulus), (output_file, output)):
        require_channel(samples, channel, path=path)
    delay = pair_trajectory(
        stimulus,
        output,
        sample_rate=sample_rate,
        channel=channel,
        pilot="auto",
        trajectory_file=trajectory_file,
        label="hiss: track",
    )
    hiss = measure_hiss(
        stimulus,
        output,
        sample_rate=sample_rate,
        trajectory=delay.trajectory,
        channel=channel - 1,
        silence_dbfs=silence_dbfs,
        guard_s=guard_s,
        min_length_s=min_length_s,
        timeline=timeline,
    )
    inputs = {"input": Path(input_file), "output": Path(output_file)}
    if trajectory_file is not None:
        inputs["trajectory"] = Path(trajectory_file)
    result: dict[str, Any] = {
        "input": input_file,
        "output": output_file,
        "channel": channel,
        **delay.facts(),
        "settings": {"silence_dbfs": silence_dbfs, "guard_s": guard_s, "min_length_s": min_length_s},
        **hiss.as_dict(),
        "files": [],
        "provenance": provenance(inputs=inputs),
    }
    if folder is not None:
        cuts = [segment.cut(output[:, channel - 1]) for segment in hiss.segments]
        result["files"] = _write_cuts(Path(folder), Path(output_file).stem, cuts, sample_rate=sample_rate, force=force)
        write_json(Path(folder) / "hiss.json", result, force=force)
    print_result(result, as_json=as_json, rows=_rows(result, folder))


def _write_cuts(folder: Path, stem: str, cuts: Sequence[FloatArray], *, sample_rate: int, force: bool) -> list[str]:
    """Write every cut as WAV; names without the folder."""
    names = [f"{stem}_hiss_{number:03d}.wav" for number in range(1, len(cuts) + 1)]
    for name in names:
        refuse_overwrite(folder / name, force=force)
    for name, cut in zip(names, cuts, strict=True):
        write_audio(folder / name, cut, sample_rate=sample_rate, force=force)
    return names


_COLUMNS = (
    ("start_s", "start s", 9, 3),
    ("end_s", "end s", 9, 3),
    ("level_dbfs", "dBFS", 7, 1),
    ("level_above_200hz_dbfs", "over 200 Hz", 11, 1),
    ("level_a_dbfs", "dBFS(A)", 7, 1),
    ("hum_dbfs", "hum dBFS", 8, 1),
    ("leakage_dbfs", "leakage dBFS", 12, 1),
    ("ticks", "ticks", 5, 0),
)


def _rows(result: dict[str, Any], folder: str | None) -> list[tuple[str, str]]:
    rows = [("segment", "  ".join(f"{title:>{width}}" for _, title, width, _ in _COLUMNS))]
    for number, segment in enumerate(result["segments"], start=1):
        found = [level for level in (segment["hum_50hz_dbfs"], segment["hum_60hz_dbfs"]) if level is not None]
        values = {**segment, "hum_dbfs": max(found, default=None)}
        rows.append((str(number), "  ".join(_cell(values[key], width, digits) for key, _, width, digits in _COLUMNS)))
    noise = result["noise"]
    lines = ", ".join(f"{line['frequency_hz']:g} Hz {line['level_dbfs']:.1f} dBFS" for line in noise["hum_lines"])
    rows.append(("hum lines", lines or "none found"))
    rows.append(("together", f"{noise['duration_s']:.3f} s"))
    if folder is not None:
        rows.append(("written", f"{len(result['files'])} WAV and hiss.json in {folder}"))
    return rows


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"
