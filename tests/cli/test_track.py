import json
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import write_audio
from tapemeasure.trajectory import CSV_HEADER, load_trajectory

RATE = 44100
DELAY_SAMPLES = 882


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def programme(seed: int = 1, seconds: float = 3.0) -> np.ndarray:
    """Noise with a tune of level, so that passages differ."""
    n = round(seconds * RATE)
    return 0.1 * np.random.default_rng(seed).standard_normal(n) * (1.2 + np.sin(np.arange(n) / 3000.0))


def late(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((DELAY_SAMPLES, *samples.shape[1:])), samples])[: len(samples)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    samples = programme()
    pulses = np.zeros(len(samples))
    pulses[384::441] = 0.4
    stimulus = np.stack([samples, pulses], axis=1)
    write_audio(tmp_path / "input.wav", stimulus, sample_rate=RATE)
    write_audio(tmp_path / "output.wav", late(stimulus), sample_rate=RATE)
    return tmp_path / "input.wav", tmp_path / "output.wav"


def test_json_has_the_promised_keys_and_the_delay(pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", *pair, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["method"] == "pulses"
    assert answer["mean_delay_s"] == pytest.approx(0.02, abs=1e-6)
    assert answer["pulses_expected"] == answer["pulses_found"] == 298
    assert answer["inverted_polarity"] is False
    assert answer["whole_take_delay_samples"] == DELAY_SAMPLES
    assert {"delay_std_s", "delay_peak_to_peak_s", "drift_ppm", "speed_deviation_rms_pct"} <= set(answer)
    assert set(answer["provenance"]["sha256"]) == {"input", "output"}


def test_the_table_is_for_people(pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", *pair) == 0
    out = capsys.readouterr().out
    assert "20.0000 ms" in out
    assert "882 samples" in out
    assert "298 of 298 found" in out


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_the_trajectory_is_written(pair, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"delay.{ending}"
    assert run("track", *pair, "-o", target, "--rate", "50") == 0
    path = load_trajectory(target)
    assert path.rate_hz == pytest.approx(50.0)
    assert path.delay_s[path.valid] == pytest.approx(0.02, abs=1e-6)
    if ending == "csv":
        assert target.read_text().splitlines()[0] == CSV_HEADER


def test_the_picture_is_written(pair, tmp_path: Path) -> None:
    assert run("track", *pair, "--plot", tmp_path / "delay.png") == 0
    assert (tmp_path / "delay.png").read_bytes().startswith(b"\x89PNG")


def test_channels_count_from_one(pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", *pair, "--channel", 1, "--pilot", "none", "--json") == 0
    assert json.loads(capsys.readouterr().out)["method"] == "correlation"
    assert run("track", *pair, "--channel", 3) == 1
    assert "2 channel(s), channel 3 was asked for" in capsys.readouterr().err
    assert run("track", *pair, "--channel", 0) == 2


def test_nothing_is_overwritten_and_names_are_checked_before_the_work(pair, tmp_path: Path, capsys) -> None:
    target = tmp_path / "delay.csv"
    target.write_text("mine")
    assert run("track", *pair, "-o", target) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert run("track", *pair, "-o", target, "--force") == 0
    assert run("track", tmp_path / "absent.wav", pair[1], "-o", tmp_path / "delay.txt") == 2
    assert "must end in" in capsys.readouterr().err


def expect(capsys: pytest.CaptureFixture[str], text: str) -> None:
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert "Traceback" not in err


def test_bad_files(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", tmp_path / "absent.wav", pair[1]) == 2
    expect(capsys, "no such file")
    (tmp_path / "empty.wav").write_bytes(b"")
    assert run("track", pair[0], tmp_path / "empty.wav") == 1
    expect(capsys, "empty")
    (tmp_path / "text.wav").write_text("this is no audio")
    assert run("track", pair[0], tmp_path / "text.wav") == 1
    expect(capsys, "not a readable audio file")
    (tmp_path / "half.wav").write_bytes(pair[1].read_bytes()[:20000])
    assert run("track", pair[0], tmp_path / "half.wav") == 1
    expect(capsys, "truncated")


def test_sample_rates_that_differ(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_audio(tmp_path / "other.wav", programme(), sample_rate=48000)
    assert run("track", tmp_path / "other.wav", pair[1]) == 1
    err = capsys.readouterr().err
    assert err.startswith("track: ")
    assert "output.wav is 44100 Hz" in err
    assert "other.wav is 48000 Hz; resample one of them" in err


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("zeros", "the output is silent"),
        ("dc", "DC offset of 0.2500"),
        ("nan", "NaN"),
        ("unrelated", "no matching audio"),
        ("mono", "in the output"),
    ],
)
def test_outputs_that_cannot_be_tracked(pair, tmp_path: Path, capsys, kind: str, text: str) -> None:
    samples = programme()
    broken = {
        "zeros": np.zeros((len(samples), 2)),
        "dc": np.full((len(samples), 2), 0.25),
        "nan": np.where(np.arange(len(samples)) == 7, np.nan, samples),
        "unrelated": np.stack([programme(seed=2), programme(seed=3)], axis=1),
        "mono": late(samples),
    }[kind]
    write_audio(tmp_path / "broken.wav", broken, sample_rate=RATE)
    assert run("track", pair[0], tmp_path / "broken.wav", "--pilot", "pulses", "--json") == 1
    expect(capsys, text)


def test_a_folder_that_cannot_be_written(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert run("track", *pair, "-o", tmp_path / "file" / "delay.csv") == 1
    assert "delay.csv" in capsys.readouterr().err


def test_an_interrupt_leaves_nothing_behind(pair, tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupted(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tapemeasure.delay.track.track_sources", interrupted)
    before = set(tmp_path.iterdir())
    assert run("track", *pair, "-o", tmp_path / "delay.csv") == 1
    expect(capsys, "interrupted")
    assert set(tmp_path.iterdir()) == before


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("track", "align"):
        assert run(command, "--help") == 0
        assert f"tapemeasure {command} input.wav output.wav" in capsys.readouterr().out


def test_why_this_method_and_how_sure(pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", *pair, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] == "pulses on channel 2 of the input"
    assert answer["lost_samples"] == []
    assert answer["longest_gap_s"] < 0.05
    # the very copy of a file has no drift, and three seconds of pulses tell it to a hundredth of a ppm
    assert abs(answer["drift_ppm"]) < 5 * answer["drift_sigma_ppm"] < 1.0
    assert run("track", *pair, "--pilot", "none") == 0
    assert "correlation (asked for)" in capsys.readouterr().out


def test_no_match_says_what_was_compared_and_what_to_try(pair, tmp_path: Path, capsys) -> None:
    other = np.stack([programme(seed=4), programme(seed=5)], axis=1)
    write_audio(tmp_path / "other.wav", other, sample_rate=RATE)
    assert run("track", pair[0], tmp_path / "other.wav", "--max-delay", "2") == 1
    err = capsys.readouterr().err
    assert "channel 1 of 3.0 s of input and of 3.0 s of output" in err
    for advice in ("a delay beyond 2 s (--max-delay)", "--channel", "the other way round"):
        assert advice in err


def test_a_difference_of_the_clocks_is_told_in_ppm(tmp_path: Path, capsys) -> None:
    n = 8 * RATE
    position = np.arange(n) * (1 - 20e-6) - 900.0
    tones = [np.sin(2 * np.pi * 3150 / RATE * place) for place in (np.arange(n), position)]
    for name, tone in zip(("input", "output"), tones, strict=True):
        noise = 1e-4 * np.random.default_rng(len(name)).standard_normal(n)
        write_audio(tmp_path / f"{name}.wav", 0.25 * tone * (np.arange(n) > 2000) + noise, sample_rate=RATE)
    assert run("track", tmp_path / "input.wav", tmp_path / "output.wav", "--pilot", "tone", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["method"] == "tone"
    assert answer["drift_ppm"] == pytest.approx(20.0, abs=0.1)
    assert 0.0 < answer["drift_sigma_ppm"] < 0.1


def test_the_pilots_channel_can_be_named(pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("track", *pair, "--channel", 2, "--pilot", "pulses", "--pilot-channel", 2, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "pulses on channel 2 of the input"
    assert run("track", *pair, "--pilot", "pulses", "--pilot-channel", 1) == 1
    assert "no train of pulses on channel 1" in capsys.readouterr().err
    assert run("track", *pair, "--pilot-channel", 3) == 1
    assert "channel 3 was asked for" in capsys.readouterr().err
