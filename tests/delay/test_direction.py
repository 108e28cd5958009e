"""Which file is the recording: swapping input and output is noticed, and how likely it is told."""

import numpy as np
import pytest

from tapemeasure.delay.direction import input_noise_excess_db
from tapemeasure.delay.track import track_delay
from tapemeasure.trajectory import DelayTrajectory


def still(seconds):
    n = round(100 * seconds)
    return DelayTrajectory(0.0, 100.0, np.zeros(n), np.zeros(n), np.ones(n, dtype=bool))


@pytest.fixture(scope="module")
def pair(known):
    programme = known.music(5.0)
    # pauses, in which the machine's hiss is alone
    programme *= 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * np.arange(len(programme)) / known.rate))
    return programme, known.machine(programme)


def test_swapped_files_are_told_as_likely(known, pair):
    told = track_delay(pair[1], pair[0], sample_rate=known.rate).warnings
    assert any("were input and output swapped? Likely: the input is" in text for text in told)


def test_an_output_cut_at_its_begin_is_hardly_swapped(known, pair):
    told = track_delay(pair[0], pair[1][known.rate :], sample_rate=known.rate).warnings
    assert any("0.980 s early" in text and "Hardly: the output is the noisier one" in text for text in told)


def test_equal_noise_does_not_tell(known, pair):
    told = track_delay(pair[1], pair[1][known.rate :], sample_rate=known.rate).warnings
    assert any("early" in text and "noise does not tell" in text for text in told)


def test_a_cleaner_output_that_is_late_is_asked_about(known, pair):
    # swapped, and the one that is now the output was padded
    padded = np.concatenate([np.zeros(known.rate // 10), pair[0]])
    told = track_delay(pair[1], padded, sample_rate=known.rate).warnings
    assert any(text.endswith("than the output; were input and output swapped?") for text in told)


def test_the_excess_is_that_of_the_hiss(known):
    rng = np.random.default_rng(1)
    bursts = np.repeat(rng.uniform(size=100) < 0.3, known.rate // 20) * rng.standard_normal(100 * (known.rate // 20))
    soft, loud = (1e-4 * rng.standard_normal(len(bursts)), 1e-3 * rng.standard_normal(len(bursts)))
    excess = input_noise_excess_db(bursts + loud, bursts + soft, still(5.0), sample_rate=known.rate)
    assert excess == pytest.approx(20.0, abs=1.0)
    back = input_noise_excess_db(bursts + soft, bursts + loud, still(5.0), sample_rate=known.rate)
    assert back == pytest.approx(-excess, abs=1e-9)
    assert input_noise_excess_db(bursts[:99], bursts[:99], still(5.0), sample_rate=known.rate) is None
