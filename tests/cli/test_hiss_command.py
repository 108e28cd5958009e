"""``tapemeasure hiss``: the table, the JSON, the cuts, and every way to ask for it wrongly."""

import json

import numpy as np
import pytest

from tapemeasure.cli import main as cli_main
from tapemeasure.io import read_audio, write_audio
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100
DELAY_S = 0.16


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli_main.main(["hiss", *(str(argument) for argument in arguments)])
    return caught.value.code


@pytest.fixture
def take(tmp_path):
    """Input with a pause from 1 to 2.5 s, output 160 ms late with hiss at -66 dBFS, and that delay."""
    rng = np.random.default_rng(1)
    stimulus = 0.1 * rng.standard_normal(3 * RATE)
    stimulus[RATE : round(2.5 * RATE)] = 0.0
    late = np.r_[np.zeros(round(DELAY_S * RATE)), stimulus]
    output = late + 10 ** (-66 / 20) * rng.standard_normal(len(late))
    paths = {name: tmp_path / name for name in ("in.wav", "out.wav", "delay.npz")}
    write_audio(paths["in.wav"], stimulus, sample_rate=RATE)
    write_audio(paths["out.wav"], output, sample_rate=RATE)
    points = np.ones(40)
    DelayTrajectory(0.0, 10.0, DELAY_S * points, 1e-6 * points, points > 0).save(paths["delay.npz"])
    return paths


def options(take):
    return [take["in.wav"], take["out.wav"], "--trajectory", take["delay.npz"]]


def test_table(take, capsys):
    assert run(*options(take)) == 0
    answer = capsys.readouterr()
    header, row = answer.out.splitlines()[:2]
    assert "start s" in header
    assert "dBFS(A)" in header
    assert float(row.split()[1]) == pytest.approx(1.0 + 0.15 + DELAY_S, abs=0.011)
    assert float(row.split()[3]) == pytest.approx(-66.0, abs=0.11)
    assert answer.err == ""


def test_json_has_units_in_its_keys_and_the_hashes_of_the_inputs(take, capsys):
    assert run(*options(take), "--json", "--guard", "0.2") == 0
    result = json.loads(capsys.readouterr().out)
    (segment,) = result["segments"]
    assert segment["start_s"] == pytest.approx(1.0 + 0.2 + DELAY_S, abs=0.011)
    assert segment["end_s"] == pytest.approx(2.5 - 0.2 + DELAY_S, abs=0.011)
    assert segment["level_above_200hz_dbfs"] == pytest.approx(-66.04, abs=0.1)
    assert segment["hum_50hz_dbfs"] is None
    assert result["settings"] == {"silence_dbfs": -60.0, "guard_s": 0.2, "min_length_s": 0.5}
    assert result["files"] == []
    assert set(result["provenance"]["sha256"]) == {"input", "output", "trajectory"}


def test_cuts_are_the_outputs_own_samples(take, tmp_path, capsys):
    folder = tmp_path / "hiss"
    assert run(*options(take), "-o", folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["hiss.json", "out_hiss_001.wav"]
    written = json.loads((folder / "hiss.json").read_text())
    cut, rate = read_audio(folder / written["files"][0])
    output, _ = read_audio(take["out.wav"])
    (segment,) = written["segments"]
    assert rate == RATE
    np.testing.assert_array_equal(cut[:, 0], output[segment["start_samples"] : segment["stop_samples"], 0])
    capsys.readouterr()
    assert run(*options(take), "-o", folder) == 2
    assert "--force" in capsys.readouterr().err
    assert run(*options(take), "-o", folder, "--force") == 0


def test_no_silence_is_exit_1_and_says_what_to_do(take, capsys):
    assert run(*options(take), "--min-length", "3") == 1
    assert "hiss: the input lasts" in capsys.readouterr().err
    assert run(*options(take), "--min-length", "1.4") == 1
    error = capsys.readouterr().err
    assert "nowhere below -60 dBFS for 1.70 s" in error
    assert "raise --silence-dbfs" in error


def test_sample_rates_that_differ(take, capsys):
    write_audio(take["out.wav"], np.zeros(48000), sample_rate=48000)
    assert run(*options(take)) == 1
    error = capsys.readouterr().err
    assert f"{take['out.wav']} is 48000 Hz, {take['in.wav']} is 44100 Hz; resample one of them" in error
    assert error.startswith("hiss: ")


def test_wrong_usage(take, tmp_path, capsys):
    assert run(take["in.wav"]) == 2
    assert run(tmp_path / "none.wav", take["out.wav"]) == 2
    assert run(*options(take), "--guard", "-1") == 2
    capsys.readouterr()
    assert run(*options(take), "--channel", "2") == 1
    assert "channel 2 was asked for" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no audio at all"])
def test_files_that_are_no_audio(take, capsys, content):
    take["out.wav"].write_bytes(content)
    assert run(*options(take)) == 1
    assert "out.wav" in capsys.readouterr().err


def test_folder_that_is_not_writable(take, tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    assert run(*options(take), "-o", blocker / "hiss") == 1
    assert "could not be written" in capsys.readouterr().err


def test_the_real_machine_has_one_silence(akai_recordings, capsys):
    assert run(akai_recordings / "io_4_input.wav", akai_recordings / "io_4_output.wav", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    (segment,) = result["segments"]
    assert segment["level_above_200hz_dbfs"] == pytest.approx(-66.4, abs=0.5)
    assert segment["level_a_dbfs"] == pytest.approx(-69.2, abs=0.5)
    assert segment["start_s"] - segment["input_start_s"] == pytest.approx(0.1603, abs=0.001)
    assert result["delay_method"] == "pulses"
