"""The search: many cheap starts on loud excerpts, then Gauss-Newton from the best of them.

References
----------
.. [1] M. A. Branch, T. F. Coleman, Y. Li, "A subspace, interior, and conjugate gradient method for large-scale
   bound-constrained minimization problems", SIAM J. Sci. Comput. 21(1), 1999 (the trust region in bounds).
.. [2] G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
   variables separate", SIAM J. Numer. Anal. 10, 1973 (the linear part is solved for at every point).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.fit.knobs import KNOBS, bounds_of, vector_of
from tapemeasure.fit.objective import Objective

APART = 0.25
"""Starts count as different where one setting differs by this share of its range on the scale of the search."""

LEAST_GAIN = 1e-9


@dataclass(frozen=True)
class Found:
    """A point of the search.

    Parameters
    ----------
    vector : ndarray, shape (n_names,)
        On the scales of the search.
    esr : float
        Error-to-signal ratio on the stretches of the search.
    """

    vector: FloatArray
    esr: float


def best_starts(objective: Objective, *, count: int, progress: Progress = no_progress) -> list[Found]:
    """The best points of a coarse grid that differ from each other, and the settings that the search came with.

    Parameters
    ----------
    objective : Objective
        With short stretches and a cheap solver.
    count : int
        How many at most.
    progress : callable
        Told the completed fraction.
    """
    names = objective.names
    grid = product(*([KNOBS[name].inside(value) for value in KNOBS[name].starts] for name in names))
    points = [vector_of(objective.base, names), *(np.array(point) for point in grid)]
    found = []
    for first in range(0, len(points), objective.threads):
        some = points[first : first + objective.threads]
        found += [Found(point, float(error @ error)) for point, error in zip(some, objective.many(some), strict=True)]
        progress(min(1.0, (first + len(some)) / len(points)))
    lows, highs = bounds_of(names)
    chosen: list[Found] = []
    for candidate in sorted(found, key=lambda point: point.esr):
        far = [np.max(np.abs(candidate.vector - other.vector) / (highs - lows)) >= APART for other in chosen]
        if all(far):
            chosen.append(candidate)
        if len(chosen) == count:
            break
    return chosen


def descend(objective: Objective, start: FloatArray, *, most_steps: int, progress: Progress = no_progress) -> Found:
    """The nearest minimum of the error, by Gauss-Newton steps in a trust region within the settings' ranges.

    Parameters
    ----------
    objective : Objective
        What is made small.
    start : ndarray, shape (n_names,)
        Where to begin.
    most_steps : int
        At most so many steps, each one run of the model and one more for every setting.
    progress : callable
        Told the completed fraction.
    """
    from scipy.optimize import least_squares

    lows, highs = bounds_of(objective.names)
    margin = 1e-6 * (highs - lows)
    steps = 0

    def residual(vector: FloatArray) -> FloatArray:
        nonlocal steps
        steps += 1
        progress(min(1.0, steps / most_steps))
        return objective.residual(vector)

    result = least_squares(
        residual,
        np.clip(start, lows + margin, highs - margin),
        jac=objective.jacobian,
        bounds=(lows, highs),
        x_scale=np.array([KNOBS[name].loose for name in objective.names]),
        max_nfev=most_steps,
        ftol=1e-4,
        xtol=1e-7,
        gtol=1e-14,
    )
    found = Found(np.asarray(result.x, dtype=np.float64), 2.0 * float(result.cost))
    return _at_bounds(objective, found)


def _at_bounds(objective: Objective, found: Found) -> Found:
    """The same point with what came close to the end of its range put there, where that is no worse."""
    lows, highs = bounds_of(objective.names)
    steps = np.array([KNOBS[name].step for name in objective.names])
    vector = np.where(found.vector - lows < steps, lows, np.where(highs - found.vector < steps, highs, found.vector))
    if np.array_equal(vector, found.vector):
        return found
    esr = objective.esr(vector)
    return Found(vector, esr) if esr <= found.esr * (1.0 + LEAST_GAIN) else found
