"""Accuracy of the built-in tape machine against renders of the plug-in, and its speed.

Run ``python -m benchmarks.tape [SECONDS]``. The renders are read from ``../shared/data/chowtape`` beside the checkout;
without them the first table is left out. Speed is CPU time of one thread.
"""

import sys
import time
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.devices.tape.loss import LossFilter
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

RENDERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "chowtape"
SAMPLE_RATE = 44100
PLUGIN_CPU_S = {"NR8": 0.377, "NR4": 0.212, "RK4": 0.183, "RK2": 0.113}
"""The plug-in's own CPU seconds per second at 16x linear phase, mono, on another machine."""

MINIMUM = {"oversampling_mode": "minimum_phase"}
TOY = {"drive": 0.75, "saturation": 0.75, "bias": 0.0}
LOSS = {"loss": True, "spacing_um": 20.0, "thickness_um": 35.0, "gap_um": 6.0}
# dry file, render, whole samples that the plug-in's host removed, gain before it, settings
CASES = [
    *((name, f"wet_{name}", 68, 1.0, {}) for name in ("sweep_00", "sweep_18", "steps", "multitone", "noise", "speech")),
    ("steps", "var_RK2_steps", 68, 1.0, {"solver": "RK2"}),
    ("steps", "var_RK4_steps", 68, 1.0, {"solver": "RK4"}),
    ("steps", "var_minphase16_steps", 7, 1.0, MINIMUM),
    ("steps", "var_OS2minNR4_steps", 5, 1.0, {"oversampling": 2, "solver": "NR4", **MINIMUM}),
    ("noise", "var_toy_noise", 68, 1.0, TOY),
    ("noise", "var_loud26dB_noise", 68, 20.0, {}),
    ("noise", "loss_noise_7p5ips_d20_th35_g6", 100, 1.0, LOSS),
]


def machine(samples: FloatArray, settings: TapeSettings) -> FloatArray:
    played = Hysteresis(settings, SAMPLE_RATE).process(samples)
    if settings.loss:
        played = LossFilter(settings, SAMPLE_RATE).process(played)
    return amplitude_from_db(settings.output_gain_db) * played


def print_accuracy() -> None:
    print(f"{'render':<32} {'ESR dB':>8}")
    for dry, wet, latency, gain, changes in CASES:
        stimulus = gain * read_audio(RENDERS / f"dry_{dry}.wav")[0][:, 0]
        expected = read_audio(RENDERS / f"{wet}.wav")[0][:, 0]
        settings = TapeSettings(output_gain_db=-6.0, **changes)
        found = machine(np.pad(stimulus, (0, latency)), settings)[latency:]
        error = np.sum((found - expected) ** 2) / np.sum(expected**2)
        print(f"{wet:<32} {10 * np.log10(error):8.2f}")


def cpu_s_per_s(settings: TapeSettings, *, n_channels: int, seconds: float) -> float:
    """Best of three runs after one that compiles."""
    samples = 0.1 * np.random.default_rng(1).standard_normal((round(seconds * SAMPLE_RATE), n_channels))
    device = TapeDevice(settings, seed=1)
    device.run(samples[:SAMPLE_RATE], sample_rate=SAMPLE_RATE)
    times = []
    for _ in range(3):
        begin = time.process_time()
        device.run(samples, sample_rate=SAMPLE_RATE)
        times.append(time.process_time() - begin)
    return min(times) / seconds


def print_speed(seconds: float) -> None:
    print(f"\nCPU seconds per second at {SAMPLE_RATE} Hz (linear phase / minimum phase), plug-in at 16x linear phase")
    print(f"{'solver':<8} {'factor':>6} {'mono':>15} {'stereo':>15} {'plug-in mono':>14}")
    for solver in ("RK2", "RK4", "NR4", "NR8"):
        for factor in (1, 2, 4, 8, 16):
            cells = []
            for n_channels in (1, 2):
                pair = [
                    cpu_s_per_s(
                        TapeSettings(solver=solver, oversampling=factor, oversampling_mode=mode),
                        n_channels=n_channels,
                        seconds=seconds,
                    )
                    for mode in ("linear_phase", "minimum_phase")
                ]
                cells.append(f"{pair[0]:.4f}/{pair[1]:.4f}")
            plugin = f"{PLUGIN_CPU_S[solver]:.3f}" if factor == 16 else ""
            print(f"{solver:<8} {factor:>6} {cells[0]:>15} {cells[1]:>15} {plugin:>14}")


def main() -> None:
    if RENDERS.is_dir():
        print_accuracy()
    else:
        print("no renders of the plug-in beside this checkout: the accuracy is left out", file=sys.stderr)
    print_speed(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)


if __name__ == "__main__":
    main()
