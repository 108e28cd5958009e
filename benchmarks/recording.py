"""What a recording must reach, on a virtual deck behind a JACK server with the dummy driver; no sound card is needed.

Run ``python -m benchmarks.recording CASE [--seconds S]`` on a quiet machine; CASE is one of

- ``truth``: captures through the deck against its own truth, pulses and tone (60 s, free-wheeling)
- ``lost``: 20 lost blocks, 20 late callbacks (xruns, in real time), and a clean take (600 s) in which none may be found
- ``faults``: each fault of the deck, and what the verdict names
- ``kill``: kill -9 at 20 random moments (real time)
- ``long``: 96 kHz stereo, an hour free-wheeling or ``--real-time`` for ``--seconds``: memory and callback time
- ``deck``: CPU time of the deck, 48 kHz stereo, blocks of 256
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.delay.track import track_delay
from tapemeasure.devices.deck.machine import TapeMachine
from tapemeasure.devices.deck.truth import for_take
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.params.stages import StimuliParams
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus
from tapemeasure.trajectory import load_trajectory

PROFILE = """
devices:
  akai:
    kind: hardware
    settings: {{match: akai, sample_rate: {rate}, level_db: -6.0, tail_s: 1.5}}
"""
MACHINE = [
    "--set", "solver=RK2", "--set", "oversampling=2", "--set", "head_delay_ms=160.0", "--set", "hiss_dbfs=-70.0",
    "--set", "lines_pct=[[2.6,0.03],[7.8,0.04],[26.5,0.05]]", "--set", "wow_pct=0.02",
]  # fmt: skip
WIRE = ["--device", "identity"]
SEED = 5


@contextmanager
def server(
    *, sample_rate: int, period: int, patience_ms: int = 5000, real_time: bool = False
) -> Iterator[dict[str, str]]:
    name = f"bench-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_AUDIO_RESERVATION": "1", "OMP_NUM_THREADS": "1"}
    priority = ["--realtime", "-P", "20"] if real_time else ["--no-realtime"]
    command = ["jackd", *priority, "-S", "-t", str(patience_ms), "-n", name]
    command += ["-d", "dummy", "-r", str(sample_rate), "-p", str(period)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield environment
    finally:
        process.terminate()
        process.wait()


@contextmanager
def deck(environment: dict[str, str], folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tapemeasure.cli.main", "deck", *arguments, "--truth", "truth.npz", "--force"]
    for _ in range(50):
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().startswith("ready"):
            break
        process.wait()
        time.sleep(0.2)
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def record(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tapemeasure.cli.main", "record", "--device", "akai", "--json", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if not done.stdout:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = {**json.loads(done.stdout), "exit_code": done.returncode}
    return result


def prepared(folder: Path, *, seconds: float, sample_rate: int = 44100, pilot: str = "pulses") -> None:
    (folder / "params.yaml").write_text(PROFILE.format(rate=sample_rate))
    programme_s = max(3.0, seconds - 27.0)
    params = StimuliParams.model_validate(
        {
            "sample_rate": sample_rate,
            "silence_s": 1.0,
            "pilot": {"kind": pilot},
            "programme": {"train_s": programme_s - 2.0, "validation_s": 1.0, "test_s": 1.0},
            "sweeps": {"duration_s": 3.0, "levels_dbfs": [-18.0]},
            "steps": {"frequencies_hz": [100.0, 1000.0], "levels_dbfs": [-30.0, -12.0], "duration_s": 0.5},
            "multitone": {"duration_s": 1.0},
            "two_tones": {"pairs_hz": [[250.0, 8000.0]], "duration_s": 1.0},
        }
    )
    save_stimulus(build_stimulus(params), folder / "data" / "stimuli")


def truth_error(folder: Path, result: dict[str, Any]) -> tuple[float, float, bool]:
    """Error of the tracked delay (rms, us), the delay's own rms, whether the output is the input after a latency."""
    played, rate = read_audio(folder / result["files"]["input"])
    captured, _ = read_audio(folder / result["files"]["output"])
    facts = json.loads((folder / "truth.json").read_text())
    known = load_trajectory(folder / "truth.npz")
    tracked = track_delay(played, captured, sample_rate=rate).trajectory
    first_s = float(np.flatnonzero(np.any(played != 0.0, axis=1))[0]) / rate
    inside = tracked.valid & (tracked.time_s < len(played) / rate - 0.1)
    card_s = 0.0
    for _ in range(4):
        shifted = for_take(known, sound_s=facts["sounds_s"][-1], first_sound_s=first_s + card_s)
        error = tracked.delay_s - shifted.at(tracked.time_s)
        card_s = float(np.median(error[inside]))
    late = round(card_s * rate)
    return (
        1e6 * float(np.std(error[inside])),
        1e6 * float(np.std(tracked.delay_s[inside])),
        bool(np.array_equal(captured[late : late + len(played)], played)),
    )


def case_truth(seconds: float, real_time: bool) -> None:
    print(f"{'deck':<8} {'pilot':<7} {'delay rms us':>12} {'error rms us':>12}  bit for bit")
    for name, machine in (("wire", WIRE), ("tape", MACHINE)):
        for pilot in ("pulses", "tone"):
            with tempfile.TemporaryDirectory() as place, server(sample_rate=44100, period=1024) as environment:
                folder = Path(place)
                prepared(folder, seconds=seconds, pilot=pilot)
                with deck(environment, folder, *machine, *([] if real_time else ["--free-wheel"])):
                    result = record(environment, folder)
                error_us, delay_us, same = truth_error(folder, result)
                print(f"{name:<8} {pilot:<7} {delay_us:12.3f} {error_us:12.4f}  {same}", flush=True)


def found_times(result: dict[str, Any], name: str) -> list[float]:
    return sorted(finding["time_s"] for finding in result["check"]["findings"] if finding["name"] == name)


def case_lost(seconds: float, real_time: bool) -> None:
    rng = np.random.default_rng(SEED)
    spread = rng.uniform(-0.8, 0.8, 20)
    for kind, name in (("lost_block=256", "lost_samples"), ("xrun=40", "xruns")):
        late = kind.startswith("xrun")
        with (
            tempfile.TemporaryDirectory() as place,
            server(sample_rate=44100, period=256, real_time=late) as environment,
        ):
            folder = Path(place)
            prepared(folder, seconds=62.0)
            timeline = json.loads((folder / "data" / "stimuli" / "stimulus.json").read_text())
            moments = np.linspace(2.0, timeline["length_samples"] / 44100 - 2.0, 20) + spread
            faults = [part for moment in moments for part in ("--fault", f"{kind}@{moment:.4f}")]
            with deck(environment, folder, *WIRE, *faults, *([] if late else ["--free-wheel"])):
                result = record(environment, folder, "--no-level-check")
            found = np.array(found_times(result, name))
        # counted from the first sound, the pilot at 0.25 s; one block of the card's delay
        expected = moments + 0.25 + 256 / 44100
        nearest = [float(np.abs(found - moment).min()) if len(found) else np.inf for moment in expected]
        hits = sum(distance < 0.010 for distance in nearest)
        print(f"{kind}: {hits} of 20 within 10 ms, worst {1e3 * max(nearest):.1f} ms, {len(found)} told", flush=True)
    with tempfile.TemporaryDirectory() as place, server(sample_rate=44100, period=1024) as environment:
        folder = Path(place)
        prepared(folder, seconds=seconds)
        with deck(environment, folder, *MACHINE, *([] if real_time else ["--free-wheel"])):
            result = record(environment, folder, "--no-level-check")
        check = result["check"]
        print(f"clean, {seconds:g} s: {len(check['findings'])} findings; {check['verdict']}", flush=True)


def case_kill(seconds: float, real_time: bool) -> None:
    rng = np.random.default_rng(SEED)
    missing = []
    # the server waits so long for a client that is no more
    patience_ms = 500
    with (
        tempfile.TemporaryDirectory() as place,
        server(sample_rate=44100, period=1024, patience_ms=patience_ms, real_time=True) as environment,
    ):
        folder = Path(place)
        prepared(folder, seconds=60.0)
        with deck(environment, folder, *WIRE):
            for number in range(20):
                take = f"kill{number}"
                command = [sys.executable, "-m", "tapemeasure.cli.main", "record", "--device", "akai"]
                process = subprocess.Popen(
                    [*command, "--no-level-check", "--take", take], cwd=folder, env=environment,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                path = folder / "raw" / "akai" / take / f"{take}_output.partial.wav"
                while not path.exists() or path.stat().st_size < 1000:
                    time.sleep(0.01)
                begin_s = time.monotonic()
                there = len(read_audio(path)[0])
                time.sleep(rng.uniform(1.0, 6.0))
                process.kill()
                elapsed_s = time.monotonic() - begin_s
                process.wait()
                samples, rate = read_audio(path)
                missing.append(elapsed_s - (len(samples) - there) / rate)
    worst = max(missing)
    print(
        f"kill -9: 20 of 20 files open; at most {worst:.3f} s missing against the clock since the first samples were "
        f"seen on disk, mean {np.mean(missing):.3f} s"
    )


def case_long(seconds: float, real_time: bool) -> None:
    stolen_s = _stolen_s()
    with (
        tempfile.TemporaryDirectory() as place,
        server(sample_rate=96000, period=1024, real_time=real_time) as environment,
    ):
        folder = Path(place)
        (folder / "params.yaml").write_text(PROFILE.format(rate=96000))
        with deck(environment, folder, *WIRE, *([] if real_time else ["--free-wheel"])):
            command = [sys.executable, "-m", "tapemeasure.cli.main", "record", "--device", "akai", "--json"]
            command += ["--no-level-check", "--no-check", "--stimulus", str(_long_file(folder, seconds))]
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            times_s, sizes = [], []
            begin_s = time.monotonic()
            while process.poll() is None:
                times_s.append(time.monotonic() - begin_s)
                sizes.append(_resident_mib(process.pid))
                time.sleep(0.5)
            printed, told = process.communicate()
            if not printed:
                raise SystemExit(told)
            result = json.loads(printed)
        machine = json.loads((folder / "truth.json").read_text())
    third = max(1, len(sizes) // 3)
    growth = np.median(sizes[-third:]) - np.median(sizes[third : 2 * third])
    slope = np.polyfit(times_s[third:-2], sizes[third:-2], 1)[0] * times_s[-1] * 3600.0 / seconds
    block_ms = 1e3 * result["block_samples"] / 96000
    curve = [f"{size:.0f}" for size in np.array(sizes)[np.linspace(0, len(sizes) - 3, 13).astype(int)]]
    print(f"resident MiB at thirteenths of {times_s[-1]:.0f} s: {' '.join(curve)}")
    print(
        f"96 kHz stereo, {result['length_samples'] / 96000:.0f} s: resident {max(sizes):.0f} MiB at most, "
        f"{growth:+.1f} MiB from the second to the last third, slope {slope:+.2f} MiB per recorded hour; "
        f"{len(result['xruns'])} xruns; callback {result['callback_load_pct']:.1f} % of the block on average, longest "
        f"{100 * result['longest_callback_ms'] / block_ms:.0f} %, real-time priority {result['real_time']}"
    )
    print(
        f"deck: busy {machine['busy_pct']:.1f} %, longest callback {machine['longest_callback_pct']:.0f} % of the "
        f"block; {machine['xruns']} xruns told by the server; the host took {_stolen_s() - stolen_s:.1f} s of CPU time"
    )
    if result["xruns"]:
        print("xruns at", " ".join(f"{xrun['position_s']:.1f}" for xrun in result["xruns"]), "s")


def _stolen_s() -> float:
    """CPU time that a host took from this virtual machine so far, seconds; 0 where it is not told."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        return float(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def _long_file(folder: Path, seconds: float) -> Path:
    from tapemeasure.audio_stream import write_blocks

    rng = np.random.default_rng(SEED)
    n_samples = round(seconds * 96000)
    blocks = (rng.uniform(-0.3, 0.3, (min(96000, n_samples - start), 2)) for start in range(0, n_samples, 96000))
    write_blocks(folder / "long.wav", blocks, n_samples=n_samples, n_channels=2, sample_rate=96000)
    return folder / "long.wav"


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def case_deck(seconds: float, real_time: bool) -> None:
    print("CPU time of one core, 48 kHz stereo, blocks of 256")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("NR8 2x", {"solver": "NR8", "oversampling": 2}),
        ("RK2 16x", {"solver": "RK2", "oversampling": 16}),
        ("NR8 16x", {"solver": "NR8", "oversampling": 16}),
    ]
    for name, changes in cases:
        settings = TapeSettings.model_validate(
            {**changes, "head_delay_ms": 160.0, "hiss_dbfs": -66.0, "wow_pct": 0.02, "flutter_pct": 0.08, "loss": True}
        )
        machine = TapeMachine(settings, 48000, 2, round(seconds * 48000) + 48000, SEED)
        rng = np.random.default_rng(SEED)
        block = 0.3 * rng.standard_normal((256, 2))
        for _ in range(100):
            machine.process(block)
        begin_s = time.process_time()
        count = round(seconds * 48000 / 256)
        longest_s = 0.0
        for _ in range(count):
            before_s = time.perf_counter()
            machine.process(block)
            longest_s = max(longest_s, time.perf_counter() - before_s)
        used = (time.process_time() - begin_s) / (count * 256 / 48000)
        print(f"{name:<8} {100 * used:5.1f} %, longest block {100 * longest_s / (256 / 48000):.0f} %")


FAULTS = {
    "dropout=40:1@20": "dropout",
    "lost_block=256@12": "lost_samples",
    "level=-30": "wrong_level",
    "dead:2": "dead_channel",
    "inverted:1": "inverted_polarity",
    "hum=-40": "hum",
    "clip=40": "clipping",
    "speed=-3@15": "wrong_speed",
    "speed=-50@15": "wrong_speed",
    "disconnect@15": "no_signal",
    "xrun=100@15": "xruns",
}


def case_faults(seconds: float, real_time: bool) -> None:
    print(f"{'fault':<20} {'expected':<18} {'named':<6} exit  all that is named; verdict")
    for fault, name in FAULTS.items():
        live = real_time or fault.startswith(("xrun", "disconnect"))
        machine = MACHINE if fault.startswith("speed") else WIRE
        with (
            tempfile.TemporaryDirectory() as place,
            server(sample_rate=44100, period=1024, real_time=live) as environment,
        ):
            folder = Path(place)
            prepared(folder, seconds=seconds)
            with deck(environment, folder, *machine, "--fault", fault, *([] if live else ["--free-wheel"])):
                result = record(environment, folder, "--no-level-check")
        names = sorted({finding["name"] for finding in result["check"]["findings"]})
        first = next((f["text"] for f in result["check"]["findings"] if f["name"] == name), "-")
        print(
            f"{fault:<20} {name:<18} {name in names!s:<6} {result['exit_code']}     {', '.join(names)}; {first}",
            flush=True,
        )


CASES = {
    "faults": case_faults,
    "truth": case_truth,
    "lost": case_lost,
    "kill": case_kill,
    "long": case_long,
    "deck": case_deck,
}
SECONDS = {"faults": 40.0, "truth": 60.0, "lost": 600.0, "kill": 60.0, "long": 3600.0, "deck": 20.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--real-time", action="store_true")
    arguments = parser.parse_args()
    CASES[arguments.case](arguments.seconds or SECONDS[arguments.case], arguments.real_time)


if __name__ == "__main__":
    main()
