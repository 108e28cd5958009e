"""A replica in real time: its share of a block, its latency and its xruns: ``python -m benchmarks.live``.

Starts a JACK server with the dummy driver under a name of its own and a client on it that plays noise. The server is
watched with nothing else on it, then with a program that is a bare wire (the same stream, and a callback that copies),
then with `tapemeasure live` for ``--seconds`` (300: what the requirement names). What a busy machine does to every
program shows beside the wire; the replica itself tells which xruns came after a block of its own that took long.
``--cpu`` leaves the server out and prints only the CPU time of the callback's work, in programme and in silence, for
several block lengths.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from tapemeasure.cli.emulate_noise import hiss_source, wobble
from tapemeasure.cli.emulate_options import Wanted
from tapemeasure.generators.play import CHUNK_POINTS, delay_range
from tapemeasure.generators.tape_motion import SplineMotion, spline_chunks
from tapemeasure.generators.whole_replica import WholeReplica
from tapemeasure.replica.model import model_path, read_replica

SERVER = f"bench-live-{os.getpid()}"
SAMPLE_RATE = 44100
PERIODS = (64, 256, 1024)
CPU_S = 10.0
TIMES = 3
N_PIECES = round(4.0 * CPU_S * 100.0 / CHUNK_POINTS)

SOURCE = """
import sys, jack, numpy as np
client = jack.Client("Source", no_start_server=True)
inputs = [client.inports.register(f"in_{n}") for n in (1, 2)]
outputs = [client.outports.register(f"out_{n}") for n in (1, 2)]
noise = (0.1 * np.random.default_rng(1).standard_normal((64, 8192))).astype(np.float32)
state = {"block": 0, "xruns": 0}

@client.set_process_callback
def process(frames):
    state["block"] += 1
    for port in outputs:
        port.get_array()[:] = noise[state["block"] % 64, :frames]

@client.set_xrun_callback
def xrun(delayed_us):
    state["xruns"] += 1

client.activate()
print("ready", flush=True)
for line in sys.stdin:
    print(state["xruns"], flush=True)
client.deactivate()
client.close()
"""

WIRE = """
import sys, time, sounddevice
from tapemeasure.devices.real_time import raise_priority, undisturbed

longest = [0.0]

def copy(indata, outdata, frames, times, status):
    raise_priority()
    begin = time.perf_counter()
    outdata[:] = indata
    longest[0] = max(longest[0], (time.perf_counter() - begin) * 44100 / frames)

with undisturbed(), sounddevice.Stream(44100, device="Source", channels=2, dtype="float32", latency="low",
                                       callback=copy):
    time.sleep(float(sys.argv[1]))
print(100.0 * longest[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="akai_model")
    parser.add_argument("--delay", default="generated")
    parser.add_argument("--hiss", default="generated")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--alone", type=float, default=60.0, help="seconds with nothing on the server")
    parser.add_argument("--wire", type=float, default=300.0, help="seconds with a bare wire")
    parser.add_argument("--period", type=int, default=256)
    parser.add_argument("--cpu", action="store_true")
    arguments = parser.parse_args()
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    wanted = Wanted(
        Path(arguments.model), (), arguments.delay, None, 1.0, 1.0, 1.0, arguments.hiss, 0.0, 0.0, 0.0, seed=1
    )
    if arguments.cpu:
        cpu_table(wanted)
    else:
        played(arguments, environment={**os.environ, "JACK_DEFAULT_SERVER": SERVER, "JACK_NO_AUDIO_RESERVATION": "1"})


def cpu_table(wanted: Wanted) -> None:
    """CPU time of the callback's work; delay and hiss made ahead are not in it.

    Everything is played three times and the shortest time of each block counts: what the machine took away for other
    programs falls on other blocks each time, what a block needs itself falls on the same.
    """
    print(f"{'block':>6}{'mean, % of a block':>22}{'longest':>10}{'silence behind it':>20}{'longest':>10}")
    for block_samples in PERIODS:
        loud, silent = np.min([_played_once(wanted, block_samples) for _ in range(TIMES)], axis=0)
        figures = (100.0 * value for value in (loud.mean(), loud.max(), silent.mean(), silent.max()))
        print(f"{block_samples:>6}" + "".join(f"{v:>{w}.1f}" for v, w in zip(figures, (22, 10, 20, 10), strict=True)))


def _played_once(wanted: Wanted, block_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a block's time in programme, and in silence behind it."""
    whole = _whole(wanted)
    n_blocks = round(CPU_S * SAMPLE_RATE / block_samples)
    _shares(whole, np.zeros((block_samples, 2)), round(SAMPLE_RATE / block_samples))
    loud = _shares(whole, 0.1 * np.random.default_rng(1).standard_normal((block_samples, 2)), n_blocks)
    return loud, _shares(whole, np.zeros((block_samples, 2)), n_blocks)


def _whole(wanted: Wanted) -> WholeReplica:
    put_on = wobble(wanted)
    noise, _ = hiss_source(wanted, n_channels=2, sample_rate=SAMPLE_RATE)
    ready = np.zeros((0, 2)) if noise is None else noise.read(round(4.0 * CPU_S * SAMPLE_RATE))
    place = 0

    def read(n_samples: int) -> np.ndarray:
        nonlocal place
        place += n_samples
        return ready[place - n_samples : place]

    motion = None
    if put_on.generator is not None:
        made = spline_chunks(put_on.chunks())
        pieces = iter([next(made) for _ in range(N_PIECES)])
        limits = delay_range(put_on.generator, put_on.amounts)
        motion = SplineMotion(lambda: next(pieces), rate_hz=put_on.generator.rate_hz, limits=limits)
    replica = read_replica(model_path(wanted.folder))
    return WholeReplica(replica, n_channels=2, motion=motion, noise=None if noise is None else read, whole_start=False)


def _shares(whole: WholeReplica, block: np.ndarray, n_blocks: int) -> np.ndarray:
    """CPU time of every block over its length."""
    spent_s = np.zeros(n_blocks)
    for number in range(n_blocks):
        begin_s = time.thread_time()
        whole.process(block)
        spent_s[number] = time.thread_time() - begin_s
    return spent_s * SAMPLE_RATE / len(block)


def played(arguments: argparse.Namespace, *, environment: dict[str, str]) -> None:
    """Through the server: xruns without a replica, then with one."""
    with _server(arguments.period, environment), _source(environment) as source:
        time.sleep(2.0)
        first = _xruns(source)
        time.sleep(arguments.alone)
        alone = _xruns(source) - first
        copied = subprocess.run(
            [sys.executable, "-c", WIRE, str(arguments.wire)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        of_wire = _xruns(source) - first - alone
        command = [
            sys.executable, "-m", "tapemeasure.cli.main", "live", "--model", arguments.model, "--device", "Source",
            "--delay", arguments.delay, "--hiss", arguments.hiss, "--seconds", str(arguments.seconds), "--json",
        ]  # fmt: skip
        begin = _xruns(source)
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        of_server = _xruns(source) - begin
    if done.returncode:
        sys.exit(done.stderr)
    told = json.loads(done.stdout)
    told["xruns_at_s"] = ", ".join(f"{xrun['position_s']:.1f}" for xrun in told["xruns"])
    told["xruns"] = len(told["xruns"])
    names = (
        "delay",
        "cell",
        "filter_taps",
        "duration_s",
        "block_samples",
        "load_pct",
        "longest_pct",
        "callback_cpu_pct",
        "longest_cpu_pct",
        "cpu_pct",
        "replica_latency_ms",
        "added_latency_ms",
        "xruns",
        "xruns_at_s",
        "own_xruns",
        "delay_not_ready_samples",
        "hiss_not_ready_samples",
        "real_time",
    )
    for name in names:
        value = told[name]
        print(f"{name:<26}{value:.2f}" if isinstance(value, float) else f"{name:<26}{value}")
    print(f"{'xruns of the server':<26}{of_server} while it played, started and ended")
    print(f"{'with a bare wire':<26}{of_wire} in {arguments.wire:g} s, longest {float(copied.stdout):.0f} % of a block")
    print(f"{'with nothing':<26}{alone} in {arguments.alone:g} s")
    print(f"load average now {os.getloadavg()[0]:.1f}")


@contextlib.contextmanager
def _server(period: int, environment: dict[str, str]) -> Iterator[None]:
    command = ["jackd", "--realtime", "-P", "60", "-S", "-t", "5000", "-n", SERVER]
    command += ["-d", "dummy", "-r", str(SAMPLE_RATE), "-p", str(period)]
    if shutil.which("chrt"):
        command = ["chrt", "-f", "60", *command]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2.0)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def _source(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SOURCE]
    source = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if source.stdout is None or source.stdout.readline().strip() != "ready":
        sys.exit("no JACK server answers; install jackd2")
    try:
        yield source
    finally:
        source.terminate()
        source.wait()


def _xruns(source: "subprocess.Popen[str]") -> int:
    """Xruns of the server so far."""
    if source.stdin is None or source.stdout is None:
        return 0
    source.stdin.write("\n")
    source.stdin.flush()
    return int(source.stdout.readline())


if __name__ == "__main__":
    main()
