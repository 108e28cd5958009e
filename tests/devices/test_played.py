"""What is played: from memory or a file, in blocks, scaled, framed, read ahead."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.devices.played import BLOCK_SAMPLES, ReadAhead, played_array, played_file, silence
from tapemeasure.errors import SignalError
from tapemeasure.io import write_audio


def _all(played: object) -> np.ndarray:
    return np.concatenate(list(played.blocks()))  # type: ignore[attr-defined]


def test_a_file_and_an_array_play_the_same(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (BLOCK_SAMPLES + 77, 2)).astype(np.float32).astype(np.float64)
    samples[:100] = 0.0
    write_audio(tmp_path / "x.wav", samples, sample_rate=48000)
    for played in (played_array(samples, sample_rate=48000), played_file(tmp_path / "x.wav")):
        np.testing.assert_array_equal(_all(played), samples)
        np.testing.assert_array_equal(_all(played), samples)
        assert (played.n_samples, played.n_channels, played.sample_rate) == (len(samples), 2, 48000)
        assert played.first_sound_samples == 100
        np.testing.assert_array_equal(played.peak, np.abs(samples).max(axis=0))
        assert played.duration_s == len(samples) / 48000


def test_scaling_and_framing_keep_the_facts_right() -> None:
    played = played_array(np.full((10, 1), 0.5), sample_rate=8000)
    louder = played.scaled(3.0, limit=1.0)
    np.testing.assert_array_equal(_all(louder), 1.0)
    assert louder.peak == (1.5,)
    both = played.after(np.zeros((4, 1))).followed_by(np.array([[0.0], [-0.9]]))
    np.testing.assert_array_equal(_all(both)[:, 0], [0.0] * 4 + [0.5] * 10 + [0.0, -0.9])
    assert (both.n_samples, both.peak, both.first_sound_samples) == (16, (0.9,), 4)


def test_silence_takes_no_memory_and_is_as_long_as_said() -> None:
    quiet = silence(length_samples=3 * BLOCK_SAMPLES + 5, n_channels=2, sample_rate=96000)
    lengths = [len(block) for block in quiet.blocks()]
    assert (sum(lengths), max(lengths)) == (3 * BLOCK_SAMPLES + 5, BLOCK_SAMPLES)


@pytest.mark.parametrize("samples", [np.zeros((0, 1)), np.array([[np.nan]])])
def test_what_cannot_be_played_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(SignalError, match="empty or holds NaN"):
        played_array(samples, sample_rate=8000)


@given(sizes=st.lists(st.integers(1, 40000), min_size=1, max_size=20))
def test_reading_ahead_gives_every_sample_once(sizes: list[int]) -> None:
    samples = np.arange(150_000.0)[:, np.newaxis]
    reader = ReadAhead(played_array(samples, sample_rate=8000))
    pieces = [reader.read(size) for size in sizes]
    reader.close()
    total = min(sum(sizes), len(samples))
    joined = np.concatenate(pieces)
    assert len(joined) == total
    np.testing.assert_array_equal(joined[:, 0], np.arange(total, dtype=np.float32))
