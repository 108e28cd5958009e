import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.multitone import multitone_response
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.tones import multitone_frequencies_hz, multitone_samples

RATE = 44100
TONES_HZ = multitone_frequencies_hz(tones_per_octave=3, sample_rate=RATE)
EQ = signal.butter(2, [40.0, 12000.0], "bandpass", fs=RATE, output="sos")
STEADY = slice(RATE // 2, RATE // 2 + 2 * RATE)


@pytest.fixture(scope="module")
def stimulus() -> np.ndarray:
    return multitone_samples(frequencies_hz=TONES_HZ, duration_s=3.0, sample_rate=RATE, level_dbfs=-12.0)


def test_a_filter_is_read_exactly(stimulus: np.ndarray) -> None:
    found = multitone_response(
        stimulus[STEADY], signal.sosfilt(EQ, stimulus)[STEADY], sample_rate=RATE, frequencies_hz=TONES_HZ
    )
    _, expected = signal.sosfreqz(EQ, TONES_HZ, fs=RATE)
    np.testing.assert_allclose(found.magnitude_db, 20 * np.log10(np.abs(expected)), atol=1e-4)
    turns = (found.phase_deg - np.degrees(np.unwrap(np.angle(expected)))) / 360.0
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)
    assert (found.source, found.level_dbfs) == ("multitone", pytest.approx(-12.0, abs=0.1))


def test_noise_scatters_it_as_its_uncertainty_says(stimulus: np.ndarray) -> None:
    hiss = 1e-2 * np.random.default_rng(1).standard_normal(len(stimulus))
    found = multitone_response(stimulus[STEADY], (stimulus + hiss)[STEADY], sample_rate=RATE, frequencies_hz=TONES_HZ)
    assert 0.6 < np.sqrt(np.mean((found.magnitude_db / found.sigma_db) ** 2)) < 1.6


def test_bad_input_is_refused(stimulus: np.ndarray) -> None:
    asked = {"sample_rate": RATE, "frequencies_hz": TONES_HZ}
    steady = stimulus[STEADY]
    with pytest.raises(MismatchError, match="align"):
        multitone_response(steady, steady[:-1], **asked)
    with pytest.raises(SignalError, match="at least 1 s"):
        multitone_response(steady[:9000], steady[:9000], **asked)
    with pytest.raises(SignalError, match="silent"):
        multitone_response(steady, np.zeros_like(steady), **asked)
    with pytest.raises(SignalError, match="does not hold all tones"):
        multitone_response(np.roll(steady, 1) * 0.0 + 1e-3 * np.random.default_rng(2).standard_normal(len(steady)),
                           steady, **asked)  # fmt: skip
    with pytest.raises(SignalError, match="whole numbers"):
        multitone_response(steady, steady, sample_rate=RATE, frequencies_hz=[100.5, 200.0])
    with pytest.raises(SignalError, match="louder"):
        multitone_response(steady, np.random.default_rng(3).standard_normal(len(steady)), **asked)
