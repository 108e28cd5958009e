"""The built-in tape machine against the plug-in: accuracy on its renders, speed, memory.

Run ``python -m benchmarks.tape`` (``--quick`` for half a minute's worth; ``--help`` for all). The renders are read from
``../shared/data/chowtape`` beside the checkout; without them the first table is left out. Where ``--plugin PATH`` or
the environment variable TAPEMEASURE_CHOWTAPE names the plug-in, it is measured beside the model. Tables go to stdout,
what is being done to stderr.
"""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from benchmarks.tape_accuracy import accuracy, wobble_accuracy
from benchmarks.tape_speed import SAMPLE_RATE, Cost, peak_memory_mb, plugin_costs, silence_ratio, speed_rows
from tapemeasure.devices.chowtape import PLUGIN_VARIABLE

RENDERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "chowtape"
PLUGIN_CPU_S = {"NR8": 0.377, "NR4": 0.212, "RK4": 0.183, "RK2": 0.113}
"""The plug-in's own CPU seconds per second at 16x linear phase, mono, on another machine."""

TARGET_PILOT_DB, TARGET_DIFFERENCE_SAMPLES = -62.0, 0.1
TARGET_TIMES = 5.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_accuracy() -> None:
    if not RENDERS.is_dir():
        say(f"{RENDERS}: no renders of the plug-in beside this checkout; the accuracy is left out")
        return
    say("accuracy")
    print(
        "\nError-to-signal ratio against the plug-in / dB; below edge: without the band above 0.49 of the sample rate"
    )
    print(f"{'render':<32} {'target':>7} {'on grid':>8} {'device':>8} {'below edge':>11}")
    for row in accuracy(RENDERS):
        figures = f"{row.grid_db:>8.2f} {row.device_db:>8.2f} {row.device_below_edge_db:>11.2f}"
        print(f"{row.render:<32} {row.target_db:>7.0f} {figures}", flush=True)
    wobble = wobble_accuracy(RENDERS)
    print(f"{'wf0_noise, its pilot trajectory':<32} {TARGET_PILOT_DB:>7.0f} {wobble.pilot_db:>8.2f}")
    print(f"{'wf0_noise, open loop':<32} {'':>7} {wobble.open_loop_db:>8.2f}")
    print(
        f"wf0_noise, chowtape_compatible delay against the pilot's: {wobble.difference_rms_samples:.3f} samples rms "
        f"(target {TARGET_DIFFERENCE_SAMPLES:g}), {wobble.difference_max_samples:.3f} at most"
    )


def print_speed(seconds: float, *, quick: bool, plugin: str | None) -> None:
    measured = {} if plugin is None else plugin_costs(plugin, seconds, say=say)
    source = "measured here" if plugin else "measured on another machine"
    print(f"\nSeconds per second of audio at {SAMPLE_RATE} Hz; plug-in mono at 16x linear phase ({source})")
    heading = f"{'stereo CPU':>10} {'2 threads CPU':>14} {'clock':>7} {'plug-in':>8} {'times':>6}"
    print(f"{'solver':<6} {'factor':>6} {'phase':>8} {'mono CPU':>9} {heading}")
    for row in speed_rows(seconds, quick=quick, say=say):
        comparable = row.oversampling == 16 and row.oversampling_mode == "linear_phase"
        beside = measured.get(row.solver, Cost(PLUGIN_CPU_S[row.solver], 0.0)).cpu_s if comparable else None
        against = "" if beside is None else f"{beside:>8.3f} {beside / row.mono.cpu_s:>6.1f}"
        two = row.stereo_two_threads
        print(
            f"{row.solver:<6} {row.oversampling:>6} {row.oversampling_mode.removesuffix('_phase'):>8} "
            f"{row.mono.cpu_s:>9.4f} {row.stereo.cpu_s:>10.4f} {two.cpu_s:>14.4f} {two.wall_s:>7.4f} {against}",
            flush=True,
        )
    print(f"target: NR8 at 16x linear phase at least {TARGET_TIMES:g} times as fast as the plug-in")
    print(f"silence behind a burst costs {silence_ratio(seconds):.2f} times as much as noise (NR8, 16x)")


def print_memory(minutes: list[float]) -> None:
    print("\nPeak memory of a process that streams stereo at 96 kHz (RK2, 1x, wow and flutter, hiss)")
    for length in minutes:
        say(f"memory, {length:g} minutes")
        print(f"{length:>6g} min {peak_memory_mb(length):>8.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The built-in tape machine against the plug-in.")
    parser.add_argument("--plugin", default=os.environ.get(PLUGIN_VARIABLE), metavar="PATH", help="the VST3 file")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the audio that is timed (5)")
    parser.add_argument(
        "--minutes", type=float, nargs="*", default=[1.0, 10.0], help="lengths that are streamed for the memory (1 10)"
    )
    parser.add_argument("--quick", action="store_true", help="factors 1 and 16 only, 1 s, no memory")
    arguments = parser.parse_args()
    cores = os.cpu_count()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    print(f"{platform.machine()}, {cores} cores, {platform.system()}, Python {platform.python_version()}, {today}")
    print_accuracy()
    seconds = 1.0 if arguments.quick else arguments.seconds
    print_speed(seconds, quick=arguments.quick, plugin=arguments.plugin)
    if not arguments.quick:
        print_memory(arguments.minutes)


if __name__ == "__main__":
    main()
