"""Accuracy of wow and flutter, weightings and noise: against tables, closed forms and machines of known faults.

Run ``python -m benchmarks.measures``; ``--machines 200`` for the full number of seeded machines (10 by default, some
seconds each). Every row of the last table tells how often a known fault lay within two stated standard uncertainties.
The real machine's recordings are read from ``../shared/data/akai`` beside the checkout; without them a line says so.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.signal import freqz_sos

from benchmarks.known_machines import SAMPLE_RATE, TONE_HZ, Row, machine_rows, tone
from benchmarks.known_takes import take_rows
from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.noise import measure_noise
from tapemeasure.analysis.quasi_peak import noise_quasi_peak
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.dsp.flutter_weighting import FLUTTER_TABLE, flutter_weighting_db, flutter_weighting_sections
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "akai"
SILENCE_S = (1.05, 2.15)
BURSTS_MS = {1: 17.0, 2: 26.6, 5: 40.0, 10: 48.0, 20: 52.0, 50: 59.0, 100: 68.0, 200: 80.0}
BURSTS_HZ = {2: 48.0, 10: 77.0, 100: 97.0}
AKAI = {"unweighted rms": 0.161, "weighted rms": 0.112, "weighted two-sigma": 0.213}


def print_machines(n_machines: int, *, first: int = 1) -> None:
    rows: dict[str, list[Row]] = {}
    for seed in range(first, first + n_machines):
        for row in (*machine_rows(seed), *take_rows(seed)):
            rows.setdefault(row.name, []).append(row)
    print(f"\nknown faults of {n_machines} machines (two-sigma coverage)")
    print(
        f"{'fault':<28} {'machines':>8} {'within':>8} {'error rms':>10} {'sigma':>10} {'mean error':>11} {'missed':>7}"
    )
    for name, found in rows.items():
        known = [row for row in found if np.isfinite(row.found) and np.isfinite(row.sigma)]
        errors = np.array([row.found - row.truth for row in known])
        sigmas = np.array([row.sigma for row in known])
        within = 100.0 * float(np.mean(np.abs(errors) <= 2.0 * sigmas)) if known else float("nan")
        figures = [float(np.sqrt(np.mean(values**2))) if known else float("nan") for values in (errors, sigmas)]
        mean = float(np.mean(errors)) if known else float("nan")
        missed = len(found) - len(known)
        print(
            f"{name:<28} {len(found):8d} {within:6.1f} % {figures[0]:10.4g} {figures[1]:10.4g} {mean:11.3g} {missed:7d}"
        )


def print_weightings() -> None:
    table = np.array(FLUTTER_TABLE)
    off_line = np.max(np.abs(flutter_weighting_db(table[:, 0]) - table[:, 1]))
    print(f"weighting at the 17 points, off line: {off_line:.4f} dB (<= 0.05)")
    for rate_hz in (500.0, 1000.0, 3000.0):
        response = freqz_sos(flutter_weighting_sections(rate_hz), table[:, 0], fs=rate_hz)[1]
        causal = np.max(np.abs(20.0 * np.log10(np.abs(response)) - table[:, 1]))
        print(f"  causal at {rate_hz:g} points a second: {causal:.3f} dB (<= 0.3)")
    steady = noise_quasi_peak(tone(5000.0, 2.0, level=1.0), sample_rate=SAMPLE_RATE)[-1000:].mean()
    errors = []
    for length_ms, percent in BURSTS_MS.items():
        burst = np.concatenate([np.zeros(4410), tone(5000.0, 1e-3 * length_ms, level=1.0), np.zeros(30000)])
        errors.append(noise_quasi_peak(burst, sample_rate=SAMPLE_RATE).max() / steady / (percent / 100.0))
    for per_second, percent in BURSTS_HZ.items():
        one, samples = tone(5000.0, 5e-3, level=1.0), np.zeros(4 * SAMPLE_RATE)
        for start in np.arange(4 * per_second) * SAMPLE_RATE // per_second:
            samples[start : start + len(one)] = one
        errors.append(noise_quasi_peak(samples, sample_rate=SAMPLE_RATE).max() / steady / (percent / 100.0))
    levels = " ".join(f"{20.0 * np.log10(error):+.3f}" for error in errors)
    print(f"quasi-peak, eleven bursts, dB (<= 0.2): {levels}")


def print_wow_flutter() -> None:
    """A tone through the machine, against the same figures of its known trajectory."""
    print("\nwow and flutter of a 3150 Hz tone through a machine against its true trajectory, error in % (<= 0.2)")
    for seed in range(1, 6):
        settings = TapeSettings(
            solver="RK2", oversampling=1, oversampling_mode="minimum_phase", hiss_dbfs=-66.0, wow_pct=0.06,
            flutter_pct=0.06, capstan_pct=0.05, pinch_roller_pct=0.04,
        )  # fmt: skip
        capture = TapeDevice(settings, seed=seed).run(tone(TONE_HZ, 20.0, level=0.2), sample_rate=SAMPLE_RATE)
        if capture.truth is None:
            continue
        told = tone_trajectory(capture.samples[:, 0], sample_rate=SAMPLE_RATE)
        # at the same moments: a band of random flutter differs by 0.3 % where its record is 7 ms longer
        true_s = capture.truth.at(told.time_s)
        truth = DelayTrajectory(told.start_s, told.rate_hz, true_s, np.zeros(len(true_s)), told.valid)
        found, known = measure_wow_flutter(told), measure_wow_flutter(truth)
        names = ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_rms_pct", "unweighted_rms_pct", "flutter_pct")
        errors = ((name, 100.0 * (getattr(found, name) / getattr(known, name) - 1.0)) for name in names)
        print("  " + ", ".join(f"{name.removesuffix('_pct')} {error:+.3f}" for name, error in errors))


def print_akai() -> None:
    if not RECORDINGS.is_dir():
        print("\nthe real machine: its recordings are not beside this checkout")
        return
    print(f"\nthe real machine (known: {', '.join(f'{name} {value} %' for name, value in AKAI.items())})")
    for name in ("io_1", "io_4", "io_5"):
        stimulus, sample_rate = read_audio(RECORDINGS / f"{name}_input.wav")
        output, _ = read_audio(RECORDINGS / f"{name}_output.wav")
        trajectory = track_delay(stimulus, output, sample_rate=sample_rate).trajectory
        found = measure_wow_flutter(trajectory)
        print(
            f"  {name}: unweighted rms {found.unweighted_rms_pct:.4f}, weighted rms {found.weighted_rms_pct:.4f}, "
            f"two-sigma {found.weighted_2sigma_pct:.4f} +- {found.weighted_2sigma_sigma_pct:.4f} %"
        )
        if name == "io_4":
            first, stop = (round((edge + float(np.median(trajectory.delay_s))) * sample_rate) for edge in SILENCE_S)
            noise = measure_noise([output[first:stop, 0]], sample_rate=sample_rate)
            lines_hz = [round(line.frequency_hz, 2) for line in noise.hum_lines]
            print(
                f"  hiss above 200 Hz {noise.level_above_200hz_dbfs:.2f} dBFS (-66.4), A {noise.level_a_dbfs:.2f} "
                f"dBFS (-69.2), hum {_level(noise.hum_50hz_dbfs)} at {lines_hz} Hz"
            )


def _level(level_dbfs: float | None) -> str:
    return "not found" if level_dbfs is None else f"{level_dbfs:.2f} dBFS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--machines", type=int, default=10, metavar="N", help="seeded machines")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="seed of the first of them")
    arguments = parser.parse_args()
    print_weightings()
    print_wow_flutter()
    print_akai()
    print_machines(arguments.machines, first=arguments.first)


if __name__ == "__main__":
    main()
