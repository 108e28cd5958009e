"""Pieces and the two-sided filter: the size of the blocks changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import ParameterError
from tapemeasure.live.blocks import Pieces, ZeroPhaseFilter

TAPS = np.hanning(23)[1:-1] / np.sum(np.hanning(23))
CUTS = st.lists(st.integers(0, 60), min_size=1, max_size=12)


def _pieces_of(values: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(values, np.minimum(np.cumsum(cuts), len(values)))


@given(cuts=CUTS, length=st.integers(1, 300))
def test_pieces_hold_all_samples_in_order(cuts: list[int], length: int) -> None:
    samples = np.arange(2.0 * length).reshape(length, 2)
    pieces = Pieces(length_samples=7, n_channels=2)
    made = [piece for block in _pieces_of(samples, cuts) for piece in pieces.process(block)]
    assert all(piece.shape == (7, 2) for piece in made)
    together = np.concatenate(made) if made else np.zeros((0, 2))
    np.testing.assert_array_equal(together, samples[: length // 7 * 7])


def test_a_piece_does_not_change_with_the_buffer_it_came_from() -> None:
    buffer = np.ones((8, 1))
    piece = Pieces(length_samples=8, n_channels=1).process(buffer)[0]
    buffer[:] = 0.0
    assert np.all(piece == 1.0)


def test_pieces_of_no_length_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least 1"):
        Pieces(length_samples=0, n_channels=1)


@settings(deadline=None, max_examples=60)
@given(
    cuts=CUTS,
    length=st.integers(2, 300),
    mirror=st.sampled_from(["even", "odd"]),
    step=st.integers(1, 5),
    hop=st.integers(1, 30),
)
def test_the_filter_is_that_of_the_mirrored_whole(
    cuts: list[int], length: int, mirror: str, step: int, hop: int
) -> None:
    values = np.random.default_rng(length).standard_normal(length)
    live = ZeroPhaseFilter(TAPS, mirror=mirror, step=step, hop_points=hop)  # type: ignore[arg-type]
    made = np.concatenate([*(live.process(part) for part in _pieces_of(values, cuts)), live.finish()])
    half = len(TAPS) // 2
    reach = min(half, length - 1)
    extended = np.pad(values, reach, mode="reflect", reflect_type=mirror)
    extended = np.pad(extended, half - reach, mode="edge")
    np.testing.assert_allclose(made, np.convolve(extended, TAPS, mode="valid")[::step], atol=1e-12)


def test_a_filter_without_input_gives_nothing() -> None:
    assert len(ZeroPhaseFilter(TAPS).finish()) == 0
