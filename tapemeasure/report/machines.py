"""Machines side by side: one column a device, and their curves in one picture.

Takes of one device are put together: figures by their median, responses by the mean weighted with their uncertainty
(each relative to its own gain at 1 kHz, because clips may have been normalised one by one), spectra by mean power.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import octave_grid
from tapemeasure.plotting import Curve, speed_density
from tapemeasure.report.figures import FIGURES, number
from tapemeasure.report.gather import DeviceResults, TakeResults, Values
from tapemeasure.report.metrics import typical
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
GRID_HZ = octave_grid(low_hz=20.0, high_hz=20000.0, per_octave=24)
SMALLEST_SIGMA_DB = 0.02
LARGEST_SIGMA_DB = 1.0
LOWEST_DBFS = -160.0
"""A computed machine may be silent between its pieces; this much below full scale is drawn."""


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
    responses = [_response(device) for device in measured]
    rows = [*_figure_rows(measured), *_response_rows(responses), *_noise_rows(measured)]
    return Comparison(
        devices=tuple(device.name for device in measured),
        rows=tuple(row for row in rows if any(text != NOT_MEASURED for text in row[1])),
        speed=_drawn([_speed(device) for device in measured]),
        response=_drawn(responses),
        hiss=_drawn([_hiss(device) for device in measured]),
    )


def device_curves(device: DeviceResults) -> dict[str, Curve]:
    """Speed, response and hiss of a device, its takes put together, as in a comparison; none that is empty."""
    found = {"speed": _speed(device), "response": _response(device), "hiss": _hiss(device)}
    return {name: curve for name, curve in found.items() if np.isfinite(curve.y).any()}


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
    lines = (_noise(take) or {}).get("hum_lines") or []
    return next((number(line, "level_dbfs") for line in lines if line.get("frequency_hz") == line_hz), None)


def _leakage_dbfs(take: TakeResults) -> float | None:
    """Mean power over the hiss segments in which the other channel is to be seen."""
    levels = [number(segment, "leakage_dbfs") for segment in (take.hiss or {}).get("segments") or []]
    powers = [10.0 ** (level / 10.0) for level in levels if level is not None]
    return db_from_power(float(np.mean(powers))) if powers else None


def _noise(take: TakeResults) -> Values | None:
    """Noise of the hiss segments as captured, else of the aligned output."""
    for results in (take.hiss, take.measurement):
        if results is not None and results.get("noise"):
            noise: Values = results["noise"]
            return noise
    return None


def _speed(device: DeviceResults) -> Curve:
    frequency_hz, density = speed_density([take.trajectory for take in device.takes if take.trajectory is not None])
    return Curve(device.name, frequency_hz, density)


def _response(device: DeviceResults) -> Curve:
    """Mean response relative to 1 kHz, weighted by the uncertainties; gaps where they exceed 1 dB together."""
    weight, weighted = np.zeros(len(GRID_HZ)), np.zeros(len(GRID_HZ))
    for take in device.takes:
        response = (take.measurement or {}).get("response") or {}
        gain_db = number(response, "gain_db")
        if gain_db is None or not response.get("sigma_db"):
            continue
        frequency_hz = _array(response["frequency_hz"])
        magnitude_db, sigma_db = (_on_grid(frequency_hz, _array(response[key])) for key in ("magnitude_db", "sigma_db"))
        known = np.isfinite(magnitude_db) & np.isfinite(sigma_db)
        share = np.where(known, np.maximum(sigma_db, SMALLEST_SIGMA_DB) ** -2.0, 0.0)
        weight += share
        weighted += np.where(known, share * (magnitude_db - gain_db), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = weight**-0.5
        mean = np.where(sigma <= LARGEST_SIGMA_DB, weighted / weight, np.nan)
    return Curve(device.name, GRID_HZ, mean, np.where(np.isfinite(mean), sigma, np.nan))


def _on_grid(frequency_hz: FloatArray, values: FloatArray) -> FloatArray:
    on_grid: FloatArray = np.interp(np.log(GRID_HZ), np.log(frequency_hz), values, left=np.nan, right=np.nan)
    return on_grid


def _hiss(device: DeviceResults) -> Curve:
    """Mean power in each third octave."""
    powers: dict[float, list[float]] = {}
    for take in device.takes:
        noise = _noise(take) or {}
        pairs = zip(noise.get("third_octave_hz") or [], noise.get("third_octave_dbfs") or [], strict=True)
        for centre_hz, level_dbfs in pairs:
            if level_dbfs is not None:
                powers.setdefault(centre_hz, []).append(10.0 ** (level_dbfs / 10.0))
    centres_hz = sorted(powers)
    levels = [max(db_from_power(float(np.mean(powers[hz]))), LOWEST_DBFS) for hz in centres_hz]
    return Curve(device.name, np.array(centres_hz, dtype=np.float64), np.array(levels, dtype=np.float64))


def _array(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
