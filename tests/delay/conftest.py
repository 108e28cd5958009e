"""Signals with an exactly known delay: a small programme, a machine with hiss, a wandering delay."""

from collections.abc import Callable

import numpy as np
import pytest

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.resolution import warp

RATE = 44100
Delay = Callable[[FloatArray], FloatArray]


def make_music(duration_s: float, seed: int = 1) -> FloatArray:
    """Decaying notes of eight harmonics, and bursts of noise."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * RATE)
    samples = np.zeros(n + RATE)
    time = np.arange(RATE // 2) / RATE
    for start in np.arange(0, duration_s, 0.15):
        first = round(start * RATE)
        pitch = 110.0 * 2 ** (rng.integers(0, 24) / 12)
        note = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6.28)) / k for k in range(1, 9)) * np.exp(
            -time * rng.uniform(3, 8)
        )
        samples[first : first + len(note)] += rng.uniform(0.3, 1.0) * note
        burst = rng.standard_normal(2000) * np.exp(-np.arange(2000) / 500)
        samples[first + 3000 : first + 5000] += 0.2 * burst
    return 0.5 * samples[:n] / np.abs(samples[:n]).max()


def make_pulses(duration_s: float, first: int = 441) -> FloatArray:
    samples = np.zeros(round(duration_s * RATE))
    samples[first::441] = 0.5
    return samples


def wander(time_s: FloatArray) -> FloatArray:
    """20 ms, 0.3 ms of wow at 0.5 Hz and 0.05 ms of flutter at 9 Hz."""
    return 0.02 + 3e-4 * np.sin(2 * np.pi * 0.5 * time_s + 0.3) + 5e-5 * np.sin(2 * np.pi * 9 * time_s + 1.1)


def through_machine(samples: FloatArray, delay: Delay = wander, *, hiss: float = 1e-3, seed: int = 0) -> FloatArray:
    """Late by `delay`, with white hiss."""
    time = np.arange(len(samples)) / RATE
    late = warp(samples, delay(time), sample_rate=RATE)
    return late + hiss * np.random.default_rng(seed).standard_normal(len(samples))


def damaged(output: FloatArray, events: list[tuple[int, int]]) -> FloatArray:
    """Lose (positive) or double (negative) samples at places of the damaged output."""
    for place, count in events:
        rest = output[place + count :] if count > 0 else np.concatenate([output[place + count : place], output[place:]])
        output = np.concatenate([output[:place], rest])
    return output


def error_us(time_s: FloatArray, delay_s: FloatArray, delay: Delay = wander, *, edge_s: float = 0.2) -> FloatArray:
    """Error without its median, microseconds, away from the ends."""
    inside = (time_s > edge_s) & (time_s < time_s[-1] - edge_s)
    error = 1e6 * (delay_s - delay(time_s))[inside]
    return error - np.median(error)


@pytest.fixture(scope="session")
def music() -> FloatArray:
    return make_music(4.0)


@pytest.fixture(scope="session")
def known():
    """The builders above, for tests that want other signals."""

    class Known:
        rate = RATE
        music = staticmethod(make_music)
        pulses = staticmethod(make_pulses)
        wander = staticmethod(wander)
        machine = staticmethod(through_machine)
        damaged = staticmethod(damaged)
        error_us = staticmethod(error_us)

    return Known
