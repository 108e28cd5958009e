"""What the shell is offered behind --device, --preset and --profile."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from tapemeasure.cli.main import cli
from tapemeasure.params import tape_presets


def offered(*arguments: str, incomplete: str = "") -> list[str]:
    complete = ShellComplete(cli, {}, "tapemeasure", "_TAPEMEASURE_COMPLETE")
    return [item.value for item in complete.get_completions(list(arguments), incomplete)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        "devices:\n  tascam: {kind: tape, seed: 1}\n  akai: {kind: hardware, settings: {match: akai}}\n"
    )
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "ci.yaml").write_text("")
    return tmp_path


@pytest.mark.parametrize("command", ["simulate", "deck"])
def test_devices_that_are_computed(command: str) -> None:
    assert offered(command, "--device") == ["chowtape", "identity", "neural", "tape", "tascam"]
    assert offered(command, "--device", incomplete="ta") == ["tape", "tascam"]
    assert offered(command, "--preset") == sorted(tape_presets())


def test_the_machines_of_a_recording_are_those_of_hardware() -> None:
    assert offered("record", "--device") == ["akai"]


def test_overlays_of_the_settings() -> None:
    assert offered("params", "--profile") == ["ci"]


def test_the_params_file_that_was_named(folder: Path) -> None:
    (folder / "mine.yaml").write_text("devices:\n  uher: {kind: tape, seed: 1}\n")
    assert "uher" in offered("simulate", "--params", "mine.yaml", "--device")


@pytest.mark.parametrize("text", [None, "devices: [1", "devices: {x: {kind: nosuch}}"])
def test_settings_that_cannot_be_read_offer_the_bare_kinds(folder: Path, text: str | None) -> None:
    (folder / "params.yaml").unlink()
    if text is not None:
        (folder / "params.yaml").write_text(text)
    assert offered("simulate", "--device", incomplete="i") == ["identity"]


def test_commands() -> None:
    assert offered(incomplete="tr") == ["track"]
