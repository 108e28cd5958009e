import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.silence import Silence, find_silences, no_silence_text
from tapemeasure.errors import ParameterError
from tapemeasure.signals.timeline import Pilot, Segment, Timeline

RATE = 44100


def hiss(level_dbfs: float, n_samples: int, seed: int = 1) -> np.ndarray:
    return 10 ** (level_dbfs / 20) * np.random.default_rng(seed).standard_normal(n_samples)


@pytest.fixture
def stimulus() -> np.ndarray:
    """Noise of 4 s at -20 dBFS with a pause from 1 to 2.5 s and a short one from 3 to 3.2 s."""
    samples = hiss(-20.0, 4 * RATE)
    samples[RATE : round(2.5 * RATE)] = 0.0
    samples[3 * RATE : round(3.2 * RATE)] = 0.0
    return samples


def test_silences_are_found_with_their_guards(stimulus: np.ndarray) -> None:
    (silence,) = find_silences(stimulus, sample_rate=RATE, guard_s=0.15)
    # the edges are found on the grid of 10 ms
    assert silence.start_s == pytest.approx(1.15, abs=0.011)
    assert silence.end_s == pytest.approx(2.35, abs=0.011)


def test_minimum_length_counts_after_the_guards(stimulus: np.ndarray) -> None:
    assert len(find_silences(stimulus, sample_rate=RATE, guard_s=0.02, min_length_s=0.14)) == 2
    assert len(find_silences(stimulus, sample_rate=RATE, guard_s=0.04, min_length_s=0.14)) == 1
    assert find_silences(stimulus, sample_rate=RATE, guard_s=0.7, min_length_s=0.5) == ()


@given(level_dbfs=st.floats(-90.0, -30.0))
def test_threshold_decides(level_dbfs: float) -> None:
    samples = np.r_[hiss(-10.0, RATE), hiss(level_dbfs, RATE), hiss(-10.0, RATE)]
    # the level of 20 ms of noise scatters by 0.2 dB
    assert len(find_silences(samples, sample_rate=RATE, silence_dbfs=level_dbfs + 2.0)) == 1
    assert find_silences(samples, sample_rate=RATE, silence_dbfs=level_dbfs - 2.0) == ()


def test_all_zeros_and_dc_are_one_silence() -> None:
    for value in (0.0, 0.3):
        assert find_silences(np.full(RATE, value), sample_rate=RATE, guard_s=0.0) == (Silence(0.0, 1.0),)
    assert find_silences(np.zeros(100), sample_rate=RATE) == ()


def test_bad_lengths_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least 0 s"):
        find_silences(np.zeros(RATE), sample_rate=RATE, guard_s=-0.1)
    with pytest.raises(ParameterError, match="above 0 s"):
        find_silences(np.zeros(RATE), sample_rate=RATE, min_length_s=0.0)


def test_no_silence_tells_the_quietest_stretch_and_what_to_do() -> None:
    samples = hiss(-20.0, 3 * RATE)
    samples[RATE : 2 * RATE] = hiss(-50.0, RATE, seed=2)
    text = no_silence_text(samples, sample_rate=RATE, silence_dbfs=-60.0, guard_s=0.15, min_length_s=0.5)
    assert re.search(r"starts at 1\.\d\d s and reaches -4\d\.\d dBFS: raise --silence-dbfs", text)
    text = no_silence_text(
        samples[:RATE], sample_rate=RATE, silence_dbfs=-60.0, guard_s=0.5, min_length_s=0.5
    )  # fmt: skip
    assert "lasts 1.00 s, a silence needs 1.50 s" in text


def test_the_suggested_threshold_finds_the_stretch() -> None:
    samples = hiss(-20.0, 3 * RATE)
    samples[RATE : 2 * RATE] = hiss(-50.0, RATE, seed=2)
    text = no_silence_text(samples, sample_rate=RATE, silence_dbfs=-60.0, guard_s=0.15, min_length_s=0.5)
    reached_dbfs = float(text.split("reaches ")[1].split(" dBFS")[0])
    assert len(find_silences(samples, sample_rate=RATE, silence_dbfs=reached_dbfs + 0.1)) == 1


def test_a_soft_test_tone_of_the_timeline_is_no_silence() -> None:
    rate = 8000
    loud, soft = np.full(rate, 0.5) * np.resize([1.0, -1.0], rate), 1e-4 * np.resize([1.0, -1.0], 2 * rate)
    signal = np.concatenate([loud, soft, loud, np.zeros(2 * rate), loud])
    tone = Segment("step", "step", rate, 2 * rate, -80.0, (4000.0,))
    timeline = Timeline(rate, len(signal), (tone,), Pilot("none"))
    assert len(find_silences(signal, sample_rate=rate)) == 2
    [silence] = find_silences(signal, sample_rate=rate, timeline=timeline)
    assert (silence.start_s, silence.end_s) == pytest.approx((4.15, 5.85), abs=0.03)
