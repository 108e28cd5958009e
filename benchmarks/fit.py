"""How near the fitted tape machine comes, and how well its knobs are found again.

Run ``python -m benchmarks.fit`` for machines whose knobs are known, ``--akai`` for the recordings of a real machine in
``../shared/data/akai`` (each clip fitted to its own first four fifths, judged by its last). Times are CPU seconds.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.akai_preset import RECORDINGS, STARTING_S, TAKES, aligned_take
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.fit.knobs import MAGNETIC
from tapemeasure.fit.machine import FitPlan, fit_machine
from tapemeasure.fit.result import MachineFit
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings, preset_settings
from tapemeasure.params.stages import PilotParams
from tapemeasure.signals.pilots import describe_pilot, pilot_samples
from tapemeasure.signals.programme import synthesize_programme

SAMPLE_RATE = 44100
DURATION_S = 20.0
TOY = {"output_gain_db": -6.0, "drive": 0.75, "saturation": 0.75, "bias": 0.0}
WOBBLE = {
    "wow_depth": 0.75, "wow_variance": 1.0, "flutter_depth": 0.75, "head_delay_ms": 160.0, "hiss_dbfs": -66.0,
    "hum_dbfs": -75.0,
}  # fmt: skip
BIASED = {"drive": 0.4, "saturation": 0.3, "bias": 0.6, "input_gain_db": -6.0}
WITH_GAIN = (*MAGNETIC, "input_gain_db")


@dataclass(frozen=True)
class Case:
    """A machine whose knobs are known, and what of it is searched."""

    name: str
    settings: Mapping[str, object]
    names: tuple[str, ...] = MAGNETIC
    base: TapeSettings | None = None


CASES = (
    Case("published toy", TOY),
    Case("toy, input +5 dB, unknown", {**TOY, "input_gain_db": 5.0}, WITH_GAIN),
    Case("toy, hiss -66 dBFS", {**TOY, "hiss_dbfs": -66.0}),
    Case("toy, hiss -46 dBFS", {**TOY, "hiss_dbfs": -46.0}),
    Case("biased, input -6 dB, unknown", BIASED, WITH_GAIN),
    Case("sony_tc260, still, losses known", preset_settings("sony_tc260") | {"wow_depth": 0.0, "flutter_depth": 0.0},
         base=TapeSettings(**preset_settings("sony_tc260")).model_copy(update={"drive": 0.5, "bias": 0.5})),
    Case("toy, wow and flutter, hiss", {**TOY, **WOBBLE}),
)  # fmt: skip


def programme(seed: int) -> FloatArray:
    return synthesize_programme(
        length_samples=round(DURATION_S * SAMPLE_RATE),
        sample_rate=SAMPLE_RATE,
        peak_dbfs=-1.0,
        generator=np.random.default_rng(seed),
    )


def recorded(stimulus: FloatArray, settings: TapeSettings, *, seed: int) -> FloatArray:
    """What the machine makes of it, aligned by a pilot where it wobbles."""
    device = TapeDevice(settings, seed=seed)
    if settings.wow_depth == 0.0:
        return device.run(stimulus, sample_rate=SAMPLE_RATE).samples[:, 0]
    pilot = describe_pilot(PilotParams(kind="pulses"), sample_rate=SAMPLE_RATE)
    pulses = pilot_samples(pilot, length_samples=len(stimulus), sample_rate=SAMPLE_RATE)
    both = np.stack((stimulus, pulses), axis=1)
    output = device.run(both, sample_rate=SAMPLE_RATE).samples
    trajectory = track_delay(both, output, sample_rate=SAMPLE_RATE, rate_hz=400.0).trajectory
    aligned = undo_delay(output[:, 0], trajectory, sample_rate=SAMPLE_RATE, length_samples=len(stimulus), half_taps=64)
    return aligned


def told(name: str, fit: MachineFit, spent_s: float, truth: Mapping[str, object] | None = None) -> None:
    errors = fit.held_out
    print(
        f"\n{name}: ESR held out {errors.esr:.3g} (FIR {errors.linear_esr:.3g}, gain {errors.gain_esr:.3g}), fitted "
        f"part {fit.fit_esr:.3g}; response {fit.response}, delay {fit.delay_samples:+.4f} samples; {spent_s:.0f} CPU s"
    )
    for knob in fit.knobs:
        known = f"truth {truth.get(knob.name, 0.0)}" if truth is not None else ""
        held = "" if knob.identified else "not identified"
        print(f"  {knob.name:<15} {knob.value:9.5f} +- {knob.sigma:.2g}  {known} {held}")
    for note in fit.notes:
        print(f"  note: {note}", flush=True)


def known_machines(chosen: str, seed: int) -> None:
    stimulus = programme(seed)
    for case in CASES:
        if chosen not in case.name:
            continue
        target = recorded(stimulus, TapeSettings(**case.settings), seed=seed)  # type: ignore[arg-type]
        begin = time.process_time()
        fit = fit_machine(stimulus, target, sample_rate=SAMPLE_RATE, base=case.base, plan=FitPlan(names=case.names))
        told(case.name, fit, time.process_time() - begin, case.settings)


def real_machine() -> None:
    if not RECORDINGS.is_dir():
        print(f"no recordings in {RECORDINGS.parent.name}/{RECORDINGS.name} beside this checkout; nothing to fit")
        return
    for name in TAKES:
        stimulus, sample_rate = read_audio(RECORDINGS / f"{name}_input.wav")
        take = aligned_take(name, stimulus, read_audio(RECORDINGS / f"{name}_output.wav")[0], sample_rate)
        cut = slice(round(STARTING_S * sample_rate), len(stimulus) - round(STARTING_S * sample_rate))
        begin = time.process_time()
        fit = fit_machine(
            take.stimulus[cut, 0], take.aligned[cut, 0], sample_rate=sample_rate, plan=FitPlan(names=WITH_GAIN)
        )
        told(f"Akai 4000D, {name}", fit, time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--case", default="", metavar="TEXT", help="only the machines whose name holds this text")
    parser.add_argument("--seed", type=int, default=77, help="of the programme and of what is random in the machine")
    parser.add_argument("--akai", action="store_true", help="the recordings of the real machine instead")
    arguments = parser.parse_args()
    if arguments.akai:
        real_machine()
    else:
        known_machines(arguments.case, arguments.seed)


if __name__ == "__main__":
    main()
