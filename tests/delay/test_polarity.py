"""Polarity is that of the waveform's bulk, whatever the delay, and None where the waveforms tell nothing."""

import numpy as np
import pytest

from tapemeasure.delay.polarity import waveform_polarity
from tapemeasure.trajectory import DelayTrajectory

RATE = 8000


def late_by(samples: int, n_points: int = 200, valid: bool = True) -> DelayTrajectory:
    return DelayTrajectory(0.0, 100.0, np.full(n_points, samples / RATE), np.zeros(n_points), np.full(n_points, valid))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("delay_samples", [0, 37, -20])
def test_sign_is_found_behind_any_delay(sign, delay_samples):
    played = np.random.default_rng(1).standard_normal(2 * RATE)
    heard = sign * np.tanh(np.roll(played, delay_samples))
    assert waveform_polarity(played, heard, late_by(delay_samples), sample_rate=RATE) == sign


def test_faint_inverted_highs_do_not_invert_loud_lows():
    generator = np.random.default_rng(2)
    lows = np.sin(2 * np.pi * 50.0 * np.arange(2 * RATE) / RATE)
    highs = 0.1 * generator.standard_normal(2 * RATE)
    assert waveform_polarity(lows + highs, lows - highs, late_by(0), sample_rate=RATE) == 1


def test_unrelated_silent_or_untracked_signals_tell_nothing():
    generator = np.random.default_rng(3)
    one, other = generator.standard_normal((2, 2 * RATE))
    assert waveform_polarity(one, other, late_by(0), sample_rate=RATE) is None
    assert waveform_polarity(one, np.zeros(2 * RATE), late_by(0), sample_rate=RATE) is None
    assert waveform_polarity(one, one, late_by(0, valid=False), sample_rate=RATE) is None


def test_loud_blocks_without_a_delay_do_not_hide_the_others():
    # the first 15 s are loud and untracked, more blocks than are looked at; the last 5 s are soft and known
    played = np.random.default_rng(4).standard_normal(20 * RATE)
    heard = np.where(np.arange(len(played)) < 15 * RATE, 1.0, -0.1) * played
    known = DelayTrajectory(0.0, 100.0, np.zeros(2000), np.zeros(2000), np.arange(2000) >= 1500)
    assert waveform_polarity(played, heard, known, sample_rate=RATE) == -1
