import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tapemeasure.cli.main import main
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.io import read_audio, write_audio
from tapemeasure.params import TapeProfile, TapeSettings
from tapemeasure.signals.programme import synthesize_programme

RATE = 22050
CHEAP = ("--set", "solver=NR4", "--set", "oversampling=2", "--set", "oversampling_mode=minimum_phase")
TRUTH = {"drive": 0.7, "bias": 0.2, "output_gain_db": -6.0}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Music, and what a machine with known knobs makes of it."""
    folder = tmp_path_factory.mktemp("pair")
    piece = synthesize_programme(
        length_samples=8 * RATE, sample_rate=RATE, peak_dbfs=0.0, generator=np.random.default_rng(3)
    )
    stimulus = piece[2 * RATE : round(4.5 * RATE)]
    settings = TapeSettings(solver="NR4", oversampling=2, oversampling_mode="minimum_phase", **TRUTH)
    output = TapeDevice(settings, seed=1).run(stimulus, sample_rate=RATE).samples
    write_audio(folder / "input.wav", stimulus[:, None], sample_rate=RATE)
    write_audio(folder / "output.wav", output, sample_rate=RATE)
    return folder / "input.wav", folder / "output.wav"


def test_the_fitted_machine_is_a_preset_and_a_profile(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = tmp_path / "fitted.yaml"
    options = ("--aligned", "--free", "drive,bias", "--response", "gain", "--threads", 1, *CHEAP)
    assert run("fit", *pair, "-o", fitted, *options, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["held_out"]["esr"] < 1e-6
    assert answer["response"] == "gain"
    assert {knob["name"]: knob["identified"] for knob in answer["knobs"]} == {"drive": True, "bias": True}
    assert "provenance" in answer
    content = yaml.safe_load(fitted.read_text())
    profile = TapeProfile.model_validate({"kind": content["kind"], "settings": content["settings"]})
    for name, value in TRUTH.items():
        assert getattr(profile.settings, name) == pytest.approx(value, abs=2e-3)

    played = tmp_path / "played.wav"
    assert run("simulate", pair[0], played, "--preset", fitted) == 0
    again, wanted = read_audio(played)[0], read_audio(pair[1])[0]
    assert np.sum((again - wanted) ** 2) < 1e-6 * np.sum(wanted**2)
    capsys.readouterr()
    assert run("fit", *pair, "-o", fitted, *options) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--free", "hiss_dbfs"), "there are drive"),
        (("--device", "identity"), "kind tape"),
        (("--preset", "missing.yaml"), "no such preset file"),
        (("--aligned", "--trajectory", "delay.csv"), "exclude each other"),
        (("--set", "drive=2"), "drive"),
    ],
)
def test_wrong_requests_are_refused(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], options, words) -> None:
    assert run("fit", *pair, "-o", tmp_path / "fitted.yaml", *options) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "fitted.yaml").exists()


def test_a_preset_file_without_settings_is_refused(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "preset.yaml"
    preset.write_text("about: nothing\n")
    assert run("simulate", pair[0], tmp_path / "out.wav", "--preset", preset) == 2
    assert "has no settings" in capsys.readouterr().err


def test_a_pair_with_a_delay_is_refused_as_aligned(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, _ = read_audio(pair[1])
    write_audio(tmp_path / "late.wav", np.roll(output, 3000, axis=0), sample_rate=RATE)
    assert run("fit", pair[0], tmp_path / "late.wav", "-o", tmp_path / "fitted.yaml", "--aligned") == 1
    assert "not aligned" in capsys.readouterr().err


def test_rates_that_differ_are_refused(pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, _ = read_audio(pair[1])
    write_audio(tmp_path / "other.wav", output, sample_rate=44100)
    assert run("fit", pair[0], tmp_path / "other.wav", "-o", tmp_path / "fitted.yaml") == 1
    assert "resample" in capsys.readouterr().err
