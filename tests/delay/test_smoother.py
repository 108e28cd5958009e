import numpy as np
import pytest

from tapemeasure.delay.kernels import banded_inverse, bend_products, prior_precision
from tapemeasure.delay.smoother import Coupling, Evidence, Prior, first_prior, innovations, smooth_delays
from tapemeasure.errors import ParameterError

INTERVAL_S = 0.0025


def full(bands: np.ndarray) -> np.ndarray:
    n = bands.shape[1]
    matrix = np.zeros((n, n))
    for lag, band in enumerate(bands):
        matrix += np.diag(band[: n - lag], -lag)
        if lag:
            matrix += np.diag(band[: n - lag], lag)
    return matrix


def observed(delay: np.ndarray, sigma: np.ndarray, seed: int) -> Evidence:
    """Independent readings of every knot."""
    readings = delay + sigma * np.random.default_rng(seed).standard_normal(len(delay))
    return Evidence(readings / sigma**2, 1.0 / sigma**2, np.zeros(len(delay)))


def alone(evidence: Evidence, excess: np.ndarray) -> Coupling:
    """All evidence comes from one band, which is as late as all of it says."""
    late_s = np.sum(evidence.gradient / excess) / np.sum(evidence.diagonal / excess)
    return Coupling(np.ones((len(excess), 1)), np.array([late_s]))


def smoothed(evidence: Evidence, rounds: int = 20):
    n = len(evidence.gradient)
    return smooth_delays(
        evidence,
        np.zeros(n),
        prior=first_prior(INTERVAL_S),
        excess=np.ones(n),
        coupling=alone(evidence, np.ones(n)),
        clear=np.ones(n, dtype=np.bool_),
        rounds=rounds,
    )


def test_the_precision_is_the_inverse_of_the_accelerations_covariance() -> None:
    autocovariance = np.array([1.0, 0.6, 0.25, 0.1])
    n = 14
    bands = prior_precision(innovations(Prior(autocovariance, 1.0)), n)
    # beyond the order the autoregression goes on by itself; compare where it is given
    acceleration = np.zeros((n - 2, n))
    for k in range(n - 2):
        acceleration[k, k : k + 3] = (1.0, -2.0, 1.0)
    covariance = acceleration @ np.linalg.pinv(full(bands)) @ acceleration.T
    for lag, value in enumerate(autocovariance):
        np.testing.assert_allclose(np.diag(covariance, lag), value, rtol=1e-3)


def test_the_banded_inverse_is_the_inverse() -> None:
    from scipy.linalg import cholesky_banded

    rng = np.random.default_rng(3)
    bands = rng.standard_normal((4, 30))
    bands[0] += 12.0
    matrix = np.linalg.inv(full(bands))
    inverse = banded_inverse(cholesky_banded(bands, lower=True))
    for lag in range(4):
        np.testing.assert_allclose(inverse[lag, : 30 - lag], np.diag(matrix, lag), rtol=1e-9, atol=1e-12)


def test_expected_products_are_those_of_random_draws() -> None:
    rng = np.random.default_rng(5)
    n, order = 12, 3
    root = np.tril(np.triu(rng.standard_normal((n, n)), -5))
    covariance, mean = root @ root.T, rng.standard_normal(n)
    known = np.ones(n - 2)
    known[4] = 0.0
    bands = np.array([np.append(np.diag(covariance, lag), np.zeros(lag)) for lag in range(order + 3)])
    found = bend_products(np.convolve(mean, [1.0, -2.0, 1.0], "valid"), bands, known, order)
    draws = mean + rng.standard_normal((100_000, n)) @ root.T
    bend = (draws[:, :-2] - 2.0 * draws[:, 1:-1] + draws[:, 2:]) * known
    expected = [np.mean(np.sum(bend[:, : n - 2 - lag] * bend[:, lag:], axis=1)) for lag in range(order + 1)]
    np.testing.assert_allclose(found, expected, atol=0.02 * abs(expected[0]))


@pytest.mark.parametrize("true_noise", [0.5, 2.0])
def test_flutter_lines_are_learned_and_the_uncertainty_is_honest(true_noise: float) -> None:
    time = np.arange(6000) * INTERVAL_S
    delay = 1e-3 * np.sin(np.pi * time) + 5e-5 * np.sin(57.0 * time) + 2e-6 * np.sin(383.0 * time)
    sigma = 2e-6 * np.exp(0.6 * np.random.default_rng(2).standard_normal(150)).repeat(40)
    # the assumed noise is wrong by a factor
    scale, within = true_noise**2, []
    for seed in range(3):
        evidence = observed(delay, true_noise * sigma, seed=seed)
        found = smoothed(Evidence(evidence.gradient * scale, evidence.diagonal * scale, evidence.beside))
        error = found.delay_s - delay
        assert np.std(error) < 0.75 * true_noise * 2e-6
        assert np.median(found.excess) == pytest.approx(scale, rel=0.25)
        within.append(np.mean(np.abs(error) < found.sigma_s))
    assert 0.60 < np.mean(within) < 0.76


def test_a_gap_is_bridged_with_growing_uncertainty() -> None:
    time = np.arange(3000) * INTERVAL_S
    delay = 3e-4 * np.sin(np.pi * time)
    evidence = observed(delay, np.full(3000, 1e-6), seed=4)
    gap = slice(1400, 1600)
    excess = np.ones(3000)
    excess[gap] = np.inf
    found = smooth_delays(
        evidence,
        np.zeros(3000),
        prior=first_prior(INTERVAL_S),
        excess=excess,
        coupling=alone(evidence, excess),
        clear=np.isfinite(excess),
        rounds=4,
    )
    assert found.sigma_s[1500] > 20.0 * found.sigma_s[1300]
    assert np.all(np.abs(found.delay_s - delay)[gap] < 5.0 * found.sigma_s[gap] + 1e-6)


def test_flutter_is_carried_through_silences() -> None:
    time = np.arange(8000) * INTERVAL_S
    delay = 5e-4 * np.sin(3.0 * time) + 5e-5 * np.sin(54.0 * time)
    silent = (time % 0.5) > 0.4
    excess = np.where(silent, np.inf, 1.0)
    evidence = observed(delay, np.full(len(time), 1e-6), seed=7)
    found = smooth_delays(
        evidence,
        np.zeros(len(time)),
        prior=first_prior(INTERVAL_S),
        excess=excess,
        coupling=alone(evidence, excess),
        clear=~silent,
        rounds=12,
    )
    error = (found.delay_s - delay)[silent & (time > 0.5)]
    # a straight line through a silence of 0.1 s would be wrong by 50 us
    assert np.sqrt(np.mean(error**2)) < 4e-6
    assert 0.5 < np.sqrt(np.mean((error / found.sigma_s[silent & (time > 0.5)]) ** 2)) < 1.5


def test_evidence_that_is_not_clear_does_not_teach_the_prior() -> None:
    time = np.arange(4000) * INTERVAL_S
    delay = 3e-4 * np.sin(3.0 * time)
    unclear = (time % 0.5) > 0.4
    # what the machine has bent jumps to and fro
    bent = delay + np.where(unclear, 3e-5 * np.sign(np.sin(400.0 * time)), 0.0)
    evidence = observed(bent, np.full(len(time), 1e-6), seed=8)
    settings = {"prior": first_prior(INTERVAL_S), "excess": np.ones(4000), "coupling": alone(evidence, np.ones(4000))}
    learned, misled = (
        smooth_delays(evidence, np.zeros(4000), clear=clear, rounds=8, **settings).prior.autocovariance[0]
        for clear in (~unclear, np.ones(4000, dtype=np.bool_))
    )
    assert learned < 0.1 * misled


def test_a_band_that_is_late_is_told_from_a_moving_delay() -> None:
    rng = np.random.default_rng(6)
    n = 4000
    delay = 1e-4 * np.sin(20.0 * np.arange(n) * INTERVAL_S)
    # two bands take turns; the second is 5 us late
    share = np.where((np.arange(n) // 40) % 2 == 0, 0.9, 0.1)
    shares = np.stack([share, 1.0 - share], axis=1)
    late, information = np.array([0.0, 5e-6]), 1e12
    noise = np.sqrt(information * shares) * rng.standard_normal(shares.shape)
    gradients = information * shares * (delay[:, np.newaxis] + late) + noise
    evidence = Evidence(gradients.sum(axis=1), np.full(n, information), np.zeros(n))
    # what each band says on its own, the delay of zero taken for true
    alone_s = gradients.sum(axis=0) / (information * shares.sum(axis=0))
    coupling = Coupling(shares, alone_s)
    plain = smoothed(evidence, rounds=1)
    found = smooth_delays(
        evidence,
        np.zeros(n),
        prior=first_prior(INTERVAL_S),
        excess=np.ones(n),
        coupling=coupling,
        clear=np.ones(n, dtype=np.bool_),
        rounds=1,
    )
    assert np.diff(found.band_delay_s)[0] == pytest.approx(5e-6, rel=0.1)
    assert np.std(found.delay_s - delay) < 0.5 * np.std(plain.delay_s - delay)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ParameterError, match="rounds is 0"):
        smoothed(observed(np.zeros(50), np.full(50, 1e-6), seed=0), rounds=0)
