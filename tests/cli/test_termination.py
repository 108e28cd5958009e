"""SIGTERM ends a command as Ctrl-C does: no temporary file stays, and the exit code is the shell's 143."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import write_audio

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_audio("in.wav", 0.1 * np.random.default_rng(1).standard_normal(44100), sample_rate=44100)
    return tmp_path


def test_a_kill_at_the_last_moment_leaves_nothing(noise: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("tapemeasure.io.os.replace", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main(["simulate", "in.wav", "out.wav", "--device", "identity"])
    assert caught.value.code == 143
    assert "told to end" in capsys.readouterr().err
    assert [path.name for path in noise.iterdir()] == ["in.wav"]
    # who calls main as a function keeps the own handling
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_command_that_is_killed_from_outside(noise: Path) -> None:
    code = (
        "import tapemeasure.devices.identity as device, time\n"
        "from tapemeasure.cli.main import main\n"
        "from tapemeasure import io\n"
        "whole = io.fill_audio\n"
        "def slow(path, blocks, **size):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(60)\n"
        "    return whole(path, blocks, **size)\n"
        "io.fill_audio = slow\n"
        "main(['simulate', 'in.wav', 'out.wav', '--device', 'identity'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=noise, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    while len(list(noise.iterdir())) < 2:
        time.sleep(0.01)
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 143
    assert told == "simulate: told to end; what was finished is kept, nothing is half-written\n"
    assert [path.name for path in noise.iterdir()] == ["in.wav"]
