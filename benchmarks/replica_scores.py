"""One row of the replica's table: errors of a model on the test set, with timing apart, tones and response."""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from tapemeasure.analysis.constant_lag import lag_errors
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import tone_amplitudes
from tapemeasure.signals.timeline import Segment
from tapemeasure.training.datasets import AlignedPair, RecordedPair

STEP_EDGE_S = 0.1
LEVELS_DBFS = (-40.0, 0.5)
LOUD_DBFS = (-12.5, 0.5)
"""Stepped tones whose level is compared, and whose third harmonic is."""

SWEEP_DBFS = -18.0
BANDS_HZ = 31.5 * 2.0 ** (np.arange(28) / 3.0)
HEADINGS = (
    f"{'model':<26} {'ESR':>8} {'at lag':>8} {'lag us':>7} {'left us':>7} {'worst':>8} {'resp dB':>7} {'level dB':>8} "
    f"{'3rd dB':>6} {'numbers':>8} {'us/smp':>6} {'CPU s':>6}"
)

Play = Callable[[FloatArray], FloatArray]
Heard = tuple[Segment, FloatArray, FloatArray]


@dataclass(frozen=True)
class Sets:
    """What is trained on, validated with and tested with.

    `steps` and `sweeps` are segments with what the machine heard and what came out of it, aligned; `replicate` is the
    test set once more, by the same computed machine; `published` has the name and the errors of others' models.
    """

    train: Sequence[AlignedPair]
    validation: Sequence[AlignedPair]
    test: Sequence[AlignedPair]
    recorded: Sequence[RecordedPair] = ()
    replicate: Sequence[FloatArray] = ()
    steps: Sequence[Heard] = ()
    sweeps: Sequence[Heard] = ()
    published: Sequence[tuple[str, float, float | None]] = ()

    @property
    def name(self) -> str:
        """What is tested with."""
        return ", ".join(pair.name for pair in self.test)


@dataclass(frozen=True)
class Scores:
    """A row; None where a figure makes no sense for it.

    Errors are ratios of energy, over the whole test set (`worst_esr`: the worst clip). `response_db`, `level_db` and
    `third_db` are root mean squares of differences to the machine: in third octaves from 31.5 Hz to 16 kHz, of the
    level of stepped tones from -40 to 0 dBFS, and of their third harmonic from -12 to 0 dBFS.
    """

    test: str
    model: str
    esr: float | None = None
    best_lag_esr: float | None = None
    lag_us: float | None = None
    residual_lag_us: float | None = None
    worst_esr: float | None = None
    response_db: float | None = None
    level_db: float | None = None
    third_db: float | None = None
    numbers: int | None = None
    us_per_sample: float | None = None
    training_cpu_s: float | None = None

    def text(self) -> str:
        """The row as it is printed under `HEADINGS`."""
        cells = (
            ("esr", 8, ".5f"), ("best_lag_esr", 8, ".5f"), ("lag_us", 7, ".2f"), ("residual_lag_us", 7, ".2f"),
            ("worst_esr", 8, ".5f"), ("response_db", 7, ".2f"), ("level_db", 8, ".2f"), ("third_db", 6, ".1f"),
            ("numbers", 8, "d"), ("us_per_sample", 6, ".2f"), ("training_cpu_s", 6, ".0f"),
        )  # fmt: skip
        texts = []
        for name, width, form in cells:
            value = getattr(self, name)
            texts.append(f"{'-' if value is None else format(value, form):>{width}}")
        return f"{self.model:<26} {' '.join(texts)}"


def scores(
    model: str,
    play: Play,
    sets: Sets,
    *,
    numbers: int | None = None,
    training_cpu_s: float | None = None,
) -> Scores:
    """All figures of a model that plays any signal."""
    begin = time.process_time()
    outputs = [play(pair.input) for pair in sets.test]
    spent_s = time.process_time() - begin
    sample_rate = sets.test[0].sample_rate
    level_db, third_db = tone_errors(play, sets.steps, sample_rate=sample_rate)
    return replace(
        errors_of(model, outputs, sets),
        response_db=response_error_db(play, sets.sweeps, sample_rate=sample_rate),
        level_db=level_db,
        third_db=third_db,
        numbers=numbers,
        us_per_sample=1e6 * spent_s / sum(len(output) for output in outputs),
        training_cpu_s=training_cpu_s,
    )


def errors_of(model: str, outputs: Sequence[FloatArray], sets: Sets) -> Scores:
    """Errors of outputs for the test set, of as many clips as there are outputs."""
    targets = [pair.target for pair in sets.test][: len(outputs)]
    timing = lag_errors(outputs, targets, sample_rate=sets.test[0].sample_rate)
    return Scores(
        sets.name,
        model,
        esr=esr(np.concatenate(outputs), np.concatenate(targets)),
        best_lag_esr=timing.best_lag_esr,
        lag_us=timing.lag_us,
        residual_lag_us=timing.residual_lag_rms_us,
        worst_esr=max(esr(output, target) for output, target in zip(outputs, targets, strict=True)),
    )


def tone_errors(play: Play, steps: Sequence[Heard], *, sample_rate: int) -> tuple[float | None, float | None]:
    """Differences of the level, and of the third harmonic, of stepped tones, dB rms."""
    levels, thirds = [], []
    edge = round(STEP_EDGE_S * sample_rate)
    for segment, source, target in steps:
        tone_hz, level_dbfs = segment.frequencies_hz[0], segment.level_dbfs or 0.0
        if not LEVELS_DBFS[0] <= level_dbfs <= LEVELS_DBFS[1]:
            continue
        orders = [order for order in (1, 3) if order * tone_hz < 0.45 * sample_rate]
        of_target, of_model = (
            decibels(samples[edge:-edge], [order * tone_hz for order in orders], sample_rate)
            for samples in (target, play(source))
        )
        levels.append(of_model[0] - of_target[0])
        if len(orders) > 1 and LOUD_DBFS[0] <= level_dbfs <= LOUD_DBFS[1]:
            thirds.append((of_model[1] - of_model[0]) - (of_target[1] - of_target[0]))
    return _rms(levels), _rms(thirds)


def response_error_db(play: Play, sweeps: Sequence[Heard], *, sample_rate: int) -> float | None:
    """Difference of the response to the sweep of -18 dBFS, in third octaves, dB rms."""
    differences: list[float] = []
    for segment, source, target in sweeps:
        if segment.level_dbfs != SWEEP_DBFS:
            continue
        of_model, of_target = (np.square(np.abs(np.fft.rfft(samples))) for samples in (play(source), target))
        frequency_hz = np.fft.rfftfreq(len(source), 1.0 / sample_rate)
        for band_hz in BANDS_HZ:
            band = (frequency_hz >= band_hz * 2.0 ** (-1 / 6)) & (frequency_hz < band_hz * 2.0 ** (1 / 6))
            differences.append(10.0 * np.log10(of_model[band].sum() / of_target[band].sum()))
    return _rms(differences)


def decibels(samples: FloatArray, tones_hz: Sequence[float], sample_rate: int) -> FloatArray:
    """Levels of tones in a signal."""
    found = np.abs(tone_amplitudes(samples, sample_rate=sample_rate, frequencies_hz=tones_hz))
    return np.asarray(20.0 * np.log10(np.maximum(found, 1e-9)))


def mean_and_spread(model: str, rows: Sequence[Scores]) -> list[Scores]:
    """Mean and standard deviation over seeds."""
    told = []
    for name, function in (("mean", np.mean), ("spread", np.std)):
        values = {
            field.name: float(function([getattr(row, field.name) for row in rows]))
            for field in fields(Scores)
            if field.name not in ("test", "model", "numbers") and getattr(rows[0], field.name) is not None
        }
        numbers = rows[0].numbers if name == "mean" else None
        told.append(Scores(rows[0].test, f"{model}, {name}", numbers=numbers, **values))
    return told


def write_csv(rows: Sequence[Scores], path: Path) -> None:
    """All rows with their full precision."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Scores)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def _rms(values: Sequence[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if values else None
