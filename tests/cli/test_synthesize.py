"""``tapemeasure synthesize``: files, table, JSON, exit codes."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tapemeasure.cli.main import main
from tapemeasure.signals.stimulus import load_stimulus

PARAMS = """
stimuli:
  silence_s: 0.5
  programme: {folder: music, train_s: 1.0, validation_s: 0.5, test_s: 0.5}
  sweeps: {duration_s: 0.5, levels_dbfs: [-6.0]}
  steps: {frequencies_hz: [1000.0], levels_dbfs: [-6.0], duration_s: 0.1}
  multitone: {duration_s: 0.2}
  two_tones: {duration_s: 0.2}
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["synthesize", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_writes_both_files_and_prints_the_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["segment", "start", "s", "length", "s", "level", "dBFS"]
    assert any(line.split() == ["marker_start", "0.500", "0.050", "-12.0"] for line in lines)
    assert printed.err == ""
    assert load_stimulus(project / "data" / "stimuli").samples.shape[1] == 2


def test_options_go_before_the_params(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-o", "out", "--sample-rate", "48000", "--pilot", "tone", "--seed", "7", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sample_rate"] == 48000
    assert result["n_channels"] == 2
    assert result["settings"]["seed"] == 7
    assert result["pilot"]["kind"] == "tone"
    assert result["length_s"] == pytest.approx(result["length_samples"] / 48000)
    assert result["segments"][0]["name"] == "marker_start"
    assert list(result["provenance"]["sha256"]) == ["params.yaml"]
    assert json.loads((project / "out" / "stimulus.json").read_text())["segments"] == result["segments"]


def test_nothing_is_overwritten_without_force(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-o", "out") == 0
    before = (project / "out" / "stimulus.wav").read_bytes()
    capsys.readouterr()
    assert run("-o", "out", "--seed", "9") == 2
    assert "stimulus.wav: exists already" in capsys.readouterr().err
    assert (project / "out" / "stimulus.wav").read_bytes() == before
    assert run("-o", "out", "--seed", "9", "--force") == 0
    assert (project / "out" / "stimulus.wav").read_bytes() != before


def test_own_music_is_played_and_hashed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "music").mkdir()
    soundfile.write(project / "music" / "song.wav", 0.3 * np.ones(44100), 44100)
    assert run("--json") == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert "warning: music holds 1.0 s of audio, the programme takes 2.0 s" in printed.err
    assert "music/song.wav" in result["provenance"]["sha256"]
    stimulus = load_stimulus("data/stimuli")
    train = stimulus.timeline.of_split("train")[0].cut(stimulus.samples[:, 0])
    np.testing.assert_allclose(train[1000:20000], 10 ** (-1 / 20), rtol=1e-6)


def test_broken_music_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "music").mkdir()
    (project / "music" / "song.flac").write_bytes(b"not audio")
    assert run() == 1
    assert "song.flac: not a readable audio file" in capsys.readouterr().err
    assert not (project / "data").exists()


def test_defaults_stand_in_for_a_missing_default_file_only(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--params", "other.yaml") == 2
    assert "other.yaml: no such file" in capsys.readouterr().err
    (project / "params.yaml").unlink()
    assert run("--params", "params.yaml") == 2


def test_without_a_params_file_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"]["programme"]["train_s"] == 90.0
    assert result["provenance"]["sha256"] == {}


def test_wrong_settings_and_options_exit_2(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--sample-rate", "22050") == 2
    assert run("--pilot", "laser") == 2
    assert run("--seed", "-1") == 2
    capsys.readouterr()
    (project / "params.yaml").write_text(PARAMS.replace("silence_s", "silense_s"))
    assert run() == 2
    assert "did you mean silence_s?" in capsys.readouterr().err


def test_folder_that_cannot_be_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "blocked").write_text("a file")
    assert run("-o", "blocked/folder") == 1
    error = capsys.readouterr().err
    assert "blocked/folder/stimulus.wav" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(KeyboardInterrupt(), "interrupted"), (OSError(errno.ENOSPC, "No space left on device"), "disk is full")],
)
def test_trouble_in_the_middle_leaves_no_half_file(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: BaseException,
    told: str,
) -> None:
    def half(path: Path, _blocks: object, **_facts: int) -> None:
        path.write_bytes(b"RIFF half a file")
        raise trouble

    monkeypatch.setattr("tapemeasure.io.fill_audio", half)
    assert run("-o", "out") == 1
    assert told in capsys.readouterr().err
    assert list((project / "out").iterdir()) == []
