"""``tapemeasure align``: an output with its delay undone, on the input's time axis."""

from pathlib import Path

import click

from tapemeasure.cli.common import check_output, force_option, json_option, print_result
from tapemeasure.cli.pair import pair_trajectory, require_channel
from tapemeasure.delay.track import PILOTS
from tapemeasure.io import provenance, read_pair, write_audio


@click.command(name="align")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", "aligned_file", metavar="ALIGNED.wav", required=True, type=click.Path(path_type=Path),
              help="Write the aligned output, all channels, as long as the input.")  # fmt: skip
@click.option("--channel", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
              help="Channel of the programme, counted from 1.")  # fmt: skip
@click.option("--pilot", type=click.Choice(PILOTS), default="auto", show_default=True,
              help="Timing reference; none tracks by the programme alone.")  # fmt: skip
@click.option("--trajectory", "trajectory_file", metavar="FILE.csv|.npz", type=click.Path(path_type=Path),
              help="Use a trajectory that `track` wrote.")  # fmt: skip
@click.option("--half-taps", metavar="N", type=click.IntRange(8, 128), default=32, show_default=True,
              help="Taps on each side of the windowed sinc.")  # fmt: skip
@json_option
@force_option
def command(
    input_file: Path,
    output_file: Path,
    aligned_file: Path,
    channel: int,
    pilot: str,
    trajectory_file: Path | None,
    half_taps: int,
    as_json: bool,
    force: bool,
) -> None:
    """Undo the delay of the output file OUT, so that it lies on the time axis of the input file IN.

    \b
    Examples:
      tapemeasure align input.wav output.wav -o aligned.wav
      tapemeasure align input.wav output.wav -o aligned.wav --pilot none --json
      tapemeasure align input.wav output.wav -o aligned.wav --trajectory delay.csv
    """
    check_output(aligned_file, endings=(".wav",), force=force, inputs=[input_file, output_file])
    stimulus, output, sample_rate = read_pair(input_file, output_file)
    for path, samples in ((input_file, stimulus), (output_file, output)):
        require_channel(samples, channel, path=path)
    from tapemeasure.analysis.alignment import alignment_quality
    from tapemeasure.delay.apply import undo_delay

    delay = pair_trajectory(
        stimulus,
        output,
        sample_rate=sample_rate,
        channel=channel,
        pilot=pilot,
        trajectory_file=trajectory_file,
        label="align",
    )
    aligned = undo_delay(
        output, delay.trajectory, sample_rate=sample_rate, length_samples=len(stimulus), half_taps=half_taps
    )
    one = channel - 1
    quality = alignment_quality(stimulus[:, one], output[:, one], aligned[:, one], sample_rate=sample_rate)
    write_audio(aligned_file, aligned, sample_rate=sample_rate, force=force)
    result = {
        **delay.facts(),
        **quality.as_dict(),
        "aligned": aligned_file,
        "provenance": provenance(inputs={"input": input_file, "output": output_file}),
    }
    lag = "not measurable" if quality.residual_lag_rms_us is None else f"{quality.residual_lag_rms_us:.2f} us"
    rows = [
        ("method", delay.method),
        ("correlation before", f"{quality.correlation_before:.4f}"),
        ("correlation after", f"{quality.correlation_after:.4f}"),
        ("ESR before, best gain", f"{quality.esr_before:.4f}"),
        ("ESR after, best gain", f"{quality.esr_after:.4f}"),
        ("residual lag rms", lag),
        ("aligned", str(aligned_file)),
    ]
    print_result(result, as_json=as_json, rows=rows)
