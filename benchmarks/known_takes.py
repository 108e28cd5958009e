"""Seeded machines of known faults: every figure of a whole take beside that of the same machine without faults."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from benchmarks.known_machines import SAMPLE_RATE, Row
from tapemeasure.analysis.take import TakeMeasurement, measure_take
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.params import StimuliParams, TapeSettings
from tapemeasure.signals.stimulus import Stimulus, build_stimulus

STIMULI = {
    "silence_s": 2.0,
    "programme": {"train_s": 3.0, "validation_s": 0.5, "test_s": 0.5},
    "sweeps": {"duration_s": 3.0, "levels_dbfs": [-18.0]},
    "steps": {
        "frequencies_hz": [1000.0, 10000.0],
        "levels_dbfs": [-36.0, -30.0, -24.0, -18.0, -12.0, -6.0, 0.0, 6.0],
        "duration_s": 0.4,
    },
    "multitone": {"duration_s": 1.5},
    "two_tones": {"pairs_hz": [[250.0, 8000.0]], "duration_s": 1.5},
}
NO_FAULTS = {
    "wow_pct": 0.0, "flutter_pct": 0.0, "hiss_dbfs": -140.0, "hum_dbfs": None,
    "crosstalk_db": None,
}  # fmt: skip
"""The speed's error stays: it moves the losses along the frequency, which is what a response shows."""

SHOWN_HZ = (100.0, 5000.0, 10000.0)


@cache
def stimulus() -> Stimulus:
    return build_stimulus(StimuliParams.model_validate(STIMULI))


def settings_of(seed: int) -> TapeSettings:
    """A machine with a magnetic curve, losses and faults of its own, drawn from the seed."""
    rng = np.random.default_rng([seed, 5])
    return TapeSettings(
        solver="RK2",
        oversampling=1,
        oversampling_mode="minimum_phase",
        drive=float(rng.uniform(0.4, 0.7)),
        saturation=float(rng.uniform(0.4, 0.7)),
        bias=float(rng.uniform(0.4, 0.8)),
        loss=True,
        spacing_um=float(rng.uniform(0.1, 2.0)),
        thickness_um=float(rng.uniform(0.1, 5.0)),
        gap_um=float(rng.uniform(1.0, 4.0)),
        wow_pct=float(rng.uniform(0.02, 0.12)),
        flutter_pct=float(rng.uniform(0.02, 0.12)),
        speed_error_pct=float(rng.uniform(-1.0, 1.0)),
        hiss_dbfs=float(rng.uniform(-75.0, -62.0)),
        hum_dbfs=float(rng.uniform(-80.0, -68.0)),
        crosstalk_db=float(rng.uniform(-60.0, -45.0)),
    )


def measured(settings: TapeSettings, *, seed: int) -> TakeMeasurement:
    """The take of a machine: tracked, aligned and measured as the command does it."""
    played = stimulus()
    output = TapeDevice(settings, seed=seed).run(played.samples, sample_rate=SAMPLE_RATE).samples
    trajectory = track_delay(
        played.samples, output, sample_rate=SAMPLE_RATE, known_pilot=played.timeline.pilot
    ).trajectory
    aligned = undo_delay(output, trajectory, sample_rate=SAMPLE_RATE, length_samples=len(played.samples))
    return measure_take(
        played.samples,
        aligned,
        sample_rate=SAMPLE_RATE,
        timeline=played.timeline,
        trajectory=trajectory,
        captured=output,
    )


def take_rows(seed: int) -> Iterator[Row]:
    """Figures of a machine with faults; the truth is the same machine's without them."""
    settings = settings_of(seed)
    found = figures(measured(settings, seed=seed))
    known = figures(measured(settings.model_copy(update=NO_FAULTS), seed=seed))
    for name, (value, sigma) in found.items():
        if name in known:
            yield Row(name, known[name][0], value, sigma)


def figures(take: TakeMeasurement) -> dict[str, tuple[float, float]]:
    """Value and standard uncertainty of the figures that faults of the transport and noise must not move."""
    values: dict[str, tuple[float, float]] = {}

    def add(name: str, value: float | None, sigma: float | None) -> None:
        if value is not None and sigma is not None:
            values[name] = (float(value), float(sigma))

    def at(frequency: FloatArray, curve: FloatArray, wanted_hz: float) -> float:
        return float(np.interp(wanted_hz, frequency, curve))

    details = take.details
    if (response := take.response) is not None:
        add("sweep: gain at 1 kHz, dB", response.gain_db, response.gain_sigma_db)
        add("sweep: upper -3 dB point, Hz", response.high_3db_hz, response.high_3db_sigma_hz)
        for shown_hz in SHOWN_HZ:
            value, sigma = (
                at(response.frequency_hz, curve, shown_hz) for curve in (response.magnitude_db, response.sigma_db)
            )
            add(f"sweep: gain at {shown_hz:g} Hz, dB", value, sigma)
    for name, other in (("programme", details.programme_response), ("multitone", details.multitone_response)):
        if other is not None:
            add(f"{name}: gain at 1 kHz, dB", other.gain_db, other.gain_sigma_db)
            value, sigma = (at(other.frequency_hz, curve, 5000.0) for curve in (other.magnitude_db, other.sigma_db))
            add(f"{name}: gain at 5 kHz, dB", value, sigma)
    for harmonic in take.harmonic_response:
        if harmonic.order == 3:
            value, sigma = (
                at(harmonic.frequency_hz, curve, 1000.0) for curve in (harmonic.magnitude_db, harmonic.sigma_db)
            )
            add("sweep: third harmonic at 1 kHz, dB", value, sigma)
    for curve in take.thd_vs_level:
        if curve.frequency_hz == 1000.0:
            for level_dbfs in (-12.0, 0.0):
                step = int(np.argmin(np.abs(curve.level_dbfs - level_dbfs)))
                add(f"steps: THD at {level_dbfs:g} dBFS, %", curve.thd_pct[step], curve.thd_sigma_pct[step])
                add(f"steps: gain at {level_dbfs:g} dBFS, dB", curve.gain_db[step], curve.gain_sigma_db[step])
    for name, maximum in (("MOL", details.maximum_output), ("SOL", details.saturation_output)):
        # what does not saturate is told as "at least"
        if maximum is not None and (name == "MOL" or maximum.saturated):
            add(f"{name}, dBFS", maximum.output_dbfs, maximum.sigma_db)
    for compression in details.compression:
        if compression.frequency_hz == 1000.0:
            add("compressed by 1 dB at, dBFS", compression.level_1db_dbfs, compression.level_1db_sigma_db)
    for pair in details.intermodulation:
        add("intermodulation, order 2, %", pair.second_order_pct, pair.second_sigma_pct)
        add("intermodulation, order 3, %", pair.third_order_pct, pair.third_sigma_pct)
    for loop in details.hysteresis:
        if loop.frequency_hz == 1000.0 and abs(loop.level_dbfs) < 1.0:
            add("loop: remanence over peak", loop.remanence, loop.remanence_sigma)
            add("loop: coercive input", loop.coercive_level, loop.coercive_sigma)
    if details.head_bump is not None:
        add("head bump, dB", details.head_bump.height_db, details.head_bump.sigma_db)
        add("head bump, Hz", details.head_bump.frequency_hz, details.head_bump.frequency_sigma_hz)
    if details.group_delay is not None:
        delay = details.group_delay
        value, sigma = (at(delay.frequency_hz, curve, 5000.0) for curve in (delay.delay_us, delay.sigma_us))
        reference = at(delay.frequency_hz, delay.delay_us, 1000.0)
        add("group delay, 5 kHz re 1 kHz, us", value - reference, sigma)
    if details.equalisation is not None:
        add("response against flat, dB rms", details.equalisation.rms_db, details.equalisation.rms_sigma_db)
    return values
