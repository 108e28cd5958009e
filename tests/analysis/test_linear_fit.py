"""Linear baselines: known gains and filters are found again; numpy's least squares is the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from tapemeasure.analysis.linear_fit import LinearFilter, fit_fir, fit_gain
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.errors import MismatchError, ParameterError, SignalError


def noise(n_samples: int = 4000, seed: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples)


@given(gain=st.floats(-10.0, 10.0), scale=st.floats(1e-3, 10.0))
@settings(max_examples=30, deadline=None)
def test_a_pure_gain_is_found_exactly(gain, scale):
    signal = scale * noise(200)
    assert fit_gain([signal], [gain * signal]) == pytest.approx(gain, abs=1e-12)


def test_the_gain_of_unrelated_noise_is_small():
    # standard deviation 1/sqrt(n) = 0.016
    assert abs(fit_gain([noise(seed=1)], [noise(seed=2)])) < 0.07


def test_gain_is_pooled_over_stretches_by_energy():
    loud, quiet = noise(seed=1), 0.1 * noise(seed=2)
    expected = (2.0 * np.sum(loud**2) + 4.0 * np.sum(quiet**2)) / (np.sum(loud**2) + np.sum(quiet**2))
    assert fit_gain([loud, quiet], [2.0 * loud, 4.0 * quiet]) == pytest.approx(expected)


def test_a_known_filter_is_found_and_predicts_new_signal():
    impulse_response = np.array([0.5, -0.3, 0.2, 0.1])
    inputs = [noise(3000, seed=1), noise(2000, seed=2)]
    targets = [lfilter(impulse_response, [1.0], x) for x in inputs]
    fitted = fit_fir(inputs, targets, taps=64, lookahead_samples=8)
    assert fitted.lookahead_samples == 8
    np.testing.assert_allclose(fitted.taps[8:12], impulse_response, atol=1e-3)
    new = noise(seed=3)
    assert esr(fitted.apply(new), lfilter(impulse_response, [1.0], new)) < 1e-5


def test_lookahead_reaches_a_target_that_comes_early():
    signal = noise(4003)
    early, late = signal[3:], signal[:-3]
    # early[n] = late[n + 3]
    with_lookahead = fit_fir([late], [early], taps=16, lookahead_samples=4)
    without = fit_fir([late], [early], taps=16, lookahead_samples=0)
    # the last 3 samples of the target are not in the input
    assert esr(with_lookahead.apply(late)[:-3], early[:-3]) < 1e-3
    assert esr(without.apply(late), early) > 0.9


def test_least_squares_of_numpy_is_the_oracle():
    # zeros at both ends, so that the padded problem of fit_fir and the matrix below are the same
    signal = np.concatenate([np.zeros(20), noise(500), np.zeros(20)])
    target = np.tanh(8.0 * np.roll(signal, 2)) + 0.3 * noise(540, seed=7)
    columns = np.stack([np.roll(signal, shift) for shift in range(-3, 9)], axis=1)
    expected, *_ = np.linalg.lstsq(columns, target, rcond=None)
    fitted = fit_fir([signal], [target], taps=12, lookahead_samples=3)
    np.testing.assert_allclose(fitted.taps, expected, atol=1e-6)


def test_a_band_limited_input_does_not_blow_up():
    tone = np.sin(2 * np.pi * 0.01 * np.arange(8000))
    fitted = fit_fir([tone], [0.5 * tone], taps=256)
    assert esr(fitted.apply(tone), 0.5 * tone) < 1e-3
    assert np.abs(fitted.taps).sum() < 100.0


def test_filter_keeps_length_and_time_axis():
    signal = noise(100)
    ahead_by_two = LinearFilter(taps=np.array([1.0, 0.0, 0.0]), lookahead_samples=2)
    np.testing.assert_allclose(ahead_by_two.apply(signal), np.concatenate([signal[2:], [0.0, 0.0]]), atol=1e-15)


def test_lookahead_is_cut_to_the_taps():
    assert fit_fir([noise()], [noise()], taps=1).lookahead_samples == 0
    assert fit_fir([noise()], [noise()], taps=1).taps == pytest.approx([1.0])


@pytest.mark.parametrize("fit", [fit_gain, lambda x, y: fit_fir(x, y, taps=2)])
def test_bad_input_is_refused_with_its_reason(fit):
    bad = noise(10)
    bad[3] = np.nan
    with pytest.raises(MismatchError, match="1 inputs, 0 targets"):
        fit([noise(10)], [])
    with pytest.raises(MismatchError, match=r"\(10,\), its target \(9,\)"):
        fit([noise(10)], [noise(9)])
    with pytest.raises(SignalError, match="empty"):
        fit([np.zeros(0)], [np.zeros(0)])
    with pytest.raises(SignalError, match="NaN"):
        fit([noise(10)], [bad])
    with pytest.raises(SignalError, match="silent"):
        fit([np.zeros(10)], [noise(10)])


def test_taps_and_lookahead_have_limits():
    with pytest.raises(ParameterError, match="give 1 to 10"):
        fit_fir([noise(10)], [noise(10)], taps=11)
    with pytest.raises(ParameterError, match="0 taps"):
        fit_fir([noise(10)], [noise(10)], taps=0)
    with pytest.raises(ParameterError, match="-1 samples"):
        fit_fir([noise(10)], [noise(10)], taps=4, lookahead_samples=-1)
