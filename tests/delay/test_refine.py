import numpy as np
import pytest

from tapemeasure.delay.machine_fit import SpectralSums, add_frames, fit_machine, frame_length, without_delay
from tapemeasure.delay.track import track_delay

RATE = 44100


def moved(known, samples: np.ndarray, delay, **options) -> np.ndarray:
    return known.machine(samples, delay, **options)


def fitted(stimulus: np.ndarray, output: np.ndarray):
    sums = SpectralSums.empty(len(stimulus), sample_rate=RATE)
    n_frames = len(stimulus) // (sums.frame // 2) - 1
    add_frames(
        sums,
        stimulus.astype(np.float32),
        output.astype(np.float32),
        np.ones(n_frames, dtype=np.bool_),
        None,
        sample_rate=RATE,
    )
    return fit_machine(sums, sample_rate=RATE), sums


def test_the_machines_response_noise_and_saturation_are_found() -> None:
    rng = np.random.default_rng(1)
    stimulus = 0.2 * rng.standard_normal(20 * RATE)
    hiss = 1e-3 * rng.standard_normal(len(stimulus))
    fit, _ = fitted(stimulus, 0.7 * stimulus - 0.2 * stimulus**3 + hiss)
    middle = slice(200, -200)
    np.testing.assert_allclose(fit.responses[0][middle], 0.7, atol=4e-3)
    np.testing.assert_allclose(fit.responses[1][middle], -0.2, atol=0.04)
    expected = 1e-6 * np.sum(np.hanning(fit.frame) ** 2)
    assert np.median(fit.noise) == pytest.approx(expected, rel=0.05)


def test_a_response_has_no_delay_of_its_own_left() -> None:
    rng = np.random.default_rng(2)
    stimulus = rng.standard_normal(10 * RATE)
    # a fifth of a sample
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(stimulus)) * 0.2)
    late = np.fft.irfft(np.fft.rfft(stimulus) * turn)
    fit, sums = fitted(stimulus, late + 0.01 * rng.standard_normal(len(stimulus)))
    phase = np.angle(without_delay(fit, sums).responses[0][50:-50])
    assert np.abs(phase).max() < 0.02


def test_unrelated_sound_is_all_noise() -> None:
    rng = np.random.default_rng(3)
    fit, _ = fitted(rng.standard_normal(10 * RATE), rng.standard_normal(10 * RATE))
    assert np.mean(fit.responses[0] != 0.0) < 0.01


@pytest.mark.parametrize(
    ("seconds", "rate", "frame"), [(60, 44100, 8192), (4, 44100, 4096), (0.2, 44100, 1024), (60, 8000, 1024)]
)
def test_frames_are_shorter_in_short_files(seconds: float, rate: int, frame: int) -> None:
    assert frame_length(round(seconds * rate), sample_rate=rate) == frame


@pytest.mark.parametrize("fast", [False, True])
def test_scrape_flutter_and_honest_uncertainty(known, fast: bool) -> None:
    def delay(time: np.ndarray) -> np.ndarray:
        return known.wander(time) + 4e-6 * np.sin(2.0 * np.pi * 61.0 * time)

    music = known.music(12.0, seed=7)
    output = known.machine(np.tanh(music), delay, seed=3)
    path = track_delay(music, output, sample_rate=known.rate, rate_hz=400.0, fast=fast).trajectory
    error = known.error_us(path.time_s, path.delay_s, delay)
    if fast:
        # frames of 12 ms do not follow 61 Hz
        assert np.std(error) < 6.0
        return
    assert np.std(error) < 1.2
    inside = (path.time_s > 0.2) & (path.time_s < path.time_s[-1] - 0.2)
    assert 0.55 < np.mean(np.abs(error) < 1e6 * path.sigma_s[inside]) < 0.82


def test_a_machine_without_hiss_is_tracked_well_and_honestly(known) -> None:
    """Where no noise holds delay and response, they must not drive each other away."""
    from scipy.signal import butter, sosfilt

    music = known.music(8.0, seed=11)
    output = sosfilt(butter(2, 13000.0, fs=known.rate, output="sos"), known.machine(np.tanh(music), hiss=0.0))
    output = output + 1e-6 * np.random.default_rng(5).standard_normal(len(output))
    path = track_delay(music, output, sample_rate=known.rate, rate_hz=400.0, pilot="none").trajectory
    inside = path.valid & (path.time_s > 0.2) & (path.time_s < path.time_s[-1] - 0.2)
    error = 1e6 * (path.delay_s - known.wander(path.time_s))[inside]
    error -= np.median(error)
    assert np.sqrt(np.mean(error**2)) < 0.8
    assert np.mean(np.abs(error) < 1e6 * path.sigma_s[inside]) > 0.5


def test_fast_follows_wow_and_flutter_to_some_microseconds(known) -> None:
    music = known.music(12.0, seed=8)
    path = track_delay(music, known.machine(music), sample_rate=known.rate, fast=True).trajectory
    assert np.std(known.error_us(path.time_s, path.delay_s)) < 4.0
    assert path.valid[10:-10].mean() > 0.98


def test_a_soft_passage_is_less_certain_and_says_so(known) -> None:
    music = known.music(12.0, seed=9)
    soft = slice(5 * known.rate, 7 * known.rate)
    music[soft] *= 0.06
    path = track_delay(music, known.machine(music, seed=2), sample_rate=known.rate, rate_hz=200.0).trajectory
    inside = (path.time_s > 5.2) & (path.time_s < 6.8)
    around = (path.time_s > 2.0) & (path.time_s < 4.5)
    assert np.median(path.sigma_s[inside]) > 5.0 * np.median(path.sigma_s[around])
    error = path.delay_s - known.wander(path.time_s)
    error -= np.median(error[around])
    told = inside & path.valid
    assert np.sqrt(np.mean((error / path.sigma_s)[told] ** 2)) < 2.5
