"""Several processes that share every update end where a single one ends, and any number goes on from a checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tapemeasure.errors import ParameterError
from tapemeasure.models.unet1d import UNet1dConfig
from tapemeasure.training.diffusion_loop import train_diffusion
from tapemeasure.training.diffusion_results import DiffusionSettings
from tapemeasure.training.distribution import Team

ROOT = Path(__file__).parents[2]
SETTINGS = DiffusionSettings(
    n_updates=12,
    round_updates=4,
    batch_size=6,
    context=32,
    ema_updates=5.0,
    network=UNet1dConfig(window=64, fold=4, channels=(8, 12), embedding=8),
)
SCRIPT = """
import json, sys
import numpy as np
import torch
from tapemeasure.models.unet1d import UNet1dConfig
from tapemeasure.training.diffusion_loop import train_diffusion
from tapemeasure.training.diffusion_results import DiffusionSettings
from tapemeasure.training.distribution import leads

folder, killed_at = sys.argv[1], int(sys.argv[2])
settings = DiffusionSettings(
    n_updates=12, round_updates=4, batch_size=6, context=32, ema_updates=5.0,
    network=UNet1dConfig(window=64, fold=4, channels=(8, 12), embedding=8),
)

def progress(fraction):
    if killed_at and fraction >= killed_at / settings.n_updates:
        raise SystemExit(3)

signals = [np.random.default_rng(seed).laplace(size=600) for seed in (1, 2)]
result = train_diffusion(signals[:1], signals[1:], settings, checkpoint=f"{folder}/model.pt", progress=progress)
if leads():
    rounds = [(record.train_loss, record.validation_loss) for record in result.rounds]
    weights = torch.cat([weight.detach().flatten() for weight in result.network.parameters()]).tolist()
    with open(f"{folder}/result.json", "w") as file:
        json.dump({"rounds": rounds, "weights": weights}, file)
"""


def signals():
    return [np.random.default_rng(seed).laplace(size=600) for seed in (1, 2)]


def alone(**kwargs):
    first, second = signals()
    return train_diffusion([first], [second], SETTINGS, **kwargs)


def weights(result):
    return torch.cat([weight.detach().flatten() for weight in result.network.parameters()]).numpy()


def two_processes(folder, *, killed_at=0):
    (folder / "train.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    return subprocess.run(
        [*launcher, str(folder / "train.py"), str(folder), str(killed_at)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_follow_the_losses_of_one_and_go_on_from_a_checkpoint(tmp_path):
    """Sums in another order: single precision, twelve updates; 1e-4 of the weights, 1e-5 of the losses."""
    expected = alone()
    killed = two_processes(tmp_path, killed_at=6)
    assert killed.returncode != 0
    assert (tmp_path / "model.pt").is_file()
    assert not (tmp_path / "result.json").exists()
    lines = []
    (tmp_path / "copy.pt").write_bytes((tmp_path / "model.pt").read_bytes())
    resumed = alone(checkpoint=tmp_path / "copy.pt", log=lines.append)
    assert any("going on after round 1 of 3" in line for line in lines)
    np.testing.assert_allclose(weights(resumed), weights(expected), atol=1e-4)
    finished = two_processes(tmp_path)
    assert finished.returncode == 0, finished.stderr
    found = json.loads((tmp_path / "result.json").read_text())
    np.testing.assert_allclose(
        found["rounds"], [(record.train_loss, record.validation_loss) for record in expected.rounds], rtol=1e-5
    )
    np.testing.assert_allclose(found["weights"], weights(expected), atol=1e-4)


def test_every_window_of_a_batch_has_one_process():
    batch = torch.arange(7)
    parts = [Team(rank, 3, torch.device("cpu")).share(batch).tolist() for rank in range(3)]
    assert sorted(index for part in parts for index in part) == batch.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_more_processes_than_windows_are_refused(monkeypatch):
    from contextlib import nullcontext

    from tapemeasure.training import diffusion_loop

    crowd = Team(0, 7, torch.device("cpu"))
    monkeypatch.setattr(diffusion_loop, "team", lambda device: nullcontext(crowd))
    with pytest.raises(ParameterError, match="batch_size = 6 for 7 processes"):
        alone()
