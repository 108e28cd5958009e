"""Pairs and segments: every sample is seen every epoch, nothing silent, nothing mixed up."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import MismatchError, ParameterError, SignalError
from tapemeasure.training.datasets import AlignedPair, cut_segments


def pair(n_samples, start=1.0, name="take", sample_rate=8000):
    """Input counts its samples, the target is its negative: any mix-up shows."""
    counted = start + np.arange(n_samples, dtype=np.float64)
    return AlignedPair(name, counted, -counted, sample_rate)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=4), length_samples=st.integers(1, 20))
def test_every_sample_is_in_a_segment_and_stays_with_its_target(lengths, length_samples):
    starts = np.cumsum([1, *lengths[:-1]])
    pairs = [pair(length, start=float(start)) for length, start in zip(lengths, starts, strict=True)]
    segments = cut_segments(pairs, length_samples=length_samples)
    assert segments.inputs.shape == segments.targets.shape
    assert segments.inputs.shape[1:] == (1, length_samples)
    assert segments.inputs.dtype == torch.float32
    assert torch.equal(segments.targets, -segments.inputs)
    assert set(segments.inputs.flatten().tolist()) - {0.0} == set(range(1, sum(lengths) + 1))


@given(n_segments=st.integers(1, 40), batch_size=st.integers(1, 16), seed=st.integers(0, 5))
def test_an_epoch_shows_every_segment_exactly_once(n_segments, batch_size, seed):
    segments = cut_segments([pair(n_segments)], length_samples=1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        batches = [
            part.inputs.flatten().tolist() for part in segments.batches(batch_size=batch_size, generator=generator)
        ]
        assert sorted(itertools.chain(*batches)) == list(range(1, n_segments + 1))
        sizes = [len(batch) for batch in batches]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1


def test_the_order_is_the_generators_and_changes_from_epoch_to_epoch():
    segments = cut_segments([pair(64)], length_samples=1)

    def epoch(generator):
        return torch.cat([part.inputs for part in segments.batches(batch_size=8, generator=generator)]).flatten()

    first, second = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    once = epoch(first)
    assert torch.equal(once, epoch(second))
    assert not torch.equal(once, epoch(first))


def test_a_short_pair_gets_silence_in_front():
    segments = cut_segments([pair(2)], length_samples=4)
    assert segments.inputs.tolist() == [[[0.0, 0.0, 1.0, 2.0]]]


def test_the_last_segment_ends_with_the_pair():
    segments = cut_segments([pair(7)], length_samples=3)
    assert segments.inputs[:, 0].tolist() == [[1, 2, 3], [4, 5, 6], [5, 6, 7]]


def test_bad_pairs_are_refused_by_name():
    good, bad = np.ones(4), np.array([1.0, np.nan, 1.0, 1.0])
    with pytest.raises(MismatchError, match="pair t: the input has 4 samples, the target 3"):
        AlignedPair("t", good, good[:3], 8000)
    with pytest.raises(SignalError, match="pair t: empty"):
        AlignedPair("t", np.zeros(0), np.zeros(0), 8000)
    with pytest.raises(SignalError, match="pair t: holds NaN"):
        AlignedPair("t", good, bad, 8000)
    with pytest.raises(SignalError, match="one channel"):
        AlignedPair("t", np.ones((4, 2)), np.ones((4, 2)), 8000)


def test_bad_sets_are_refused():
    with pytest.raises(SignalError, match="no aligned pair"):
        cut_segments([], length_samples=4)
    with pytest.raises(MismatchError, match=r"\[8000, 44100\]"):
        cut_segments([pair(9), pair(9, sample_rate=44100)], length_samples=4)
    with pytest.raises(SignalError, match="silent"):
        cut_segments([AlignedPair("t", np.ones(9), np.zeros(9), 8000)], length_samples=4)
    with pytest.raises(ParameterError, match="0 samples"):
        cut_segments([pair(9)], length_samples=0)
