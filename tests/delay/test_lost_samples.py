"""Lost and doubled samples: found to the sample by a tone, to a pulse by pulses, and the delay steps there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.delay.demodulation import follow_tone
from tapemeasure.delay.lost_samples import LostSamples, delay_steps, from_repaired, repair_output, to_repaired
from tapemeasure.delay.lost_search import lost_in_pulses, lost_in_tone
from tapemeasure.delay.pulses import find_pulse_train, track_pulses
from tapemeasure.delay.tone import find_tones
from tapemeasure.delay.track import track_delay

RATE = 44100


EVENTS = [(30000, 1), (61234, -1), (90000, 1), (90000 + 9000, 3), (140000, -2)]


def test_a_tone_places_them_to_the_sample(known) -> None:
    stimulus = 0.25 * np.sin(2 * np.pi * 3150 * np.arange(4 * RATE) / RATE)
    (tone,) = find_tones(stimulus, sample_rate=RATE)
    whole = known.machine(stimulus)
    output = known.damaged(whole, EVENTS)
    phase = follow_tone(output, frequency_hz=tone.frequency_hz, sample_rate=RATE)
    found = lost_in_tone(tone, output, phase, sample_rate=RATE)
    assert [event.samples for event in found] == [-count for _, count in EVENTS]
    # hiss is 48 dB below the tone, so that a sample more or less is seen in a few periods
    assert np.abs([event.time_s * RATE - place for event, (place, _) in zip(found, EVENTS, strict=True)]).max() < 5
    assert min(event.significance for event in found) > 50
    phase = follow_tone(whole, frequency_hz=tone.frequency_hz, sample_rate=RATE)
    assert lost_in_tone(tone, whole, phase, sample_rate=RATE) == ()


def test_pulses_place_them_to_a_pulse(known) -> None:
    stimulus = known.pulses(4.0)
    train = find_pulse_train(stimulus, sample_rate=RATE)
    assert train is not None
    whole = known.machine(stimulus)
    output = known.damaged(whole, EVENTS)
    found = lost_in_pulses(train, track_pulses(train, output, sample_rate=RATE), sample_rate=RATE)
    assert [event.samples for event in found] == [-count for _, count in EVENTS]
    assert np.abs([event.time_s - place / RATE for event, (place, _) in zip(found, EVENTS, strict=True)]).max() < 0.01
    assert lost_in_pulses(train, track_pulses(train, whole, sample_rate=RATE), sample_rate=RATE) == ()


@pytest.mark.parametrize("kind", ["tone", "pulses"])
def test_the_trajectory_steps_there_and_is_as_exact_as_ever(known, kind: str) -> None:
    stimulus = 0.25 * np.sin(2 * np.pi * 3150 * np.arange(4 * RATE) / RATE) if kind == "tone" else known.pulses(4.0)
    output = known.damaged(known.machine(stimulus), EVENTS)
    result = track_delay(stimulus, output, sample_rate=RATE, rate_hz=100.0)
    assert len(result.trajectory.steps) == len(EVENTS)
    time = result.trajectory.time_s
    gone = sum(count / RATE * (time >= place / RATE) for place, count in EVENTS)
    truth = known.wander(time + gone) - gone
    # a pulse leaves 5 ms in which the event may be
    clear = np.min([np.abs(time - place / RATE) for place, _ in EVENTS], axis=0) > 0.011
    clear &= (time > 0.2) & (time < 3.8)
    error = 1e6 * (result.trajectory.delay_s - truth)[clear]
    assert np.abs(error - np.median(error)).max() < 1.0


def test_repair_gives_back_what_was_doubled_and_the_length_of_what_was_lost(known) -> None:
    samples = np.sin(0.05 * np.arange(2000))
    output = known.damaged(samples, [(500, -3), (1500, 1)])
    lost = [LostSamples(500 / RATE, 3, 0.0, 9.0), LostSamples(1500 / RATE, -1, 0.0, 9.0)]
    whole = repair_output(output, lost, sample_rate=RATE)
    assert len(whole) == len(samples)
    # a straight line across one sample of a slow sine
    np.testing.assert_allclose(whole, samples, atol=0.05**2)
    stereo = repair_output(np.stack([output, output], axis=1), lost, sample_rate=RATE)
    np.testing.assert_array_equal(stereo[:, 1], whole)
    long = repair_output(samples, [LostSamples(0.01, -100, 0.0, 9.0)], sample_rate=RATE)
    assert not long[441:541].any()


@given(
    counts=st.lists(st.integers(-5, 5).filter(lambda count: count != 0), max_size=5),
    time_s=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=10),
)
def test_times_go_to_the_repaired_output_and_back(counts: list[int], time_s: list[float]) -> None:
    lost = [LostSamples(0.15 * (k + 1), count, 0.0, 9.0) for k, count in enumerate(counts)]
    doubled = [(event.time_s, event.time_s + event.samples / RATE) for event in lost if event.samples > 0]
    time = np.array([t for t in time_s if not any(begin <= t < end for begin, end in doubled)])
    back, kept = from_repaired(to_repaired(time, lost, sample_rate=RATE), lost, sample_rate=RATE)
    assert kept.all()
    np.testing.assert_allclose(back, time, atol=1e-12)
    assert sum(step.delay_s for step in delay_steps(lost, sample_rate=RATE)) == pytest.approx(sum(counts) / RATE)


@pytest.mark.parametrize("left_s", [0.2, 0.1, 0.05, 1.5])
@pytest.mark.parametrize("slope", [0.003, -0.003, 0.008])
def test_a_speed_that_changes_at_once_is_no_lost_sample(known, left_s: float, slope: float) -> None:
    def kinked(time_s: np.ndarray) -> np.ndarray:
        return known.wander(time_s) + slope * np.maximum(0.0, time_s - (4.0 - left_s))

    stimulus = known.pulses(4.0)
    train = find_pulse_train(stimulus, sample_rate=RATE)
    assert train is not None
    output = known.machine(stimulus, kinked)
    assert lost_in_pulses(train, track_pulses(train, output, sample_rate=RATE), sample_rate=RATE) == ()
    # a lost sample well before it is found all the same
    found = lost_in_pulses(
        train, track_pulses(train, known.damaged(output, [(61234, 1)]), sample_rate=RATE), sample_rate=RATE
    )
    assert left_s > 1.0 or [event.samples for event in found] == [-1]


def test_a_tone_inside_the_programme_tells_every_one_of_them(known) -> None:
    """Two samples of 15 kHz are two thirds of a turn, which the tone alone takes for one sample the other way."""
    programme = known.music(10.0) + 0.01 * np.sin(2 * np.pi * 15000.0 * np.arange(10 * RATE) / RATE)
    whole = known.machine(programme)
    events = [(80000, 1), (150000, -2), (220000, 2), (300000, -1), (370000, 1)]
    found = track_delay(programme, known.damaged(whole, events), sample_rate=RATE, pilot="inband").lost_samples
    assert [event.samples for event in found] == [-count for _, count in events]
    assert np.abs([event.time_s - place / RATE for event, (place, _) in zip(found, events, strict=True)]).max() < 0.01
    assert track_delay(programme, whole, sample_rate=RATE, pilot="inband").lost_samples == ()
