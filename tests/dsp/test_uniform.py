"""Slow signals on a uniform grid against their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import make_interp_spline

from tapemeasure.dsp.kernels import evaluate_pieces
from tapemeasure.dsp.uniform import half_length, lowpass_values, slope_taps, slope_values, spline_pieces
from tapemeasure.errors import ParameterError


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 50])
def test_the_spline_goes_through_its_points(n):
    values = np.random.default_rng(n).standard_normal(n)
    np.testing.assert_allclose(evaluate_pieces(spline_pieces(values), np.arange(float(n))), values, atol=1e-12)


def test_the_pieces_are_the_quintic_spline_of_scipy():
    values = np.random.default_rng(1).standard_normal(80)
    places = np.linspace(0, 79, 1234)
    expected = make_interp_spline(np.arange(80.0), values, k=5)(places)
    np.testing.assert_allclose(evaluate_pieces(spline_pieces(values), places), expected, atol=1e-9)


@given(st.lists(st.floats(-2.0, 2.0), min_size=6, max_size=6))
def test_a_polynomial_of_the_fifth_degree_is_itself(powers):
    grid, places = np.linspace(-1, 1, 41), np.linspace(0, 40, 333)
    polynomial = np.polynomial.Polynomial(powers)
    read = evaluate_pieces(spline_pieces(polynomial(grid)), places)
    np.testing.assert_allclose(read, polynomial(places / 20.0 - 1.0), atol=1e-9)


@pytest.mark.parametrize(("frequency", "limit"), [(0.05, 1e-7), (0.1, 1e-5), (0.25, 5e-3)])
def test_a_sine_between_the_points(frequency, limit):
    n, places = np.arange(400), np.linspace(50, 350, 2001)
    read = evaluate_pieces(spline_pieces(np.sin(2 * np.pi * frequency * n)), places)
    assert np.abs(read - np.sin(2 * np.pi * frequency * places)).max() < limit


def test_places_outside_are_held():
    pieces = spline_pieces(np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]))
    np.testing.assert_allclose(evaluate_pieces(pieces, np.array([-9.0, 99.0])), [3.0, 2.0], atol=1e-12)


@given(st.floats(-1e-3, 1e-3), st.floats(-10.0, 10.0), st.sampled_from([5.0, 20.0, 45.0]))
def test_a_ramp_is_kept_and_has_its_slope(slope, offset, limit_hz):
    ramp = offset + slope * np.arange(300) / 100.0
    np.testing.assert_allclose(lowpass_values(ramp, rate_hz=100.0, limit_hz=limit_hz), ramp, atol=1e-12)
    np.testing.assert_allclose(slope_values(ramp, rate_hz=100.0, limit_hz=limit_hz), slope, atol=1e-11)


@pytest.mark.parametrize(("frequency_hz", "gain"), [(5.0, 1.0), (25.0, 1.0), (40.0, 0.5), (60.0, 0.0), (150.0, 0.0)])
def test_response_of_the_low_pass_and_of_the_slope(frequency_hz, gain):
    phase = 2 * np.pi * frequency_hz * np.arange(4000) / 400.0
    inside = slice(200, -200)
    low = lowpass_values(np.sin(phase), rate_hz=400.0, limit_hz=40.0)
    assert np.abs(low - gain * np.sin(phase))[inside].max() < 0.01
    slope = slope_values(np.sin(phase), rate_hz=400.0, limit_hz=40.0) / (2 * np.pi * frequency_hz)
    assert np.abs(slope - gain * np.cos(phase))[inside].max() < 0.01


def test_noise_of_the_slope_is_the_energy_of_its_taps():
    noise = np.random.default_rng(2).standard_normal(200000)
    expected = np.sqrt(np.sum(slope_taps(rate_hz=100.0, limit_hz=20.0) ** 2))
    assert np.std(slope_values(noise, rate_hz=100.0, limit_hz=20.0)) == pytest.approx(expected, rel=0.02)


def test_a_point_depends_on_half_a_length_only():
    values = np.zeros(400)
    values[200] = 1.0
    reach = half_length(rate_hz=100.0, limit_hz=20.0)
    touched = np.flatnonzero(np.abs(slope_values(values, rate_hz=100.0, limit_hz=20.0)) > 1e-9)
    assert touched[0] >= 200 - reach
    assert touched[-1] <= 200 + reach


@pytest.mark.parametrize("limit_hz", [0.0, -1.0, 51.0])
def test_a_limit_out_of_range(limit_hz):
    with pytest.raises(ParameterError, match="limit_hz"):
        lowpass_values(np.zeros(10), rate_hz=100.0, limit_hz=limit_hz)


def test_short_values():
    for n in (1, 2, 7):
        np.testing.assert_allclose(lowpass_values(np.full(n, 4.0), rate_hz=100.0, limit_hz=10.0), 4.0)
        np.testing.assert_allclose(slope_values(np.full(n, 4.0), rate_hz=100.0, limit_hz=10.0), 0.0, atol=1e-12)
