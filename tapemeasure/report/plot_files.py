"""Curves of the report as CSV files, one a kind of picture, for `dvc plots` and for everybody's own plots."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tapemeasure.io import refuse_overwrite, write_text
from tapemeasure.report.curves import device_curves
from tapemeasure.report.figures import as_array
from tapemeasure.report.gather import REPLICA, DeviceResults, Results
from tapemeasure.report.metrics import error_of, models_of

COLUMNS = {
    "speed": ("device", "frequency_hz", "speed_deviation_pct_per_root_hz"),
    "response": ("device", "frequency_hz", "response_db"),
    "hiss": ("device", "frequency_hz", "third_octave_dbfs"),
    "thd": ("device", "level_dbfs", "thd_pct"),
    "models": ("device", "model", "esr_pct"),
}
"""Columns of each file; thd is that of the first take at the frequency nearest to 1 kHz."""

DIGITS = 5
Row = tuple[str, str | float, float]


def plot_files(results: Results) -> dict[str, str]:
    """CSV text of every kind in `COLUMNS`, replicas as devices; the header alone where nothing was measured."""
    rows: dict[str, list[Row]] = {kind: [] for kind in COLUMNS}
    for device in _machines_and_replicas(results):
        for kind, curve in device_curves(device).items():
            rows[kind] += _points(device.name, curve.x, curve.y)
        rows["thd"] += _thd(device)
        errors = {model: error_of(device, model) for model in models_of(device)}
        rows["models"] += [(device.name, name, 100.0 * error) for name, error in errors.items() if error is not None]
    return {kind: _csv(COLUMNS[kind], found) for kind, found in rows.items()}


def _machines_and_replicas(results: Results) -> list[DeviceResults]:
    """Every device, and behind it its replica as a device of its own."""
    found = []
    for device in results.devices:
        found.append(device)
        if device.replica is not None:
            found.append(DeviceResults(f"{device.name} {REPLICA}", takes=(device.replica,)))
    return found


def write_plot_files(results: Results, folder: Path, *, force: bool) -> tuple[Path, ...]:
    """Write ``speed.csv``, ``response.csv``, ``hiss.csv``, ``thd.csv`` and ``models.csv`` into a folder.

    Raises
    ------
    UsageError
        If one exists and `force` is false; before any is written.
    OutputError
        If one cannot be written.
    """
    texts = {folder / f"{kind}.csv": text for kind, text in plot_files(results).items()}
    for path in texts:
        refuse_overwrite(path, force=force)
    for path, text in texts.items():
        write_text(path, text, force=force)
    return tuple(texts)


def _points(device: str, x: Iterable[float], y: Iterable[float]) -> list[Row]:
    return [(device, first, second) for first, second in zip(x, y, strict=True) if np.isfinite(second)]


def _thd(device: DeviceResults) -> list[Row]:
    for take in device.takes:
        rows = (take.measurement or {}).get("thd_vs_level") or []
        if rows:
            nearest = min(rows, key=lambda row: abs(np.log(float(row["frequency_hz"]) / 1000.0)))
            return _points(device.name, as_array(nearest["level_dbfs"]), as_array(nearest["thd_pct"]))
    return []


def _csv(header: tuple[str, ...], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(header)
    for row in rows:
        lines.writerow([f"{float(value):.{DIGITS}g}" if not isinstance(value, str) else value for value in row])
    return text.getvalue()
