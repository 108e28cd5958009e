"""What counts as silent."""

import numpy as np
import pytest

from tapemeasure.delay.checks import is_silent

RATE = 48000


def test_a_constant_is_silent_and_a_signal_is_not():
    time_s = np.arange(10 * RATE) / RATE
    assert is_silent(np.full(len(time_s), 0.3))
    assert not is_silent(0.3 + 0.1 * np.sin(2 * np.pi * 100.0 * time_s))


@pytest.mark.parametrize("start_s", [0.0, 4.6, 9.0])
def test_a_signal_anywhere_counts(start_s):
    """The middle alone does not decide: half a second of hiss at -60 dBFS lies 13 dB lower over ten seconds."""
    samples = np.zeros(10 * RATE)
    first = round(start_s * RATE)
    samples[first : first + RATE // 2] = 1e-3 * np.random.default_rng(1).standard_normal(RATE // 2)
    assert not is_silent(samples)


@pytest.mark.parametrize(("level_dbfs", "silent"), [(-111.0, True), (-109.5, False), (-107.0, False)])
def test_the_limit_is_that_of_the_whole(level_dbfs, silent):
    noise = np.random.default_rng(2).standard_normal(10 * RATE)
    assert is_silent(0.1 + 10.0 ** (level_dbfs / 20.0) * noise) is silent
