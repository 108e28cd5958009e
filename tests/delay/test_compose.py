"""Delays one after the other, backwards, on another grid: identities and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.delay.compose import compose_delays
from tapemeasure.delay.invert import arrival_time
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayStep, DelayTrajectory

SAMPLE_S = 1.0 / 44100.0


def wow(base_s=0.16, depth_s=1e-3, wow_hz=0.5, drift=0.0, rate_hz=100.0, seconds=6.0, steps=()):
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    delay = base_s + depth_s * np.sin(2 * np.pi * wow_hz * time) + drift * time
    smooth = DelayTrajectory(0.0, rate_hz, delay, np.full(len(time), 1e-6), np.ones(len(time), bool), steps)
    return DelayTrajectory(0.0, rate_hz, delay + smooth.stepped(time), smooth.sigma_s, smooth.valid, steps)


delays = st.builds(
    wow,
    base_s=st.floats(-0.05, 0.3),
    depth_s=st.floats(0.0, 2e-3),
    wow_hz=st.floats(0.2, 4.0),
    drift=st.floats(-1e-3, 1e-3),
)


@given(delays)
def test_the_inverse_map_is_solved_to_a_nanosecond(path):
    moments = np.linspace(-1.0, 8.0, 4000)
    time = arrival_time(moments, path)
    # far below the 1e-9 s that is asked for: what is left is the rounding of seconds
    assert np.abs(time - path.at(time) - moments).max() < 1e-13
    assert (np.diff(time) > 0).all()


@given(delays, delays)
@settings(max_examples=25)
def test_two_delays_one_after_the_other(first, second):
    both = compose_delays(first, second)
    time = both.time_s[(both.time_s > 0.5) & (both.time_s < 5.5)]
    between = time - second.at(time)
    np.testing.assert_allclose(both.at(time), second.at(time) + first.at(between), atol=1e-9)


def test_a_constant_delay_has_a_closed_inverse_and_sum():
    late = wow(base_s=0.1, depth_s=0.0)
    np.testing.assert_allclose(arrival_time(np.array([-0.1, 2.0]), late), [0.0, 2.1], atol=1e-15)
    np.testing.assert_allclose(compose_delays(late, wow(base_s=0.2, depth_s=0.0)).delay_s, 0.3, atol=1e-15)


def test_uncertainties_add_as_independent_ones_and_gaps_unite():
    first, second = wow(base_s=0.0, depth_s=0.0), wow(base_s=0.0, depth_s=0.0)
    second.sigma_s[:] = 2e-6
    first.valid[100:110] = False
    second.valid[300:305] = False
    both = compose_delays(first, second)
    np.testing.assert_allclose(both.sigma_s, np.sqrt(5.0) * 1e-6)
    assert not both.valid[100:110].any()
    assert not both.valid[300:305].any()
    assert both.valid.sum() == 600 - 15


def test_composing_takes_the_finer_grid():
    assert compose_delays(wow(rate_hz=400.0), wow(rate_hz=100.0)).rate_hz == 400.0
    assert compose_delays(wow(rate_hz=50.0), wow(rate_hz=100.0)).rate_hz == 100.0


def test_a_doubled_sample_is_met_once_and_a_lost_one_waits():
    path = wow(depth_s=0.0, base_s=0.1, steps=(DelayStep(2.0, SAMPLE_S), DelayStep(4.0, -SAMPLE_S)))
    moments = np.arange(0, 5 * 44100) * SAMPLE_S
    time = arrival_time(moments, path)
    assert (np.diff(time) >= 0).all()
    error = time - path.at(time) - moments
    # every moment but the one that was lost is met exactly
    assert (np.abs(error) > 1e-12).sum() <= 1
    assert np.abs(error).max() <= 1.001 * SAMPLE_S
    # one sample of the output, the doubled one, is left out
    assert np.diff(time).max() == pytest.approx(2 * SAMPLE_S, rel=1e-6)


def test_steps_of_both_stand_in_the_sum():
    first = wow(depth_s=0.0, base_s=0.1, steps=(DelayStep(1.0, SAMPLE_S),))
    second = wow(depth_s=0.0, base_s=0.2, steps=(DelayStep(3.0, -SAMPLE_S),))
    both = compose_delays(first, second)
    assert [step.time_s for step in both.steps] == pytest.approx([1.2, 3.0])
    assert [step.delay_s for step in both.steps] == pytest.approx([SAMPLE_S, -SAMPLE_S])
    time = np.array([1.19, 1.21, 2.99, 3.01])
    np.testing.assert_allclose(both.at(time) - 0.3, SAMPLE_S * np.array([0.0, 1.0, 1.0, 0.0]), atol=1e-12)


def test_time_that_stands_still_has_no_inverse():
    frozen = DelayTrajectory(0.0, 100.0, np.array([0.0, 0.012]), np.zeros(2), np.ones(2, bool))
    with pytest.raises(SignalError, match=r"1\.20 s per second"):
        arrival_time(np.zeros(1), frozen)


def test_a_single_point_is_a_constant():
    one = DelayTrajectory(0.0, 100.0, np.array([0.1]), np.array([1e-6]), np.ones(1, bool))
    assert arrival_time(np.array([-5.0, 5.0]), one) == pytest.approx([-4.9, 5.1])
