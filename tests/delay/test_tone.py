import numpy as np
import pytest

from tapemeasure.delay.inband import find_inband_tone, track_inband
from tapemeasure.delay.resolution import lowpass
from tapemeasure.delay.tone import find_tones
from tapemeasure.delay.tone_delays import track_tone
from tapemeasure.errors import NoMatchError


def tone_of(known, duration_s: float, frequency_hz: float = 3150.0, amplitude: float = 0.25) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * known.rate)) / known.rate)


def test_frequency_and_phase_are_measured(known) -> None:
    (tone,) = find_tones(tone_of(known, 2.0, 3150.37), sample_rate=known.rate)
    assert tone.frequency_hz == pytest.approx(3150.37, abs=1e-4)
    assert tone.phase == pytest.approx(-np.pi / 2, abs=1e-3)


def test_music_noise_and_silence_are_no_tone(known, music: np.ndarray) -> None:
    for samples in (music, np.random.default_rng(1).standard_normal(20000), np.zeros(20000)):
        assert find_tones(samples, sample_rate=known.rate) == ()
        assert find_inband_tone(samples, sample_rate=known.rate) is None


def test_the_phase_gives_the_delay_to_the_bound(known) -> None:
    stimulus = tone_of(known, 4.0)
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    found = track_tone(tone, known.machine(stimulus), sample_rate=known.rate)
    time = np.arange(len(found.delay_s)) * found.step_samples / known.rate
    error = known.error_us(time, found.delay_s)
    # Cramer-Rao: sqrt(4 B sigma^2 / (A^2 fs)) / (2 pi f)
    bound_us = 1e6 * np.sqrt(4 * found.bandwidth_hz * 1e-6 / (0.25**2 * known.rate)) / (2 * np.pi * 3150)
    assert 0.7 * bound_us < np.std(error) < 1.3 * bound_us
    assert 0.55 < np.mean(np.abs(error) < 1e6 * found.sigma_s[500]) < 0.8
    # where the tone begins tells its periods apart
    assert not found.ambiguous
    assert np.median(found.delay_s - known.wander(time)) == pytest.approx(0.0, abs=2e-7)


def test_a_lost_tone_is_bridged_and_found_again(known) -> None:
    stimulus = tone_of(known, 4.0)
    output = known.machine(stimulus)
    output[known.rate : 2 * known.rate] = 0.0
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    guide = np.arange(0, 4, 0.1)
    found = track_tone(
        tone, output, sample_rate=known.rate, guide_time_s=guide, guide_delay_s=known.wander(guide) + 5e-5
    )
    time = np.arange(len(found.delay_s)) * found.step_samples / known.rate
    assert not found.found[(time > 1.0) & (time < 2.0)].any()
    sure = found.found & (time < 3.99)
    assert np.abs(found.delay_s - known.wander(time))[sure].max() < 1e-6


def test_another_tone_is_no_match(known) -> None:
    (tone,) = find_tones(tone_of(known, 1.0), sample_rate=known.rate)
    with pytest.raises(NoMatchError, match="no tone: 3150"):
        track_tone(tone, np.random.default_rng(1).standard_normal(known.rate), sample_rate=known.rate)


def test_a_tone_inside_the_programme_refines_its_delay(known, music: np.ndarray) -> None:
    stimulus = music + tone_of(known, 4.0, 15000.0, 0.01)
    assert find_inband_tone(stimulus, sample_rate=known.rate) == pytest.approx(15000.0, abs=0.05)
    output = known.machine(stimulus)
    time = np.arange(len(output)) / known.rate
    rough = known.wander(time) + 5e-6 * np.sin(2 * np.pi * 3 * time)
    found = track_inband(stimulus, output, rough, frequency_hz=15000.0, sample_rate=known.rate)
    at = np.arange(len(found.delay_s)) * found.step_samples / known.rate
    error = known.error_us(at[found.found], found.delay_s[found.found])
    assert np.std(error) < 1.2
    assert found.found.mean() > 0.6


def test_the_low_pass_keeps_a_line_and_removes_what_is_above() -> None:
    time = np.arange(4000) / 1000.0
    slow, quick = np.sin(2 * np.pi * 9 * time), np.sin(2 * np.pi * 150 * time)
    np.testing.assert_allclose(
        lowpass(slow + quick, rate_hz=1000.0, limit_hz=50.0)[300:-300], slow[300:-300], atol=5e-3
    )
    assert lowpass(time, rate_hz=1000.0, limit_hz=50.0) == pytest.approx(time, abs=1e-9)
