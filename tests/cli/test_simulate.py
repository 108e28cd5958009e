"""``tapemeasure simulate``: files, sidecar, truth, JSON, exit codes."""

import json

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.io import read_audio, sha256_of_file, write_audio
from tapemeasure.trajectory import load_trajectory

PARAMS = """
devices:
  wobbly:
    kind: tape
    seed: 7
    settings: {wow_depth: 0.5, wow_variance: 1.0, hiss_dbfs: -66.0, oversampling: 2}
  tape:
    kind: tape
    settings: {drive: 0.1}
  akai:
    kind: hardware
"""
FAST = ("--set", "oversampling=2")


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *map(str, arguments)])
    return ended.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Working folder without a params file, with a stereo recording of 0.1 s."""
    monkeypatch.chdir(tmp_path)
    samples = 0.1 * np.random.default_rng(0).standard_normal((4410, 2))
    write_audio(tmp_path / "in.wav", samples, sample_rate=44100)
    return tmp_path


def test_works_without_a_params_file(folder, capsys):
    """Same length, a sidecar, a table on stdout, the real-time factor on stderr."""
    assert run("in.wav", "out.wav", *FAST) == 0
    printed = capsys.readouterr()
    assert "out.json" in printed.out
    assert "x real time" in printed.err
    samples, sample_rate = read_audio("out.wav")
    assert samples.shape == (4410, 2)
    assert sample_rate == 44100
    sidecar = json.loads((folder / "out.json").read_text())
    assert sidecar["device"] == "tape"
    assert sidecar["settings"]["oversampling"] == 2
    assert sidecar["seed"] == 1
    assert sidecar["latency_samples"] == 49.0
    assert sidecar["warnings"] == []
    assert sidecar["provenance"]["sha256"]["input"] == sha256_of_file("in.wav")


def test_json_truth_and_seed(folder, capsys):
    """One object on stdout; the truth file is the device's; a seed reproduces the bytes."""
    arguments = ("--set", "wow_depth=0.5", "--set", "wow_variance=1", "--set", "hiss_dbfs=-66", *FAST)
    assert run("in.wav", "a.wav", *arguments, "--seed", "3", "--truth", "truth.csv", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["seed"] == 3
    assert result["settings"]["wow_depth"] == 0.5
    assert result["truth"] == "truth.csv"
    assert result["realtime_factor"] > 0
    assert set(result["provenance"]) == {"tapemeasure_version", "commit", "sha256"}
    assert (folder / "truth.csv").read_text().startswith("time_s,delay_s,sigma_s,valid\n")
    assert np.ptp(load_trajectory("truth.csv").delay_s) > 1e-5
    assert run("in.wav", "b.wav", *arguments, "--seed", "3") == 0
    assert run("in.wav", "c.wav", *arguments, "--seed", "4") == 0
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes()
    assert (folder / "a.wav").read_bytes() != (folder / "c.wav").read_bytes()


def test_profile_of_the_params_file(folder, capsys):
    """A profile brings seed and settings, --set changes them, and it goes before a bare kind of the same name."""
    (folder / "params.yaml").write_text(PARAMS)
    assert run("in.wav", "out.wav", "--device", "wobbly", "--set", "hiss_dbfs=null", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["profile"], result["seed"]) == ("wobbly", 7)
    assert result["settings"]["wow_depth"] == 0.5
    assert result["settings"]["hiss_dbfs"] is None
    assert run("in.wav", "own.wav", "--device", "tape", *FAST, "--json") == 0
    assert json.loads(capsys.readouterr().out)["settings"]["drive"] == 0.1


def test_identity_is_a_copy(folder, capsys):
    """Same samples; a seed that changes nothing is told."""
    assert run("in.wav", "out.wav", "--device", "identity", "--seed", "5", "--truth", "truth.npz") == 0
    assert "has no seed" in capsys.readouterr().err
    assert np.array_equal(read_audio("in.wav")[0], read_audio("out.wav")[0])
    assert not load_trajectory("truth.npz").delay_s.any()


def test_nothing_is_overwritten_without_force(folder, capsys):
    """Output, sidecar, truth: refused before the work, and all replaced with --force."""
    for name in ("out.wav", "out.json", "truth.csv"):
        (folder / name).write_text("mine")
        assert run("in.wav", "out.wav", "--truth", "truth.csv", *FAST) == 2
        assert f"{name}: exists already" in capsys.readouterr().err
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()
    (folder / "out.wav").write_text("mine")
    assert run("in.wav", "out.wav", "--force", *FAST) == 0
    assert read_audio("out.wav")[0].shape == (4410, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "revox"), "there are wobbly, tape, akai, chowtape, identity"),
        (("--device", "akai"), "tapemeasure record --device akai"),
        (("--device", "hardware"), "tapemeasure record"),
        (("--set", "drvie=0.7"), "did you mean drive?"),
        (("--set", "drive=2"), "drive = 2"),
        (("--set", "oversampling=3"), "oversampling = 3"),
        (("--set", "drive"), "write it as key=value"),
        (("--device", "identity", "--set", "drive=1"), "has no settings"),
        (("--plugin", "x.vst3"), "is no plug-in"),
        (("--params", "other.yaml"), "other.yaml: no such file"),
        (("--truth", "truth.txt"), "must end in .csv or .npz"),
        (("--device", "chowtape", "--truth", "truth.csv"), "does not tell its delay"),
        (("--seed", "-1"), "--seed"),
    ],
)
def test_wrong_usage(folder, capsys, arguments, message):
    """Exit code 2, one reason on stderr, nothing written."""
    (folder / "params.yaml").write_text(PARAMS)
    before = sorted(folder.iterdir())
    assert run("in.wav", "out.wav", *arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_output_that_is_no_wav(folder, capsys):
    """Only WAV is written."""
    assert run("in.wav", "out.flac") == 2
    assert "must end in .wav" in capsys.readouterr().err


def test_plugin_that_is_not_there(folder, capsys, monkeypatch):
    """Exit code 1, with the way out."""
    monkeypatch.delenv("TAPEMEASURE_CHOWTAPE", raising=False)
    assert run("in.wav", "out.wav", "--device", "chowtape") == 1
    assert "--device tape" in capsys.readouterr().err
    assert run("in.wav", "out.wav", "--device", "chowtape", "--plugin", "none.vst3") == 1
    assert "none.vst3" in capsys.readouterr().err
    assert not (folder / "out.wav").exists()


def test_bad_input_files(folder, capsys):
    """Missing, empty, no audio, truncated, with NaN: named, nothing written."""
    whole = (folder / "in.wav").read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no audio at all")
    (folder / "short.wav").write_bytes(whole[: len(whole) // 2])
    write_audio("nan.wav", np.array([0.0, np.nan]), sample_rate=44100)
    for name, code, message in [
        ("missing.wav", 2, "no such file"),
        ("empty.wav", 1, "empty"),
        ("text.wav", 1, "not a readable audio file"),
        ("short.wav", 1, "truncated"),
        ("nan.wav", 1, "NaN"),
    ]:
        assert run(name, "out.wav") == code
        error = capsys.readouterr().err
        assert name in error
        assert message in error
        assert "Traceback" not in error
    assert not (folder / "out.wav").exists()


def test_sample_rate_that_the_model_has_not(folder, capsys):
    """Value and limits."""
    write_audio("slow.wav", np.zeros(100), sample_rate=4000)
    assert run("slow.wav", "out.wav") == 1
    assert "4000 Hz" in capsys.readouterr().err


def test_folder_that_cannot_be_written(folder, capsys):
    """A file where the folder should be."""
    (folder / "place").write_text("a file")
    assert run("in.wav", "place/out.wav", *FAST) == 1
    assert "place/out.wav" in capsys.readouterr().err


def test_interrupt_leaves_nothing(folder, capsys, monkeypatch):
    """Ctrl-C in the middle: exit code 1 and no file."""

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(TapeDevice, "run", interrupted)
    before = sorted(folder.iterdir())
    assert run("in.wav", "out.wav") == 1
    assert "interrupted" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_help_has_examples(capsys):
    """Typed options and an Examples block."""
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert "--truth FILE" in text
