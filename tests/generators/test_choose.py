"""The choice among generators: the closest that is no copy, on delay that none of them learned from."""

import numpy as np
import pytest

from tapemeasure.errors import SignalError
from tapemeasure.generators.base import measured_delay
from tapemeasure.generators.choose import BASELINES, closest, generator_trials
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 100.0


def rotating_machine(seed, *, duration_s=120.0):
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    delay_s = 1e-6 * generator.standard_normal(len(time_s))
    for frequency_hz in (0.7, 3.1, 9.2):
        delay_s += 5e-5 / frequency_hz * np.cos(2.0 * np.pi * (frequency_hz * time_s + generator.uniform()))
    return DelayTrajectory(0.0, RATE_HZ, delay_s, np.zeros(len(delay_s)), np.ones(len(delay_s), dtype=bool))


def test_lines_win_on_a_rotating_machine_and_copies_are_not_chosen():
    trials = generator_trials(measured_delay([rotating_machine(1)]), BASELINES, generator=np.random.default_rng(1))
    by_name = {trial.name: trial for trial in trials}
    assert list(by_name) == ["real", *BASELINES]
    assert closest(trials) == "lines"
    assert by_name["bootstrap"].copied < 0.5 < by_name["lines"].copied
    real = by_name["real"].comparison.log_spectral_distance_db
    assert by_name["lines"].comparison.log_spectral_distance_db < real + 0.5


def test_too_little_delay_tells_how_much_is_needed():
    with pytest.raises(SignalError, match="1 minute or more"):
        generator_trials(
            measured_delay([rotating_machine(1, duration_s=11.0)]), BASELINES, generator=np.random.default_rng(1)
        )


def test_a_machine_that_does_not_move_is_still():
    n = 2000
    still = DelayTrajectory(0.0, RATE_HZ, np.full(n, 0.16), np.zeros(n), np.ones(n, dtype=bool))
    assert measured_delay([still]).still
    assert not measured_delay([rotating_machine(1)]).still
