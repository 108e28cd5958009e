"""The test signals of the settings, one after the other, before they are laid on the time axis."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, Progress
from tapemeasure.params.stages import StimuliParams
from tapemeasure.signals.fades import faded
from tapemeasure.signals.programme import synthesize_programme
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep
from tapemeasure.signals.timeline import SPLITS, SegmentKind, Split
from tapemeasure.signals.tones import (
    multitone_frequencies_hz,
    multitone_samples,
    tone_samples,
    two_tone_samples,
)
from tapemeasure.signals.user_programme import shares_of
from tapemeasure.units import amplitude_from_db, db_from_amplitude

GAP_S = 0.5
FADE_S = 0.005


@dataclass(frozen=True)
class Part:
    """A test signal on its way into the stimulus, with the zeros behind it; None as samples for silence."""

    name: str
    kind: SegmentKind
    samples: FloatArray | None
    length_s: float
    level_dbfs: float | None = None
    frequencies_hz: tuple[float, ...] = ()
    split: Split | None = None
    gap_s: float = GAP_S


def measuring_parts(params: StimuliParams) -> Iterator[Part]:
    """Sweeps, steps, multitone and pairs."""
    sample_rate = params.sample_rate
    wanted = params.sweeps
    sweep = synchronised_sweep(start_hz=wanted.start_hz, stop_hz=wanted.stop_hz, duration_s=wanted.duration_s)
    for level in wanted.levels_dbfs:
        samples = sweep_samples(sweep, sample_rate=sample_rate, level_dbfs=level)
        edges_hz = (sweep.start_hz, sweep.stop_hz)
        yield Part(f"sweep_{_number(level)}dBFS", "sweep", samples, sweep.duration_s, level, edges_hz)
    steps = params.steps
    for frequency_hz in steps.frequencies_hz:
        rising = sorted(steps.levels_dbfs)
        for level in rising:
            samples = tone_samples(
                frequency_hz=frequency_hz, duration_s=steps.duration_s, sample_rate=sample_rate, level_dbfs=level
            )
            name = f"step_{_number(frequency_hz)}Hz_{_number(level)}dBFS"
            gap_s = GAP_S if level == rising[-1] else 0.0
            yield Part(name, "step", samples, steps.duration_s, level, (frequency_hz,), gap_s=gap_s)
    yield _multitone_part(params)
    pairs = params.two_tones
    for pair_hz in pairs.pairs_hz:
        samples = two_tone_samples(
            frequencies_hz=pair_hz, duration_s=pairs.duration_s, sample_rate=sample_rate, level_dbfs=pairs.level_dbfs
        )
        name = f"two_tone_{_number(pair_hz[0])}Hz_{_number(pair_hz[1])}Hz"
        yield Part(name, "two_tone", samples, pairs.duration_s, pairs.level_dbfs, pair_hz)


def _multitone_part(params: StimuliParams) -> Part:
    wanted = params.multitone
    frequencies_hz = multitone_frequencies_hz(tones_per_octave=wanted.tones_per_octave, sample_rate=params.sample_rate)
    samples = multitone_samples(
        frequencies_hz=frequencies_hz,
        duration_s=wanted.duration_s,
        sample_rate=params.sample_rate,
        level_dbfs=wanted.level_dbfs,
    )
    return Part("multitone", "multitone", samples, wanted.duration_s, wanted.level_dbfs, frequencies_hz)


def programme_parts(params: StimuliParams, *, own: FloatArray | None, progress: Progress) -> Iterator[Part]:
    """The three sets: the user's audio by time, the synthesiser where it ends; 5 ms fades at both ends of a set."""
    wanted = params.programme
    lengths_s = (wanted.train_s, wanted.validation_s, wanted.test_s)
    lengths = [round(length_s * params.sample_rate) for length_s in lengths_s]
    shares = [np.zeros(0) for _ in SPLITS]
    if own is not None:
        shares = shares_of(own, lengths=lengths, peak=amplitude_from_db(wanted.peak_dbfs), where=wanted.folder)
    generators = np.random.default_rng(params.seed).spawn(len(SPLITS))
    for index, (split, generator) in enumerate(zip(SPLITS, generators, strict=True)):
        music = synthesize_programme(
            length_samples=lengths[index] - len(shares[index]),
            sample_rate=params.sample_rate,
            peak_dbfs=wanted.peak_dbfs,
            generator=generator,
            progress=_section(progress, sum(lengths[:index]) / sum(lengths), lengths[index] / sum(lengths)),
        )
        n_fade = round(FADE_S * params.sample_rate)
        samples = faded(np.concatenate([shares[index], music]), fade_in_samples=n_fade, fade_out_samples=n_fade)
        peak = float(np.max(np.abs(samples)))
        level = round(db_from_amplitude(peak), 6) if peak > 0.0 else None
        yield Part(f"programme_{split}", "programme", samples, lengths_s[index], level, split=split)


def _section(progress: Progress, start: float, size: float) -> Progress:
    """Progress of one part of the work as progress of the whole."""
    return lambda fraction: progress(start + size * fraction)


def _number(value: float) -> str:
    """A level or frequency as it stands in a name: -18, 6, 31.5, never -0 or 1e+04."""
    return f"{value + 0.0:.6f}".rstrip("0").rstrip(".")
