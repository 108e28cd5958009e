"""Wow and flutter of a take: spectrum of the speed deviation, lines by name, bands that the heads hide."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.plotting.canvas import COLOURS, frequency_axis, legend, percent_axis, picture, say_empty

LOWEST_HZ = 0.1
DECADES = 4.0
NAMED_LINES = 8


def plot_wow_flutter(flutter: Mapping[str, Any], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw the spectrum of a take's speed deviation, per cent rms in each bin.

    Parameters
    ----------
    flutter : mapping
        Values of `tapemeasure.analysis.wow_flutter.WowFlutter.as_dict`. Its strongest lines are marked with frequency
        and part; the bands that two heads hide are shaded.
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
    frequency = np.asarray(flutter["frequency_hz"], dtype=np.float64)
    deviation = np.asarray(flutter["deviation_pct"], dtype=np.float64)
    with picture(path, title=title, force=force) as (axes,):
        shown = np.isfinite(deviation) & (deviation > 0.0)
        if not shown.any():
            say_empty(axes)
            return
        frequency_axis(axes, low_hz=LOWEST_HZ, high_hz=max(float(flutter["bandwidth_hz"]), 10.0))
        percent_axis(axes)
        axes.set_ylabel("speed deviation / % rms")
        for low_hz, high_hz in flutter["blind_bands_hz"]:
            axes.axvspan(max(low_hz, LOWEST_HZ), high_hz, color="#999999", alpha=0.3, linewidth=0, label="blind")
        axes.plot(frequency[shown], deviation[shown], color=COLOURS[0], linewidth=1.0)
        top = float(deviation[shown].max())
        axes.set_ylim(top * 10.0**-DECADES, top * 4.0)
        for line in flutter["lines"][:NAMED_LINES]:
            part = "" if line["part"] is None else f" {line['part']}"
            axes.plot(line["frequency_hz"], line["deviation_pct"], "v", color=COLOURS[1], markersize=4)
            axes.annotate(
                f"{line['frequency_hz']:.3g}{part}",
                (line["frequency_hz"], line["deviation_pct"]),
                xytext=(0, 5),
                textcoords="offset points",
                rotation=90,
                fontsize=7,
                ha="center",
                va="bottom",
            )
        legend(axes)
