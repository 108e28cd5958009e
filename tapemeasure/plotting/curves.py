"""Curves against frequency or against level: response, harmonics, distortion, gain, noise spectra."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tapemeasure.arrays import FloatArray
from tapemeasure.plotting.canvas import (
    finite_limits,
    frequency_axis,
    legend,
    line_style,
    percent_axis,
    picture,
    say_empty,
)

DEEPEST_DB = 120.0


@dataclass(frozen=True)
class Look:
    """How a curve looks that does not take the colour of its place.

    Parameters
    ----------
    colour, dash : int
        Numbers in `tapemeasure.plotting.canvas.COLOURS` and ``DASHES``.
    in_legend : bool
        Whether the legend of a drawing names it; enlarged, every curve is named.
    """

    colour: int
    dash: int
    in_legend: bool = True


@dataclass(frozen=True)
class Curve:
    """One named curve; points that are not finite are gaps.

    Parameters
    ----------
    label : str
        Its name in the legend; empty for none.
    x, y : ndarray, shape (n_points,)
        Units are those of the picture that draws it.
    sigma : ndarray, shape (n_points,), or None
        Standard uncertainty of y, drawn as a band of one sigma to each side.
    look : Look or None
        Colour and dashes; None for those of its place among the curves.
    """

    label: str
    x: FloatArray
    y: FloatArray
    sigma: FloatArray | None = None
    look: Look | None = None

    def look_at(self, place: int) -> Look:
        """Its own look, else that of its place among the curves."""
        return Look(place, place) if self.look is None else self.look


def drawn_style(curve: Curve, place: int) -> dict[str, Any]:
    """Arguments that draw a curve at its place: colour, dashes, and its name where the legend has it."""
    look = curve.look_at(place)
    return {**line_style(look.colour, look.dash), "label": curve.label if look.in_legend else "_nolegend_"}


def plot_response(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw frequency responses.

    Parameters
    ----------
    curves : sequence of Curve
        Hz and dB; one a level or a channel.
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
        draw_against_frequency(axes, curves)
        axes.set_ylabel("response / dB")
        _limit_db(axes, [curve.y[(curve.x >= 30.0) & (curve.x <= 16000.0)] for curve in curves], smallest_span=6.0)


def plot_harmonic_levels(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw a response and its harmonics, all relative to the input, against the frequency of the fundamental.

    Parameters
    ----------
    curves : sequence of Curve
        Hz of the fundamental, and dB relative to the input.
    path, title, force
        As in `plot_response`, with the same errors.
    """
    _plot_harmonics(curves, path, label="level / dB relative to the input", title=title, force=force)


def plot_harmonics(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw harmonics against the frequency of their fundamental.

    Parameters
    ----------
    curves : sequence of Curve
        Hz of the fundamental, and dB relative to it; one an order.
    path, title, force
        As in `plot_response`, with the same errors.
    """
    _plot_harmonics(curves, path, label="harmonic / dB re fundamental", title=title, force=force)


def plot_spectrum(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw power spectral densities: hiss, hum, residuals.

    Parameters
    ----------
    curves : sequence of Curve
        Hz, and dBFS per Hz (rms, full scale = 1.0 rms).
    path, title, force
        As in `plot_response`, with the same errors.
    """
    with picture(path, title=title, force=force) as (axes,):
        draw_against_frequency(axes, curves)
        axes.set_ylabel("density / dBFS per Hz")
        _limit_db(axes, [curve.y[(curve.x >= 20.0) & (curve.x <= 20000.0)] for curve in curves], smallest_span=20.0)


def plot_thd_against_level(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw total harmonic distortion against the level of the input.

    Parameters
    ----------
    curves : sequence of Curve
        dBFS (peak) of the input, and per cent; one a frequency.
    path, title, force
        As in `plot_response`, with the same errors.
    """
    with picture(path, title=title, force=force) as (axes,):
        if _draw_against_level(axes, curves, positive=True):
            percent_axis(axes)
        axes.set_ylabel("total harmonic distortion / %")


def plot_gain_against_level(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw the gain of the fundamental against the level of the input: where it bends, the tape compresses.

    Parameters
    ----------
    curves : sequence of Curve
        dBFS (peak) of the input, and dB; one a frequency.
    path, title, force
        As in `plot_response`, with the same errors.
    """
    with picture(path, title=title, force=force) as (axes,):
        _draw_against_level(axes, curves, positive=False)
        axes.set_ylabel("gain / dB")
        _limit_db(axes, [curve.y for curve in curves], smallest_span=6.0)


def _plot_harmonics(curves: Sequence[Curve], path: Path, *, label: str, title: str, force: bool) -> None:
    with picture(path, title=title, force=force) as (axes,):
        draw_against_frequency(axes, curves)
        axes.set_ylabel(label)
        axes.set_xlabel("frequency of the fundamental / Hz")
        _limit_db(axes, [curve.y for curve in curves], smallest_span=20.0)


def draw_against_frequency(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw curves with their bands of uncertainty over a logarithmic axis of frequency, and the legend."""
    for index, curve in enumerate(curves):
        inside = curve.x > 0.0
        frequency_hz, values, style = curve.x[inside], _gaps(curve.y[inside]), drawn_style(curve, index)
        if curve.sigma is not None:
            sigma = _gaps(curve.sigma[inside])
            axes.fill_between(
                frequency_hz, values - sigma, values + sigma, color=style["color"], alpha=0.25, linewidth=0
            )
        axes.plot(frequency_hz, values, **style)
    frequency_axis(axes)
    if not _any_finite(curves):
        say_empty(axes)
    legend(axes)


def _draw_against_level(axes: Axes, curves: Sequence[Curve], *, positive: bool) -> bool:
    """Draw the curves with a mark at every point; tell whether there was one."""
    for index, curve in enumerate(curves):
        values = _gaps(curve.y)
        if positive:
            values = np.where(values > 0.0, values, np.nan)
        axes.plot(curve.x, values, marker="os^Dv"[index % 5], markersize=4, **drawn_style(curve, index))
    axes.set_xlabel("level of the input / dBFS")
    drawn = _any_finite(curves)
    if not drawn:
        say_empty(axes)
    legend(axes)
    return drawn


def _gaps(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)


def _any_finite(curves: Sequence[Curve]) -> bool:
    return any(bool(np.isfinite(curve.y).any()) for curve in curves)


def _limit_db(axes: Axes, values: Sequence[FloatArray], *, smallest_span: float) -> None:
    """Fit the ordinate to the values, but show no more than 120 dB below the highest."""
    together = np.concatenate([np.empty(0), *values])
    together = together[np.isfinite(together)]
    if together.size == 0:
        return
    limits = finite_limits(together[together >= together.max() - DEEPEST_DB], smallest_span=smallest_span)
    if limits is not None:
        axes.set_ylim(*limits)
