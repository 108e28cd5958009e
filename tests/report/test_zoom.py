"""Curves of the pictures for a closer look, and as CSV files."""

import base64
import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.errors import UsageError
from tapemeasure.io import write_json
from tapemeasure.plotting import Curve
from tapemeasure.report.gather import gather, gather_all
from tapemeasure.report.pictures import Picture
from tapemeasure.report.plan import Axes
from tapemeasure.report.plot_files import COLUMNS, plot_files, write_plot_files
from tapemeasure.report.zoom import plot_script, thinned, zoom_json

AXES = Axes("time / s", "delay / µs")


def picture(*curves, axes=AXES):
    return Picture("deck", "a", "Delay", "", Path("a.svg"), axes, curves)


def test_the_script_unpacks_to_what_the_policy_allows():
    script = gzip.decompress(base64.b64decode(plot_script().packed))
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert plot_script().csp_hash == f"'sha256-{digest}'"
    assert b"Plotly" in script


def test_a_short_curve_is_kept_whole_with_gaps_and_uncertainty():
    curve = Curve("</script>", np.array([1.0, 2.0, 3.0]), np.array([1.5, np.nan, -2.0]), np.array([0.1, np.nan, 0.2]))
    text = zoom_json(picture(curve))
    assert "<" not in text
    [found] = json.loads(text)["curves"]
    assert found["name"] == "</script>"
    assert found["x"] == [1.0, 2.0, 3.0]
    assert found["y"] == [1.5, None, -2.0]
    assert found["sigma"] == [0.1, None, 0.2]


def test_a_long_uniform_curve_comes_back_within_a_step():
    x = np.arange(20_000) / 100.0
    y = 200.0 * np.sin(x)
    y[100:110] = np.nan
    [found] = json.loads(zoom_json(picture(Curve("delay", x, y))))["curves"]
    steps = np.frombuffer(base64.b64decode(found["steps"]), dtype="<i2")
    back = np.where(steps == found["gap"], np.nan, steps * found["step"])
    np.testing.assert_allclose(back, y, atol=0.51 * found["step"])
    np.testing.assert_allclose(found["start"] + np.arange(len(steps)) * found["spacing"], x, atol=1e-6)


@pytest.mark.parametrize("n_points", [10, 1000, 100_001])
def test_thinning_keeps_the_extremes(n_points):
    x, y = np.arange(float(n_points)), np.random.default_rng(1).standard_normal(n_points)
    few_x, few_y = thinned(x, y, most_points=200)
    assert len(few_x) == len(few_y) <= max(200, 10)
    assert (few_y.min(), few_y.max()) == (y.min(), y.max())
    assert np.all(np.diff(few_x) >= 0.0)


def test_nothing_to_enlarge():
    assert zoom_json(picture(Curve("", np.ones(2), np.full(2, np.nan)))) is None
    assert zoom_json(picture()) is None
    assert zoom_json(picture(Curve("", np.ones(2), np.ones(2)), axes=None)) is None


def test_csv_files_hold_the_curves_of_every_device(results_folder, tmp_path):
    texts = plot_files(gather(results_folder))
    tables = {kind: list(csv.DictReader(io.StringIO(text))) for kind, text in texts.items()}
    assert all(tuple(table[0]) == COLUMNS[kind] for kind, table in tables.items())
    assert {row["device"] for table in tables.values() for row in table} == {"machine", "machine replica"}
    own = [row for row in tables["response"] if row["device"] == "machine"]
    response = {float(row["frequency_hz"]): float(row["response_db"]) for row in own}
    nearest = min(response, key=lambda hertz: abs(hertz - 1000.0))
    assert response[nearest] == pytest.approx(0.0, abs=0.05)
    esr = {row["model"]: float(row["esr_pct"]) for row in tables["models"]}
    assert esr["gru"] == pytest.approx(0.01, rel=0.05)
    write_plot_files(gather(results_folder), tmp_path, force=False)
    with pytest.raises(UsageError, match="exists"):
        write_plot_files(gather(results_folder), tmp_path, force=False)


def test_devices_of_several_folders_stand_side_by_side(tmp_path):
    for season, names in (("spring", ("deck", "old")), ("autumn", ("deck",))):
        for name in names:
            write_json(tmp_path / season / "data" / "delays" / name / "a.json", {"mean_delay_s": 0.1})
    folders = [tmp_path / "spring" / "data", tmp_path / "autumn" / "data"]
    results = gather_all(folders)
    assert {device.name for device in results.devices} == {"deck (spring/data)", "deck (autumn/data)", "old"}
    assert "autumn/data/delays/deck/a.json" in results.sha256
    assert gather_all(folders[:1]).sha256 == gather(folders[0]).sha256
    with pytest.raises(UsageError, match="once"):
        gather_all([folders[0], folders[0]])
    with pytest.raises(UsageError, match="no folder"):
        gather_all([])


def test_audio_is_found_beside_the_folder_of_results(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.wav").write_bytes(b"")
    take = {"name": "a", "input": "raw/a.wav", "output": None}
    write_json(tmp_path / "data" / "captures" / "deck" / "takes.json", {"kind": "hardware", "takes": [take]})
    assert gather(tmp_path / "data").devices[0].takes[0].input == tmp_path / "raw" / "a.wav"
