"""``tapemeasure simulate``: files, sidecar, truth, JSON, exit codes."""

import json

import numpy as np
import pytest
import soundfile

from tapemeasure.cli.main import main
from tapemeasure.devices.base import Capture
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.io import read_audio, sha256_of_file, write_audio
from tapemeasure.params import TapeSettings, tape_presets
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


@pytest.mark.parametrize("name", ["out.json", "truth.csv", "truth_azimuth.csv"])
def test_no_result_replaces_the_input(folder, capsys, name):
    """Neither sidecar nor truths, even with --force and an input of a strange name."""
    (folder / "in.wav").rename(folder / name)
    before = (folder / name).read_bytes()
    arguments = ("--truth", "truth.csv", "--set", "azimuth_urad=200", "--force")
    assert run(name, "out.wav", *arguments, *FAST) == 2
    assert f"{name}: is read by this command" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "revox"), "there are wobbly, tape, akai, chowtape, identity, neural"),
        (("--device", "akai"), "tapemeasure record --device akai"),
        (("--device", "hardware"), "tapemeasure record"),
        (("--set", "drvie=0.7"), "did you mean drive?"),
        (("--set", "drive=2"), "drive = 2"),
        (("--set", "oversampling=3"), "oversampling = 3"),
        (("--set", "equalisation=iec", "--set", "speed_ips=5"), "simulate: --set: equalisation = 'iec': "),
        (("--set", "drive"), "write it as key=value"),
        (("--device", "identity", "--set", "drive=1"), "has no settings"),
        (("--plugin", "x.vst3"), "is no plug-in"),
        (("--params", "other.yaml"), "other.yaml: no such file"),
        (("--truth", "truth.txt"), "must end in .csv or .npz"),
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


def test_a_plugin_that_does_not_tell_its_delay(folder, capsys, monkeypatch):
    """--truth is refused with the way out, and nothing is written."""

    def run_without_truth(self, stimulus, *, sample_rate, progress):
        return Capture(stimulus, sample_rate, "chowtape", {})

    monkeypatch.setattr("tapemeasure.devices.chowtape.ChowtapeDevice.run", run_without_truth)
    before = sorted(folder.iterdir())
    assert run("in.wav", "out.wav", "--device", "chowtape", "--truth", "truth.csv") == 2
    assert "tapemeasure track" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


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

    monkeypatch.setattr(TapeDevice, "stream", interrupted)
    before = sorted(folder.iterdir())
    assert run("in.wav", "out.wav") == 1
    assert "interrupted" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_preset_over_the_bare_device(folder, capsys):
    """The preset's settings, --set over them, the preset's name in the sidecar; the params file's tape is not used."""
    (folder / "params.yaml").write_text(PARAMS)
    assert run("in.wav", "out.wav", "--preset", "sony_tc260", "--set", "bias=0.9", *FAST, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    expected = {
        **TapeSettings().model_dump(),
        **tape_presets()["sony_tc260"]["settings"],
        "bias": 0.9,
        "oversampling": 2,
    }
    assert result["settings"] == json.loads(json.dumps(expected))
    assert result["preset"] == "sony_tc260"
    assert json.loads((folder / "out.json").read_text())["preset"] == "sony_tc260"
    assert run("in.wav", "again.wav", "--preset", "revox") == 2
    assert "sony_tc260" in capsys.readouterr().err
    assert run("in.wav", "again.wav", "--preset", "sony_tc260", "--device", "wobbly") == 2
    assert "leave --device away" in capsys.readouterr().err
    assert not (folder / "again.wav").exists()


def test_threads_change_nothing(folder, capsys):
    """Equal bytes, with two threads from the command line or from the profile."""
    (folder / "params.yaml").write_text("devices: {two: {kind: tape, threads: 2, settings: {oversampling: 2}}}")
    assert run("in.wav", "one.wav", *FAST) == 0
    assert run("in.wav", "two.wav", *FAST, "--threads", "2") == 0
    assert run("in.wav", "profile.wav", "--device", "two") == 0
    assert (folder / "one.wav").read_bytes() == (folder / "two.wav").read_bytes()
    assert (folder / "one.wav").read_bytes() == (folder / "profile.wav").read_bytes()
    capsys.readouterr()
    assert run("in.wav", "wire.wav", "--device", "identity", "--threads", "2") == 0
    assert "has no threads" in capsys.readouterr().err
    assert run("in.wav", "no.wav", "--threads", "0") == 2


def test_azimuth_is_written_beside_the_delay(folder, capsys):
    """truth_azimuth.csv; refused before the work where it stands already."""
    arguments = ("--set", "azimuth_urad=200", "--set", "lost_samples_per_minute=3000", *FAST, "--truth", "truth.csv")
    assert run("in.wav", "out.wav", *arguments, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["truths"] == {"azimuth": "truth_azimuth.csv"}
    assert len(result["details"]["truth"]["lost_samples"]) > 0
    late_s = load_trajectory("truth_azimuth.csv").delay_s
    np.testing.assert_allclose(late_s, 200e-6 * 3.8e-3 / (7.5 * 0.0254), rtol=1e-3)
    before = (folder / "truth_azimuth.csv").read_bytes()
    for name in ("out.wav", "out.json", "truth.csv"):
        (folder / name).unlink()
    assert run("in.wav", "out.wav", *arguments) == 2
    assert "truth_azimuth.csv: exists already" in capsys.readouterr().err
    assert (folder / "truth_azimuth.csv").read_bytes() == before
    assert not (folder / "out.wav").exists()


def as_assignment(key, value):
    """A setting as it is written on the command line (JSON is YAML)."""
    return f"{key}={json.dumps(value)}"


def test_every_setting_can_be_set(folder, capsys):
    """All settings of the machine, at values that are not the defaults where there are any others."""
    values = {
        **TapeSettings(oversampling=1).model_dump(mode="json"),
        "lines_pct": [[10.6, 0.02], [26.5, 0.01]],
        "response_shape_db": [[100, -1], [10000, 2]],
        "hiss_shape_db": [[100, 3], [10000, 0]],
        "hiss_dbfs": -60.0,
        "chowtape_compatible": True,
        "solver": "RK4",
    }
    arguments = [part for key, value in values.items() for part in ("--set", as_assignment(key, value))]
    assert run("in.wav", "out.wav", *arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out)["settings"] == {
        key: pytest.approx(value) if isinstance(value, float) else value for key, value in values.items()
    }


@pytest.mark.parametrize("sample_rate", [8000, 22050, 96000, 192000])
@pytest.mark.parametrize("n_samples", [1, 300])
def test_short_files_of_every_rate(folder, sample_rate, n_samples):
    """As long as they were, even a single sample."""
    write_audio("short.wav", 0.5 * np.ones((n_samples, 2)), sample_rate=sample_rate)
    assert run("short.wav", "out.wav", *FAST, "--truth", "truth.csv") == 0
    samples, rate = read_audio("out.wav")
    assert samples.shape == (n_samples, 2)
    assert rate == sample_rate


def test_other_formats_are_read(folder):
    """FLAC and AIFF give what the WAV of their samples gives."""
    soundfile.write("in.flac", read_audio("in.wav")[0], 44100)
    soundfile.write("in.aiff", read_audio("in.flac")[0], 44100, subtype="PCM_16")
    write_audio("same.wav", read_audio("in.flac")[0], sample_rate=44100)
    for name in ("in.flac", "in.aiff", "same.wav"):
        assert run(name, f"{name}.wav", *FAST) == 0
    found = [(folder / f"{name}.wav").read_bytes() for name in ("in.flac", "in.aiff", "same.wav")]
    assert found[0] == found[1] == found[2]


def test_silence_and_far_too_loud(folder, capsys):
    """Exact silence; +40 dBFS is clipped, finite and told."""
    write_audio("silence.wav", np.zeros((2000, 1)), sample_rate=44100)
    assert run("silence.wav", "still.wav", *FAST) == 0
    assert not read_audio("still.wav")[0].any()
    capsys.readouterr()
    write_audio("loud.wav", 100.0 * np.random.default_rng(0).standard_normal((2000, 1)), sample_rate=44100)
    assert run("loud.wav", "out.wav") == 0
    assert "21.9 dBFS" in capsys.readouterr().err
    assert abs(read_audio("out.wav")[0]).max() < 3.0


@pytest.mark.parametrize("position", [0, 40000])
def test_no_numbers_late_in_the_file_leave_the_old_result(folder, capsys, position):
    """Found in the middle of the work: exit code 1, and with --force nothing of what was there is lost."""
    samples = np.zeros((50000, 1))
    samples[position] = np.inf
    write_audio("bad.wav", samples, sample_rate=44100)
    for name in ("out.wav", "out.json", "truth.csv"):
        (folder / name).write_text("mine")
    before = sorted(folder.iterdir())
    assert run("bad.wav", "out.wav", "--force", *FAST, "--truth", "truth.csv") == 1
    error = capsys.readouterr().err
    assert f"{position / 44100:.6f} s in channel 1" in error
    assert "Traceback" not in error
    assert sorted(folder.iterdir()) == before
    assert all((folder / name).read_text() == "mine" for name in ("out.wav", "out.json", "truth.csv"))


def test_help_has_examples(capsys):
    """Typed options and an Examples block."""
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert "--truth FILE" in text
