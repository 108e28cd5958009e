"""Files: byte-stable, atomic, and every unreadable input named with a reason."""

import errno
import os
import time

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from tapemeasure.errors import AudioFileError, MismatchError, OutputError, SignalError, UsageError
from tapemeasure.io import (
    atomic_path,
    json_text,
    provenance,
    read_audio,
    read_json,
    read_pair,
    refuse_overwrite,
    sha256_of_file,
    write_audio,
    write_json,
    write_text,
)


def tone(n_samples=1000, n_channels=2):
    phase = 2 * np.pi * 0.01 * np.arange(n_samples)
    return np.stack([np.sin(phase + channel) for channel in range(n_channels)], axis=1)


def test_audio_comes_back_within_float32_rounding(tmp_path):
    samples = 2.0 * tone()  # above full scale is kept
    write_audio(tmp_path / "a.wav", samples, sample_rate=48000)
    back, sample_rate = read_audio(tmp_path / "a.wav")
    assert sample_rate == 48000
    np.testing.assert_allclose(back, samples, rtol=2**-24, atol=1e-12)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_kind_of_sample_is_read_as_exactly_as_it_was_stored(subtype, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.7 * tone(), 44100, subtype=subtype)
    exact, _ = soundfile.read(tmp_path / "a.wav", dtype="float64")
    samples, _ = read_audio(tmp_path / "a.wav")
    assert samples.dtype == np.float64
    np.testing.assert_array_equal(samples, exact)


def test_libsndfile_and_scipy_read_the_same_file(tmp_path):
    write_audio(tmp_path / "a.wav", tone(), sample_rate=44100)
    by_soundfile, _ = soundfile.read(tmp_path / "a.wav")
    _, by_scipy = wavfile.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(by_soundfile, by_scipy.astype(np.float64))


def test_equal_audio_gives_equal_bytes_two_seconds_apart(tmp_path):
    write_audio(tmp_path / "a.wav", tone(), sample_rate=44100)
    time.sleep(2.1)
    write_audio(tmp_path / "b.wav", tone(), sample_rate=44100)
    assert sha256_of_file(tmp_path / "a.wav") == sha256_of_file(tmp_path / "b.wav")


def test_large_audio_that_does_not_fit_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments, **settings):
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr("tapemeasure.io.WAV_LIMIT_BYTES", 1000)
    monkeypatch.setattr("soundfile.SoundFile", full)
    with pytest.raises(OutputError, match=r"a\.wav: could not be written"):
        write_audio(tmp_path / "a.wav", tone(), sample_rate=44100)
    assert list(tmp_path.iterdir()) == []


def test_large_audio_becomes_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr("tapemeasure.io.WAV_LIMIT_BYTES", 1000)
    write_audio(tmp_path / "a.wav", tone(), sample_rate=44100)
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav")[0], tone(), atol=1e-7)


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"a\.wav: no such file"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"hello, this is text" * 10, "not a readable"), (b"RIFF", "not a readable")]
)
def test_no_audio(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=words):
        read_audio(path)


def test_zero_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 44100)
    with pytest.raises(AudioFileError, match="0 samples"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("keep_bytes", [20, 44, 100, 4000])
def test_truncated_wav_is_told(tmp_path, keep_bytes):
    write_audio(tmp_path / "a.wav", tone(), sample_rate=44100)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[:keep_bytes])
    with pytest.raises(AudioFileError, match=r"b\.wav: (truncated|not a readable)"):
        read_audio(tmp_path / "b.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_samples_are_located(tmp_path, value):
    samples = tone()
    samples[441, 1] = value
    write_audio(tmp_path / "a.wav", samples, sample_rate=44100)
    with pytest.raises(SignalError, match=r"1 samples are NaN or infinite, the first at 0\.010000 s in channel 2"):
        read_audio(tmp_path / "a.wav")


def test_no_overwrite_without_force(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UsageError, match="--force"):
        write_text(tmp_path / "a.txt", "new", force=False)
    assert (tmp_path / "a.txt").read_text() == "old"
    write_text(tmp_path / "a.txt", "new", force=True)
    assert (tmp_path / "a.txt").read_text() == "new"


def write_then_fail(path, failure):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise failure


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt):
        write_then_fail(tmp_path / "a.txt", KeyboardInterrupt())
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_disk_full_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="disk is full"):
        write_then_fail(tmp_path / "a.wav", OSError(errno.ENOSPC, "No space left on device"))
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_really_full_device_is_told(tmp_path, monkeypatch):
    # every write to /dev/full fails with ENOSPC; the rename is never reached
    (tmp_path / "full.wav").symlink_to("/dev/full")
    handle = os.open("/dev/null", os.O_RDONLY)
    monkeypatch.setattr("tapemeasure.io.tempfile.mkstemp", lambda **_: (handle, str(tmp_path / "full.wav")))
    with pytest.raises(OutputError, match="disk is full"):
        write_audio(tmp_path / "a.wav", tone(100_000), sample_rate=44100)
    assert os.listdir(tmp_path) == []


def test_folder_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_folder_without_permission(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tapemeasure.io.tempfile.mkstemp", refuse)
    with pytest.raises(OutputError, match="is not writable"):
        write_text(tmp_path / "a.txt", "text")


def test_json_is_stable_and_without_nan(tmp_path):
    value = {"b": np.float64(1 / 3), "a": [np.nan, np.int64(3), True], "path": tmp_path / "x", "array": np.arange(2)}
    write_json(tmp_path / "a.json", value)
    back = read_json(tmp_path / "a.json")
    assert list(back) == ["b", "a", "path", "array"]
    assert back["b"] == 0.333333333
    assert back["a"] == [None, 3, True]
    assert json_text(back) == json_text(value)


@pytest.mark.parametrize(("content", "error"), [(None, UsageError), ("{", AudioFileError)])
def test_unreadable_json(tmp_path, content, error):
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(error, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_provenance_hashes_the_inputs(tmp_path):
    write_text(tmp_path / "a.txt", "abc")
    facts = provenance(inputs={"input": tmp_path / "a.txt"})
    assert facts["sha256"]["input"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert "commit" in facts
    assert "commit" not in provenance(commit=False)


def test_a_pair_shares_its_sample_rate(tmp_path):
    write_audio(tmp_path / "in.wav", tone(), sample_rate=48000)
    write_audio(tmp_path / "out.wav", tone(), sample_rate=44100)
    with pytest.raises(MismatchError, match=r"out\.wav is 44100 Hz, .*in\.wav is 48000 Hz; resample one"):
        read_pair(tmp_path / "in.wav", tmp_path / "out.wav")
    assert read_pair(tmp_path / "in.wav", tmp_path / "in.wav")[2] == 48000


def test_folder_in_place_of_a_file(tmp_path):
    for read in (read_audio, read_json):
        with pytest.raises(UsageError, match=r"folder|directory"):
            read(tmp_path)
    for force in (False, True):
        with pytest.raises(UsageError, match="is a folder"):
            refuse_overwrite(tmp_path, force=force)


@pytest.mark.parametrize(("name", "kind"), [("a.aiff", "AIFF"), ("a.wav", "RF64"), ("a.flac", "FLAC")])
def test_other_formats_are_refused_when_truncated(tmp_path, name, kind):
    soundfile.write(tmp_path / name, tone(), 44100, format=kind)
    read_audio(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioFileError, match=r"truncated|not a readable"):
        read_audio(tmp_path / name)


def test_an_output_that_cannot_be_written_is_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, no folder"):
        refuse_overwrite(tmp_path / "file" / "new" / "a.wav", force=True)
    refuse_overwrite(tmp_path / "new" / "deeper" / "a.wav", force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
