"""Machine beside replica: both values, their difference in uncertainties, curves on the same axes."""

import json

import numpy as np
import pytest

from tapemeasure.plotting import Look
from tapemeasure.report.gather import DeviceResults, Results, TakeResults, gather
from tapemeasure.report.metrics import metrics
from tapemeasure.report.pictures import Picture
from tapemeasure.report.replica import MAIN, harmonic_curves, loop_pairs, pairs, replica_metrics
from tapemeasure.report.replica_plans import replica_plans
from tapemeasure.report.zoom import zoom_json
from tapemeasure.trajectory import DelayTrajectory

GAIN_DB = 0.5


@pytest.fixture(scope="module")
def device(results_folder):
    return gather(results_folder).devices[0]


def of(device, key):
    return next(pair for pair in pairs(device) if pair.figure.key == key)


def noise(level_dbfs, sigma_db=None):
    return {"noise": {"level_a_dbfs": level_dbfs, "level_a_sigma_db": sigma_db}}


def decks(*machine, replica):
    takes = tuple(TakeResults(str(n), measurement=values) for n, values in enumerate(machine))
    return DeviceResults("deck", takes=takes, replica=TakeResults("replica", measurement=replica))


def test_every_figure_stands_beside_that_of_the_replica(device):
    gain = of(device, "gain_1khz_db")
    # the same machine, half a decibel louder
    assert gain.difference == pytest.approx(GAIN_DB, abs=3.0 * gain.sigma)
    assert gain.in_sigmas == pytest.approx(gain.difference / gain.sigma)
    level = of(device, "noise_a_dbfs")
    assert level.difference == pytest.approx(GAIN_DB, abs=4.0 * level.sigma)
    assert of(device, "delay_std_us").difference == pytest.approx(0.0, abs=3.0)
    assert {pair.figure.group for pair in pairs(device)} >= {"Speed", "Frequency response", "Noise", "Delay"}


def test_distances_are_those_of_the_known_change(device):
    """Level and seed apart both are one machine: responses relative to 1 kHz, loops over gain, delay spectra agree."""
    found = replica_metrics(device)
    assert found["difference_gain_1khz_db"] == pytest.approx(GAIN_DB, abs=0.02)
    assert found["response_distance_rms_db"] < 0.05
    assert found["hiss_distance_rms_db"] == pytest.approx(GAIN_DB, abs=0.3)
    assert found["harmonic_3_distance_rms_db"] == pytest.approx(GAIN_DB, abs=0.2)
    # rms over peak of a loop that is 0.5 dB larger: 5.9 % times a crest factor of at least 1
    assert 3.0 < found["loop_distance_rms_pct"] < 6.0
    assert found["delay_spectrum_distance_rms_db"] < 3.0


def test_metrics_hold_the_differences_and_csv_the_figures(device, results_folder, report):
    values = json.loads(report.metrics_file.read_text(encoding="utf-8"))["machine"]["replica"]
    assert values == replica_metrics(device)
    assert {f"difference_{key}" for key in MAIN} <= set(values)
    assert "machine,replica,gain_1khz_db," in report.csv


def test_a_device_without_a_replica_has_nothing_of_it(results_folder):
    akai = gather(results_folder).devices[1]
    assert akai.replica is None
    assert pairs(akai) == ()
    assert replica_metrics(akai) == {}
    assert replica_plans(akai) == []
    assert "replica" not in metrics(Results((akai,), {}))["akai"]


def test_the_spread_from_take_to_take_counts_as_uncertainty():
    one = decks(noise(-60.0, 0.3), replica=noise(-61.0, 0.4))
    assert of(one, "noise_a_dbfs").in_sigmas == pytest.approx(-2.0)
    several = decks(noise(-59.0, 0.3), noise(-60.0, 0.3), noise(-61.0, 0.3), replica=noise(-61.0, 0.4))
    pair = of(several, "noise_a_dbfs")
    assert (pair.machine, pair.difference) == (-60.0, -1.0)
    assert pair.sigma == pytest.approx(np.sqrt(0.3**2 + 1.0 + 0.4**2))


@pytest.mark.parametrize(("machine", "replica"), [(-60.0, None), (None, -60.0)])
def test_what_only_one_of_them_has_is_shown_without_a_difference(machine, replica):
    pair = of(decks(noise(machine, 0.1), replica=noise(replica, 0.1)), "noise_a_dbfs")
    assert (pair.machine, pair.replica, pair.difference, pair.in_sigmas) == (machine, replica, None, None)


def test_without_an_uncertainty_a_difference_is_not_weighed():
    pair = of(decks(noise(-60.0), replica=noise(-61.0, 0.1)), "noise_a_dbfs")
    assert pair.difference == -1.0
    assert pair.in_sigmas is None


def test_a_take_called_replica_does_not_hide_the_replica():
    deck = DeviceResults(
        "deck", takes=(TakeResults("replica"),), replica=TakeResults("replica", measurement=noise(-60.0))
    )
    assert set(metrics(Results((deck,), {}))["deck"]) == {"take replica", "replica"}


def test_harmonics_are_relative_to_the_input(device):
    """Harmonic n of the output over the input is harmonic over fundamental, times the response."""
    machine, replica = harmonic_curves(device)[3]
    rows = device.takes[0].measurement["harmonic_response"]
    loudest = max(row["level_dbfs"] for row in rows)
    row = next(row for row in rows if row["level_dbfs"] == loudest and row["order"] == 3)
    response = harmonic_curves(device)[1][0]
    at = int(np.argmin(np.abs(machine.x - 1000.0)))
    gain_db = float(np.interp(np.log(machine.x[at]), np.log(response.x), response.y))
    assert machine.y[at] == pytest.approx(row["magnitude_db"][at] + gain_db, abs=1e-9)
    assert replica.y[at] - machine.y[at] == pytest.approx(GAIN_DB, abs=0.3)


def test_loops_are_paired_by_tone_and_level(device):
    for machine, replica in loop_pairs(device):
        assert round(machine["frequency_hz"]) == round(replica["frequency_hz"])
        assert machine["level_dbfs"] == pytest.approx(replica["level_dbfs"], abs=0.05)
    assert len(loop_pairs(device)) == len(device.takes[0].measurement["hysteresis"])


def test_pictures_show_both_and_can_be_enlarged(device, report):
    plans = {plan.kind: plan for plan in replica_plans(device)}
    assert set(plans) == {"loops", "harmonics", "delay-spectrum", "delay", "hiss"}
    names = {path.name for path in report.pictures}
    assert {f"machine_machine-and-replica_{kind}.svg" for kind in plans} <= names
    for kind, plan in plans.items():
        picture = Picture("machine", None, plan.heading, plan.caption, report.page, plan.axes, plan.curves)
        curves = json.loads(zoom_json(picture))["curves"]
        assert len(curves) >= 2, kind
        assert any("replica" in curve["name"] for curve in curves), kind


def test_a_pair_shares_its_colour_and_differs_in_dashes(device):
    loops = next(plan for plan in replica_plans(device) if plan.kind == "loops")
    assert [curve.look for curve in loops.curves[:2]] == [Look(0, 0), Look(0, 1, in_legend=False)]
    picture = Picture("machine", None, "", "", None, loops.axes, loops.curves)
    first, second = json.loads(zoom_json(picture))["curves"][:2]
    assert first["colour"] == second["colour"]
    assert (first["dash"], second["dash"]) == ("solid", "dash")


def test_the_page_has_the_table_of_both(report):
    text = report.page.read_text(encoding="utf-8")
    assert "Replica of machine beside the machine" in text
    assert text.count('<th scope="col">in uncertainties</th>') == 1


def test_rounding_is_neither_hiss_nor_movement():
    """A computed machine without hiss and wow: its replica rounds otherwise, which is no difference."""
    pair = of(decks(noise(-310.0, 0.1), replica=noise(-190.0, 0.1)), "noise_a_dbfs")
    assert pair.difference == 0.0
    rng = np.random.default_rng(1)
    zeros = np.zeros(5000)
    delays = [
        DelayTrajectory(0.0, 100.0, 0.1 + 1e-14 * rng.standard_normal(5000), zeros, zeros == 0.0) for _ in range(2)
    ]
    still = DeviceResults(
        "deck", takes=(TakeResults("a", trajectory=delays[0]),), replica=TakeResults("replica", trajectory=delays[1])
    )
    assert replica_plans(still) == []
    assert replica_metrics(still)["delay_spectrum_distance_rms_db"] is None
