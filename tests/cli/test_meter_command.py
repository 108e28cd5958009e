"""`tapemeasure meter`: from a file without an audio server, and through the virtual deck."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.cli.main import main
from tapemeasure.io import read_audio, write_audio

RATE = 44100
PARAMS = "devices: {akai: {kind: hardware, settings: {match: akai, sample_rate: 44100}}}\n"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["meter", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test tape: 0.3 % fast, flutter of 4 Hz, 0.1 % peak."""
    time_s = np.arange(9 * RATE) / RATE
    phase = 2.0 * np.pi * 3150.0 * np.cumsum(1.003 + 0.001 * np.sin(2.0 * np.pi * 4.0 * time_s)) / RATE
    path = tmp_path_factory.mktemp("tape") / "tape.wav"
    write_audio(path, np.column_stack([0.3 * np.sin(phase)] * 2), sample_rate=RATE)
    return path


def test_a_recording_is_metered(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, plot = tmp_path / "log.csv", tmp_path / "meter.png"
    code, out, err = _run(capsys, "--input", str(tape), "--log", str(log), "--plot", str(plot), "--json")
    assert code == 0
    result = json.loads(out)
    assert result["nominal_hz"] == 3150.0
    assert result["speed"]["speed_error_pct"] == pytest.approx(0.3, abs=0.002)
    assert result["flutter"]["weighted_peak_pct"] == pytest.approx(0.1, rel=0.01)
    assert result["flutter"]["weighted_rms_pct"] == pytest.approx(0.1 / np.sqrt(2.0), rel=0.01)
    assert result["spectrum"]["lines"][0]["frequency_hz"] == pytest.approx(4.0, abs=0.05)
    assert result["azimuth"]["static_us"] == pytest.approx(0.0, abs=1e-3)
    assert result["notes"] == []
    assert len(result["provenance"]["sha256"]["input"]) == 64
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [float(row["time_s"]) for row in rows] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert float(rows[-1]["speed_error_pct"]) == pytest.approx(0.3, abs=0.01)
    assert rows[0]["speed_error_pct"] == ""
    assert plot.read_bytes().startswith(b"\x89PNG")
    # no terminal: a line a second
    assert len([line for line in err.splitlines() if "dBFS" in line]) == 9


def test_it_ends_when_asked(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--input", str(tape), "--seconds", "3", "--json")
    assert (code, json.loads(out)["duration_s"]) == (0, 3.0)


def test_the_table_of_the_end(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--input", str(tape))
    assert code == 0
    assert "speed error      +0.300 %" in out
    assert "two-sigma" in out


def test_a_file_without_a_tone_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_audio(tmp_path / "hiss.wav", 1e-4 * np.random.default_rng(1).standard_normal((3 * RATE, 1)), sample_rate=RATE)
    code, out, err = _run(capsys, "--input", str(tmp_path / "hiss.wav"), "--json")
    assert code == 0
    assert "warning: no tone: the level is below -60 dBFS rms" in err
    result = json.loads(out)
    assert result["flutter"] is None
    assert result["silent_noise"]["level_dbfs"][0] == pytest.approx(-80.0, abs=0.2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give either --device NAME or --input FILE"),
        (["--device", "akai", "--input", "a.wav"], "give either"),
        (["--input", "a.wav", "--play", "flutter"], "leave --play and --set out"),
        (["--input", "missing.wav"], "missing.wav"),
        (["--input", "missing.wav", "--log", "log.txt"], "must end in .csv"),
        (["--device", "akai", "--play", "flutter", "--tone", "3150.5"], "whole number of Hz"),
        (["--device", "chowtape_toy"], "computed"),
    ],
)
def test_wrong_usage(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text(
        "devices:\n  akai: {kind: hardware, settings: {match: akai}}\n  chowtape_toy: {kind: tape}\n"
    )
    monkeypatch.chdir(tmp_path)
    code, _, err = _run(capsys, *arguments)
    assert code == 2
    assert text in err


def test_a_log_is_not_overwritten(tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text("mine")
    code, _, err = _run(capsys, "--input", str(tape), "--log", str(tmp_path / "log.csv"))
    assert code == 2
    assert "--force" in err
    assert (tmp_path / "log.csv").read_text() == "mine"


def test_without_portaudio_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, _, err = _run(capsys, "--device", "akai", "--seconds", "2")
    assert code == 1
    assert "sounddevice is not installed" in err


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


@pytest.mark.slow
def test_through_the_deck_it_reads_what_the_take_measures(new_server: Callable[..., Any], project: Path) -> None:
    server = new_server()
    server.start_deck(
        project, "--set", "solver=RK2", "--set", "oversampling=2", "--set", "head_delay_ms=160.0", "--set",
        "hiss_dbfs=-70.0", "--set", "lines_pct=[[2.6,0.03],[7.8,0.04],[26.5,0.05]]", "--tape", "400",
    )  # fmt: skip
    for _ in range(4):
        done = server.run(
            project, "meter", "--device", "akai", "--play", "flutter", "--seconds", "14", "--audio", "take.wav",
            "--log", "log.csv", "--force", "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        if result["xruns"] == 0:
            break
    else:
        pytest.skip("this machine is too busy: every run lost samples")
    samples, _ = read_audio(project / "take.wav")
    take = measure_wow_flutter(tone_trajectory(samples[RATE:, 0], sample_rate=RATE))
    for name in ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_rms_pct"):
        assert result["flutter"][name] == pytest.approx(getattr(take, name), rel=0.02), name
    assert len((project / "log.csv").read_text().splitlines()) == 15


@pytest.mark.slow
def test_a_device_that_leaves_in_the_middle_is_told(new_server: Callable[..., Any], project: Path) -> None:
    server = new_server()
    server.start_deck(project, "--device", "identity", "--fault", "disconnect@4")
    done = server.run(project, "meter", "--device", "akai", "--play", "flutter", "--seconds", "60", "--log", "log.csv")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the log is kept in log.csv" in done.stderr
    assert len((project / "log.csv").read_text().splitlines()) > 3
