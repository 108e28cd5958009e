"""The log of a meter: one CSV row a second, written as it comes."""

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapemeasure.errors import OutputError
from tapemeasure.live.readings import Reading


@contextmanager
def log_writer(path: Path | None, *, n_channels: int) -> Iterator[Any]:
    """Give a function that takes a reading and the number of xruns; each row is on disk when it returns.

    Raises
    ------
    OutputError
        If the file cannot be made or written.
    """
    if path is None:
        yield lambda reading, xruns: None
        return
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns(n_channels))

            def write(reading: Reading, xruns: int) -> None:
                rows.writerow([_text(value) for value in row(reading, xruns).values()])
                file.flush()

            yield write
    except OSError as error:
        raise OutputError(f"{path}: could not be written ({error.strerror}); choose another folder") from error


def columns(n_channels: int) -> list[str]:
    """Heads of the columns, units in them."""
    general = [
        "time_s", "nominal_hz", "found_hz", "speed_error_pct", "mean_speed_error_pct", "drift_pct",
        "weighted_2sigma_pct", "quasi_peak_pct", "run_weighted_2sigma_pct", "run_quasi_peak_pct",
        "run_weighted_rms_pct", "run_weighted_peak_pct", "azimuth_us", "phase_deg",
    ]  # fmt: skip
    own = ("peak_dbfs", "rms_dbfs", "noise_dbfs", "noise_a_dbfs", "hum_50hz_dbfs", "hum_60hz_dbfs")
    return [*general, *(f"{name}_{number}" for number in range(1, n_channels + 1) for name in own), "xruns"]


def row(reading: Reading, xruns: int) -> dict[str, float | int | None]:
    """A reading by the heads of its columns; None is what was not read."""
    needle, run, slow, azimuth, noise = reading.needle, reading.run, reading.slow, reading.azimuth, reading.noise
    values: list[float | int | None] = [
        reading.time_s,
        reading.nominal_hz,
        reading.found_hz,
        reading.speed_pct,
        None if slow is None else slow.speed_error_pct,
        None if slow is None else slow.drift_pct,
        None if needle is None else needle.weighted_2sigma_pct,
        None if needle is None else needle.quasi_peak_pct,
        None if run is None else run.weighted_2sigma_pct,
        None if run is None else run.quasi_peak_pct,
        None if run is None else run.weighted_rms_pct,
        None if run is None else run.weighted_peak_pct,
        None if azimuth is None else azimuth.static_us,
        None if azimuth is None else azimuth.phase_deg,
    ]
    n_channels = len(reading.levels.rms_dbfs)
    for channel in range(n_channels):
        values += [reading.levels.peak_dbfs[channel], reading.levels.rms_dbfs[channel]]
        values += (
            [None] * 4
            if noise is None
            else [
                noise.level_dbfs[channel],
                noise.level_a_dbfs[channel],
                noise.hum_50hz_dbfs[channel],
                noise.hum_60hz_dbfs[channel],
            ]
        )
    return dict(zip(columns(n_channels), [*values, xruns], strict=True))


def _text(value: float | int | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
