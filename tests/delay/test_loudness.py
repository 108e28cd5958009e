"""The period of a pilot is chosen by loudness, through distortion that correlation does not survive."""

import numpy as np
import pytest

from tapemeasure.delay.loudness import match_periods

PERIOD_S = 0.01


def settings(known, n_points: int, delay_s: float) -> dict:
    time = np.arange(n_points) / 100.0
    delay = np.full(n_points, delay_s)
    return {"time_s": time, "delay_s": delay, "period_s": PERIOD_S, "sample_rate": known.rate, "max_delay_s": 1.0}


@pytest.mark.parametrize("periods", [-3, 0, 7])
def test_true_period_is_found_through_a_rectifier(known, periods) -> None:
    music = known.music(4.0)
    delay_s = 0.12
    # a full-wave rectifier doubles every frequency: nothing is left for a correlation
    heard = np.abs(np.roll(music, round((delay_s + periods * PERIOD_S) * known.rate)))
    found = match_periods(music, heard, **settings(known, 400, delay_s))
    assert found.clear
    assert found.periods == periods


def test_other_music_is_not_clear(known) -> None:
    found = match_periods(known.music(4.0, seed=1), known.music(4.0, seed=2), **settings(known, 400, 0.1))
    assert not found.clear


def test_silence_is_not_clear(known) -> None:
    music = known.music(2.0)
    assert not match_periods(music, np.zeros_like(music), **settings(known, 200, 0.1)).clear
