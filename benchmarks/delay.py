"""Accuracy and speed of the delay tracker on signals whose delay is known exactly.

Run ``python -m benchmarks.delay [--seconds 60] [--seeds 1 2 3] [--quick]``. Errors are rms over the points called valid
but for the first and last second, the median removed; the bound is that of the same points; speed is seconds of signal
per CPU second of one thread. Real programme is read from ``../shared/data/akai`` beside the checkout; without it those
rows are left out. Other trackers run where they are installed (`benchmarks.rivals`).
"""

import argparse
import inspect
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import truth
from benchmarks.rivals import RIVALS, score
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.track import track_delay
from tapemeasure.io import read_audio
from tapemeasure.trajectory import DelayTrajectory

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "akai"
RATE_HZ = 400.0
FLUTTER_HZ, HARD_HZ = 30.0, 100.0
TONE_HZ = 200.0
RIVALS_TRY = ("no pilot, synthetic", "no pilot, synthetic, EQ", "no pilot, real, EQ")


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
    fast: bool = False
    hiss_dbfs: float = truth.HISS_DBFS


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
        Case("no pilot, synthetic, EQ, -40 dBFS", music, truth.PLAIN, True, "none", FLUTTER_HZ, None, hiss_dbfs=-40.0),
        Case("fast, synthetic, EQ", music, truth.PLAIN, True, "none", FLUTTER_HZ, 2.2, fast=True),
    ]
    real = recordings(seconds)
    if real is not None:
        rows += [
            Case("no pilot, real, EQ", real, truth.PLAIN, True, "none", FLUTTER_HZ, 0.5),
            Case("no pilot, real, EQ, hard", real, truth.HARD, True, "none", HARD_HZ, 1.0),
            Case("fast, real, EQ", real, truth.PLAIN, True, "none", FLUTTER_HZ, 2.2, fast=True),
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
    result = track_delay(
        case.programme, output, sample_rate=truth.SAMPLE_RATE, pilot=case.pilot, rate_hz=RATE_HZ, fast=case.fast
    )
    return result.trajectory, time.process_time() - begin


def print_row(case: Case, seconds: float, seed: int) -> None:
    saturated = case.pilot in ("none", "inband")
    output = truth.machine(
        case.programme,
        case.delay,
        equalised=case.equalised,
        saturated=saturated,
        seed=seed,
        hiss_dbfs=case.hiss_dbfs,
    )
    path, cpu_s = track(case, output)
    inside = (path.time_s > 1.0) & (path.time_s < seconds - 1.0)
    valid = path.valid & inside
    error = 1e6 * (path.delay_s - case.delay(path.time_s))
    error = np.abs(error - np.median(error[valid]))
    within = np.mean(error[valid] < 1e6 * path.sigma_s[valid])
    played_s = path.time_s[valid] - path.delay_s[valid]
    bound = truth.bound_us(
        case.programme,
        played_s,
        bandwidth_hz=case.bandwidth_hz,
        equalised=case.equalised,
        hiss_dbfs=case.hiss_dbfs,
    )
    target = "" if case.target_us is None else f"{case.target_us:.2f}"
    print(
        f"{case.name:<34} {seed:>4} {np.sqrt(np.mean(error[valid] ** 2)):>8.3f} {target:>7} {bound:>8.3f} "
        f"{error[valid].max():>8.2f} {100 * within:>7.0f} "
        f"{100 * valid.sum() / inside.sum():>7.1f} {seconds / cpu_s:>7.1f}",
        flush=True,
    )


def print_lost_samples(seconds: float, seed: int) -> None:
    """Lost and doubled samples, one every three seconds, beside a tone of 3150 Hz; and none where there are none."""
    rng = np.random.default_rng(seed)
    case = Case("", truth.tone(3150.0, 0.25, seconds), truth.PLAIN, False, "tone", TONE_HZ, None)
    whole = truth.machine(case.programme, case.delay, equalised=True, saturated=False, seed=seed)
    times_s = np.arange(2.0, seconds - 2.0, 3.0) + rng.uniform(0.0, 1.0, len(np.arange(2.0, seconds - 2.0, 3.0)))
    places = [(round(t * truth.SAMPLE_RATE), int(rng.choice([-1, 1]))) for t in times_s]
    found, invented = (
        track_delay(case.programme, output, sample_rate=truth.SAMPLE_RATE, pilot="tone").lost_samples
        for output in (truth.with_lost_samples(whole, places), whole)
    )
    at_s = [(place - sum(count for _, count in places[:k])) / truth.SAMPLE_RATE for k, (place, _) in enumerate(places)]
    near = sum(
        any(abs(event.time_s - t) < 0.01 and event.samples == -count for event in found)
        for t, (_, count) in zip(at_s, places, strict=True)
    )
    told = f"{near} of {len(places)} found within 10 ms, {len(invented)} invented"
    print(f"lost samples beside 3150 Hz, seed {seed}: {told}", flush=True)


def print_rivals(seconds: float, seed: int) -> None:
    """Other trackers on the programme without a pilot, those that are installed."""
    compared = [case for case in cases(seconds, seed) if case.name in RIVALS_TRY]
    outputs = [
        truth.machine(case.programme, case.delay, equalised=case.equalised, saturated=True, seed=seed)
        for case in compared
    ]
    warm = slice(0, round(8.0 * truth.SAMPLE_RATE))
    for rival in RIVALS:
        try:
            # what compiles does it here
            rival.track(compared[0].programme[warm], outputs[0][warm], truth.SAMPLE_RATE)
        except ImportError:
            print(f"{rival.name:<42} not installed: pip install {rival.package}")
            continue
        for case, output in zip(compared, outputs, strict=True):
            begin = time.process_time()
            found = rival.track(case.programme, output, truth.SAMPLE_RATE)
            speed = seconds / (time.process_time() - begin)
            error_us = score(found, case.delay, seconds)
            print(f"{rival.name:<42} {case.name:<24} {error_us:>10.2f} us rms {speed:>7.1f} x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("--seconds", type=float, default=60.0, help="length of every signal (default 60)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of programme and hiss")
    parser.add_argument("--rivals", action="store_true", help="the other trackers alone")
    parser.add_argument("--quick", action="store_true", help="one seed and 20 s")
    options = parser.parse_args()
    seconds, seeds = (20.0, options.seeds[:1]) if options.quick else (options.seconds, options.seeds)
    if options.rivals:
        print_rivals(seconds, seeds[0])
        return
    # compiles
    warm = cases(4.0, 0)
    for case in warm[:1] + warm[-5:]:
        track(case, truth.machine(case.programme, case.delay, equalised=False, saturated=False, seed=0))
    print(f"{'case':<34} {'seed':>4} {'rms us':>8} {'target':>7} {'bound':>8} ", end="")
    print(f"{'max us':>8} {'% sigma':>7} {'% valid':>7} {'speed':>7}")
    for seed in seeds:
        for case in cases(seconds, seed):
            print_row(case, seconds, seed)
    for seed in seeds:
        print_lost_samples(seconds, seed)
    print_rivals(seconds, seeds[0])


if __name__ == "__main__":
    main()
