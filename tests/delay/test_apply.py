from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.delay.apply import apply_blocks, apply_delay, covered_samples, undo_blocks, undo_delay
from tapemeasure.delay.invert import arrival_time
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayStep, DelayTrajectory, steps_until

RATE = 44100


def trajectory(delay_s: np.ndarray, rate_hz: float = 100.0) -> DelayTrajectory:
    return DelayTrajectory(0.0, rate_hz, delay_s, np.full(len(delay_s), 1e-6), np.ones(len(delay_s), dtype=bool))


def band_limited(n: int, seed: int = 1) -> np.ndarray:
    """Noise up to 0.4 of the sample rate that is silent at both ends."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum[int(0.8 * len(spectrum)) :] = 0.0
    window = np.clip(np.minimum(np.arange(n), np.arange(n)[::-1]) / 2000 - 1, 0, 1)
    return np.fft.irfft(spectrum, n) * np.sin(0.5 * np.pi * window) ** 2


@given(st.floats(-0.05, 0.2), st.floats(0.0, 1e-3), st.floats(0.2, 3.0), st.floats(0.0, 5e-5), st.floats(-1e-3, 1e-3))
@settings(max_examples=15)
def test_a_delay_applied_and_undone_gives_the_signal_back(
    base: float, wow: float, wow_hz: float, flutter: float, drift: float
) -> None:
    samples = band_limited(30000)
    time = np.arange(-20, 140) / 100.0
    delay = base + wow * np.sin(2 * np.pi * wow_hz * time) + flutter * np.sin(2 * np.pi * 9 * time) + drift * time
    path = DelayTrajectory(time[0], 100.0, delay, np.zeros(160), np.ones(160, dtype=bool))
    late = apply_delay(samples, path, sample_rate=RATE, length_samples=30000 + 10000)
    back = undo_delay(late, path, sample_rate=RATE, length_samples=30000)
    # what left the output before its first sample cannot come back
    kept = slice(5000 if base < 0.01 else 0, None)
    error = np.sqrt(np.mean((back - samples)[kept] ** 2) / np.mean(samples[kept] ** 2))
    assert 20 * np.log10(error) < -80.0


def test_a_whole_delay_is_a_shift_of_all_channels() -> None:
    samples = np.random.default_rng(1).standard_normal((3000, 2))
    still = trajectory(np.full(10, 100 / RATE))
    np.testing.assert_allclose(apply_delay(samples, still, sample_rate=RATE)[100:], samples[:-100], atol=1e-9)
    np.testing.assert_allclose(
        undo_delay(samples, still, sample_rate=RATE, length_samples=2900), samples[100:], atol=1e-9
    )


def test_the_inverse_map_is_exact() -> None:
    grid = np.arange(200) / 100.0
    path = trajectory(0.16 + 1e-3 * np.sin(2 * np.pi * 2.0 * grid))
    leaving = np.linspace(-0.5, 2.5, 5000)
    time = arrival_time(leaving, path)
    assert np.abs(time - path.at(time) - leaving).max() * RATE < 1e-5
    assert (np.diff(time) > 0).all()


def test_the_length_is_what_was_asked_for() -> None:
    still = trajectory(np.zeros(2))
    assert undo_delay(np.ones(100), still, sample_rate=RATE, length_samples=250).shape == (250,)
    assert apply_delay(np.ones((100, 2)), still, sample_rate=RATE, length_samples=0).shape == (0, 2)


def test_time_that_stands_still_is_refused() -> None:
    with pytest.raises(SignalError, match=r"1\.20 s per second"):
        undo_delay(np.ones(100), trajectory(np.array([0.0, 0.012])), sample_rate=RATE, length_samples=100)


@pytest.mark.parametrize(("delay_s", "expected"), [(0.1, 900), (0.0, 1000), (-0.2, 1000), (2.0, 0)])
def test_what_of_the_input_came_out_before_the_end(delay_s, expected) -> None:
    path = DelayTrajectory(0.0, 100.0, np.full(100, delay_s), np.zeros(100), np.ones(100, dtype=bool))
    assert covered_samples(path, sample_rate=1000, output_samples=1000, length_samples=1000) == expected


def wandering(seconds: float = 20.0) -> DelayTrajectory:
    time = np.arange(round(100 * seconds)) / 100.0
    delay = 0.05 + 1e-3 * np.sin(2 * np.pi * 0.7 * time) + 2e-5 * np.sin(2 * np.pi * 9 * time) + 3e-5 * time
    steps = (DelayStep(3.0, 1.0 / RATE), DelayStep(5.5, -2.0 / RATE))
    return DelayTrajectory(0.0, 100.0, delay + steps_until(steps, time), 0 * time, time >= 0, steps)


@given(st.lists(st.integers(1, 90000), min_size=1, max_size=12), st.sampled_from([1, 2, 3]))
@settings(max_examples=10)
def test_blocks_of_any_size_and_any_threads_give_the_same_bits(sizes: list[int], threads: int) -> None:
    samples = np.random.default_rng(3).standard_normal((8 * RATE, 2))
    edges = np.minimum(np.cumsum([0, *sizes]), len(samples))
    cut = [samples[first:last] for first, last in pairwise([*edges, len(samples)])]
    for blocks_of, whole_of in ((undo_blocks, undo_delay), (apply_blocks, apply_delay)):
        whole = whole_of(samples, wandering(8.0), sample_rate=RATE, length_samples=len(samples))
        parts = blocks_of(cut, wandering(8.0), sample_rate=RATE, length_samples=len(samples), threads=threads)
        np.testing.assert_array_equal(np.concatenate(list(parts)), whole)


def test_a_stream_is_read_no_further_than_it_is_needed() -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 4096
            yield np.zeros((4096, 1))

    first = next(iter(undo_blocks(endless(), wandering(), sample_rate=RATE, length_samples=10**7)))
    # the delay, the taps and a block more than what was given
    assert taken < len(first) + 0.1 * RATE + 2 * 4096


def test_lost_samples_are_put_right() -> None:
    samples = band_limited(8 * RATE)
    path = wandering(8.0)
    late = apply_delay(samples, path, sample_rate=RATE, length_samples=9 * RATE)
    back = undo_delay(late, path, sample_rate=RATE, length_samples=len(samples))
    error = np.abs(back - samples) / np.sqrt(np.mean(samples**2))
    # beside the two places where samples are missing or twice in the recording the signal is there again
    for step in path.steps:
        here = round((step.time_s - 0.05) * RATE)
        error[here - 150 : here + 150] = 0.0
    assert 20 * np.log10(error.max()) < -70.0


def test_a_drift_of_the_clocks_is_undone() -> None:
    # 50 ppm over 20 s are 44 samples
    n = 20 * RATE
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(n) / RATE)
    time = np.arange(2100) / 100.0
    path = trajectory(0.01 + 50e-6 * time)
    slow = np.sin(2 * np.pi * 1000.0 * (np.arange(n + 2000) / RATE * (1 - 50e-6) - 0.01))
    back = undo_delay(slow, path, sample_rate=RATE, length_samples=n)
    assert back.shape == (n,)
    assert np.abs(back - tone)[100:].max() < 1e-4


def test_an_empty_signal_is_silence() -> None:
    assert np.array_equal(undo_delay(np.zeros(0), wandering(), sample_rate=RATE, length_samples=50), np.zeros(50))
