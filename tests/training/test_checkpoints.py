"""Checkpoints: whatever happens to the newest file, training goes on from the last good one and tells so."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import TrainingError
from tapemeasure.training.checkpoints import (
    Checkpoint,
    last_good_checkpoint,
    load_checkpoint,
    previous_of,
    remove_checkpoints,
    save_checkpoint,
)

KEY = "of these data"


def checkpoint(number, key=KEY):
    """A state whose every part tells its number."""
    weights = {"weight": torch.full((7,), float(number))}
    return Checkpoint(
        fingerprint=key,
        model=weights,
        best_model=weights,
        average={"count": number, "model": weights},
        correction={},
        optimizer={"state": {0: {"step": torch.tensor(float(number))}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        steps={},
        generator=torch.Generator().manual_seed(number).get_state(),
        epochs=[{"epoch": index + 1} for index in range(number)],
        recoveries=0,
    )


def saved(path, *numbers, key=KEY):
    for number in numbers:
        save_checkpoint(checkpoint(number, key), path)
    return path


def found(path, key=KEY):
    """Number of the checkpoint that training goes on from (0: none), and what was told."""
    lines = []
    result = last_good_checkpoint(path, fingerprint=key, log=lines.append)
    return 0 if result is None else len(result.epochs), lines


def test_what_was_saved_comes_back_and_the_one_before_stays_beside_it(tmp_path):
    path = saved(tmp_path / "c.pt", 1, 2, 3)
    assert found(path) == (3, [])
    assert load_checkpoint(path).average["count"] == 3
    assert torch.equal(load_checkpoint(path).model["weight"], torch.full((7,), 3.0))
    assert len(load_checkpoint(previous_of(path)).epochs) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["c.pt", "c.pt.previous"]


def test_without_a_checkpoint_nothing_is_told(tmp_path):
    assert found(tmp_path / "c.pt") == (0, [])
    assert load_checkpoint(tmp_path / "c.pt") is None


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("whole") / "c.pt", 1, 2)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cut_off_at_any_byte_or_with_any_byte_changed_the_one_before_is_used(tmp_path_factory, two_files, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "c.pt"
    shutil.copy(previous_of(two_files), previous_of(path))
    whole = bytearray(two_files.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[place:]
    else:
        whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    number, lines = found(path)
    assert number == 1
    assert lines[0].startswith(f"{path}: ")
    assert lines[1] == f"{previous_of(path)}: the last good checkpoint, used instead"
    # it has taken the damaged one's place, so that the next checkpoint does not displace it
    assert found(path) == (1, [])
    saved(path, 5)
    assert len(load_checkpoint(previous_of(path)).epochs) == 1
    shutil.rmtree(folder)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 half a zip", b"tapemeasure checkpoint 4 \n"])
def test_if_both_are_damaged_training_starts_anew_and_tells_why(tmp_path, content):
    path = saved(tmp_path / "c.pt", 1, 2)
    path.write_bytes(content)
    previous_of(path).write_bytes(content)
    number, lines = found(path)
    assert number == 0
    assert "not a checkpoint that can be read" in lines[0]
    assert "not a checkpoint that can be read" in lines[1]
    assert lines[2] == f"{path}: no checkpoint that can be used; training starts anew"
    assert found(saved(path, 1)) == (1, [])


def test_a_kill_between_the_two_renamings_loses_one_epoch_only(tmp_path):
    path = saved(tmp_path / "c.pt", 1, 2)
    path.rename(previous_of(path))
    number, lines = found(path)
    assert number == 2
    assert len(lines) == 1


def test_a_checkpoint_of_another_version_is_named_and_the_one_before_used(tmp_path):
    path = saved(tmp_path / "c.pt", 1, 2)
    path.write_bytes(path.read_bytes().replace(b"tapemeasure checkpoint 4 ", b"tapemeasure checkpoint 99 "))
    with pytest.raises(TrainingError, match="version 99 of the format, this program reads 4"):
        load_checkpoint(path)
    number, lines = found(path)
    assert number == 1
    assert "version 99" in lines[0]


def test_a_checkpoint_of_other_data_is_passed_over(tmp_path):
    path = saved(saved(tmp_path / "c.pt", 3), 4, key="of other data")
    assert found(path)[0] == 3
    number, lines = found(path, key="of third data")
    assert number == 0
    assert "belongs to other data or settings" in lines[0]
    assert "starts anew" in lines[-1]


def test_a_checkpoint_with_code_in_it_is_not_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = tmp_path / "c.pt"
    save_checkpoint(Checkpoint(**{**vars(checkpoint(1)), "model": {"weight": Evil()}}), path)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(path)
    assert found(path)[0] == 0
    assert not (tmp_path / "executed").exists()


def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "c.pt"
    script = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import test_checkpoints
        number = 1
        while True:
            test_checkpoints.saved(sys.argv[2], number)
            print(number, flush=True)
            number += 1
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, os.path.dirname(__file__), str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert found(path)[0] >= 4


def test_a_finished_training_leaves_nothing(tmp_path):
    path = saved(tmp_path / "c.pt", 1, 2)
    saved(tmp_path / "c.pt.start", 1)
    (tmp_path / "other.pt").write_bytes(b"of another device")
    remove_checkpoints(path)
    assert [file.name for file in tmp_path.iterdir()] == ["other.pt"]
