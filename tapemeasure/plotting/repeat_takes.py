"""Repeat takes: how far every figure spreads, against the uncertainty that the takes state."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.plotting.canvas import COLOURS, legend, picture, say_empty

MOST = 40
ROW_IN = 0.2
EDGE_IN = 1.2
WIDTH_IN = 7.5


def plot_spread(figures: Sequence[Mapping[str, Any]], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw the standard deviation of every figure from take to take over the uncertainty that the takes state.

    Parameters
    ----------
    figures : sequence of mappings
        Values of `tapemeasure.analysis.repeat_takes.FigureSpread`; those without a stated uncertainty are left out, and
        of the rest the first 40 are drawn. A ratio of 1 says that the takes differ as much as they say they may.
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
    shown = [figure for figure in figures if figure["stated_sigma"] and figure["spread"] > 0.0][:MOST]
    height_in = EDGE_IN + ROW_IN * max(len(shown), 6)
    with picture(path, title=title, force=force, width_in=WIDTH_IN, height_in=height_in) as (axes,):
        if not shown:
            say_empty(axes)
            return
        ratio = np.array([figure["spread"] / figure["stated_sigma"] for figure in shown])
        error = np.array([figure["spread_sigma"] / figure["stated_sigma"] for figure in shown])
        rows = np.arange(len(shown))[::-1]
        low = np.maximum(ratio - error, 0.05 * ratio)
        axes.hlines(rows, low, ratio + error, color=COLOURS[0], linewidth=1.2)
        axes.plot(ratio, rows, "o", color=COLOURS[0], markersize=4, label="spread over stated uncertainty")
        axes.axvline(1.0, color="#555555", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks(rows, [str(figure["figure"]) for figure in shown], fontsize=7)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlabel("standard deviation from take to take / stated standard uncertainty")
        axes.grid(visible=False, axis="y")
        legend(axes)
