"""Sweeps through wow and flutter: is it there at all, and what the trajectory left in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tapemeasure.analysis.response import sweep_response
from tapemeasure.analysis.sweep import deconvolve_sweep
from tapemeasure.analysis.sweep_check import require_sweep
from tapemeasure.analysis.sweep_timing import steadied_sweep
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep, sweep_samples, synchronised_sweep

RATE = 44100
EQ = signal.butter(1, [30.0, 12000.0], "bandpass", fs=RATE, output="sos")


@pytest.fixture(scope="module")
def sweep() -> SynchronisedSweep:
    return synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=5.0)


@pytest.fixture(scope="module")
def played(sweep: SynchronisedSweep) -> np.ndarray:
    return np.r_[sweep_samples(sweep, sample_rate=RATE, level_dbfs=-6.0), np.zeros(RATE // 2)]


def fluttered(samples: np.ndarray, *, rate_hz: float, peak_us: float) -> np.ndarray:
    n = np.arange(len(samples))
    return read_at(samples, n - 1e-6 * peak_us * np.sin(2 * np.pi * rate_hz * n / RATE) * RATE)


@pytest.mark.parametrize("rate_hz", [25.0, 61.0, 93.0])
def test_fast_flutter_is_found_and_taken_out(rate_hz: float, played: np.ndarray, sweep: SynchronisedSweep) -> None:
    output = fluttered(signal.sosfilt(EQ, played), rate_hz=rate_hz, peak_us=2.0)
    found = steadied_sweep(output, sample_rate=RATE, sweep=sweep)
    assert found.rms_us == pytest.approx(2.0 / np.sqrt(2), rel=0.05)

    def error_db(heard: np.ndarray) -> np.ndarray:
        response = sweep_response(deconvolve_sweep(played, heard, sample_rate=RATE, sweep=sweep), smoothing_octaves=0.0)
        band = (response.frequency_hz >= 100.0) & (response.frequency_hz <= 10000.0)
        _, expected = signal.sosfreqz(EQ, response.frequency_hz[band], fs=RATE)
        return response.magnitude_db[band] - 20 * np.log10(np.abs(expected))

    assert np.max(np.abs(error_db(output))) > 0.1
    assert np.sqrt(np.mean(error_db(found.output) ** 2)) < 0.03
    assert np.max(np.abs(error_db(found.output))) < 0.1


def test_a_still_machine_is_left_as_it_is(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    output = 0.3 * signal.sosfilt(EQ, np.tanh(played))
    found = steadied_sweep(output, sample_rate=RATE, sweep=sweep)
    assert found.rms_us < 0.05
    whole = slice(0, round(0.9 * sweep.duration_s * RATE))
    np.testing.assert_allclose(found.output[whole], output[whole], atol=3e-4)


@pytest.mark.parametrize("late_samples", [-200, 600])
def test_a_constant_delay_that_is_left_does_not_matter(late_samples: int, played: np.ndarray, sweep) -> None:
    output = np.roll(fluttered(signal.sosfilt(EQ, played), rate_hz=61.0, peak_us=2.0), late_samples)
    found = steadied_sweep(output, sample_rate=RATE, sweep=sweep)
    assert found.rms_us == pytest.approx(2.0 / np.sqrt(2), rel=0.05)


def test_frequencies_that_noise_hides_are_left_alone(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    dull = signal.sosfilt(signal.butter(8, 3000.0, fs=RATE, output="sos"), played)
    output = dull + 1e-3 * np.random.default_rng(1).standard_normal(len(dull))
    found = steadied_sweep(output, sample_rate=RATE, sweep=sweep)
    frequency_hz = sweep.frequency_hz(np.linspace(0.0, sweep.duration_s, len(found.residual_us)))
    assert np.all(found.residual_us[frequency_hz > 9000.0] == 0.0)
    # noise of a tenth of a radian at most; a turn slipped would be a hundred microseconds
    assert 0.0 < found.rms_us < 5.0


def test_a_sweep_of_half_a_second_is_left_alone() -> None:
    short = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=0.24)
    samples = sweep_samples(short, sample_rate=RATE, level_dbfs=-6.0)
    found = steadied_sweep(samples, sample_rate=RATE, sweep=short)
    assert found.rms_us == 0.0
    np.testing.assert_allclose(found.output[100:-100], samples[100:-100], atol=1e-9)


def test_what_cannot_be_steadied_is_refused(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    with pytest.raises(MismatchError, match="first sample"):
        steadied_sweep(played[:1000], sample_rate=RATE, sweep=sweep)
    with pytest.raises(SignalError, match="NaN"):
        steadied_sweep(np.full_like(played, np.nan), sample_rate=RATE, sweep=sweep)


@settings(max_examples=10)
@given(gain_db=st.floats(-50.0, 0.0), seed=st.integers(0, 1000))
def test_a_sweep_well_above_the_noise_passes(gain_db: float, seed: int, played: np.ndarray, sweep) -> None:
    hiss = 1e-3 * np.random.default_rng(seed).standard_normal(len(played))
    require_sweep(10 ** (gain_db / 20) * signal.sosfilt(EQ, played) + hiss, sample_rate=RATE, sweep=sweep)


@pytest.mark.parametrize(("speed", "text"), [(1.1, r"\+(9\.9|10\.0|10\.1) % off"), (0.9, r"-(9|10)\.\d % off")])
def test_a_speed_ten_per_cent_off_is_refused(speed: float, text: str, played: np.ndarray, sweep) -> None:
    with pytest.raises(SignalError, match=text):
        require_sweep(read_at(played, np.arange(len(played)) * speed), sample_rate=RATE, sweep=sweep)


def test_a_take_without_the_sweep_is_refused(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(len(played)) / RATE
    for samples, text in (
        (np.zeros_like(played), "silent"), (np.full_like(played, np.nan), "not finite"),
        (rng.standard_normal(len(played)), "no sweep is heard"), (np.sin(6283.0 * time_s), "no sweep is heard"),
        (1e-6 * played + 1e-3 * rng.standard_normal(len(played)), "no sweep is heard"),
        (np.roll(played, RATE // 5), r"20\d ms late"),
    ):  # fmt: skip
        with pytest.raises(SignalError, match=text):
            require_sweep(samples, sample_rate=RATE, sweep=sweep, name="sweep_-18dBFS")


def test_a_response_hidden_in_noise_is_refused(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    noise = np.random.default_rng(2).standard_normal(len(played))
    with pytest.raises(SignalError, match="play it louder"):
        sweep_response(deconvolve_sweep(played, noise, sample_rate=RATE, sweep=sweep), smoothing_octaves=0.0)


def test_wow_through_a_steep_response_is_in_the_uncertainty(played: np.ndarray, sweep: SynchronisedSweep) -> None:
    impulses = deconvolve_sweep(played, signal.sosfilt(EQ, played), sample_rate=RATE, sweep=sweep)
    still, moving = (sweep_response(impulses, speed_deviation_pct=pct) for pct in (0.0, 0.3))
    at = np.argmin(np.abs(still.frequency_hz - 12000.0))
    edges_hz = 12000.0 * np.array([0.99, 1.01])
    fall_db = float(np.diff(20 * np.log10(np.abs(signal.sosfreqz(EQ, edges_hz, fs=RATE)[1])))[0]) / np.log(1.01 / 0.99)
    added_db = np.sqrt(moving.sigma_db[at] ** 2 - still.sigma_db[at] ** 2)
    assert added_db == pytest.approx(0.003 * abs(fall_db), rel=0.1)
