"""Machines side by side: who is compared, how takes are put together, and where it stands on the page."""

import numpy as np
import pytest

from tapemeasure.io import write_json
from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.machines import compare
from tapemeasure.report.write import write_report
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 100.0
GRID_HZ = np.geomspace(40.0, 18000.0, 200)


def response(*, gain_db, slope_db=0.0, sigma_db=0.1):
    """A straight line on log frequency, 0 dB at 1 kHz above the gain."""
    magnitude_db = gain_db + slope_db * np.log2(GRID_HZ / 1000.0)
    return {
        "gain_db": gain_db,
        "frequency_hz": list(GRID_HZ),
        "magnitude_db": list(magnitude_db),
        "sigma_db": [sigma_db] * len(GRID_HZ),
    }


def noise(*, level_dbfs=-70.0, hum_dbfs=None):
    lines = [] if hum_dbfs is None else [{"frequency_hz": 50.0, "level_dbfs": hum_dbfs}]
    return {
        "level_a_dbfs": level_dbfs,
        "hum_lines": lines,
        "third_octave_hz": [100.0, 1000.0, 10000.0],
        "third_octave_dbfs": [None, level_dbfs, level_dbfs + 3.0],
    }


def trajectory(wow_hz, *, n_points=3000):
    time_s = np.arange(n_points) / RATE_HZ
    zeros = np.zeros(n_points)
    return DelayTrajectory(0.0, RATE_HZ, 0.16 + 1e-4 * np.sin(2 * np.pi * wow_hz * time_s), zeros, zeros == 0.0)


def deck(name, *takes):
    return DeviceResults(name, kind="hardware", takes=takes)


def measured(name, **measurement):
    return TakeResults(name, measurement=measurement)


def row(comparison, label):
    return next(cells for heading, cells in comparison.rows if heading.startswith(label))


@pytest.mark.parametrize(
    "devices",
    [
        [],
        [deck("a", measured("one"))],
        [deck("a", measured("one")), deck("b"), deck("c", TakeResults("nothing"))],
    ],
)
def test_fewer_than_two_measured_machines_are_not_compared(devices):
    assert compare(devices) is None


def test_responses_are_relative_to_one_kilohertz_and_weighted_by_uncertainty():
    """Clips that were normalised differently agree; one with ten times the uncertainty counts a hundredth."""
    good = measured("good", response=response(gain_db=-3.0, slope_db=1.0, sigma_db=0.05))
    poor = measured("poor", response=response(gain_db=20.0, slope_db=-1.0, sigma_db=0.5))
    flat = measured("flat", response=response(gain_db=0.0))
    comparison = compare([deck("a", good, poor), deck("b", flat)])
    # (100 * 3 - 1 * 3) / 101 dB three octaves up
    assert row(comparison, "Response at 8 kHz") == ("2.94", "0.00")
    first = comparison.response[0]
    assert first.label == "a"
    assert np.interp(np.log(1000.0), np.log(first.x), first.y) == pytest.approx(0.0, abs=1e-6)
    assert np.nanmedian(first.sigma) == pytest.approx(101**-0.5 * 0.5, rel=1e-3)
    assert np.isnan(first.y[first.x > 18000.0]).all()


def test_an_uncertain_response_is_a_gap():
    uncertain = measured("one", response=response(gain_db=0.0, sigma_db=1.5))
    sure = measured("one", response=response(gain_db=0.0))
    comparison = compare([deck("a", uncertain), deck("b", sure)])
    assert [curve.label for curve in comparison.response] == ["b"]
    assert row(comparison, "Response at 500 Hz") == ("not measured", "0.00")


def test_noise_is_that_of_the_capture_before_that_of_the_aligned_output():
    both = TakeResults("one", hiss={"noise": noise(hum_dbfs=-80.0), "segments": []}, measurement={"noise": noise()})
    aligned = measured("one", noise=noise(level_dbfs=-60.0))
    comparison = compare([deck("a", both), deck("b", aligned)])
    assert row(comparison, "Hum line at 50 Hz") == ("−80.0", "not measured")
    assert [list(curve.x) for curve in comparison.hiss] == [[1000.0, 10000.0]] * 2
    np.testing.assert_allclose(comparison.hiss[1].y, [-60.0, -57.0])


def test_hiss_of_takes_is_their_mean_power():
    takes = [measured(str(level), noise=noise(level_dbfs=level)) for level in (-60.0, -70.0)]
    comparison = compare([deck("a", *takes), deck("b", measured("one", noise=noise()))])
    assert comparison.hiss[0].y[0] == pytest.approx(10.0 * np.log10(0.55e-6))


def test_speed_spectra_show_each_machine_at_its_own_line():
    """A sine of 100 us at f Hz: 2 pi f 1e-4 / sqrt(2) rms, all of it within a few bins of 0.2 Hz."""
    devices = [deck(name, TakeResults("one", trajectory=trajectory(hz))) for name, hz in (("a", 2.0), ("b", 9.0))]
    comparison = compare(devices)
    for curve, wow_hz in zip(comparison.speed, (2.0, 9.0), strict=True):
        assert curve.x[np.argmax(curve.y)] == pytest.approx(wow_hz, abs=0.11)
        rms_pct = np.sqrt(np.sum(curve.y**2) * (curve.x[1] - curve.x[0]))
        assert rms_pct == pytest.approx(100.0 * 2.0 * np.pi * wow_hz * 1e-4 / np.sqrt(2.0), rel=0.02)


def test_rows_that_no_machine_has_are_left_out():
    comparison = compare([deck("a", measured("one")), deck("b", measured("one", noise=noise()))])
    assert [heading for heading, _ in comparison.rows] == ["Noise, A-weighted / dBFS"]
    assert comparison.speed == comparison.response == ()


def test_leakage_is_the_mean_power_of_the_segments_that_show_it():
    segments = [{"leakage_dbfs": -80.0}, {"leakage_dbfs": None}, {"leakage_dbfs": -90.0}]
    devices = [deck(name, TakeResults("one", hiss={"segments": segments}, measurement={})) for name in ("a", "b")]
    # 10 lg((1e-8 + 1e-9) / 2) = -82.6
    assert row(compare(devices), "Leakage") == ("−82.6", "−82.6")


def test_the_page_has_the_table_and_the_pictures(tmp_path):
    data = tmp_path / "data"
    for name, level_dbfs in (("deck", -60.0), ("model & co", -61.0)):
        measurement = {"response": response(gain_db=0.0), "noise": noise(level_dbfs=level_dbfs)}
        write_json(data / "measurements" / name / "one.json", measurement)
        (data / "delays" / name).mkdir(parents=True)
        trajectory(3.0).save(data / "delays" / name / "one.npz")
    report = write_report(data, tmp_path / "report", metrics_file=tmp_path / "metrics.json")
    drawn = {path.name for path in report.pictures}
    assert {"side-by-side_speed.svg", "side-by-side_response.svg", "side-by-side_hiss.svg"} <= drawn
    page = report.page.read_text(encoding="utf-8")
    part = page[page.index('<section id="machines"') : page.index('<section id="device-1"')]
    assert 'href="#machines"' in page
    assert part.count("<img ") == 3
    assert part.count('<th scope="col">') == 3
    assert "model &amp; co" in part
    assert "Response at 63 Hz relative to 1 kHz / dB" in part


def test_a_page_with_one_machine_has_no_such_section(tmp_path):
    write_json(tmp_path / "data" / "measurements" / "deck" / "one.json", {"noise": noise()})
    report = write_report(tmp_path / "data", tmp_path / "report", metrics_file=tmp_path / "metrics.json")
    assert "machines" not in report.page.read_text(encoding="utf-8").split("</style>")[1].split("Words")[0]
