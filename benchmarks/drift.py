"""Slow drift of generated delay over ten minutes, beside the machine's: ``python -m benchmarks.drift``.

Slopes are those of a straight line under a Hann window, so that wow does not count as drift: in windows of 5 s nothing
above 0.8 Hz, of 20 s nothing above 0.2 Hz. Every generator learns from one take of 160 s and plays takes of ten
minutes. The machines: the Akai preset, the same with a wander of 0.8 ms/min rms as the real one has, and the toy.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt

from benchmarks.generators import machine_takes
from tapemeasure.arrays import FloatArray
from tapemeasure.generators.base import DelayGenerator, MeasuredDelay
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.drift import Drift
from tapemeasure.generators.play import generated_delay
from tapemeasure.generators.sinusoids import fit_random_phase, fit_sinusoids
from tapemeasure.models.delay_generators import load_any_delay
from tapemeasure.params import TapeProfile, load_params

RATE_HZ = 100.0
LEARNED_S, PLAYED_S = 160.0, 600.0
WINDOWS_S = (5.0, 20.0, 60.0)
SLOW_HZ = 0.2
WANDER = Drift(slope_s_per_s=0.8e-3 / 60.0, range_s=0.5e-3, memory_s=30.0)
FITS: dict[str, Callable[[MeasuredDelay], DelayGenerator]] = {
    "lines": fit_sinusoids,
    "random phase": fit_random_phase,
    "bootstrap": fit_bootstrap,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument("--generators", type=Path, default=Path("data/generators/delay"), help="for diffusion models")
    arguments = parser.parse_args()
    akai = TapeProfile(kind="tape", preset="akai_4000d").settings
    toy = load_params().devices["chowtape_wowflutter"]

    def of_akai(seeds: Sequence[int], duration_s: float) -> MeasuredDelay:
        return machine_takes(akai, seeds, duration_s=duration_s)

    def wandering(seeds: Sequence[int], duration_s: float) -> MeasuredDelay:
        return _wandering(machine_takes(akai, seeds, duration_s=duration_s), seeds)

    table("akai_4000d", of_akai, arguments.takes, arguments.generators / "akai_model")
    table("akai_4000d that wanders by 0.8 ms/min", wandering, arguments.takes, None)
    if isinstance(toy, TapeProfile):
        settings = toy.settings

        def of_toy(seeds: Sequence[int], duration_s: float) -> MeasuredDelay:
            return machine_takes(settings, seeds, duration_s=duration_s)

        table("chowtape_wowflutter", of_toy, arguments.takes, arguments.generators / "chowtape_wowflutter")


def _wandering(delay: MeasuredDelay, seeds: Sequence[int]) -> MeasuredDelay:
    pieces = []
    for piece, seed in zip(delay.pieces, seeds, strict=True):
        stream = WANDER.stream(np.random.default_rng([seed, 7]), rate_hz=RATE_HZ)
        pieces.append(piece if stream is None else piece + stream.read(len(piece)))
    return MeasuredDelay(tuple(pieces), delay.mean_s, delay.rate_hz)


def table(
    name: str, machine: Callable[[Sequence[int], float], MeasuredDelay], n_takes: int, folder: Path | None
) -> None:
    """Print the slopes of one machine and of all its generators."""
    print(f"\n{name}, {n_takes} takes of {PLAYED_S:.0f} s")
    heads = [f"slope over {window_s:g} s" for window_s in WINDOWS_S]
    print(f"{'ms/min rms':16s}" + "".join(f"{head:>18}" for head in heads) + f"{'slow, us rms':>16}{'range, us':>12}")
    _row("the machine", machine(range(500, 500 + n_takes), PLAYED_S).pieces)
    learned = machine([1], LEARNED_S)
    models: dict[str, DelayGenerator] = {label: fit(learned) for label, fit in FITS.items()}
    for file in itertools.chain([] if folder is None else sorted(folder.glob("delay*.safetensors"))):
        model, facts = load_any_delay(file)
        if facts.get("generator") == "diffusion":
            models["diffusion"] = model
    for label, model in models.items():
        begin_s = time.process_time()
        takes = [
            generated_delay(model, duration_s=PLAYED_S, generator=np.random.default_rng(seed)).delay_s
            for seed in range(n_takes)
        ]
        speed = n_takes * PLAYED_S / (time.process_time() - begin_s)
        _row(label, takes, f"{speed:10.0f} x real time, no point further than {_reach(takes):.0f} us from the mean")


def _row(label: str, takes: Sequence[FloatArray], rest: str = "") -> None:
    slopes = [np.concatenate([slopes_ms_per_min(take, window_s=window_s) for take in takes]) for window_s in WINDOWS_S]
    slow = [_slow(take) for take in takes]
    rms_us = 1e6 * float(np.sqrt(np.mean(np.concatenate(slow) ** 2)))
    range_us = 1e6 * float(np.mean([np.ptp(take) for take in slow]))
    texts = "".join(f"{np.sqrt(np.mean(values**2)):18.3f}" for values in slopes)
    print(f"{label:16s}{texts}{rms_us:16.1f}{range_us:12.1f}  {rest}")


def slopes_ms_per_min(delay_s: FloatArray, *, window_s: float) -> FloatArray:
    """Slopes of windows that overlap by a half."""
    n = round(window_s * RATE_HZ)
    time_s = (np.arange(n) - 0.5 * (n - 1)) / RATE_HZ
    window = np.hanning(n + 2)[1:-1] * time_s
    frames = np.stack([delay_s[first : first + n] for first in range(0, len(delay_s) - n + 1, n // 2)])
    return np.asarray(60e3 * (frames @ window) / np.dot(window, time_s), dtype=np.float64)


def _slow(delay_s: FloatArray) -> FloatArray:
    """Delay below 0.2 Hz about its mean."""
    sos = butter(4, SLOW_HZ, fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sos, delay_s - np.mean(delay_s)), dtype=np.float64)


def _reach(takes: Sequence[FloatArray]) -> float:
    return 1e6 * max(float(np.max(np.abs(take - np.mean(take)))) for take in takes)


if __name__ == "__main__":
    main()
