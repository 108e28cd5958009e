"""One network that is told speed, bias and level of the machine, beside one network for every setting.

Run ``python -m benchmarks.replica_conditions``. The built-in tape machine plays other programme at the eight corners of
a grid of speed, bias and input level, and in its middle, which no network learns from. The networks have the same size
and hear every second of audio equally often; so the one for all has eight times the updates, at the CPU time of all
eight others together.
"""

import argparse
import itertools
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch

from tapemeasure.analysis.linear_fit import fit_fir
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.render import render
from tapemeasure.params import TapeSettings
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.signals.programme import synthesize_programme
from tapemeasure.training.datasets import AlignedPair, condition_values
from tapemeasure.training.loop import train_recording_path

SAMPLE_RATE = 44100
MACHINE = {"drive": 0.6, "saturation": 0.6, "loss": True, "solver": "NR4", "oversampling": 4, "output_gain_db": -6.0}
GRID = {"speed_ips": (3.75, 15.0), "bias": (0.2, 0.6), "input_gain_db": (-10.0, 0.0)}
PARTS_S = (12.0, 3.0, 4.0)
"""Training, validation and test."""

PARAMS = TrainNonlinearityParams(
    hidden_size=24, fir_taps=512, batch_size=16, update_samples=1024, learning_rate=0.01, fir_learning_rate=1e-5,
    ema_updates=100.0, max_epochs=20, patience_epochs=20,
)  # fmt: skip

Parts = tuple[AlignedPair, AlignedPair, AlignedPair]


def made(setting: Mapping[str, float], *, seed: int) -> Parts:
    """Three parts of what the machine makes of some programme at a setting."""
    edges = np.cumsum([0, *(round(part_s * SAMPLE_RATE) for part_s in PARTS_S)])
    source = synthesize_programme(
        length_samples=int(edges[-1]), sample_rate=SAMPLE_RATE, peak_dbfs=-1.0, generator=np.random.default_rng(seed)
    )
    settings = TapeSettings.model_validate({**MACHINE, **setting})
    target = TapeDevice(settings, seed=seed).run(source, sample_rate=SAMPLE_RATE).samples[:, 0]
    train, validation, test = (
        AlignedPair(name_of(setting), source[first:stop], target[first:stop], SAMPLE_RATE, dict(setting))
        for first, stop in itertools.pairwise(edges.tolist())
    )
    return train, validation, test


def name_of(setting: Mapping[str, float]) -> str:
    return ", ".join(f"{value:g}" for value in setting.values())


def trained(parts: Sequence[Parts], params: TrainNonlinearityParams, *, told: bool) -> tuple[RecordingPath, float]:
    """A network for some settings, and its CPU seconds; `told`: it hears them as conditions."""

    def heard(pair: AlignedPair) -> AlignedPair:
        return pair if told else AlignedPair(pair.name, pair.input, pair.target, pair.sample_rate)

    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train, validation = ([heard(part[index]) for part in parts] for index in (0, 1))
        result = train_recording_path(train, validation, params, checkpoint=Path(folder) / "c.pt")
    return result.model, time.process_time() - begin


def error(model: RecordingPath, test: AlignedPair) -> float:
    conditions = condition_values(test, model.config.condition_names)
    return esr(render(model, test.input, run_in_samples=SAMPLE_RATE // 2, conditions=conditions), test.target)


def linear_error(train: AlignedPair, test: AlignedPair) -> float:
    return esr(fit_fir([train.input], [train.target], taps=2048).apply(test.input), test.target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1, help="of the networks and of the programme")
    parser.add_argument("--epochs", type=int, default=PARAMS.max_epochs)
    arguments = parser.parse_args()
    params = PARAMS.model_copy(
        update={"seed": arguments.seed, "max_epochs": arguments.epochs, "patience_epochs": arguments.epochs}
    )
    corners = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    parts = [made(corner, seed=100 * arguments.seed + index) for index, corner in enumerate(corners)]
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, {date.today()}")
    one, one_s = trained(parts, params, told=True)
    print(f"test ESR; one network for all: {one_s:.0f} CPU s\n{', '.join(GRID):<28} {'FIR':>9} {'own':>9} {'one':>9}")
    rows, own_s, singles = [], 0.0, []
    for corner, part in zip(corners, parts, strict=True):
        own, spent_s = trained([part], params, told=False)
        singles.append(own)
        own_s += spent_s
        rows.append((linear_error(part[0], part[2]), error(own, part[2]), error(one, part[2])))
        print(f"{name_of(corner):<28} " + " ".join(f"{value:9.5f}" for value in rows[-1]), flush=True)
    print(f"{'geometric mean':<28} " + " ".join(f"{value:9.5f}" for value in np.exp(np.mean(np.log(rows), axis=0))))
    middle = {name: float(np.sqrt(a * b)) if a > 0.0 else 0.5 * (a + b) for name, (a, b) in GRID.items()}
    train, _, test = made(middle, seed=100 * arguments.seed + len(corners))
    nearest = min(error(own, test) for own in singles)
    print(f"own networks together: {own_s:.0f} CPU s; between the settings ({name_of(middle)}), not learned from:")
    print(
        f"FIR fitted there {linear_error(train, test):.5f}, best of the own {nearest:.5f}, one {error(one, test):.5f}"
    )


if __name__ == "__main__":
    main()
