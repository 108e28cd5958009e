"""How fast a replica plays: ``python -m benchmarks.inference`` prints times real time for each size and block length.

One thread, 44.1 kHz, CPU time, the best of several runs; blocks are handed over from Python one by one, the linear
filter is counted in. Below that: what silence costs behind programme (denormal numbers would make it slow), and what
torch itself does with the same network.
"""

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date

import numpy as np

from tapemeasure.replica.model import GATES, Replica
from tapemeasure.replica.player import ReplicaPlayer

SAMPLE_RATE = 44100
REPEATS = 7
WHOLE_FILE_SAMPLES = 1 << 16


def replica_of(n_units: int, *, cell: str = "gru", n_taps: int = 0) -> Replica:
    rng = np.random.default_rng(1)
    rows = GATES[cell] * n_units

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(n_units)).astype(np.float32)

    taps = rng.standard_normal(n_taps) * np.exp(-np.arange(n_taps) / 50.0)
    return Replica(
        SAMPLE_RATE,
        cell,
        weights(rows, 2),
        weights(rows, n_units),
        weights(rows),
        weights(rows),
        weights(n_units),
        0.0,
        1.0,
        taps,
        0,
    )


def best_cpu_s(work: Callable[[], None], *, at_least_s: float) -> float:
    """Smallest CPU time of a call."""
    work()
    times: list[float] = []
    while len(times) < REPEATS or sum(times) < at_least_s:
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def times_real_time(player: ReplicaPlayer, signal: np.ndarray, block_samples: int, *, at_least_s: float) -> float:
    blocks = [
        np.ascontiguousarray(signal[first : first + block_samples]) for first in range(0, len(signal), block_samples)
    ]

    def work() -> None:
        for block in blocks:
            player.play(block)

    return len(signal) / SAMPLE_RATE / best_cpu_s(work, at_least_s=at_least_s)


def torch_times_real_time(n_units: int, block_samples: int, *, at_least_s: float) -> float:
    import torch

    torch.set_num_threads(1)
    cell = torch.nn.GRU(2, n_units, batch_first=True)
    block = torch.zeros(1, block_samples, 2)
    state = torch.zeros(1, 1, n_units)

    def work() -> None:
        with torch.inference_mode():
            for _ in range(10):
                cell(block, state)

    return 10 * block_samples / SAMPLE_RATE / best_cpu_s(work, at_least_s=at_least_s)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of a replica that plays.")
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU time of each figure, at least (0.5)")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    signal = 0.1 * rng.standard_normal((WHOLE_FILE_SAMPLES, 1))
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, {date.today()}")
    print(f"\n{'cell':>5} {'units':>5} {'taps':>5} {'64':>7} {'512':>7} {'whole':>7}   x real time, by block")
    for cell, units in (("gru", 8), ("gru", 16), ("gru", 32), ("gru", 64), ("lstm", 16), ("lstm", 32)):
        for taps in (0, 512, 2048):
            player = ReplicaPlayer(replica_of(units, cell=cell, n_taps=taps), n_channels=1)
            speeds = [
                times_real_time(
                    player, signal[: 1 << 14] if size < 1024 else signal, size, at_least_s=arguments.seconds
                )
                for size in (64, 512, WHOLE_FILE_SAMPLES)
            ]
            print(f"{cell:>5} {units:>5} {taps:>5} " + " ".join(f"{speed:>7.0f}" for speed in speeds), flush=True)
    print("\nsilence behind programme, GRU-16 with 512 taps, 64-sample blocks")
    player = ReplicaPlayer(replica_of(16, n_taps=512), n_channels=1)
    fade = signal[: 1 << 14] * np.geomspace(1.0, 1e-38, 1 << 14)[:, np.newaxis]
    for name, played in (("programme", signal[: 1 << 14]), ("fade", fade), ("silence", np.zeros((1 << 14, 1)))):
        print(f"{name:>12} {times_real_time(player, played, 64, at_least_s=arguments.seconds):>7.0f}")
    print("\ntorch's own GRU alone, x real time")
    for units in (16, 64):
        speeds = [torch_times_real_time(units, size, at_least_s=arguments.seconds) for size in (64, 4096)]
        print(f"{units:>12} " + " ".join(f"{speed:>7.1f}" for speed in speeds), flush=True)


if __name__ == "__main__":
    main()
