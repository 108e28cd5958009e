import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.tone_check import clipped_samples, require_tone, strongest_line_hz
from tapemeasure.errors import SignalError

RATE = 44100


def sine(frequency_hz: float, amplitude: float = 0.5, seconds: float = 0.4) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE + 0.7)


@given(frequency_hz=st.floats(200.0, 15000.0))
def test_the_frequency_of_a_sine_is_found_within_two_hundredths_of_a_bin(frequency_hz: float) -> None:
    found_hz = strongest_line_hz(sine(frequency_hz), sample_rate=RATE, near_hz=1.1 * frequency_hz)
    assert found_hz == pytest.approx(frequency_hz, abs=0.02 / 0.4)


def test_a_tone_at_its_place_passes_and_so_does_noise() -> None:
    require_tone(sine(1000.0), sample_rate=RATE, frequency_hz=1000.0)
    require_tone(np.random.default_rng(1).standard_normal(17640), sample_rate=RATE, frequency_hz=1000.0)


@pytest.mark.parametrize("speed", [0.9, 1.1, 0.99])
def test_a_machine_at_another_speed_is_refused(speed: float) -> None:
    with pytest.raises(SignalError, match="%"):
        require_tone(sine(speed * 1000.0), sample_rate=RATE, frequency_hz=1000.0)


def test_clipping_is_a_run_at_full_scale() -> None:
    assert clipped_samples(sine(100.0, amplitude=0.99)) == 0
    assert clipped_samples(np.clip(sine(100.0, amplitude=1.5), -1.0, 1.0)) > 1000
    # one sample that touches full scale, and an analogue limiter below it, are no clipping of the converter
    assert clipped_samples(np.array([0.0, 1.0, 0.0, -1.0])) == 0
    assert clipped_samples(np.clip(sine(100.0), -0.3, 0.3)) == 0


def test_a_few_periods_tell_no_frequency() -> None:
    with pytest.raises(SignalError, match="fewer than 4 periods"):
        strongest_line_hz(np.ones(100), sample_rate=RATE, near_hz=1000.0)
