import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.distortion import (
    ToneDistortion,
    distortion_vs_level,
    standing_amplitudes,
    tone_distortion,
)
from tapemeasure.errors import MismatchError, ParameterError, SignalError

RATE = 44100


def sine(level_dbfs: float, frequency_hz: float = 1000.0, seconds: float = 0.4) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s + 0.3)


def measure(
    stimulus: np.ndarray, output: np.ndarray, frequency_hz: float = 1000.0, harmonics: int = 5
) -> ToneDistortion:
    return tone_distortion(stimulus, output, sample_rate=RATE, frequency_hz=frequency_hz, harmonics=harmonics)


def test_polynomial_has_its_closed_form() -> None:
    levels_dbfs = [-12.0, -6.0, 0.0]
    tones = []
    for level_dbfs in levels_dbfs:
        played = sine(level_dbfs)
        tones.append(measure(played, 0.5 * (played + 0.1 * played**2 - 0.05 * played**3)))
    # any order of levels gives the same curve
    curve = distortion_vs_level(tones[::-1])
    amplitude = 10 ** (np.array(levels_dbfs) / 20)
    fundamental = amplitude - 0.75 * 0.05 * amplitude**3
    second, third = 0.5 * 0.1 * amplitude**2, 0.25 * 0.05 * amplitude**3
    np.testing.assert_allclose(curve.level_dbfs, levels_dbfs, atol=1e-6)
    np.testing.assert_allclose(curve.gain_db, 20 * np.log10(0.5 * fundamental / amplitude), atol=1e-6)
    np.testing.assert_allclose(curve.output_dbfs, 20 * np.log10(0.5 * fundamental), atol=1e-6)
    np.testing.assert_allclose(curve.harmonics_db[:, 0], 20 * np.log10(second / fundamental), atol=1e-4)
    np.testing.assert_allclose(curve.harmonics_db[:, 1], 20 * np.log10(third / fundamental), atol=1e-4)
    np.testing.assert_allclose(curve.thd_pct, 100 * np.hypot(second, third) / fundamental, rtol=1e-5)


def test_noise_is_subtracted_from_thd() -> None:
    played = sine(-20.0)
    amplitude = 0.1
    clean = played + 0.4 * played**3
    expected_pct = 100 * 0.25 * 0.4 * amplitude**2 / (1 + 0.75 * 0.4 * amplitude**2)
    rng = np.random.default_rng(1)
    # broadband hiss as of the real machine; without subtraction the mean would read 15 % high
    found = [
        distortion_vs_level([measure(played, clean + 5e-4 * rng.standard_normal(len(played)))]).thd_pct[0]
        for _ in range(20)
    ]
    assert np.nanmean(found) == pytest.approx(expected_pct, rel=0.05)


def test_what_noise_hides_is_null() -> None:
    played = sine(-60.0)
    heard = played + 2e-3 * np.random.default_rng(2).standard_normal(len(played))
    curve = distortion_vs_level([measure(played, heard)])
    assert np.all(np.isnan(curve.harmonics_db))
    assert np.isnan(curve.thd_pct[0])
    assert curve.thd_floor_pct[0] > 1.0
    assert curve.gain_db[0] == pytest.approx(0.0, abs=0.5)


def test_lost_tone_has_no_gain() -> None:
    hiss = 1e-3 * np.random.default_rng(3).standard_normal(len(sine(-40.0)))
    curve = distortion_vs_level([measure(sine(-40.0), hiss)])
    assert np.isnan(curve.gain_db[0])
    assert np.isnan(curve.thd_pct[0])


def test_thd_without_the_third_harmonic_is_null_though_the_second_is_told() -> None:
    # 10 kHz at 44.1 kHz: the second harmonic fits, the third, which a machine makes most of, does not
    played = sine(-6.0, 10000.0)
    curve = distortion_vs_level([measure(played, played + 0.1 * played**2, 10000.0)])
    assert np.isfinite(curve.harmonics_db[0, 0])
    assert np.isnan(curve.harmonics_db[0, 1:]).all()
    assert np.isnan(curve.thd_pct).all()


def test_orders_above_half_the_rate_are_null_and_not_counted() -> None:
    played = sine(-6.0, 7000.0)
    tone = measure(played, played + 0.1 * played**2, frequency_hz=7000.0)
    assert np.isfinite(tone.harmonic_amplitudes).tolist() == [True, True, False, False]
    assert distortion_vs_level([tone]).thd_pct[0] == pytest.approx(100 * 0.05 * 10 ** (-6 / 20), rel=1e-4)


def test_no_order_below_half_the_rate_means_no_thd() -> None:
    played = sine(-6.0, 15000.0)
    curve = distortion_vs_level([measure(played, played, frequency_hz=15000.0)])
    assert np.isnan(curve.thd_pct[0])
    assert curve.gain_db[0] == pytest.approx(0.0, abs=1e-9)


@given(gain_db=st.floats(-40.0, 20.0), delay_samples=st.integers(0, 40), offset=st.floats(-0.2, 0.2))
def test_gain_does_not_depend_on_phase_or_dc(gain_db: float, delay_samples: int, offset: float) -> None:
    longer = sine(-6.0, seconds=0.2)
    played, heard = longer[40:], 10 ** (gain_db / 20) * longer[40 - delay_samples : len(longer) - delay_samples]
    curve = distortion_vs_level([measure(played, heard + offset)])
    assert curve.gain_db[0] == pytest.approx(gain_db, abs=1e-6)


def test_bad_input_is_refused() -> None:
    with pytest.raises(MismatchError, match="align"):
        measure(sine(0.0), sine(0.0)[:-1])
    with pytest.raises(SignalError, match="at least 20"):
        measure(sine(0.0)[:400], sine(0.0)[:400])
    with pytest.raises(SignalError, match="not a sine of 1000 Hz"):
        measure(np.zeros(RATE), sine(0.0, seconds=1.0))
    with pytest.raises(SignalError, match="not a sine of 1000 Hz"):
        measure(sine(0.0, 1500.0), sine(0.0, 1500.0))
    with pytest.raises(ParameterError, match="2 to 9"):
        measure(sine(0.0), sine(0.0), harmonics=12)
    with pytest.raises(SignalError, match="one frequency"):
        distortion_vs_level([])
    with pytest.raises(SignalError, match="one frequency"):
        distortion_vs_level(
            [measure(sine(0.0), sine(0.0)), measure(sine(0.0, 500.0), sine(0.0, 500.0), frequency_hz=500.0)]
        )


def test_hum_on_a_harmonic_is_no_distortion() -> None:
    time_s = np.arange(RATE) / RATE
    rng = np.random.default_rng(4)

    def hiss_and_hum() -> np.ndarray:
        phase = rng.uniform(0, 2 * np.pi)
        return 3e-4 * np.sin(2 * np.pi * 200.0 * time_s + phase) + 1e-4 * rng.standard_normal(len(time_s))

    played = sine(-48.0, 100.0, seconds=1.0)
    silence = hiss_and_hum()
    fooled = tone_distortion(played, played + hiss_and_hum(), sample_rate=RATE, frequency_hz=100.0)
    standing = standing_amplitudes(silence, sample_rate=RATE, frequency_hz=100.0)
    assert standing == pytest.approx([0.0, 3e-4, 0.0, 0.0, 0.0], rel=0.05)
    told = tone_distortion(played, played + hiss_and_hum(), sample_rate=RATE, frequency_hz=100.0, standing=standing)
    # 3e-4 beside 4e-3: hum alone reads as 7.5 % of second harmonic
    assert distortion_vs_level([fooled]).thd_pct[0] == pytest.approx(7.5, rel=0.05)
    curve = distortion_vs_level([told])
    assert np.isnan(curve.thd_pct[0])
    assert np.isnan(curve.harmonics_db[0, 0])
    assert curve.thd_floor_pct[0] == pytest.approx(7.5, rel=0.05)


def test_distortion_far_above_the_hum_is_told_with_its_uncertainty() -> None:
    time_s = np.arange(RATE) / RATE
    played = sine(-12.0, 100.0, seconds=1.0)
    hum = 1e-3 * np.sin(2 * np.pi * 200.0 * time_s + 1.1)
    heard = played + 0.08 * played**2
    silence = hum + 1e-6 * np.random.default_rng(5).standard_normal(len(hum))
    standing = standing_amplitudes(silence, sample_rate=RATE, frequency_hz=100.0)
    curve = distortion_vs_level([
        tone_distortion(played, heard - np.mean(heard) + hum, sample_rate=RATE, frequency_hz=100.0, standing=standing)
    ])  # fmt: skip
    expected_pct = 100 * 0.5 * 0.08 * 10 ** (-12 / 20)
    assert curve.thd_sigma_pct[0] == pytest.approx(100 * 1e-3 / np.sqrt(2) / 10 ** (-12 / 20), rel=0.15)
    assert abs(curve.thd_pct[0] - expected_pct) < 2 * curve.thd_sigma_pct[0]
