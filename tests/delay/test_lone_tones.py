"""A sweep beside music, a lone tone, and flutter that is too quick for the frames."""

import numpy as np
import pytest

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.frame_kernels import add_frame_products, fill_turns, frame_evidence
from tapemeasure.delay.track import track_delay
from tapemeasure.delay.unseen import unseen_flutter
from tapemeasure.dsp.correlation import rival_height


def sweep(duration_s: float, rate: int) -> FloatArray:
    """From 40 Hz to 18 kHz, the octaves equally long."""
    steepness = np.log(18000.0 / 40.0) / duration_s
    time = np.arange(round(duration_s * rate)) / rate
    return 0.5 * np.sin(2.0 * np.pi * 40.0 / steepness * np.expm1(steepness * time))


@pytest.mark.parametrize("fast", [False, True])
def test_a_sweep_is_left_out_and_does_not_spoil_the_music_behind_it(known, fast: bool) -> None:
    sweep_s = 6.0
    stimulus = np.concatenate([sweep(sweep_s, known.rate), known.music(8.0)])
    result = track_delay(stimulus, known.machine(stimulus), sample_rate=known.rate, pilot="none", fast=fast)
    path = result.trajectory
    treble = (path.time_s > sweep_s - 1.5) & (path.time_s < sweep_s - 0.2)
    music = (path.time_s > sweep_s + 0.3) & (path.time_s < 13.5)
    # above 2 kHz a sweep fits at every one of its periods: nothing is told there
    assert path.valid[treble].mean() < 0.1
    assert path.valid[music].mean() > 0.8
    chosen = music & path.valid
    error_us = 1e6 * (path.delay_s - known.wander(path.time_s))[chosen]
    assert np.std(error_us) < (4.0 if fast else 1.5)


def test_that_most_is_lone_tones_is_said(known) -> None:
    stimulus = sweep(8.0, known.rate)
    result = track_delay(stimulus, known.machine(stimulus), sample_rate=known.rate, pilot="none")
    assert any("lone tones or sweeps" in warning for warning in result.warnings)


def test_a_tone_has_a_rival_a_period_away_and_noise_has_none() -> None:
    lags = np.arange(-40, 41)
    tone = np.cos(2.0 * np.pi * lags / 11.0) * np.exp(-0.5 * (lags / 200.0) ** 2)
    noise = np.sinc(lags / 2.0)
    peak = np.array([40, 40])
    heights = rival_height(np.stack([tone, noise]), peak, reach_samples=22)
    assert heights[0] == pytest.approx(np.exp(-0.5 * (11.0 / 200.0) ** 2), abs=1e-12)
    # the second maximum of sin(x)/x is 0.128
    assert heights[1] < 0.129
    assert rival_height(np.stack([tone]), np.array([40]), reach_samples=9)[0] == 0.0
    assert rival_height(np.zeros((1, 81)), np.array([40]), reach_samples=22)[0] == 0.0


def test_flutter_beyond_half_the_rate_is_foretold_by_what_lies_below_it() -> None:
    rng = np.random.default_rng(3)
    n, above = 40000, 1e-6
    # white flutter: what is above half the rate of every second point folds back
    quick = above * rng.standard_normal(n)
    seen = quick[::2]
    sigma, known = np.full(len(seen), 1e-8), np.ones(len(seen), dtype=np.bool_)
    band = 2.0 * (0.5 - 0.36)
    # of white flutter of power p the band seen holds p times its share; twice of it is foretold
    expected = above * np.sqrt(2.0 * band)
    assert unseen_flutter(seen, sigma, known) == pytest.approx(expected, rel=0.15)
    wow = 1e-3 * np.sin(2.0 * np.pi * 0.005 * np.arange(len(seen)))
    assert unseen_flutter(wow, sigma, known) < 1e-9
    assert unseen_flutter(seen[:150], sigma[:150], known[:150]) == 0.0
    assert unseen_flutter(seen, sigma, np.zeros(len(seen), dtype=np.bool_)) == 0.0


def test_the_frames_kernels_say_what_their_formulas_say() -> None:
    rng = np.random.default_rng(2)
    n_frames, n_bins, edges = 5, 65, np.array([0, 4, 20])

    def spectra() -> np.ndarray:
        return rng.standard_normal((n_frames, n_bins)) + 1j * rng.standard_normal((n_frames, n_bins))

    played, heard, lag = spectra(), spectra(), rng.uniform(-9.0, 9.0, n_frames)
    omega = np.pi * np.arange(n_bins) / (n_bins - 1)
    turn = np.exp(-1j * np.outer(lag, omega))
    real, imaginary = np.empty(n_bins), np.empty(n_bins)
    fill_turns(lag[0], real, imaginary)
    np.testing.assert_allclose(real + 1j * imaginary, turn[0], atol=1e-12)

    usable = np.array([True, False, True, True, False])
    cross, power = np.zeros(n_bins, np.complex128), np.zeros((2, n_bins))
    add_frame_products(played, heard, lag, usable, cross, power)
    np.testing.assert_allclose(cross, np.sum((np.conj(played * turn) * heard)[usable], axis=0), atol=1e-10)
    np.testing.assert_allclose(power[1], np.sum(np.abs(heard[usable]) ** 2, axis=0), rtol=1e-10)

    response, weight, noise = spectra()[0], rng.uniform(0.5, 2.0, n_bins), rng.uniform(0.5, 2.0, n_bins)
    (seen, spread), pulls, told = frame_evidence(played, heard, lag, response, weight, noise, edges)
    model = played * turn * response
    product, energy = np.conj(model) * heard, np.abs(model) ** 2
    np.testing.assert_allclose(seen, np.sum(weight * omega**2 * product.real, axis=1), rtol=1e-9, atol=1e-9)
    scattered = weight * omega**2 * energy * np.abs(heard - model) ** 2 / noise
    np.testing.assert_allclose(spread, scattered.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(pulls, -np.add.reduceat(weight * omega * product.imag, edges, axis=1).T, atol=1e-8)
    np.testing.assert_allclose(told, np.add.reduceat(weight * omega**2 * energy, edges, axis=1).T, rtol=1e-9)
