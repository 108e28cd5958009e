import numpy as np
import pytest

from tapemeasure.analysis.thd_noise import thd_noise
from tapemeasure.errors import MismatchError, SignalError

RATE = 44100


def sine(level_dbfs: float = -6.0, frequency_hz: float = 1000.0, seconds: float = 0.5) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s + 0.3)


@pytest.mark.parametrize("frequency_hz", [100.0, 1000.0, 6000.0])
def test_white_noise_and_a_harmonic_add_by_power(frequency_hz: float) -> None:
    played = sine(frequency_hz=frequency_hz)
    rng = np.random.default_rng(2)
    rms = 1e-3
    found = []
    for _ in range(10):
        output = played + rms * rng.standard_normal(len(played)) + 2e-3 * sine(0.0, 3 * frequency_hz)
        found.append(thd_noise(played, output, sample_rate=RATE, frequency_hz=frequency_hz))
    power = rms**2 * 19980 / 22050 + 2e-6
    expected_pct = 100 * np.sqrt(power / (0.5 * 10 ** (-12 / 20) + power))
    assert np.mean([one.thd_n_pct for one in found]) == pytest.approx(expected_pct, rel=0.02)


def test_a_perfect_wire_reads_nothing() -> None:
    assert thd_noise(sine(), sine(), sample_rate=RATE, frequency_hz=1000.0).thd_n_pct < 0.001


def test_flutter_sidebands_and_dc_are_not_counted() -> None:
    played = sine()
    time_s = np.arange(len(played)) / RATE
    wobbled = 0.5 * np.sin(2 * np.pi * 1000 * time_s + 0.02 * np.sin(2 * np.pi * 12 * time_s)) + 0.1
    assert thd_noise(played, wobbled, sample_rate=RATE, frequency_hz=1000.0).thd_n_pct < 0.02


def test_two_standard_uncertainties_cover_the_scatter() -> None:
    played = sine()
    rng = np.random.default_rng(3)
    found = [
        thd_noise(played, played + 1e-2 * rng.standard_normal(len(played)), sample_rate=RATE, frequency_hz=1000.0)
        for _ in range(60)
    ]
    figures, sigmas = np.array([[one.thd_n_pct, one.thd_n_sigma_pct] for one in found]).T
    truth_pct = np.sqrt(np.mean(figures**2))
    assert 0.9 <= np.mean(np.abs(figures - truth_pct) < 2.0 * sigmas) < 1.0
    assert np.sqrt(np.mean(sigmas**2)) < 3.0 * np.std(figures)


def test_bad_input_is_refused() -> None:
    asked = {"sample_rate": RATE, "frequency_hz": 1000.0}
    with pytest.raises(MismatchError, match="align"):
        thd_noise(sine(), sine()[:-1], **asked)
    with pytest.raises(SignalError, match="at least 20"):
        thd_noise(sine()[:500], sine()[:500], **asked)
    with pytest.raises(SignalError, match="silent"):
        thd_noise(sine(), np.zeros_like(sine()), **asked)
    with pytest.raises(SignalError, match="not a sine"):
        thd_noise(sine(frequency_hz=1500.0), sine(), **asked)
    with pytest.raises(SignalError, match=r"1100\.0 Hz came back"):
        thd_noise(sine(), sine(frequency_hz=1100.0), **asked)
