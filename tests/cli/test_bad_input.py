"""Every command on bad files, a full disk and Ctrl-C: one line, the right exit code, nothing half-written."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import read_audio, write_audio, write_json

ROOT = Path(__file__).resolve().parent.parent.parent
RATE = 44100
PAIR_COMMANDS = {
    "track": ["-o", "new/delay.csv", "--plot", "new/delay.png"],
    "align": ["-o", "new/aligned.wav"],
    "hiss": ["-o", "new"],
    "measure": ["-o", "new/take.json", "--plot", "new/response.png"],
}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def music(seed: int) -> np.ndarray:
    """Noise with a tune of level and one pause."""
    n = 3 * RATE
    tune = 0.1 * np.random.default_rng(seed).standard_normal(n) * (1.2 + np.sin(np.arange(n) / 3000.0))
    tune[RATE : 2 * RATE] = 0.0
    return tune


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a take, results of stages and small settings."""
    monkeypatch.chdir(tmp_path)
    pulses = np.zeros(3 * RATE)
    pulses[384::441] = 0.4
    stimulus = np.stack([music(1), pulses], axis=1)
    write_audio("input.wav", stimulus, sample_rate=RATE)
    late = np.concatenate([np.zeros((882, 2)), stimulus])[: len(stimulus)]
    write_audio("output.wav", late, sample_rate=RATE)
    write_json("data/delays/deck/take1.json", {"mean_delay_s": 0.1607, "method": "pulses"})
    Path("params.yaml").write_text(
        "stimuli:\n  silence_s: 0.5\n  programme: {train_s: 0.5, validation_s: 0.5, test_s: 0.5}\n"
        "  sweeps: {duration_s: 1.0, levels_dbfs: [-6.0]}\n"
        "  steps: {frequencies_hz: [1000.0], levels_dbfs: [-6.0], duration_s: 0.25}\n"
        "  multitone: {duration_s: 0.25}\n  two_tones: {duration_s: 0.25}\n",
        encoding="utf-8",
    )
    return tmp_path


def _spoil(kind: str, path: Path) -> None:
    """Write a bad output file."""
    samples, _ = read_audio("output.wav")
    whole = Path("output.wav").read_bytes()
    if kind == "folder":
        path.mkdir()
    elif kind in ("empty", "text", "truncated"):
        path.write_bytes({"empty": b"", "text": b"no audio\n" * 99, "truncated": whole[: len(whole) // 2]}[kind])
    elif kind != "missing":
        rng = np.random.default_rng(9)
        samples = {
            "another rate": samples,
            "NaN": np.where(np.arange(len(samples))[:, None] == 441, np.nan, samples),
            "zeros": 0.0 * samples,
            "DC": 0.0 * samples + 0.5,
            "another programme": np.stack([music(7), 0.0 * samples[:, 1]], axis=1),
            "noise": 0.1 * rng.standard_normal(samples.shape),
            "a moment": samples[:100],
        }[kind]
        write_audio(path, samples, sample_rate=48000 if kind == "another rate" else RATE)


@pytest.mark.parametrize("command", PAIR_COMMANDS)
@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("missing", 2, "no such file"),
        ("folder", 2, "is a folder"),
        ("empty", 1, "empty"),
        ("text", 1, "not a readable audio file"),
        ("truncated", 1, "truncated"),
        ("another rate", 1, "48000 Hz"),
        ("NaN", 1, "NaN or infinite"),
        ("zeros", 1, "silent"),
        ("DC", 1, "silent"),
        ("a moment", 1, "give a longer file"),
        ("another programme", 1, "no matching audio"),
        ("noise", 1, "no matching audio"),
    ],
)
def test_a_bad_output_is_one_line_and_no_number(folder: Path, capsys, command, kind, code, words) -> None:
    _spoil(kind, folder / "bad.wav")
    assert run(command, "input.wav", "bad.wav", "--json", *PAIR_COMMANDS[command]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith(f"{command}: ")
    assert words in told.err
    assert not (folder / "new").exists()


@pytest.mark.parametrize("command", PAIR_COMMANDS)
def test_a_mono_output_is_refused_where_the_pilot_is_asked_for(folder: Path, capsys, command) -> None:
    if command == "hiss":
        pytest.skip("hiss takes the pilot where there is one and has no option for it")
    write_audio("mono.wav", read_audio("output.wav")[0][:, 0], sample_rate=RATE)
    assert run(command, "input.wav", "mono.wav", "--pilot", "pulses", *PAIR_COMMANDS[command]) == 1
    assert "there is no channel 2 in the output" in capsys.readouterr().err


@pytest.mark.parametrize("command", PAIR_COMMANDS)
def test_json_is_one_object_on_stdout_beside_warnings(folder: Path, capsys, command) -> None:
    write_audio("inverted.wav", -read_audio("output.wav")[0], sample_rate=RATE)
    assert run(command, "input.wav", "inverted.wav", "--json", *PAIR_COMMANDS[command]) == 0
    told = capsys.readouterr()
    assert isinstance(json.loads(told.out), dict)
    assert "warning: the output's polarity is inverted" in told.err


@pytest.mark.parametrize("command", ["track", "align", "measure"])
def test_an_output_that_ends_early_is_told(folder: Path, capsys, command) -> None:
    write_audio("short.wav", read_audio("output.wav")[0][: 2 * RATE], sample_rate=RATE)
    assert run(command, "input.wav", "short.wav", "--json", *PAIR_COMMANDS[command]) == 0
    assert "warning: the output is 1.00 s shorter than the input" in capsys.readouterr().err


WRITING = {
    "synthesize": ["-o", "new", "--json"],
    "simulate": ["input.wav", "new/out.wav", "--device", "identity"],
    "report": ["-o", "new", "--metrics", "new/metrics.json"],
    **{name: ["input.wav", "output.wav", *options] for name, options in PAIR_COMMANDS.items()},
}


@pytest.mark.parametrize("command", WRITING)
def test_ctrl_c_at_the_last_moment_leaves_nothing(folder: Path, capsys, monkeypatch, command) -> None:
    monkeypatch.setattr("tapemeasure.io.os.replace", lambda *_: signal.raise_signal(signal.SIGINT))
    assert run(command, *WRITING[command]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip().splitlines()[-1].startswith(f"{command}: interrupted")
    assert [path for path in (folder / "new").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("command", WRITING)
def test_a_full_disk_leaves_nothing(folder: Path, capsys, monkeypatch, command) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tapemeasure.io.os.replace", full)
    assert run(command, *WRITING[command]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "the disk is full" in told.err
    assert [path for path in (folder / "new").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("command", WRITING)
def test_a_file_in_the_way_of_the_folder_is_told(folder: Path, capsys, command) -> None:
    (folder / "new").write_text("in the way", encoding="utf-8")
    assert run(command, *WRITING[command]) in (1, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert (folder / "new").read_text(encoding="utf-8") == "in the way"


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "input.wav", "input.wav"],
        ["simulate", "input.wav", "data/../input.wav"],
        ["align", "input.wav", "output.wav", "-o", "output.wav"],
        ["align", "input.wav", "output.wav", "-o", "input.wav"],
    ],
)
def test_an_input_is_never_overwritten(folder: Path, capsys, arguments) -> None:
    before = [Path(name).read_bytes() for name in ("input.wav", "output.wav")]
    assert run(*arguments, "--force") == 2
    assert "give the output another name" in capsys.readouterr().err
    assert [Path(name).read_bytes() for name in ("input.wav", "output.wav")] == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["track", "--rate", "nan"],
        ["track", "--max-delay", "nan"],
        ["hiss", "--guard", "nan"],
        ["hiss", "--min-length", "nan"],
        ["hiss", "--silence-dbfs", "nan"],
        ["measure", "--smoothing", "nan"],
        ["measure", "-o", "take.png"],
        ["measure", "--timeline", "."],
        ["align", "-o", "aligned.txt"],
    ],
)
def test_values_that_are_no_values_are_wrong_usage(folder: Path, capsys, arguments) -> None:
    assert run(arguments[0], "input.wav", "output.wav", *arguments[1:]) == 2
    assert capsys.readouterr().out == ""


def test_names_may_hold_spaces_and_other_alphabets(folder: Path, capsys) -> None:
    place = folder / "Bänder 日本"
    place.mkdir()
    for name in ("input.wav", "output.wav"):
        (folder / name).rename(place / f"ein {name}")
    pair = [place / "ein input.wav", place / "ein output.wav"]
    for command, options in PAIR_COMMANDS.items():
        assert run(command, *pair, *[option.replace("new", str(place / "neu é")) for option in options]) == 0
    assert "Bänder 日本" in capsys.readouterr().out


def test_a_stage_that_is_interrupted_while_it_loads_says_so_in_one_line() -> None:
    # the first import of any stage is its package, which argv tells from a test's import
    code = "import sys, signal; sys.argv[0] = '-m'; import stages\nsignal.raise_signal(signal.SIGINT)\nprint('went on')"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "interrupted before the work began\n"
