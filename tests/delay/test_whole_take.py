"""The integer lag of a take as a whole."""

import numpy as np
import pytest

from tapemeasure.delay.track import ArraySource, track_delay
from tapemeasure.delay.whole_take import MOST_SAMPLES, whole_take_delay_samples
from tapemeasure.io import read_audio
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100


def constant(delay_s: float, n_points: int = 100) -> DelayTrajectory:
    return DelayTrajectory(0.0, 100.0, np.full(n_points, delay_s), np.full(n_points, 1e-6), np.ones(n_points, bool))


def source(samples: np.ndarray, name: str = "input") -> ArraySource:
    return ArraySource(samples[:, np.newaxis], RATE, name)


def lag(x: np.ndarray, y: np.ndarray, delay_s: float) -> int | None:
    return whole_take_delay_samples(source(x), source(y, "output"), channel=0, trajectory=constant(delay_s))


@pytest.mark.parametrize("shift", [-700, -1, 0, 1, 882, 7075])
@pytest.mark.parametrize("sign", [1.0, -0.3])
def test_a_shift_is_found_exactly_whatever_gain_and_polarity(shift: int, sign: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(30000)
    y = sign * np.roll(x, shift) + 0.05 * rng.standard_normal(len(x))
    # the trajectory need only be near
    assert lag(x, y, shift / RATE + 3e-3) == shift


def test_of_lengths_that_differ() -> None:
    x = np.random.default_rng(4).standard_normal(20000)
    assert lag(x, np.concatenate([np.zeros(900), x, np.zeros(5000)]), 0.02) == 900
    assert lag(x, x[600:9000], -600 / RATE) == -600


def test_music_through_a_wandering_machine(music: np.ndarray, known) -> None:
    """The figure lies within the delays that the take has."""
    found = lag(music, known.machine(music), 0.02)
    assert found is not None
    assert abs(found / known.rate - 0.02) < 3.6e-4


def test_silence_and_very_long_takes_have_none() -> None:
    x = np.random.default_rng(5).standard_normal(1000)
    assert lag(x, np.zeros(1000), 0.0) is None
    assert lag(np.zeros(1000), x, 0.0) is None

    class Endless(ArraySource):
        @property
        def n_samples(self) -> int:
            return int(MOST_SAMPLES) + 1

        def read(self, first: int, stop: int) -> np.ndarray:
            raise AssertionError("nothing of it is read")

    endless = Endless(x[:, np.newaxis], 192000, "input")
    assert whole_take_delay_samples(endless, source(x), channel=0, trajectory=constant(0.0)) is None


@pytest.mark.parametrize(("take", "samples"), [("mono_52", 7060), ("mono_84", 7075), ("mono_98", 7075)])
def test_the_start_delays_of_the_real_machine(akai_recordings, take: str, samples: int) -> None:
    """Published for these takes, found by hand: within one sample."""
    x, rate = read_audio(akai_recordings / f"{take}_input.wav")
    y, _ = read_audio(akai_recordings / f"{take}_output.wav")
    trajectory = track_delay(x, y, sample_rate=rate).trajectory
    found = whole_take_delay_samples(
        ArraySource(x, rate, "input"), ArraySource(y, rate, "output"), channel=0, trajectory=trajectory
    )
    assert found is not None
    assert abs(found - samples) <= 1
