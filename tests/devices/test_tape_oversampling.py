"""The half-band chains: their closed form, latency, and what they leave of a tone."""

import json

import numpy as np
import pytest
from scipy.signal import freqz

from tapemeasure.devices.tape.oversampling import halfband_taps, latency_samples, oversampling_stages


def whole_filter(beside):
    """All taps of a half-band filter from those beside its centre."""
    taps = np.zeros(2 * len(beside) - 1)
    taps[0::2] = beside
    taps[len(beside) - 1] = 0.5
    return taps


def test_lengths_and_latency_are_those_of_the_plug_in():
    """119/79, 51/35, 47/31, 39/23 taps; 49, 59.5, 64.25 and 66.125 samples."""
    stages = oversampling_stages(16, mode="linear_phase")
    lengths = [(2 * len(stage.up_taps) - 1, 2 * len(stage.down_taps) - 1) for stage in stages]
    assert lengths == [(119, 79), (51, 35), (47, 31), (39, 23)]
    assert [latency_samples(stages[: i + 1]) for i in range(4)] == [49.0, 59.5, 64.25, 66.125]
    gains = [2 * float(np.sum(stage.up_taps)) for stage in stages]
    np.testing.assert_allclose(gains, [0.999953, 1.000000, 0.999723, 0.998930], atol=1e-6)


def test_taps_are_those_of_the_plug_in(chowtape_renders):
    """Every tap of all eight filters within 1e-6 of the centre tap."""
    expected = json.loads((chowtape_renders / "halfband_fir.json").read_text())["stages"]
    for stage, numbers in zip(oversampling_stages(16, mode="linear_phase"), expected, strict=True):
        np.testing.assert_allclose(whole_filter(stage.up_taps), numbers["up"], atol=5e-7)
        np.testing.assert_allclose(whole_filter(stage.down_taps), numbers["down"], atol=5e-7)


@pytest.mark.parametrize(("width", "attenuation_db"), [(0.05, -90.0), (0.10, -80.0), (0.12, -45.0)])
def test_half_band_property_and_attenuation(width, attenuation_db):
    """H(f) + H(1/2 - f) = 1 exactly, and behind the edge the stop band reaches its nominal level within 1 dB."""
    taps = whole_filter(halfband_taps(width, attenuation_db))
    frequencies = np.linspace(0, 0.5, 2001)
    centre = len(taps) // 2
    response = (
        taps[centre] + 2 * np.cos(2 * np.pi * np.outer(frequencies, np.arange(1, centre + 1))) @ taps[centre + 1 :]
    )
    np.testing.assert_allclose(response + response[::-1], 1.0, atol=1e-12)
    stop = abs(response[frequencies >= 0.25 + 0.55 * width])
    assert 20 * np.log10(stop.max()) < attenuation_db + 1.0


@pytest.mark.parametrize("mode", ["linear_phase", "minimum_phase"])
@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16])
def test_up_and_down_delay_a_low_tone_by_the_latency(mode, factor):
    """A 200 Hz tone comes back with its amplitude within 0.05 dB and `latency_samples` late within 0.01 samples."""
    stages = oversampling_stages(factor, mode=mode)
    phase = 2 * np.pi * 200.0 / 44100.0 * np.arange(8820)
    samples = np.sin(phase)
    for stage in stages:
        samples = stage.up(samples)
    assert len(samples) == factor * len(phase)
    for stage in reversed(stages):
        samples = stage.down(samples)
    steady = slice(4410, None)
    carrier = np.exp(-1j * phase[steady])
    value = 2j * np.mean(samples[steady] * carrier)
    assert 20 * np.log10(abs(value)) == pytest.approx(0.0, abs=0.05)
    delay = -np.angle(value) / (2 * np.pi * 200.0 / 44100.0)
    assert delay == pytest.approx(latency_samples(stages), abs=0.01)


def test_minimum_phase_stage_is_the_two_path_filter():
    """Impulse response up: the sum of both all-pass paths, against scipy's frequency response."""
    stage = oversampling_stages(2, mode="minimum_phase")[0]
    response = np.fft.rfft(stage.up(np.eye(1, 2048)[0]))
    omega = 2 * np.pi * np.arange(len(response)) / 4096
    paths = [np.ones(len(omega), dtype=complex), np.ones(len(omega), dtype=complex)]
    for number, coefficients in enumerate(stage.up_paths):
        for a in coefficients:
            paths[number] *= freqz([a, 0, 1], [1, 0, a], worN=omega)[1]
    expected = paths[0] + np.exp(-1j * omega) * paths[1]
    np.testing.assert_allclose(response, expected, atol=1e-6)
    assert 20 * np.log10(abs(response[omega > 0.6 * np.pi]).max() / 2) < -60.0
