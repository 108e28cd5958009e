"""Reading the stages' results: everything optional, damage told by file."""

from pathlib import Path

import pytest

from tapemeasure.errors import AudioFileError, SignalError, UsageError
from tapemeasure.io import sha256_of_file, write_json
from tapemeasure.report.gather import gather


def test_everything_is_found(results_folder):
    results = gather(results_folder)
    assert [device.name for device in results.devices] == ["machine", "akai"]
    machine, akai = results.devices
    assert machine.kind == "tape"
    (take,) = machine.takes
    assert take.trajectory is not None
    assert take.trajectory.delay_s.mean() == pytest.approx(0.1607, abs=1e-5)
    for known in (take.delay, take.hiss, take.measurement, take.sidecar, take.input, take.output, take.aligned):
        assert known is not None
    assert [path.name for path in take.hiss_audio] == ["hiss_01.wav"]
    assert set(machine.excerpts) == {"input", "target", "model", "residual"}
    assert akai.takes == ()
    assert akai.reason == "no captures in raw/none"


def test_hashes_are_those_of_the_files(results_folder):
    hashes = gather(results_folder).sha256
    name = "delays/machine/take1.npz"
    assert hashes[name] == sha256_of_file(results_folder / name)
    assert list(hashes) == sorted(hashes)


def test_takes_that_no_list_names_are_found(tmp_path):
    write_json(tmp_path / "measurements" / "deck" / "b.json", {"response": None})
    write_json(tmp_path / "delays" / "deck" / "a.json", {"mean_delay_s": 0.1})
    (deck,) = gather(tmp_path).devices
    assert [take.name for take in deck.takes] == ["a", "b"]
    assert deck.kind is None


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_folder_and_no_results_are_wrong_usage(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=folder):
        gather(tmp_path / folder)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("captures/deck/takes.json", '{"takes": [{"input": "x.wav"}]}', AudioFileError),
        ("captures/deck/takes.json", '{"takes": ["x"]}', AudioFileError),
        ("captures/deck/takes.json", "{", AudioFileError),
        ("measurements/deck/a.json", "[1, 2]", AudioFileError),
        ("delays/deck/a.npz", "no archive", SignalError),
    ],
)
def test_a_damaged_file_is_named(name, text, error, tmp_path):
    path: Path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=path.name):
        gather(tmp_path)


def test_audio_that_went_away_is_not_measured(tmp_path):
    take = {"name": "a", "input": str(tmp_path / "gone.wav"), "output": None, "sidecar": str(tmp_path / "gone.json")}
    write_json(tmp_path / "captures" / "deck" / "takes.json", {"kind": "hardware", "takes": [take]})
    (found,) = gather(tmp_path).devices[0].takes
    assert found.input is None
    assert found.output is None
    assert found.sidecar is None
