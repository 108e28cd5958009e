"""The synchronised sweep against its closed form and against its own inverse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import hilbert

from tapemeasure.errors import ParameterError
from tapemeasure.signals.sweeps import sweep_of_segment, sweep_samples, synchronised_sweep
from tapemeasure.signals.timeline import Segment

RATE = 44100


def test_instantaneous_frequency_follows_the_exponential() -> None:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=5.0)
    samples = sweep_samples(sweep, sample_rate=RATE, level_dbfs=-6.0)
    phase = np.unwrap(np.angle(hilbert(samples)))
    # where the analytic signal holds: away from both ends
    inside = np.arange(round(0.8 * RATE), len(samples) - round(0.1 * RATE))
    measured_hz = (np.diff(phase) * RATE / (2.0 * np.pi))[inside]
    expected_hz = sweep.frequency_hz((inside + 0.5) / RATE)
    assert np.max(np.abs(measured_hz / expected_hz - 1.0)) < 5e-3


def test_level_is_the_peak_and_ends_are_silent() -> None:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=5.0)
    samples = sweep_samples(sweep, sample_rate=RATE, level_dbfs=6.0)
    assert np.max(np.abs(samples)) == pytest.approx(10 ** (6 / 20), rel=1e-4)
    assert samples[0] == 0.0
    assert abs(samples[-1]) < 1e-12
    assert len(samples) == round(sweep.duration_s * RATE)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_harmonic_is_the_sweep_moved_ahead(order: int) -> None:
    sweep = synchronised_sweep(start_hz=50.0, stop_hz=1000.0, duration_s=2.0)
    # sin(m * phase(t)) must be the sweep's own law at t + L ln m
    time_s = np.linspace(0.0, 1.0, 1000)
    cycles = sweep.start_hz * sweep.time_constant_s
    harmonic = np.sin(2.0 * np.pi * cycles * order * np.exp(time_s / sweep.time_constant_s))
    moved_s = time_s + sweep.harmonic_lead_s(order)
    moved = np.sin(2.0 * np.pi * cycles * np.exp(moved_s / sweep.time_constant_s))
    np.testing.assert_allclose(harmonic, moved, atol=1e-8)


@given(
    start_hz=st.floats(5.0, 200.0),
    octaves=st.floats(1.0, 6.0),
    duration_s=st.floats(2.0, 20.0),
    sample_rate=st.sampled_from([44100, 48000, 96000]),
)
def test_segment_gives_the_exact_sweep_back(
    start_hz: float, octaves: float, duration_s: float, sample_rate: int
) -> None:
    stop_hz = start_hz * 2.0**octaves
    sweep = synchronised_sweep(start_hz=start_hz, stop_hz=stop_hz, duration_s=duration_s)
    length = round(sweep.duration_s * sample_rate)
    segment = Segment("sweep", "sweep", 7, length, -6.0, (start_hz, stop_hz))
    assert sweep_of_segment(segment, sample_rate=sample_rate) == sweep
    assert (start_hz * sweep.time_constant_s) % 1.0 == pytest.approx(0.0, abs=1e-9) or math.isclose(
        (start_hz * sweep.time_constant_s) % 1.0, 1.0, abs_tol=1e-9
    )
    assert abs(sweep.duration_s - duration_s) <= 0.5 * math.log(stop_hz / start_hz) / start_hz * (1.0 + 1e-9)


def test_wrong_sweeps_are_refused_with_the_values() -> None:
    with pytest.raises(ParameterError, match="200 Hz to 100 Hz"):
        synchronised_sweep(start_hz=200.0, stop_hz=100.0, duration_s=5.0)
    with pytest.raises(ParameterError, match="too short to start at 20 Hz"):
        synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=0.1)
    wide = synchronised_sweep(start_hz=20.0, stop_hz=23000.0, duration_s=5.0)
    with pytest.raises(ParameterError, match="23000 Hz does not fit"):
        sweep_samples(wide, sample_rate=RATE, level_dbfs=0.0)
    with pytest.raises(ParameterError, match="is a silence"):
        sweep_of_segment(Segment("silence_start", "silence", 0, 10), sample_rate=RATE)
