"""``tapemeasure simulate``: run a file through a device that is computed."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tapemeasure.cli.common import (
    TRAJECTORY_ENDINGS,
    check_output,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    progress_bar,
    warn,
)
from tapemeasure.devices.base import Capture
from tapemeasure.errors import ParameterError, UsageError
from tapemeasure.io import provenance, read_audio, write_audio, write_json
from tapemeasure.params import (
    ChowtapeProfile,
    DeviceProfile,
    HardwareProfile,
    IdentityProfile,
    Params,
    TapeProfile,
    updated_settings,
)

BARE_KINDS: dict[str, DeviceProfile] = {
    "tape": TapeProfile(kind="tape"),
    "chowtape": ChowtapeProfile(kind="chowtape"),
    "identity": IdentityProfile(kind="identity"),
}


@click.command(name="simulate")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--device", "device_name", default="tape", show_default=True, metavar="NAME",
    help="A profile of the params file, or tape, chowtape, identity.",
)  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Seed of wow and noise, in place of the profile's."
)
@click.option(
    "--truth", "truth_file", metavar="FILE", type=click.Path(path_type=Path),
    help="Write the exact delay of the machine, .csv or .npz.",
)  # fmt: skip
@click.option("--plugin", metavar="PATH", help="The VST3 file of the device chowtape.")
@params_option
@force_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    input_file: Path,
    output_file: Path,
    device_name: str,
    assignments: Sequence[str],
    seed: int | None,
    truth_file: Path | None,
    plugin: str | None,
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Run the file IN through a device and write what comes out to OUT, a WAV file of the same length.

    A sidecar with the same name and the ending .json tells device, settings, seed, version and hashes. The device's
    own latency is removed and told.

    \b
    Examples:
      tapemeasure simulate in.wav out.wav
      tapemeasure simulate in.wav out.wav --set drive=0.7 --set hiss_dbfs=-66 --seed 3 --truth truth.csv
      tapemeasure simulate in.wav out.wav --device chowtape_wowflutter --params params.yaml
      tapemeasure simulate in.wav out.wav --device chowtape --plugin CHOWTapeModel.vst3 --set parameters.tape_mode=NR8
    """
    profile = find_profile(device_name, params_or_defaults(context, params_file))
    profile = changed_profile(profile, name=device_name, assignments=assignments, plugin=plugin)
    check_output(output_file, endings=(".wav",), force=force, inputs=[input_file])
    sidecar_file = output_file.with_suffix(".json")
    check_output(sidecar_file, endings=(".json",), force=force)
    check_output(truth_file, endings=TRAJECTORY_ENDINGS, force=force)
    if truth_file is not None and isinstance(profile, ChowtapeProfile):
        raise UsageError(
            f"--truth {truth_file}: the plug-in does not tell its delay; run `tapemeasure track` on the result"
        )
    samples, sample_rate = read_audio(input_file)
    origin = provenance(inputs={"input": input_file})

    from tapemeasure.devices.create import create_device

    device = create_device(profile, seed=seed)
    begin = time.perf_counter()
    with progress_bar(f"simulate {device_name}") as progress:
        capture = device.run(samples, sample_rate=sample_rate, progress=progress)
    elapsed_s = max(time.perf_counter() - begin, 1e-9)

    sidecar = {"profile": device_name, **capture.facts(), "provenance": origin}
    write_results(
        capture, sidecar, output_file=output_file, sidecar_file=sidecar_file, truth_file=truth_file, force=force
    )
    duration_s = len(samples) / sample_rate
    click.echo(f"{duration_s:.2f} s of audio in {elapsed_s:.2f} s, {duration_s / elapsed_s:.1f} x real time", err=True)
    for text in capture.warnings:
        warn(text)
    if seed is not None and capture.seed is None:
        warn(f"the device {capture.device} has no seed; --seed {seed} changed nothing")
    result = {
        "output": output_file,
        "sidecar": sidecar_file,
        "truth": truth_file,
        **sidecar,
        "realtime_factor": duration_s / elapsed_s,
    }
    print_result(result, as_json=as_json, rows=result_rows(result))


def find_profile(name: str, params: Params) -> DeviceProfile:
    """Profile of the params file, or a bare kind.

    Raises
    ------
    ParameterError
        If there is no such profile.
    UsageError
        If the profile is of the kind hardware, which records and does not simulate.
    """
    profile = params.devices.get(name) or BARE_KINDS.get(name)
    if isinstance(profile, HardwareProfile) or name == "hardware":
        raise UsageError(f"{name} is a real machine; use `tapemeasure record --device {name}`")
    if profile is None:
        known = ", ".join([*params.devices, *(kind for kind in BARE_KINDS if kind not in params.devices)])
        raise ParameterError(f"--device {name}: no such profile; there are {known}")
    return profile


def changed_profile(
    profile: DeviceProfile, *, name: str, assignments: Sequence[str], plugin: str | None
) -> DeviceProfile:
    """Profile with the settings of ``--set`` and ``--plugin``; ParameterError or UsageError where they do not fit."""
    if plugin is not None:
        if not isinstance(profile, ChowtapeProfile):
            raise UsageError(f"--plugin {plugin}: the device {name} is no plug-in; add --device chowtape")
        settings = profile.settings.model_copy(update={"plugin": plugin})
        profile = profile.model_copy(update={"settings": settings})
    if not assignments:
        return profile
    if isinstance(profile, IdentityProfile):
        raise ParameterError(f"--set {assignments[0]}: the device {name} has no settings")
    changed = updated_settings(profile.settings, assignments)
    return profile.model_copy(update={"settings": changed})


def write_results(
    capture: Capture,
    sidecar: dict[str, Any],
    *,
    output_file: Path,
    sidecar_file: Path,
    truth_file: Path | None,
    force: bool,
) -> None:
    """Write audio, sidecar and truth."""
    write_audio(output_file, capture.samples, sample_rate=capture.sample_rate, force=force)
    write_json(sidecar_file, sidecar, force=force)
    if truth_file is not None and capture.truth is not None:
        capture.truth.save(truth_file, force=force)


def result_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Result as a table."""
    seed = "none" if result["seed"] is None else str(result["seed"])
    rows = [
        ("device", f"{result['profile']} ({result['device']})"),
        ("output", str(result["output"])),
        ("length", f"{result['n_samples']} samples, {result['n_channels']} channels, {result['sample_rate']} Hz"),
        ("seed", seed),
        ("latency removed", f"{result['latency_samples']:g} samples"),
        ("sidecar", str(result["sidecar"])),
    ]
    if result["truth"] is not None:
        rows.append(("truth", str(result["truth"])))
    return rows
