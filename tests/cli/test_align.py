import json
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import read_audio, write_audio

RATE = 44100
DELAY_SAMPLES = 500


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Noise in two channels, and both late by 500 samples, one second longer than the input."""
    n = 3 * RATE
    rng = np.random.default_rng(1)
    stimulus = 0.1 * rng.standard_normal((n, 2)) * (1.2 + np.sin(np.arange(n) / 3000.0))[:, None]
    output = np.concatenate([np.zeros((DELAY_SAMPLES, 2)), stimulus, np.zeros((RATE, 2))])
    write_audio(tmp_path / "input.wav", stimulus, sample_rate=RATE)
    write_audio(tmp_path / "output.wav", output, sample_rate=RATE)
    return tmp_path / "input.wav", tmp_path / "output.wav"


def test_all_channels_come_back_to_the_input(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("align", *pair, "-o", tmp_path / "aligned.wav", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["correlation_after"] > 0.999
    assert abs(answer["correlation_before"]) < 0.1
    assert answer["residual_lag_rms_us"] < 1.0
    assert answer["esr_after"] < 0.002
    assert "provenance" in answer
    stimulus, _ = read_audio(pair[0])
    aligned, rate = read_audio(tmp_path / "aligned.wav")
    assert rate == RATE
    assert aligned.shape == stimulus.shape
    inside = slice(2000, -2000)
    assert np.sqrt(np.mean((aligned - stimulus)[inside] ** 2)) < 2e-3


def test_a_saved_trajectory_is_used(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = tmp_path / "delay.csv"
    csv.write_text(f"time_s,delay_s,sigma_s,valid\n0,{DELAY_SAMPLES / RATE},0,1\n1,{DELAY_SAMPLES / RATE},0,1\n")
    assert run("align", *pair, "-o", tmp_path / "aligned.wav", "--trajectory", csv) == 0
    assert "file" in capsys.readouterr().out
    stimulus, _ = read_audio(pair[0])
    aligned, _ = read_audio(tmp_path / "aligned.wav")
    np.testing.assert_allclose(aligned, stimulus, atol=1e-6)


def test_nothing_is_overwritten(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "aligned.wav"
    target.write_text("mine")
    assert run("align", *pair, "-o", target) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert run("align", *pair, "-o", target, "--force") == 0


def test_unrelated_audio_is_not_aligned(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = 0.1 * np.random.default_rng(9).standard_normal((3 * RATE, 2))
    write_audio(tmp_path / "other.wav", other, sample_rate=RATE)
    assert run("align", pair[0], tmp_path / "other.wav", "-o", tmp_path / "aligned.wav") == 1
    assert "align: no matching audio" in capsys.readouterr().err
    assert not (tmp_path / "aligned.wav").exists()


def test_wrong_usage(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("align", *pair) == 2
    assert run("align", *pair, "-o", tmp_path / "a.wav", "--half-taps", 2) == 2
    assert run("align", *pair, "-o", tmp_path / "a.wav", "--trajectory", tmp_path / "none.csv") == 2
    assert "no such file" in capsys.readouterr().err
