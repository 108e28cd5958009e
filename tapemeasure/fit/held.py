"""The last stage: to the minimum on long stretches, and what the recording does not fix held where it was."""

from dataclasses import dataclass, field, replace

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.fit.knobs import KNOBS, settings_of, vector_of
from tapemeasure.fit.objective import Objective
from tapemeasure.fit.search import Found, descend
from tapemeasure.fit.uncertainty import Uncertainty, uncertainty_of

AGAIN_STEPS = 5
WORSE = 1.02
"""A setting is held only where that costs less than this factor of the error."""

TOGETHER = 0.9


@dataclass(frozen=True)
class Settled:
    """Where the last stage ended.

    Parameters
    ----------
    objective : Objective
        With the settings that are fixed by the recording; the others stand in its `base`.
    found : Found
        The minimum.
    all_names : tuple of str
        Settings that were searched at first.
    sigma : dict
        Standard uncertainty of each on the scale of the search; of those held, as it was before.
    held : dict
        Settings that are held, and their values.
    why : dict
        Of those that are not identified: why, in words.
    """

    objective: Objective
    found: Found
    all_names: tuple[str, ...]
    sigma: dict[str, float] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


def settle(objective: Objective, start: FloatArray, *, most_steps: int, progress: Progress = no_progress) -> Settled:
    """Minimum on the objective's stretches, with what it does not fix held at the base's value.

    Parameters
    ----------
    objective : Objective
        With long stretches.
    start : ndarray, shape (n_names,)
        Where the search ended.
    most_steps : int
        Gauss-Newton steps at most.
    progress : callable
        Told the completed fraction.

    Notes
    -----
    One setting after the other, the least known first; the others go along the valley before the search begins anew.
    """
    names = tuple(objective.names)
    total = len(names) + 1
    settled = Settled(
        objective, descend(objective, start, most_steps=most_steps, progress=lambda s: progress(s / total)), names
    )
    for number in range(1, total):
        known = _uncertainty(settled)
        settled.sigma.update(zip(settled.objective.names, known.sigma.tolist(), strict=True))
        loosest = known.loosest(settled.objective.names)
        if loosest is None:
            break
        part = number / total
        fewer = _without(settled, loosest, known, progress=lambda s, part=part: progress(part + s / total))  # type: ignore[misc]
        if fewer.found.esr > WORSE * settled.found.esr:
            name = settled.objective.names[loosest]
            settled = replace(
                settled, why={**settled.why, name: f"{_why(settled, loosest, known)}; found all the same"}
            )
            break
        settled = fewer
    progress(1.0)
    return settled


def _uncertainty(settled: Settled) -> Uncertainty:
    objective, vector = settled.objective, settled.found.vector
    return uncertainty_of(
        objective.residual(vector), objective.jacobian(vector), sample_rate=objective.pair.sample_rate
    )


def _without(settled: Settled, index: int, known: Uncertainty, *, progress: Progress) -> Settled:
    """The same with one setting held, and the others at their new minimum."""
    objective, vector = settled.objective, settled.found.vector
    name = objective.names[index]
    rest = [k for k in range(len(vector)) if k != index]
    wanted = float(vector_of(objective.base, [name])[0])
    value = KNOBS[name].outside(wanted)
    along = known.covariance[rest, index] / max(known.covariance[index, index], 1e-300) * (wanted - vector[index])
    # far along the valley it is no straight line any more
    moved = vector[rest] + np.clip(along, -1.0, 1.0)
    fewer = replace(
        objective,
        base=settings_of(objective.base, [name], np.array([wanted])),
        names=tuple(objective.names[k] for k in rest),
    )
    at_rest = Found(np.zeros(0), fewer.esr(np.zeros(0))) if not rest else None
    found = at_rest or descend(fewer, moved, most_steps=AGAIN_STEPS, progress=progress)
    return replace(
        settled,
        objective=fewer,
        found=found,
        held={**settled.held, name: value},
        why={**settled.why, name: f"{_why(settled, index, known)}; held at {value:g}"},
    )


def _why(settled: Settled, index: int, known: Uncertainty) -> str:
    """Why a setting is not identified."""
    partner = known.partner(index)
    together = ""
    if partner is not None and abs(partner[1]) > TOGETHER:
        other = settled.objective.names[partner[0]]
        together = f"; it acts almost as {other} does (correlation {partner[1]:+.3f})"
    return f"the recording does not fix it{together}"
