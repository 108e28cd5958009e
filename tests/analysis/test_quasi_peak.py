import numpy as np
import pytest

from tapemeasure.analysis.quasi_peak import flutter_quasi_peak, noise_quasi_peak
from tapemeasure.dsp.weighting import itu468_db
from tapemeasure.errors import ParameterError

# ITU-R BS.468-4, bursts of 5 kHz: reading against that of the steady tone
SINGLE_BURSTS_MS = {1: 17.0, 2: 26.6, 5: 40.0, 10: 48.0, 20: 52.0, 50: 59.0, 100: 68.0, 200: 80.0}
REPEATED_BURSTS_HZ = {2: 48.0, 10: 77.0, 100: 97.0}


def tone(frequency_hz: float, length: int, sample_rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(length) / sample_rate)


def largest_db(samples: np.ndarray, sample_rate: int) -> float:
    steady = noise_quasi_peak(tone(5000.0, 2 * sample_rate, sample_rate), sample_rate=sample_rate)[-1000:].mean()
    return float(20 * np.log10(noise_quasi_peak(samples, sample_rate=sample_rate).max() / steady))


def settled(samples: np.ndarray, sample_rate: int) -> float:
    """Mean reading, the second left out that the pointer needs; two readings a sample."""
    return float(noise_quasi_peak(samples, sample_rate=sample_rate)[2 * sample_rate :].mean())


@pytest.mark.parametrize("sample_rate", [44100, 96000])
@pytest.mark.parametrize(("length_ms", "percent"), SINGLE_BURSTS_MS.items())
def test_single_bursts_read_within_two_tenths_of_a_decibel(sample_rate: int, length_ms: int, percent: float) -> None:
    samples = np.zeros(sample_rate)
    length = round(length_ms * 1e-3 * sample_rate)
    samples[4410 : 4410 + length] = tone(5000.0, length, sample_rate)
    assert largest_db(samples, sample_rate) == pytest.approx(20 * np.log10(percent / 100), abs=0.2)


@pytest.mark.parametrize(("per_second", "percent"), REPEATED_BURSTS_HZ.items())
def test_repeated_bursts_read_within_two_tenths_of_a_decibel(per_second: int, percent: float) -> None:
    sample_rate = 44100
    samples, burst = np.zeros(4 * sample_rate), tone(5000.0, round(5e-3 * sample_rate), sample_rate)
    for start in np.arange(4 * per_second) * sample_rate // per_second:
        samples[start : start + len(burst)] = burst
    assert largest_db(samples, sample_rate) == pytest.approx(20 * np.log10(percent / 100), abs=0.2)


@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_a_steady_sine_reads_its_rms(sample_rate: int) -> None:
    sine = 0.01 * tone(1000.0, 3 * sample_rate, sample_rate)
    level_db = 20 * np.log10(settled(sine, sample_rate))
    assert level_db == pytest.approx(-43.01, abs=0.02)


def test_white_noise_reads_some_decibels_above_its_weighted_rms() -> None:
    noise = np.random.default_rng(1).standard_normal(4 * 44100)
    first, second = (settled(gain * noise, 44100) for gain in (0.01, 0.02))
    assert second == pytest.approx(2 * first, rel=1e-9)
    frequency_hz = np.linspace(1.0, 22050.0, 20000)
    weighted = 0.01 * np.sqrt(np.mean(10 ** (itu468_db(frequency_hz) / 10)))
    # between the rms and the peaks (12 dB) of a Gaussian noise
    assert 3.0 < 20 * np.log10(first / weighted) < 6.0


def test_silence_reads_nothing() -> None:
    assert not noise_quasi_peak(np.zeros(44100), sample_rate=44100).any()


@pytest.mark.parametrize("rate_hz", [500.0, 4000.0])
@pytest.mark.parametrize(("length_ms", "reading"), [(10, 0.21), (30, 0.62), (60, 0.90), (100, 1.0)])
def test_the_flutter_meter_reads_the_pulses(rate_hz: float, length_ms: int, reading: float) -> None:
    deviation = np.zeros(round(5 * rate_hz))
    for start in range(5):
        first = round(start * rate_hz)
        deviation[first : first + round(length_ms * 1e-3 * rate_hz)] = 1.0
    found = flutter_quasi_peak(deviation, rate_hz=rate_hz)[round(3 * rate_hz) :]
    # at 500 points a second the edges of a pulse are as blunt as its interpolation: 1 ms of 10 ms
    assert found.max() == pytest.approx(reading, abs=0.005 if rate_hz > 2000.0 else 0.03)
    if length_ms == 100:
        assert found.min() == pytest.approx(0.40, abs=0.01)


def test_the_flutter_meter_does_not_care_for_sign_and_scales() -> None:
    deviation = np.random.default_rng(2).standard_normal(5000)
    found = flutter_quasi_peak(deviation, rate_hz=1000.0)
    np.testing.assert_allclose(flutter_quasi_peak(-3.0 * deviation, rate_hz=1000.0), 3.0 * found, rtol=1e-9)
    assert flutter_quasi_peak(np.zeros(0), rate_hz=1000.0).size == 0
    with pytest.raises(ParameterError, match="rate_hz"):
        flutter_quasi_peak(deviation, rate_hz=0.0)
