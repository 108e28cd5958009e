"""How far responses lie from the curve of an equalisation standard, or from a flat one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.plotting.canvas import frequency_axis, picture, say_empty
from tapemeasure.plotting.curves import Curve, draw_against_frequency

LEAST_DB = 3.0
COVERAGE = 2.0


def plot_deviation(
    deviations: Mapping[str, Mapping[str, Any]], path: Path, *, title: str = "", force: bool = False
) -> None:
    """Draw response minus curve, dB, 0 dB at 1 kHz, with a band of two standard uncertainties.

    Parameters
    ----------
    deviations : mapping of str to mapping
        By the name of the take: values of `tapemeasure.analysis.tape_equalisation.CurveDeviation`.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    title : str
        Printed above the picture.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the name ends otherwise, or the file exists and `force` is false.
    OutputError
        If it cannot be written.
    """
    with picture(path, title=title, force=force) as (axes,):
        if not deviations:
            say_empty(axes)
            return
        curves = [_curve(name, found) for name, found in deviations.items()]
        draw_against_frequency(axes, curves)
        low_hz = min(float(found["low_hz"]) for found in deviations.values())
        frequency_axis(axes, low_hz=low_hz, high_hz=max(float(found["high_hz"]) for found in deviations.values()))
        axes.set_ylabel("response - curve / dB")
        axes.axhline(0.0, color="#555555", linewidth=0.8)
        largest = max([LEAST_DB, *(1.1 * float(np.nanmax(np.abs(curve.y))) for curve in curves)])
        axes.set_ylim(-largest, largest)


def _curve(name: str, found: Mapping[str, Any]) -> Curve:
    frequency_hz, values, sigma = (
        np.asarray(found[key], dtype=np.float64) for key in ("frequency_hz", "deviation_db", "sigma_db")
    )
    return Curve(name, frequency_hz, values, COVERAGE * sigma)
