"""Pictures of what a machine does to levels: hysteresis loops, compression, intermodulation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.plotting.canvas import COLOURS, finite_limits, legend, line_style, percent_axis, picture, say_empty
from tapemeasure.plotting.curves import Curve, Look, drawn_style

LOOP_SIDE_IN = 4.6


@dataclass(frozen=True)
class _Bar:
    """One bar: what it is, its height and uncertainty in per cent, and whether the product was told at all."""

    label: str
    height_pct: float
    sigma_pct: float
    told: bool


def loop_curve(loop: Mapping[str, Any], *, look: Look | None = None, name: str = "") -> Curve:
    """A hysteresis loop, closed, as a curve: input and output as parts of full scale, named by frequency and level.

    Parameters
    ----------
    loop : mapping
        Values of `tapemeasure.analysis.loops.HysteresisLoop`.
    look : Look or None
        As in `Curve`.
    name : str
        Put before frequency and level.
    """
    played, heard = (np.asarray(loop[key], dtype=np.float64) for key in ("input", "output"))
    closed = np.arange(len(played) + 1) % len(played)
    label = f"{name} {loop['frequency_hz']:g} Hz, {loop['level_dbfs']:.0f} dBFS".strip()
    return Curve(label, played[closed], heard[closed], look=look)


def plot_loops(loops: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw hysteresis loops, input and output each as a part of full scale, one into the other.

    Parameters
    ----------
    loops : sequence of Curve
        As `loop_curve` gives them.
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
    with picture(path, title=title, force=force, width_in=LOOP_SIDE_IN, height_in=LOOP_SIDE_IN) as (axes,):
        for index, loop in enumerate(loops):
            axes.plot(loop.x, loop.y, **drawn_style(loop, index))
        axes.axhline(0.0, color="#555555", linewidth=0.6)
        axes.axvline(0.0, color="#555555", linewidth=0.6)
        axes.set_xlabel("input / full scale")
        axes.set_ylabel("output / full scale")
        if not loops:
            say_empty(axes)
        legend(axes)


def plot_compression(
    curves: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    limits: Sequence[Mapping[str, Any]] = (),
    title: str = "",
    force: bool = False,
) -> None:
    """Draw output against input level beside the straight line of small signals, and where a tape's limits lie.

    Parameters
    ----------
    curves : sequence of mapping
        Values of `tapemeasure.analysis.compression.CompressionCurve`, one a frequency.
    path, title, force
        As in `plot_loops`, with the same errors.
    limits : sequence of mapping
        Values of `tapemeasure.analysis.maximum_output.MaximumOutput`: levels of 3 % third harmonic and of saturation,
        marked on the curve of their frequency.
    """
    outputs = [np.asarray(curve["output_dbfs"], dtype=np.float64) for curve in curves]
    with picture(path, title=title, force=force) as (axes,):
        for index, (curve, output_dbfs) in enumerate(zip(curves, outputs, strict=True)):
            style = line_style(index)
            level_dbfs = np.asarray(curve["level_dbfs"], dtype=np.float64)
            axes.plot(
                level_dbfs, output_dbfs, marker="os^Dv"[index % 5], markersize=4,
                label=f"{curve['frequency_hz']:g} Hz", **style,
            )  # fmt: skip
            straight = level_dbfs + curve["small_signal_gain_db"]
            axes.plot(level_dbfs, straight, color=style["color"], linewidth=0.7, alpha=0.7)
        for limit in limits:
            place = (limit["input_dbfs"], limit["output_dbfs"])
            axes.plot(*place, marker="x", markersize=9, color=COLOURS[-1], linestyle="")
            name = "MOL3" if limit["kind"] == "mol3" else "SOL"
            axes.annotate(
                f"{name} {limit['output_dbfs']:.1f} dBFS", place,
                xytext=(-6, 8), textcoords="offset points", fontsize=9, ha="right",
            )  # fmt: skip
        axes.set_xlabel("level of the input / dBFS")
        axes.set_ylabel("level of the output / dBFS")
        together = np.concatenate([np.empty(0), *outputs])
        span = finite_limits(together, smallest_span=12.0)
        if span is None:
            say_empty(axes)
        else:
            axes.set_ylim(*span)
        legend(axes)


def plot_intermodulation(
    pairs: Sequence[Mapping[str, Any]], path: Path, *, title: str = "", force: bool = False
) -> None:
    """Draw second and third order intermodulation of every pair of tones, per cent, with their uncertainties.

    Parameters
    ----------
    pairs : sequence of mapping
        Values of `tapemeasure.analysis.intermodulation.Intermodulation`, one group of bars each; a product that
        noise hides is an empty bar as high as what noise alone reads.
    path, title, force
        As in `plot_loops`, with the same errors.
    """
    with picture(path, title=title, force=force) as (axes,):
        for offset, colour in ((-0.2, COLOURS[0]), (0.2, COLOURS[1])):
            for place, pair in enumerate(pairs):
                bar = _bar(pair, second=offset < 0.0)
                axes.bar(
                    place + offset, bar.height_pct, width=0.36, color=colour if bar.told else "none", edgecolor=colour,
                    yerr=bar.sigma_pct if bar.told else None, label=bar.label, capsize=3,
                )  # fmt: skip
        axes.set_xticks(range(len(pairs)), [f"{pair['lower_hz']:g} + {pair['upper_hz']:g} Hz" for pair in pairs])
        axes.set_ylabel("intermodulation / %")
        if pairs:
            percent_axis(axes)
        else:
            say_empty(axes)
        legend(axes)


def _bar(pair: Mapping[str, Any], *, second: bool) -> _Bar:
    order = "second" if second else "third"
    value_pct, sigma_pct = pair[f"{order}_order_pct"], pair[f"{order}_sigma_pct"]
    if value_pct is None:
        # a product above half the sample rate has no noise either
        return _Bar(f"{order} order: hidden in noise", np.nan if sigma_pct is None else sigma_pct, 0.0, told=False)
    # an error bar must not reach zero on a logarithmic axis
    return _Bar(f"{order} order", value_pct, min(sigma_pct, 0.9 * value_pct), told=True)
