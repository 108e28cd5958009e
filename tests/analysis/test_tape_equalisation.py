import numpy as np
import pytest

from tapemeasure.analysis.response import make_response
from tapemeasure.analysis.tape_equalisation import Equalisation, deviation_from_curve, flux_curve_db
from tapemeasure.errors import ParameterError, SignalError

GRID_HZ = 1000.0 * 2.0 ** (np.arange(-5 * 48, 4 * 48 + 1) / 48.0)


def response(magnitude_db: np.ndarray, *, sigma_db: float = 0.01, frequency_hz: np.ndarray = GRID_HZ):
    points = len(frequency_hz)
    return make_response(
        source="sweep",
        name="sweep",
        level_dbfs=-18.0,
        frequency_hz=frequency_hz,
        magnitude_db=magnitude_db,
        phase_deg=np.zeros(points),
        sigma_db=np.full(points, sigma_db),
    )


def test_curves_of_the_standards() -> None:
    # 10 lg(1 + (2 pi f t2)^2) by hand at 10 kHz for 70 us, against 1 kHz
    at = flux_curve_db(np.array([1000.0, 10000.0]), standard="iec", speed_ips=7.5)
    assert at == pytest.approx([0.0, 10 * np.log10(1.1934) - 10 * np.log10(1 + 19.344)], abs=0.01)
    low = flux_curve_db(np.array([50.0]), standard="nab", speed_ips=7.5)
    assert low == pytest.approx([10 * np.log10(2.0022) + 10 * np.log10(1 + 0.0987) - 0.011], abs=0.02)


@pytest.mark.parametrize("side", ["record", "replay"])
def test_an_amplifier_after_the_standard_lies_on_the_curve(side: str) -> None:
    curve_db = flux_curve_db(GRID_HZ, standard="iec", speed_ips=7.5)
    wanted = Equalisation("iec", "record" if side == "record" else "replay")
    exact = response((curve_db if side == "record" else -curve_db) - 6.0)
    found = deviation_from_curve(exact, curve_db=wanted.curve_db(GRID_HZ, speed_ips=7.5))
    assert found.rms_db < 1e-9
    assert abs(found.largest_db) < 1e-9


def test_the_wrong_standard_shows() -> None:
    iec = response(flux_curve_db(GRID_HZ, standard="iec", speed_ips=7.5))
    found = deviation_from_curve(iec, curve_db=Equalisation("nab").curve_db(GRID_HZ, speed_ips=7.5))
    # the bass boost of the one, which the other has not: 10 lg(1 + 1/(2 pi 40 Hz 3180 us)^2) less
    lack_db = 10 * np.log10(1 + 1 / (2 * np.pi * 40.0 * 3180e-6) ** 2)
    treble_db = [10 * np.log10(1 + (2 * np.pi * hz * 1e-6 * us) ** 2) for us in (50.0, 70.0) for hz in (40.0, 1000.0)]
    expected_db = -lack_db + (treble_db[0] - treble_db[1]) - (treble_db[2] - treble_db[3])
    at_40hz = float(np.interp(40.0, found.frequency_hz, found.deviation_db))
    assert at_40hz == pytest.approx(expected_db, abs=0.1)
    assert abs(found.largest_db) >= abs(at_40hz)
    assert found.low_hz == 40.0
    assert found.high_hz == 12500.0


def test_uncertainties_cover_the_noise() -> None:
    rng = np.random.default_rng(1)
    hump = 2.0 * np.exp(-np.square(np.log2(GRID_HZ / 4000.0)))
    known = deviation_from_curve(response(hump)).rms_db
    errors = []
    for _ in range(40):
        found = deviation_from_curve(response(hump + 0.1 * rng.standard_normal(len(hump)), sigma_db=0.1))
        errors.append((found.rms_db - known) / found.rms_sigma_db)
    assert np.mean(np.abs(errors) < 2.0) >= 0.95


def test_bad_input_is_refused() -> None:
    flat = response(np.zeros(len(GRID_HZ)))
    with pytest.raises(ParameterError, match="choose one of"):
        flux_curve_db(GRID_HZ, standard="aes", speed_ips=15.0)
    with pytest.raises(ParameterError, match="12"):
        flux_curve_db(GRID_HZ, standard="iec", speed_ips=12.0)
    with pytest.raises(ParameterError, match="speed_ips"):
        Equalisation("iec").curve_db(GRID_HZ, speed_ips=None)
    with pytest.raises(ParameterError, match="3 points"):
        deviation_from_curve(flat, curve_db=np.zeros(3))
    high = GRID_HZ[GRID_HZ > 1500.0]
    with pytest.raises(SignalError, match="1 kHz"):
        deviation_from_curve(response(np.zeros(len(high)), frequency_hz=high))
