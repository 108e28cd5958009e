import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tapemeasure.dsp.spectra import (
    band_power,
    fit_tones,
    octave_grid,
    power_spectrum,
    smooth_octaves,
    third_octave_powers,
    tone_amplitudes,
)
from tapemeasure.errors import ParameterError, SignalError

RATE = 44100


def white(seconds: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


@pytest.mark.parametrize("median", [False, True])
def test_power_spectrum_equals_scipy(median: bool) -> None:
    noise = white(1.0)
    noise -= np.mean(noise)
    found = power_spectrum([noise], sample_rate=RATE, window_samples=2048, median=median)
    frequency, density = signal.welch(
        noise, RATE, "hann", 2048, detrend=False, average="median" if median else "mean"
    )  # fmt: skip
    np.testing.assert_allclose(found.frequency_hz, frequency)
    np.testing.assert_allclose(found.density_per_hz, density, rtol=1e-9)


def test_power_spectrum_pools_stretches_and_ignores_short_ones() -> None:
    noise = white(1.0)
    pooled = power_spectrum([noise, noise, noise[:100]], sample_rate=RATE, window_samples=1024)
    alone = power_spectrum([noise], sample_rate=RATE, window_samples=1024)
    np.testing.assert_allclose(pooled.density_per_hz, alone.density_per_hz)
    assert pooled.n_windows == 2 * alone.n_windows


def test_median_is_not_lifted_by_a_tick_as_the_mean_is() -> None:
    quiet = 1e-3 * white(2.0)
    ticked = quiet.copy()
    ticked[40000] = 1.0
    clean = band_power(power_spectrum([quiet], sample_rate=RATE, window_samples=4096, median=True))
    robust = band_power(power_spectrum([ticked], sample_rate=RATE, window_samples=4096, median=True))
    mean = band_power(power_spectrum([ticked], sample_rate=RATE, window_samples=4096))
    assert 10 * np.log10(mean / clean) > 8.0
    assert abs(10 * np.log10(robust / clean)) < 1.0


def test_band_powers_add_up_to_the_mean_square() -> None:
    spectrum = power_spectrum([white(4.0)], sample_rate=RATE, window_samples=4096)
    # 0.05 dB: four sigma of the level of 4 s of white noise
    assert band_power(spectrum) == pytest.approx(1.0, rel=0.012)
    halves = band_power(spectrum, high_hz=777.7) + band_power(spectrum, low_hz=777.7)
    assert halves == pytest.approx(band_power(spectrum), rel=1e-12)


def test_third_octaves_of_white_noise_rise_a_decibel_a_band() -> None:
    spectrum = power_spectrum([white(10.0)], sample_rate=RATE, window_samples=8192)
    centre_hz, power = third_octave_powers(spectrum)
    exact_hz = 1000.0 * 10.0 ** (np.arange(-17, -17 + len(centre_hz)) / 10.0)
    expected = exact_hz * (10.0**0.05 - 10.0**-0.05) * 2.0 / RATE
    known = np.isfinite(power)
    assert centre_hz[known][0] == 80.0
    # the band at 20 kHz ends above half the sample rate
    assert centre_hz[-1] == 16000.0
    # 0.5 dB: three sigma of a band of 200 Hz in 10 s is 0.3 dB; narrower bands are left out
    wide = known & (centre_hz >= 800.0)
    np.testing.assert_allclose(10 * np.log10(power[wide] / expected[wide]), 0.0, atol=0.5)


@settings(deadline=None, max_examples=30)
@given(
    amplitude=st.floats(1e-4, 2.0),
    phase=st.floats(-3.0, 3.0),
    frequency_hz=st.floats(100.0, 15000.0),
    offset=st.floats(-0.5, 0.5),
)
def test_tone_amplitude_is_exact_for_tones(amplitude: float, phase: float, frequency_hz: float, offset: float) -> None:
    time_s = np.arange(4410) / RATE
    angle = 2 * np.pi * frequency_hz * time_s + phase
    samples = offset + amplitude * np.cos(angle) + 0.01 * np.cos(1.4 * 2 * np.pi * frequency_hz * time_s)
    found = tone_amplitudes(samples, sample_rate=RATE, frequencies_hz=[frequency_hz, 1.4 * frequency_hz])
    assert found[0] == pytest.approx(amplitude * np.exp(1j * phase), abs=1e-9)
    assert found[1] == pytest.approx(0.01, abs=1e-9)


def test_tone_amplitude_noise_is_as_stated() -> None:
    noise = white(20.0)
    density = 2.0 / RATE
    pieces = noise.reshape(40, -1)
    found = [tone_amplitudes(piece, sample_rate=RATE, frequencies_hz=[3000.0])[0] for piece in pieces]
    expected = np.sqrt(3.0 * density / 0.5)
    # 40 values: the rms of complex Gaussian amplitudes scatters by 8 %
    assert np.sqrt(np.mean(np.abs(found) ** 2)) == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("frequencies_hz", [[1000.0, 1010.0], [5.0], [1000.0, 1000.0]])
def test_tones_that_cannot_be_told_apart_are_refused(frequencies_hz: list[float]) -> None:
    with pytest.raises(SignalError, match="longer signal"):
        tone_amplitudes(np.zeros(4410), sample_rate=RATE, frequencies_hz=frequencies_hz)


def test_tone_above_half_the_rate_is_refused() -> None:
    with pytest.raises(SignalError, match="half the sample rate"):
        tone_amplitudes(np.zeros(4410), sample_rate=RATE, frequencies_hz=[23000.0])


@pytest.mark.parametrize("stretches", [[], [np.zeros(100)]])
def test_spectrum_of_too_little_signal_is_refused(stretches: list[np.ndarray]) -> None:
    with pytest.raises(SignalError, match="1024"):
        power_spectrum(stretches, sample_rate=RATE, window_samples=1024)


def test_spectrum_with_a_tiny_window_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 8"):
        power_spectrum([np.zeros(100)], sample_rate=RATE, window_samples=4)


def test_smoothing_keeps_a_constant_and_averages_a_band() -> None:
    at_hz = octave_grid(low_hz=20.0, high_hz=20000.0, per_octave=12)
    assert at_hz[0] == 20.0
    assert at_hz[-1] <= 20000.0 < at_hz[-1] * 2 ** (1 / 12)
    flat = smooth_octaves(np.full(4097, 3.0), bin_hz=5.4, at_hz=at_hz, octaves=1 / 3)
    np.testing.assert_allclose(flat, 3.0)
    ramp = smooth_octaves(np.arange(4097) * 5.4, bin_hz=5.4, at_hz=np.array([1000.0]), octaves=1.0)
    # the mean of f over one octave around 1 kHz: the middle of its edges
    assert ramp[0] == pytest.approx(500.0 * (2**0.5 + 2**-0.5), rel=1e-4)


def test_smoothing_by_weights_ignores_what_weighs_nothing() -> None:
    values = np.array([1.0, 1.0, 100.0, 1.0, 1.0])
    weights = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    at_hz = np.array([2.0])
    assert smooth_octaves(values, bin_hz=1.0, at_hz=at_hz, octaves=1.5, weights=weights)[0] == pytest.approx(1.0)
    assert np.isnan(smooth_octaves(values, bin_hz=1.0, at_hz=at_hz, octaves=1.5, weights=np.zeros(5))[0])


@pytest.mark.parametrize("n_samples", [4410, 4409, 65537])
def test_what_tones_leave_is_the_rest_of_the_signal(n_samples: int) -> None:
    time_s = np.arange(n_samples) / RATE
    hiss = 1e-3 * np.random.default_rng(3).standard_normal(n_samples)
    tones = 0.4 * np.cos(2 * np.pi * 997.3 * time_s + 0.3) + 0.1 * np.sin(2 * np.pi * 5003.1 * time_s)
    amplitudes, rest = fit_tones(0.2 + tones + hiss, sample_rate=RATE, frequencies_hz=[997.3, 5003.1])
    assert amplitudes[0] == pytest.approx(0.4 * np.exp(0.3j), abs=2e-4)
    assert amplitudes[1] == pytest.approx(-0.1j, abs=2e-4)
    # five numbers were fitted: of the hiss no more than 5 / n of the power is gone with them
    np.testing.assert_allclose(np.std(rest), np.std(hiss), rtol=5e-3)
    np.testing.assert_allclose(rest, hiss, atol=6e-4)
    # without hiss nothing is left, however long the record
    _, nothing = fit_tones(0.2 + tones, sample_rate=RATE, frequencies_hz=[997.3, 5003.1])
    assert np.abs(nothing).max() < 1e-10
