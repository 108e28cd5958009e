"""Outputs that run too fast or slow are tracked all the same, and told; nothing is made of steady tones."""

import numpy as np
import pytest

from tapemeasure.delay.speed_ratio import find_speed_ratios
from tapemeasure.delay.track import track_delay
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import NoMatchError
from tapemeasure.signals.timeline import Pilot

SECONDS = 6.0


@pytest.fixture(scope="module")
def played(known):
    return known.music(SECONDS)


def at_speed(known, samples, ratio, *, seed=0):
    """The samples played `ratio` times too fast by a machine that wanders, and the exact delay."""

    def delay(time_s):
        return time_s - ratio * (time_s - known.wander(time_s))

    time_s = np.arange(int(len(samples) / ratio)) / known.rate
    late = read_at(samples, (time_s - delay(time_s)) * known.rate, half_taps=64)
    return late + 1e-3 * np.random.default_rng(seed).standard_normal(len(late)), delay


def error_us(result, delay):
    path = result.trajectory
    inside = path.valid & (path.time_s > 0.3) & (path.time_s < path.end_s - 0.3)
    assert inside.mean() > 0.8
    return 1e6 * (path.delay_s - delay(path.time_s))[inside]


@pytest.mark.parametrize("ratio", [1.05, 0.95, 1.025, 48000 / 44100])
def test_a_wrong_speed_is_tracked_and_told(known, played, ratio):
    output, delay = at_speed(known, played, ratio)
    result = track_delay(played, output, sample_rate=known.rate)
    error = error_us(result, delay)
    assert np.std(error) < 1.5
    assert abs(np.mean(error)) < 3.0
    # wow of 0.3 ms leaves the mean speed of 6 s open by 0.02 %
    assert result.speed_ratio == pytest.approx(ratio, abs=3e-4)
    told = next(text for text in result.warnings if "than the input (ratio" in text)
    assert ("faster" in told) == (ratio > 1.0)
    assert ("48 kHz taken for 44.1 kHz" in told) == (ratio == 48000 / 44100)


@pytest.mark.parametrize(("pilot", "largest_us"), [("pulses", 1.5), ("tone", 0.3)])
def test_a_pilot_of_a_wrong_speed_is_followed(known, played, pilot, largest_us):
    tone = 0.25 * np.sin(2 * np.pi * 3150 * np.arange(len(played)) / known.rate)
    beside = known.pulses(SECONDS, first=384) if pilot == "pulses" else tone
    output, delay = at_speed(known, played, 0.96)
    heard, _ = at_speed(known, beside, 0.96, seed=1)
    kind = Pilot(kind=pilot, channel=1, frequency_hz=100.0 if pilot == "pulses" else 3150.0)
    result = track_delay(
        np.stack([played, beside], axis=1), np.stack([output, heard], axis=1), sample_rate=known.rate, known_pilot=kind
    )
    assert result.method == pilot
    assert np.std(error_us(result, delay)) < largest_us
    if pilot == "tone":
        # the frequency of the input as it is
        assert "3150.0 Hz" in result.reason


def test_the_right_speed_is_left_alone(known, played):
    result = track_delay(played, at_speed(known, played, 1.0)[0], sample_rate=known.rate)
    assert result.speed_ratio == 1.0
    assert result.warnings == ()


def test_half_the_speed_is_told(known, played):
    output, _ = at_speed(known, played, 0.5)
    with pytest.raises(NoMatchError, match=r"the input at 0\.50\d times its speed"):
        track_delay(played, output, sample_rate=known.rate)


def test_wow_too_deep_to_follow_is_told(known, played):
    time_s = np.arange(len(played)) / known.rate
    deep = 0.05 + 0.02 * np.sin(2 * np.pi * 0.8 * time_s)
    output = read_at(played, (time_s - deep) * known.rate)
    with pytest.raises(NoMatchError, match="may belong together, but the speed wanders"):
        track_delay(played, output, sample_rate=known.rate)


@pytest.mark.parametrize("frequencies_hz", [(1000.0,), (220.0, 277.18, 329.63, 440.0)])
def test_steady_tones_fit_at_no_speed(known, frequencies_hz):
    time_s = np.arange(round(8 * known.rate)) / known.rate
    stimulus = sum(0.1 * np.sin(2 * np.pi * f * time_s + f) for f in frequencies_hz)
    with pytest.raises(NoMatchError, match="steady tones"):
        track_delay(stimulus, known.machine(stimulus), sample_rate=known.rate, pilot="none")


@pytest.mark.parametrize("ratio", [0.6, 0.93, 1.0, 1.11, 1.9])
def test_the_ratio_of_noise_does_not_depend_on_the_delay(known, ratio):
    noise = 0.1 * np.random.default_rng(3).standard_normal(8 * known.rate)
    output, _ = at_speed(known, noise, ratio)
    late = np.concatenate([np.zeros(known.rate // 2), output])
    best = find_speed_ratios(noise, late, sample_rate=known.rate)[0]
    assert best.ratio == pytest.approx(ratio, rel=4e-3)


def test_unrelated_noise_has_no_ratio(known):
    one, other = np.random.default_rng(4).standard_normal((2, 5 * known.rate))
    assert all(found.agreement < 0.2 for found in find_speed_ratios(one, other, sample_rate=known.rate))
    assert find_speed_ratios(one[:200], other[:200], sample_rate=500.0) == []
