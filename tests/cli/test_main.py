"""The group: fast, lazy, and every failure one line with the right exit code."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tapemeasure.cli import main as cli_main
from tapemeasure.errors import NoMatchError, ParameterError

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "numba", "matplotlib", "scipy", "sounddevice", "soundfile", "pedalboard", "dvc", "rich")


def exit_code_of(arguments):
    with pytest.raises(SystemExit) as caught:
        cli_main.main(arguments)
    return caught.value.code


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from tapemeasure.cli import main as m\n"
        "try: m.main(['--help'])\n"
        f"except SystemExit: print([n for n in {HEAVY!r} if n in sys.modules], file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == "[]"
    assert all(name in answer.stdout for name in cli_main.COMMANDS)


@pytest.mark.parametrize("name", list(cli_main.COMMANDS))
def test_every_command_has_help_with_examples(name, capsys):
    assert exit_code_of([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "\n  Examples:\n    tapemeasure " + name in text
    assert "\\b" not in text


def test_every_command_offers_json():
    group = cli_main.cli
    for name in cli_main.COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert any("--json" in parameter.opts for parameter in command.params), name


def test_version(capsys):
    assert exit_code_of(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tapemeasure, version")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ParameterError("drive = 2: too large"), 2, "params: drive = 2: too large"),
        (NoMatchError("no matching audio"), 1, "params: no matching audio"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (MemoryError(), 1, "out of memory"),
    ],
)
def test_failures_become_one_line_and_an_exit_code(monkeypatch, capsys, error, code, words):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr("tapemeasure.cli.params.command", failing)
    assert exit_code_of(["params"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("arguments", [["nosuch"], ["params", "--nosuch"], ["track"]])
def test_wrong_usage_exits_2(arguments, capsys):
    assert exit_code_of(arguments) == 2
    assert capsys.readouterr().out == ""


def test_a_full_disk_behind_stdout_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "tapemeasure.cli.main", "params", "--params", ROOT / "params.yaml"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("params: the result: No space left on device")
