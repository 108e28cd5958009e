"""Which generator of delay comes closest to a machine: all learn from one part of its delay and meet the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import RATE_HZ, DelayGenerator, MeasuredDelay
from tapemeasure.generators.bootstrap import BootstrapDelay, fit_bootstrap
from tapemeasure.generators.compare import WINDOW_S, DelayComparison, compare_delays
from tapemeasure.generators.sinusoids import SinusoidDelay, fit_random_phase, fit_sinusoids

Fit = Callable[[MeasuredDelay], DelayGenerator]

BASELINES: Mapping[str, Callable[[MeasuredDelay], SinusoidDelay | BootstrapDelay]] = {
    "lines": fit_sinusoids,
    "random_phase": fit_random_phase,
    "bootstrap": fit_bootstrap,
}

HELD_OUT_SHARE = 0.35
LONGEST_TAKE_S = 20.0
PLAYED_TAKES = 6
"""Takes of every generator for one held-out take."""


@dataclass(frozen=True)
class GeneratorTrial:
    """One generator against held-out delay.

    Parameters
    ----------
    name : str
        Of the generator; ``real`` is the delay that was learned from: the floor.
    comparison : DelayComparison
        With what was held out.
    copied : float
        `nearest_neighbour` to what was learned from: far below 1, it is a copy.
    model : DelayGenerator or None
        What learned from the other part; None for the real one.
    learned_s : float
        Seconds of that part.
    """

    name: str
    comparison: DelayComparison
    copied: float
    model: DelayGenerator | None
    learned_s: float


def generator_trials(
    measured: MeasuredDelay,
    fits: Mapping[str, Fit],
    *,
    generator: np.random.Generator,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[GeneratorTrial, ...]:
    """All generators against the part of a machine's delay that they did not learn from; first the floor.

    Parameters
    ----------
    measured : MeasuredDelay
        Delay of the machine; about a third, from the end, is held out.
    fits : mapping of str to callable
        What learns a generator from delay.
    generator : numpy.random.Generator
        Source of what is played.
    log : callable
        Is told which generator had too little delay to learn from; it has no row.

    Raises
    ------
    SignalError
        If there is too little delay for two parts; the message tells how many minutes are needed.
    """
    learned, held_out = _parted(measured)
    longest = min(max(map(len, part.pieces)) for part in (learned, held_out)) / measured.rate_hz
    take_s = min(LONGEST_TAKE_S, longest)
    if take_s < WINDOW_S:
        raise SignalError(
            f"comparison of generators: pieces of {longest:.1f} s, {WINDOW_S:g} s are needed to learn from and as much "
            "to compare with; record 1 minute or more"
        )
    floor = compare_delays(learned, held_out, take_s=take_s)
    trials = [GeneratorTrial("real", floor, float("nan"), None, learned.total_s)]
    n_points = round(PLAYED_TAKES * max(held_out.total_s, take_s) * measured.rate_hz)
    for name, fit in fits.items():
        try:
            model = fit(learned)
        except SignalError as error:
            log(f"{name}: {error}")
            continue
        stream = model.stream(generator.spawn(1)[0])
        played = MeasuredDelay((stream.read(n_points),), (0.0,), measured.rate_hz)
        trials.append(
            GeneratorTrial(
                name,
                compare_delays(played, held_out, take_s=take_s),
                compare_delays(played, learned, take_s=take_s).nearest_neighbour,
                model,
                learned.total_s,
            )
        )
    return tuple(trials)


def closest(trials: tuple[GeneratorTrial, ...]) -> str:
    """Name of the generator whose spectra are closest to the held-out ones and that is no copy."""
    candidates = [trial for trial in trials if trial.name != "real" and not trial.copied < 0.5]
    if not candidates:
        raise SignalError("no generator of delay made anything of its own; record more takes")
    return min(candidates, key=lambda trial: trial.comparison.log_spectral_distance_db).name


def _parted(measured: MeasuredDelay) -> tuple[MeasuredDelay, MeasuredDelay]:
    """What is learned from and what is held out: the first two thirds of the time and the rest."""
    wanted = (1.0 - HELD_OUT_SHARE) * measured.total_s * measured.rate_hz
    parts: tuple[list[tuple[FloatArray, float]], list[tuple[FloatArray, float]]] = ([], [])
    taken = 0.0
    for piece, mean_s in zip(measured.pieces, measured.mean_s, strict=True):
        cut = int(np.clip(wanted - taken, 0, len(piece)))
        taken += len(piece)
        for part, chosen in ((piece[:cut], parts[0]), (piece[cut:], parts[1])):
            if len(part) >= 2.0 * RATE_HZ:
                chosen.append((part - part.mean(), mean_s + float(part.mean())))
    if not parts[0] or not parts[1]:
        raise SignalError(
            f"comparison of generators: {measured.total_s:.1f} s of delay cannot be parted into what is learned from "
            "and what is held out; record 1 minute or more"
        )
    first, second = (
        MeasuredDelay(tuple(part for part, _ in chosen), tuple(mean for _, mean in chosen), measured.rate_hz)
        for chosen in parts
    )
    return first, second
