"""The whole stimulus: order, names, levels, silences, pilots, rates, files."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.errors import AudioFileError, MismatchError, OutputError, ParameterError, SignalError, UsageError
from tapemeasure.io import write_audio
from tapemeasure.params import StimuliParams
from tapemeasure.signals.stimulus import Stimulus, build_stimulus, load_stimulus, save_stimulus
from tapemeasure.signals.timeline import Segment

SMALL = {
    "silence_s": 1.0,
    "programme": {"train_s": 3.0, "validation_s": 1.0, "test_s": 1.0},
    "sweeps": {"duration_s": 1.0, "levels_dbfs": [-18.0, 6.0]},
    "steps": {"frequencies_hz": [100.0, 1000.0], "levels_dbfs": [0.0, -30.0, -12.5], "duration_s": 0.2},
    "multitone": {"duration_s": 0.5},
    "two_tones": {"duration_s": 0.3},
}


def small(**changes: object) -> StimuliParams:
    return StimuliParams.model_validate({**SMALL, **changes})


@pytest.fixture(scope="module")
def stimulus() -> Stimulus:
    return build_stimulus(small())


def test_segments_come_in_order_and_do_not_overlap(stimulus: Stimulus) -> None:
    segments = stimulus.timeline.segments
    assert [segment.name for segment in segments] == [
        "marker_start", "silence_start", "sweep_-18dBFS", "sweep_6dBFS",
        "step_100Hz_-30dBFS", "step_100Hz_-12.5dBFS", "step_100Hz_0dBFS",
        "step_1000Hz_-30dBFS", "step_1000Hz_-12.5dBFS", "step_1000Hz_0dBFS",
        "multitone", "two_tone_60Hz_7000Hz", "two_tone_250Hz_8000Hz", "two_tone_19000Hz_20000Hz",
        "programme_train", "programme_validation", "programme_test", "silence_end", "marker_end",
    ]  # fmt: skip
    for before, behind in pairwise(segments):
        assert before.stop_samples <= behind.start_samples
        gap = stimulus.samples[before.stop_samples : behind.start_samples, 0]
        assert not gap.any()
        if before.kind != "step":
            assert len(gap) >= 0.5 * 44100 - 1
    assert not stimulus.samples[segments[-1].stop_samples :, 0].any()
    assert len(stimulus.samples) == stimulus.timeline.length_samples


def test_each_segment_has_the_level_that_the_timeline_tells(stimulus: Stimulus) -> None:
    for segment in stimulus.timeline.segments:
        peak = np.max(np.abs(segment.cut(stimulus.samples[:, 0])))
        if segment.level_dbfs is None:
            assert segment.kind == "silence"
            assert peak == 0.0
            continue
        # sines meet the grid of samples near their crest, pairs a little less so
        slack_db = 0.45 if segment.kind == "two_tone" else 0.02
        assert segment.level_dbfs - slack_db < 20 * np.log10(peak) < segment.level_dbfs + 1e-6, segment.name


def test_splits_frequencies_and_pilot_are_told(stimulus: Stimulus) -> None:
    timeline = stimulus.timeline
    assert [segment.split for segment in timeline.of_kind("programme")] == ["train", "validation", "test"]
    assert timeline.of_kind("sweep")[0].frequencies_hz == (20.0, 20000.0)
    assert {segment.frequencies_hz for segment in timeline.of_kind("step")} == {(100.0,), (1000.0,)}
    pulses = np.flatnonzero(stimulus.samples[:, 1])
    assert pulses[0] == timeline.pilot.first_samples
    assert len(pulses) == (timeline.length_samples - pulses[0] - 1) // 441 + 1


@pytest.mark.parametrize("sample_rate", [48000, 96000])
def test_other_rates_have_the_same_seconds(stimulus: Stimulus, sample_rate: int) -> None:
    other = build_stimulus(small(sample_rate=sample_rate))
    for here, there in zip(stimulus.timeline.segments, other.timeline.segments, strict=True):
        assert here.name == there.name
        assert here.start_samples / 44100 == pytest.approx(there.start_samples / sample_rate, abs=1.0 / 44100)
        assert here.length_samples / 44100 == pytest.approx(there.length_samples / sample_rate, abs=1.0 / 44100)


@pytest.mark.parametrize(("kind", "channels"), [("pulses", 2), ("tone", 2), ("inband", 1), ("none", 1)])
def test_channels_of_each_pilot(kind: str, channels: int) -> None:
    built = build_stimulus(small(pilot={"kind": kind}))
    assert built.samples.shape[1] == channels
    assert built.timeline.pilot.kind == kind
    for segment in built.timeline.of_kind("silence"):
        assert not segment.cut(built.samples[:, 0]).any()
    gap = built.samples[built.timeline.segments[-1].stop_samples + 1 :, 0]
    assert gap.any() == (kind == "inband")


def test_seed_changes_the_programme_only() -> None:
    first, again, other = build_stimulus(small(seed=1)), build_stimulus(small(seed=1)), build_stimulus(small(seed=2))
    assert first.samples.tobytes() == again.samples.tobytes()
    for segment in first.timeline.segments:
        same = np.array_equal(segment.cut(first.samples), segment.cut(other.samples))
        assert same == (segment.kind != "programme"), segment.name


def test_sets_hold_different_music(stimulus: Stimulus) -> None:
    train, validation, test = (
        segment.cut(stimulus.samples[:, 0]) for segment in stimulus.timeline.of_kind("programme")
    )
    assert not np.array_equal(validation, test)
    assert abs(np.corrcoef(validation, train[: len(validation)])[0, 1]) < 0.5


def test_repeated_levels_are_numbered_and_no_silence_is_possible() -> None:
    built = build_stimulus(small(silence_s=0.0, sweeps={"duration_s": 1.0, "levels_dbfs": [-6.0, -6.0]}))
    names = [segment.name for segment in built.timeline.segments]
    assert names[:3] == ["marker_start", "sweep_-6dBFS", "sweep_-6dBFS_2"]
    assert "silence_end" not in names


def test_own_programme_goes_to_the_sets_by_time() -> None:
    rng = np.random.default_rng(1)
    own = 0.1 * rng.standard_normal(6 * 44100)
    built = build_stimulus(small(), programme=own)
    assert built.warnings == ()
    gain = 10 ** (-1 / 20) / np.max(np.abs(own[: 5 * 44100]))
    start = 0
    for segment in built.timeline.of_kind("programme"):
        wanted = own[start : start + segment.length_samples] * gain
        inside = slice(300, -300)
        np.testing.assert_allclose(segment.cut(built.samples[:, 0])[inside], wanted[inside], rtol=1e-12)
        start += segment.length_samples


def test_short_own_programme_is_shared_out_and_told() -> None:
    # a quarter of the five seconds: each set begins with a quarter of its length
    own = np.linspace(0.1, 1.0, round(1.25 * 44100))
    built = build_stimulus(small(), programme=own)
    plain = build_stimulus(small())
    assert len(built.warnings) == 1
    assert "raw/programme holds 1.2 s of audio, the programme takes 5.0 s" in built.warnings[0]
    start = 0
    for segment in built.timeline.of_kind("programme"):
        share = segment.length_samples // 4
        cut = segment.cut(built.samples[:, 0])
        np.testing.assert_allclose(cut[300:share], own[start + 300 : start + share] * 10 ** (-1 / 20), rtol=1e-9)
        assert np.std(cut[share + 1000 :]) > 1e-3
        start += share
    assert not np.array_equal(built.samples, plain.samples)


@pytest.mark.parametrize("own", [np.zeros(1000), np.zeros(0)])
def test_silent_own_programme_is_refused(own: np.ndarray) -> None:
    with pytest.raises(SignalError, match="raw/programme: the audio is silent"):
        build_stimulus(small(), programme=own)


def test_sweep_that_is_too_short_is_refused() -> None:
    with pytest.raises(ParameterError, match="too short to start at 20 Hz"):
        build_stimulus(small(sweeps={"duration_s": 0.05}))


def test_files_come_back_as_they_were(stimulus: Stimulus, tmp_path: Path) -> None:
    audio, timeline = save_stimulus(stimulus, tmp_path / "made")
    loaded = load_stimulus(tmp_path / "made")
    assert loaded.timeline == stimulus.timeline
    np.testing.assert_array_equal(loaded.samples, stimulus.samples.astype(np.float32))
    first = audio.read_bytes(), timeline.read_bytes()
    save_stimulus(stimulus, tmp_path / "made")
    assert (audio.read_bytes(), timeline.read_bytes()) == first
    assert json.loads(timeline.read_text())["segments"][0]["name"] == "marker_start"


def test_bad_files_are_told(stimulus: Stimulus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_stimulus(tmp_path)
    save_stimulus(stimulus, tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        save_stimulus(stimulus, tmp_path, force=False)
    write_audio(tmp_path / "stimulus.wav", np.zeros(100), sample_rate=44100)
    with pytest.raises(MismatchError, match="holds 100 samples at 44100 Hz"):
        load_stimulus(tmp_path)
    (tmp_path / "stimulus.wav").write_bytes(b"")
    with pytest.raises(AudioFileError, match="empty"):
        load_stimulus(tmp_path)


def test_a_file_in_the_way_of_the_folder_is_told(stimulus: Stimulus, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"stimulus\.wav: could not be written"):
        save_stimulus(stimulus, tmp_path / "file")


def test_segment_cuts_its_own_part() -> None:
    assert Segment("a", "step", 2, 3).cut(np.arange(10.0)).tolist() == [2.0, 3.0, 4.0]
