"""Audio block by block: the bytes of the one writer, and every error of the one reader."""

import numpy as np
import pytest
import soundfile

from tapemeasure.audio_stream import READ_SAMPLES, open_audio, write_blocks
from tapemeasure.errors import AudioFileError, OutputError, SignalError, UsageError
from tapemeasure.io import read_audio, write_audio


def noise(n_samples, n_channels, *, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal((n_samples, n_channels))


def cut(samples, *lengths):
    return np.split(samples, np.cumsum(lengths))


@pytest.mark.parametrize("n_channels", [1, 2, 5])
@pytest.mark.parametrize("limit", [2**32, 1000])
def test_bytes_are_those_of_the_whole_file(tmp_path, monkeypatch, n_channels, limit):
    """WAV and RF64, for any blocks, also empty ones."""
    monkeypatch.setattr("tapemeasure.io.WAV_LIMIT_BYTES", limit)
    samples = noise(5001, n_channels)
    write_audio(tmp_path / "whole.wav", samples, sample_rate=48000)
    blocks = cut(samples, 1, 0, 700, 3000)
    write_blocks(tmp_path / "blocks.wav", blocks, n_samples=5001, n_channels=n_channels, sample_rate=48000)
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "blocks.wav").read_bytes()
    assert soundfile.info(tmp_path / "blocks.wav").format == ("WAV" if limit > 1000 else "RF64")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg"])
def test_blocks_are_the_file(tmp_path, name):
    """What libsndfile reads at once, at the length and the rate of the file."""
    soundfile.write(tmp_path / name, noise(2 * READ_SAMPLES + 17, 2), 44100)
    source = open_audio(tmp_path / name)
    samples, sample_rate = read_audio(tmp_path / name)
    assert (source.n_samples, source.n_channels, source.sample_rate) == (*samples.shape, sample_rate)
    assert np.array_equal(np.concatenate(list(source.blocks())), samples)


def test_files_that_cannot_be_read(tmp_path):
    """Missing, a folder, empty, no audio, no samples, truncated."""
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no audio")
    write_audio(tmp_path / "none.wav", np.zeros((0, 1)), sample_rate=44100)
    write_audio(tmp_path / "half.wav", noise(1000, 1), sample_rate=44100)
    (tmp_path / "half.wav").write_bytes((tmp_path / "half.wav").read_bytes()[:2000])
    for name, error, words in [
        ("missing.wav", UsageError, "no such file"),
        ("", UsageError, "is a folder"),
        ("empty.wav", AudioFileError, "0 bytes"),
        ("text.wav", AudioFileError, "not a readable audio file"),
        ("none.wav", AudioFileError, "0 samples"),
        ("half.wav", AudioFileError, "truncated"),
    ]:
        with pytest.raises(error, match=words):
            open_audio(tmp_path / name)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    """The end comes before the announced length: told, not filled with zeros."""
    soundfile.write(tmp_path / "a.flac", noise(3 * READ_SAMPLES, 1), 44100)
    blocks = open_audio(tmp_path / "a.flac").blocks()
    soundfile.write(tmp_path / "a.flac", noise(2 * READ_SAMPLES, 1), 44100)
    with pytest.raises(AudioFileError, match="truncated"):
        list(blocks)


@pytest.mark.parametrize("position", [3, READ_SAMPLES + 5])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_numbers_are_located_in_any_block(tmp_path, position, value):
    """Time and channel of the first of them."""
    samples = noise(2 * READ_SAMPLES, 2)
    samples[position, 1] = value
    write_audio(tmp_path / "a.wav", samples, sample_rate=1000)
    with pytest.raises(SignalError, match=rf"{position / 1000:.6f} s in channel 2"):
        list(open_audio(tmp_path / "a.wav").blocks())


def test_an_error_between_blocks_leaves_the_old_file_and_no_litter(tmp_path):
    """Neither half a file nor a temporary one."""
    (tmp_path / "a.wav").write_text("mine")

    def failing():
        yield noise(100, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_blocks(tmp_path / "a.wav", failing(), n_samples=200, n_channels=1, sample_rate=44100)
    assert (tmp_path / "a.wav").read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("n_samples", [99, 101])
def test_another_length_than_announced(tmp_path, n_samples):
    """Nothing is written."""
    with pytest.raises(SignalError, match="100 samples came"):
        write_blocks(tmp_path / "a.wav", [noise(100, 1)], n_samples=n_samples, n_channels=1, sample_rate=44100)
    assert not list(tmp_path.iterdir())


def test_a_really_full_device_is_told(tmp_path, monkeypatch):
    """No space left: OutputError with the reason."""
    full = "/dev/full"

    def opened(path, *arguments, **options):
        return open(full, "wb", buffering=0)

    monkeypatch.setattr("pathlib.Path.open", opened)
    with pytest.raises(OutputError, match="disk is full"):
        write_blocks(tmp_path / "a.wav", [noise(100, 1)], n_samples=100, n_channels=1, sample_rate=44100)
