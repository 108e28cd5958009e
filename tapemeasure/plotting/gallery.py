"""One picture of a tape machine: loops over bias, distortion over level, response over speed, spectrum of the speed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from tapemeasure.plotting.canvas import COLOURS, frequency_axis, line_style, percent_axis, picture, say_empty
from tapemeasure.plotting.curves import Curve
from tapemeasure.plotting.machines import draw_speed_density

WIDTH_IN, HEIGHT_IN = 11.0, 8.2


@dataclass(frozen=True)
class Gallery:
    """What the four panels show.

    Parameters
    ----------
    loops : sequence of Curve
        Output against input, both full scale = 1.0; one closed loop a bias.
    distortion : sequence of Curve
        dBFS (peak) of the input, and per cent; one a frequency.
    published_distortion : sequence of Curve
        The same as dots, in the order of `distortion`.
    response : sequence of Curve
        Hz, and dB; one a tape speed.
    speed : sequence of Curve
        Hz, and per cent per root hertz; one a machine.
    """

    loops: Sequence[Curve]
    distortion: Sequence[Curve]
    published_distortion: Sequence[Curve]
    response: Sequence[Curve]
    speed: Sequence[Curve]


def plot_gallery(gallery: Gallery, path: Path, *, force: bool = False) -> None:
    """Draw the four panels into one picture.

    Parameters
    ----------
    gallery : Gallery
        All curves.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the name ends otherwise, or the file exists and `force` is false.
    OutputError
        If it cannot be written.
    """
    with picture(path, title="", force=force, width_in=WIDTH_IN, height_in=HEIGHT_IN, n_rows=2, n_columns=2) as (
        loops,
        distortion,
        response,
        speed,
    ):
        _draw_loops(loops, gallery.loops)
        _draw_distortion(distortion, gallery.distortion, gallery.published_distortion)
        _draw_response(response, gallery.response)
        draw_speed_density(speed, gallery.speed)
        speed.set_title("Spectrum of the speed deviation")
        # no picture-wide legend: every panel has curves of its own
        for axes in (loops, distortion, response, speed):
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="best")
            elif not axes.texts:
                say_empty(axes)


def _draw_loops(axes: Axes, curves: Sequence[Curve]) -> None:
    for index, curve in enumerate(curves):
        axes.plot(curve.x, curve.y, label=curve.label, **line_style(index))
    axes.set_title("Hysteresis loops over bias, 100 Hz at 0 dBFS")
    axes.set_xlabel("input / full scale")
    axes.set_ylabel("output / full scale")


def _draw_distortion(axes: Axes, curves: Sequence[Curve], dots: Sequence[Curve]) -> None:
    for index, curve in enumerate(curves):
        axes.plot(curve.x, curve.y, label=curve.label, **line_style(index))
    for index, curve in enumerate(dots):
        axes.plot(curve.x, curve.y, "o", color=COLOURS[index], markersize=6, label=curve.label)
    percent_axis(axes)
    axes.set_title("Distortion over level")
    axes.set_xlabel("level of the input / dBFS")
    axes.set_ylabel("total harmonic distortion / %")


def _draw_response(axes: Axes, curves: Sequence[Curve]) -> None:
    for index, curve in enumerate(curves):
        axes.plot(curve.x, curve.y, label=curve.label, **line_style(index))
    frequency_axis(axes)
    axes.set_ylim(-24.0, 6.0)
    axes.set_title("Response over tape speed, small signals")
    axes.set_ylabel("response relative to 1 kHz / dB")
