"""What a meter saw: speed, wow and flutter, and azimuth over time, the speed's spectrum, the response."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tapemeasure.arrays import FloatArray
from tapemeasure.live.readings import Reading, Summary
from tapemeasure.plotting.canvas import (
    COLOURS,
    finite_limits,
    frequency_axis,
    line_style,
    percent_axis,
    picture,
    say_empty,
)

LOWEST_HZ, HIGHEST_HZ = 0.1, 300.0
DECADES = 4.0
NAMED_LINES = 6


def plot_meter(
    readings: Sequence[Reading], summary: Summary, path: Path, *, title: str = "", force: bool = False
) -> None:
    """Draw what a meter saw: speed error (%), weighted wow and flutter (%) over time, spectrum (% rms), response (dB).

    Parameters
    ----------
    readings : sequence of Reading
        One a second.
    summary : Summary
        What was found at the end.
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
    time_s = np.array([reading.time_s for reading in readings])
    with picture(path, title=title, force=force, width_in=9.0, height_in=6.0, n_rows=2, n_columns=2) as axes:
        speed, needle, spectrum, last = axes
        _over_time(speed, time_s, [("", _column(readings, lambda r: r.speed_pct))], unit="speed error / %", span=0.02)
        _over_time(
            needle,
            time_s,
            [
                (
                    "two-sigma, 5 s",
                    _column(readings, lambda r: None if r.needle is None else r.needle.weighted_2sigma_pct),
                ),
                ("quasi-peak", _column(readings, lambda r: None if r.needle is None else r.needle.quasi_peak_pct)),
            ],
            unit="weighted wow and flutter / %",
            span=0.01,
        )
        _spectrum(spectrum, summary)
        if len(summary.tones) > 1:
            _response(last, summary)
        else:
            channels = range(len(summary.levels.rms_dbfs))
            rows = [
                (f"channel {n + 1}", _column(readings, lambda r, n=n: r.levels.rms_dbfs[n]))  # type: ignore[misc]
                for n in channels
            ]
            _over_time(last, time_s, rows, unit="level / dBFS rms", span=1.0)


def _column(readings: Sequence[Reading], value: Callable[[Reading], float | None]) -> FloatArray:
    values = [value(reading) for reading in readings]
    return np.array([np.nan if number is None else number for number in values], dtype=np.float64)


def _over_time(
    axes: Axes, time_s: FloatArray, rows: Sequence[tuple[str, FloatArray]], *, unit: str, span: float
) -> None:
    axes.set_xlabel("time / s")
    axes.set_ylabel(unit)
    together = np.concatenate([row for _, row in rows]) if len(time_s) else np.zeros(0)
    limits = finite_limits(together, smallest_span=span)
    if limits is None:
        say_empty(axes)
        return
    for number, (label, row) in enumerate(rows):
        axes.plot(time_s, row, label=label, **line_style(number))
    axes.set_ylim(*limits)
    if rows[0][0]:
        axes.legend()


def _spectrum(axes: Axes, summary: Summary) -> None:
    axes.set_ylabel("speed deviation / % rms")
    frequency_axis(axes, low_hz=LOWEST_HZ, high_hz=HIGHEST_HZ)
    found = summary.spectrum
    if found is None or not np.any(found.deviation_pct > 0.0):
        say_empty(axes)
        return
    percent_axis(axes)
    shown = (found.deviation_pct > 0.0) & (found.frequency_hz <= HIGHEST_HZ)
    axes.plot(found.frequency_hz[shown], found.deviation_pct[shown], color=COLOURS[0], linewidth=1.0)
    top = float(np.max(found.deviation_pct[shown]))
    axes.set_ylim(top * 10.0**-DECADES, top * 4.0)
    for line in found.lines[:NAMED_LINES]:
        axes.annotate(
            f"{line.frequency_hz:.3g}",
            (line.frequency_hz, min(line.deviation_pct, top)),
            xytext=(0, 4),
            textcoords="offset points",
            rotation=90,
            fontsize=7,
            ha="center",
            va="bottom",
        )


def _response(axes: Axes, summary: Summary) -> None:
    frequency_axis(axes)
    axes.set_ylabel(f"response from {summary.reference_hz:g} Hz / dB")
    frequency = np.array([tone.nominal_hz for tone in summary.tones])
    levels = np.array([tone.response_db for tone in summary.tones])
    for channel, column in enumerate(levels.T):
        axes.plot(frequency, column, marker="o", markersize=4, label=f"channel {channel + 1}", **line_style(channel))
    limits = finite_limits(np.maximum(levels, -60.0).ravel(), smallest_span=6.0)
    if limits is not None:
        axes.set_ylim(*limits)
    axes.legend()
