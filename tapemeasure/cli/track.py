"""``tapemeasure track``: the delay of an output behind its input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tapemeasure.cli.common import (
    PICTURE_ENDINGS,
    TRAJECTORY_ENDINGS,
    FiniteRange,
    check_output,
    force_option,
    json_option,
    print_result,
    progress_bar,
    threads_option,
    warn,
)
from tapemeasure.cli.pair import open_pair
from tapemeasure.delay.track import PILOTS
from tapemeasure.io import provenance

MAX_EVENTS = 10
TOO_DULL = "elsewhere the programme is too soft or too dull to show one"


@click.command(name="track")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", "trajectory_file", metavar="FILE.csv|.npz", type=click.Path(path_type=Path),
              help="Write the trajectory: time_s,delay_s,sigma_s,valid.")  # fmt: skip
@click.option("--plot", "plot_file", metavar="FILE.png|.svg|.pdf", type=click.Path(path_type=Path),
              help="Draw the trajectory and the spectrum of the speed.")  # fmt: skip
@click.option("--channel", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
              help="Channel of the programme, counted from 1.")  # fmt: skip
@click.option("--pilot", type=click.Choice(PILOTS), default="auto", show_default=True,
              help="Timing reference; none tracks by the programme alone.")  # fmt: skip
@click.option("--pilot-channel", metavar="N", type=click.IntRange(min=1),
              help="Channel of the pilot, counted from 1; by default all others are looked through.")  # fmt: skip
@click.option("--fast", is_flag=True,
              help="Track the programme ten times faster and a few times less exactly.")  # fmt: skip
@click.option("--rate", "rate_hz", metavar="HZ", type=FiniteRange(1.0, 2000.0), default=100.0, show_default=True,
              help="Points of the trajectory per second.")  # fmt: skip
@click.option("--max-delay", "max_delay_s", metavar="S", type=FiniteRange(0.0, 120.0, min_open=True),
              default=30.0, show_default=True, help="Largest delay that is looked for, seconds.")  # fmt: skip
@threads_option
@json_option
@force_option
def command(
    input_file: Path,
    output_file: Path,
    trajectory_file: Path | None,
    plot_file: Path | None,
    channel: int,
    pilot: str,
    pilot_channel: int | None,
    fast: bool,
    rate_hz: float,
    max_delay_s: float,
    threads: int,
    as_json: bool,
    force: bool,
) -> None:
    """Track the delay of the output file OUT behind the input file IN, to a fraction of a sample.

    With --pilot auto, 100 pulses a second or a steady tone on a channel beside the programme are used where the input
    has them; else the programme itself is.

    \b
    Examples:
      tapemeasure track input.wav output.wav
      tapemeasure track input.wav output.wav -o delay.csv --plot delay.png
      tapemeasure track input.wav output.wav --channel 2 --pilot none --json
      tapemeasure track hour_in.wav hour_out.wav --fast -o delay.npz
    """
    check_output(trajectory_file, endings=TRAJECTORY_ENDINGS, force=force)
    check_output(plot_file, endings=PICTURE_ENDINGS, force=force)
    stimulus, output = open_pair(input_file, output_file, channel=channel)
    from tapemeasure.analysis.delay_statistics import delay_statistics
    from tapemeasure.delay.track import track_sources, track_summary
    from tapemeasure.delay.whole_take import whole_take_delay_samples

    with progress_bar("track", audio_s=output.n_samples / output.sample_rate) as progress:
        result = track_sources(
            stimulus,
            output,
            pilot=pilot,
            programme_channel=channel - 1,
            pilot_channel=None if pilot_channel is None else pilot_channel - 1,
            rate_hz=rate_hz,
            max_delay_s=max_delay_s,
            fast=fast,
            threads=threads,
            progress=progress,
        )
    for text in result.warnings:
        warn(text)
    if trajectory_file is not None:
        result.trajectory.save(trajectory_file, force=force)
    if plot_file is not None:
        from tapemeasure.plotting import plot_trajectory

        plot_trajectory(
            result.trajectory,
            plot_file,
            title=f"{output_file.name}, by {result.method}",
            lost_samples_s=[event.time_s for event in result.lost_samples],
            force=force,
        )
    summary = track_summary(result, delay_statistics(result.trajectory))
    summary["whole_take_delay_samples"] = whole_take_delay_samples(
        stimulus, output, channel=channel - 1, trajectory=result.trajectory
    )
    summary["provenance"] = provenance(inputs={"input": input_file, "output": output_file})
    print_result(summary, as_json=as_json, rows=_rows(summary))


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    def number(key: str, scale: float, unit: str, digits: int, sigma_key: str = "") -> str:
        value, sigma = summary[key], summary.get(sigma_key)
        if value is None:
            return "not measurable"
        spread = "" if sigma is None else f" +- {scale * sigma:.{digits}f}"
        return f"{scale * value:.{digits}f}{spread} {unit}"

    rows = [
        ("method", f"{summary['method']} ({summary['reason']})"),
        ("mean delay", number("mean_delay_s", 1e3, "ms", 4)),
        ("delay of the whole take", _samples(summary["whole_take_delay_samples"])),
        ("delay std", number("delay_std_s", 1e6, "us", 2, "delay_std_sigma_s")),
        ("delay peak to peak", number("delay_peak_to_peak_s", 1e6, "us", 1, "delay_peak_to_peak_sigma_s")),
        ("drift", number("drift_ppm", 1.0, "ppm", 2, "drift_sigma_ppm")),
        ("speed deviation rms", number("speed_deviation_rms_pct", 1.0, "%", 4, "speed_deviation_sigma_pct")),
        ("uncertainty, median", number("median_sigma_s", 1e6, "us", 3)),
        ("valid", f"{number('valid_pct', 1.0, '%', 1)}, longest gap {summary['longest_gap_s']:.2f} s"),
    ]
    if summary["speed_ratio"] != 1.0:
        rows.append(("speed", f"{summary['speed_ratio']:.4f} times the input's"))
    if summary["pulses_expected"] is not None:
        rows.append(("pulses", f"{summary['pulses_found']} of {summary['pulses_expected']} found"))
    if summary["match"] is not None:
        rows.append(("match of the programme", f"{summary['match']:.2f}"))
    rows.append(("polarity", "inverted" if summary["inverted_polarity"] else "not inverted"))
    rows += _events("lost samples", summary["lost_samples"], _lost_sample)
    if summary["lost_samples_seen_pct"] is not None:
        rows.append(
            ("lost samples looked for", f"in {summary['lost_samples_seen_pct']:.0f} % of the output: {TOO_DULL}")
        )
    elif summary["method"] == "correlation":
        rows.append(("lost samples", "not looked for (--fast)"))
    rows += _events("dropouts", summary["dropouts"], _dropout)
    return rows


def _samples(count: int | None) -> str:
    return "not measured" if count is None else f"{count} samples (where both correlate best as a whole)"


def _events(label: str, events: list[dict[str, Any]], text: Callable[[dict[str, Any]], str]) -> list[tuple[str, str]]:
    """One row an event, the first ten; none where there is none."""
    more = [("", f"and {len(events) - MAX_EVENTS} more (--json lists all)")] if len(events) > MAX_EVENTS else []
    shown = [text(event) for event in events[:MAX_EVENTS]]
    return [(label if n == 0 else "", line) for n, line in enumerate(shown)] + more


def _lost_sample(event: dict[str, Any]) -> str:
    what = "lost" if event["samples"] < 0 else "doubled"
    return f"{abs(event['samples'])} {what} at {event['time_s']:.4f} s"


def _dropout(event: dict[str, Any]) -> str:
    return f"{event['depth_db']:.1f} dB at {event['start_s']:.3f} s for {1e3 * event['length_s']:.1f} ms"
