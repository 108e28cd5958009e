"""Error measures: closed forms, the same perfect / empty / bad tests over all, and auraloss as the oracle."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter

from tapemeasure.analysis.signal_errors import dc_block, dc_blocked_esr, esr, mr_stft, signal_errors
from tapemeasure.errors import MismatchError, SignalError

MEASURES = [esr, dc_blocked_esr, mr_stft]


def noise(n_samples: int = 8000, seed: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples)


@pytest.mark.parametrize("measure", MEASURES)
def test_equal_signals_have_no_error(measure):
    assert measure(noise(), noise()) == 0.0


@pytest.mark.parametrize("measure", MEASURES)
def test_empty_signals_are_refused(measure):
    with pytest.raises(SignalError, match="empty"):
        measure(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_silent_target_is_refused_and_not_divided_by(measure):
    with pytest.raises(SignalError, match="silent"):
        measure(noise(), np.zeros(8000))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["output", "target"])
def test_non_finite_samples_are_counted_and_named(measure, bad, side):
    signals = {"output": noise(), "target": noise()}
    signals[side][[5, 7]] = bad
    with pytest.raises(SignalError, match=f"2 samples of the {side} are NaN or infinite"):
        measure(signals["output"], signals["target"])


@pytest.mark.parametrize("measure", MEASURES)
def test_lengths_and_channels_must_agree(measure):
    with pytest.raises(MismatchError, match="7999"):
        measure(noise(7999), noise())
    with pytest.raises(MismatchError, match="2"):
        measure(np.stack([noise(), noise()], axis=1), noise())


def test_a_silent_output_has_an_esr_of_one():
    assert esr(np.zeros(8000), noise()) == 1.0


@given(gain=st.floats(-4.0, 4.0), scale=st.floats(0.01, 100.0))
@settings(max_examples=30, deadline=None)
def test_a_gain_error_is_its_square_at_any_level(gain, scale):
    signal = scale * noise(500)
    assert esr(gain * signal, signal) == pytest.approx((gain - 1.0) ** 2, abs=1e-12)
    assert dc_blocked_esr(gain * signal, signal) == pytest.approx((gain - 1.0) ** 2, abs=1e-12)


def test_a_timing_error_costs_what_the_docstring_says():
    time_s = np.arange(44100) / 44100
    frequency_hz, delay_s = 10000.0, 1e-6
    late = np.sin(2 * np.pi * frequency_hz * (time_s - delay_s))
    expected = (2 * np.pi * frequency_hz * delay_s) ** 2
    assert esr(late, np.sin(2 * np.pi * frequency_hz * time_s)) == pytest.approx(expected, rel=0.01)


def test_channels_are_pooled_as_a_ratio_of_sums():
    quiet, loud = 0.01 * noise(seed=1), noise(seed=2)
    output = np.stack([np.zeros_like(quiet), loud], axis=1)
    target = np.stack([quiet, loud], axis=1)
    assert esr(output, target) == pytest.approx(np.sum(quiet**2) / (np.sum(quiet**2) + np.sum(loud**2)))


def test_the_dc_blocker_is_the_published_filter():
    impulse = np.zeros(4096)
    impulse[0] = 1.0
    frequency_hz = np.array([0.0, 35.2, 1000.0, 22050.0])
    _, response = freqz(dc_block(impulse), worN=frequency_hz, fs=44100)
    gain = np.abs(response)
    assert gain[0] == pytest.approx(0.0, abs=1e-8)
    assert 20 * math.log10(gain[1]) == pytest.approx(-3.01, abs=0.1)
    assert gain[2:] == pytest.approx([1.0, 2.0 / 1.995], abs=2e-3)
    np.testing.assert_allclose(dc_block(noise()), lfilter([1, -1], [1, -0.995], noise()), atol=1e-15)


def test_the_dc_blocker_forgives_a_constant_but_not_more():
    # 1 sample of 44100 carries the step at the start; the rest decays with 200 samples
    assert esr(noise(44100) + 0.1, noise(44100)) == pytest.approx(1.0, rel=0.05)
    assert dc_blocked_esr(noise(44100) + 0.1, noise(44100)) < 0.01


@pytest.mark.parametrize("channels", [1, 2])
def test_mr_stft_equals_auraloss(channels):
    torch = pytest.importorskip("torch")
    freq = pytest.importorskip("auraloss.freq")
    target = np.stack([noise(20011, seed=channel) for channel in range(channels)], axis=1)
    target[3000:6000] = 0.0  # where the floor of the powers decides
    output = np.tanh(3.0 * target) / 2.5 + 0.01 * np.stack([noise(20011, seed=9)] * channels, axis=1)
    as_torch = [torch.tensor(signal.T[np.newaxis], dtype=torch.float32) for signal in (output, target)]
    expected = float(freq.MultiResolutionSTFTLoss()(*as_torch))
    assert mr_stft(output, target) == pytest.approx(expected, rel=1e-4)


def test_mr_stft_does_not_hear_polarity():
    assert mr_stft(-noise(), noise()) == pytest.approx(0.0, abs=1e-12)


def test_mr_stft_needs_more_than_half_its_longest_window():
    with pytest.raises(SignalError, match="give at least 1025"):
        mr_stft(noise(1024), noise(1024))
    assert mr_stft(noise(1025), noise(1025)) == 0.0


def test_stretches_are_pooled_by_energy_and_by_length():
    loud, quiet = noise(4000, seed=1), 0.1 * noise(8000, seed=2)
    pooled = signal_errors([0.5 * loud, quiet], [loud, quiet])
    energy_loud, energy_quiet = np.sum(loud**2), np.sum(quiet**2)
    assert pooled.esr == pytest.approx(0.25 * energy_loud / (energy_loud + energy_quiet))
    assert pooled.mr_stft == pytest.approx(mr_stft(0.5 * loud, loud) / 3.0)
    assert pooled.dc_blocked_esr == pytest.approx(pooled.esr, rel=0.1)


def test_one_stretch_gives_the_single_measures():
    output, target = np.tanh(2.0 * noise()), noise()
    errors = signal_errors([output], [target])
    assert errors.esr == esr(output, target)
    assert errors.dc_blocked_esr == dc_blocked_esr(output, target)
    assert errors.mr_stft == mr_stft(output, target)


def test_numbers_of_stretches_must_agree():
    with pytest.raises(MismatchError, match="1 outputs, 2 targets"):
        signal_errors([noise()], [noise(), noise()])
    with pytest.raises(MismatchError, match="0 targets"):
        signal_errors([], [])
