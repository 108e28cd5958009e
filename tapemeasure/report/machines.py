"""Machines side by side: one column a device, and their curves in one picture.

Takes of one device are put together: figures by their median, responses by the mean weighted with their uncertainty
(each relative to its own gain at 1 kHz, because clips may have been normalised one by one), spectra by mean power.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from tapemeasure.plotting import Curve
from tapemeasure.report.curves import hiss_curve, noise_of, response_curve, speed_curve
from tapemeasure.report.figures import FIGURES, number, typical
from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.words import NOT_MEASURED, figure_text, hertz_text, measured_text
from tapemeasure.units import db_from_power

TONES_HZ = (31.5, 63.0, 125.0, 250.0, 500.0, 2000.0, 4000.0, 8000.0, 12500.0, 16000.0)
HUM_HZ = (50.0, 100.0, 150.0, 200.0)
SHARED_FIGURES = (
    "wow_flutter_weighted_2sigma_pct",
    "mean_delay_ms",
    "delay_std_us",
    "delay_peak_to_peak_us",
    "speed_deviation_rms_pct",
    "low_3db_hz",
    "high_3db_hz",
    "noise_above_200hz_dbfs",
    "noise_a_dbfs",
)


@dataclass(frozen=True)
class Comparison:
    """What stands side by side.

    Parameters
    ----------
    devices : tuple of str
        The columns.
    rows : tuple of (str, tuple of str)
        Heading of each row, and a text for each device.
    speed, response, hiss : tuple of Curve
        One curve a device that has it: % per root hertz, dB relative to 1 kHz, dBFS in third octaves.
    """

    devices: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    speed: tuple[Curve, ...]
    response: tuple[Curve, ...]
    hiss: tuple[Curve, ...]


def compare(devices: Sequence[DeviceResults]) -> Comparison | None:
    """Devices that have a measured take, side by side; None if there are fewer than two of them."""
    measured = [device for device in devices if any(_is_measured(take) for take in device.takes)]
    if len(measured) < 2:
        return None
    responses = [response_curve(device) for device in measured]
    rows = [*_figure_rows(measured), *_response_rows(responses), *_noise_rows(measured)]
    return Comparison(
        devices=tuple(device.name for device in measured),
        rows=tuple(row for row in rows if any(text != NOT_MEASURED for text in row[1])),
        speed=_drawn([speed_curve(device) for device in measured]),
        response=_drawn(responses),
        hiss=_drawn([hiss_curve(device) for device in measured]),
    )


def compare_takes(device: DeviceResults) -> Comparison | None:
    """Takes of one device, side by side like machines; None if fewer than two of them were measured."""
    return compare([DeviceResults(name=take.name, kind=device.kind, takes=(take,)) for take in device.takes])


def _is_measured(take: TakeResults) -> bool:
    return take.measurement is not None or take.trajectory is not None


def _drawn(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    return tuple(curve for curve in curves if np.isfinite(curve.y).any())


def _figure_rows(devices: Sequence[DeviceResults]) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for figure in FIGURES:
        if figure.key in SHARED_FIGURES:
            cells = tuple(measured_text(typical(device, figure), digits=figure.digits) for device in devices)
            rows.append((f"{figure.label} / {figure.unit}", cells))
    return rows


def _response_rows(responses: Sequence[Curve]) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for tone_hz in TONES_HZ:
        values = [float(np.interp(np.log(tone_hz), np.log(curve.x), curve.y)) for curve in responses]
        cells = tuple(_relative_text(value) for value in values)
        rows.append((f"Response at {hertz_text(tone_hz)} relative to 1 kHz / dB", cells))
    return rows


def _relative_text(level_db: float) -> str:
    """Level with two decimals and a true minus, zero without a sign."""
    return NOT_MEASURED if np.isnan(level_db) else f"{round(level_db, 2) + 0.0:.2f}".replace("-", "−")


def _noise_rows(devices: Sequence[DeviceResults]) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for line_hz in HUM_HZ:
        cells = [_median_text(device, partial(_hum_dbfs, line_hz=line_hz)) for device in devices]
        rows.append((f"Hum line at {hertz_text(line_hz)} / dBFS", tuple(cells)))
    leakage = tuple(_median_text(device, _leakage_dbfs) for device in devices)
    return [*rows, ("Leakage of the other channel in the hiss / dBFS", leakage)]


def _median_text(device: DeviceResults, read: Callable[[TakeResults], float | None]) -> str:
    known = [value for take in device.takes if (value := read(take)) is not None]
    return figure_text(median(known) if known else None, digits=3)


def _hum_dbfs(take: TakeResults, *, line_hz: float) -> float | None:
    lines = (noise_of(take) or {}).get("hum_lines") or []
    return next((number(line, "level_dbfs") for line in lines if line.get("frequency_hz") == line_hz), None)


def _leakage_dbfs(take: TakeResults) -> float | None:
    """Mean power over the hiss segments in which the other channel is to be seen."""
    levels = [number(segment, "leakage_dbfs") for segment in (take.hiss or {}).get("segments") or []]
    powers = [10.0 ** (level / 10.0) for level in levels if level is not None]
    return db_from_power(float(np.mean(powers))) if powers else None
