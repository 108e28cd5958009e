"""What a tone pilot must survive: deep wow, dropouts, weak levels, several tones, being lost for a second."""

import numpy as np
import pytest

from tapemeasure.delay.demodulation import follow_tone
from tapemeasure.delay.tone import find_tones
from tapemeasure.delay.tone_delays import GROUP_DELAY_S, track_tone, track_tones
from tapemeasure.delay.track import track_delay


def tone_of(known, duration_s: float, frequency_hz: float = 3150.0, amplitude: float = 0.25) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * known.rate)) / known.rate)


def times(found, known) -> np.ndarray:
    return np.arange(len(found.delay_s)) * found.step_samples / known.rate


def deep(time_s: np.ndarray) -> np.ndarray:
    """Wow of 2.3 % rms, more than 200 Hz of a 10 kHz tone."""
    return 0.03 + 0.0115 * np.sin(2 * np.pi * 0.456 * time_s + 1.0)


@pytest.mark.parametrize("frequency_hz", [3150.0, 10_000.0])
def test_wow_of_two_percent_is_followed_to_the_right_turn(known, frequency_hz: float) -> None:
    stimulus = tone_of(known, 4.0, frequency_hz)
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    found = track_tone(tone, known.machine(stimulus, deep), sample_rate=known.rate)
    time = times(found, known)
    inside = (time > 0.1) & (time < 3.9)
    error = 1e6 * (found.delay_s - deep(time))[inside]
    # ten times the bound at 3150 Hz; a wrong turn would be 100 us or more
    assert np.abs(error).max() < 0.3
    assert not found.ambiguous


def test_a_weak_tone_keeps_an_honest_uncertainty(known) -> None:
    stimulus = tone_of(known, 4.0, amplitude=1e-3)
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    output = known.machine(stimulus, hiss=3e-4)
    found = track_tone(
        tone, output, sample_rate=known.rate, guide_time_s=np.array([2.0]), guide_delay_s=np.array([0.02])
    )
    time = times(found, known)
    known_turn = np.arange(0, 4, 0.01)
    found = track_tone(
        tone, output, sample_rate=known.rate, guide_time_s=known_turn, guide_delay_s=known.wander(known_turn)
    )
    inside = found.found & (time > 0.1) & (time < 3.9)
    error = (found.delay_s - known.wander(time))[inside]
    assert 0.6 < np.mean(np.abs(error) < found.sigma_s[inside]) < 0.76


def test_a_dropout_is_listed_masked_and_not_followed(known) -> None:
    stimulus = tone_of(known, 4.0)
    output = known.machine(stimulus)
    gain = np.ones(len(output))
    gain[round(2.0 * known.rate) : round(2.03 * known.rate)] = 0.05
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    found = track_tone(tone, gain * output, sample_rate=known.rate)
    (dropout,) = found.dropouts
    # the filter of 200 Hz smears an edge over 2 ms, and rings into the bottom
    assert dropout.start_s == pytest.approx(2.0, abs=0.003)
    assert dropout.length_s == pytest.approx(0.03, abs=0.005)
    assert dropout.depth_db == pytest.approx(-26.0, abs=3.0)
    time = times(found, known)
    assert not found.found[(time > 2.002) & (time < 2.028)].any()
    assert 1e6 * np.abs(found.delay_s - known.wander(time))[found.found & (time > 0.1) & (time < 3.9)].max() < 1.0


def test_the_amplitude_tells_modulation_noise(known) -> None:
    stimulus = tone_of(known, 4.0)
    time = np.arange(len(stimulus)) / known.rate
    output = known.machine(stimulus, hiss=1e-5) * (1.0 + 0.01 * np.sin(2 * np.pi * 70.0 * time))
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    found = track_tone(tone, output, sample_rate=known.rate)
    modulation = found.amplitude[500:-500] / 0.25 - 1.0
    assert np.std(modulation) == pytest.approx(0.01 / np.sqrt(2.0), rel=0.02)
    # and the delay is not touched by it, but for the group delay that is taken off a machine's tone
    at = times(found, known) + GROUP_DELAY_S
    assert 1e6 * np.std((found.delay_s - known.wander(at))[500:-500]) < 0.01


def test_two_tones_are_told_apart_and_the_lower_one_places_the_higher(known) -> None:
    stimulus = tone_of(known, 4.0, 3150.0, 0.2) + tone_of(known, 4.0, 400.0, 0.1)
    tones = find_tones(stimulus, sample_rate=known.rate)
    assert [tone.frequency_hz for tone in tones] == pytest.approx([3150.0, 400.0], abs=1e-3)
    output = known.machine(stimulus)
    # cut, so that neither beginning nor end is seen: 20 ms are one turn of 400 Hz off at most
    part = slice(known.rate, 3 * known.rate)
    cut = find_tones(stimulus[part], sample_rate=known.rate)
    found = track_tones(
        cut,
        output[part],
        sample_rate=known.rate,
        guide_time_s=np.array([0.0, 2.0]),
        # half a turn of 3150 Hz off and more: right for the lower tone only
        guide_delay_s=np.array([0.0203, 0.0203]),
    )
    time = times(found, known)
    error = 1e6 * (found.delay_s - known.wander(time + 1.0))[20:-20]
    assert np.abs(error).max() < 0.5


def test_music_under_a_tone_is_no_pair_of_tones(known, music: np.ndarray) -> None:
    assert find_tones(tone_of(known, 4.0) + music, sample_rate=known.rate) == ()


def test_a_second_without_tone_leaves_a_doubt_without_a_guide(known) -> None:
    stimulus = tone_of(known, 6.0)
    output = known.machine(stimulus, deep)
    output[2 * known.rate : 3 * known.rate] = 0.0
    (tone,) = find_tones(stimulus, sample_rate=known.rate)
    assert track_tone(tone, output, sample_rate=known.rate).ambiguous
    short = known.machine(stimulus)
    short[2 * known.rate : 2 * known.rate + 200] = 0.0
    assert not track_tone(tone, short, sample_rate=known.rate).ambiguous


def test_the_phase_follows_a_tape_that_runs_five_percent_fast(known) -> None:
    time = np.arange(3 * known.rate) / known.rate
    phase = follow_tone(0.2 * np.sin(2 * np.pi * 3307.5 * time), frequency_hz=3150.0, sample_rate=known.rate)
    turns = (phase.phase[-100] - phase.phase[100]) / (2 * np.pi)
    seconds = (len(phase.phase) - 200) * phase.step_samples / known.rate
    assert turns / seconds == pytest.approx(157.5, abs=1e-4)


def test_a_pilot_is_moved_to_the_programmes_track(known, music: np.ndarray) -> None:
    def programme_delay(time_s: np.ndarray) -> np.ndarray:
        return known.wander(time_s) + 6e-6 * np.sin(2 * np.pi * 0.4 * time_s) + 1e-5

    stimulus = np.stack([music, tone_of(known, 4.0)], axis=1)
    output = np.stack([known.machine(music, programme_delay), known.machine(stimulus[:, 1], seed=1)], axis=1)
    by_pilot = track_delay(stimulus, output, sample_rate=known.rate, pilot="tone")
    fused = track_delay(stimulus, output, sample_rate=known.rate, pilot="fused")
    assert fused.method == "fused"
    time = fused.trajectory.time_s
    inside = (time > 0.3) & (time < 3.7)
    truth = programme_delay(time)
    rms_us = [1e6 * np.sqrt(np.mean((r.trajectory.delay_s - truth)[inside] ** 2)) for r in (by_pilot, fused)]
    # the azimuth alone is 10.9 us rms
    assert rms_us[0] > 8.0
    assert rms_us[1] < 1.5
