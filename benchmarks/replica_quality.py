"""How good the replica is: the network beside gain and filters, three seeds, and what timing has to do with it.

Run ``python -m benchmarks.replica_quality chowtape_toy`` for a device whose captures are aligned under ``data/``, or
``akai`` for the recordings of a real machine in ``../shared/data/akai``, each clip by a network that heard the others.
``--set hidden_size=16`` changes a setting that params.yaml gives to that device's training.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from benchmarks.akai_preset import RECORDINGS, TAKES, aligned_take
from benchmarks.replica_rivals import WienerHammerstein, replicate
from stages.common import takes_of
from stages.pairs import aligned_pairs, recorded_pairs
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import tone_amplitudes
from tapemeasure.io import read_audio
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.render import render
from tapemeasure.params import load_params
from tapemeasure.params.devices import TapeProfile
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.signals.timeline import Segment
from tapemeasure.training.datasets import AlignedPair, RecordedPair
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.start import start_model

PUBLISHED = {
    "chowtape_toy": "published S1, best lag .0033",
    "chowtape_wowflutter": "published S2, true delay .0083 (behind the delay line; ours against the aligned output)",
    "akai": "published weights .0104 .0128 .0568, its FIR .0056 .0080 .2088",
}
AKAI_SETTINGS = {
    "hidden_size": 8, "fir_taps": 2048, "batch_size": 16, "segment_s": 0.25, "warm_up_samples": 2048,
    "update_samples": 2048, "learning_rate": 0.003, "ema_updates": 50.0, "max_epochs": 30, "patience_epochs": 10,
}  # fmt: skip
STARTING_S, ENDING_S, VALIDATION_SHARE = 0.3, 0.3, 0.2
STEP_EDGE_S = 0.1
LAGS = np.linspace(-1.0, 1.0, 81)
LAG_WINDOW_S = 0.1


@dataclass(frozen=True)
class Sets:
    """What is trained on, validated with and tested with."""

    train: Sequence[AlignedPair]
    validation: Sequence[AlignedPair]
    test: Sequence[AlignedPair]
    recorded: Sequence[RecordedPair] = ()
    replicate: Sequence[FloatArray] = ()
    steps: Sequence[tuple[Segment, FloatArray, FloatArray]] = ()


def device_sets(device: str, scheme: str) -> list[Sets]:
    pairs = aligned_pairs(device)
    recorded = recorded_pairs(device) if scheme != "supervised1" else []
    take, profile = takes_of(device)[0], load_params().device(device)
    again = replicate(take, profile, "test") if isinstance(profile, TapeProfile) else []
    stimulus, aligned, _ = take.read_aligned()
    steps = [] if take.timeline is None else [part for part in take.timeline.segments if part.kind == "step"]
    cuts = [slice(part.start_samples, part.start_samples + part.length_samples) for part in steps]
    heard = [(part, stimulus[cut], aligned[cut]) for part, cut in zip(steps, cuts, strict=True)]
    return [Sets(pairs["train"], pairs["validation"], pairs["test"], recorded, again, heard)]


def akai_sets() -> list[Sets]:
    """Leave one clip out; the last fifth of the others validates."""
    clips = []
    for name in TAKES:
        stimulus, sample_rate = read_audio(RECORDINGS / f"{name}_input.wav")
        take = aligned_take(name, stimulus, read_audio(RECORDINGS / f"{name}_output.wav")[0], sample_rate)
        cut = slice(round(STARTING_S * sample_rate), len(stimulus) - round(ENDING_S * sample_rate))
        clips.append(AlignedPair(name, take.stimulus[cut, 0], take.aligned[cut, 0], sample_rate))

    def part(pair: AlignedPair, cut: slice) -> AlignedPair:
        return AlignedPair(pair.name, pair.input[cut], pair.target[cut], pair.sample_rate)

    sets = []
    for clip in clips:
        others = [other for other in clips if other is not clip]
        edge = round((1.0 - VALIDATION_SHARE) * len(clip.input))
        sets.append(
            Sets([part(o, slice(0, edge)) for o in others], [part(o, slice(edge, None)) for o in others], [clip])
        )
    return sets


def lag_errors(output: FloatArray, target: FloatArray, sample_rate: int) -> tuple[float, float]:
    """ESR at the best constant lag, and rms of the lag left in windows of 0.1 s, microseconds."""
    frequency = np.fft.rfftfreq(len(output), 1.0 / sample_rate)
    spectrum = np.fft.rfft(output)
    moved = [np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency * lag / sample_rate), len(output)) for lag in LAGS]
    best = min(esr(shifted, target) for shifted in moved)
    slope = np.gradient(output)
    size = round(LAG_WINDOW_S * sample_rate)
    n = len(output) // size * size
    top = np.sum((output - target)[:n].reshape(-1, size) * slope[:n].reshape(-1, size), axis=1)
    energy = np.sum(np.square(slope[:n]).reshape(-1, size), axis=1)
    heard = energy > 1e-3 * energy.max()
    return best, 1e6 * float(np.sqrt(np.mean(np.square(top[heard] / energy[heard])))) / sample_rate


def played(model: RecordingPath, pairs: Sequence[AlignedPair]) -> list[FloatArray]:
    return [render(model, pair.input, run_in_samples=pair.sample_rate // 2) for pair in pairs]


def row(name: str, outputs: Sequence[FloatArray], sets: Sets, extra: str = "") -> float:
    """Print one line; the pooled ESR."""
    targets = [pair.target for pair in sets.test]
    total = esr(np.concatenate(outputs), np.concatenate(targets))
    lags = [lag_errors(o, t, sets.test[0].sample_rate) for o, t in zip(outputs, targets, strict=True)]
    worst = max(esr(o, t) for o, t in zip(outputs, targets, strict=True))
    print(f"{name:<24} {total:>9.5f} {lags[0][0]:>9.5f} {lags[0][1]:>9.2f} {worst:>9.5f} {extra}", flush=True)
    return total


def table(sets: Sets, params: TrainNonlinearityParams, *, seeds: int, curve: bool) -> None:
    inputs, targets = [pair.input for pair in sets.train], [pair.target for pair in sets.train]
    print(f"\ntest: {', '.join(pair.name for pair in sets.test)}")
    print(f"{'model':<24} {'ESR':>9} {'best lag':>9} {'lag us':>9} {'worst':>9}")
    row("input", [pair.input for pair in sets.test], sets)
    gain = fit_gain(inputs, targets)
    row("gain", [gain * pair.input for pair in sets.test], sets)
    fir = fit_fir(inputs, targets, taps=2048)
    row("fir 2048", [fir.apply(pair.input) for pair in sets.test], sets)
    begin = time.process_time()
    wiener_hammerstein = WienerHammerstein(sets.train)
    extra = f"{wiener_hammerstein.n_parameters} numbers, {time.process_time() - begin:.0f} CPU s"
    row("Wiener-Hammerstein", [wiener_hammerstein.apply(pair.input) for pair in sets.test], sets, extra)
    if sets.replicate:
        # as many takes as the test set has, all of the first take's settings
        n_heard = len(sets.replicate)
        row("the machine again", sets.replicate, replace(sets, test=sets.test[:n_heard]))
    if params.fir_taps and params.scheme != "adversarial":
        row("linear part alone", _linear_part(sets, params), sets)
    found = []
    for seed in range(1, seeds + 1):
        begin = time.process_time()
        lines: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            result = train_recording_path(
                sets.train,
                sets.validation,
                params.model_copy(update={"seed": seed}),
                checkpoint=Path(folder) / "checkpoint.pt",
                recorded=sets.recorded,
                log=lambda text, begin=begin, lines=lines: lines.append(  # type: ignore[misc]
                    f"{(time.process_time() - begin) / 60.0:.2f} CPU min: {text.split(', at most')[0]}"
                ),
            )
        spent_s = time.process_time() - begin
        begin = time.process_time()
        outputs = played(result.model, sets.test)
        per_sample_us = 1e6 * (time.process_time() - begin) / sum(len(output) for output in outputs)
        size = sum(weight.numel() for weight in result.model.parameters())
        extra = f"{size} weights, {spent_s:.0f} CPU s, {per_sample_us:.2f} us/sample, epoch {result.best_epoch}"
        found.append(row(f"ours, seed {seed}", outputs, sets, extra))
        if curve and seed == 1:
            print("\n".join(lines))
    print(f"{'ours, mean and spread':<24} {np.mean(found):>9.5f} +- {np.std(found):.5f}")
    if sets.steps:
        step_table(sets, result.model)


def step_table(sets: Sets, model: RecordingPath) -> None:
    """Level and harmonics of the stepped tones, the machine's and the last seed's, dB."""
    sample_rate = sets.test[0].sample_rate
    print(f"\n{'tone':>8} {'level dB':>8}   machine: level, 2nd, 3rd, 5th below it | ours | difference of levels")
    for segment, source, target in sets.steps:
        tone_hz = segment.frequencies_hz[0]
        orders = [order for order in (1, 2, 3, 5) if order * tone_hz < 0.45 * sample_rate]
        edge = round(STEP_EDGE_S * sample_rate)
        levels = [
            decibels(samples[edge:-edge], [order * tone_hz for order in orders], sample_rate)
            for samples in (target, render(model, source, run_in_samples=sample_rate // 2))
        ]
        texts = [" ".join(f"{level:7.1f}" for level in [of[0], *(of[1:] - of[0])]) for of in levels]
        print(f"{tone_hz:>8g} {segment.level_dbfs:>8g}   {' | '.join(texts)} | {levels[1][0] - levels[0][0]:6.2f}")


def decibels(samples: FloatArray, tones_hz: Sequence[float], sample_rate: int) -> FloatArray:
    found = np.abs(tone_amplitudes(samples, sample_rate=sample_rate, frequencies_hz=tones_hz))
    return 20.0 * np.log10(np.maximum(found, 1e-9))


def _linear_part(sets: Sets, params: TrainNonlinearityParams) -> list[FloatArray]:
    model = start_model(sets.train, params)
    for weight in (model.output.weight, model.output.bias):
        weight.data.zero_()
    return played(model, sets.test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("device", help="akai, or a device whose captures are aligned under data/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curve", action="store_true", help="print the validation ESR against CPU minutes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the training")
    arguments = parser.parse_args()
    chosen = {key: yaml.safe_load(value) for key, value in (item.split("=", 1) for item in arguments.set)}
    base = AKAI_SETTINGS if arguments.device == "akai" else load_params().training_of(arguments.device).model_dump()
    params = TrainNonlinearityParams(**{**base, **chosen})
    sets = akai_sets() if arguments.device == "akai" else device_sets(arguments.device, params.scheme)
    print(PUBLISHED.get(arguments.device, "nothing published about this device"))
    for part in sets:
        table(part, params, seeds=arguments.seeds, curve=arguments.curve)


if __name__ == "__main__":
    main()
