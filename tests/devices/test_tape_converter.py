"""Lost and doubled samples: when, what is left, and what the delay is then."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.devices.tape.converter import Converter, LostSample, lost_samples, with_lost_samples
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory


def events(per_minute, *, duration_s=600.0, seed=1):
    return lost_samples(
        TapeSettings(lost_samples_per_minute=per_minute),
        duration_s=duration_s,
        sample_rate=48000,
        generator=np.random.default_rng(seed),
    )


def convert(signal, lost, *, sample_rate=1000, cuts=(10**6,)):
    """Converted signal of one channel, its latency taken off."""
    converter = Converter(lost, sample_rate, 1)
    fed = np.concatenate((signal, np.zeros(converter.latency_samples)))[:, np.newaxis]
    pieces, start = [], 0
    while start < len(fed):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(converter.process(fed[start : start + size]))
        start += size
    return np.concatenate(pieces)[converter.latency_samples :, 0]


def test_nothing_is_lost_by_default():
    """The block itself comes back."""
    assert events(0.0) == ()
    block = np.ones((10, 2))
    converter = Converter((), 48000, 2)
    assert converter.process(block) is block
    assert converter.latency_samples == 0


def test_events_come_at_their_rate():
    """600 minutes at 6 a minute: 3600 events within four standard deviations, gaps exponential, signs even."""
    lost = events(6.0, duration_s=36000.0)
    assert abs(len(lost) - 3600) < 4 * 60
    gaps = np.diff([event.time_s for event in lost])
    assert abs(gaps.std() / gaps.mean() - 1.0) < 0.1
    assert abs(sum(event.samples for event in lost)) < 4 * 60
    assert {event.samples for event in lost} == {-1, 1}


def test_a_longer_take_begins_with_the_events_of_a_shorter_one():
    """And all lie inside, on samples of their own."""
    short, long = events(100.0, duration_s=60.0), events(100.0, duration_s=600.0)
    assert long[: len(short)] == short
    moments = np.array([event.time_s for event in long]) * 48000
    np.testing.assert_allclose(moments, np.round(moments), atol=1e-6)
    assert (np.diff(np.round(moments)) > 0).all()
    assert long[-1].time_s < 600.0


def test_a_lost_sample_is_left_out_and_a_doubled_one_comes_twice():
    """Sample by sample."""
    signal = np.arange(12.0)
    lost = (LostSample(0.003, -1), LostSample(0.006, 1), LostSample(0.009, 1))
    assert convert(signal, lost).tolist() == [0, 1, 2, 4, 5, 6, 6, 7, 8, 8, 9, 10]
    assert convert(signal, (LostSample(0.004, -1),)).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 0]


@given(
    signs=st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_the_output_is_the_input_at_the_delay(signs, cuts):
    """Output n is input n - delay, for any events and cuts; the truth's steps say so too."""
    lost = tuple(LostSample((7 * i + 5) / 1000, sign) for i, sign in enumerate(signs))
    signal = np.random.default_rng(1).standard_normal(600)
    still = DelayTrajectory(0.0, 1000.0, np.zeros(601), np.zeros(601), np.ones(601, dtype=bool))
    truth = with_lost_samples(still, lost, sample_rate=1000)
    late = np.round(1000 * truth.at(np.arange(600) / 1000)).astype(int)
    assert np.array_equal(np.round(1000 * truth.delay_s).astype(int)[:600], late)
    source = np.arange(600) - late
    inside = (source >= 0) & (source < 600)
    assert np.array_equal(convert(signal, lost, cuts=tuple(cuts))[inside], signal[source[inside]])


def test_the_moving_delay_shifts_along():
    """Behind 30 doubled samples of a ramp of 1 % the delay is that of 30 samples ago, plus the 30."""
    ramp = 0.01 * np.arange(2001) / 1000.0
    moving = DelayTrajectory(0.0, 1000.0, ramp, np.zeros(2001), np.ones(2001, dtype=bool))
    lost = tuple(LostSample((10 * i + 5) / 1000, 1) for i in range(30))
    truth = with_lost_samples(moving, lost, sample_rate=1000)
    np.testing.assert_allclose(truth.at(np.array([1.5])), 0.03 + 0.01 * 1.47, atol=1e-9)
    assert with_lost_samples(moving, (), sample_rate=1000) is moving
