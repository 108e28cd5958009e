import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.dsp.correlation import frame_lags, generalised_correlation, parabola_offset
from tapemeasure.dsp.fractional import kaiser_beta, read_at
from tapemeasure.errors import ParameterError, SignalError


def error_db(frequency: float, half_taps: int) -> float:
    """Worst error of reading a sine (frequency as a fraction of the sample rate) at random places."""
    n = np.arange(2000)
    places = np.random.default_rng(1).uniform(600, 1400, 3000)
    read = read_at(np.sin(2 * np.pi * frequency * n), places, half_taps=half_taps)
    return 20 * np.log10(np.abs(read - np.sin(2 * np.pi * frequency * places)).max())


@pytest.mark.parametrize("frequency", [0.001, 0.1, 0.25, 0.4, 0.45])
def test_64_taps_read_a_sine_to_90_db(frequency: float) -> None:
    assert error_db(frequency, 32) < -90.0


def test_fewer_taps_lose_accuracy_and_more_gain_it() -> None:
    assert -60.0 < error_db(0.4, 8) < -25.0
    assert error_db(0.4, 128) < -105.0
    assert kaiser_beta(8) < kaiser_beta(32) < kaiser_beta(128) == 14.0


def test_whole_positions_give_the_samples_and_outside_gives_zero() -> None:
    samples = np.random.default_rng(2).standard_normal(50)
    np.testing.assert_allclose(read_at(samples, np.arange(50.0)), samples, atol=1e-12)
    np.testing.assert_array_equal(read_at(samples, np.array([-1e9, -40.0, 90.0, 1e9])), 0.0)


def test_channels_are_read_alike() -> None:
    samples = np.random.default_rng(3).standard_normal((80, 2))
    places = np.linspace(-5, 85, 33)
    both = read_at(samples, places, half_taps=8)
    assert both.shape == (33, 2)
    np.testing.assert_array_equal(both[:, 1], read_at(samples[:, 1], places, half_taps=8))


@given(st.floats(-3.0, 3.0), st.floats(-100.0, 100.0))
def test_a_constant_stays_a_constant(level: float, place: float) -> None:
    read = read_at(np.full(400, level), np.array([200.0 + place]))
    assert read[0] == pytest.approx(level, abs=1e-12)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ParameterError, match="half_taps is 2"):
        read_at(np.zeros(10), np.zeros(1), half_taps=2)
    with pytest.raises(SignalError, match="not finite"):
        read_at(np.zeros(10), np.array([np.nan]))


@pytest.mark.parametrize("lag", [-7, 0, 5])
def test_correlation_peaks_at_the_lag(lag: int) -> None:
    noise = np.random.default_rng(5).standard_normal(600)
    window = np.hanning(400)
    a, b = noise[100:500], np.roll(noise, lag)[100:500]
    values = generalised_correlation((a * window)[None], (b * window)[None], max_lag_samples=20)
    assert int(np.argmax(values[0])) - 20 == lag
    assert 0.5 < values.max() <= 1.0 + 1e-6


def test_silence_correlates_with_nothing() -> None:
    values = generalised_correlation(np.zeros((1, 64)), np.ones((1, 64)), max_lag_samples=4)
    np.testing.assert_array_equal(values, 0.0)


def test_frame_lags_find_a_fraction_of_a_sample() -> None:
    noise = np.convolve(np.random.default_rng(6).standard_normal(9000), np.hanning(9), "same")
    late = read_at(noise, np.arange(9000) - 0.3)
    lag, height = frame_lags(noise, late, length=1024, hop=256, max_lag_samples=8)
    assert lag[4:-4] == pytest.approx(0.3, abs=0.08)
    assert height[4:-4].min() > 0.9


def test_a_parabola_finds_its_own_maximum() -> None:
    x = np.arange(7.0)
    values = np.stack([4.0 - (x - 3.25) ** 2, 4.0 - (x - 0.0) ** 2])
    assert parabola_offset(values, np.array([3, 0])) == pytest.approx([0.25, 0.0])
