import numpy as np
import pytest

from tapemeasure.delay.frame_smoother import DISTORTED_S, WORST_S, smooth_frames
from tapemeasure.delay.gcc import FrameDelays

RATE, HOP, N = 44100, 220, 6000


def observed(noise_s: float, quality: np.ndarray | None = None) -> tuple[FrameDelays, np.ndarray]:
    time = np.arange(N) * HOP / RATE
    delay = 0.02 + 5e-4 * np.sin(3.0 * time)
    noise = noise_s * np.random.default_rng(2).standard_normal(N)
    quality = np.full(N, 0.6) if quality is None else quality
    return FrameDelays(HOP, delay + noise, quality, np.ones(N, dtype=np.bool_)), delay


@pytest.mark.parametrize("noise_s", [10e-6, 40e-6])
def test_frames_are_smoothed_and_their_scatter_is_told(noise_s: float) -> None:
    frames, delay = observed(noise_s)
    hop, found, sigma = smooth_frames(frames, sample_rate=RATE)
    error = found - delay[:: hop // HOP]
    assert np.std(error) < 0.6 * noise_s
    # what the frames scatter, and what a correlation of 0.6 leaves open
    assert np.median(sigma) == pytest.approx(np.hypot(noise_s, 0.4 * DISTORTED_S), rel=0.3)


def test_frames_that_do_not_match_are_bridged_and_uncertain() -> None:
    quality = np.full(N, 0.6)
    quality[2000:2600] = 0.1
    frames, delay = observed(10e-6, quality)
    frames.delay_s[2000:2600] += 4e-3
    hop, found, sigma = smooth_frames(frames, sample_rate=RATE)
    every = hop // HOP
    gap = slice(2100 // every, 2500 // every)
    assert (sigma[gap] > WORST_S).all()
    assert np.abs(found - delay[::every])[: 1900 // every].max() < 50e-6
