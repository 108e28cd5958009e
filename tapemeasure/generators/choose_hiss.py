"""Which generator of hiss comes closest to a machine: all learn from one part of its hiss and meet the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import HissGenerator
from tapemeasure.generators.compare_hiss import WINDOW_S, HissComparison, compare_hiss

HissFit = Callable[[Sequence[FloatArray]], HissGenerator]

NOISE, DIFFUSION = "noise", "diffusion"

HELD_OUT_SHARE = 0.35
PLAYED_S = 30.0

TOLERATED_DB, TOLERATED_KURTOSIS, TOLERATED_COHERENCE = 1.0, 0.2, 0.05

WORTH_IT = 0.5
"""A diffusion model takes a hundred times the time of filtered noise: it is kept where it halves the distance."""


@dataclass(frozen=True)
class HissTrial:
    """One generator against held-out hiss.

    Parameters
    ----------
    name : str
        Of the generator; ``real`` is the hiss that was learned from: the floor.
    comparison : HissComparison
        With what was held out.
    model : HissGenerator or None
        What learned from the other part; None for the real one.
    """

    name: str
    comparison: HissComparison
    model: HissGenerator | None

    @property
    def distance(self) -> float:
        """One number: see `hiss_distance`."""
        return hiss_distance(self.comparison)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return {"name": self.name, "distance": self.distance, **self.comparison.as_dict()}


def hiss_distance(comparison: HissComparison) -> float:
    """Mean difference of third octaves (in 1 dB), kurtosis (in 0.2) and coherence (in 0.05); 0 is the same."""
    parts = [
        np.mean(np.abs(comparison.band_db)) / TOLERATED_DB,
        np.mean(np.abs(comparison.kurtosis_difference)) / TOLERATED_KURTOSIS,
    ]
    if np.all(np.isfinite(comparison.coherence_difference)):
        parts.append(np.mean(np.abs(comparison.coherence_difference)) / TOLERATED_COHERENCE)
    return float(np.mean(parts))


def hiss_trials(
    stretches: Sequence[FloatArray],
    fits: Mapping[str, HissFit],
    *,
    sample_rate: int,
    generator: np.random.Generator,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[HissTrial, ...]:
    """All generators against the part of a machine's hiss that they did not learn from; first the floor.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples, n_channels)
        Hiss alone, full scale 1.0; about a third, from the end, is held out.
    fits : mapping of str to callable
        What learns a generator from hiss.
    sample_rate : int
        Hz.
    generator : numpy.random.Generator
        Source of what is played: 30 s.
    log : callable
        Is told which generator had too little hiss to learn from; it has no row.

    Raises
    ------
    SignalError
        If there is too little hiss for two parts; the message tells how much is needed.
    """
    learned, held_out = _parted(stretches, least=round(WINDOW_S * sample_rate), sample_rate=sample_rate)
    trials = [HissTrial("real", compare_hiss(learned, held_out, sample_rate=sample_rate), None)]
    for name, fit in fits.items():
        try:
            model = fit(learned)
        except SignalError as error:
            log(f"{name}: {error}")
            continue
        stream = model.stream(generator.spawn(1)[0])
        n_samples = round(PLAYED_S * sample_rate)
        played = stream.read(n_samples) + stream.read_hum(n_samples)
        trials.append(HissTrial(name, compare_hiss([played], held_out, sample_rate=sample_rate), model))
    return tuple(trials)


def closest_hiss(trials: Sequence[HissTrial]) -> str:
    """Name of the generator that is kept: filtered noise, unless diffusion is closer by enough to be worth its time."""
    distance = {trial.name: trial.distance for trial in trials}
    if DIFFUSION in distance and distance[DIFFUSION] < WORTH_IT * distance.get(NOISE, np.inf):
        return DIFFUSION
    return NOISE


def _parted(
    stretches: Sequence[FloatArray], *, least: int, sample_rate: int
) -> tuple[list[FloatArray], list[FloatArray]]:
    """What is learned from and what is held out: the first two thirds of the time and the rest."""
    channels = [as_channels(stretch) for stretch in stretches]
    total = sum(map(len, channels))
    wanted = round((1.0 - HELD_OUT_SHARE) * total)
    parts: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    taken = 0
    for stretch in channels:
        cut = int(np.clip(wanted - taken, 0, len(stretch)))
        taken += len(stretch)
        for part, chosen in ((stretch[:cut], parts[0]), (stretch[cut:], parts[1])):
            if len(part) >= least:
                chosen.append(part)
    if not parts[0] or not parts[1]:
        raise SignalError(
            f"comparison of generators: {total / sample_rate:.1f} s of hiss cannot be parted into what is learned from "
            "and what is held out; record with --silence 60"
        )
    return parts
