"""The scalars: units in keys, None where not measured, always the same."""

import csv
import io
import json

import numpy as np
import pytest

from tapemeasure.io import json_text
from tapemeasure.report.figures import FIGURES, number, typical
from tapemeasure.report.gather import DeviceResults, Results, TakeResults, gather
from tapemeasure.report.metrics import (
    CSV_HEADER,
    best_network,
    improvement_db,
    metrics,
    metrics_csv,
    model_metrics,
    models_of,
    take_metrics,
)


def device(**rows: float) -> DeviceResults:
    return DeviceResults("deck", evaluation={"rows": [{"model": name, "esr": esr} for name, esr in rows.items()]})


def test_figures_of_the_synthetic_machine(results_folder):
    values = metrics(gather(results_folder))
    take, model = values["machine"]["take1"], values["machine"]["model"]
    assert values["akai"] == {}
    assert take["mean_delay_ms"] == pytest.approx(160.7, abs=0.01)
    assert take["speed_deviation_rms_pct"] == pytest.approx(0.0365, abs=0.001)
    assert take["high_3db_hz"] == pytest.approx(12000.0, rel=0.02)
    # 4e-4 * 0.97 of white noise above 200 Hz, 20 lg = -68.0
    assert take["noise_above_200hz_dbfs"] == pytest.approx(-68.0, abs=0.2)
    assert take["hiss_above_200hz_dbfs"] == pytest.approx(take["noise_above_200hz_dbfs"], abs=0.1)
    assert take["hum_50hz_dbfs"] == pytest.approx(-77.0, abs=0.3)
    assert take["hum_60hz_dbfs"] is None
    assert take["pulses_found"] is None
    assert model["gru_esr"] == pytest.approx(1e-4, rel=0.05)
    assert model["gru_better_than_fir_db"] > 10.0
    assert model["best_epoch"] == 8


def test_json_is_stable_and_holds_scalars_only(results_folder):
    first, second = (json_text(metrics(gather(results_folder))) for _ in range(2))
    assert first == second
    for takes in json.loads(first).values():
        for scalars in takes.values():
            assert all(value is None or isinstance(value, int | float) for value in scalars.values())


def test_a_take_without_results_has_every_key_and_no_value():
    values = take_metrics(TakeResults("empty"))
    assert list(values) == [figure.key for figure in FIGURES]
    assert set(values.values()) == {None}


def test_keys_are_unique_and_tell_units():
    keys = [figure.key for figure in FIGURES]
    assert len(set(keys)) == len(keys)
    counts = {"dropouts_per_minute", "pulses_found", "pulses_expected", "hiss_segments"}
    counts |= {f"din45500_{verdict}" for verdict in ("passed", "failed", "undecided")}
    units = ("_ms", "_us", "_ppm", "_pct", "_db", "_hz", "_dbfs", "_us_rms")
    assert all(key.endswith(units) for key in keys if key not in counts)


def test_a_take_called_model_does_not_hide_the_model():
    deck = DeviceResults("deck", takes=(TakeResults("model"),), training={"best_epoch": 3, "epochs": []})
    values = metrics(Results((deck,), {}))["deck"]
    assert set(values) == {"take model", "model"}
    assert values["model"]["best_epoch"] == 3


@pytest.mark.parametrize(
    ("fir", "gru", "gained_db"), [(0.1, 0.01, 10.0), (0.01, 0.1, -10.0), (0.1, 0.0, None), (0.0, 0.1, None)]
)
def test_improvement_is_the_ratio_of_errors(fir, gru, gained_db):
    assert improvement_db(device(fir=fir, gru=gru)) == pytest.approx(gained_db)


def test_models_that_were_not_evaluated_are_none():
    values = model_metrics(device(fir=0.1))
    assert values["fir_esr"] == 0.1
    assert values["gru_esr"] is None
    assert values["gru_better_than_fir_db"] is None


def test_rows_of_models_that_are_not_ours_are_kept_and_the_best_network_counts():
    deck = device(fir=0.1, gru=0.05, diffusion=0.01)
    assert models_of(deck)[-1] == "diffusion"
    assert model_metrics(deck)["diffusion_esr"] == 0.01
    assert best_network(deck) == "diffusion"
    assert improvement_db(deck) == pytest.approx(10.0)


def test_csv_has_every_measured_figure_with_its_uncertainty(results_folder):
    results = gather(results_folder)
    header, *lines = csv.reader(io.StringIO(metrics_csv(results)))
    assert tuple(header) == CSV_HEADER
    scalars = metrics(results)["machine"]
    known = {("take1", key) for key, value in scalars["take1"].items() if value is not None}
    known |= {("model", key) for key, value in scalars["model"].items() if value is not None}
    assert {(line[1], line[2]) for line in lines if line[1] != "replica"} == known
    noise = next(line for line in lines if line[2] == "noise_a_dbfs")
    assert float(noise[3]) == scalars["take1"]["noise_a_dbfs"]
    assert 0.0 < float(noise[4]) < 0.5
    assert noise[5] == "dBFS"


def test_uncertainties_have_the_unit_of_their_figure(results_folder):
    """White noise of so many seconds is known to a few hundredths of a decibel, the delay to under a microsecond."""
    (take,) = gather(results_folder).devices[0].takes
    sigma = {figure.key: figure.sigma(take) for figure in FIGURES}
    assert 0.0 < sigma["noise_above_200hz_dbfs"] < 0.1
    assert 0.0 < sigma["wow_flutter_weighted_2sigma_pct"] < 0.02
    assert sigma["pulses_found"] is None


def test_distortion_is_read_at_its_own_level_only():
    def take(levels: list[float]) -> TakeResults:
        step = {"frequency_hz": 1000.0, "level_dbfs": levels, "thd_pct": [1.0, 2.0], "gain_db": [0.5, -1.5]}
        return TakeResults("a", measurement={"thd_vs_level": [{"frequency_hz": 100.0}, step]})

    assert take_metrics(take([-30.0, -6.0]))["thd_1khz_minus_6dbfs_pct"] == 2.0
    assert take_metrics(take([-30.0, -7.0]))["thd_1khz_minus_6dbfs_pct"] is None
    assert take_metrics(take([-30.0, 0.0]))["compression_1khz_db"] == 2.0
    assert take_metrics(take([-30.0, -6.0]))["compression_1khz_db"] is None


def test_hiss_level_is_the_mean_power_weighted_by_length():
    segments = [
        {"start_s": 0.0, "end_s": 3.0, "level_above_200hz_dbfs": -60.0},
        {"start_s": 5.0, "end_s": 6.0, "level_above_200hz_dbfs": None},
        {"start_s": 7.0, "end_s": 8.0, "level_above_200hz_dbfs": -50.0},
    ]
    values = take_metrics(TakeResults("a", hiss={"segments": segments}))
    assert values["hiss_segments"] == 3
    # 10 lg((3 * 1e-6 + 1 * 1e-5) / 4)
    assert values["hiss_above_200hz_dbfs"] == pytest.approx(-54.881, abs=1e-3)


def test_typical_is_the_median_of_what_was_measured():
    takes = tuple(TakeResults(str(i), delay={"drift_ppm": value}) for i, value in enumerate((1.0, None, 5.0, 2.0)))
    figure = next(figure for figure in FIGURES if figure.key == "drift_ppm")
    assert typical(DeviceResults("deck", takes=takes), figure) == 2.0
    assert typical(DeviceResults("deck"), figure) is None


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), [1.0]])
def test_what_is_no_finite_number_is_none(value):
    assert number({"a": {"b": value}}, "a", "b") is None


def test_verdicts_are_counted_where_there_are_any():
    rows = [{"verdict": verdict} for verdict in ("pass", "fail", "pass", "not measured", "undecided")]
    values = take_metrics(TakeResults("a", measurement={"din45500": rows}))
    assert [values[f"din45500_{verdict}"] for verdict in ("passed", "failed", "undecided")] == [2, 1, 1]
    assert take_metrics(TakeResults("a", measurement={"din45500": rows[3:4]}))["din45500_passed"] is None


def test_new_figures_are_those_of_the_measurement(results_folder):
    values = metrics(gather(results_folder))["machine"]["take1"]
    # 100 us at 0.7 Hz and 5 us at 9 Hz
    expected_pct = 100.0 * np.hypot(2 * np.pi * 0.7 * 100e-6, 2 * np.pi * 9.0 * 5e-6) / np.sqrt(2)
    assert values["wow_flutter_unweighted_rms_pct"] == pytest.approx(expected_pct, rel=0.1)
    assert values["wow_flutter_weighted_2sigma_pct"] < 3.0 * expected_pct
    ratio_db = values["mol3_dbfs"] - 3.01 - values["noise_a_dbfs"]
    assert values["signal_to_noise_a_db"] == pytest.approx(ratio_db, abs=0.01)
    assert values["din45500_passed"] > 0
