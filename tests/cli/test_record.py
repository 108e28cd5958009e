"""`tapemeasure record` through sounddevice, PortAudio and a JACK server with the dummy driver: no sound card needed.

The machine is a JACK client that hands its inputs to its outputs, so that a take must be the stimulus bit for bit.
"""

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

import numpy as np
import pytest
import soundfile

from tapemeasure.devices.captures import find_takes
from tapemeasure.io import read_audio, sha256_of_file, write_audio
from tapemeasure.signals.timeline import Pilot, Segment, Timeline, load_timeline

MISSING = [
    name
    for name, there in (
        ("jackd", shutil.which("jackd")),
        ("libportaudio2", ctypes.util.find_library("portaudio")),
        ("the Python package JACK-Client", importlib.util.find_spec("jack")),
    )
    if not there
]
real_path = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

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

PARAMS = """
devices:
  akai:
    kind: hardware
    settings: {match: akai, sample_rate: 44100, level_db: -6.0, tail_s: 0.5}
  toy: {kind: tape}
"""


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

    def _spawn(self, arguments: list[str], *, stdout: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            arguments, env=self.environment, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.DEVNULL, text=True
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


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
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
def server() -> Iterator[Server]:
    server = Server(f"tapemeasure-{os.getpid()}-module")
    server.start("Akai 4000D", "Revox A77", "Revox B77")
    yield server
    server.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with params and a stimulus of one second."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    _stimulus(tmp_path / "data" / "stimuli", length_s=1.0)
    return tmp_path


def _stimulus(folder: Path, *, length_s: float, sample_rate: int = SAMPLE_RATE) -> None:
    length = round(length_s * sample_rate)
    samples = np.random.default_rng(3).uniform(-0.9, 0.9, (length, 2))
    write_audio(folder / "stimulus.wav", samples, sample_rate=sample_rate)
    segment = Segment(name="noise", kind="programme", start_samples=0, length_samples=length, level_dbfs=-1.0)
    Timeline(sample_rate, length, (segment,), Pilot("none")).save(folder / "stimulus.json")


@real_path
def test_the_take_is_the_stimulus_bit_for_bit(server: Server, project: Path) -> None:
    result = server.record(project, "--device", "akai", "--note", "tape=Maxell", "--note", "speed_ips=7.5")
    (take,) = find_takes(project / "raw" / "akai")
    played, sample_rate = read_audio(take.input)
    captured, _ = read_audio(take.output)
    original, _ = read_audio(project / "data" / "stimuli" / "stimulus.wav")
    assert sample_rate == SAMPLE_RATE
    np.testing.assert_allclose(played, original * 10 ** (-6 / 20), atol=1e-7)
    assert len(captured) == len(played) + SAMPLE_RATE // 2
    latency = int(np.flatnonzero(captured[:, 0])[0])
    np.testing.assert_array_equal(captured[latency : latency + len(played)], played)
    np.testing.assert_array_equal(captured[latency + len(played) :], 0.0)

    assert take.timeline is not None
    assert take.sidecar is not None
    assert load_timeline(take.timeline) == load_timeline(project / "data" / "stimuli" / "stimulus.json")
    sidecar = json.loads(take.sidecar.read_text())
    assert sidecar["sound_card"]["input"] == {"name": "Akai 4000D", "host_api": "JACK Audio Connection Kit"}
    assert sidecar["notes"] == {"tape": "Maxell", "speed_ips": "7.5"}
    assert (sidecar["xruns"], sidecar["clipped_runs"], sidecar["stopped_early"]) == ([], [], None)
    assert sidecar["settings"]["level_db"] == -6.0
    assert sidecar["sha256_output"] == sha256_of_file(take.output)
    stimulus_hash = sha256_of_file(project / "data" / "stimuli" / "stimulus.wav")
    assert sidecar["provenance"]["sha256"]["stimulus"] == stimulus_hash
    assert result == {**sidecar, "files": result["files"], "warnings": []}


@real_path
def test_the_next_step_is_told_on_stderr(server: Server, project: Path) -> None:
    server.record(project, "--device", "akai", "--take", "first")
    done = server.run(project, "record", "--device", "akai", "--take", "first", "--force", "--level", "-20")
    assert "raw/akai/first/first_output" in done.stdout
    if done.returncode == 0:
        assert "`devices.akai.capture: raw/akai` in params.yaml, then `dvc repro`" in done.stderr
    else:
        assert "xruns" in done.stderr


@real_path
def test_channels_are_swapped_on_request(server: Server, project: Path) -> None:
    result = server.record(project, "--device", "Akai 4000", "--set", "input_channels=[2, 1]", "-o", "here")
    played, _ = read_audio(project / result["files"]["input"])
    captured, _ = read_audio(project / result["files"]["output"])
    latency = int(np.flatnonzero(captured[:, 0])[0])
    np.testing.assert_array_equal(captured[latency : latency + len(played)], played[:, ::-1])


@real_path
def test_a_dry_run_tells_everything_and_writes_nothing(server: Server, project: Path) -> None:
    before = sorted(project.rglob("*"))
    done = server.run(project, "record", "--device", "akai", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["dry_run"] is True
    assert result["files"]["output"] == "raw/akai/take01/take01_output.wav"
    assert result["played_peak_dbfs"] == pytest.approx(-6.0 + 20 * np.log10(0.9), abs=0.01)
    table = server.run(project, "record", "--device", "akai", "--dry-run").stdout
    assert "Akai 4000D (JACK Audio Connection Kit), channels 1, 2" in table
    assert sorted(project.rglob("*")) == before


@real_path
def test_devices_shows_which_profile_matches_which_card(server: Server, project: Path) -> None:
    done = server.run(project, "devices", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    profiles = {profile["name"]: profile for profile in result["profiles"]}
    assert profiles["akai"]["input"] == "Akai 4000D (JACK Audio Connection Kit)"
    assert profiles["akai"]["problem"] is None
    assert "input" not in profiles["toy"]
    assert {"Akai 4000D", "Revox A77", "Revox B77"} <= {card["name"] for card in result["sound_cards"]}
    assert "Akai 4000D (JACK" in server.run(project, "devices").stdout


@real_path
@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["--device", "studer"], 1, "no sound card matches 'studer'; there are"),
        (["--device", "revox"], 1, "'revox' means several sound cards"),
        (["--device", "akai", "--set", "input_channels=[1, 3]"], 1, "has 2 input channels"),
        (["--device", "akai", "--stimulus", "fast"], 1, "stimulus is 48000 Hz, the device is set to 44100 Hz"),
        (["--device", "Akai 4000D", "--stimulus", "fast"], 1, "refuses 48000 Hz float32"),
        (["--device", "akai", "-o", "params.yaml/x"], 1, "params.yaml is a file, no folder"),
    ],
)
def test_what_the_card_or_the_disk_refuses(
    server: Server, project: Path, arguments: list[str], exit_code: int, text: str
) -> None:
    _stimulus(project / "fast", length_s=0.1, sample_rate=48000)
    done = server.run(project, "record", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False)
    assert text in done.stderr
    assert not (project / "raw").exists()


@real_path
def test_an_existing_take_is_not_replaced(server: Server, project: Path) -> None:
    folder = project / "raw" / "akai" / "one"
    folder.mkdir(parents=True)
    (folder / "one_output.partial.wav").write_text("an hour of work")
    done = server.run(project, "record", "--device", "akai", "--take", "one")
    assert done.returncode == 2
    assert "one_output.partial.wav: exists already; give another name or --force" in done.stderr
    assert (folder / "one_output.partial.wav").read_text() == "an hour of work"


def _wait_for_audio(process: subprocess.Popen[str], path: Path, *, seconds: float) -> None:
    """Until so much has been recorded."""
    deadline = time.monotonic() + 60
    while not path.exists() or soundfile.info(path).duration < seconds:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@real_path
def test_ctrl_c_keeps_what_was_recorded(server: Server, project: Path) -> None:
    _stimulus(project / "long", length_s=60.0)
    process = server.popen(project, "record", "--device", "akai", "--stimulus", "long")
    partial = project / "raw" / "akai" / "take01" / "take01_output.partial.wav"
    _wait_for_audio(process, partial, seconds=0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "record: interrupted; ended after" in stderr
    assert "kept in raw/akai/take01/take01_output.partial.wav" in stderr
    captured, _ = read_audio(partial)
    assert SAMPLE_RATE // 2 <= len(captured) < 60 * SAMPLE_RATE
    sidecar = json.loads(partial.with_name("take01.partial.json").read_text())
    assert (sidecar["stopped_early"], sidecar["length_samples"]) == ("interrupted", len(captured))
    with pytest.raises(ValueError, match="no take"):
        find_takes(project / "raw" / "akai")


@real_path
def test_after_kill_9_the_file_opens(new_server: Callable[..., Server], project: Path) -> None:
    _stimulus(project / "long", length_s=60.0)
    server = new_server("Akai 4000D")
    process = server.popen(project, "record", "--device", "akai", "--stimulus", "long")
    partial = project / "raw" / "akai" / "take01" / "take01_output.partial.wav"
    _wait_for_audio(process, partial, seconds=0.5)
    process.kill()
    process.communicate()
    captured, _ = read_audio(partial)
    on_disk_s = partial.stat().st_size / (2 * 4 * SAMPLE_RATE)
    assert on_disk_s - len(captured) / SAMPLE_RATE < 0.5
    assert len(captured) >= SAMPLE_RATE // 2


@real_path
def test_a_server_that_dies_is_told_and_what_was_recorded_is_kept(
    new_server: Callable[..., Server], project: Path
) -> None:
    _stimulus(project / "long", length_s=60.0)
    server = new_server("Akai 4000D")
    process = server.popen(project, "record", "--device", "akai", "--stimulus", "long", "--json")
    partial = project / "raw" / "akai" / "take01" / "take01_output.partial.wav"
    _wait_for_audio(process, partial, seconds=0.5)
    server.kill()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "it was disconnected, or the audio server ended" in stderr
    assert len(read_audio(partial)[0]) == json.loads(stdout)["length_samples"] >= SAMPLE_RATE // 2


# without any audio server


def _record(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return Server("tapemeasure-no-such-server").run(project, "record", *arguments)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["--device", "toy"], 2, "devices.toy is of kind tape, which is computed; use `tapemeasure simulate"),
        (["--device", "akai", "--stimulus", "gone"], 2, "gone: no such file; make the test signals"),
        (["--device", "akai", "--note", "Maxell"], 2, "--note Maxell: write it as key=value"),
        (["--device", "akai", "--take", "../x"], 2, "--take ../x: use letters, digits"),
        (["--device", "akai", "--set", "level=3"], 2, "level: unknown key, did you mean level_db?"),
        (["--device", "akai", "--level", "3"], 2, "3.0 is not in the range -80.0<=x<=0.0"),
        (["--device", "akai", "--params", "gone.yaml"], 2, "gone.yaml: no such file"),
        (["--device", "akai", "--stimulus", "params.yaml"], 1, "params.yaml: not a readable audio file"),
        ([], 2, "Missing option '--device'"),
    ],
)
def test_wrong_usage_is_refused_before_any_audio(
    project: Path, arguments: list[str], exit_code: int, text: str
) -> None:
    done = _record(project, *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False)
    assert text in done.stderr
    assert not (project / "raw").exists()


def test_a_timeline_of_another_stimulus_is_refused(project: Path) -> None:
    write_audio(project / "data" / "stimuli" / "stimulus.wav", np.zeros((10, 2)), sample_rate=SAMPLE_RATE)
    done = _record(project, "--device", "akai")
    assert done.returncode == 1
    assert "stimulus.json tells of 44100 samples at 44100 Hz" in done.stderr
