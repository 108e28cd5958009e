"""How good the replica is: the network of every scheme beside gain, filters and a fitted machine, several seeds.

Run ``python -m benchmarks.replica_quality chowtape_toy`` for a device whose captures are aligned under ``data/``, or
``akai`` for the recordings of a real machine in ``../shared/data/akai``, each clip by a network that heard the others.
``--set hidden_size=16`` changes a setting that params.yaml gives to that device's training, ``--schemes`` chooses the
schemes, ``--csv FILE`` keeps the rows, ``--curve FILE`` how the first seed's error fell with the CPU time
(`benchmarks.replica_curve` draws it).

All rows have the same split and the same alignment. ``at lag`` is the error once one constant lag (``lag us``, positive
= late) is undone, ``left us`` the lag that moves; the columns stand in `benchmarks.replica_scores`.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
import yaml

from benchmarks.akai_preset import RECORDINGS, TAKES, aligned_take
from benchmarks.replica_rivals import FittedMachine, WienerHammerstein, replicate
from benchmarks.replica_scores import (
    HEADINGS,
    Heard,
    Play,
    Scores,
    Sets,
    decibels,
    errors_of,
    mean_and_spread,
    scores,
    write_csv,
)
from stages.common import Take, takes_of
from stages.pairs import aligned_pairs, recorded_pairs
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.io import read_audio
from tapemeasure.models.recording_path import RecordingPath
from tapemeasure.models.render import render
from tapemeasure.params import load_params
from tapemeasure.params.devices import TapeProfile
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, RecordedPair, recorded_pair
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.start import start_model

PUBLISHED = {
    "chowtape_toy": (("published S1", 0.0229, 0.0033),),
    "chowtape_wowflutter": (("published S2, true delay", 0.0091, 0.0083),),
    "io_1": (("published S1", 0.0104, None), ("published FIR", 0.0056, None)),
    "io_4": (("published S1", 0.0128, None), ("published FIR", 0.0080, None)),
    "io_5": (("published S1", 0.0568, None), ("published FIR", 0.2088, None)),
}
"""ESR as recorded and at the best constant lag, recomputed from the published audio and weights."""

AKAI_SETTINGS = {
    "hidden_size": 8, "fir_taps": 2048, "batch_size": 16, "segment_s": 0.25, "warm_up_samples": 2048,
    "update_samples": 2048, "learning_rate": 0.001, "fir_learning_rate": 0.0, "ema_updates": 50.0, "max_epochs": 30,
    "patience_epochs": 10,
}  # fmt: skip
STARTING_S, ENDING_S, VALIDATION_SHARE = 0.3, 0.3, 0.2
STEP_EDGE_S = 0.1
SHORT = {"supervised1": "S1", "supervised2": "S2", "joint": "joint", "adversarial": "adversarial"}


def device_sets(device: str) -> list[Sets]:
    pairs = aligned_pairs(device)
    take, profile = takes_of(device)[0], load_params().device(device)
    again = replicate(take, profile, "test") if isinstance(profile, TapeProfile) else []
    recorded = recorded_pairs(device)
    steps, sweeps = heard_of(take, "step"), heard_of(take, "sweep")
    published = PUBLISHED.get(device, ())
    return [Sets(pairs["train"], pairs["validation"], pairs["test"], recorded, again, steps, sweeps, published)]


def heard_of(take: Take, kind: str) -> list[Heard]:
    """Segments of a kind with what went in and what came out."""
    if take.timeline is None:
        return []
    stimulus, aligned, _ = take.read_aligned()
    parts = [part for part in take.timeline.segments if part.kind == kind]
    cuts = [slice(part.start_samples, part.start_samples + part.length_samples) for part in parts]
    return [(part, stimulus[cut], aligned[cut]) for part, cut in zip(parts, cuts, strict=True)]


def akai_sets() -> list[Sets]:
    """Leave one clip out; the last fifth of the others validates."""
    clips, recorded = [], []
    for name in TAKES:
        stimulus, sample_rate = read_audio(RECORDINGS / f"{name}_input.wav")
        take = aligned_take(name, stimulus, read_audio(RECORDINGS / f"{name}_output.wav")[0], sample_rate)
        start, stop = round(STARTING_S * sample_rate), len(stimulus) - round(ENDING_S * sample_rate)
        clips.append(AlignedPair(name, take.stimulus[start:stop, 0], take.aligned[start:stop, 0], sample_rate))
        edge = start + round((1.0 - VALIDATION_SHARE) * (stop - start))
        delay_s = take.trajectory.at(np.arange(len(take.output)) / sample_rate)
        recorded.append(
            recorded_pair(name, take.stimulus[:, 0], take.output[:, 0], delay_s, sample_rate=sample_rate,
                          start_samples=start, stop_samples=edge)
        )  # fmt: skip

    def part(pair: AlignedPair, first: float, last: float) -> AlignedPair:
        cut = slice(round(first * len(pair.input)), round(last * len(pair.input)))
        return AlignedPair(pair.name, pair.input[cut], pair.target[cut], pair.sample_rate)

    edge_share = 1.0 - VALIDATION_SHARE
    sets = []
    for clip in clips:
        others = [other for other in clips if other is not clip]
        late: Sequence[RecordedPair] = [pair for pair in recorded if pair.name != clip.name]
        trains, validates = ([part(o, *ends) for o in others] for ends in ((0.0, edge_share), (edge_share, 1.0)))
        sets.append(Sets(trains, validates, [clip], late, published=PUBLISHED[clip.name]))
    return sets


def player(model: RecordingPath, sample_rate: int) -> Play:
    return lambda samples: render(model, samples, run_in_samples=sample_rate // 2)


def told(row: Scores, rows: list[Scores]) -> None:
    print(row.text(), flush=True)
    rows.append(row)


def rivals(sets: Sets, params: TrainNonlinearityParams, rows: list[Scores]) -> None:
    """The rows that are no network."""
    inputs, targets = [pair.input for pair in sets.train], [pair.target for pair in sets.train]
    told(scores("input", lambda samples: samples, sets), rows)
    gain = fit_gain(inputs, targets)
    told(scores("gain", lambda samples: gain * samples, sets, numbers=1), rows)
    for taps in dict.fromkeys((2048, params.fir_taps or 2048)):
        begin = time.process_time()
        fir = fit_fir(inputs, targets, taps=taps)
        spent_s = time.process_time() - begin
        told(scores(f"FIR {taps}", fir.apply, sets, numbers=taps, training_cpu_s=spent_s), rows)
    begin = time.process_time()
    wiener_hammerstein = WienerHammerstein(sets.train, last_taps=params.fir_taps or 2048)
    spent_s = time.process_time() - begin
    numbers = wiener_hammerstein.n_parameters
    told(scores("Wiener-Hammerstein", wiener_hammerstein.apply, sets, numbers=numbers, training_cpu_s=spent_s), rows)
    begin = time.process_time()
    machine = FittedMachine(sets.train, fir_taps=params.fir_taps or 2048)
    spent_s = time.process_time() - begin
    name = f"fitted machine, {machine.response}"
    told(scores(name, machine.apply, sets, numbers=machine.n_parameters, training_cpu_s=spent_s), rows)
    if sets.replicate:
        told(errors_of("the machine again", sets.replicate, sets), rows)
    if params.fir_taps:
        told(
            scores("ours, linear part alone", player(_linear_part(sets, params), sets.test[0].sample_rate), sets), rows
        )
    for name, raw, at_lag in sets.published:
        told(Scores(sets.name, name, esr=raw, best_lag_esr=at_lag), rows)


def network(
    sets: Sets, params: TrainNonlinearityParams, rows: list[Scores], *, seeds: int
) -> tuple[RecordingPath, str]:
    """The rows of one scheme; the last seed's network, and how the first one's error fell, as CSV."""
    name, found, curves = f"ours, {SHORT[params.scheme]}", [], []
    for seed in range(1, seeds + 1):
        begin = time.process_time()
        ends_min: list[float] = []

        def log(text: str, begin: float = begin, ends_min: list[float] = ends_min) -> None:
            if text.startswith("epoch "):
                ends_min.append((time.process_time() - begin) / 60.0)

        with tempfile.TemporaryDirectory() as folder:
            result = train_recording_path(
                sets.train,
                sets.validation,
                params.model_copy(update={"seed": seed}),
                checkpoint=Path(folder) / "checkpoint.pt",
                recorded=sets.recorded,
                log=log,
            )
        spent_s = time.process_time() - begin
        size = sum(weight.numel() for weight in result.model.parameters())
        play = player(result.model, sets.test[0].sample_rate)
        row = scores(f"{name}, seed {seed}", play, sets, numbers=size, training_cpu_s=spent_s)
        found.append(row)
        told(row, rows)
        errors = [record.validation_esr for record in result.epochs]
        curves.append("".join(f"{at:.4f},{esr:.6g}\n" for at, esr in zip(ends_min, errors, strict=True)))
    if seeds > 1:
        for row in mean_and_spread(name, found):
            told(row, rows)
    return result.model, f"cpu_min,validation_esr\n{curves[0]}"


def step_table(sets: Sets, model: RecordingPath) -> None:
    """Level and harmonics of the stepped tones, the machine's and a network's, dB."""
    sample_rate = sets.test[0].sample_rate
    play, edge = player(model, sample_rate), round(STEP_EDGE_S * sample_rate)
    print(f"\n{'tone':>8} {'level dB':>8}   machine: level, 2nd, 3rd, 5th below it | ours | difference of levels")
    for segment, source, target in sets.steps:
        tone_hz = segment.frequencies_hz[0]
        orders = [order for order in (1, 2, 3, 5) if order * tone_hz < 0.45 * sample_rate]
        tones_hz = [order * tone_hz for order in orders]
        levels = [decibels(samples[edge:-edge], tones_hz, sample_rate) for samples in (target, play(source))]
        texts = [" ".join(f"{level:7.1f}" for level in [of[0], *(of[1:] - of[0])]) for of in levels]
        print(f"{tone_hz:>8g} {segment.level_dbfs:>8g}   {' | '.join(texts)} | {levels[1][0] - levels[0][0]:6.2f}")


def _linear_part(sets: Sets, params: TrainNonlinearityParams) -> RecordingPath:
    model = start_model(sets.train, params)
    for weight in (model.output.weight, model.output.bias):
        weight.data.zero_()
    return model


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("device", help="akai, or a device whose captures are aligned under data/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--schemes", default="", help="of ours, with commas between; those of params.yaml otherwise")
    parser.add_argument("--no-rivals", action="store_true", help="only the networks")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="keep how the first seed's error fell, CSV")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="keep the rows")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the training")
    arguments = parser.parse_args(words)
    chosen = {key: yaml.safe_load(value) for key, value in (item.split("=", 1) for item in arguments.set)}
    base = AKAI_SETTINGS if arguments.device == "akai" else load_params().training_of(arguments.device).model_dump()
    params = TrainNonlinearityParams(**{**base, **chosen})
    rows: list[Scores] = []
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, {date.today()}")
    for sets in akai_sets() if arguments.device == "akai" else device_sets(arguments.device):
        print(f"\ntest: {sets.name}\n{HEADINGS}")
        if not arguments.no_rivals:
            rivals(sets, params, rows)
        for scheme in (arguments.schemes or params.scheme).split(","):
            of_scheme = params.model_copy(update={"scheme": scheme})
            model, curve = network(sets, of_scheme, rows, seeds=arguments.seeds)
            if arguments.curve:
                arguments.curve.write_text(curve)
                arguments.curve = None
        if sets.steps:
            step_table(sets, model)
        if arguments.csv:
            write_csv(rows, arguments.csv)


if __name__ == "__main__":
    main()
