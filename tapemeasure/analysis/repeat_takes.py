"""Repeat takes: how far every figure spreads from take to take."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.errors import SignalError

UNITS = ("_db", "_dbfs", "_pct", "_hz", "_us", "_urad", "_s", "_ppm", "_minute", "_dbfs_per_hz")
"""Endings of the keys that are figures."""

DIMENSIONLESS = ("remanence", "coercive_level")
SIGMA = re.compile(r"(^|_)sigma(_|$)")
SETTINGS = frozenset({"sample_rate", "duration_s", "frequency_hz", "level_dbfs", "start_s", "end_s", "length_s"})
"""What was set, not measured; within the noise a level is a figure."""

LISTS = ("compression", "hysteresis", "intermodulation", "thd_noise", "sweep_response")
MEASURED_LEVELS = ("noise.level_dbfs",)
LEFT_OUT = (
    "lower_hz",
    "upper_hz",
    "largest_hz",
    "additive_db",
    "valid_pct",
    "longest_gap_s",
    "bandwidth_hz",
    "low_hz",
    "high_hz",
    "threshold_db",
    "floor_db",
    "drop_db",
    "head_delay_s",
    "nominal_hz",
    "speed_bandwidth_hz",
    "reference_dbfs",
)


@dataclass(frozen=True)
class FigureSpread:
    """One figure over repeat takes.

    Parameters
    ----------
    figure : str
        Its place in the JSON of a take, unit at the end, e.g. ``wow_flutter.weighted_rms_pct``.
    n_takes : int
        Takes that have it.
    mean, mean_sigma : float
        In the figure's unit; the uncertainty of the mean as the spread tells it, enlarged so that twice it covers 95 %.
    spread, spread_sigma : float
        Standard deviation from take to take, and its own standard uncertainty.
    stated_sigma : float or None
        Root mean square of the uncertainties that the takes state; None where they state none.
    """

    figure: str
    n_takes: int
    mean: float
    mean_sigma: float
    spread: float
    spread_sigma: float
    stated_sigma: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def spread_of_takes(takes: Sequence[Mapping[str, Any]]) -> tuple[FigureSpread, ...]:
    """Spread of every figure over repeat takes of one machine, each in its own unit.

    Parameters
    ----------
    takes : sequence of mappings
        JSON of the takes (`tapemeasure.analysis.take.TakeMeasurement.as_dict`); those with an ``error`` do not count.

    Raises
    ------
    SignalError
        If fewer than two takes were measured.

    Notes
    -----
    Every single number with a unit counts that two takes have at least; curves, settings and lists of events do not.
    The standard deviation of n takes is itself uncertain by its ``1 / sqrt(2 (n - 1))``.
    """
    from tapemeasure.analysis.spread import student_factor

    measured = [dict(_figures(take)) for take in takes if "error" not in take]
    if len(measured) < 2:
        raise SignalError(f"spread: {len(measured)} take(s) were measured; give two or more of the same machine")
    names = list(dict.fromkeys(name for take in measured for name in take))
    found = []
    for name in names:
        both = [take[name] for take in measured if name in take]
        if len(both) < 2:
            continue
        values = np.array([value for value, _ in both])
        sigmas = [sigma for _, sigma in both if sigma is not None]
        spread = float(np.std(values, ddof=1))
        found.append(
            FigureSpread(
                figure=name,
                n_takes=len(both),
                mean=float(np.mean(values)),
                mean_sigma=spread / math.sqrt(len(both)) * student_factor(len(both)),
                spread=spread,
                spread_sigma=spread / math.sqrt(2.0 * (len(both) - 1)),
                stated_sigma=float(np.sqrt(np.mean(np.square(sigmas)))) if sigmas else None,
            )
        )
    return tuple(found)


def _figures(take: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float | None]]]:
    """Name, value and stated uncertainty of every figure of a take."""
    for key, value in take.items():
        if isinstance(value, Mapping):
            yield from _of_object(value, key)
        elif key in LISTS and isinstance(value, Sequence):
            for item in value:
                yield from _of_object(item, f"{key}[{_name(item)}]")


def _of_object(item: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, tuple[float, float | None]]]:
    for key, value in item.items():
        name = f"{prefix}.{key}"
        if isinstance(value, Mapping):
            yield from _of_object(value, name)
        elif _is_figure(key, name) and _known(value):
            yield name, (float(value), stated_sigma(item, key))


def _name(item: Mapping[str, Any]) -> str:
    if "name" in item:
        return str(item["name"])
    if "lower_hz" in item:
        return f"{item['lower_hz']:g}+{item['upper_hz']:g} Hz"
    level = "" if _is_curve(item.get("level_dbfs")) or item.get("level_dbfs") is None else f" {item['level_dbfs']:.1f}"
    return f"{item['frequency_hz']:.4g} Hz{level}"


def _is_curve(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray)


def stated_sigma(item: Mapping[str, Any], key: str) -> float | None:
    """Uncertainty that an object states for one of its figures; None where it states none."""
    unit = "db" if key.endswith("_dbfs") else key.rpartition("_")[2]
    shorter = (key.replace("_order_", "_"), key.replace("_gain_db", "_db"), key.replace("_rms_pct", "_pct"))
    for name in (sigma_key(key), *(sigma_key(stem) for stem in shorter if stem != key), f"sigma_{unit}"):
        if _known(item.get(name)):
            return float(item[name])
    return None


def sigma_key(key: str) -> str:
    """Name of the uncertainty that belongs to a figure.

    Examples
    --------
    >>> sigma_key("level_a_dbfs"), sigma_key("wow_pct"), sigma_key("remanence")
    ('level_a_sigma_db', 'wow_sigma_pct', 'remanence_sigma')
    """
    stem, _, unit = key.rpartition("_")
    if key in DIMENSIONLESS:
        return f"{key.removesuffix('_level')}_sigma"
    if key == "per_minute":
        return "per_minute_sigma"
    return f"{stem}_sigma_{'db' if unit == 'dbfs' else unit}"


def _is_figure(key: str, name: str) -> bool:
    if SIGMA.search(key) or key in LEFT_OUT or (key in SETTINGS and name not in MEASURED_LEVELS):
        return False
    return key in DIMENSIONLESS or key.endswith(UNITS)


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
