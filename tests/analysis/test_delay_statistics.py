import numpy as np
import pytest

from tapemeasure.analysis.alignment import alignment_quality
from tapemeasure.analysis.delay_statistics import delay_statistics, trajectory_error_us_rms
from tapemeasure.trajectory import DelayStep, DelayTrajectory, steps_until


def trajectory(delay_s: np.ndarray, valid: np.ndarray | None = None, rate_hz: float = 100.0) -> DelayTrajectory:
    valid = np.ones(len(delay_s), dtype=bool) if valid is None else valid
    return DelayTrajectory(0.0, rate_hz, delay_s, np.full(len(delay_s), 1e-7), valid)


def test_a_sine_of_wow_has_its_closed_form_figures() -> None:
    time = np.arange(2000) / 100.0
    figures = delay_statistics(trajectory(0.16 + 1e-4 * np.sin(2 * np.pi * 5.0 * time)))
    assert figures.mean_delay_s == pytest.approx(0.16, abs=1e-9)
    assert figures.delay_std_s == pytest.approx(1e-4 / np.sqrt(2), rel=1e-6)
    assert figures.delay_peak_to_peak_s == pytest.approx(2e-4, rel=1e-6)
    assert figures.drift_ppm == pytest.approx(0.0, abs=2.0)
    # amplitude times 2 pi f, rms, per cent
    assert figures.speed_deviation_rms_pct == pytest.approx(100 * 1e-4 * 2 * np.pi * 5 / np.sqrt(2), rel=0.01)
    assert figures.valid_pct == 100.0


def test_drift_is_a_slope_and_no_speed_deviation() -> None:
    time = np.arange(1000) / 100.0
    figures = delay_statistics(trajectory(0.02 - 40e-6 * time))
    assert figures.drift_ppm == pytest.approx(-40.0, abs=1e-6)
    assert figures.speed_deviation_rms_pct == pytest.approx(0.0, abs=1e-6)
    # the spread is not detrended
    assert figures.delay_peak_to_peak_s == pytest.approx(40e-6 * 9.99, rel=1e-9)


def test_speed_above_the_bandwidth_is_left_out() -> None:
    time = np.arange(8000) / 400.0
    figures = delay_statistics(trajectory(1e-4 * np.sin(2 * np.pi * 120.0 * time), rate_hz=400.0))
    assert figures.speed_bandwidth_hz == 40.0
    assert figures.speed_deviation_rms_pct == pytest.approx(0.0, abs=0.05)


def test_points_without_evidence_do_not_count() -> None:
    time = np.arange(1000) / 100.0
    delay = 0.02 + 1e-5 * np.sin(2 * np.pi * 4.0 * time)
    valid = np.ones(1000, dtype=bool)
    valid[400:500] = False
    spoilt = delay.copy()
    spoilt[400:500] = 7.0
    figures, clean = delay_statistics(trajectory(spoilt, valid)), delay_statistics(trajectory(delay))
    assert figures.valid_pct == pytest.approx(90.0)
    assert figures.mean_delay_s == pytest.approx(clean.mean_delay_s, abs=1e-7)
    assert figures.speed_deviation_rms_pct == pytest.approx(clean.speed_deviation_rms_pct, rel=0.02)


def test_nothing_valid_measures_nothing() -> None:
    figures = delay_statistics(trajectory(np.zeros(10), np.zeros(10, dtype=bool)))
    assert figures.mean_delay_s is None
    assert figures.speed_deviation_rms_pct is None
    assert figures.valid_pct == 0.0
    one = delay_statistics(trajectory(np.array([0.5])))
    assert one.mean_delay_s == 0.5
    assert one.drift_ppm is None


def test_alignment_of_equal_signals_is_perfect() -> None:
    noise = np.random.default_rng(1).standard_normal(44100)
    quality = alignment_quality(noise, np.roll(noise, 300), noise, sample_rate=44100)
    assert quality.correlation_after == pytest.approx(1.0)
    assert quality.esr_after == pytest.approx(0.0, abs=1e-12)
    assert quality.residual_lag_rms_us == pytest.approx(0.0, abs=1e-3)
    assert abs(quality.correlation_before) < 0.05
    assert quality.compared_pct > 95.0


def test_alignment_sees_a_lag_and_an_inversion() -> None:
    noise = np.random.default_rng(2).standard_normal(44100)
    quality = alignment_quality(noise, noise, -np.roll(noise, 10), sample_rate=44100)
    assert quality.residual_lag_rms_us is None or abs(quality.residual_lag_mean_us) == pytest.approx(226.8, abs=1.0)
    silent = alignment_quality(noise, noise, np.zeros(44100), sample_rate=44100)
    assert silent.residual_lag_rms_us is None
    assert silent.esr_after == 1.0


def test_error_against_the_truth_leaves_the_constant_and_the_invalid_out() -> None:
    time = np.arange(1000) / 100.0
    truth = trajectory(0.16 + 1e-3 * np.sin(2 * np.pi * 0.5 * time))
    valid = time < 5.0
    wrong = np.where(valid, 2e-6 * np.sign(np.sin(2 * np.pi * 5.0 * time + 0.1)), 1.0)
    tracked = trajectory(truth.delay_s + 20e-6 + wrong, valid)
    assert trajectory_error_us_rms(tracked, truth) == pytest.approx(2.0, rel=1e-6)
    assert trajectory_error_us_rms(truth, truth) == pytest.approx(0.0, abs=1e-9)
    assert trajectory_error_us_rms(trajectory(truth.delay_s, np.zeros(1000, dtype=bool)), truth) is None


def test_the_uncertainty_of_a_drift_is_the_textbooks_for_white_errors() -> None:
    rng = np.random.default_rng(3)
    time = np.arange(3000) / 100.0
    slopes, sigmas = [], []
    for _ in range(100):
        path = trajectory(1e-6 * rng.standard_normal(3000))
        figures = delay_statistics(DelayTrajectory(0.0, 100.0, path.delay_s, np.full(3000, np.inf), path.valid))
        slopes.append(figures.drift_ppm)
        sigmas.append(figures.drift_sigma_ppm)
    textbook_ppm = np.sqrt(12.0 / 3000) * 1.0 / time[-1]
    assert np.sqrt(np.mean(np.square(sigmas))) == pytest.approx(textbook_ppm, rel=0.1)
    assert np.std(slopes) == pytest.approx(textbook_ppm, rel=0.2)


@pytest.mark.parametrize("seconds", [20.0, 120.0])
def test_the_uncertainty_of_a_drift_covers_the_wow(seconds: float) -> None:
    rng = np.random.default_rng(4)
    time = np.arange(round(100 * seconds)) / 100.0
    ratios = []
    for _ in range(100):
        phase, wow_hz = rng.uniform(0.0, 2 * np.pi, 2), rng.uniform(0.3, 1.5, 2)
        wow = sum(2e-4 * np.sin(2 * np.pi * f * time + p) for f, p in zip(wow_hz, phase, strict=True))
        figures = delay_statistics(trajectory(0.1 + 5e-6 * time + wow))
        ratios.append((figures.drift_ppm - 5.0) / figures.drift_sigma_ppm)
    # whole turns of the wow leave the most, half ones nothing: on average a good half of what is told
    assert np.abs(ratios).max() < 2.5
    assert 0.4 < np.std(ratios) < 1.1


def test_lost_samples_are_no_drift_and_no_speed() -> None:
    time = np.arange(3000) / 100.0
    steps = tuple(DelayStep(float(at), -1.0 / 44100) for at in (5.0, 11.0, 17.0, 23.0))
    path = DelayTrajectory(
        0.0, 100.0, 0.1 + steps_until(steps, time), np.full(3000, 1e-7), np.ones(3000, dtype=bool), steps
    )
    figures = delay_statistics(path)
    assert figures.drift_ppm == pytest.approx(0.0, abs=1e-6)
    assert figures.speed_deviation_rms_pct == pytest.approx(0.0, abs=1e-9)
    assert figures.delay_peak_to_peak_s == pytest.approx(4.0 / 44100)


def test_the_errors_part_in_the_speed_is_told() -> None:
    rng = np.random.default_rng(5)
    noise = 1e-6 * rng.standard_normal(20000)
    figures = delay_statistics(DelayTrajectory(0.0, 100.0, noise, np.full(20000, 1e-6), np.ones(20000, dtype=bool)))
    # nothing but errors: as much is unknown as was measured
    assert figures.speed_deviation_sigma_pct == pytest.approx(figures.speed_deviation_rms_pct, rel=0.25)
    assert figures.mean_delay_sigma_s == pytest.approx(1e-6 / np.sqrt(2000), rel=1e-6)


def test_the_longest_gap() -> None:
    valid = np.ones(1000, dtype=bool)
    valid[100:110] = valid[500:650] = False
    assert delay_statistics(trajectory(np.zeros(1000), valid)).longest_gap_s == pytest.approx(1.5)
