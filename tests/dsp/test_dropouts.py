import numpy as np
import pytest

from tapemeasure.dsp.dropouts import find_dropouts, usual_level

TIME_S = np.arange(20_000) / 1000.0


def dropouts(level: np.ndarray):
    inside = np.ones(len(level), dtype=bool)
    return find_dropouts(level, usual_level(level, rate_hz=1000.0), inside, time_s=TIME_S)


def test_start_length_and_depth_are_told() -> None:
    level = np.full(20_000, 0.25)
    level[5_000:5_040] *= 0.1
    level[15_000:15_500] *= 0.4
    first, second = dropouts(level)
    assert (first.start_s, first.length_s) == pytest.approx((5.0, 0.04))
    assert first.depth_db == pytest.approx(-20.0, abs=0.01)
    assert (second.start_s, second.length_s) == pytest.approx((15.0, 0.5))
    assert second.depth_db == pytest.approx(-7.96, abs=0.01)


def test_slow_changes_of_level_and_modulation_noise_are_none() -> None:
    rng = np.random.default_rng(1)
    assert dropouts(0.25 * 10 ** (-10 * TIME_S / 20.0 / 20.0)) == ()
    assert dropouts(0.25 * (1.0 + 0.05 * rng.standard_normal(20_000))) == ()


def test_a_long_loss_does_not_become_the_usual_level() -> None:
    level = np.full(20_000, 0.25)
    level[6_000:14_500] = 1e-4
    (only,) = dropouts(level)
    assert only.length_s == pytest.approx(8.5)


def test_silence_and_nothing_have_none() -> None:
    assert dropouts(np.zeros(20_000)) == ()
    empty = np.zeros(0)
    assert find_dropouts(empty, usual_level(empty, rate_hz=1000.0), np.zeros(0, dtype=bool), time_s=empty) == ()
