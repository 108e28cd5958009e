"""Speed of training and of playing the recording path, the compiled GRU beside torch's own; then how good replicas are.

Run ``python -m benchmarks.replica [--seconds 4] [--devices chowtape_toy akai] [--seeds 3]``. Training is forward and
back through blocks of 512 samples, as the pipeline does it; figures are seconds of audio per CPU second of one thread,
the best of several blocks. The quality tables are those of `benchmarks.replica_quality`, for devices whose captures are
aligned under ``data/``; without ``--devices`` for the toy of the paper, and ``--devices`` alone leaves them out.
"""

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from unittest import mock

import torch

from benchmarks import replica_quality
from tapemeasure.models import recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig

SAMPLE_RATE = 44100
BLOCK_SAMPLES = 512
REPEATS = 9


def best_cpu_s(work: Callable[[], None], *, at_least_s: float) -> float:
    """Shortest CPU time of a piece of work, after one run that compiles."""
    work()
    times: list[float] = []
    while len(times) < REPEATS or sum(times) < at_least_s:
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def training(model: RecordingPath, batch: int) -> Callable[[], None]:
    inputs = 0.1 * torch.randn(batch, 1, BLOCK_SAMPLES)
    target = 0.1 * torch.randn(batch, 1, BLOCK_SAMPLES)
    state = model.start(batch)

    def work() -> None:
        output, _ = model(inputs, state)
        (output - target).square().sum().backward()

    return work


def playing(model: RecordingPath, block_samples: int) -> Callable[[], None]:
    inputs = 0.1 * torch.randn(1, 1, block_samples)
    state = model.start(1)

    def work() -> None:
        with torch.inference_mode():
            for _ in range(10):
                model(inputs, state)

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and quality of the recording path.")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time of each figure, at least (2)")
    parser.add_argument("--devices", nargs="*", default=["chowtape_toy"], help="quality tables of these (chowtape_toy)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the quality tables (1)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, {date.today()}")
    print(f"{'units':>5} {'batch':>6} {'train':>8} {'torch':>8}   audio s per CPU s")
    for units, batch in ((8, 32), (16, 32), (24, 64), (32, 32), (64, 32), (16, 128)):
        model = RecordingPath(RecordingPathConfig(units, True, SAMPLE_RATE))
        audio_s = batch * BLOCK_SAMPLES / SAMPLE_RATE
        fused = audio_s / best_cpu_s(training(model, batch), at_least_s=arguments.seconds)
        with mock.patch.object(recording_path, "can_fuse", return_value=False):
            by_torch = audio_s / best_cpu_s(training(model, batch), at_least_s=0.0)
        print(f"{units:>5} {batch:>6} {fused:>8.1f} {by_torch:>8.1f}", flush=True)
    print(f"\n{'units':>5} {'block':>6} {'plays':>8}   x real time, one signal")
    for units in (16, 32, 64):
        model = RecordingPath(RecordingPathConfig(units, True, SAMPLE_RATE))
        for block_samples in (64, 4096):
            cpu_s = best_cpu_s(playing(model, block_samples), at_least_s=arguments.seconds)
            print(f"{units:>5} {block_samples:>6} {10 * block_samples / SAMPLE_RATE / cpu_s:>8.1f}", flush=True)
    for device in arguments.devices:
        print(f"\n{device}", flush=True)
        replica_quality.main([device, "--seeds", str(arguments.seeds)])


if __name__ == "__main__":
    main()
