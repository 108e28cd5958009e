"""`tapemeasure record` through sounddevice, PortAudio and a JACK server with the dummy driver: no sound card needed.

The machine is a JACK client that hands its inputs to its outputs, so that a take must be the stimulus bit for bit.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tapemeasure.devices.captures import find_takes
from tapemeasure.io import read_audio, sha256_of_file, write_audio
from tapemeasure.signals.timeline import Pilot, Segment, Timeline, load_timeline

SAMPLE_RATE = 44100
UNCHECKED = ("--no-level-check", "--no-check")

PARAMS = """
devices:
  akai:
    kind: hardware
    settings: {match: akai, sample_rate: 44100, level_db: -6.0, tail_s: 0.5}
  toy: {kind: tape}
"""


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


def test_the_take_is_the_stimulus_bit_for_bit(server: Any, project: Path) -> None:
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


def test_the_next_step_is_told_on_stderr(server: Any, project: Path) -> None:
    server.record(project, "--device", "akai", "--take", "first", *UNCHECKED)
    done = server.run(project, "record", "--device", "akai", "--take", "first", "--force", "--level", "-20", *UNCHECKED)
    assert "raw/akai/first/first_output" in done.stdout
    if done.returncode == 0:
        assert "`devices.akai.capture: raw/akai` in params.yaml, then `dvc repro`" in done.stderr
    else:
        assert "xruns" in done.stderr


def test_channels_are_swapped_on_request(server: Any, project: Path) -> None:
    result = server.record(project, "--device", "Akai 4000", "--set", "input_channels=[2, 1]", "-o", "here", *UNCHECKED)
    played, _ = read_audio(project / result["files"]["input"])
    captured, _ = read_audio(project / result["files"]["output"])
    latency = int(np.flatnonzero(captured[:, 0])[0])
    np.testing.assert_array_equal(captured[latency : latency + len(played)], played[:, ::-1])


def test_a_dry_run_tells_everything_and_writes_nothing(server: Any, project: Path) -> None:
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


def test_devices_shows_which_profile_matches_which_card(server: Any, project: Path) -> None:
    done = server.run(project, "devices", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    profiles = {profile["name"]: profile for profile in result["profiles"]}
    assert profiles["akai"]["input"] == "Akai 4000D (JACK Audio Connection Kit)"
    assert profiles["akai"]["problem"] is None
    assert "input" not in profiles["toy"]
    assert {"Akai 4000D", "Revox A77", "Revox B77"} <= {card["name"] for card in result["sound_cards"]}
    assert "Akai 4000D (JACK" in server.run(project, "devices").stdout


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
    server: Any, project: Path, arguments: list[str], exit_code: int, text: str
) -> None:
    _stimulus(project / "fast", length_s=0.1, sample_rate=48000)
    done = server.run(project, "record", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False)
    assert text in done.stderr
    assert not (project / "raw").exists()


def test_an_existing_take_is_not_replaced(server: Any, project: Path) -> None:
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


def test_ctrl_c_keeps_what_was_recorded(server: Any, project: Path) -> None:
    _stimulus(project / "long", length_s=60.0)
    process = server.popen(project, "record", "--device", "akai", "--no-level-check", "--stimulus", "long")
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


def test_after_kill_9_the_file_opens(new_server: Callable[..., Any], project: Path) -> None:
    _stimulus(project / "long", length_s=60.0)
    server = new_server("Akai 4000D")
    process = server.popen(project, "record", "--device", "akai", "--no-level-check", "--stimulus", "long")
    partial = project / "raw" / "akai" / "take01" / "take01_output.partial.wav"
    _wait_for_audio(process, partial, seconds=0.5)
    process.kill()
    process.communicate()
    captured, _ = read_audio(partial)
    on_disk_s = partial.stat().st_size / (2 * 4 * SAMPLE_RATE)
    assert on_disk_s - len(captured) / SAMPLE_RATE < 0.5
    assert len(captured) >= SAMPLE_RATE // 2


def test_a_server_that_dies_is_told_and_what_was_recorded_is_kept(
    new_server: Callable[..., Any], project: Path
) -> None:
    _stimulus(project / "long", length_s=60.0)
    server = new_server("Akai 4000D")
    process = server.popen(project, "record", "--device", "akai", "--no-level-check", "--stimulus", "long", "--json")
    partial = project / "raw" / "akai" / "take01" / "take01_output.partial.wav"
    _wait_for_audio(process, partial, seconds=0.5)
    server.kill()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "it was disconnected, or the audio server ended" in stderr
    assert len(read_audio(partial)[0]) == json.loads(stdout)["length_samples"] >= SAMPLE_RATE // 2


# without any audio server


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
    without_server: Any, project: Path, arguments: list[str], exit_code: int, text: str
) -> None:
    done = without_server.run(project, "record", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False)
    assert text in done.stderr
    assert not (project / "raw").exists()


def test_a_timeline_of_another_stimulus_is_refused(without_server: Any, project: Path) -> None:
    write_audio(project / "data" / "stimuli" / "stimulus.wav", np.zeros((10, 2)), sample_rate=SAMPLE_RATE)
    done = without_server.run(project, "record", "--device", "akai")
    assert done.returncode == 1
    assert "stimulus.json tells of 44100 samples at 44100 Hz" in done.stderr
