"""Timing told apart from other errors: closed forms of a shifted signal, of noise, and of a lag that moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.analysis.constant_lag import lag_errors
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.errors import MismatchError, SignalError

RATE = 44100


def chord(delay_samples=0.0, n_samples=RATE, seed=1):
    """Sines of many frequencies below 8 kHz that fade in and out, delayed in closed form."""
    rng = np.random.default_rng(seed)
    n = np.arange(n_samples) - delay_samples
    fade = np.sin(np.pi * np.clip(n / n_samples, 0.0, 1.0)) ** 2
    tones = zip(rng.uniform(60.0, 8000.0, 40), rng.uniform(0.0, 6.0, 40), strict=True)
    return fade * sum(np.sin(2.0 * np.pi * hz * n / RATE + phase) for hz, phase in tones) / 40.0


@settings(max_examples=20, deadline=None)
@given(delay_samples=st.floats(-40.0, 40.0), gain=st.sampled_from([1.0, 0.3]))
def test_a_constant_lag_is_found_and_taken_out(delay_samples, gain):
    found = lag_errors([gain * chord(delay_samples)], [gain * chord()], sample_rate=RATE)
    assert found.lag_us == pytest.approx(1e6 * delay_samples / RATE, abs=0.02)
    assert found.best_lag_esr < 1e-6
    assert found.residual_lag_rms_us < 0.1


def test_equal_signals_have_neither_error_nor_lag():
    found = lag_errors([chord()], [chord()], sample_rate=RATE)
    assert found.best_lag_esr < 1e-7
    assert abs(found.lag_us) < 0.01


def test_noise_is_no_lag():
    noise = 0.01 * np.random.default_rng(3).standard_normal(RATE)
    output, target = chord() + noise, chord()
    found = lag_errors([output], [target], sample_rate=RATE)
    assert found.best_lag_esr == pytest.approx(esr(output, target), rel=0.02)
    assert found.best_lag_esr <= esr(output, target) * (1.0 + 1e-9)


def test_a_lag_that_moves_stays_as_residual():
    n = np.arange(4 * RATE)
    moving_us = 3.0 * np.sin(2.0 * np.pi * n / RATE)
    # 0.1 s is a tenth of the period: the mean of a window loses 1.6 % of the amplitude
    late = chord(8.0 + 1e-6 * moving_us * RATE, n_samples=len(n))
    found = lag_errors([late], [chord(n_samples=len(n))], sample_rate=RATE)
    assert found.lag_us == pytest.approx(1e6 * 8.0 / RATE, abs=0.5)
    assert found.residual_lag_rms_us == pytest.approx(3.0 / np.sqrt(2.0), rel=0.2)


def test_all_stretches_share_one_lag():
    outputs, targets = [chord(2.0), chord(4.0, seed=2)], [chord(), chord(seed=2)]
    found = lag_errors(outputs, targets, sample_rate=RATE)
    assert 2e6 / RATE < found.lag_us < 4e6 / RATE
    assert found.residual_lag_rms_us == pytest.approx(1e6 / RATE, rel=0.15)
    assert found.best_lag_esr > 1e-4


def test_bad_input_is_named():
    with pytest.raises(MismatchError, match="1 outputs, 0 targets"):
        lag_errors([chord()], [], sample_rate=RATE)
    with pytest.raises(MismatchError, match="equally long"):
        lag_errors([chord()], [chord()[:-1]], sample_rate=RATE)
    with pytest.raises(SignalError, match="silent"):
        lag_errors([chord()], [np.zeros(RATE)], sample_rate=RATE)
    with pytest.raises(SignalError, match="NaN"):
        lag_errors([np.full(10, np.nan)], [np.ones(10)], sample_rate=RATE)


def test_less_than_a_window_tells_no_residual():
    assert lag_errors([chord()[20000:24000]], [chord()[20000:24000]], sample_rate=RATE).residual_lag_rms_us is None
