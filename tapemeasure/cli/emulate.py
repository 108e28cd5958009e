"""``tapemeasure emulate``: run a file through a trained replica of a machine."""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from tapemeasure.arrays import FloatArray, Progress
from tapemeasure.audio_stream import AudioSource, open_audio, write_blocks
from tapemeasure.cli.common import (
    FiniteRange,
    check_output,
    force_option,
    json_option,
    print_result,
    progress_bar,
    warn,
)
from tapemeasure.cli.emulate_noise import Wobble, hiss_source, wobble
from tapemeasure.cli.emulate_options import replica_options, taken
from tapemeasure.errors import UsageError
from tapemeasure.io import provenance
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db

if TYPE_CHECKING:
    from tapemeasure.devices.neural import NeuralDevice
    from tapemeasure.generators.tape_motion import TapeMotion

LOUDER_DB = 1.0
"""How far the peak may lie above that of the training before it is told."""


@click.command(name="emulate")
@click.argument("input_file", metavar="IN", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUT", type=click.Path(path_type=Path))
@replica_options
@click.option("--minutes", metavar="MIN", type=FiniteRange(1e-3, 6000.0),
              help="Play so much of IN, over and over where it is shorter.  [default: once]")  # fmt: skip
@json_option
@force_option
def command(
    input_file: Path, output_file: Path, minutes: float | None, as_json: bool, force: bool, **options: Any
) -> None:
    """Run the file IN through a trained replica and write what comes out to OUT, a WAV file.

    Every channel is played by itself; files of any length in constant memory. The look-ahead of the model is taken
    out: OUT lies on the time axis of IN and is as long. With a delay, OUT wobbles as the tape did, all channels
    alike, and is as long as the last sample takes to come out. Hiss is another one in every channel.

    \b
    Examples:
      tapemeasure emulate in.wav out.wav --model data/models/akai
      tapemeasure emulate in.wav out.wav --model akai --delay generated --hiss generated --seed 3
      tapemeasure emulate in.wav out.wav --model akai --delay sinusoids --hiss noise --minutes 10
      tapemeasure emulate in.wav out.wav --model akai --delay generated --wow 2 --flutter 0
      tapemeasure emulate in.wav out.wav --model akai --delay measured --take io_1
      tapemeasure emulate in.wav out.wav --model grid.safetensors --set speed_ips=7.5
    """
    from tapemeasure.devices.neural import NeuralDevice
    from tapemeasure.generators.whole_replica import WholeReplica, played_through
    from tapemeasure.replica.model import model_path
    from tapemeasure.replica.player import ReplicaPlayer

    wanted = taken(options)
    model_file = model_path(wanted.folder)
    source = open_audio(input_file)
    n_played = source.n_samples if minutes is None else round(60.0 * minutes * source.sample_rate)
    duration_s = n_played / source.sample_rate
    put_on = wobble(wanted, duration_s=duration_s)
    noise, hiss_file = hiss_source(wanted, n_channels=source.n_channels, sample_rate=source.sample_rate)
    files = {"input": input_file, "model": model_file, "delay": put_on.file, "hiss": hiss_file}
    used = {name: file for name, file in files.items() if file is not None}
    check_output(output_file, endings=(".wav",), force=force, inputs=used.values())
    device = NeuralDevice(model_file, wanted.conditions)
    device.require_rate(source.sample_rate)
    peak = _peak(source)
    gain = amplitude_from_db(wanted.saturation_db)
    with progress_bar(f"emulate {model_file.parent.name}", audio_s=duration_s) as progress:
        trajectory = put_on.known(duration_s)
        n_samples = _length(trajectory, n_played, source, put_on)
        whole = WholeReplica(
            device.replica,
            n_channels=source.n_channels,
            motion=file_motion(put_on, trajectory),
            noise=None if noise is None else noise.read,
            gain=gain,
        )
        # what is compiled at the first sample is no part of the speed
        ReplicaPlayer(device.replica, n_channels=1).play(np.zeros((1, 1)))
        begin = time.perf_counter()
        write_blocks(
            output_file,
            played_through(whole, _repeated(source, n_played, progress), n_samples=n_samples),
            n_samples=n_samples,
            n_channels=source.n_channels,
            sample_rate=source.sample_rate,
            force=force,
        )
    elapsed_s = max(time.perf_counter() - begin, 1e-9)
    warnings = [*device.warnings(), *level_warnings(gain * peak, device.replica.facts, path=input_file)]
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
        "saturation_db": wanted.saturation_db,
        "seed": wanted.seed,
        "realtime_factor": duration_s / elapsed_s,
        "warnings": warnings,
        "provenance": provenance(inputs=used),
    }
    print_result(result, as_json=as_json, rows=_rows(result))


def file_motion(put_on: Wobble, trajectory: DelayTrajectory | None) -> "TapeMotion | None":
    """Motion of the tape for a delay that is known to its end."""
    from tapemeasure.generators.play import delay_range
    from tapemeasure.generators.tape_motion import SplineMotion, TrajectoryMotion, chunks_of, spline_chunks

    if trajectory is None:
        return None
    if put_on.generator is None:
        return TrajectoryMotion(trajectory)
    pieces = spline_chunks(chunks_of(trajectory.delay_s))
    limits = delay_range(put_on.generator, put_on.amounts)
    return SplineMotion(lambda: next(pieces), rate_hz=trajectory.rate_hz, limits=limits)


def _repeated(source: AudioSource, n_samples: int, progress: Progress) -> Iterator[FloatArray]:
    """The blocks of a file, from its start again where it ends, so many samples in all."""
    done = 0
    while done < n_samples:
        for block in source.blocks():
            part = block[: n_samples - done]
            done += len(part)
            yield part
            progress(done / n_samples)
            if done == n_samples:
                return


def _length(trajectory: DelayTrajectory | None, n_played: int, source: AudioSource, put_on: Wobble) -> int:
    """Samples until the last one that goes in has come out."""
    if trajectory is None:
        return n_played
    from tapemeasure.delay.invert import arrival_time

    end_s = n_played / source.sample_rate
    n_samples = math.ceil(float(arrival_time(np.array([end_s]), trajectory)[0]) * source.sample_rate - 1e-6)
    if n_samples < 1:
        raise UsageError(f"{put_on.file}: the delay leaves nothing of {source.path}; check the trajectory")
    return n_samples


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
