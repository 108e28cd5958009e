"""The timeline comes back from its file, and a broken one is refused by name."""

import numpy as np
import pytest

from tapemeasure.errors import AudioFileError, SignalError
from tapemeasure.io import read_json, write_json
from tapemeasure.signals.timeline import Pilot, Segment, Timeline, load_timeline

SWEEP = Segment("sweep_-6dBFS", "sweep", 100, 500, -6.0, (20.0, 20000.0))
MUSIC = Segment("programme_test", "programme", 600, 300, -1.0, split="test")
TIMELINE = Timeline(1000, 1000, (SWEEP, MUSIC), Pilot("tone", 1, -12.0, 315.0, 0))


def test_saved_timeline_comes_back(tmp_path):
    TIMELINE.save(tmp_path / "a.json")
    assert load_timeline(tmp_path / "a.json") == TIMELINE


def test_file_tells_seconds_too(tmp_path):
    TIMELINE.save(tmp_path / "a.json")
    segment = read_json(tmp_path / "a.json")["segments"][0]
    assert (segment["start_s"], segment["length_s"]) == (0.1, 0.5)


def test_segments_are_found_by_kind_and_set_and_cut():
    assert TIMELINE.of_kind("sweep") == [SWEEP]
    assert TIMELINE.of_split("test") == [MUSIC]
    assert SWEEP.cut(np.arange(1000.0))[[0, -1]].tolist() == [100.0, 599.0]


@pytest.mark.parametrize(
    "segments",
    [
        (SWEEP, SWEEP),
        (Segment("a", "silence", 900, 101),),
        (Segment("a", "silence", -1, 10),),
        (Segment("a", "silence", 0, 0),),
    ],
)
def test_impossible_segments_are_refused(segments):
    with pytest.raises(SignalError, match="timeline"):
        Timeline(1000, 1000, segments, Pilot("none"))


@pytest.mark.parametrize("change", [{"segments": None}, {"pilot": {"sort": "tone"}}, {"sample_rate": "x"}])
def test_file_that_is_no_timeline(tmp_path, change):
    write_json(tmp_path / "a.json", TIMELINE.as_dict() | change)
    with pytest.raises(AudioFileError, match=r"a\.json: not a timeline"):
        load_timeline(tmp_path / "a.json")


def test_unknown_kind_of_segment(tmp_path):
    values = TIMELINE.as_dict()
    values["segments"][0]["kind"] = "song"
    write_json(tmp_path / "a.json", values)
    with pytest.raises(AudioFileError, match="unknown kind 'song'"):
        load_timeline(tmp_path / "a.json")
