"""``tapemeasure emulate``: run a file through a trained replica of a machine."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.audio_stream import AudioSource, open_audio, write_blocks
from tapemeasure.cli.common import (
    check_output,
    force_option,
    json_option,
    print_result,
    progress_bar,
    two_cores,
    warn,
)
from tapemeasure.cli.emulate_noise import Wobble, hiss_source, wobble
from tapemeasure.errors import UsageError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.io import provenance
from tapemeasure.units import amplitude_from_db

if TYPE_CHECKING:
    from tapemeasure.devices.neural import NeuralDevice

LOUDER_DB = 1.0
"""How far the peak may lie above that of the training before it is told."""


@click.command(name="emulate")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--model", "model", metavar="M", required=True, type=click.Path(path_type=Path),
              help="A trained model: its file, or a folder such as data/models/akai.")  # fmt: skip
@click.option("--set", "assignments", metavar="NAME=VALUE", multiple=True,
              help="A setting of the machine, for a model that was trained on several. May be repeated.")  # fmt: skip
@click.option("--delay", metavar="none|generated|measured|FILE", default="none", show_default=True,
              help="Delay to put on: none; a new one like the machine's; that of a take of the model's device "
              "(data/delays/<device>); or a file that `track` wrote.")  # fmt: skip
@click.option("--take", metavar="NAME", help="Take whose delay is meant by --delay measured; the first by default.")
@click.option("--wow", metavar="FACTOR", type=float, default=1.0, show_default=True,
              help="Generated delay from 0.2 to 6 Hz against the machine's own; 0 for none.")  # fmt: skip
@click.option("--flutter", metavar="FACTOR", type=float, default=1.0, show_default=True, help="The same above 6 Hz.")
@click.option("--drift", metavar="FACTOR", type=float, default=1.0, show_default=True, help="The same below 0.2 Hz.")
@click.option("--hiss", type=click.Choice(["none", "generated"]), default="none", show_default=True,
              help="Hiss and hum to put on: none, or new ones like the machine's.")  # fmt: skip
@click.option("--hiss-db", metavar="DB", type=float, default=0.0, show_default=True,
              help="Level of the hiss against the machine's own; -inf for none.")  # fmt: skip
@click.option("--hum-db", metavar="DB", type=float, default=0.0, show_default=True, help="The same for the hum.")
@click.option("--saturation-db", metavar="DB", type=click.FloatRange(-40.0, 40.0), default=0.0, show_default=True,
              help="Drive the tape harder by so much; the output is lowered by the same.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Decides delay and hiss.")
@json_option
@force_option
def command(
    input_file: Path,
    output_file: Path,
    model: Path,
    assignments: Sequence[str],
    delay: str,
    take: str | None,
    wow: float,
    flutter: float,
    drift: float,
    hiss: str,
    hiss_db: float,
    hum_db: float,
    saturation_db: float,
    seed: int,
    as_json: bool,
    force: bool,
) -> None:
    """Run the file IN through a trained replica and write what comes out to OUT, a WAV file.

    Every channel is played by itself; files of any length in constant memory. The look-ahead of the model is taken
    out: OUT lies on the time axis of IN and is as long. With a delay, OUT wobbles as the tape did, all channels
    alike, and is as long as the last sample takes to come out. Hiss is another one in every channel.

    \b
    Examples:
      tapemeasure emulate in.wav out.wav --model data/models/akai
      tapemeasure emulate in.wav out.wav --model data/replicas/akai --delay generated --hiss generated --seed 3
      tapemeasure emulate in.wav out.wav --model data/replicas/akai --delay generated --wow 2 --flutter 0
      tapemeasure emulate in.wav out.wav --model data/models/akai --delay measured --take io_1
      tapemeasure emulate in.wav out.wav --model grid.safetensors --set speed_ips=7.5
    """
    from tapemeasure.devices.neural import NeuralDevice
    from tapemeasure.replica.model import model_path
    from tapemeasure.replica.player import ReplicaPlayer

    model_file = model_path(model)
    source = open_audio(input_file)
    duration_s = source.n_samples / source.sample_rate
    put_on = wobble(
        delay,
        model,
        take=take,
        amounts=Amounts(drift=drift, wow=wow, flutter=flutter),
        seed=seed,
        duration_s=duration_s,
    )
    noise, hiss_file = hiss_source(
        hiss,
        model,
        n_channels=source.n_channels,
        sample_rate=source.sample_rate,
        seed=seed,
        hiss_db=hiss_db,
        hum_db=hum_db,
    )
    files = {"input": input_file, "model": model_file, "trajectory": put_on.file, "hiss": hiss_file}
    used = {name: file for name, file in files.items() if file is not None}
    check_output(output_file, endings=(".wav",), force=force, inputs=used.values())
    device = NeuralDevice(model_file, conditions_of_options(assignments))
    gain = amplitude_from_db(saturation_db)
    with progress_bar(f"emulate {model_file.parent.name}", audio_s=duration_s) as progress:
        playback = device.stream(
            _scaled(source.blocks(), gain),
            n_samples=source.n_samples,
            n_channels=source.n_channels,
            sample_rate=source.sample_rate,
            progress=progress,
        )
        peak = _peak(source)
        n_samples, blocks = _delayed(_scaled(playback.blocks, 1.0 / gain), source, put_on)
        # what is compiled at the first sample is no part of the speed
        ReplicaPlayer(device.replica, n_channels=1).play(np.zeros((1, 1)))
        begin = time.perf_counter()
        write_blocks(
            output_file,
            blocks if noise is None else noise.added_to(blocks),
            n_samples=n_samples,
            n_channels=source.n_channels,
            sample_rate=source.sample_rate,
            force=force,
        )
    elapsed_s = max(time.perf_counter() - begin, 1e-9)
    warnings = [*playback.warnings, *level_warnings(gain * peak, device.replica.facts, path=input_file)]
    for text in warnings:
        warn(text)
    result = {
        "output": output_file,
        "model": model_file,
        "delay": put_on.source,
        "hiss": hiss_file,
        **_facts(device, source),
        "n_samples": n_samples,
        "input_peak_dbfs": _dbfs(peak),
        "saturation_db": saturation_db,
        "seed": seed,
        "realtime_factor": duration_s / elapsed_s,
        "warnings": warnings,
        "provenance": provenance(inputs=used),
    }
    print_result(result, as_json=as_json, rows=_rows(result))


def _scaled(blocks: Iterator[FloatArray], gain: float) -> Iterator[FloatArray]:
    return blocks if gain == 1.0 else (gain * block for block in blocks)


def _facts(device: "NeuralDevice", source: AudioSource) -> dict[str, Any]:
    """What the JSON tells of the model and the file."""
    replica = device.replica
    return {
        "cell": f"{replica.cell}-{replica.n_units}",
        "filter_taps": len(replica.taps),
        "conditions": dict(replica.conditions),
        "latency_removed_samples": float(replica.latency_samples),
        "model_facts": dict(replica.facts),
        "sample_rate": source.sample_rate,
        "n_channels": source.n_channels,
    }


def conditions_of_options(assignments: Sequence[str]) -> dict[str, float]:
    """Settings of ``--set NAME=VALUE``.

    Raises
    ------
    UsageError
        If one is not a name, an equals sign and a number.
    """
    found = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            separator = ""
        if not (name and separator):
            raise UsageError(f"--set {assignment}: give a name and a number, such as speed_ips=7.5")
    return found


def _delayed(blocks: Iterator[FloatArray], source: AudioSource, put_on: Wobble) -> tuple[int, Iterator[FloatArray]]:
    """Length of the result, and its blocks with the delay put on."""
    trajectory = put_on.trajectory
    if trajectory is None:
        return source.n_samples, blocks
    from tapemeasure.delay.apply import apply_blocks
    from tapemeasure.delay.invert import arrival_time

    end_s = source.n_samples / source.sample_rate
    n_samples = math.ceil(float(arrival_time(np.array([end_s]), trajectory)[0]) * source.sample_rate - 1e-6)
    if n_samples < 1:
        raise UsageError(f"{put_on.file}: the delay leaves nothing of {source.path}; check the trajectory")
    late = apply_blocks(
        blocks, trajectory, sample_rate=source.sample_rate, length_samples=n_samples, threads=two_cores()
    )
    return n_samples, late


def _peak(source: AudioSource) -> float:
    """Largest sample of a file, read to its end so that a spoilt one is refused before anything is written."""
    return max(float(np.abs(block).max()) for block in source.blocks())


def level_warnings(peak: float, facts: Mapping[str, Any], *, path: Path) -> list[str]:
    """What is wrong with the level of an input for a model that was trained up to a certain one."""
    if peak == 0.0:
        return [f"{path}: is silent; what comes out is the model's own offset"]
    trained = facts.get("input_peak_dbfs")
    highest_dbfs = float(trained) if isinstance(trained, float | int) else 0.0
    over_db = _dbfs(peak) - highest_dbfs
    if over_db <= (LOUDER_DB if trained is not None else 0.0):
        return []
    known = "of its training" if trained is not None else "of full scale"
    return [
        f"{path}: its peak is {over_db:.1f} dB above that {known}, where the model has learned nothing; lower the "
        f"input by {over_db:.1f} dB"
    ]


def _dbfs(peak: float) -> float:
    return 20.0 * math.log10(peak) if peak > 0.0 else -math.inf


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    filtered = f", linear filter of {result['filter_taps']} taps" if result["filter_taps"] else ""
    conditions = "".join(f", {name}={value:g}" for name, value in result["conditions"].items())
    length = f"{result['n_samples']} samples, {result['n_channels']} channels, {result['sample_rate']} Hz"
    return [
        ("output", str(result["output"])),
        ("model", f"{result['model']} ({result['cell']}{filtered}{conditions})"),
        ("delay", result["delay"]),
        ("hiss", "none" if result["hiss"] is None else str(result["hiss"])),
        ("length", length),
        ("latency removed", f"{result['latency_removed_samples']:g} samples"),
        ("speed", f"{result['realtime_factor']:.1f} x real time"),
    ]
