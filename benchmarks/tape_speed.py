"""Speed and memory of the built-in tape machine, and of the plug-in beside it, for `benchmarks.tape`."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.base import Device
from tapemeasure.devices.chowtape import ChowtapeDevice
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.params import ChowtapeSettings, TapeSettings

SAMPLE_RATE = 44100
SOLVERS = ("RK2", "RK4", "NR4", "NR8")
FACTORS = (1, 2, 4, 8, 16)
MODES = ("linear_phase", "minimum_phase")
RUNS = 3
MEMORY_RATE, MEMORY_BLOCK_SAMPLES = 96000, 65536


@dataclass(frozen=True)
class Cost:
    """What a second of audio costs, seconds of all cores together and of the clock."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class SpeedRow:
    """Costs of one setting: mono and stereo on one thread, stereo on two."""

    solver: str
    oversampling: int
    oversampling_mode: str
    mono: Cost
    stereo: Cost
    stereo_two_threads: Cost


def speed_rows(seconds: float, *, quick: bool, say: Callable[[str], None]) -> Iterator[SpeedRow]:
    """Costs of every solver, factor and chain; `quick` leaves out the factors 2 to 8."""
    for solver in SOLVERS:
        for factor in (1, 16) if quick else FACTORS:
            for mode in MODES if factor > 1 else MODES[:1]:
                say(f"{solver} {factor}x {mode}")
                settings = TapeSettings(solver=solver, oversampling=factor, oversampling_mode=mode)
                one, two = (TapeDevice(settings, seed=1, threads=threads) for threads in (1, 2))
                yield SpeedRow(
                    solver,
                    factor,
                    mode,
                    mono=cost(one, n_channels=1, seconds=seconds),
                    stereo=cost(one, n_channels=2, seconds=seconds),
                    stereo_two_threads=cost(two, n_channels=2, seconds=seconds),
                )


def plugin_costs(path: str, seconds: float, *, say: Callable[[str], None]) -> dict[str, Cost]:
    """What a second of mono costs in the plug-in at 16x linear phase, by solver, without loading it."""
    costs = {}
    for solver in SOLVERS:
        say(f"plug-in {solver}")
        device = ChowtapeDevice(ChowtapeSettings(plugin=path, parameters={"tape_mode": solver}))
        short, long = (cost(device, n_channels=1, seconds=length, runs=1) for length in (1.0, 1.0 + seconds))
        difference = [(seconds + 1.0) * b - a for a, b in ((short.cpu_s, long.cpu_s), (short.wall_s, long.wall_s))]
        costs[solver] = Cost(*(value / seconds for value in difference))
    return costs


def cost(device: Device, *, n_channels: int, seconds: float, runs: int = RUNS) -> Cost:
    """Best of some runs after one that compiles; noise at -20 dBFS."""
    samples = noise(round(seconds * SAMPLE_RATE), n_channels)
    device.run(samples[: SAMPLE_RATE // 10], sample_rate=SAMPLE_RATE)
    found = []
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        device.run(samples, sample_rate=SAMPLE_RATE)
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return Cost(*(min(times) / seconds for times in zip(*found, strict=True)))


def silence_ratio(seconds: float) -> float:
    """CPU time in silence behind a burst against that of noise: denormal numbers would multiply it."""
    settings = TapeSettings()
    device = TapeDevice(settings, seed=1)
    samples = noise(round(seconds * SAMPLE_RATE), 1)
    silent = samples.copy()
    silent[SAMPLE_RATE // 10 :] = 0.0
    times = []
    for stimulus in (silent, samples):
        device.run(samples[: SAMPLE_RATE // 10], sample_rate=SAMPLE_RATE)
        begin = time.process_time()
        device.run(stimulus, sample_rate=SAMPLE_RATE)
        times.append(time.process_time() - begin)
    return times[0] / times[1]


def noise(n_samples: int, n_channels: int) -> FloatArray:
    return 0.1 * np.random.default_rng(1).standard_normal((n_samples, n_channels))


def peak_memory_mb(minutes: float) -> float:
    """Largest resident memory, MB, of a process that streams stereo at 96 kHz through the machine."""
    code = f"from benchmarks.tape_speed import stream; stream({minutes!r})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def stream(minutes: float) -> None:
    """Stream noise block by block with the cheapest solver, wow and flutter on, and print the peak memory in MB."""
    n_samples = round(60.0 * minutes * MEMORY_RATE)
    settings = TapeSettings(solver="RK2", oversampling=1, wow_depth=0.5, flutter_depth=0.5, hiss_dbfs=-66.0)
    block = noise(MEMORY_BLOCK_SAMPLES, 2)
    starts = range(0, n_samples, MEMORY_BLOCK_SAMPLES)
    blocks = (block[: min(MEMORY_BLOCK_SAMPLES, n_samples - start)] for start in starts)
    playback = TapeDevice(settings, seed=1).stream(blocks, n_samples=n_samples, n_channels=2, sample_rate=MEMORY_RATE)
    for _ in playback.blocks:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
