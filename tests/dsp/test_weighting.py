import numpy as np
import pytest

from tapemeasure.dsp.weighting import (
    a_weighting_db,
    a_weighting_response,
    itu468_db,
    itu468_response,
    weighted_samples,
)

# IEC 61672-1 table 3, A-weighting at the nominal third octaves from 10 Hz to 20 kHz, one decimal
A_TABLE_DB = [
    -70.4, -63.4, -56.7, -50.5, -44.7, -39.4, -34.6, -30.2, -26.2, -22.5, -19.1, -16.1, -13.4, -10.9, -8.6, -6.6, -4.8,
    -3.2, -1.9, -0.8, 0.0, 0.6, 1.0, 1.2, 1.3, 1.2, 1.0, 0.5, -0.1, -1.1, -2.5, -4.3, -6.6, -9.3,
]  # fmt: skip

# ITU-R BS.468-4 table 1
ITU468_TABLE = {
    31.5: -29.9, 63.0: -23.9, 100.0: -19.8, 200.0: -13.8, 400.0: -7.8, 800.0: -1.9, 1000.0: 0.0, 2000.0: 5.6,
    3150.0: 9.0, 4000.0: 10.5, 5000.0: 11.7, 6300.0: 12.2, 7100.0: 12.0, 8000.0: 11.4, 9000.0: 10.1, 10000.0: 8.1,
    12500.0: 0.0, 14000.0: -5.3, 16000.0: -11.7, 20000.0: -22.2,
}  # fmt: skip


def test_a_weighting_follows_the_table_to_its_last_digit() -> None:
    exact_hz = 1000.0 * 10.0 ** (np.arange(-20, 14) / 10.0)
    # half of the table's last digit, and the 0.0003 dB by which 2.00 dB is rounded
    np.testing.assert_allclose(a_weighting_db(exact_hz), A_TABLE_DB, atol=0.051)


def test_468_curve_follows_the_table() -> None:
    levels_db = itu468_db(list(ITU468_TABLE))
    # the table's last digit is 0.1 dB
    np.testing.assert_allclose(levels_db, list(ITU468_TABLE.values()), atol=0.055)
    assert abs(itu468_db([1000.0])[0]) < 0.001


def test_both_curves_let_no_dc_through() -> None:
    assert a_weighting_db([0.0])[0] == -np.inf
    assert itu468_db([0.0])[0] == -np.inf


@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_tones_are_a_weighted_within_class_1(sample_rate: int) -> None:
    exact_hz = 1000.0 * 10.0 ** (np.arange(-20, 14) / 10.0)
    errors = []
    for frequency_hz, table_db in zip(exact_hz, A_TABLE_DB, strict=True):
        tone = np.sqrt(2.0) * np.sin(2 * np.pi * frequency_hz * np.arange(sample_rate) / sample_rate + 0.3)
        weighted = weighted_samples(tone, sample_rate=sample_rate, response=a_weighting_response)
        # whole seconds: a tone's own period may not fit
        errors.append(20 * np.log10(np.sqrt(np.mean(weighted**2))) - table_db)
    # half of the tightest class 1 limit of IEC 61672-1:2013, 0.7 dB at 1 kHz
    assert np.abs(errors).max() < 0.35


@pytest.mark.parametrize("response", [a_weighting_response, itu468_response])
def test_a_network_is_causal_and_passes_1_khz_unchanged(response) -> None:
    assert abs(response([1000.0])[0]) == pytest.approx(1.0, abs=0.001)
    step = np.r_[np.zeros(2000), np.sin(2 * np.pi * 3000 * np.arange(2000) / 44100)]
    weighted = weighted_samples(step, sample_rate=44100, response=response)
    # what rings before the step is the missing spectrum above 22 kHz
    assert np.abs(weighted[:1990]).max() < 0.02 * np.abs(weighted).max()


def test_oversampled_points_lie_on_the_signal() -> None:
    samples = np.random.default_rng(1).standard_normal(5000)
    once = weighted_samples(samples, sample_rate=44100, response=itu468_response)
    twice = weighted_samples(samples, sample_rate=44100, response=itu468_response, oversampling=2)
    assert len(twice) == 2 * len(samples)
    np.testing.assert_allclose(twice[::2], once, atol=1e-3 * np.abs(once).max())
    assert weighted_samples(np.zeros(0), sample_rate=44100, response=itu468_response).size == 0
