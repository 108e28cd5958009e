"""Delays from the evidence of the waveform and a prior that is learned from the file itself.

The delay's acceleration is taken for an autoregressive process: wow, flutter lines and scrape of any machine have a
spectrum that such a process can have. Its coefficients, and how far the evidence is to be trusted from moment to
moment, are those under which the evidence is most likely (expectation maximisation); the uncertainty of the
delay follows.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.errors import ParameterError

ORDER = 24
"""Of the autoregression: at 400 knots a second enough for a handful of flutter lines."""

ACCELERATION = 0.1
"""Standard deviation of the delay's acceleration before anything is known, s/s^2: 0.05 ms of 9 Hz flutter has it."""

GUESS_KNOTS, GUESS_ACCELERATION = 200.0, 0.01
"""A guess of the prior that joins the file's own knots, as if it had been seen at so many."""

KNOWN_S = 1e-3
"""Largest uncertainty of a delay from which the prior is learned: beyond, second differences drown in rounding."""

RIDGE = 1e-12
"""Keeps the equations solvable where there is no evidence at all, relative to the prior."""

TRUST_WINDOW_S = 0.15
MIN_EXCESS, MAX_EXCESS = 0.02, 1e6


@dataclass(frozen=True)
class Evidence:
    """Normal equations of the delay at knots of a uniform grid, in units of the assumed noise.

    Parameters
    ----------
    gradient : ndarray, shape (n_knots,)
        Derivative of the log likelihood by the delay, 1/s.
    diagonal, beside : ndarray, shape (n_knots,)
        Fisher information of each knot, and between it and the next, 1/s^2.
    """

    gradient: FloatArray
    diagonal: FloatArray
    beside: FloatArray


@dataclass(frozen=True)
class Coupling:
    """What the delay shares with the delays of the machine's frequency bands.

    Parameters
    ----------
    share : ndarray, shape (n_knots, n_bands)
        Part of each knot's information that comes from each band; rows sum to 1.
    band_delay_s : ndarray, shape (n_bands,)
        Delay of every band behind the machine as it is thought to be, the trajectory taken for true, seconds.
    """

    share: FloatArray
    band_delay_s: FloatArray


@dataclass(frozen=True)
class Prior:
    """Autocovariance of the delay's acceleration at lags of one knot, (s/s^2)^2, and the knots' interval, seconds."""

    autocovariance: FloatArray
    interval_s: float


@dataclass(frozen=True)
class Smoothed:
    """Delay and its standard uncertainty at the knots, seconds, the prior, and the noise power over the assumed one.

    `band_delay_s`: delay of the machine's bands that goes with the delay found.
    """

    delay_s: FloatArray
    sigma_s: FloatArray
    prior: Prior
    excess: FloatArray
    band_delay_s: FloatArray


def first_prior(interval_s: float) -> Prior:
    """Prior before anything is known: white acceleration of 0.1 s/s^2."""
    autocovariance = np.zeros(ORDER + 1)
    autocovariance[0] = ACCELERATION**2
    return Prior(autocovariance, interval_s)


def smooth_delays(
    evidence: Evidence,
    delay_s: FloatArray,
    *,
    prior: Prior,
    excess: FloatArray,
    coupling: Coupling,
    clear: BoolArray,
    noise: FloatArray | float = 1.0,
    rounds: int = 3,
) -> Smoothed:
    """Most likely delay at every knot and its standard uncertainty, seconds.

    Parameters
    ----------
    evidence : Evidence
        Linearised at `delay_s`.
    delay_s : ndarray, shape (n_knots,)
        Delay so far, seconds.
    prior : Prior
        What is known of the delay's acceleration.
    excess : ndarray, shape (n_knots,)
        Noise power in units of the assumed one; infinite where the evidence is not to be believed.
    coupling : Coupling
        The machine's bands, fitted along with the delay: music tells the one from the other only by its changes.
    noise : ndarray, shape (n_knots,), or float
        What `excess` is from moment to moment; only its course over the trust's window is learned.
    clear : ndarray of bool, shape (n_knots,)
        Whose evidence teaches the prior: where the delay does not stand on what the machine may have bent.
    rounds : int
        Rounds of expectation maximisation.

    Notes
    -----
    Each round solves the banded normal equations, takes the covariances inside the band from Takahashi's recurrence,
    and from the delays so found the acceleration's autocovariance and the noise power over 0.15 s around every knot.

    References
    ----------
    .. [1] R. H. Shumway, D. S. Stoffer, "An approach to time series smoothing and forecasting using the EM algorithm",
       J. Time Series Analysis 3(4), 1982.
    """
    noise = np.broadcast_to(noise, delay_s.shape)
    for turn in range(rounds):
        factor, pull = equations(evidence, delay_s, prior, excess)
        correction, covariance = _solution(factor, evidence.gradient / excess + pull)
        if turn == rounds - 1:
            correction, variance, bands = _with_bands(factor, correction, evidence, excess, coupling)
            variance = variance + np.maximum(covariance[0], 0.0)
            return Smoothed(delay_s + correction, np.sqrt(variance), prior, excess, bands)
        fresh = _excess(evidence, correction, covariance, excess, noise, interval_s=prior.interval_s)
        if np.isfinite(excess[~clear]).any():
            # the unclear stays out of the prior, but its time does not: gaps would pass for irregular motion
            only = np.where(clear, excess, np.inf)
            factor, pull = equations(evidence, delay_s, prior, only)
            correction, covariance = _solution(factor, evidence.gradient / only + pull)
        excess, prior = fresh, _learned(delay_s + correction, covariance, prior)
    raise ParameterError(f"rounds is {rounds}; give at least 1")


def equations(
    evidence: Evidence, delay_s: FloatArray, prior: Prior, excess: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Cholesky factor of the precision, as lower bands, and the gradient of the prior."""
    from scipy.linalg import cholesky_banded

    from tapemeasure.delay.kernels import prior_precision

    n = len(delay_s)
    bands = prior_precision(innovations(prior), n)
    pull = -banded_product(bands, delay_s - float(np.median(delay_s)))
    weight = 1.0 / excess
    bands[0] += evidence.diagonal * weight + RIDGE * float(bands[0].max())
    bands[1, : n - 1] += evidence.beside[:-1] * np.sqrt(weight[:-1] * weight[1:])
    return np.asarray(cholesky_banded(bands, lower=True, check_finite=False)), pull


def _solution(factor: FloatArray, gradient: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correction of the delay, and the covariances inside the band."""
    from scipy.linalg import cho_solve_banded

    from tapemeasure.delay.kernels import banded_inverse

    correction = cho_solve_banded((factor, True), gradient, check_finite=False)
    return np.asarray(correction, dtype=np.float64), np.asarray(banded_inverse(factor))


def _with_bands(
    factor: FloatArray, correction: FloatArray, evidence: Evidence, excess: FloatArray, coupling: Coupling
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Correction with the machine's bands fitted along, the variance that they add, and their delays.

    Block elimination; the bands' mean, weighted by their information, stays: a constant belongs to the trajectory.
    """
    from scipy.linalg import cho_solve_banded

    information = (evidence.diagonal + evidence.beside + np.append(0.0, evidence.beside[:-1])) / excess
    shared = coupling.share * information[:, np.newaxis]
    total = shared.sum(axis=0) + 1e-6 * float(shared.sum()) + 1e-300
    solved = cho_solve_banded((factor, True), shared, check_finite=False)
    schur = np.diag(total) - shared.T @ solved + np.outer(total, total) / total.sum()
    # all bands together say what all knots say, however either are weighted
    told = float(np.sum(evidence.gradient / excess) - total @ coupling.band_delay_s) / total.sum()
    bands = np.linalg.solve(schur, total * (coupling.band_delay_s + told) - shared.T @ correction)
    variance = np.einsum("kb,bc,kc->k", solved, np.linalg.inv(schur), solved)
    return correction - solved @ bands, np.maximum(variance, 0.0), bands


def banded_product(bands: FloatArray, values: FloatArray) -> FloatArray:
    """Product of a symmetric matrix, given as lower bands, with a vector."""
    product = bands[0] * values
    for lag in range(1, min(len(bands), len(values))):
        band = bands[lag, : len(values) - lag]
        product[lag:] += band * values[:-lag]
        product[:-lag] += band * values[lag:]
    return np.asarray(product, dtype=np.float64)


def innovations(prior: Prior) -> FloatArray:
    """Coefficients of the delay's knots in the innovation of each order (Levinson), over its standard deviation."""
    covariance = prior.autocovariance.copy()
    covariance[0] *= 1.0 + 1e-4
    order = len(covariance) - 1
    rows = np.zeros((order + 1, order + 3))
    predictor, variance = np.array([1.0]), covariance[0]
    difference = np.array([1.0, -2.0, 1.0]) / prior.interval_s**2
    for m in range(order + 1):
        rows[m, : m + 3] = np.convolve(predictor, difference) / np.sqrt(variance)
        if m == order:
            break
        reflection = float(np.clip(-(predictor @ covariance[m + 1 : 0 : -1]) / variance, -0.9999, 0.9999))
        padded = np.append(predictor, 0.0)
        predictor = padded + reflection * padded[::-1]
        variance *= 1.0 - reflection**2
    return rows


def _excess(
    evidence: Evidence,
    correction: FloatArray,
    covariance: FloatArray,
    excess: FloatArray,
    noise: FloatArray,
    *,
    interval_s: float,
) -> FloatArray:
    """Noise power over the assumed one: `noise`, scaled around every knot to what is left of the gradient.

    To what the correction leaves, that is, and to what it is unsure of.
    """
    from scipy.ndimage import uniform_filter1d

    beside = evidence.beside
    explained = evidence.diagonal * correction
    explained[:-1] += beside[:-1] * correction[1:]
    explained[1:] += beside[:-1] * correction[:-1]
    left = (evidence.gradient - explained) ** 2
    # diagonal of A C A, A tridiagonal
    lower, upper = np.concatenate([[0.0], beside[:-1]]), np.append(beside[:-1], 0.0)
    middle, c0, c1, c2 = evidence.diagonal, covariance[0], covariance[1], covariance[2]
    unsure = middle**2 * c0 + 2.0 * middle * upper * c1
    unsure[1:] += 2.0 * middle[1:] * lower[1:] * c1[:-1] + lower[1:] ** 2 * c0[:-1]
    unsure[:-1] += upper[:-1] ** 2 * c0[1:]
    unsure[1:] += 2.0 * lower[1:] * upper[1:] * c2[:-1]
    tiny = 1e-9 * float(middle.max(initial=0.0)) + 1e-30
    # every knot counts the same: a loud one beside soft ones says little about them
    known = np.isfinite(excess) & (middle > tiny)
    ratio = np.where(known, (left + unsure) / np.maximum(middle * np.where(known, noise, 1.0), tiny), 0.0)
    window = max(3, round(TRUST_WINDOW_S / interval_s))
    count = uniform_filter1d(known.astype(np.float64), window, mode="nearest")
    trust = uniform_filter1d(ratio, window, mode="nearest") / np.maximum(count, 1.0 / window)
    return np.where(known, noise * np.clip(trust, MIN_EXCESS, MAX_EXCESS), excess)


def _learned(delay_s: FloatArray, covariance: FloatArray, prior: Prior) -> Prior:
    """Prior whose autocovariance is that of the delays found, with what they are unsure of."""
    from tapemeasure.delay.kernels import bend_products

    bend = np.convolve(delay_s, [1.0, -2.0, 1.0], "valid")
    sure = covariance[0] < KNOWN_S**2
    known = (sure[:-2] & sure[1:-1] & sure[2:]).astype(np.float64)
    count = float(known.sum())
    total = bend_products(bend, covariance, known, len(prior.autocovariance) - 1) / prior.interval_s**4
    # the first guess keeps its word where there is hardly anything to learn from
    total[0] += GUESS_KNOTS * GUESS_ACCELERATION**2
    return Prior(total / (count + GUESS_KNOTS), prior.interval_s)
