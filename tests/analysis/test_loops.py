import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.loops import HysteresisLoop, hysteresis_loop
from tapemeasure.analysis.response import Response, sweep_response
from tapemeasure.analysis.sweep import deconvolve_sweep
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep

RATE = 44100
FREQUENCY_HZ = 100.0
EQ = signal.butter(1, [25.0, 13000.0], "bandpass", fs=RATE, output="sos")


@pytest.fixture(scope="module")
def response() -> Response:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=3.0)
    played = np.r_[sweep_samples(sweep, sample_rate=RATE, level_dbfs=-30.0), np.zeros(RATE // 2)]
    return sweep_response(deconvolve_sweep(played, signal.sosfilt(EQ, played), sample_rate=RATE, sweep=sweep))


def tone(seconds: float = 1.0, frequency_hz: float = FREQUENCY_HZ) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE + 0.3)


def play(samples: np.ndarray, reach: float) -> np.ndarray:
    """Backlash, the simplest hysteresis: its loop is a parallelogram."""
    output, state = np.empty_like(samples), 0.0
    for index, value in enumerate(samples):
        state = min(max(state, value - reach), value + reach)
        output[index] = state
    return output


def measured(output: np.ndarray, response: Response, stimulus: np.ndarray | None = None) -> HysteresisLoop:
    steady = slice(RATE // 2, RATE)
    played = tone() if stimulus is None else stimulus
    return hysteresis_loop(
        played[steady], output[steady], sample_rate=RATE, frequency_hz=FREQUENCY_HZ, response=response
    )


@pytest.mark.parametrize("reach", [0.02, 0.05])
def test_backlash_behind_an_equaliser_has_the_loop_of_its_closed_form(reach: float, response: Response) -> None:
    found = measured(signal.sosfilt(EQ, play(tone(), reach)), response)
    assert found.remanence == pytest.approx(reach / (0.5 - reach), rel=0.01)
    assert found.coercive_level == pytest.approx(reach / 0.5, rel=0.01)
    assert abs(found.remanence - reach / (0.5 - reach)) < 2.0 * found.remanence_sigma
    assert abs(found.coercive_level - reach / 0.5) < 2.0 * found.coercive_sigma
    assert found.input[0] == pytest.approx(0.5, rel=1e-6)


def test_a_linear_machine_gives_a_straight_line(response: Response) -> None:
    found = measured(signal.sosfilt(EQ, tone()), response)
    gain = found.output[0] / found.input[0]
    np.testing.assert_allclose(found.output, gain * found.input, atol=2e-4)
    assert abs(found.remanence) < 3e-4


def test_saturation_without_memory_does_not_open_the_loop(response: Response) -> None:
    found = measured(signal.sosfilt(EQ, np.tanh(3.0 * tone())), response)
    assert abs(found.remanence) < 2e-3
    assert 3 in found.orders
    # the shape itself: far below the line through the crest at half the input
    half = np.argmin(np.abs(found.input - 0.25)[:128])
    assert found.output[half] / found.output[0] == pytest.approx(np.tanh(0.75) / np.tanh(1.5), abs=0.01)


def test_noise_moves_the_remanence_by_no_more_than_its_uncertainty_says(response: Response) -> None:
    rng = np.random.default_rng(1)
    z = []
    for _ in range(12):
        output = signal.sosfilt(EQ, play(tone(), 0.05)) + 3e-3 * rng.standard_normal(RATE)
        found = measured(output, response)
        z.append((found.remanence - 0.05 / 0.45) / found.remanence_sigma)
    assert np.mean(np.abs(z) < 2.0) > 0.8


def test_bad_input_is_refused(response: Response) -> None:
    asked = {"sample_rate": RATE, "frequency_hz": FREQUENCY_HZ, "response": response}
    with pytest.raises(MismatchError, match="align"):
        hysteresis_loop(tone(), tone()[:-1], **asked)
    with pytest.raises(SignalError, match="at least 20"):
        hysteresis_loop(tone(0.1), tone(0.1), **asked)
    with pytest.raises(SignalError, match="silent"):
        hysteresis_loop(tone(), np.zeros(RATE), **asked)
    with pytest.raises(SignalError, match="not a sine"):
        hysteresis_loop(tone(frequency_hz=150.0), tone(), **asked)
    with pytest.raises(SignalError, match="came back"):
        hysteresis_loop(tone(), tone(frequency_hz=110.0), **asked)
    with pytest.raises(SignalError, match="hidden in the noise"):
        hysteresis_loop(tone(), np.random.default_rng(2).standard_normal(RATE), **asked)
    with pytest.raises(SignalError, match="does not tell 10000 Hz"):
        hysteresis_loop(
            tone(frequency_hz=10000.0), tone(frequency_hz=10000.0), sample_rate=RATE, frequency_hz=10000.0,
            response=response,
        )  # fmt: skip
