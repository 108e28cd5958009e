"""Accuracy of wow and flutter, weightings and noise: against tables, closed forms and machines of known faults.

Run ``python -m benchmarks.measures``; ``--machines 200`` for the full number of seeded machines (10 by default, some
seconds each). Every row of the last table tells how often a known fault lay within two stated standard uncertainties.
The real machine's recordings are read from ``../shared/data/akai`` beside the checkout; without them a line says so.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, freqz_sos

from tapemeasure.analysis.azimuth import measure_azimuth
from tapemeasure.analysis.crosstalk import measure_crosstalk
from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.dropouts import measure_dropouts
from tapemeasure.analysis.modulation_noise import measure_modulation_noise
from tapemeasure.analysis.noise import measure_noise
from tapemeasure.analysis.print_through import measure_print_through
from tapemeasure.analysis.quasi_peak import noise_quasi_peak
from tapemeasure.analysis.wow_flutter import BANDS_HZ, UNWEIGHTED_HZ, measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.faults import modulation_corner_hz
from tapemeasure.devices.tape.print_through import print_response
from tapemeasure.dsp.flutter_weighting import FLUTTER_TABLE, flutter_weighting_db, flutter_weighting_sections
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "akai"
SILENCE_S = (1.05, 2.15)
SAMPLE_RATE = 44100
TONE_HZ = 3150.0
QUIET_S, TONE_S, NOISE_S = 3.0, 24.0, 2.0
PRINT_HZ, PRINT_START_S, PRINT_STOP_S, PRINT_END_S = 1000.0, 3.5, 4.0, 8.0
RANDOM_HZ = {"wow_pct": (0.5, 6.0), "flutter_pct": (6.0, 100.0), "scrape_pct": (100.0, 400.0)}
TRANSPORT_RATE_HZ = 2000.0
BURSTS_MS = {1: 17.0, 2: 26.6, 5: 40.0, 10: 48.0, 20: 52.0, 50: 59.0, 100: 68.0, 200: 80.0}
BURSTS_HZ = {2: 48.0, 10: 77.0, 100: 97.0}
AKAI = {"unweighted rms": 0.161, "weighted rms": 0.112, "weighted two-sigma": 0.213}


@dataclass(frozen=True)
class Row:
    """A known fault beside its measured value and standard uncertainty."""

    name: str
    truth: float
    found: float
    sigma: float


def tone(frequency_hz: float, duration_s: float, *, level: float, sample_rate: int = SAMPLE_RATE) -> FloatArray:
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return np.asarray(level * np.sin(2.0 * np.pi * frequency_hz * time_s))


def machine_of(seed: int) -> TapeSettings:
    """A machine with faults of its own, drawn from the seed."""
    rng = np.random.default_rng([seed, 1])
    return TapeSettings(
        solver="RK2",
        oversampling=1,
        oversampling_mode="minimum_phase",
        wow_pct=float(rng.uniform(0.02, 0.15)),
        flutter_pct=float(rng.uniform(0.02, 0.15)),
        scrape_pct=float(rng.uniform(0.02, 0.08)),
        speed_error_pct=float(rng.uniform(-1.5, 1.5)),
        azimuth_urad=float(rng.uniform(-800.0, 800.0)),
        azimuth_jitter_urad=float(rng.uniform(50.0, 300.0)),
        modulation_noise_db=float(rng.uniform(-50.0, -35.0)),
        hiss_dbfs=float(rng.uniform(-75.0, -60.0)),
        hum_dbfs=float(rng.uniform(-75.0, -60.0)),
        hum_hz=float(rng.choice([50.0, 60.0])),
        crosstalk_db=float(rng.uniform(-60.0, -35.0)),
    )


def expected_rms_pct(settings: TapeSettings, gain_db: Callable[[FloatArray], FloatArray]) -> float:
    """Closed form: rms of the random bands of both passes behind a gain."""
    frequency = np.geomspace(0.01, 990.0, 20000)
    total = 0.0
    for name, band_hz in RANDOM_HZ.items():
        sections = butter(2, band_hz, "bandpass", fs=TRANSPORT_RATE_HZ, output="sos")
        density = np.abs(freqz_sos(sections, frequency, fs=TRANSPORT_RATE_HZ)[1]) ** 2
        # the machine integrates with the trapezoidal rule
        density *= (np.pi * frequency / TRANSPORT_RATE_HZ / np.tan(np.pi * frequency / TRANSPORT_RATE_HZ)) ** 2
        weighted = density * 10.0 ** (gain_db(frequency) / 10.0)
        part = np.trapezoid(weighted, frequency) / np.trapezoid(density, frequency)
        total += 2.0 * getattr(settings, name) ** 2 * float(part)
    return float(np.sqrt(total))


def band_db(low_hz: float, high_hz: float) -> Callable[[FloatArray], FloatArray]:
    return lambda frequency: np.where((frequency >= low_hz) & (frequency < high_hz), 0.0, -300.0)


def machine_rows(seed: int) -> Iterator[Row]:
    """All faults of one machine."""
    settings = machine_of(seed)
    quiet = np.zeros(round(QUIET_S * SAMPLE_RATE))
    both = np.concatenate([quiet, tone(TONE_HZ, TONE_S, level=0.2), quiet[: SAMPLE_RATE // 2]])
    noise = 0.1 * np.random.default_rng([seed, 2]).standard_normal(round(NOISE_S * SAMPLE_RATE))
    left = np.concatenate([both, noise, quiet[: SAMPLE_RATE // 2]])
    right = np.concatenate([both, np.zeros(len(noise) + SAMPLE_RATE // 2)])
    capture = TapeDevice(settings, seed=seed).run(np.stack([left, right], axis=1), sample_rate=SAMPLE_RATE)
    late_s = float(np.median(capture.truth.delay_s)) if capture.truth is not None else 0.0
    moving_s = 0.5 + abs(settings.speed_error_pct) / 100.0 * TONE_S
    silence = capture.samples[: round((QUIET_S - 0.3) * SAMPLE_RATE)]
    first, stop = QUIET_S + max(late_s, 0.0) + moving_s, QUIET_S + TONE_S + min(late_s, 0.0) - moving_s
    played = capture.samples[round(first * SAMPLE_RATE) : round(stop * SAMPLE_RATE)]
    yield from speed_rows(settings, played[:, 0])
    yield from noise_rows(settings, silence[:, 0], capture.details["truth"]["hum"])
    modulation = measure_modulation_noise(
        played[:, 0], sample_rate=SAMPLE_RATE, frequency_hz=TONE_HZ, silence=silence[:, 0]
    )
    corner = modulation_corner_hz(settings)
    part = 2.0 / np.pi * (np.arctan(modulation.high_hz / corner) - np.arctan(modulation.low_hz / corner))
    # the other track's tone leaks in with the same tone and a modulation of its own
    leak = 10.0 ** ((settings.crosstalk_db or 0.0) / 20.0)
    part *= (1.0 + leak**2) / (1.0 + leak) ** 2
    known_db = (settings.modulation_noise_db or 0.0) + 10.0 * float(np.log10(part))
    yield Row("modulation noise, dB", known_db, modulation.level_db, modulation.sigma_db)
    begin = round((QUIET_S + TONE_S + 0.5 + late_s + 0.3) * SAMPLE_RATE)
    track = capture.samples[begin : begin + round(1.2 * SAMPLE_RATE)]
    crosstalk = measure_crosstalk(track[:, 0], track[:, 1], sample_rate=SAMPLE_RATE)
    yield Row("crosstalk, dB", settings.crosstalk_db or 0.0, crosstalk.overall_db, crosstalk.overall_sigma_db)
    azimuth = measure_azimuth(played[:, 0], played[:, 1], sample_rate=SAMPLE_RATE, crosstalk_db=crosstalk.overall_db)
    skew_us = 1e6 * capture.truths["azimuth"].delay_s
    # the machine tells what lies between the tracks at nominal speed
    faster = 1.0 + settings.speed_error_pct / 100.0
    per_urad = 1e-3 * settings.track_distance_mm / (0.0254 * settings.speed_ips * faster)
    yield Row("azimuth, static, us", per_urad * settings.azimuth_urad, azimuth.static_us, azimuth.static_sigma_us)
    yield Row("azimuth, dynamic, us", float(np.std(skew_us)) / faster, azimuth.dynamic_us, azimuth.dynamic_sigma_us)
    yield from fault_rows(seed)


def speed_rows(settings: TapeSettings, played: FloatArray) -> Iterator[Row]:
    found = measure_wow_flutter(tone_trajectory(played, sample_rate=SAMPLE_RATE))
    yield Row("speed error, %", settings.speed_error_pct, found.speed_error_pct, found.speed_error_sigma_pct)
    curves = {"weighted_rms": flutter_weighting_db, "unweighted_rms": band_db(*UNWEIGHTED_HZ)}
    curves |= {name: band_db(*BANDS_HZ[name]) for name in ("wow", "flutter", "scrape")}
    for name, curve in curves.items():
        truth, value = expected_rms_pct(settings, curve), getattr(found, f"{name}_pct")
        yield Row(f"{name.replace('_', ' ')}, %", truth, value, getattr(found, f"{name}_sigma_pct"))


def noise_rows(settings: TapeSettings, silence: FloatArray, hum: list[dict[str, float]]) -> Iterator[Row]:
    found = measure_noise([silence], sample_rate=SAMPLE_RATE)
    hum_power = 10.0 ** ((settings.hum_dbfs or 0.0) / 10.0)
    total_db = 10.0 * float(np.log10(10.0 ** ((settings.hiss_dbfs or 0.0) / 10.0) + hum_power))
    yield Row("noise, dBFS", total_db, found.level_dbfs, found.level_sigma_db)
    comb = found.hum_50hz_dbfs if settings.hum_hz == 50.0 else found.hum_60hz_dbfs
    heard = {line.frequency_hz for line in found.hum_lines}
    lines = sum(10.0 ** (line["level_dbfs"] / 10.0) for line in hum if line["frequency_hz"] in heard) or float("nan")
    sigma = found.hum_50hz_sigma_db if settings.hum_hz == 50.0 else found.hum_60hz_sigma_db
    missing = float("nan")
    yield Row(
        "hum, dBFS",
        10.0 * float(np.log10(lines)),
        missing if comb is None else comb,
        missing if sigma is None else sigma,
    )


def fault_rows(seed: int) -> Iterator[Row]:
    """Dropouts and print-through, each on a machine that has nothing else but hiss."""
    rng = np.random.default_rng([seed, 3])
    plain = {"solver": "RK2", "oversampling": 1, "oversampling_mode": "minimum_phase", "hiss_dbfs": -70.0}
    settings = TapeSettings(
        **plain, dropouts_per_minute=20.0, dropout_depth_db=14.0, dropout_length_ms=float(rng.uniform(10.0, 40.0))
    )
    capture = TapeDevice(settings, seed=seed).run(tone(TONE_HZ, 20.0, level=0.2), sample_rate=SAMPLE_RATE)
    found = measure_dropouts(capture.samples[:, 0], sample_rate=SAMPLE_RATE, frequency_hz=TONE_HZ)
    events = [event for event in capture.details["truth"]["dropouts"] if event["depth_db"] > found.threshold_db]
    minutes = found.duration_s / 60.0
    yield Row("dropouts per minute", 20.0, found.per_minute, found.per_minute_sigma)
    yield Row("dropouts found in the take", len(events) / minutes, found.per_minute, 0.5 / minutes)
    level_db = float(rng.uniform(-60.0, -40.0))
    settings = TapeSettings(**plain, print_through_db=level_db)
    stimulus = np.zeros(round(PRINT_END_S * SAMPLE_RATE))
    burst = tone(PRINT_HZ, PRINT_STOP_S - PRINT_START_S, level=0.3)
    stimulus[round(PRINT_START_S * SAMPLE_RATE) :][: len(burst)] = burst
    output = TapeDevice(settings, seed=seed).run(stimulus, sample_rate=SAMPLE_RATE).samples[:, 0]
    echoes = measure_print_through(
        output,
        sample_rate=SAMPLE_RATE,
        start_s=PRINT_START_S,
        stop_s=PRINT_STOP_S,
        silent_from_s=0.0,
        silent_until_s=PRINT_END_S,
    )
    response = print_response(np.array([PRINT_HZ]), speed_ips=settings.speed_ips, tape_um=settings.tape_um)
    truth_db = level_db + 20.0 * float(np.log10(response[0]))
    for name, echo in (("before", echoes.before), ("after", echoes.after)):
        if echo is not None:
            yield Row(f"print-through {name}, dB", truth_db, echo.level_db, echo.sigma_db)


def print_machines(n_machines: int) -> None:
    rows: dict[str, list[Row]] = {}
    for seed in range(1, n_machines + 1):
        for row in machine_rows(seed):
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
        found = measure_wow_flutter(tone_trajectory(capture.samples[:, 0], sample_rate=SAMPLE_RATE))
        known = measure_wow_flutter(capture.truth)
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
            print(
                f"  hiss above 200 Hz {noise.level_above_200hz_dbfs:.2f} dBFS (-66.4), A {noise.level_a_dbfs:.2f} "
                f"dBFS (-69.2), hum {noise.hum_50hz_dbfs} dBFS at {[line.frequency_hz for line in noise.hum_lines]} Hz"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--machines", type=int, default=10, metavar="N", help="seeded machines")
    arguments = parser.parse_args()
    print_weightings()
    print_wow_flutter()
    print_akai()
    print_machines(arguments.machines)


if __name__ == "__main__":
    main()
