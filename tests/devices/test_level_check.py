"""The level check: gains, latency, polarity, noise and cabling of machines that are a few lines of numpy."""

import numpy as np
import pytest

from tapemeasure.devices.level_check import check_signal, level_facts, level_problems, read_levels
from tapemeasure.params import HardwareSettings

SETTINGS = HardwareSettings(sample_rate=44100, level_db=-6.0)
LATE = 7200


def _machine(matrix: list[list[float]], *, late: int = LATE, noise: float = 1e-4) -> np.ndarray:
    """What comes back: inputs are sums of the outputs, late, with noise, and clipped by the card."""
    signal = check_signal(SETTINGS)
    recorded = np.zeros_like(signal)
    recorded[late:] = (signal @ np.array(matrix))[: len(signal) - late]
    recorded += noise * np.random.default_rng(1).standard_normal(recorded.shape)
    return np.clip(recorded, -1.0, 1.0)


def _problems(recorded: np.ndarray, peak: float = 0.5) -> tuple[str, str]:
    refusals, warnings = level_problems(read_levels(recorded, SETTINGS), SETTINGS, peak=(peak, peak))
    return "; ".join(refusals), "; ".join(warnings)


def test_the_signal_is_safe() -> None:
    signal = check_signal(SETTINGS)
    assert signal.shape[1] == 2
    assert 20.0 * np.log10(np.abs(signal).max()) == pytest.approx(-26.0, abs=0.01)


def test_a_good_machine_passes_with_its_figures() -> None:
    recorded = _machine([[0.7, 0.001], [0.0, 1.2]])
    check = read_levels(recorded, SETTINGS)
    facts = level_facts(check, SETTINGS)
    assert facts["gain_db"] == pytest.approx([20 * np.log10(0.7), 20 * np.log10(1.2)], abs=0.1)
    assert check.latency_s == pytest.approx(LATE / 44100, abs=1.5 / 44100)
    assert facts["polarity"] == [1, 1]
    assert check.noise_dbfs == pytest.approx((-80.0, -80.0), abs=0.3)
    assert _problems(recorded) == ("", "")


def test_an_identity_without_noise_passes() -> None:
    assert _problems(_machine([[1.0, 0.0], [0.0, 1.0]], late=0, noise=0.0)) == ("", "")


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        ([[0.0, 1.0], [1.0, 0.0]], "output 1 is heard in input 2 and not in input 1: swap the cables"),
        ([[1.0, 0.0], [0.0, 0.0]], "input 2 hears nothing of output 2"),
        ([[0.5, 0.5], [0.5, 0.5]], "the channels are joined or swapped"),
        ([[0.1, 0.0], [0.0, 1.0]], "input 1 comes back at -20.0 dB against what was played"),
        ([[3.0, 0.0], [0.0, 1.0]], "input 1 would peak at +3.5 dBFS: lower"),
        ([[30.0, 0.0], [0.0, 1.0]], "input 1 clips already at the soft test tone"),
    ],
)
def test_what_is_refused(matrix: list[list[float]], text: str) -> None:
    assert text in _problems(_machine(matrix))[0]


def test_what_is_only_told() -> None:
    refusals, warnings = _problems(_machine([[-1.0, 0.0], [0.3, 1.0]]))
    assert refusals == ""
    assert "input 1 is inverted against output 1" in warnings
    assert "output 2 is heard in input 1 only 10 dB softer" in warnings
    _, warnings = _problems(_machine([[1.0, 0.0], [0.0, 1.0]], noise=0.003))
    assert "input 2 has -50 dBFS of noise, only 21 dB below the test tone" in warnings


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("lost_ms", [5.0, 30.0])
def test_a_block_lost_inside_a_marker_turns_no_polarity(sign: float, lost_ms: float) -> None:
    recorded = _machine([[1.0, 0.0], [0.0, sign]])
    # 6 ms out of the marker of the second output
    start = LATE + round((0.5 + 1.4 + 1e-3 * lost_ms) * 44100)
    recorded[start : start + 256] = 0.0
    assert read_levels(recorded, SETTINGS).polarity[1, 1] == sign


def test_a_phase_of_a_right_angle_is_no_polarity() -> None:
    from scipy.signal import hilbert

    recorded = _machine([[1.0, 0.0], [0.0, 1.0]])
    recorded[:, 1] = np.imag(hilbert(recorded[:, 1]))
    check = read_levels(recorded, SETTINGS)
    assert check.heard[1, 1]
    assert check.polarity[1, 1] == 0
    assert "inverted" not in _problems(recorded)[1]


@pytest.mark.parametrize("speed", [0.995, 0.998, 1.002, 1.005])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_speed_that_is_off_turns_no_polarity(speed: float, sign: float) -> None:
    signal = check_signal(SETTINGS)
    recorded = np.zeros_like(signal)
    place = (np.arange(len(signal)) - LATE) * speed
    for channel in range(2):
        recorded[:, channel] = sign * np.interp(place, np.arange(len(signal)), signal[:, channel])
    assert (read_levels(recorded, SETTINGS).polarity[[0, 1], [0, 1]] == sign).all()
