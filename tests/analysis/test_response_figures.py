"""What is read off a response: group delay, pass band, head bump, balance, equalisation, the verdict of DIN 45 500."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.channel_balance import channel_balance
from tapemeasure.analysis.din45500 import DinFigures, Figure, din45500_table
from tapemeasure.analysis.group_delay import group_delay
from tapemeasure.analysis.passband import head_bump, passband
from tapemeasure.analysis.response import Response, make_response
from tapemeasure.dsp.spectra import octave_grid
from tapemeasure.errors import MismatchError, ParameterError, SignalError

GRID_HZ = octave_grid(low_hz=20.0, high_hz=20000.0, per_octave=48)


def made(transfer: np.ndarray, sigma_db: float = 0.01, grid_hz: np.ndarray = GRID_HZ) -> Response:
    return make_response(
        source="sweep", name="sweep", level_dbfs=-20.0, frequency_hz=grid_hz,
        magnitude_db=20 * np.log10(np.abs(transfer)), phase_deg=np.degrees(np.unwrap(np.angle(transfer))),
        sigma_db=np.full(len(grid_hz), sigma_db),
    )  # fmt: skip


def flat() -> Response:
    return made(np.ones(len(GRID_HZ), dtype=complex))


def low_pass(cut_hz: float) -> np.ndarray:
    return 1.0 / (1.0 + 1j * GRID_HZ / cut_hz)


@given(delay_us=st.floats(-200.0, 200.0), cut_hz=st.floats(3000.0, 30000.0))
def test_group_delay_of_a_low_pass_has_its_closed_form(delay_us: float, cut_hz: float) -> None:
    found = group_delay(made(low_pass(cut_hz) * np.exp(-2e-6j * np.pi * GRID_HZ * delay_us)))
    exact = 1e6 / (2 * np.pi * cut_hz * (1.0 + (GRID_HZ / cut_hz) ** 2))
    exact -= np.interp(1000.0, GRID_HZ, exact)
    known = np.isfinite(found.delay_us)
    assert known.mean() > 0.97
    np.testing.assert_allclose(found.delay_us[known], exact[known], atol=0.02 + 0.002 * 1e6 / cut_hz)


def test_group_delay_scatters_as_its_uncertainty_says() -> None:
    rng = np.random.default_rng(1)
    clean = flat()
    noisy = replace(clean, phase_deg=np.degrees(0.01 * np.log(10) / 20) * rng.standard_normal(len(GRID_HZ)))
    found = group_delay(noisy)
    known = np.isfinite(found.delay_us)
    at_1khz = np.interp(1000.0, GRID_HZ, found.sigma_us)
    z = found.delay_us[known] / np.hypot(found.sigma_us[known], at_1khz)
    # all share the error of the reference at 1 kHz
    assert 0.3 < np.sqrt(np.mean(z**2)) < 1.5


def test_pass_band_of_first_order_filters() -> None:
    transfer = low_pass(10000.0) * (1j * GRID_HZ / 50.0) / (1 + 1j * GRID_HZ / 50.0)
    found = passband(made(transfer), drop_db=20 * np.log10(np.sqrt(2)))
    assert found.low_hz == pytest.approx(50.0, rel=0.015)
    assert found.high_hz == pytest.approx(10000.0, rel=0.015)
    # 3 dB per octave there, at 0.014 dB of uncertainty
    assert found.high_sigma_hz == pytest.approx(10000.0 * np.log(2) * 0.01 / 3.0, rel=0.1)
    assert passband(flat()).low_hz is None
    assert passband(flat()).high_sigma_hz is None


def bump(height_db: float, centre_hz: float = 70.0) -> Response:
    level_db = height_db * np.exp(-0.5 * (np.log2(GRID_HZ / centre_hz) / 0.4) ** 2)
    return made(10 ** (level_db / 20) + 0j)


def test_head_bump_is_found_where_it_is() -> None:
    found = head_bump(bump(2.5))
    assert found.frequency_hz == pytest.approx(70.0, rel=0.005)
    assert found.height_db == pytest.approx(2.5, abs=0.02)
    assert found.sigma_db == pytest.approx(0.01, rel=0.2)
    assert head_bump(bump(0.05)) is None
    assert head_bump(flat()) is None
    # a response that falls towards long wavelengths has none either
    assert head_bump(made((1j * GRID_HZ / 50.0) / (1 + 1j * GRID_HZ / 50.0))) is None


def test_balance_is_the_difference_of_the_channels() -> None:
    found = channel_balance(flat(), made(2.0 * low_pass(12600.0)))
    assert found.at_1khz_db == pytest.approx(6.02 - 0.027, abs=0.005)
    assert found.at_1khz_sigma_db == pytest.approx(0.01 * np.sqrt(2))
    assert found.largest_db == pytest.approx(6.02, abs=0.01)
    assert found.largest_hz < 300.0
    np.testing.assert_allclose(channel_balance(flat(), flat()).difference_db, 0.0, atol=1e-12)


def test_the_table_passes_fails_and_admits_what_it_cannot_tell() -> None:
    figures = DinFigures(
        response=made(low_pass(6500.0)), speed_error_pct=Figure(-1.6, 0.01), wow_flutter_pct=Figure(0.19, 0.01),
        signal_to_noise_db=Figure(60.0, 0.5),
    )  # fmt: skip
    rows = {row.requirement: row for row in din45500_table(figures)}
    assert rows["speed error"].verdict == "fail"
    assert rows["wow and flutter, weighted"].verdict == "undecided"
    assert rows["signal to weighted noise"].verdict == "pass"
    assert rows["erasure, 1 kHz"].verdict == "not measured"
    middle, whole = (row for row in rows.values() if row.requirement.startswith("fall"))
    assert middle.verdict == "pass"
    assert middle.value == pytest.approx(10 * np.log10(1 + (6300 / 6500) ** 2), abs=0.1)
    assert whole.value == pytest.approx(10 * np.log10(1 + (12500 / 6500) ** 2), abs=0.1)
    assert {row.verdict for row in din45500_table(DinFigures())} == {"not measured"}


def test_a_gap_in_the_response_leaves_no_verdict() -> None:
    gap = flat()
    magnitude_db = gap.magnitude_db.copy()
    magnitude_db[GRID_HZ > 9000.0] = np.nan
    rows = {row.requirement: row.verdict for row in din45500_table(DinFigures(replace(gap, magnitude_db=magnitude_db)))}
    assert rows["fall of the response, 250 Hz - 6.3 kHz"] == "pass"
    assert rows["fall of the response, 40 Hz - 12.5 kHz"] == "not measured"


def test_bad_input_is_refused() -> None:
    narrow = made(np.ones(10, dtype=complex), grid_hz=GRID_HZ[:10])
    with pytest.raises(ParameterError, match="octaves"):
        group_delay(flat(), octaves=0.0)
    with pytest.raises(SignalError, match="around 1 kHz"):
        group_delay(narrow)
    with pytest.raises(ParameterError, match="drop_db"):
        passband(flat(), drop_db=0.0)
    with pytest.raises(SignalError, match="1 kHz"):
        passband(narrow)
    with pytest.raises(SignalError, match="head bump"):
        head_bump(narrow)
    with pytest.raises(MismatchError, match="different frequencies"):
        channel_balance(flat(), narrow)
    with pytest.raises(SignalError, match="one channel tells nothing"):
        channel_balance(narrow, narrow)
    with pytest.raises(ParameterError, match="finite"):
        din45500_table(DinFigures(erasure_db=Figure(np.nan)))
