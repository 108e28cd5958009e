"""``tapemeasure simulate``: run a file through a device that is computed."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tapemeasure.audio_stream import open_audio, write_blocks
from tapemeasure.cli import completion
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
from tapemeasure.devices.base import Playback
from tapemeasure.errors import ParameterError, UsageError
from tapemeasure.io import provenance, write_json
from tapemeasure.params import (
    ChowtapeProfile,
    DeviceProfile,
    HardwareProfile,
    IdentityProfile,
    NeuralProfile,
    Params,
    TapeProfile,
    preset_settings,
    updated_settings,
)

BARE_KINDS: dict[str, DeviceProfile] = {
    "tape": TapeProfile(kind="tape"),
    "chowtape": ChowtapeProfile(kind="chowtape"),
    "identity": IdentityProfile(kind="identity"),
    "neural": NeuralProfile(kind="neural"),
}


@click.command(name="simulate")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--device", "device_name", default="tape", show_default=True, metavar="NAME",
    shell_complete=completion.simulated_devices,
    help="A profile of the params file, or tape, chowtape, identity, neural.",
)  # fmt: skip
@click.option("--preset", metavar="NAME", shell_complete=completion.presets,
              help="Preset of the device tape; `tapemeasure devices` lists them.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N",
    help="Seed of all that is random, in place of the profile's.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1, 256), metavar="N",
    help="Channels that are computed at the same time, in place of the profile's number.",
)  # fmt: skip
@click.option(
    "--truth", "truth_file", metavar="FILE", type=click.Path(path_type=Path),
    help="Write the exact delay of the machine, .csv or .npz (and its azimuth beside it, where it has one).",
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
    preset: str | None,
    assignments: Sequence[str],
    seed: int | None,
    threads: int | None,
    truth_file: Path | None,
    plugin: str | None,
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Run the file IN through a device and write what comes out to OUT, a WAV file of the same length.

    A sidecar with the same name and the ending .json tells device, settings, seed, version and hashes. The device's
    own latency is removed and told. The device tape reads, computes and writes in blocks: an hour takes no more memory
    than a minute.

    \b
    Examples:
      tapemeasure simulate in.wav out.wav
      tapemeasure simulate in.wav out.wav --set drive=0.7 --set hiss_dbfs=-66 --seed 3 --truth truth.csv
      tapemeasure simulate in.wav out.wav --preset sony_tc260 --threads 2
      tapemeasure simulate in.wav out.wav --device chowtape_wowflutter --params params.yaml
      tapemeasure simulate in.wav out.wav --device chowtape --plugin CHOWTapeModel.vst3 --set parameters.tape_mode=NR8
    """
    profile = find_profile(device_name, params_or_defaults(context, params_file))
    if preset is not None:
        profile = preset_profile(profile, name=device_name, preset=preset)
    profile = changed_profile(profile, name=device_name, assignments=assignments, plugin=plugin)
    check_output(output_file, endings=(".wav",), force=force, inputs=[input_file])
    sidecar_file = output_file.with_suffix(".json")
    check_output(sidecar_file, endings=(".json",), force=force, inputs=[input_file])
    check_output(truth_file, endings=TRAJECTORY_ENDINGS, force=force, inputs=[input_file])
    source = open_audio(input_file)
    origin = provenance(inputs={"input": input_file})

    from tapemeasure.devices.create import create_device
    from tapemeasure.devices.play_file import play_file

    device = create_device(profile, seed=seed, threads=threads)
    duration_s = source.n_samples / source.sample_rate
    begin = time.perf_counter()
    with progress_bar(f"simulate {device_name}", audio_s=duration_s) as progress:
        playback = play_file(device, source, progress=progress)
        truth_files = further_truth_files(playback, truth_file, force=force, inputs=[input_file])
        write_blocks(
            output_file,
            playback.blocks,
            n_samples=playback.n_samples,
            n_channels=playback.n_channels,
            sample_rate=playback.sample_rate,
            force=force,
        )
    elapsed_s = max(time.perf_counter() - begin, 1e-9)

    used = profile.preset if isinstance(profile, TapeProfile) else None
    sidecar = {"profile": device_name, "preset": used, **playback.facts(), "provenance": origin}
    write_json(sidecar_file, sidecar, force=force)
    write_truths(playback, truth_file, truth_files, force=force)
    click.echo(f"{duration_s:.2f} s of audio in {elapsed_s:.2f} s, {duration_s / elapsed_s:.1f} x real time", err=True)
    for text in (*playback.warnings, *idle_options(playback, seed=seed, threads=threads)):
        warn(text)
    result = {
        "output": output_file,
        "sidecar": sidecar_file,
        "truth": truth_file,
        "truths": truth_files,
        **sidecar,
        "realtime_factor": duration_s / elapsed_s,
    }
    print_result(result, as_json=as_json, rows=result_rows(result))


def further_truth_files(
    playback: Playback, truth_file: Path | None, *, force: bool, inputs: Sequence[Path]
) -> dict[str, Path]:
    """Files for the trajectories beside the delay, named after that of the delay (truth_azimuth.csv), by their names.

    Raises
    ------
    UsageError, OutputError
        If one of them cannot be written, or there is no truth.
    """
    if truth_file is None:
        return {}
    if playback.truth is None and playback.device == "neural":
        raise UsageError(f"--truth {truth_file}: a replica's recording path has no delay of its own; leave it out")
    if playback.truth is None:
        raise UsageError(
            f"--truth {truth_file}: the plug-in's wow and flutter are told by a pilot on the second channel of a "
            "mono input only; give one channel, or leave --truth out and run `tapemeasure track` on the result"
        )
    files = {name: truth_file.with_stem(f"{truth_file.stem}_{name}") for name in playback.truths}
    for path in files.values():
        check_output(path, endings=TRAJECTORY_ENDINGS, force=force, inputs=inputs)
    return files


def write_truths(playback: Playback, truth_file: Path | None, further: Mapping[str, Path], *, force: bool) -> None:
    """Write the delay, and the trajectories beside it."""
    if truth_file is not None and playback.truth is not None:
        playback.truth.save(truth_file, force=force)
    for name, path in further.items():
        playback.truths[name].save(path, force=force)


def idle_options(playback: Playback, *, seed: int | None, threads: int | None) -> list[str]:
    """What the user should know of options that the device has no use for."""
    texts = []
    if seed is not None and playback.seed is None:
        texts.append(f"the device {playback.device} has no seed; --seed {seed} changed nothing")
    if threads is not None and playback.device != "tape":
        texts.append(f"the device {playback.device} has no threads; --threads {threads} changed nothing")
    return texts


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


def preset_profile(profile: DeviceProfile, *, name: str, preset: str) -> TapeProfile:
    """The bare device tape with a preset's settings.

    Raises
    ------
    UsageError
        If the device is another one, whose own settings the preset would undo.
    ParameterError
        If there is no such preset.
    """
    if name != "tape" or not isinstance(profile, TapeProfile):
        raise UsageError(f"--preset {preset}: it is a preset of the device tape, not of {name}; leave --device away")
    preset_settings(preset)
    return TapeProfile.model_validate(
        {"kind": "tape", "seed": profile.seed, "threads": profile.threads, "preset": preset}
    )


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


def result_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Result as a table."""
    seed = "none" if result["seed"] is None else str(result["seed"])
    preset = f", preset {result['preset']}" if result["preset"] is not None else ""
    rows = [
        ("device", f"{result['profile']} ({result['device']}{preset})"),
        ("output", str(result["output"])),
        ("length", f"{result['n_samples']} samples, {result['n_channels']} channels, {result['sample_rate']} Hz"),
        ("seed", seed),
        ("latency removed", f"{result['latency_samples']:g} samples"),
        ("sidecar", str(result["sidecar"])),
    ]
    if result["truth"] is not None:
        rows.append(("truth", str(result["truth"])))
    rows += [(f"truth of the {name}", str(path)) for name, path in result["truths"].items()]
    return rows
