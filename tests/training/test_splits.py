"""Sets never overlap, and nothing of a take is lost or used twice."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import SPLITS, Pilot, Segment, Timeline
from tapemeasure.training.splits import Range, followed_ranges, followed_samples, programme_ranges
from tapemeasure.trajectory import DelayTrajectory


def timeline(length_samples=1000):
    segments = (
        Segment("sweep", "sweep", 0, 100, -6.0, (20.0, 20000.0)),
        Segment("a", "programme", 100, 300, -1.0, split="train"),
        Segment("b", "programme", 400, 200, -1.0, split="validation"),
        Segment("c", "programme", 600, 300, -1.0, split="test"),
    )
    return Timeline(44100, length_samples, segments, Pilot("none"))


@given(st.integers(1, 10**7))
def test_cut_by_time_covers_the_take_once(length_samples):
    ranges = programme_ranges(length_samples)
    edges = [(part.start_samples, part.stop_samples) for name in SPLITS for part in ranges[name]]
    assert edges[0][0] == 0
    assert edges[-1][1] == length_samples
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))


def test_timeline_decides_by_its_programme_segments():
    ranges = programme_ranges(1000, timeline=timeline())
    assert [(part.start_samples, part.stop_samples) for part in ranges["train"]] == [(100, 400)]
    assert [(part.start_samples, part.stop_samples) for part in ranges["test"]] == [(600, 900)]


def test_named_set_takes_the_whole_take():
    ranges = programme_ranges(1000, split="validation")
    assert ranges["train"] == ranges["test"] == ()
    assert ranges["validation"][0].as_slice() == slice(0, 1000)


def test_take_shorter_than_its_timeline_is_refused():
    with pytest.raises(SignalError, match="segment c ends at sample 900, the take has 800"):
        programme_ranges(800, timeline=timeline())


def trajectory(valid: np.ndarray, *, delay_s: float = 0.5) -> DelayTrajectory:
    return DelayTrajectory(0.0, 100.0, np.full(len(valid), delay_s), np.full(len(valid), 1e-6), valid)


def test_what_was_followed_is_told_on_the_inputs_time():
    valid = np.ones(1000, dtype=bool)
    valid[300:400] = False
    followed = followed_samples(trajectory(valid), 8000, sample_rate=1000)
    # output time 3 to 4 s lies half a second earlier on the input; a point reaches to the next one
    assert not followed[2500:3491].any()
    assert followed[:2490].all()
    assert followed[3501:].all()


def test_bridged_stretches_and_short_rests_are_left_out():
    followed = np.ones(10000, dtype=bool)
    followed[3000:3200] = followed[3900:4000] = False
    found = followed_ranges([Range(1000, 6000), Range(8000, 10000)], followed, sample_rate=1000)
    assert found == (Range(1000, 3000), Range(4000, 6000), Range(8000, 10000))


def test_a_delay_that_was_never_followed_leaves_the_ranges():
    whole = (Range(0, 500),)
    assert followed_ranges(whole, np.zeros(1000, dtype=bool), sample_rate=1000) == whole
