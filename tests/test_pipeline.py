"""The whole pipeline in a fresh copy: a computed device, and a real machine's arm switched on by a folder of takes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tapemeasure.io import read_json, write_audio

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "stimuli": {
        "silence_s": 1.0,
        "programme": {"train_s": 4.0, "validation_s": 1.0, "test_s": 1.0},
        "sweeps": {"duration_s": 1.0, "levels_dbfs": [-18.0]},
        "steps": {"frequencies_hz": [1000.0], "levels_dbfs": [-18.0, -6.0], "duration_s": 0.3},
        "multitone": {"duration_s": 0.3},
        "two_tones": {"duration_s": 0.3},
    },
    "train_nonlinearity": {"hidden_size": 4, "max_epochs": 1, "segment_s": 0.25},
    "evaluate": {"fir_taps": 256},
}
DEVICES = {
    "toy": {
        "kind": "tape",
        "seed": 1,
        "capture": "raw/none",
        "settings": {"oversampling": 2, "flutter_depth": 0.5, "hiss_dbfs": -60.0},
    },
    "akai": {"kind": "hardware", "capture": "raw/none", "settings": {"match": "akai"}},
}
STAGES = ("simulate", "track", "align", "hiss", "train_nonlinearity", "evaluate", "measure")


def run(folder, *command):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def change(folder, **overlay):
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for key, settings in overlay.items():
        values[key] |= settings
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def write_take(folder, name, *, seconds=6, delay_samples=700, sample_rate=44100):
    """A stereo pair as a real machine leaves it: noise bursts left, 100 pulses a second right, all of it late."""
    generator = np.random.default_rng(7)
    n_samples = seconds * sample_rate
    played = np.zeros((n_samples, 2))
    played[:, 0] = 0.2 * generator.standard_normal(n_samples)
    played[2 * sample_rate : 3 * sample_rate, 0] = 0.0
    played[384::441, 1] = 0.4
    came_back = np.zeros_like(played)
    came_back[delay_samples:] = np.tanh(played[:-delay_samples])
    came_back += 1e-4 * generator.standard_normal(came_back.shape)
    write_audio(folder / f"{name}_input.wav", played, sample_rate=sample_rate)
    write_audio(folder / f"{name}_output.wav", came_back, sample_rate=sample_rate)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the checkout with small settings and a real machine's captures, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    listed = run(ROOT, "git", "ls-files", "-co", "--exclude-standard", "-z").stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name not in ("dvc.lock", "metrics.json"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    assert run(folder, "git", "init", "-q").returncode == 0
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for key, overlay in SMALL.items():
        for name, value in overlay.items():
            values[key][name] = values[key][name] | value if isinstance(value, dict) else value
    values["devices"] = DEVICES | {"akai": DEVICES["akai"] | {"capture": "takes"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    write_take(folder / "takes", "one")
    answer = run(folder, "dvc", "repro")
    assert answer.returncode == 0, answer.stderr[-3000:] + answer.stdout[-2000:]
    return folder


def changed_stages(folder):
    answer = run(folder, "dvc", "status", "--json")
    return set(json.loads(answer.stdout))


def test_a_second_repro_does_nothing(project):
    answer = run(project, "dvc", "repro")
    assert "Data and pipelines are up to date" in answer.stdout + answer.stderr


def test_every_file_that_a_stage_writes_is_one_of_its_outs(project):
    # a file that DVC does not know is missing after `dvc checkout` and `dvc pull`
    stages = yaml.safe_load((project / "dvc.lock").read_text())["stages"].values()
    outs = [project / out["path"] for stage in stages for out in stage["outs"]]
    written = [path for path in (project / "data").rglob("*") if path.is_file() and path.name != ".gitignore"]
    assert [path for path in written if not any(out in (path, *path.parents) for out in outs)] == []


def test_report_and_metrics_hold_both_devices(project):
    metrics = read_json(project / "metrics.json")
    assert set(metrics) == {"toy", "akai"}
    page = (project / "report" / "index.html").read_text()
    assert "toy" in page
    assert "akai" in page
    shown = json.loads(run(project, "dvc", "metrics", "show", "--json").stdout)
    assert set(shown[""]["data"]["metrics.json"]["data"]) == {"toy", "akai"}


def test_real_machine_is_tracked_aligned_and_split_by_time(project):
    delay = read_json(project / "data" / "delays" / "akai" / "one.json")
    assert delay["method"] == "pulses"
    assert delay["mean_delay_s"] == pytest.approx(700 / 44100, abs=2e-6)
    rows = {row["model"]: row for row in read_json(project / "data" / "evaluation" / "akai.json")["rows"]}
    assert set(rows) == {"input", "gain", "fir", "gru"}
    # tanh of noise at -14 dBFS rms deviates from a line by about 3 rms^4 / 3 of its energy
    assert rows["fir"]["esr"] < 0.02


def test_tracked_delay_is_the_true_one(project):
    delay = read_json(project / "data" / "delays" / "toy" / "take0.json")
    assert delay["truth_error_us_rms"] < 1.0


def test_one_parameter_reruns_only_what_depends_on_it(project):
    before = (project / "params.yaml").read_text()
    change(project, report={"title": "another"})
    assert changed_stages(project) == {"report"}
    (project / "params.yaml").write_text(before)
    change(project, evaluate={"fir_taps": 128})
    assert changed_stages(project) == {"evaluate@toy", "evaluate@akai"}
    (project / "params.yaml").write_text(before)
    values = yaml.safe_load(before)
    values["devices"]["toy"]["settings"]["drive"] = 0.6
    (project / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    # a profile says what the machine is, how its network is trained, and what its measures know
    assert changed_stages(project) == {
        "simulate@toy", "train_nonlinearity@toy", "measure@toy", "measure_replica@toy"
    }  # fmt: skip
    (project / "params.yaml").write_text(before)
    assert changed_stages(project) == set()


def test_without_captures_every_stage_of_the_machine_passes_and_says_why(project, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns("data", "cache", "takes"))
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["devices"] = {"akai": DEVICES["akai"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for stage in STAGES:
        answer = run(folder, sys.executable, "-m", f"stages.{stage}", "--device", "akai")
        assert answer.returncode == 0, answer.stderr
    assert "raw/none holds no takes" in read_json(folder / "data" / "captures" / "akai" / "takes.json")["reason"]
    assert run(folder, sys.executable, "-m", "stages.report").returncode == 0
    assert "raw/none holds no takes" in (folder / "report" / "index.html").read_text()


def test_a_stage_with_a_wrong_parameter_fails_with_its_reason_last(project, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns("data", "cache"))
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace(" rate_hz", " rate_hertz"))
    answer = run(folder, sys.executable, "-m", "stages.track", "--device", "toy")
    assert answer.returncode == 2
    assert "track.rate_hertz: unknown key" in answer.stderr.strip().splitlines()[-1]
