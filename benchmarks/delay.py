"""Accuracy and speed of the delay tracker on signals whose delay is known exactly.

Run ``python -m benchmarks.delay [--seconds 60] [--seeds 1 2 3] [--quick]``. Errors are rms over the file but for its
first and last second, the median removed; speed is seconds of signal per CPU second of one thread. Real programme is
read from ``../shared/data/akai`` beside the checkout; without it those rows are left out.
"""

import argparse
import inspect
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import truth
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.track import track_delay
from tapemeasure.io import read_audio
from tapemeasure.trajectory import DelayTrajectory

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "akai"
RATE_HZ = 400.0
FLUTTER_HZ, HARD_HZ = 30.0, 100.0
TONE_HZ = 200.0


@dataclass(frozen=True)
class Case:
    """One row: what is played, how it moves, and how it is tracked."""

    name: str
    programme: FloatArray
    delay: truth.Wander
    equalised: bool
    pilot: str
    bandwidth_hz: float
    target_us: float | None


def recordings(seconds: float) -> FloatArray | None:
    """Programme of the real recordings, looped; None where they are missing."""
    names = ("io_1", "io_4", "io_5", "mono_52", "mono_84", "mono_98")
    files = [RECORDINGS / f"{name}_input.wav" for name in names]
    if not all(file.is_file() for file in files):
        return None
    return truth.looped([read_audio(file)[0][:, 0] for file in files], seconds)


def cases(seconds: float, seed: int) -> list[Case]:
    music = truth.music(seconds, seed=seed)
    rows = [
        Case("no pilot, synthetic", music, truth.PLAIN, False, "none", FLUTTER_HZ, 0.8),
        Case("no pilot, synthetic, EQ", music, truth.PLAIN, True, "none", FLUTTER_HZ, 0.8),
        Case("no pilot, synthetic, EQ, hard", music, truth.HARD, True, "none", HARD_HZ, 1.0),
    ]
    real = recordings(seconds)
    if real is not None:
        rows += [
            Case("no pilot, real, EQ", real, truth.PLAIN, True, "none", FLUTTER_HZ, 0.5),
            Case("no pilot, real, EQ, hard", real, truth.HARD, True, "none", HARD_HZ, 1.0),
        ]
    pulses, tone = truth.pulses(seconds), truth.tone(3150.0, 0.25, seconds)
    inband = music + truth.tone(15000.0, 0.01, seconds)
    return [
        *rows,
        Case("100 pulses/s, EQ", pulses, truth.PLAIN, True, "pulses", 50.0, 0.12),
        Case("3150 Hz, -12 dBFS", tone, truth.PLAIN, False, "tone", TONE_HZ, 0.03),
        Case("3150 Hz, -12 dBFS, EQ", tone, truth.PLAIN, True, "tone", TONE_HZ, 0.05),
        Case("3150 Hz, -12 dBFS, EQ, hard", tone, truth.HARD, True, "tone", TONE_HZ, None),
        Case("15 kHz, -40 dBFS, in music, EQ", inband, truth.PLAIN, True, "inband", FLUTTER_HZ, 0.35),
    ]


def track(case: Case, output: FloatArray) -> tuple[DelayTrajectory, float]:
    """Trajectory, and CPU seconds."""
    begin = time.process_time()
    result = track_delay(case.programme, output, sample_rate=truth.SAMPLE_RATE, pilot=case.pilot, rate_hz=RATE_HZ)
    return result.trajectory, time.process_time() - begin


def print_row(case: Case, seconds: float, seed: int) -> None:
    saturated = case.pilot in ("none", "inband")
    output = truth.machine(case.programme, case.delay, equalised=case.equalised, saturated=saturated, seed=seed)
    path, cpu_s = track(case, output)
    inside = (path.time_s > 1.0) & (path.time_s < seconds - 1.0)
    valid = path.valid & inside
    error = 1e6 * (path.delay_s - case.delay(path.time_s))
    error = np.abs(error - np.median(error[valid]))
    within = np.mean(error[valid] < 1e6 * path.sigma_s[valid])
    bound = truth.bound_us(case.programme, bandwidth_hz=case.bandwidth_hz, equalised=case.equalised)
    target = "" if case.target_us is None else f"{case.target_us:.2f}"
    print(
        f"{case.name:<32} {seed:>4} {np.sqrt(np.mean(error[valid] ** 2)):>8.3f} {target:>7} {bound:>8.3f} "
        f"{error[valid].max():>8.2f} {100 * within:>7.0f} "
        f"{100 * valid.sum() / inside.sum():>7.1f} {seconds / cpu_s:>7.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("--seconds", type=float, default=60.0, help="length of every signal (default 60)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of programme and hiss")
    parser.add_argument("--quick", action="store_true", help="one seed and 20 s")
    options = parser.parse_args()
    seconds, seeds = (20.0, options.seeds[:1]) if options.quick else (options.seconds, options.seeds)
    # compiles
    warm = cases(4.0, 0)
    for case in warm[:1] + warm[-5:]:
        track(case, truth.machine(case.programme, case.delay, equalised=False, saturated=False, seed=0))
    print(f"{'case':<32} {'seed':>4} {'rms us':>8} {'target':>7} {'bound':>8} ", end="")
    print(f"{'max us':>8} {'% sigma':>7} {'% valid':>7} {'speed':>7}")
    for seed in seeds:
        for case in cases(seconds, seed):
            print_row(case, seconds, seed)


if __name__ == "__main__":
    main()
