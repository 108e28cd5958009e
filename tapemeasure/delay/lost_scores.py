"""How high a step the waveform sees in the delay at every knot, beside what the smoother makes of it.

A smoother bends a step into a curve that its prior finds unlikely: what the prior pulls at the smoothed delay, summed
from a knot on, is the score of a step there, and its expected value and variance follow from the same equations.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.smoother import Evidence, Prior, banded_product, equations, innovations
from tapemeasure.delay.trust import scatter

AROUND_KNOTS = 81
"""Knots over which the noise is taken as the same: a step, which is short, does not count as noise."""

SETTLED = 160
"""Knots behind a step on which it still may bend the delay."""

LOCAL_KNOTS = 800
BESIDE_KNOTS = 300
"""To each side, what a step over a gap is told by."""


@dataclass(frozen=True)
class StepScores:
    """At every knot: smoothed delay, height of a step there and its standard uncertainty, all in seconds.

    The uncertainty is infinite where nothing tells. `factor` is that of the smoother's precision, `pull` what the prior
    pulls at a unit step.
    """

    delay_s: FloatArray
    height_s: FloatArray
    sigma_s: FloatArray
    factor: FloatArray
    pull: FloatArray

    def bend(self, knot: int) -> FloatArray:
        """What the smoothed delay lacks of a unit step that begins at a knot, at every knot."""
        from scipy.linalg import cho_solve_banded

        pulled = np.zeros(len(self.delay_s))
        half = len(self.pull) // 2
        pulled[knot - half : knot + half] = self.pull
        return np.asarray(cho_solve_banded((self.factor, True), pulled, check_finite=False), dtype=np.float64)


def steady_noise(normal: FloatArray, believed: BoolArray) -> FloatArray:
    """Noise power over the assumed one, as the surroundings of every knot tell it; infinite where not believed."""
    from scipy.ndimage import median_filter

    return np.where(believed, median_filter(scatter(normal), AROUND_KNOTS, mode="nearest"), np.inf)


def step_scores(evidence: Evidence, delay_s: FloatArray, *, prior: Prior, excess: FloatArray) -> StepScores:
    """Height of a step of the delay at every knot, seconds, were there one.

    Parameters
    ----------
    evidence : Evidence
        Linearised at `delay_s`.
    delay_s : ndarray, shape (n_knots,)
        Seconds.
    prior : Prior
        Of the delay's acceleration.
    excess : ndarray, shape (n_knots,)
        Noise power over the assumed one; infinite where the evidence is not to be believed.

    Notes
    -----
    With u a unit step, P the prior's precision and C the covariance of the smoothed delay d, the score is u'P d and its
    information u'P u - (P u)'C(P u); C = (L L')^-1, so that the last is the energy of L^-1 P u. As P has no memory of
    constants and lines, P u is as short as the autoregression. The uncertainty is never less than the heights' own
    scatter around a knot says. Valid for steps of some ten microseconds: beyond, the waveform is not linear in them.

    References
    ----------
    .. [1] A. C. Harvey, S. J. Koopman, "Diagnostic checking of unobserved-components time series models",
       J. Business & Economic Statistics 10(4), 1992.
    """
    from scipy.linalg import cho_solve_banded

    from tapemeasure.delay.kernels import energies_through

    factor, pull = equations(evidence, delay_s, prior, excess)
    delay = delay_s + cho_solve_banded((factor, True), evidence.gradient / excess + pull, check_finite=False)
    shape, stiffness = _pull_of_a_step(prior)
    score = np.correlate(delay - float(np.median(delay)), shape, "same")
    # the last of the shape's first half stands on the knot before the step
    information = stiffness - energies_through(factor, shape, SETTLED)
    told = information > 1e-9 * stiffness
    safe = np.where(told, information, 1.0)
    relative = np.where(told, score / np.sqrt(safe), 0.0)
    sigma = np.where(told, _local_scatter(relative, told) / np.sqrt(safe), np.inf)
    return StepScores(np.asarray(delay), np.where(told, score / safe, 0.0), sigma, factor, shape)


@dataclass(frozen=True)
class Bridged:
    """A step of `height_s` (seconds, with its standard uncertainty) whose surroundings are taken for unknown.

    `delay_s` is the delay from knot `first` on, seconds: the step stands in it, and what is beside leads up to it.
    """

    height_s: float
    sigma_s: float
    first: int
    delay_s: FloatArray


def step_over_gap(
    evidence: Evidence, delay_s: FloatArray, *, prior: Prior, excess: FloatArray, knot: int, gap_knots: tuple[int, int]
) -> Bridged:
    """Height of a step that begins at a knot, seconds, by what is further away from it than a gap.

    Parameters
    ----------
    evidence : Evidence
        Linearised at `delay_s`.
    delay_s : ndarray, shape (n_knots,)
        Seconds.
    prior : Prior
        Of the delay's acceleration: it leads both sides into the gap.
    excess : ndarray, shape (n_knots,)
        Noise power over the assumed one; infinite where the evidence is not to be believed.
    knot : int
        At least the length of the prior's memory away from both ends, else the uncertainty is infinite.
    gap_knots : tuple of int
        Before it and behind it; more cost accuracy, fewer let in what was smeared over the step.

    Notes
    -----
    Beside a step by many samples the waveform is not linear, and what was tracked there is wrong. The smoother's prior
    knows the machine's flutter, which straight lines through both sides would take for a step.
    """
    first, stop = max(0, knot - BESIDE_KNOTS), min(len(delay_s), knot + BESIDE_KNOTS)
    at = knot - first
    unknown = excess[first:stop].copy()
    unknown[max(0, at - gap_knots[0]) : at + gap_knots[1]] = np.inf
    part = slice(first, stop)
    beside = Evidence(evidence.gradient[part], evidence.diagonal[part], evidence.beside[part])
    found = step_scores(beside, delay_s[part], prior=prior, excess=unknown)
    half = len(found.pull) // 2
    if not half <= at <= stop - first - half:
        return Bridged(0.0, np.inf, first, found.delay_s)
    height_s = float(found.height_s[at])
    return Bridged(height_s, float(found.sigma_s[at]), first, found.delay_s + height_s * found.bend(at))


def _pull_of_a_step(prior: Prior) -> tuple[FloatArray, float]:
    """What the prior pulls at a unit step whose first knot is the middle one, and the step's energy under it."""
    from tapemeasure.delay.kernels import prior_precision

    rows = innovations(prior)
    half = rows.shape[1]
    step = np.zeros(6 * half)
    step[3 * half :] = 1.0
    pull = banded_product(prior_precision(rows, len(step)), step)[2 * half : 4 * half]
    return pull, float(pull[half:].sum())


def _local_scatter(relative: FloatArray, told: BoolArray) -> FloatArray:
    """Robust standard deviation around every knot, at least 1."""
    places, values = np.flatnonzero(told), np.abs(relative[told])
    spread = [
        1.4826 * float(np.median(values[first : first + LOCAL_KNOTS])) for first in range(0, len(values), LOCAL_KNOTS)
    ]
    if not spread:
        return np.ones(len(relative))
    middles = [int(np.median(places[first : first + LOCAL_KNOTS])) for first in range(0, len(values), LOCAL_KNOTS)]
    return np.maximum(np.interp(np.arange(len(relative)), middles, spread), 1.0)
