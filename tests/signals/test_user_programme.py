"""The user's own audio: which files, in which order, mixed, resampled, cut."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import AudioFileError, SignalError, UsageError
from tapemeasure.signals.user_programme import programme_files, shares_of, user_programme


def tone(frequency_hz: float, length_s: float, sample_rate: int) -> np.ndarray:
    return 0.5 * np.sin(2.0 * np.pi * frequency_hz * np.arange(round(length_s * sample_rate)) / sample_rate)


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert user_programme(tmp_path / "missing", sample_rate=44100, length_s=1.0) is None
    (tmp_path / "README.md").write_text("put music here")
    (tmp_path / ".hidden.wav").write_bytes(b"")
    (tmp_path / "song.wav.dvc").write_text("outs: []")
    assert user_programme(tmp_path, sample_rate=44100, length_s=1.0) is None


def test_files_are_joined_by_name_mixed_and_resampled(tmp_path: Path) -> None:
    left, right = tone(1000.0, 0.5, 48000), tone(3000.0, 0.5, 48000)
    soundfile.write(tmp_path / "b.FLAC", np.stack([left, right], axis=1), 48000, format="FLAC", subtype="PCM_24")
    soundfile.write(tmp_path / "a.wav", tone(440.0, 0.5, 44100), 44100, subtype="FLOAT")
    assert [path.name for path in programme_files(tmp_path)] == ["a.wav", "b.FLAC"]
    samples = user_programme(tmp_path, sample_rate=44100, length_s=10.0)
    assert samples is not None
    assert len(samples) == 44100
    np.testing.assert_allclose(samples[:22050], tone(440.0, 0.5, 44100), atol=1e-7)
    expected = 0.5 * (tone(1000.0, 0.5, 44100) + tone(3000.0, 0.5, 44100))
    # away from the resampler's edges; its pass band is flat within 0.1 %
    np.testing.assert_allclose(samples[22050:][500:-500], expected[500:-500], atol=1e-3)


def test_reading_ends_when_there_is_enough(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(440.0, 1.0, 44100), 44100)
    (tmp_path / "b.wav").write_bytes(b"never read")
    samples = user_programme(tmp_path, sample_rate=44100, length_s=0.25)
    assert samples is not None
    assert len(samples) == 11025


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"this is no audio")
    with pytest.raises(AudioFileError, match=r"broken\.wav"):
        user_programme(tmp_path, sample_rate=44100, length_s=1.0)
    with pytest.raises(UsageError, match="is a file; give the folder"):
        user_programme(tmp_path / "broken.wav", sample_rate=44100, length_s=1.0)


@given(
    n_own=st.integers(1, 400),
    lengths=st.lists(st.integers(1, 100), min_size=3, max_size=3),
)
def test_shares_follow_each_other_and_never_exceed_their_set(n_own: int, lengths: list[int]) -> None:
    own = np.arange(1.0, n_own + 1.0)
    used = min(n_own, sum(lengths))
    shares = shares_of(own, lengths=lengths, peak=float(used), where="folder")
    assert all(len(share) <= length for share, length in zip(shares, lengths, strict=True))
    joined = np.concatenate(shares)
    assert (np.diff(joined) > 0.0).all()
    assert used - 2 <= len(joined) <= used
    np.testing.assert_allclose(joined, np.round(joined), atol=1e-9)
    if n_own >= sum(lengths):
        assert [len(share) for share in shares] == lengths


def test_silence_is_refused() -> None:
    with pytest.raises(SignalError, match="folder: the audio is silent"):
        shares_of(np.zeros(10), lengths=[5, 5], peak=1.0, where="folder")
