"""A machine and its replica side by side: every figure of both, their difference, and curves on the same axes.

Several takes of the machine are put together: a figure is their median, its uncertainty that of one take together with
the standard deviation from take to take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, inf
from statistics import median, stdev

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.plotting import Curve, delay_spread
from tapemeasure.report.curves import device_curves
from tapemeasure.report.figures import FIGURES, Figure, as_array, rounded, typical
from tapemeasure.report.gather import DeviceResults, TakeResults, Values

MACHINE_ONLY = (
    "hiss_above_200hz_dbfs", "hiss_segments", "pulses_found", "pulses_expected", "truth_error_us_rms",
)  # fmt: skip
"""Figures of stages that a replica does not go through: its delay is known, and its hiss is not cut out."""

MAIN = (
    "wow_flutter_weighted_2sigma_pct", "wow_flutter_unweighted_rms_pct", "gain_1khz_db", "thd_1khz_minus_6dbfs_pct",
    "compression_1khz_db", "noise_above_200hz_dbfs", "noise_a_dbfs", "hum_50hz_dbfs", "delay_std_us",
)  # fmt: skip
"""Figures whose difference stands in metrics.json."""

RESPONSE_BAND_HZ = (40.0, 16000.0)
DELAY_BAND_HZ = (0.5, 25.0)
HISS_BAND_HZ = (50.0, 20000.0)
HIGHEST_ORDER = 5
SILENT_DBFS = -150.0
"""Less than a file of 24 bit holds: a computed machine without hiss has only rounding there."""


@dataclass(frozen=True)
class Pair:
    """One figure of a machine and of its replica; None where it was not measured.

    Parameters
    ----------
    figure : Figure
        What it is.
    machine, machine_sigma, replica, replica_sigma : float or None
        Values and standard uncertainties in the figure's unit.
    """

    figure: Figure
    machine: float | None
    machine_sigma: float | None
    replica: float | None
    replica_sigma: float | None

    @property
    def difference(self) -> float | None:
        """Replica minus machine; what is below `SILENT_DBFS` is silence alike."""
        if self.machine is None or self.replica is None:
            return None
        lowest = SILENT_DBFS if self.figure.unit == "dBFS" else -inf
        return max(self.replica, lowest) - max(self.machine, lowest)

    @property
    def sigma(self) -> float | None:
        """Standard uncertainty of the difference; None where that of either is not known."""
        if self.machine_sigma is None or self.replica_sigma is None:
            return None
        return hypot(self.machine_sigma, self.replica_sigma)

    @property
    def in_sigmas(self) -> float | None:
        """The difference in units of its standard uncertainty."""
        return self.difference / self.sigma if self.difference is not None and self.sigma else None


def pairs(device: DeviceResults) -> tuple[Pair, ...]:
    """Every figure that the machine or its replica has, in the order of the table; none without a replica."""
    if device.replica is None:
        return ()
    found = (_pair(device, device.replica, figure) for figure in FIGURES if figure.key not in MACHINE_ONLY)
    return tuple(pair for pair in found if pair.machine is not None or pair.replica is not None)


def _pair(device: DeviceResults, replica: TakeResults, figure: Figure) -> Pair:
    values = [value for take in device.takes if (value := figure.read(take)) is not None]
    sigmas = [sigma for take in device.takes if (sigma := figure.sigma(take)) is not None]
    sigma = median(sigmas) if sigmas else None
    if len(values) > 1:
        sigma = hypot(sigma or 0.0, stdev(values))
    return Pair(figure, typical(device, figure), sigma, figure.read(replica), figure.sigma(replica))


def replica_metrics(device: DeviceResults) -> dict[str, float | None]:
    """How far the replica is from the machine: main figures (replica minus machine), and distances of curves."""
    if device.replica is None:
        return {}
    differences = {pair.figure.key: pair.difference for pair in pairs(device)}
    machine, replica = device_curves(device), device_curves(_alone(device.replica))
    values = {f"difference_{key}": differences.get(key) for key in MAIN}
    for name, band_hz in (("response", RESPONSE_BAND_HZ), ("hiss", HISS_BAND_HZ)):
        values[f"{name}_distance_rms_db"] = _distance_db(machine.get(name), replica.get(name), band_hz)
    values["delay_spectrum_distance_rms_db"] = _distance_db(*delay_curves(device), DELAY_BAND_HZ)
    harmonics = harmonic_curves(device)
    for order in range(2, HIGHEST_ORDER + 1):
        first, second = harmonics.get(order, (None, None))
        values[f"harmonic_{order}_distance_rms_db"] = _distance_db(first, second, RESPONSE_BAND_HZ)
    values["loop_distance_rms_pct"] = _loop_distance_pct(device)
    return {key: rounded(value) for key, value in values.items()}


def delay_curves(device: DeviceResults) -> tuple[Curve | None, Curve | None]:
    """Spectra of the delay of machine and replica, mean and spread over windows; None where there is none."""
    machine = [take.trajectory for take in device.takes if take.trajectory is not None]
    own = device.replica.trajectory if device.replica is not None else None
    curves = [
        Curve(name, *delay_spread(trajectories))
        for name, trajectories in (("machine", machine), ("replica", [] if own is None else [own]))
    ]
    first, second = (curve if curve.x.size else None for curve in curves)
    return first, second


def harmonic_curves(device: DeviceResults) -> Mapping[int, tuple[Curve, Curve]]:
    """Order by order the harmonics of the loudest sweep that both played, dB relative to the input; 1 is the response.

    Each over the frequency of its fundamental; of the machine's takes the first that has sweeps.
    """
    machine = _measurement(device, "harmonic_response")
    replica = None if device.replica is None else device.replica.measurement
    if machine is None or replica is None:
        return {}
    common = {_sweep_level(row) for row in machine["sweep_response"]}
    common &= {_sweep_level(row) for row in replica.get("sweep_response") or []}
    if not common:
        return {}
    first, second = (_orders(values, max(common)) for values in (machine, replica))
    return {order: (first[order], second[order]) for order in sorted(first.keys() & second.keys())}


def loop_pairs(device: DeviceResults) -> tuple[tuple[Values, Values], ...]:
    """Hysteresis loops of machine and replica with the same tone at the same level."""
    machine = _measurement(device, "hysteresis")
    replica = None if device.replica is None else device.replica.measurement
    if machine is None or replica is None:
        return ()
    others = {_loop_key(loop): loop for loop in replica.get("hysteresis") or []}
    found = [(loop, others.get(_loop_key(loop))) for loop in machine["hysteresis"]]
    return tuple((loop, other) for loop, other in found if other is not None)


def _measurement(device: DeviceResults, key: str) -> Values | None:
    """The measurement of the first take that has a figure."""
    return next((take.measurement for take in device.takes if (take.measurement or {}).get(key)), None)


def _alone(replica: TakeResults) -> DeviceResults:
    return DeviceResults(replica.name, takes=(replica,))


def _sweep_level(row: Values) -> float:
    return round(float(row["level_dbfs"]), 1)


def _loop_key(loop: Values) -> tuple[float, float]:
    return round(float(loop["frequency_hz"]), 1), round(float(loop["level_dbfs"]), 1)


def _orders(measurement: Values, level_dbfs: float) -> dict[int, Curve]:
    """Harmonics of the sweep of a level, relative to the input."""
    response = next(row for row in measurement["sweep_response"] if _sweep_level(row) == level_dbfs)
    grid, gain_db = as_array(response["frequency_hz"]), as_array(response["magnitude_db"])
    found = {1: Curve("1st", grid, gain_db)}
    for row in measurement["harmonic_response"]:
        if _sweep_level(row) == level_dbfs and row["order"] <= HIGHEST_ORDER:
            frequency_hz = as_array(row["frequency_hz"])
            level_db = as_array(row["magnitude_db"]) + np.interp(np.log(frequency_hz), np.log(grid), gain_db)
            found[row["order"]] = Curve(str(row["order"]), frequency_hz, level_db)
    return found


def _distance_db(first: Curve | None, second: Curve | None, band_hz: tuple[float, float]) -> float | None:
    """Rms difference of two curves within a band, where both are known; None where they are nowhere."""
    if first is None or second is None:
        return None
    inside = (first.x >= band_hz[0]) & (first.x <= band_hz[1])
    difference = first.y[inside] - _on(first.x[inside], second)
    known = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(known**2))) if known.size else None


def _on(x: FloatArray, curve: Curve) -> FloatArray:
    values: FloatArray = np.interp(np.log(x), np.log(curve.x), curve.y, left=np.nan, right=np.nan)
    return values


def _loop_distance_pct(device: DeviceResults) -> float | None:
    """Rms difference of the outputs of all loops against the peak of the machine's, per cent; the largest of them."""
    found = []
    for machine, replica in loop_pairs(device):
        target, given = as_array(machine["output"]), as_array(replica["output"])
        if len(target) == len(given):
            found.append(float(np.sqrt(np.mean((given - target) ** 2)) / np.max(np.abs(target))))
    return 100.0 * max(found) if found else None
