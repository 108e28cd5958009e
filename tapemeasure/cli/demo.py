"""``tapemeasure demo``: the whole way in a minute, on the built-in machine."""

import time
from pathlib import Path

import click

from tapemeasure.cli.common import force_option, json_option, print_result, progress_bar
from tapemeasure.errors import UsageError

PRESET = "akai_4000d"
LABELS = {
    "mean_delay_ms": ("delay", "ms", 3),
    "delay_us_rms": ("  moving by", "us rms", 2),
    "tracking_error_us_rms": ("error of the tracked delay", "us rms, against the machine's own truth", 3),
    "speed_error_pct": ("speed error", "%", 3),
    "weighted_2sigma_pct": ("wow and flutter", "% two-sigma, weighted", 3),
    "gain_at_1khz_db": ("gain at 1 kHz", "dB", 2),
    "noise_a_dbfs": ("noise", "dBFS, A-weighted", 1),
    "hum_50hz_dbfs": ("hum", "dBFS, 50 Hz and its multiples", 1),
}


@click.command()
@click.option(
    "-o", "--output", default="tapemeasure-demo", show_default=True, metavar="FOLDER", help="Where it writes."
)
@click.option("--preset", default=PRESET, show_default=True, metavar="NAME",
              help="The machine inside; `tapemeasure devices` lists the presets.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, metavar="N",
              help="Seed of all that is random in the machine.")  # fmt: skip
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser at the end.")
@force_option
@json_option
def command(output: str, preset: str, seed: int, open_page: bool, force: bool, as_json: bool) -> None:
    """Show the whole way without a machine and without a file: signals, built-in machine, track, measure, report.

    Makes short test signals, plays them through the physical model of a tape recorder, tracks the delay of what came
    back, undoes it, measures, and writes the page that `tapemeasure report` writes. Takes less than a minute; the first
    time something is compiled.

    \b
    Examples:
      tapemeasure demo
      tapemeasure demo --open -o first-look
      tapemeasure demo --preset cassette --force
    """
    from tapemeasure.cli.demo_steps import STEPS, Demo, main_figures
    from tapemeasure.params import TapeProfile, preset_settings

    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; name a folder with -o")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UsageError(f"{folder}: is not empty; give --force to write into it, or another folder with -o")
    profile = TapeProfile.model_validate(
        {"kind": "tape", "seed": seed, "preset": preset, "settings": dict(preset_settings(preset))}
    )
    demo = Demo(folder, profile, preset)
    begin_s = time.monotonic()
    for number, (label, step) in enumerate(STEPS, start=1):
        click.echo(f"{number}/{len(STEPS)}  {label}", err=True)
        with progress_bar(label) as progress:
            step(demo, progress)
    page = folder / "report" / "index.html"
    figures = main_figures(demo)
    elapsed_s = time.monotonic() - begin_s
    result = {"page": page, "data": demo.data, "machine": preset, "figures": figures, "elapsed_s": elapsed_s}
    rows = [("machine", f"{preset}, computed"), *_rows(figures), ("took", f"{elapsed_s:.1f} s"), ("page", str(page))]
    print_result(result, as_json=as_json, rows=rows)
    click.echo(
        "next: open the page; then `tapemeasure devices` to find your machine, `tapemeasure record --device NAME` to "
        "make a take of it, `tapemeasure meter --device NAME` to see it live",
        err=True,
    )
    if open_page:
        click.launch(str(page))


def _rows(figures: dict[str, float | None]) -> list[tuple[str, str]]:
    rows = []
    for key, (label, unit, digits) in LABELS.items():
        value = figures[key]
        rows.append((label, "not measured" if value is None else f"{value:.{digits}f} {unit}"))
    return rows
