import numpy as np
import pytest

from tapemeasure.analysis.compression import compression_curve
from tapemeasure.analysis.distortion import DistortionVsLevel, distortion_vs_level, tone_distortion
from tapemeasure.analysis.maximum_output import maximum_output_level, saturation_output_level
from tapemeasure.errors import SignalError

RATE = 44100


def stepped(device, levels_dbfs: np.ndarray, frequency_hz: float = 1000.0, hiss: float = 0.0) -> DistortionVsLevel:
    time_s = np.arange(round(0.4 * RATE)) / RATE
    rng = np.random.default_rng(1)
    tones = []
    for level_dbfs in levels_dbfs:
        played = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s)
        heard = device(played) + hiss * rng.standard_normal(len(played))
        tones.append(tone_distortion(played, heard, sample_rate=RATE, frequency_hz=frequency_hz, harmonics=3))
    return distortion_vs_level(tones)


def cubic(samples: np.ndarray) -> np.ndarray:
    return 0.5 * (samples - 0.1 * samples**3)


def test_compression_of_a_cubic_has_its_closed_form() -> None:
    levels_dbfs = np.arange(-48.0, 6.1, 3.0)
    found = compression_curve(stepped(cubic, levels_dbfs))
    amplitude = 10 ** (levels_dbfs / 20)
    np.testing.assert_allclose(found.compression_db, -20 * np.log10(1 - 0.075 * amplitude**2), atol=0.005)
    assert found.small_signal_gain_db == pytest.approx(-6.0206, abs=0.005)
    exact_dbfs = 20 * np.log10(np.sqrt((1 - 10 ** (-1 / 20)) / 0.075))
    assert found.level_1db_dbfs == pytest.approx(exact_dbfs, abs=0.1)
    assert found.level_3db_dbfs == pytest.approx(20 * np.log10(np.sqrt((1 - 10 ** (-3 / 20)) / 0.075)), abs=0.1)


def test_a_wire_does_not_compress() -> None:
    found = compression_curve(stepped(lambda samples: samples, np.arange(-48.0, 1.0, 6.0), hiss=1e-4))
    assert found.level_1db_dbfs is None
    assert found.level_3db_sigma_db is None
    z = found.compression_db / found.sigma_db
    assert np.sqrt(np.mean(z**2)) < 2.0


def test_too_few_soft_steps_are_refused() -> None:
    with pytest.raises(SignalError, match="play at least 2"):
        compression_curve(stepped(cubic, np.array([-12.0, -6.0, 0.0])))
    with pytest.raises(SignalError, match="0 steps"):
        compression_curve(stepped(cubic, np.array([-60.0, -54.0, 0.0]), hiss=0.05))


def test_the_third_harmonic_of_a_cubic_reaches_three_per_cent_where_it_must() -> None:
    found = maximum_output_level(stepped(cubic, np.arange(-24.0, 7.0, 6.0)))
    # 0.025 A^2 = 0.03 (1 - 0.075 A^2)
    amplitude = np.sqrt(0.03 / (0.025 + 0.03 * 0.075))
    output = 0.5 * amplitude * (1 - 0.075 * amplitude**2)
    assert found.input_dbfs == pytest.approx(20 * np.log10(amplitude), abs=0.1)
    assert found.output_dbfs == pytest.approx(20 * np.log10(output), abs=0.1)
    assert (found.kind, found.frequency_hz) == ("mol3", 1000.0)


def test_noise_moves_the_level_by_no_more_than_its_uncertainty_says() -> None:
    levels_dbfs = np.arange(-24.0, 7.0, 3.0)
    clean = maximum_output_level(stepped(cubic, levels_dbfs))
    noisy = maximum_output_level(stepped(cubic, levels_dbfs, hiss=5e-3))
    assert 0.0 < noisy.sigma_db < 0.2
    assert abs(noisy.output_dbfs - clean.output_dbfs) < 3.0 * noisy.sigma_db


def test_saturation_is_the_top_of_the_curve() -> None:
    def falling(samples: np.ndarray) -> np.ndarray:
        amplitude = np.max(np.abs(samples))
        return samples / (1.0 + (amplitude / 0.3) ** 2)

    found = saturation_output_level(stepped(falling, np.arange(-30.0, 1.0, 6.0), frequency_hz=10000.0))
    assert found.saturated
    assert found.input_dbfs == pytest.approx(20 * np.log10(0.3), abs=0.5)
    assert found.output_dbfs == pytest.approx(20 * np.log10(0.15), abs=0.1)


def test_a_wire_does_not_saturate() -> None:
    found = saturation_output_level(stepped(lambda samples: samples, np.arange(-30.0, 1.0, 6.0), 10000.0))
    assert not found.saturated
    assert found.output_dbfs == pytest.approx(0.0, abs=1e-6)


def test_levels_that_are_not_there_are_refused() -> None:
    with pytest.raises(SignalError, match="not 3 %"):
        maximum_output_level(stepped(cubic, np.array([-24.0, -18.0])))
    with pytest.raises(SignalError, match="above 3 % already"):
        maximum_output_level(stepped(lambda samples: np.sign(samples) * 0.5, np.array([-12.0, -6.0])))
    with pytest.raises(SignalError, match="no third harmonic"):
        maximum_output_level(stepped(cubic, np.array([-24.0, 0.0]), frequency_hz=10000.0))
    with pytest.raises(SignalError, match="high tones"):
        saturation_output_level(stepped(cubic, np.array([-24.0, -12.0, 0.0])))
    with pytest.raises(SignalError, match="at least 3"):
        saturation_output_level(stepped(cubic, np.array([-24.0, 0.0]), frequency_hz=10000.0))
