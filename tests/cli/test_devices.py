"""`tapemeasure devices` where there is no sound card, or not even PortAudio; with cards: test_record.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapemeasure.params import tape_presets

ROOT = Path(__file__).resolve().parents[2]


def _devices(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapemeasure.cli.main", "devices", *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def without_portaudio(tmp_path: Path) -> dict[str, str]:
    """An environment where importing sounddevice ends as it does without libportaudio."""
    folder = tmp_path / "shadow"
    folder.mkdir()
    (folder / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def test_without_portaudio_the_profiles_are_listed(without_portaudio: dict[str, str]) -> None:
    done = _devices(ROOT, environment=without_portaudio)
    assert done.returncode == 0
    assert "apt install libportaudio2" in done.stderr
    for name in ("chowtape_toy", "chowtape_wowflutter", "akai"):
        assert name in done.stdout


def test_without_portaudio_json_tells_why(without_portaudio: dict[str, str]) -> None:
    result = json.loads(_devices(ROOT, "--json", environment=without_portaudio).stdout)
    assert result["sound_cards"] == []
    assert "PortAudio library is not installed" in result["sound_cards_problem"]
    (akai,) = [profile for profile in result["profiles"] if profile["name"] == "akai"]
    assert (akai["kind"], akai["input"]) == ("hardware", None)
    assert "PortAudio library is not installed" in akai["problem"]
    assert set(result["provenance"]["sha256"]) == {"params.yaml"}


def test_recording_without_portaudio_fails_with_what_to_install(
    tmp_path: Path, without_portaudio: dict[str, str]
) -> None:
    import numpy as np

    from tapemeasure.io import write_audio

    write_audio(tmp_path / "x.wav", np.zeros((10, 2)), sample_rate=44100)
    done = subprocess.run(
        [sys.executable, "-m", "tapemeasure.cli.main", "record", "--device", "default", "--stimulus", "x.wav"],
        cwd=tmp_path,
        env={**os.environ, **without_portaudio},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "record: the PortAudio library is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_params_has_no_profiles(tmp_path: Path) -> None:
    done = _devices(tmp_path, "--json", environment={"JACK_DEFAULT_SERVER": "tapemeasure-no-such-server"})
    assert done.returncode == 0
    assert json.loads(done.stdout)["profiles"] == []


def test_presets_are_listed_with_their_story(tmp_path: Path) -> None:
    """Every preset, in the table and in the JSON, with what it is and where its numbers are from."""
    presets = tape_presets()
    found = json.loads(_devices(tmp_path, "--json").stdout)["presets"]
    assert [(preset["name"], preset["about"], preset["source"]) for preset in found] == [
        (name, preset["about"], preset["source"]) for name, preset in presets.items()
    ]
    table = _devices(tmp_path).stdout
    assert "sony_tc260" in presets
    assert all(name in table and preset["about"] in table for name, preset in presets.items())


def test_a_params_file_with_an_error_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("devices: {akai: {kind: hardwear}}\n")
    done = _devices(tmp_path)
    assert done.returncode == 2
    assert "hardwear" in done.stderr
    assert "Traceback" not in done.stderr
