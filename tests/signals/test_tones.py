"""Tones, pairs and the multitone: amplitudes in the spectrum against the closed form."""

import numpy as np
import pytest

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.signals.tones import (
    FADE_S,
    multitone_frequencies_hz,
    multitone_samples,
    tone_samples,
    two_tone_samples,
)

RATE = 48000


def spectrum_of_one_second(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Amplitude at each whole Hz, from one second behind the fade."""
    start = round(0.5 * sample_rate)
    return np.abs(np.fft.rfft(samples[start : start + sample_rate])) * 2.0 / sample_rate


def test_tone_has_its_frequency_level_and_phase() -> None:
    samples = tone_samples(frequency_hz=1000.0, duration_s=2.0, sample_rate=RATE, level_dbfs=-6.0)
    assert len(samples) == 2 * RATE
    fade = round(FADE_S * RATE)
    expected = 10 ** (-6 / 20) * np.sin(2.0 * np.pi * 1000.0 * np.arange(2 * RATE) / RATE)
    np.testing.assert_allclose(samples[fade:-fade], expected[fade:-fade], atol=1e-12)
    amplitudes = spectrum_of_one_second(samples, RATE)
    assert amplitudes[1000] == pytest.approx(10 ** (-6 / 20), rel=1e-9)
    assert np.max(np.delete(amplitudes, 1000)) < 1e-9
    assert samples[0] == samples[-1] == 0.0


@pytest.mark.parametrize(("pair_hz", "ratio"), [((60.0, 7000.0), 4.0), ((8000.0, 250.0), 4.0), ((19e3, 20e3), 1.0)])
def test_pair_has_its_ratio_and_peak(pair_hz: tuple[float, float], ratio: float) -> None:
    samples = two_tone_samples(frequencies_hz=pair_hz, duration_s=2.0, sample_rate=RATE, level_dbfs=-12.0)
    amplitudes = spectrum_of_one_second(samples, RATE)
    lower, upper = amplitudes[round(min(pair_hz))], amplitudes[round(max(pair_hz))]
    assert lower / upper == pytest.approx(ratio, rel=1e-9)
    assert lower + upper == pytest.approx(10 ** (-12 / 20), rel=1e-9)
    # round frequencies meet the grid of samples at few phases, so that the largest sample stays a little below the sum
    assert 0.95 < np.max(np.abs(samples)) / (lower + upper) <= 1.0 + 1e-9


@pytest.mark.parametrize("tones_per_octave", [1, 3, 24])
@pytest.mark.parametrize("sample_rate", [44100, 96000])
def test_multitone_is_flat_and_has_its_peak(tones_per_octave: int, sample_rate: int) -> None:
    frequencies = multitone_frequencies_hz(tones_per_octave=tones_per_octave, sample_rate=sample_rate)
    samples = multitone_samples(frequencies_hz=frequencies, duration_s=2.0, sample_rate=sample_rate, level_dbfs=-12.0)
    assert np.max(np.abs(samples)) == pytest.approx(10 ** (-12 / 20), rel=1e-12)
    amplitudes = spectrum_of_one_second(samples, sample_rate)
    bins = np.array(frequencies).astype(int)
    np.testing.assert_allclose(amplitudes[bins], amplitudes[bins[0]], rtol=1e-8)
    assert np.max(np.delete(amplitudes, bins)) < 1e-9
    crest_db = 20 * np.log10(10 ** (-12 / 20) / np.sqrt(len(bins) / 2 * amplitudes[bins[0]] ** 2))
    assert crest_db < 12.0


def test_products_of_even_order_fall_between_the_tones() -> None:
    frequencies = np.array(multitone_frequencies_hz(tones_per_octave=12, sample_rate=RATE))
    sums = (frequencies[:, np.newaxis] + frequencies).ravel()
    assert not np.isin(sums, frequencies).any()
    assert frequencies[0] >= 31.0
    assert frequencies[-1] <= 20000.0


def test_tones_above_half_the_rate_are_refused() -> None:
    with pytest.raises(ParameterError, match="24000 Hz does not fit below half the sample_rate of 44100 Hz"):
        tone_samples(frequency_hz=24000.0, duration_s=1.0, sample_rate=44100, level_dbfs=0.0)
    with pytest.raises(ParameterError, match="23000 Hz"):
        two_tone_samples(frequencies_hz=(23000.0, 100.0), duration_s=1.0, sample_rate=44100, level_dbfs=0.0)
