"""Takes from outside: both layouts, and every way in which a folder can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.devices.captures import TakeFiles, find_takes
from tapemeasure.errors import AudioFileError, MismatchError, TapeMeasureError, UsageError
from tapemeasure.io import sha256_of_file, write_audio, write_json


def _audio(path: Path, *, sample_rate: int = 44100) -> Path:
    write_audio(path, np.zeros((100, 2)), sample_rate=sample_rate)
    return path


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    return _audio(folder / f"{name}_input.wav"), _audio(folder / f"{name}_output.wav")


def test_a_pair_is_one_take_with_all_its_files(tmp_path: Path) -> None:
    source, output = _pair(tmp_path, "io_1")
    timeline, sidecar = tmp_path / "io_1_input.json", tmp_path / "io_1.json"
    timeline.write_text("{}")
    sidecar.write_text("{}")
    assert find_takes(tmp_path) == [
        TakeFiles(name="io_1", input=source, output=output, split=None, timeline=timeline, sidecar=sidecar)
    ]


def test_a_sidecar_that_tells_of_other_files_is_refused(tmp_path: Path) -> None:
    source, output = _pair(tmp_path, "io_1")
    hashes = {"sha256_input": sha256_of_file(source), "sha256_output": sha256_of_file(output)}
    write_json(tmp_path / "io_1.json", hashes)
    assert len(find_takes(tmp_path)) == 1
    write_audio(output, np.ones((100, 2)), sample_rate=44100)
    with pytest.raises(MismatchError, match=r"io_1\.json does not belong to .*io_1_output\.wav .the hash differs"):
        find_takes(tmp_path)


def test_takes_that_are_not_good_are_left_out(tmp_path: Path) -> None:
    _pair(tmp_path, "good")
    for mark in ("partial", "xruns", "failed", "print"):
        _audio(tmp_path / f"bad_output.{mark}.wav")
    assert [take.name for take in find_takes(tmp_path)] == ["good"]


def test_files_that_are_not_there_are_none(tmp_path: Path) -> None:
    _pair(tmp_path, "io_1")
    (take,) = find_takes(tmp_path)
    assert (take.timeline, take.sidecar, take.split) == (None, None, None)


def test_takes_one_folder_below_carry_its_name_unless_it_is_their_own(tmp_path: Path) -> None:
    _pair(tmp_path / "take01", "take01")
    _pair(tmp_path / "maxell", "io_1")
    _pair(tmp_path / "deep" / "deeper", "io_1")
    assert [take.name for take in find_takes(tmp_path)] == ["maxell_io_1", "take01"]


def test_takes_are_sorted_by_number(tmp_path: Path) -> None:
    for name in ("io_10", "io_2", "io_1"):
        _pair(tmp_path, name)
    assert [take.name for take in find_takes(tmp_path)] == ["io_1", "io_2", "io_10"]


def test_published_layout_gives_the_sets(tmp_path: Path) -> None:
    for folder, number in (("Train", 12), ("Train", 3), ("Val", 4), ("Test", 5)):
        _audio(tmp_path / folder / f"input_{number}_.wav")
        _audio(tmp_path / folder / f"target_{number}_AKAI_7.5.wav")
    takes = find_takes(tmp_path)
    assert [(take.name, take.split) for take in takes] == [
        ("test_5", "test"),
        ("train_3", "train"),
        ("train_12", "train"),
        ("validation_4", "validation"),
    ]
    assert takes[1].output.name == "target_3_AKAI_7.5.wav"


def test_interrupted_and_faulty_takes_are_left_out(tmp_path: Path) -> None:
    _pair(tmp_path, "good")
    for name in ("a_input.partial.wav", "a_output.partial.wav", "b_input.xruns.wav", "b_output.xruns.wav"):
        _audio(tmp_path / name)
    assert [take.name for take in find_takes(tmp_path)] == ["good"]


def test_the_real_recordings_are_six_takes(akai_recordings: Path) -> None:
    names = [take.name for take in find_takes(akai_recordings)]
    assert names == ["io_1", "io_4", "io_5", "mono_52", "mono_84", "mono_98"]


def test_a_folder_without_audio_has_no_takes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("empty on purpose")
    assert find_takes(tmp_path) == []


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone: no such folder"):
        find_takes(tmp_path / "gone")


@pytest.mark.parametrize(("there", "missing"), [("input", "output"), ("output", "input")])
def test_a_file_without_its_partner_is_named(tmp_path: Path, there: str, missing: str) -> None:
    _audio(tmp_path / f"io_1_{there}.wav")
    with pytest.raises(UsageError, match=rf"io_1_{there}\.wav: its partner, the {missing} file, is missing"):
        find_takes(tmp_path)


def test_a_published_file_without_its_partner_is_named(tmp_path: Path) -> None:
    _audio(tmp_path / "Train" / "input_7_.wav")
    with pytest.raises(UsageError, match=r"input_7_\.wav: its partner, the target file"):
        find_takes(tmp_path)


def test_two_targets_of_one_input_are_refused(tmp_path: Path) -> None:
    for name in ("input_7_.wav", "target_7_a.wav", "target_7_b.wav"):
        _audio(tmp_path / "Test" / name)
    with pytest.raises(UsageError, match=r"target_7_b\.wav: target_7_a\.wav is the target of 7 too"):
        find_takes(tmp_path)


def test_two_takes_of_one_name_are_refused(tmp_path: Path) -> None:
    _pair(tmp_path / "a", "b_c")
    _pair(tmp_path / "a_b", "c")
    with pytest.raises(UsageError, match="both take a_b_c"):
        find_takes(tmp_path)


def test_different_rates_in_a_pair_are_refused(tmp_path: Path) -> None:
    _audio(tmp_path / "io_1_input.wav", sample_rate=48000)
    _audio(tmp_path / "io_1_output.wav", sample_rate=44100)
    with pytest.raises(MismatchError, match=r"io_1_output\.wav is 44100 Hz, .*io_1_input\.wav is 48000 Hz"):
        find_takes(tmp_path)


def test_a_file_that_is_no_audio_is_told(tmp_path: Path) -> None:
    _audio(tmp_path / "io_1_input.wav")
    (tmp_path / "io_1_output.wav").write_text("hello")
    with pytest.raises(AudioFileError, match=r"io_1_output\.wav: not a readable audio file"):
        find_takes(tmp_path)


def test_audio_that_is_no_take_is_told(tmp_path: Path) -> None:
    _audio(tmp_path / "song.wav")
    with pytest.raises(UsageError, match=r"1 WAV files but no take, the first is song\.wav"):
        find_takes(tmp_path)


@given(names=st.sets(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), max_size=4))
def test_every_pair_is_found_once_or_the_folder_is_refused(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("takes")
    for name in names:
        _pair(folder, name)
    try:
        takes = find_takes(folder)
    except TapeMeasureError as error:
        pytest.fail(f"{sorted(names)} refused: {error}")
    assert {take.name for take in takes} == names
    assert len(takes) == len(names)
