import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.dsp.flutter_weighting import flutter_weighting_db
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayStep, DelayTrajectory, steps_until

LINES_HZ = np.array([0.83, 2.61, 4.6, 7.83, 10.6, 16.0, 26.5, 55.0, 90.0])
LINES_PCT = np.array([0.05, 0.06, 0.08, 0.05, 0.05, 0.04, 0.05, 0.03, 0.02])
PHASES = np.random.default_rng(1).uniform(0.0, 2 * np.pi, len(LINES_HZ))


def trajectory(delay_s: np.ndarray, rate_hz: float = 400.0, steps: tuple[DelayStep, ...] = ()) -> DelayTrajectory:
    return DelayTrajectory(0.0, rate_hz, delay_s, np.full(len(delay_s), 1e-9), np.ones(len(delay_s), dtype=bool), steps)


def known_delay(time_s: np.ndarray) -> np.ndarray:
    """Minus the integral of the lines' speed, seconds."""
    amplitude = np.sqrt(2) * LINES_PCT / 100 / (2 * np.pi * LINES_HZ)
    return -np.sum(amplitude * np.sin(2 * np.pi * LINES_HZ * time_s[:, None] + PHASES), axis=1)


def known_speed_pct(time_s: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.sum(np.sqrt(2) * LINES_PCT * weights * np.cos(2 * np.pi * LINES_HZ * time_s[:, None] + PHASES), axis=1)


@pytest.mark.parametrize("rate_hz", [300.0, 1000.0])
def test_known_lines_give_the_closed_form_figures(rate_hz: float) -> None:
    time_s = np.arange(round(30 * rate_hz)) / rate_hz
    found = measure_wow_flutter(trajectory(0.02 - 2e-4 * time_s + known_delay(time_s), rate_hz))
    inside = np.arange(0.5, 29.5, 5e-4)
    weighted = known_speed_pct(inside, 10 ** (flutter_weighting_db(LINES_HZ) / 20))
    unweighted = known_speed_pct(inside, np.ones(len(LINES_HZ)))
    # the target is 0.2 %
    assert found.weighted_rms_pct == pytest.approx(np.std(weighted), rel=1e-3)
    assert found.weighted_2sigma_pct == pytest.approx(np.quantile(np.abs(weighted), 0.9545), rel=2e-3)
    assert found.unweighted_2sigma_pct == pytest.approx(np.quantile(np.abs(unweighted), 0.9545), rel=2e-3)
    assert found.unweighted_rms_pct == pytest.approx(np.sqrt(np.sum(LINES_PCT**2)), rel=2e-3)
    assert found.weighted_peak_pct == pytest.approx(np.abs(weighted).max(), rel=2e-3)
    assert found.wow_pct == pytest.approx(np.sqrt(np.sum(LINES_PCT[LINES_HZ < 6] ** 2)), rel=5e-3)
    assert found.flutter_pct == pytest.approx(np.sqrt(np.sum(LINES_PCT[LINES_HZ > 6] ** 2)), rel=2e-3)
    # what the ends leave of a wow of 0.05 % at 0.83 Hz
    assert found.drift_pct == pytest.approx(0.0, abs=3e-3)
    assert found.speed_error_pct == pytest.approx(0.02, abs=2 * found.speed_error_sigma_pct)
    for line in found.lines:
        at = int(np.argmin(np.abs(LINES_HZ - line.frequency_hz)))
        assert line.frequency_hz == pytest.approx(LINES_HZ[at], abs=0.01)
        assert line.deviation_pct == pytest.approx(LINES_PCT[at], rel=0.01)
    assert len(found.lines) == len(LINES_HZ)


def test_lines_are_named_by_the_parts_that_turn_so_often() -> None:
    time_s = np.arange(12000) / 400.0
    capstan, roller = RotatingPart("capstan", 5.75), RotatingPart("pinch roller", 23.3)
    found = measure_wow_flutter(trajectory(known_delay(time_s)), parts=[capstan, roller], speed_ips=7.5)
    named = {line.part: line.frequency_hz for line in found.lines if line.part is not None}
    assert named["capstan"] == pytest.approx(10.6, abs=0.05)
    assert named["pinch roller"] == pytest.approx(2.61, abs=0.05)
    assert named["pinch roller x3"] == pytest.approx(7.83, abs=0.05)
    with pytest.raises(ParameterError, match="speed_ips"):
        measure_wow_flutter(trajectory(known_delay(time_s)), parts=[capstan])
    with pytest.raises(ParameterError, match="diameter_mm"):
        RotatingPart("capstan", 0.0)


def test_off_the_tape_the_heads_response_is_undone_and_the_blind_bands_are_told() -> None:
    time_s, heads_s = np.arange(30000) / 1000.0, 0.16
    seen = known_delay(time_s) - known_delay(time_s - heads_s)
    found = measure_wow_flutter(trajectory(heads_s + seen, 1000.0), head_delay_s=heads_s)
    naive = measure_wow_flutter(trajectory(heads_s + seen, 1000.0))
    weighted = known_speed_pct(np.arange(1.0, 29.0, 5e-4), 10 ** (flutter_weighting_db(LINES_HZ) / 20))
    # no line lies in a blind band; 0.2 % is lost beside them
    assert found.weighted_rms_pct == pytest.approx(np.std(weighted), rel=2e-3)
    assert abs(naive.weighted_rms_pct / np.std(weighted) - 1.0) > 0.1
    assert [round(0.5 * (low + high) * heads_s) for low, high in found.blind_bands_hz[1:4]] == [1, 2, 3]
    assert found.blind_bands_hz[0][0] == 0.0
    assert np.isnan(found.drift_pct)
    assert any("blind" in note for note in found.notes)
    assert naive.blind_bands_hz == ()


def test_a_tone_through_the_machine_reads_the_truth() -> None:
    settings = TapeSettings(
        solver="RK2", oversampling=1, oversampling_mode="minimum_phase", hiss_dbfs=-66.0, wow_pct=0.06,
        flutter_pct=0.06, capstan_pct=0.05,
    )  # fmt: skip
    sine = 0.2 * np.sin(2 * np.pi * 3150.0 * np.arange(15 * 44100) / 44100)
    capture = TapeDevice(settings, seed=2).run(sine, sample_rate=44100)
    found = measure_wow_flutter(tone_trajectory(capture.samples[:, 0], sample_rate=44100))
    known = measure_wow_flutter(capture.truth)
    assert found.weighted_rms_pct == pytest.approx(known.weighted_rms_pct, rel=2e-3)
    assert found.weighted_2sigma_pct == pytest.approx(known.weighted_2sigma_pct, rel=2e-3)
    assert found.quasi_peak_pct == pytest.approx(known.quasi_peak_pct, rel=2e-3)


def test_the_real_machine_reads_what_is_known_of_it(akai_recordings) -> None:
    stimulus, sample_rate = read_audio(akai_recordings / "io_1_input.wav")
    output, _ = read_audio(akai_recordings / "io_1_output.wav")
    found = measure_wow_flutter(track_delay(stimulus, output, sample_rate=sample_rate).trajectory)
    assert found.unweighted_rms_pct == pytest.approx(0.161, rel=0.03)
    assert found.weighted_rms_pct == pytest.approx(0.112, rel=0.03)
    assert found.weighted_2sigma_pct == pytest.approx(0.213, rel=0.03)


def test_what_is_too_short_is_said_and_not_measured() -> None:
    time_s = np.arange(1200) / 400.0
    found = measure_wow_flutter(trajectory(known_delay(time_s)))
    assert np.isnan(found.weighted_2sigma_pct)
    assert np.isnan(found.weighted_rms_pct)
    assert np.isnan(found.drift_pct)
    assert np.isnan(found.wow_pct)
    assert np.isfinite(found.flutter_pct)
    assert any("5 s" in note for note in found.notes)
    with pytest.raises(SignalError, match="give more than"):
        measure_wow_flutter(trajectory(np.zeros(100)))
    nothing = DelayTrajectory(0.0, 100.0, np.zeros(900), np.full(900, np.inf), np.zeros(900, dtype=bool))
    with pytest.raises(SignalError, match="0 points"):
        measure_wow_flutter(nothing)
    with pytest.raises(ParameterError, match="head_delay_s"):
        measure_wow_flutter(trajectory(np.zeros(4000)), head_delay_s=0.0)


def test_a_slow_trajectory_shows_no_scrape() -> None:
    found = measure_wow_flutter(trajectory(known_delay(np.arange(1000) / 100.0), 100.0))
    assert found.bandwidth_hz == pytest.approx(45.0)
    assert np.isnan(found.scrape_pct)
    assert any("scrape" in note for note in found.notes)


def test_a_still_tape_has_no_wow_and_no_lines() -> None:
    found = measure_wow_flutter(trajectory(np.full(8000, 0.16)))
    for value in (found.weighted_2sigma_pct, found.weighted_rms_pct, found.flutter_pct):
        assert value == pytest.approx(0.0, abs=1e-12)


def test_lost_samples_and_gaps_are_no_flutter() -> None:
    time_s = np.arange(8000) / 400.0
    steps = (DelayStep(5.0, 1 / 44100), DelayStep(11.0, -1 / 44100))
    clean = measure_wow_flutter(trajectory(known_delay(time_s)))
    stepped = measure_wow_flutter(trajectory(known_delay(time_s) + steps_until(steps, time_s), steps=steps))
    assert stepped.weighted_rms_pct == pytest.approx(clean.weighted_rms_pct, rel=1e-6)


@given(scale=st.floats(0.1, 10.0), late_s=st.floats(-1.0, 1.0))
def test_figures_scale_with_the_speed_and_do_not_care_for_the_mean_delay(scale: float, late_s: float) -> None:
    time_s = np.arange(2400) / 200.0
    one = measure_wow_flutter(trajectory(known_delay(time_s), 200.0))
    other = measure_wow_flutter(trajectory(late_s + scale * known_delay(time_s), 200.0))
    for name in ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_rms_pct", "weighted_peak_pct"):
        assert getattr(other, name) == pytest.approx(scale * getattr(one, name), rel=1e-6)


def test_random_flutter_lies_within_its_uncertainty() -> None:
    errors = []
    for seed in range(40):
        noise = np.random.default_rng(seed).standard_normal(200 * 15)
        spectrum = np.fft.rfft(noise)
        frequency = np.fft.rfftfreq(len(noise), 1 / 200)
        inside = (frequency > 0.3) & (frequency < 20.0)
        speed = np.where(inside, spectrum, 0.0)
        delay = np.where(inside, -speed / (2j * np.pi * np.where(inside, frequency, 1.0)), 0.0)
        found = measure_wow_flutter(trajectory(1e-3 * np.fft.irfft(delay, len(noise)), 200.0))
        expected = 0.1 * np.sqrt(2 * 14.0 / 200)
        errors.append((found.flutter_pct - expected) / found.flutter_sigma_pct)
    # the sigma is that of 95 %: three of 40 may miss, and it is not just large
    assert np.sum(np.abs(errors) > 2.0) <= 5
    assert np.std(errors) > 0.4
