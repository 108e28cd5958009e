"""Speed, response and hiss of a device as curves, its takes put together.

Responses are the mean weighted with their uncertainty (each relative to its own gain at 1 kHz, because clips may have
been normalised one by one), spectra the mean power.
"""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import octave_grid
from tapemeasure.plotting import Curve, speed_density
from tapemeasure.report.figures import as_array, number
from tapemeasure.report.gather import DeviceResults, TakeResults, Values
from tapemeasure.units import db_from_power

GRID_HZ = octave_grid(low_hz=20.0, high_hz=20000.0, per_octave=24)
SMALLEST_SIGMA_DB = 0.02
LARGEST_SIGMA_DB = 1.0
LOWEST_DBFS = -160.0
"""A computed machine may be silent between its pieces; this much below full scale is drawn."""


def device_curves(device: DeviceResults) -> dict[str, Curve]:
    """Speed, response and hiss of a device, its takes put together, as in a comparison; none that is empty."""
    found = {"speed": speed_curve(device), "response": response_curve(device), "hiss": hiss_curve(device)}
    return {name: curve for name, curve in found.items() if np.isfinite(curve.y).any()}


def speed_curve(device: DeviceResults) -> Curve:
    """Amplitude density of the speed deviation, per cent per root hertz."""
    frequency_hz, density = speed_density([take.trajectory for take in device.takes if take.trajectory is not None])
    return Curve(device.name, frequency_hz, density)


def response_curve(device: DeviceResults) -> Curve:
    """Mean response relative to 1 kHz, weighted by the uncertainties; gaps where they exceed 1 dB together."""
    weight, weighted = np.zeros(len(GRID_HZ)), np.zeros(len(GRID_HZ))
    for take in device.takes:
        response = (take.measurement or {}).get("response") or {}
        gain_db = number(response, "gain_db")
        if gain_db is None or not response.get("sigma_db"):
            continue
        frequency_hz = as_array(response["frequency_hz"])
        magnitude_db, sigma_db = (
            _on_grid(frequency_hz, as_array(response[key])) for key in ("magnitude_db", "sigma_db")
        )
        known = np.isfinite(magnitude_db) & np.isfinite(sigma_db)
        share = np.where(known, np.maximum(sigma_db, SMALLEST_SIGMA_DB) ** -2.0, 0.0)
        weight += share
        weighted += np.where(known, share * (magnitude_db - gain_db), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = weight**-0.5
        mean = np.where(sigma <= LARGEST_SIGMA_DB, weighted / weight, np.nan)
    return Curve(device.name, GRID_HZ, mean, np.where(np.isfinite(mean), sigma, np.nan))


def hiss_curve(device: DeviceResults) -> Curve:
    """Mean power in each third octave."""
    powers: dict[float, list[float]] = {}
    for take in device.takes:
        noise = noise_of(take) or {}
        pairs = zip(noise.get("third_octave_hz") or [], noise.get("third_octave_dbfs") or [], strict=True)
        for centre_hz, level_dbfs in pairs:
            if level_dbfs is not None:
                powers.setdefault(centre_hz, []).append(10.0 ** (level_dbfs / 10.0))
    centres_hz = sorted(powers)
    levels = [max(db_from_power(float(np.mean(powers[hz]))), LOWEST_DBFS) for hz in centres_hz]
    return Curve(device.name, np.array(centres_hz, dtype=np.float64), np.array(levels, dtype=np.float64))


def noise_of(take: TakeResults) -> Values | None:
    """Noise of the hiss segments as captured, else of the aligned output."""
    for results in (take.hiss, take.measurement):
        if results is not None and results.get("noise"):
            noise: Values = results["noise"]
            return noise
    return None


def _on_grid(frequency_hz: FloatArray, values: FloatArray) -> FloatArray:
    on_grid: FloatArray = np.interp(np.log(GRID_HZ), np.log(frequency_hz), values, left=np.nan, right=np.nan)
    return on_grid
