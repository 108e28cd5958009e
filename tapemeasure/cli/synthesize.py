"""``tapemeasure synthesize``: make the test signals and their timeline."""

from pathlib import Path
from typing import Any

import click

from tapemeasure.cli.common import (
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    progress_bar,
    warn,
)
from tapemeasure.io import provenance, refuse_overwrite
from tapemeasure.params import updated_settings


@click.command(epilog="Segments are addressed by name in all that follows; levels are peak dBFS.")
@click.option("-o", "--output", default="data/stimuli", show_default=True, metavar="FOLDER", help="Where to write.")
@params_option
@click.option(
    "--sample-rate", type=click.Choice(["44100", "48000", "96000"]), metavar="HZ", help="44100, 48000 or 96000."
)
@click.option(
    "--pilot",
    type=click.Choice(["pulses", "tone", "inband", "none"]),
    metavar="KIND",
    help="pulses or tone (on channel 2), inband (in channel 1, for mono machines), none.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Seed of the programme.")
@force_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    output: str,
    params_file: str,
    sample_rate: str | None,
    pilot: str | None,
    seed: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make the test signals and their timeline.

    Writes stimulus.wav (test signals in channel 1, the pilot in channel 2) and stimulus.json (name, start, length and
    level of every segment) into FOLDER. Settings come from the params file's `stimuli`; options go before them.
    Audio that lies in the folder `stimuli.programme.folder` (raw/programme) is the programme; else the built-in
    synthesiser plays.

    \b
    Examples:
      tapemeasure synthesize
      tapemeasure synthesize -o stimuli_48k --sample-rate 48000 --pilot tone
      tapemeasure synthesize -o mono --pilot inband --seed 7 --json
    """
    from tapemeasure.signals.stimulus import build_stimulus, save_stimulus, stimulus_files
    from tapemeasure.signals.user_programme import programme_files, user_programme

    for path in stimulus_files(output):
        refuse_overwrite(path, force=force)
    chosen = {"sample_rate": sample_rate, "pilot.kind": pilot, "seed": seed}
    assignments = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    stimuli = updated_settings(params_or_defaults(ctx, params_file).stimuli, assignments, where="synthesize")
    wanted = stimuli.programme
    with progress_bar("synthesize") as progress:
        own = user_programme(wanted.folder, sample_rate=stimuli.sample_rate, length_s=wanted.total_s)
        stimulus = build_stimulus(stimuli, programme=own, progress=progress)
        audio, timeline = save_stimulus(stimulus, output, force=force)
    for text in stimulus.warnings:
        warn(text)
    existing = [Path(params_file)] if Path(params_file).is_file() else []
    inputs = {path.as_posix(): path for path in [*existing, *programme_files(wanted.folder)]}
    result: dict[str, Any] = {
        "audio": audio,
        "timeline": timeline,
        "n_channels": stimulus.samples.shape[1],
        "length_s": stimulus.timeline.length_samples / stimulus.timeline.sample_rate,
        **stimulus.timeline.as_dict(),
        "warnings": stimulus.warnings,
        "settings": stimuli.model_dump(mode="json"),
        "provenance": provenance(inputs=inputs),
    }
    print_result(result, as_json=as_json, rows=_rows(result))


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("segment", f"{'start s':>10}  {'length s':>9}  {'level dBFS':>10}")]
    for segment in result["segments"]:
        level = "-" if segment["level_dbfs"] is None else f"{segment['level_dbfs']:.1f}"
        rows.append((segment["name"], f"{segment['start_s']:10.3f}  {segment['length_s']:9.3f}  {level:>10}"))
    pilot = result["pilot"]
    rows.append(("pilot", pilot["kind"] if pilot["channel"] is None else _pilot_text(pilot)))
    rows.append(
        ("length", f"{result['length_s']:.3f} s at {result['sample_rate']} Hz, {result['n_channels']} channels")
    )
    rows.append(("written", f"{result['audio']}, {result['timeline']}"))
    return rows


def _pilot_text(pilot: dict[str, Any]) -> str:
    rate = f"{pilot['frequency_hz']:g} {'per second' if pilot['kind'] == 'pulses' else 'Hz'}"
    first = f"first sample {pilot['first_samples']}"
    return f"{pilot['kind']}, {rate}, {pilot['level_dbfs']:g} dBFS, channel {pilot['channel'] + 1}, {first}"
