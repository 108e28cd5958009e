"""Pairs that a user may give to `track`: each is tracked rightly, or refused with what was noticed."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tapemeasure.cli.main import main
from tapemeasure.dsp.fractional import read_at
from tapemeasure.io import write_audio
from tapemeasure.trajectory import load_trajectory

RATE = 44100


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def notes(seconds: float = 4.0, seed: int = 1) -> np.ndarray:
    """Decaying notes over brushes, with a soft second half."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE) + RATE)
    time_s = np.arange(RATE // 2) / RATE
    for first in range(0, round(seconds * RATE), RATE // 7):
        pitch = rng.uniform(110.0, 440.0)
        note = sum(np.sin(2 * np.pi * pitch * k * time_s + k) / k for k in range(1, 9)) * np.exp(-6.0 * time_s)
        samples[first : first + len(note)] += 0.1 * note + 0.02 * rng.standard_normal(len(note)) * np.exp(-30 * time_s)
    return samples[: round(seconds * RATE)]


def late(samples: np.ndarray, delay_s: float = 0.05, *, speed: float = 1.0) -> np.ndarray:
    position = np.arange(round(len(samples) / speed)) * speed - delay_s * RATE
    return read_at(samples, position) + 5e-4 * np.random.default_rng(7).standard_normal(len(position))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_audio("in.wav", notes(), sample_rate=RATE)
    return tmp_path


@pytest.mark.parametrize("speed", [1.05, 0.95])
def test_a_machine_at_a_wrong_speed(folder: Path, capsys, speed: float) -> None:
    write_audio("out.wav", late(notes(), speed=speed), sample_rate=RATE)
    assert run("track", "in.wav", "out.wav", "--json", "-o", "delay.npz") == 0
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert answer["speed_ratio"] == pytest.approx(speed, abs=2e-5)
    assert answer["drift_ppm"] == pytest.approx(1e6 * (1.0 - speed), abs=20.0)
    assert f"5.00 % {'faster' if speed > 1 else 'slower'} than the input" in told.err
    path = load_trajectory("delay.npz")
    exact = path.time_s - (speed * path.time_s - 0.05)
    assert np.abs(path.delay_s - exact)[path.valid][20:-20].max() < 2e-5


def test_the_table_tells_the_speed(folder: Path, capsys) -> None:
    write_audio("out.wav", late(notes(), speed=1.05), sample_rate=RATE)
    assert run("track", "in.wav", "out.wav", "--fast") == 0
    assert "1.0500 times the input's" in capsys.readouterr().out


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_noise_of_its_own_does_not_match(folder: Path, capsys, fast: list[str]) -> None:
    write_audio("noise.wav", 0.1 * np.random.default_rng(3).standard_normal(4 * RATE), sample_rate=RATE)
    assert run("track", "in.wav", "noise.wav", *fast) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "no matching audio" in told.err
    assert "other way round" in told.err


def test_rates_far_apart(folder: Path, capsys) -> None:
    write_audio("low.wav", notes()[: 2 * 8000], sample_rate=8000)
    write_audio("high.wav", notes(), sample_rate=192000)
    assert run("track", "low.wav", "high.wav") == 1
    assert "high.wav is 192000 Hz, low.wav is 8000 Hz; resample one of them" in capsys.readouterr().err


def test_a_fifth_of_a_second(folder: Path, capsys) -> None:
    write_audio("short.wav", late(notes())[: RATE // 5], sample_rate=RATE)
    write_audio("short_in.wav", notes()[: RATE // 5], sample_rate=RATE)
    assert run("track", "short_in.wav", "short.wav", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mean_delay_s"] == pytest.approx(0.05, abs=2e-6)
    # a low note alone fits at many delays
    low = np.sin(2 * np.pi * 90 * np.arange(RATE // 5) / RATE)
    write_audio("low_in.wav", low, sample_rate=RATE)
    write_audio("low.wav", late(low), sample_rate=RATE)
    assert run("track", "low_in.wav", "low.wav", "--pilot", "none") == 1
    assert "give files of 2 s or more" in capsys.readouterr().err


def test_a_steady_tone_is_ambiguous_and_said(folder: Path, capsys) -> None:
    tone = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE)
    write_audio("tone.wav", tone[441:], sample_rate=RATE)
    write_audio("late.wav", late(tone)[round(0.1 * RATE) :], sample_rate=RATE)
    assert run("track", "tone.wav", "late.wav") == 0
    assert "known modulo 1.000 ms only" in capsys.readouterr().err
    assert run("track", "tone.wav", "late.wav", "--pilot", "none") == 1
    assert "steady tones" in capsys.readouterr().err


def test_a_loop_fits_at_many_delays_and_says_so(folder: Path, capsys) -> None:
    loop = np.tile(notes(1.5), 4)
    write_audio("loop.wav", loop, sample_rate=RATE)
    write_audio("late.wav", late(loop), sample_rate=RATE)
    assert run("track", "loop.wav", "late.wav", "--fast", "--json") == 0
    told = capsys.readouterr()
    assert "the programme repeats itself" in told.err
    assert json.loads(told.out)["bulk_delay_s"] == pytest.approx(0.05, abs=1e-4)


def test_half_a_minute_late_and_inverted(folder: Path, capsys) -> None:
    output = np.concatenate([np.zeros(29 * RATE), -late(notes())])
    write_audio("out.wav", output, sample_rate=RATE)
    assert run("track", "in.wav", "out.wav", "--fast", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bulk_delay_s"] == pytest.approx(29.05, abs=1e-4)
    assert answer["inverted_polarity"] is True


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_any_word_length(folder: Path, capsys, subtype: str) -> None:
    soundfile.write("out.wav", late(notes()), RATE, subtype=subtype)
    assert run("track", "in.wav", "out.wav", "--fast", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mean_delay_s"] == pytest.approx(0.05, abs=2e-6)


def test_mono_beside_stereo(folder: Path, capsys) -> None:
    write_audio("wide.wav", np.stack([late(notes()), late(notes(seed=2))], axis=1), sample_rate=RATE)
    write_audio("right.wav", np.stack([np.zeros(4 * RATE), notes()], axis=1), sample_rate=RATE)
    assert run("track", "in.wav", "wide.wav", "--fast", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mean_delay_s"] == pytest.approx(0.05, abs=2e-6)
    assert run("track", "right.wav", "wide.wav") == 1
    assert "channel 1 is silent" in capsys.readouterr().err
    assert run("track", "in.wav", "wide.wav", "--channel", "2") == 1
    assert "in.wav has 1 channel(s), channel 2 was asked for" in capsys.readouterr().err


def test_threads_out_of_range_are_wrong_usage(folder: Path, capsys) -> None:
    assert run("track", "in.wav", "in.wav", "--threads", "0") == 2
    assert run("track", "in.wav", "in.wav", "--threads", "2", "--fast") == 0
