import numpy as np
import pytest

from tapemeasure.delay.discord import band_discord, machine_error

FRAMES, LENGTH = 400, 1024
EDGES = np.array([0, 32, 64, 128, 256])


def frames(seed: int, *, noise: float, bent: bool = False, late: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of white frames, and what is left of an output that is `late` samples late or of which bands are bent."""
    rng = np.random.default_rng(seed)
    window = np.hanning(LENGTH)
    linear = np.fft.rfft(rng.standard_normal((FRAMES, LENGTH)) * window, axis=1)
    hiss = noise * np.fft.rfft(rng.standard_normal((FRAMES, LENGTH)) * window, axis=1)
    omega = np.arange(LENGTH // 2 + 1) * 2.0 * np.pi / LENGTH
    # two half bands that are early and late by turns
    each = np.where(np.arange(len(omega)) < 256, 0.05, -0.05) * rng.choice([-1.0, 1.0], (FRAMES, 1)) if bent else 0.0
    return linear, linear * (np.exp(-1j * omega * (late + each)) - 1.0) + hiss


def error_samples(linear: np.ndarray, left: np.ndarray, noise: float) -> np.ndarray:
    n = LENGTH // 2 + 1
    power = np.full(n, noise**2 * np.sum(np.hanning(LENGTH) ** 2))
    return machine_error(band_discord(linear, left, np.ones(n, np.complex128), power, EDGES))


@pytest.mark.parametrize("late", [0.0, 0.02])
def test_noise_and_a_common_delay_are_no_error_of_the_machine(late: float) -> None:
    error = error_samples(*frames(1, noise=0.03, late=late), 0.03)
    of_noise = 0.03 / np.sqrt(LENGTH * np.pi**2 / 3.0)
    assert np.median(error) < of_noise


def test_bands_that_disagree_are_an_error_of_the_machine() -> None:
    error = error_samples(*frames(2, noise=1e-3, bent=True), 1e-3)
    # seven eighths of the information lie in the upper half, which moves the mean by 0.0375 samples to and fro
    assert np.median(error) == pytest.approx(0.0375, rel=0.3)


def test_silence_has_no_error() -> None:
    silent = np.zeros((FRAMES, LENGTH // 2 + 1), np.complex128)
    np.testing.assert_array_equal(error_samples(silent, silent, 1e-3), 0.0)
