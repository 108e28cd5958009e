"""Seeded machines of known faults: what a tone and a silence through them tell, each figure beside its truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, freqz_sos

from tapemeasure.analysis.azimuth import measure_azimuth
from tapemeasure.analysis.crosstalk import measure_crosstalk
from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.dropouts import measure_dropouts
from tapemeasure.analysis.erasure import measure_erasure
from tapemeasure.analysis.modulation_noise import measure_modulation_noise
from tapemeasure.analysis.noise import measure_noise
from tapemeasure.analysis.print_through import measure_print_through
from tapemeasure.analysis.wow_flutter import BANDS_HZ, UNWEIGHTED_HZ, measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.faults import modulation_corner_hz
from tapemeasure.devices.tape.print_through import print_response
from tapemeasure.dsp.flutter_weighting import flutter_weighting_db
from tapemeasure.params import TapeSettings

SAMPLE_RATE = 44100
TONE_HZ = 3150.0
QUIET_S, TONE_S, NOISE_S = 3.0, 24.0, 2.0
PRINT_HZ, PRINT_START_S, PRINT_STOP_S, PRINT_END_S = 1000.0, 3.5, 4.0, 8.0
ERASED_HZ, ERASED_S = 1000.0, 5.0
RANDOM_HZ = {"wow_pct": (0.5, 6.0), "flutter_pct": (6.0, 100.0), "scrape_pct": (100.0, 400.0)}
TRANSPORT_RATE_HZ = 2000.0


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
    yield from erasure_rows(seed)


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


def erasure_rows(seed: int) -> Iterator[Row]:
    """A tone, and what an erase head of known attenuation leaves of it, both played with wow, flutter and hiss."""
    rng = np.random.default_rng([seed, 4])
    settings = machine_of(seed).model_copy(update={"hum_dbfs": None, "crosstalk_db": None, "modulation_noise_db": None})
    known_db = float(rng.uniform(40.0, 75.0))
    full = tone(ERASED_HZ, ERASED_S, level=0.2)
    before = TapeDevice(settings, seed=seed).run(full, sample_rate=SAMPLE_RATE).samples[:, 0]
    # the tape's remainder, played by another pass
    erased = (
        TapeDevice(settings, seed=seed + 10_000)
        .run(10.0 ** (-known_db / 20.0) * full, sample_rate=SAMPLE_RATE)
        .samples[:, 0]
    )
    inside = slice(round(0.5 * SAMPLE_RATE), round((ERASED_S - 0.5) * SAMPLE_RATE))
    found = measure_erasure(before[inside], erased[inside], sample_rate=SAMPLE_RATE, frequency_hz=ERASED_HZ)
    # the magnetic curve passes a soft tone with another gain than a loud one
    soft = TapeDevice(settings.model_copy(update={"hiss_dbfs": None}), seed=seed)
    gains = [
        float(np.std(soft.run(level * full, sample_rate=SAMPLE_RATE).samples[inside, 0])) / level
        for level in (1.0, 10.0 ** (-known_db / 20.0))
    ]
    yield Row("erasure, dB", known_db + 20.0 * float(np.log10(gains[0] / gains[1])), found.erasure_db, found.sigma_db)
