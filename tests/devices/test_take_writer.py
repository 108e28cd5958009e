"""The file that grows while it is recorded, and the meter beside it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.devices.take_writer import ClippedRun, Meter, TakeWriter, wav_header
from tapemeasure.errors import OutputError
from tapemeasure.io import read_audio

SAMPLE_RATE = 8000


@pytest.mark.parametrize("rf64", [False, True])
def test_the_header_is_one_that_libsndfile_reads(tmp_path: Path, rf64: bool) -> None:
    samples = np.random.default_rng(2).uniform(-1, 1, (77, 3)).astype(np.float32)
    path = tmp_path / "x.wav"
    path.write_bytes(wav_header(sample_rate=48000, n_channels=3, n_samples=77, rf64=rf64) + samples.tobytes())
    read, sample_rate = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read, samples)
    assert (sample_rate, soundfile.info(path).format) == (48000, "RF64" if rf64 else "WAV")


def test_five_gigabytes_fit_the_header() -> None:
    header = wav_header(sample_rate=96000, n_channels=2, n_samples=700_000_000, rf64=True)
    assert int.from_bytes(header[28:36], "little") == 700_000_000 * 8
    assert int.from_bytes(header[20:28], "little") == 700_000_000 * 8 + len(header) - 8


def test_the_file_can_be_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    writer = TakeWriter(path, sample_rate=SAMPLE_RATE, n_channels=1, expected_samples=10**6)
    block = np.full((1000, 1), 0.25, dtype=np.float32)
    seen = 0
    for _ in range(20):
        writer.put(block)
        held = soundfile.info(path).frames
        assert held % 1000 == 0
        assert held >= seen
        seen = held
    writer.close()
    np.testing.assert_array_equal(read_audio(path)[0], np.full((20_000, 1), 0.25))
    with pytest.raises(OutputError, match=r"x\.wav: could not be created \(File exists\)"):
        TakeWriter(path, sample_rate=SAMPLE_RATE, n_channels=1, expected_samples=1)


def _slow_clipped_runs(samples: np.ndarray) -> list[ClippedRun]:
    """Oracle: sample by sample."""
    runs = []
    for channel in range(samples.shape[1]):
        start = 0
        for position in range(1, len(samples) + 1):
            if position == len(samples) or samples[position, channel] != samples[start, channel]:
                if position - start >= 3 and abs(samples[start, channel]) >= 0.99:
                    runs.append(ClippedRun(channel + 1, start, position - start))
                start = position
    return runs


@given(
    codes=st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, 0.995]), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_clipped_runs_do_not_depend_on_the_blocks(codes: list[float], cuts: list[int]) -> None:
    mono = np.array(codes, dtype=np.float32)
    samples = np.column_stack([mono, mono[::-1]])
    meter = Meter(2)
    for block in np.split(samples, sorted(min(cut, len(samples)) for cut in cuts)):
        meter.feed(block)
    meter.finish()
    assert sorted(meter.clipped_runs, key=lambda run: (run.channel, run.start_samples)) == _slow_clipped_runs(samples)
    assert meter.clipped_runs_total == len(meter.clipped_runs)
    rms = float(np.sqrt(np.mean(np.square(mono))))
    assert 10 ** (meter.rms_dbfs[0] / 20) == pytest.approx(rms, rel=1e-6)
