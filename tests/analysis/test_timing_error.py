"""What an uncertain delay does to a response, against sweeps and tones that were moved by random delays."""

import numpy as np
import pytest

from tapemeasure.analysis.response import sweep_response
from tapemeasure.analysis.sweep import deconvolve_sweep
from tapemeasure.analysis.timing_error import SweepTiming, TimingError, timing_of
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100


def slow_error(rng: np.random.Generator, n_samples: int, *, limit_hz: float, rms_s: float) -> np.ndarray:
    """White below a limit."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum[np.fft.rfftfreq(n_samples, 1 / RATE) > limit_hz] = 0.0
    values = np.fft.irfft(spectrum, n_samples)
    return rms_s * values / np.std(values)


def test_a_sweep_moved_by_a_random_delay_scatters_as_told() -> None:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=2.0)
    played = np.concatenate([sweep_samples(sweep, sample_rate=RATE, level_dbfs=-6.0), np.zeros(RATE // 4)])
    rng = np.random.default_rng(1)
    octaves, rms_s, limit_hz = 1.0 / 12.0, 3e-7, 15.0
    readings = []
    frequency_hz = np.fft.rfftfreq(len(played), 1 / RATE)
    slope = np.fft.irfft(2j * np.pi * frequency_hz * np.fft.rfft(played), len(played))
    for _ in range(24):
        late_s = slow_error(rng, len(played), limit_hz=limit_hz, rms_s=rms_s)
        # so small a shift is its first order
        moved = played - late_s * slope
        impulses = deconvolve_sweep(played, moved, sample_rate=RATE, sweep=sweep)
        found = sweep_response(impulses, smoothing_octaves=octaves)
        readings.append((found.magnitude_db, np.radians(found.phase_deg)))
    magnitude, phase = np.array(readings).transpose(1, 0, 2)
    timing = SweepTiming(TimingError(rms_s, limit_hz), sweep.time_constant_s, limit_hz, 0.0, 0.0, octaves)
    told_nepers, told_rad = timing.sigma_nepers(found.frequency_hz)
    middle = (found.frequency_hz > 500.0) & (found.frequency_hz < 3000.0)
    scatter_db = np.sqrt(np.mean(magnitude[:, middle] ** 2))
    assert 20 / np.log(10) * np.sqrt(np.mean(told_nepers[middle] ** 2)) == pytest.approx(scatter_db, rel=0.25)
    assert np.sqrt(np.mean(told_rad[middle] ** 2)) == pytest.approx(np.sqrt(np.mean(phase[:, middle] ** 2)), rel=0.25)


def test_a_jittering_tone_loses_amplitude() -> None:
    # the mean of exp(j x) over a Gaussian x is exp(-sigma^2 / 2)
    sigma_s, frequency_hz = 3e-6, 10000.0
    turned = 2 * np.pi * frequency_hz * sigma_s
    loss_db = -20 * np.log10(np.exp(-(turned**2) / 2))
    assert TimingError(sigma_s).loss_db(frequency_hz) == pytest.approx(loss_db)
    assert TimingError().loss_db(frequency_hz) == 0.0


def test_a_constant_delay_is_a_group_delay_of_that_size() -> None:
    timing = SweepTiming(TimingError(2e-6, 1e-3), 0.4, 1e-3, 0.0, 0.0, 0.0)
    angular = 2 * np.pi * 1000.0 * 2.0 ** (np.arange(-4, 5) / 48.0)
    centred = angular - angular.mean()
    assert timing.delay_sigma_s(angular, centred / np.sum(centred**2)) == pytest.approx(2e-6, rel=0.01)


def test_the_error_is_what_the_trajectory_states() -> None:
    points = np.zeros(100)
    sigma_s = np.full(100, 1e-6)
    sigma_s[3] = np.inf
    sigma_s[7] = 1e-3
    valid = np.isfinite(sigma_s)
    found = timing_of(DelayTrajectory(0.0, 100.0, points, sigma_s, valid))
    assert found.sigma_s == pytest.approx(1e-6)
    assert found.bandwidth_hz == 50.0
    assert timing_of(None).sigma_s == 0.0
    assert timing_of(DelayTrajectory(0.0, 100.0, points, points + np.inf, points > 0)).sigma_s == 0.0
