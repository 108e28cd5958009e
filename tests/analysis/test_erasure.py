import numpy as np
import pytest

from tapemeasure.analysis.erasure import measure_erasure
from tapemeasure.errors import SignalError

RATE = 44100


def tone(seconds: float = 4.0, *, frequency_hz: float = 1000.0, level: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    wow_s = 1e-4 * np.sin(2 * np.pi * 1.0 * time_s)
    return level * np.sin(2 * np.pi * frequency_hz * (time_s - wow_s))


def hiss(seed: int, *, level_db: float = -70.0, seconds: float = 4.0) -> np.ndarray:
    return 10 ** (level_db / 20) * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def test_known_attenuations_lie_within_their_uncertainty() -> None:
    errors = []
    for seed, known_db in enumerate(np.linspace(40.0, 70.0, 20)):
        erased = tone(level=0.3 * 10 ** (-known_db / 20)) + hiss(seed)
        found = measure_erasure(tone() + hiss(100 + seed), erased, sample_rate=RATE)
        errors.append((found.erasure_db - known_db) / found.sigma_db)
        assert found.at_least_db < found.erasure_db
    assert np.abs(errors).max() < 3.5


def test_what_is_hidden_in_the_noise_has_a_limit_and_no_figure() -> None:
    found = measure_erasure(tone(), hiss(1), sample_rate=RATE)
    assert np.isnan(found.erasure_db)
    # -13.5 dBFS of tone over the noise within 20 Hz: -70 - 30.4 dBFS, whose mean of windows scatters
    assert 80.0 < found.at_least_db < 100.0
    perfect = measure_erasure(tone(), np.zeros(4 * RATE), sample_rate=RATE)
    assert np.isnan(perfect.erasure_db)
    assert perfect.at_least_db == np.inf


def test_another_speed_of_the_erased_pass_is_allowed() -> None:
    erased = tone(frequency_hz=1008.0, level=0.3 * 10 ** (-50 / 20)) + hiss(2, level_db=-80.0)
    found = measure_erasure(tone(), erased, sample_rate=RATE)
    assert found.erasure_db == pytest.approx(50.0, abs=max(0.1, 3 * found.sigma_db))


def test_bad_input_is_refused() -> None:
    with pytest.raises(SignalError, match="no tone near 1000"):
        measure_erasure(np.zeros(4 * RATE), hiss(1), sample_rate=RATE)
    with pytest.raises(SignalError, match=r"erased; give at least 1\.5 s"):
        measure_erasure(tone(), hiss(1, seconds=1.0), sample_rate=RATE)
    with pytest.raises(SignalError, match="1200"):
        measure_erasure(tone(frequency_hz=1200.0), hiss(1), sample_rate=RATE)
