"""`tapemeasure deck` and `record` against it, through sounddevice, PortAudio and JACK, as fast as the machine can."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapemeasure.delay.track import track_delay
from tapemeasure.devices.deck.truth import for_take
from tapemeasure.io import read_audio
from tapemeasure.params.stages import StimuliParams
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus
from tapemeasure.trajectory import load_trajectory

PARAMS = """
devices:
  akai:
    kind: hardware
    settings: {match: akai, sample_rate: 44100, level_db: -6.0, tail_s: 1.5}
"""
STIMULI = {
    "silence_s": 0.6,
    "programme": {"train_s": 5.0, "validation_s": 1.0, "test_s": 1.0},
    "sweeps": {"duration_s": 1.5, "start_hz": 100.0, "levels_dbfs": [-18.0]},
    "steps": {"frequencies_hz": [1000.0], "levels_dbfs": [-12.0], "duration_s": 0.3},
    "multitone": {"duration_s": 0.5},
    "two_tones": {"pairs_hz": [[250.0, 8000.0]], "duration_s": 0.5},
}
MACHINE = (
    "--set", "solver=RK2", "--set", "oversampling=2", "--set", "head_delay_ms=160.0", "--set", "hiss_dbfs=-70.0",
    "--set", "lines_pct=[[2.6,0.03],[7.8,0.04],[26.5,0.05]]", "--set", "wow_pct=0.02", "--tape", "600",
)  # fmt: skip


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stimuli")
    save_stimulus(build_stimulus(StimuliParams.model_validate(STIMULI)), folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, stimuli: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def _record(server: Any, project: Path, stimuli: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    done = server.run(project, "record", "--device", "akai", "--stimulus", str(stimuli), "--json", *arguments)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def _end(deck: "subprocess.Popen[str]") -> None:
    assert deck.stdin is not None
    deck.stdin.write("quit\n")
    deck.stdin.close()
    deck.wait(timeout=30)


def _pair(project: Path, result: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(read_audio(project / result["files"][key])[0] for key in ("input", "output"))  # type: ignore[return-value]


def _truth(project: Path, played: np.ndarray, captured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tracked delay and the deck's own, but for the sound card's constant."""
    facts = json.loads((project / "truth.json").read_text())
    known = load_trajectory(project / "truth.npz")
    tracked = track_delay(played, captured, sample_rate=44100).trajectory
    first_s = float(np.flatnonzero(np.any(played != 0.0, axis=1))[0]) / 44100
    card_s = 0.0
    inside = tracked.valid & (tracked.time_s < len(played) / 44100 - 0.1)
    for _ in range(4):
        shifted = for_take(known, sound_s=facts["sounds_s"][-1], first_sound_s=first_s + card_s)
        error = tracked.delay_s - shifted.at(tracked.time_s)
        card_s = float(np.median(error[inside]))
    return error[inside] - card_s, tracked.delay_s[inside]


@pytest.mark.slow
def test_a_wire_gives_the_stimulus_back_bit_for_bit(
    new_server: Callable[..., Any], project: Path, stimuli: Path
) -> None:
    server = new_server()
    deck = server.start_deck(project, "--device", "identity", "--free-wheel", "--truth", "truth.npz")
    code, result, stderr = _record(server, project, stimuli, "--silence", "2", "--note", "tape=none")
    _end(deck)
    assert code == 0, stderr
    played, captured = _pair(project, result)
    latency = int(np.flatnonzero(captured[:, 1])[0] - np.flatnonzero(played[:, 1])[0])
    np.testing.assert_array_equal(captured[latency : latency + len(played)], played)
    assert result["check"]["good"] is True
    assert result["check"]["tracked"]["mean_delay_s"] == pytest.approx(latency / 44100, abs=1e-7)
    assert result["level_check"]["gain_db"] == pytest.approx([0.0, 0.0], abs=0.1)
    assert result["level_check"]["latency_s"] == pytest.approx(latency / 44100, abs=2.0 / 44100)
    timeline = json.loads((project / result["files"]["timeline"]).read_text())
    assert timeline["segments"][-1]["name"] == "silence_hiss"
    assert timeline["length_samples"] == len(played)
    # the pilot's pulses go on through the silence
    pulses = np.flatnonzero(played[:, 1])
    np.testing.assert_array_equal(np.diff(pulses), 441)
    assert len(played) - pulses[-1] <= 441
    assert np.all(load_trajectory(project / "truth.npz").delay_s == 0.0)


@pytest.mark.slow
def test_the_tape_is_tracked_to_a_fifth_of_a_microsecond(
    new_server: Callable[..., Any], project: Path, stimuli: Path
) -> None:
    server = new_server()
    deck = server.start_deck(project, *MACHINE, "--free-wheel", "--truth", "truth.npz")
    code, result, stderr = _record(server, project, stimuli)
    _end(deck)
    assert code == 0, stderr
    error, delay = _truth(project, *_pair(project, result))
    assert np.std(delay) > 20e-6
    assert np.std(error) < 0.2e-6


@pytest.mark.slow
def test_faults_are_named_with_their_places(new_server: Callable[..., Any], project: Path, stimuli: Path) -> None:
    server = new_server()
    faults = ("dropout=30:1@7.0+0.06", "lost_block=256@8.5", "hum=-45:2", "inverted:1")
    deck = server.start_deck(
        project, "--device", "identity", "--free-wheel", *(part for text in faults for part in ("--fault", text))
    )
    code, result, stderr = _record(server, project, stimuli)
    assert code == 1
    assert "the take is not good" in stderr
    found = {(finding["name"], finding["channel"]): finding for finding in result["check"]["findings"]}
    assert set(found) == {("dropout", 1), ("lost_samples", None), ("hum", 2), ("inverted_polarity", 1)}
    # times are counted from the first sound, the pilot at 0.25 s; the card adds 93 ms
    late_s = 0.25 + 4096 / 44100
    assert found["dropout", 1]["time_s"] == pytest.approx(7.0 + late_s, abs=0.02)
    assert found["lost_samples", None]["time_s"] == pytest.approx(8.5 + late_s, abs=0.010)
    assert found["lost_samples", None]["amount"] == -256
    assert result["files"]["output"].endswith(".failed.wav")
    assert deck.poll() is None


@pytest.mark.slow
def test_a_dead_channel_is_refused_before_the_take(
    new_server: Callable[..., Any], project: Path, stimuli: Path
) -> None:
    server = new_server()
    server.start_deck(project, "--device", "identity", "--free-wheel", "--fault", "dead:2")
    code, _, stderr = _record(server, project, stimuli)
    assert code == 1
    assert "level check: input 2 hears nothing of output 2" in stderr
    assert not (project / "raw").exists()
    code, result, _ = _record(server, project, stimuli, "--no-level-check")
    assert code == 1
    assert [finding["name"] for finding in result["check"]["findings"]] == ["dead_channel"]


@pytest.mark.slow
def test_a_deck_that_leaves_in_the_middle_is_told(new_server: Callable[..., Any], project: Path, stimuli: Path) -> None:
    server = new_server()
    deck = server.start_deck(project, "--device", "identity", "--fault", "disconnect@3")
    code, result, stderr = _record(server, project, stimuli, "--no-level-check")
    assert code == 1
    assert deck.wait(timeout=30) == 0
    names = [finding["name"] for finding in result["check"]["findings"]]
    assert "no_signal" in names or "xruns" in names, stderr
    assert "nothing came back from 3." in " ".join(result["check"]["verdict"])


@pytest.mark.slow
def test_two_passes_find_the_print_and_undo_the_clock(
    new_server: Callable[..., Any], project: Path, stimuli: Path
) -> None:
    server = new_server()
    deck = server.start_deck(project, "--device", "identity", "--heads", "2", "--fault", "speed=-1.5")
    done = server.run(project, "record", "--device", "akai", "--pass", "print", "--stimulus", str(stimuli))
    if "stumbled" in done.stderr:
        pytest.skip("this machine is too busy: the print stumbled")
    assert done.returncode == 0, done.stderr
    assert (project / "raw/akai/take01/take01_input.print.wav").is_file()
    capture = server.popen(project, "record", "--device", "akai", "--pass", "capture", "--wait", "4", "--json")
    assert capture.stderr is not None
    assert "start the tape now" in capture.stderr.readline()
    assert deck.stdin is not None
    deck.stdin.write("play\n")
    deck.stdin.flush()
    stdout, stderr = capture.communicate(timeout=120)
    result = json.loads(stdout)
    if result["xruns"] or "xruns" in stderr:
        pytest.skip("this machine is too busy: the capture lost samples")
    assert capture.returncode == 0, stderr
    assert result["speed_error_pct"] == pytest.approx(-1.5, abs=1e-4)
    played, captured = _pair(project, result)
    assert len(captured) == len(played) + round(1.5 * 44100)
    error = track_delay(played, captured, sample_rate=44100).trajectory
    inside = error.valid & (error.time_s < len(played) / 44100 - 0.1)
    assert np.abs(error.delay_s[inside]).max() < 1.0 / 44100
    assert sorted(path.name for path in (project / "raw/akai/take01").iterdir()) == [
        "take01.json", "take01_input.json", "take01_input.wav", "take01_output.wav", "take01_raw.wav",
    ]  # fmt: skip


def test_a_capture_without_a_print_is_told(without_server: Any, project: Path) -> None:
    done = without_server.run(project, "record", "--device", "akai", "--pass", "capture")
    assert done.returncode == 2
    assert "no tape was printed; record it first with --pass print" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fault", "smoke"], "fault smoke: write KIND"),
        (["--fault", "dead:3"], "channel 3, the deck has 2"),
        (["--device", "akai"], "akai is a real machine"),
        (["--device", "identity", "--preset", "akai_4000d"], "is no tape machine"),
        (["--truth", "truth.txt"], "must end in .csv or .npz"),
    ],
)
def test_a_deck_that_cannot_be(without_server: Any, project: Path, arguments: list[str], text: str) -> None:
    done = without_server.run(project, "deck", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert text in done.stderr


def test_a_deck_without_a_server_tells_how_to_start_one(
    audio_server_parts: None, without_server: Any, project: Path
) -> None:
    done = without_server.run(project, "deck", "--device", "identity")
    assert done.returncode == 1
    assert "no JACK server answers" in done.stderr
    assert "jackd --no-realtime -d dummy" in done.stderr
