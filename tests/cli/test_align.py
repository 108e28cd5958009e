import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import read_audio, write_audio
from tapemeasure.trajectory import DelayTrajectory

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


def wobble(seconds: float = 5.0) -> DelayTrajectory:
    time = np.arange(round(100 * seconds)) / 100.0
    delay = 0.012 + 5e-4 * np.sin(2 * np.pi * 0.8 * time) + 2e-5 * time
    return DelayTrajectory(0.0, 100.0, delay, np.full(len(time), 1e-7), np.ones(len(time), dtype=bool))


def band_limited(n: int, seed: int) -> np.ndarray:
    """Noise up to 0.35 of the sample rate whose level rises and falls, silent at the end."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum[int(0.7 * len(spectrum)) :] = 0.0
    samples = 0.2 * np.fft.irfft(spectrum, n) * (1.2 + np.sin(np.arange(n) / 3000.0))
    samples[-RATE // 4 :] = 0.0
    return samples


def test_a_clean_file_is_made_to_wobble_and_straightened_again(tmp_path: Path, capsys) -> None:
    clean = band_limited(3 * RATE, 5)
    write_audio(tmp_path / "clean.wav", clean, sample_rate=RATE)
    wobble().save(tmp_path / "delay.npz")
    late, back = tmp_path / "late.wav", tmp_path / "back.wav"
    saved = ("--trajectory", tmp_path / "delay.npz")
    assert run("align", tmp_path / "clean.wav", "--apply", *saved, "-o", late, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    # all of the file comes out
    assert answer["duration_s"] == pytest.approx(3.012, abs=1e-3)
    assert set(answer["provenance"]["sha256"]) == {"input", "trajectory"}
    assert run("align", tmp_path / "clean.wav", late, *saved, "-o", back) == 0
    read, _ = read_audio(back)
    error = read[:, 0] - clean
    assert 20 * np.log10(np.sqrt(np.mean(error**2) / np.mean(clean**2))) < -80.0


def test_tracking_undoes_what_was_applied_and_says_how_well(tmp_path: Path, capsys) -> None:
    hiss = 1e-4 * np.random.default_rng(1).standard_normal(5 * RATE)
    write_audio(tmp_path / "clean.wav", band_limited(4 * RATE, 6), sample_rate=RATE)
    wobble().save(tmp_path / "delay.csv")
    late = tmp_path / "late.wav"
    assert run("align", tmp_path / "clean.wav", "--apply", "--trajectory", tmp_path / "delay.csv", "-o", late) == 0
    capsys.readouterr()
    played, _ = read_audio(late)
    write_audio(late, played[:, 0] + hiss[: len(played)], sample_rate=RATE)
    assert run("align", tmp_path / "clean.wav", late, "-o", tmp_path / "aligned.wav", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    # a sine of 0.5 ms
    assert answer["delay_std_before_us"] == pytest.approx(5e2 / np.sqrt(2), rel=0.1)
    assert answer["delay_std_after_us"] < 2.0
    assert answer["esr_after"] < 1e-3 < 0.5 < answer["esr_before"]


def test_several_tracks_are_aligned_by_one(pair, tmp_path: Path, capsys) -> None:
    stimulus, _ = read_audio(pair[0])
    others = {name: band_limited(len(stimulus), seed)[:, None] for seed, name in enumerate(("drums", "voice"), 7)}
    for name, samples in others.items():
        late = np.concatenate([np.zeros((DELAY_SAMPLES, 1)), samples, np.zeros((RATE, 1))])
        write_audio(tmp_path / f"{name}.wav", late, sample_rate=RATE)
    also = [argument for name in others for argument in ("--also", tmp_path / f"{name}.wav")]
    assert run("align", *pair, "-o", tmp_path / "new" / "aligned.wav", *also, "--json") == 0
    told = json.loads(capsys.readouterr().out)["also"]
    for entry, (name, samples) in zip(told, others.items(), strict=True):
        assert entry["aligned"] == (tmp_path / "new" / f"{name}_aligned.wav").as_posix()
        aligned, _ = read_audio(entry["aligned"])
        assert aligned.shape == samples.shape
        assert np.abs(aligned - samples)[2000:-2000].max() < 2e-3


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: np.where(np.arange(len(x))[:, None] == len(x) - 9, np.nan, x), "NaN"),
        (None, "48000 Hz"),
    ],
    ids=["a NaN near its end", "another rate"],
)
def test_one_bad_track_keeps_all_from_being_written(pair, tmp_path: Path, capsys, spoil, words: str) -> None:
    output, _ = read_audio(pair[1])
    write_audio(tmp_path / "good.wav", output, sample_rate=RATE)
    write_audio(tmp_path / "bad.wav", output if spoil is None else spoil(output), sample_rate=RATE if spoil else 48000)
    also = ("--also", tmp_path / "good.wav", "--also", tmp_path / "bad.wav")
    assert run("align", *pair, *also, "-o", tmp_path / "new" / "aligned.wav") == 1
    err = capsys.readouterr().err
    assert "bad.wav" in err
    assert words in err
    assert not (tmp_path / "new").exists()


def test_names_that_would_meet_are_refused(pair, tmp_path: Path, capsys) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "drums.wav").write_bytes(pair[1].read_bytes())
    (tmp_path / "drums.wav").write_bytes(pair[1].read_bytes())
    twice = ("--also", tmp_path / "drums.wav", "--also", tmp_path / "a" / "drums.wav")
    assert run("align", *pair, *twice, "-o", tmp_path / "aligned.wav") == 2
    assert "rename one of them" in capsys.readouterr().err
    (tmp_path / "drums_aligned.wav").write_text("mine")
    assert run("align", *pair, *twice[:2], "-o", tmp_path / "aligned.wav") == 2
    assert "drums_aligned.wav: exists already" in capsys.readouterr().err


def test_a_copy_of_a_copy_is_undone_by_both_delays(tmp_path: Path, capsys) -> None:
    clean = band_limited(3 * RATE, 8)
    write_audio(tmp_path / "clean.wav", clean, sample_rate=RATE)
    wobble().save(tmp_path / "a.csv")
    first = wobble()
    second = replace(first, start_s=first.start_s - 0.4, delay_s=first.delay_s + 0.03)
    second.save(tmp_path / "b.csv")
    for source, delay, result in (("clean", "a", "copy"), ("copy", "b", "again")):
        arguments = ("--apply", "--trajectory", tmp_path / f"{delay}.csv", "-o", tmp_path / f"{result}.wav")
        assert run("align", tmp_path / f"{source}.wav", *arguments) == 0
    both = ("--trajectory", tmp_path / "a.csv", "--trajectory", tmp_path / "b.csv")
    assert run("align", tmp_path / "clean.wav", tmp_path / "again.wav", *both, "-o", tmp_path / "back.wav") == 0
    read, _ = read_audio(tmp_path / "back.wav")
    # between the time that both delays know and the signal's cut end, whose edge has all frequencies
    error = (read[:, 0] - clean)[15000:-18000]
    assert 20 * np.log10(np.sqrt(np.mean(error**2) / np.mean(clean**2))) < -95.0


def test_wrong_use_of_apply(pair, tmp_path: Path, capsys) -> None:
    wobble().save(tmp_path / "d.csv")
    assert run("align", pair[0], "--apply", "-o", tmp_path / "a.wav") == 2
    assert "give --trajectory" in capsys.readouterr().err
    assert run("align", *pair, "--apply", "--trajectory", tmp_path / "d.csv", "-o", tmp_path / "a.wav") == 2
    assert "one file too many" in capsys.readouterr().err
    assert run("align", pair[0], "-o", tmp_path / "a.wav") == 2
    assert "OUT is missing" in capsys.readouterr().err


def test_another_length_of_a_track_is_told(pair, tmp_path: Path, capsys) -> None:
    output, _ = read_audio(pair[1])
    write_audio(tmp_path / "short.wav", output[:-RATE], sample_rate=RATE)
    assert run("align", *pair, "--also", tmp_path / "short.wav", "-o", tmp_path / "aligned.wav") == 0
    assert "short.wav is 1.00 s shorter than" in capsys.readouterr().err


def test_a_delay_that_ends_before_the_output_is_told(pair, tmp_path: Path, capsys) -> None:
    wobble(1.5).save(tmp_path / "cut.csv")
    assert run("align", *pair, "--trajectory", tmp_path / "cut.csv", "-o", tmp_path / "a.wav") == 0
    assert "cut.csv: ends 2.5 s before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"), [("d.npz", b"\x93" * 500), ("d.csv", b"time_s,delay_s,sigma_s,valid\n0,0.1")]
)
def test_a_spoilt_delay_is_told(pair, tmp_path: Path, capsys, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert run("align", *pair, "--trajectory", tmp_path / name, "-o", tmp_path / "a.wav") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert name in err
    assert "tapemeasure track" in err
    assert not (tmp_path / "a.wav").exists()
