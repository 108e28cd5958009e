"""Whether the stated uncertainty holds where the machine, the tone or the programme make it hard."""

import numpy as np
import pytest

from tapemeasure.delay.gcc import FrameDelays
from tapemeasure.delay.points import track_points
from tapemeasure.delay.programme import Programme
from tapemeasure.delay.refine import RefinedDelays
from tapemeasure.delay.track import track_delay
from tapemeasure.errors import NoMatchError


def deep(time_s: np.ndarray) -> np.ndarray:
    """Wow whose speed, 0.6 %, swings 15 kHz by 90 Hz to each side."""
    return 0.02 + 1.2e-3 * np.sin(2 * np.pi * 0.8 * time_s)


def errors(path, delay) -> tuple[np.ndarray, np.ndarray]:
    inside = path.valid & (path.time_s > 0.3) & (path.time_s < path.time_s[-1] - 0.3)
    error = (path.delay_s - delay(path.time_s))[inside]
    return 1e6 * (error - np.median(error)), 1e6 * path.sigma_s[inside]


@pytest.mark.parametrize("upper_limit_hz", [None, 13000.0])
def test_a_tones_sigma_holds_with_and_without_a_machines_upper_limit(known, upper_limit_hz: float | None) -> None:
    """Group delay 0 and 12 us: a tone cannot tell them apart, and its uncertainty must cover both."""
    from scipy.signal import butter, sosfilt

    stimulus = 0.25 * np.sin(2 * np.pi * 3150.0 * np.arange(12 * known.rate) / known.rate)
    output = known.machine(stimulus, deep, hiss=0.0)
    if upper_limit_hz is not None:
        output = sosfilt(butter(2, upper_limit_hz, fs=known.rate, output="sos"), output)
    output = output + 1e-3 * np.random.default_rng(1).standard_normal(len(output))
    error, sigma = errors(
        track_delay(stimulus, output, sample_rate=known.rate, pilot="tone", rate_hz=400.0).trajectory, deep
    )
    assert 0.4 < np.mean(np.abs(error) < sigma) < 0.9
    assert np.sqrt(np.mean((error / sigma) ** 2)) < 1.5


def test_an_inband_tone_that_swings_out_of_its_band_is_followed(known) -> None:
    music = known.music(8.0)
    stimulus = music + 0.01 * np.sin(2 * np.pi * 15000.0 * np.arange(len(music)) / known.rate)
    output = known.machine(stimulus, deep)
    error, sigma = errors(
        track_delay(stimulus, output, sample_rate=known.rate, pilot="inband", rate_hz=400.0).trajectory, deep
    )
    assert np.sqrt(np.mean(error**2)) < 0.35
    assert np.abs(error).max() < 3.0
    assert 0.5 < np.mean(np.abs(error) < sigma) < 0.9


def test_fast_tracking_of_partials_without_noise(known) -> None:
    """Between the partials stands only what the window leaves of them."""
    rng = np.random.default_rng(1)
    n, length = 6 * known.rate, round(0.6 * known.rate)
    time, stimulus = np.arange(length) / known.rate, np.zeros(6 * known.rate + length)
    for first in range(0, n, round(0.3 * known.rate)):
        pitch = 110.0 * 2.0 ** (rng.integers(0, 24) / 12.0)
        note = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0.0, 6.28)) / k for k in range(1, 9))
        stimulus[first : first + length] += note * np.exp(-4.0 * time) * np.minimum(1.0, time / 0.02)
    stimulus = 0.5 * stimulus[:n] / np.abs(stimulus).max()
    output = known.machine(stimulus, hiss=1e-6)
    path = track_delay(stimulus, output, sample_rate=known.rate, pilot="none", rate_hz=400.0, fast=True).trajectory
    error, _ = errors(path, known.wander)
    # 14 us rms and 100 us at worst if what is left counted
    assert np.sqrt(np.mean(error**2)) < 3.0
    assert np.abs(error).max() < 30.0
    assert abs(np.median((path.delay_s - known.wander(path.time_s))[path.valid])) < 10e-6


def test_a_correlation_that_may_be_chance_is_refused(known) -> None:
    """Where no waveform can be followed, a weak correlation invents a delay."""
    samples = np.random.default_rng(2).standard_normal((known.rate, 1))
    n = 200
    frames = FrameDelays(220, np.full(n, 0.02), np.full(n, 0.3), np.ones(n, dtype=bool))
    coarse = RefinedDelays(220, frames.delay_s, np.full(n, 5e-5), np.ones(n, dtype=bool), coarse=True)
    programme = Programme(np.arange(n) * 220 / known.rate, frames, np.ones(n, dtype=bool), 1, 0.3, refined=coarse)
    with pytest.raises(NoMatchError, match=r"0\.30 alone may be chance, 0\.35 is needed.*use a pilot"):
        track_points(
            samples,
            samples,
            pilot=None,
            guide=None,
            programme=programme,
            programme_channel=0,
            sample_rate=known.rate,
            rate_hz=100.0,
            progress=lambda fraction: None,
        )
