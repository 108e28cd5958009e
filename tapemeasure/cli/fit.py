"""``tapemeasure fit``: the built-in tape machine's settings that come nearest to a recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli import completion
from tapemeasure.cli.common import (
    FiniteRange,
    check_output,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    progress_bar,
    two_cores,
    warn,
)
from tapemeasure.cli.pair import PairDelay, open_pair, pair_trajectory
from tapemeasure.cli.simulate import find_profile, preset_profile
from tapemeasure.delay.track import PILOTS
from tapemeasure.errors import MismatchError, ParameterError, SignalError, UsageError
from tapemeasure.io import provenance, read_audio, write_text
from tapemeasure.params import TapeProfile, TapeSettings, updated_settings

if TYPE_CHECKING:
    from tapemeasure.arrays import FloatArray
    from tapemeasure.fit.machine import FitPlan
    from tapemeasure.fit.result import MachineFit
    from tapemeasure.signals.timeline import Timeline

ENDINGS = (".yaml", ".yml")
ALIGN_HALF_TAPS = 64


@click.command(name="fit")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", "fitted_file", metavar="FITTED.yaml", required=True, type=click.Path(path_type=Path),
              help="Write the settings, for `simulate --preset FITTED.yaml` or for params.yaml.")  # fmt: skip
@click.option("--free", metavar="NAMES", default="drive,saturation,bias", show_default=True,
              help="Settings to find, commas between them: drive, saturation, bias, input_gain_db, spacing_um, "
              "thickness_um, gap_um. The output gain is always found.")  # fmt: skip
@click.option("--response", type=click.Choice(["auto", "gain", "filter"]), default="auto", show_default=True,
              help="What remains linearly: a gain, or a response of levels and phases; auto takes the response where "
              "the gain leaves twice its error.")  # fmt: skip
@click.option("--device", "device_name", default="tape", show_default=True, metavar="NAME",
              shell_complete=completion.simulated_devices,
              help="Profile of the kind tape whose settings hold for all that is not found.")  # fmt: skip
@click.option("--preset", metavar="NAME|FILE.yaml", shell_complete=completion.presets,
              help="The same from a preset.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE",
              help="Change one of those, such as speed_ips=15 or oversampling=4; may be repeated.")  # fmt: skip
@click.option("--timeline", "timeline_file", metavar="FILE.json", type=click.Path(path_type=Path),
              help="Timeline of IN: fitted to its training and validation programme, judged by its test programme; "
              "without one, to the first four fifths and by the last.")  # fmt: skip
@click.option("--aligned", "is_aligned", is_flag=True, help="OUT has no delay: `align` or a plug-in made it.")
@click.option("--trajectory", "trajectory_file", metavar="FILE.csv|.npz", type=click.Path(path_type=Path),
              help="Delay that `track` wrote, to undo instead of tracking.")  # fmt: skip
@click.option("--pilot", type=click.Choice(PILOTS), default="auto", show_default=True,
              help="Timing reference; none tracks by the programme alone.")  # fmt: skip
@click.option("--channel", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
              help="Channel of the programme, counted from 1.")  # fmt: skip
@click.option("--seconds", "longest_s", metavar="S", type=FiniteRange(2.0, 600.0), default=20.0, show_default=True,
              help="How much is fitted to in the last stage; the loudest parts of a longer recording.")  # fmt: skip
@click.option("--threads", metavar="N", type=click.IntRange(1, 64), default=two_cores, show_default="2, or 1 core's 1",
              help="Runs of the model at the same time; the result is the same.")  # fmt: skip
@params_option
@json_option
@force_option
@click.pass_context
def command(
    context: click.Context,
    input_file: Path,
    output_file: Path,
    fitted_file: Path,
    free: str,
    response: str,
    device_name: str,
    preset: str | None,
    assignments: Sequence[str],
    timeline_file: Path | None,
    is_aligned: bool,
    trajectory_file: Path | None,
    pilot: str,
    channel: int,
    longest_s: float,
    threads: int,
    params_file: str,
    as_json: bool,
    force: bool,
) -> None:
    """Find the settings with which the built-in tape machine comes nearest to OUT, the recording of IN.

    The delay of OUT is tracked and undone first. Told are the settings with their uncertainty (what the recording does
    not fix is held and named), and the error-to-signal ratio on a part that was not fitted to, beside that of the best
    linear filter.

    \b
    Examples:
      tapemeasure fit input.wav output.wav -o fitted.yaml
      tapemeasure fit input.wav output.wav -o fitted.yaml --free drive,saturation,bias,input_gain_db --json
      tapemeasure fit stimulus.wav take0.wav --timeline stimulus.json --device akai_model -o fitted.yaml
      tapemeasure simulate other.wav tape.wav --preset fitted.yaml
    """
    if is_aligned and trajectory_file is not None:
        raise UsageError(f"--trajectory {trajectory_file} and --aligned exclude each other; leave one out")
    used = {"input": input_file, "output": output_file, "timeline": timeline_file, "trajectory": trajectory_file}
    files = {name: path for name, path in used.items() if path is not None}
    check_output(fitted_file, endings=ENDINGS, force=force, inputs=files.values())
    names = tuple(name.strip() for name in free.split(",") if name.strip())
    base = _base(context, params_file, device_name, preset, assignments)

    from tapemeasure.fit.knobs import check_names
    from tapemeasure.fit.machine import FitPlan, fit_machine

    check_names(names)
    pair = _aligned_pair(
        input_file, output_file, channel=channel, pilot=pilot, trajectory_file=trajectory_file, is_aligned=is_aligned
    )
    plan = FitPlan(names, response, longest_s=longest_s, threads=threads)  # type: ignore[arg-type]
    if timeline_file is not None:
        plan = _planned(plan, timeline_file, pair)
    with progress_bar("fit") as progress:
        fit = fit_machine(
            pair.stimulus, pair.aligned, sample_rate=pair.sample_rate, base=base, plan=plan, progress=progress
        )
    for text in fit.notes:
        warn(text)
    _write(fit, fitted_file, files, force=force)
    result = {
        "fitted": fitted_file,
        **(pair.delay.facts() if pair.delay is not None else {"delay_method": "none"}),
        **fit.as_dict(),
        "provenance": provenance(inputs=files),
    }
    print_result(result, as_json=as_json, rows=_rows(fit, fitted_file))


def _base(
    context: click.Context,
    params_file: str,
    device_name: str,
    preset: str | None,
    assignments: Sequence[str],
) -> TapeSettings:
    """Settings of all that is not searched."""
    profile = find_profile(device_name, params_or_defaults(context, params_file))
    if preset is not None:
        profile = preset_profile(profile, name=device_name, preset=preset)
    if not isinstance(profile, TapeProfile):
        raise UsageError(f"--device {device_name}: is of the kind {profile.kind}; name a profile of the kind tape")
    return updated_settings(profile.settings, assignments) if assignments else profile.settings


@dataclass(frozen=True)
class _Pair:
    """Input and recording on its time axis, one channel, as far as both go."""

    stimulus: "FloatArray"
    aligned: "FloatArray"
    sample_rate: int
    delay: PairDelay | None


def _aligned_pair(
    input_file: Path,
    output_file: Path,
    *,
    channel: int,
    pilot: str,
    trajectory_file: Path | None,
    is_aligned: bool,
) -> _Pair:
    open_pair(input_file, output_file, channel=channel)
    (stimulus, sample_rate), (output, _) = read_audio(input_file), read_audio(output_file)
    if is_aligned:
        n = min(len(stimulus), len(output))
        return _Pair(stimulus[:n, channel - 1], output[:n, channel - 1], sample_rate, None)
    from tapemeasure.delay.apply import covered_samples, undo_delay

    delay = pair_trajectory(
        stimulus,
        output,
        sample_rate=sample_rate,
        channel=channel,
        pilot=pilot,
        trajectory_file=trajectory_file,
        label="track",
    )
    covered = covered_samples(
        delay.trajectory, sample_rate=sample_rate, output_samples=len(output), length_samples=len(stimulus)
    )
    if covered < 1:
        raise SignalError(f"{output_file}: ends before anything of {input_file} has come out; record longer")
    aligned = undo_delay(
        output[:, channel - 1],
        delay.trajectory,
        sample_rate=sample_rate,
        length_samples=covered,
        half_taps=ALIGN_HALF_TAPS,
    )
    return _Pair(stimulus[:covered, channel - 1], aligned, sample_rate, delay)


def _planned(plan: "FitPlan", timeline_file: Path, pair: _Pair) -> "FitPlan":
    """The plan with the parts of a timeline."""
    from dataclasses import replace

    from tapemeasure.signals.timeline import load_timeline

    timeline = load_timeline(timeline_file)
    if timeline.sample_rate != pair.sample_rate:
        raise MismatchError(
            f"{timeline_file}: is for {timeline.sample_rate} Hz, the files are {pair.sample_rate} Hz; give the "
            "timeline that was made with the input"
        )
    fitted = _parts(timeline, "train", len(pair.stimulus)) + _parts(timeline, "validation", len(pair.stimulus))
    held_out = _parts(timeline, "test", len(pair.stimulus))
    if not fitted or not held_out:
        missing = "training" if not fitted else "test"
        raise ParameterError(f"{timeline_file}: has no {missing} programme within the recording; leave --timeline away")
    return replace(plan, fit_parts=fitted, held_out_parts=held_out)


def _parts(timeline: "Timeline", split: Any, n_samples: int) -> tuple[tuple[int, int], ...]:
    segments = timeline.of_split(split)
    return tuple((s.start_samples, min(s.stop_samples, n_samples)) for s in segments if s.start_samples < n_samples)


def _write(fit: "MachineFit", path: Path, files: dict[str, Path], *, force: bool) -> None:
    """The settings as a preset that people can read."""
    import yaml

    from tapemeasure.fit.result import as_preset

    source = f"tapemeasure fit {files['input'].name} {files['output'].name}"
    about = f"The built-in tape machine fitted to {files['output'].name}; held-out ESR {fit.held_out.esr:.2g}."
    preset = as_preset(fit, about=about, source=source)
    text = yaml.safe_dump(preset, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    write_text(path, text, force=force)


def _rows(fit: "MachineFit", path: Path) -> list[tuple[str, str]]:
    """Result as a table."""
    rows = [("fitted", str(path))]
    for knob in fit.knobs:
        known = f"{knob.value:.4g} +- {knob.sigma:.2g}" if knob.identified else f"{knob.value:.4g} (not identified)"
        rows.append((knob.name, known))
    held_out = fit.held_out
    rows += [
        ("output gain", f"{fit.settings.output_gain_db:.2f} dB"),
        ("response", "flat" if fit.response == "gain" else "fitted levels and phases"),
        ("delay left out", f"{fit.delay_samples:.3f} samples"),
        ("ESR, fitted part", f"{fit.fit_esr:.3g}"),
        (f"ESR, {held_out.duration_s:.1f} s held out", f"{held_out.esr:.3g}"),
    ]
    if held_out.filter_esr is not None:
        rows.append(("... with the filter itself", f"{held_out.filter_esr:.3g}"))
    rows += [
        ("... of a linear filter", f"{held_out.linear_esr:.3g}"),
        ("... of a gain", f"{held_out.gain_esr:.3g}"),
    ]
    if held_out.residual_lag_rms_us is not None:
        rows.append(("residual lag rms", f"{held_out.residual_lag_rms_us:.2f} us"))
    return rows
