"""A JACK server with the dummy driver, and machines on it: PortAudio lists them as sound cards, none is needed."""

import contextlib
import ctypes.util
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MISSING = [
    name
    for name, there in (
        ("jackd", shutil.which("jackd")),
        ("libportaudio2", ctypes.util.find_library("portaudio")),
        ("the Python package JACK-Client", importlib.util.find_spec("jack")),
    )
    if not there
]

MACHINE = """
import sys, jack
client = jack.Client(sys.argv[1], no_start_server=True)
inputs = [client.inports.register(f"in_{n}") for n in (1, 2)]
outputs = [client.outports.register(f"out_{n}") for n in (1, 2)]

@client.set_process_callback
def process(frames):
    for source, target in zip(inputs, outputs):
        target.get_buffer()[:] = source.get_buffer()

client.activate()
print("ready", flush=True)
sys.stdin.read()
client.deactivate()
client.close()
"""
SAMPLE_RATE = 44100
PERIOD = 4096
START_S = 20.0
TAKES_TRIED = 4


@dataclass
class Server:
    """A JACK server of its own name with machines on it."""

    name: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *machines: str) -> None:
        # -S waits for its clients and the long period forgives a busy machine
        arguments = ["jackd", "--no-realtime", "-S", "-t", "5000", "-n", self.name]
        arguments += ["-d", "dummy", "-r", str(SAMPLE_RATE), "-p", str(PERIOD)]
        self._spawn(arguments, stdout=subprocess.DEVNULL)
        for machine in machines:
            self._start_machine(machine)

    def _start_machine(self, name: str) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.processes[0].poll() is None:
            client = self._spawn([sys.executable, "-c", MACHINE, name], stdout=subprocess.PIPE)
            assert client.stdout is not None
            if client.stdout.readline().strip() == "ready":
                return
            client.wait()
            time.sleep(0.2)
        self.stop()
        pytest.skip("the JACK server does not start (its registry, /dev/shm/jack*, holds eight servers at most)")

    def start_deck(self, folder: Path, *arguments: str) -> subprocess.Popen[str]:
        """The virtual deck; ends when its stdin is closed."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.processes[0].poll() is None:
            deck = self._spawn(
                [sys.executable, "-m", "tapemeasure.cli.main", "deck", *arguments],
                stdout=subprocess.PIPE,
                folder=folder,
            )
            assert deck.stdout is not None
            if deck.stdout.readline().startswith("ready: "):
                return deck
            deck.wait()
            self.processes.remove(deck)
        pytest.skip("the JACK server does not start (its registry, /dev/shm/jack*, holds eight servers at most)")

    def _spawn(self, arguments: list[str], *, stdout: int, folder: Path | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            arguments,
            env=self.environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes.append(process)
        return process

    def kill(self) -> None:
        self.processes[0].kill()
        self.processes[0].wait()

    def stop(self) -> None:
        """End all processes; a server that did not end by itself is run again, as only that frees its place."""
        if not self._ended_well():
            again = Server(self.name)
            again.start("cleaner")
            again._ended_well()

    def _ended_well(self) -> bool:
        server, *machines = self.processes
        ends = []
        for process in machines:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            ends.append(_wait(process))
        server.terminate()
        ends.append(_wait(server))
        return server.returncode != -signal.SIGKILL and all(ends)

    def popen(self, folder: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tapemeasure.cli.main", *arguments],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(folder, *arguments)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def record(self, folder: Path, *arguments: str) -> dict[str, Any]:
        """A take without lost samples; a busy machine may need more than one try."""
        for _ in range(TAKES_TRIED):
            done = self.run(folder, "record", "--json", *arguments)
            if done.returncode == 0:
                result: dict[str, Any] = json.loads(done.stdout)
                return result
            assert "xruns" in done.stderr, done.stderr
        pytest.skip(f"this machine is too busy: {TAKES_TRIED} takes lost samples")


def _wait(process: subprocess.Popen[str]) -> bool:
    """Whether a process ends by itself; it is killed where it does not."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


@pytest.fixture(scope="session")
def audio_server_parts() -> None:
    """Skip where something is not installed."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")


@pytest.fixture
def without_server() -> Server:
    """No server answers to this name."""
    return Server("tapemeasure-no-such-server")


@pytest.fixture
def new_server(audio_server_parts: None) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*machines: str) -> Server:
        server = Server(f"tapemeasure-{os.getpid()}-{time.monotonic_ns()}")
        servers.append(server)
        server.start(*machines)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def server(audio_server_parts: None) -> Iterator[Server]:
    server = Server(f"tapemeasure-{os.getpid()}-module")
    server.start("Akai 4000D", "Revox A77", "Revox B77")
    yield server
    server.stop()
