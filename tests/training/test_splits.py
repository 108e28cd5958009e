"""Sets never overlap, and nothing of a take is lost or used twice."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import SPLITS, Pilot, Segment, Timeline
from tapemeasure.training.splits import programme_ranges


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
