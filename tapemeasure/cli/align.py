"""``tapemeasure align``: recordings with their delay undone, on the input's time axis; or a delay put onto a file."""

from pathlib import Path
from typing import Any

import click

from tapemeasure.audio_stream import AudioSource, open_audio
from tapemeasure.cli.common import force_option, json_option, print_result, progress_bar, threads_option, warn
from tapemeasure.cli.pair import PairDelay, load_delays, open_pair, tracked_delay
from tapemeasure.delay.track import PILOTS
from tapemeasure.errors import TapeMeasureError, UsageError
from tapemeasure.io import provenance

ALIGN_RATE_HZ = 400.0
"""Points of the delay per second: flutter as fast as a tone or the programme can tell is undone as well."""
UNKNOWN_S = 0.1
"""How much shorter than the output a trajectory may be before it is told."""


@click.command(name="align")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="[OUT]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", "aligned_file", metavar="ALIGNED.wav", required=True, type=click.Path(path_type=Path),
              help="Write the aligned output, all channels, as long as the input.")  # fmt: skip
@click.option("--also", "also_files", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
              help="Another track of the same pass as OUT, aligned by the same delay and written beside ALIGNED.wav as "
              "<name>_aligned.wav. May be repeated.")  # fmt: skip
@click.option("--channel", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
              help="Channel of the programme, counted from 1.")  # fmt: skip
@click.option("--pilot", type=click.Choice(PILOTS), default="auto", show_default=True,
              help="Timing reference; none tracks by the programme alone.")  # fmt: skip
@click.option("--trajectory", "trajectory_files", metavar="FILE.csv|.npz", multiple=True,
              type=click.Path(path_type=Path),
              help="Use a delay that `track` wrote instead of tracking. Repeated, in the order from IN to OUT: the "
              "delays of a copy of a copy.")  # fmt: skip
@click.option("--apply", "apply_it", is_flag=True,
              help="Put the delay of --trajectory onto IN (a clean file wobbles) instead of undoing it.")  # fmt: skip
@click.option("--half-taps", metavar="N", type=click.IntRange(8, 128), default=32, show_default=True,
              help="Taps on each side of the windowed sinc.")  # fmt: skip
@threads_option
@json_option
@force_option
def command(
    input_file: Path,
    output_file: Path | None,
    aligned_file: Path,
    also_files: tuple[Path, ...],
    channel: int,
    pilot: str,
    trajectory_files: tuple[Path, ...],
    apply_it: bool,
    half_taps: int,
    threads: int,
    as_json: bool,
    force: bool,
) -> None:
    """Undo the delay of the output file OUT, so that it lies on the time axis of the input file IN.

    A difference of the clocks is undone with it: the aligned file has the input's time base and length.

    \b
    Examples:
      tapemeasure align input.wav output.wav -o aligned.wav
      tapemeasure align input.wav output.wav -o aligned.wav --also drums.wav --also voice.wav
      tapemeasure align input.wav output.wav -o aligned.wav --trajectory delay.csv --json
      tapemeasure align clean.wav --apply --trajectory delay.csv -o wobbling.wav
    """
    if apply_it:
        if not trajectory_files:
            raise UsageError("there is no delay to apply; give --trajectory FILE")
        if output_file is not None:
            raise UsageError(f"{output_file}: is one file too many; --apply puts the delay onto IN, without OUT")
        result, rows = _apply(
            [input_file, *also_files],
            aligned_file,
            trajectory_files,
            half_taps=half_taps,
            threads=threads,
            force=force,
        )
    elif output_file is None:
        raise UsageError("OUT is missing; give the file whose delay is to be undone")
    else:
        result, rows = _undo(
            [input_file, output_file, *also_files],
            aligned_file,
            trajectory_files,
            channel=channel,
            pilot=pilot,
            half_taps=half_taps,
            threads=threads,
            force=force,
        )
    print_result(result, as_json=as_json, rows=rows)


def _undo(
    files: list[Path],
    aligned_file: Path,
    trajectory_files: tuple[Path, ...],
    *,
    channel: int,
    pilot: str,
    half_taps: int,
    threads: int,
    force: bool,
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Align the second file and those behind it to the first."""
    from tapemeasure.cli import align_files
    from tapemeasure.delay.apply import undo_blocks

    targets = align_files.target_names(files[1:], aligned_file)
    align_files.check_targets(files[1:], targets, inputs=[files[0], *trajectory_files], force=force)
    stimulus, output = open_pair(files[0], files[1], channel=channel)
    align_files.read_through(stimulus)
    jobs = align_files.open_jobs(files[1:], targets, like=stimulus)
    for job in jobs[1:]:
        if job.source.n_samples != output.n_samples:
            longer_s = (job.source.n_samples - output.n_samples) / output.sample_rate
            how = f"{abs(longer_s):.2f} s {'longer' if longer_s > 0.0 else 'shorter'}"
            warn(f"{job.source.path} is {how} than {files[1]}; is it of the same pass?")
    delay = load_delays(trajectory_files) if trajectory_files else _track(stimulus, output, channel, pilot, threads)
    unknown_s = output.n_samples / output.sample_rate - delay.trajectory.end_s
    if unknown_s > UNKNOWN_S and trajectory_files:
        warn(
            f"{trajectory_files[-1]}: ends {unknown_s:.1f} s before {files[1]} does; its last delay is held from there"
        )
    with (
        progress_bar("write") as progress,
        align_files.written(
            jobs,
            lambda source: undo_blocks(
                source.blocks(),
                delay.trajectory,
                sample_rate=source.sample_rate,
                length_samples=stimulus.n_samples,
                half_taps=half_taps,
                threads=threads,
            ),
            n_samples=stimulus.n_samples,
            force=force,
            progress=progress,
        ) as aligned,
    ):
        quality = align_files.quality_of_files(stimulus, output, aligned[0], channel=channel - 1)
        residual = _residual(stimulus, aligned[0], delay, channel, pilot, threads)
    result = {
        **delay.facts(),
        **quality.as_dict(),
        **residual,
        "aligned": aligned_file,
        "also": [{"file": job.source.path, "aligned": job.target} for job in jobs[1:]],
        "provenance": provenance(inputs=_named(files, trajectory_files)),
    }
    return result, _rows(result, jobs=[job.target for job in jobs])


def _track(stimulus: AudioSource, output: AudioSource, channel: int, pilot: str, threads: int) -> PairDelay:
    from tapemeasure.delay.track import track_sources

    with progress_bar("track") as progress:
        result = track_sources(
            stimulus,
            output,
            pilot=pilot,
            programme_channel=channel - 1,
            rate_hz=ALIGN_RATE_HZ,
            threads=threads,
            progress=progress,
        )
    return tracked_delay(result)


def _residual(
    stimulus: AudioSource, aligned: AudioSource, delay: PairDelay, channel: int, pilot: str, threads: int
) -> dict[str, float | None]:
    """Standard deviation of the delay before, and of what tracking finds in the aligned file."""
    from tapemeasure.analysis.delay_statistics import delay_statistics
    from tapemeasure.delay.track import track_sources

    before_s = delay_statistics(delay.trajectory).delay_std_s
    after_s = None
    if delay.method != "file":
        try:
            with progress_bar("check") as progress:
                again = track_sources(
                    stimulus,
                    aligned,
                    pilot=pilot,
                    programme_channel=channel - 1,
                    rate_hz=ALIGN_RATE_HZ,
                    max_delay_s=1.0,
                    threads=threads,
                    progress=progress,
                )
            after_s = delay_statistics(again.trajectory).delay_std_s
        except TapeMeasureError:
            # the aligned file may be too short or too silent to be tracked: then there is no such figure
            after_s = None
    return {
        "delay_std_before_us": None if before_s is None else 1e6 * before_s,
        "delay_std_after_us": None if after_s is None else 1e6 * after_s,
    }


def _apply(
    files: list[Path], late_file: Path, trajectory_files: tuple[Path, ...], *, half_taps: int, threads: int, force: bool
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Put a saved delay onto files; every result is as long as its last sample takes to come out."""
    import numpy as np

    from tapemeasure.cli import align_files
    from tapemeasure.delay.apply import apply_blocks
    from tapemeasure.delay.invert import arrival_time

    targets = align_files.target_names(files, late_file)
    align_files.check_targets(files, targets, inputs=list(trajectory_files), force=force)
    trajectory = load_delays(trajectory_files).trajectory
    first = open_audio(files[0])
    jobs = align_files.open_jobs(files, targets, like=first)
    longest_s = max(job.source.n_samples for job in jobs) / first.sample_rate
    n_samples = int(np.ceil(float(arrival_time(np.array([longest_s]), trajectory)[0]) * first.sample_rate - 1e-6))
    if n_samples < 1:
        raise UsageError(f"{trajectory_files[0]}: the delay leaves nothing of {files[0]}; check the trajectory")
    with (
        progress_bar("write") as progress,
        align_files.written(
            jobs,
            lambda source: apply_blocks(
                source.blocks(),
                trajectory,
                sample_rate=source.sample_rate,
                length_samples=n_samples,
                half_taps=half_taps,
                threads=threads,
            ),
            n_samples=n_samples,
            force=force,
            progress=progress,
        ),
    ):
        pass
    result = {
        "applied": late_file,
        "also": [{"file": job.source.path, "applied": job.target} for job in jobs[1:]],
        "duration_s": n_samples / first.sample_rate,
        "provenance": provenance(inputs=_named(files, trajectory_files)),
    }
    rows = [("duration", f"{result['duration_s']:.3f} s"), *(("written", str(job.target)) for job in jobs)]
    return result, rows


def _named(files: list[Path], trajectory_files: tuple[Path, ...]) -> dict[str, Path]:
    """Names of the inputs in the provenance."""
    names = ["input", "output", *(f"also_{number}" for number in range(1, len(files)))]
    named = dict(zip(names, files, strict=False))
    numbered = enumerate(trajectory_files, start=1)
    return named | {f"trajectory_{number}" if number > 1 else "trajectory": path for number, path in numbered}


def _rows(result: dict[str, Any], *, jobs: list[Path]) -> list[tuple[str, str]]:
    def us(key: str) -> str:
        return "not measurable" if result[key] is None else f"{result[key]:.2f} us"

    return [
        ("method", result["delay_method"]),
        ("delay std before", us("delay_std_before_us")),
        ("delay std after", us("delay_std_after_us")),
        ("correlation before", f"{result['correlation_before']:.4f}"),
        ("correlation after", f"{result['correlation_after']:.4f}"),
        ("ESR before, best gain", f"{result['esr_before']:.4f}"),
        ("ESR after, best gain", f"{result['esr_after']:.4f}"),
        ("residual lag rms", us("residual_lag_rms_us")),
        *(("aligned", str(path)) for path in jobs),
    ]
