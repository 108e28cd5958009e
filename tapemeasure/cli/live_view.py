"""What `tapemeasure live` shows: levels and load, on a screen of a terminal or as a line a second."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tapemeasure.devices.live_results import LiveStatus

FLOOR_DBFS = -60.0
BAR_CHARACTERS = 40
SCREEN_S, LINE_S = 0.25, 1.0
Show = Callable[["LiveStatus"], None]


@contextmanager
def live_view(title: str) -> Iterator[tuple[Show, float]]:
    """Give a function that takes a status, and how often it wants one, seconds; draws on stderr."""
    if not sys.stderr.isatty():
        yield lambda status: click.echo(status_line(status), err=True), LINE_S
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda status: live.update(Text("\n".join([title, *status_rows(status)])), refresh=True), SCREEN_S


def status_line(status: "LiveStatus") -> str:
    """A status as one line of text."""
    heard, played = (" ".join(map(_db, levels)) for levels in (status.input_peak_dbfs, status.output_peak_dbfs))
    return (
        f"{status.position_s:8.2f} s  in {heard}  out {played} dBFS peak  block {status.load_pct:.0f} % "
        f"(longest {status.longest_pct:.0f} %)  {status.xruns} xruns"
    )


def status_rows(status: "LiveStatus") -> list[str]:
    """A status as the rows of a screen: bars that follow the peaks, then load and xruns."""
    rows = []
    for label, levels in (("in", status.input_peak_dbfs), ("out", status.output_peak_dbfs)):
        for channel, level_dbfs in enumerate(levels):
            share = min(1.0, max(0.0, 1.0 - level_dbfs / FLOOR_DBFS))
            clipped = "  CLIPPED" if level_dbfs > 0.0 else ""
            bar = "█" * round(share * BAR_CHARACTERS)
            rows.append(f"{label:<4}{channel + 1}  {bar:<{BAR_CHARACTERS}} {_db(level_dbfs):>6} dBFS peak{clipped}")
    load = f"of a block: {status.load_pct:.0f} %, longest {status.longest_pct:.0f} %"
    rows.append(f"{status.position_s:.1f} s   {load}   {status.xruns} xruns   Ctrl-C ends")
    return rows


def _db(level_dbfs: float) -> str:
    return f"{level_dbfs:.1f}" if level_dbfs > -200.0 and math.isfinite(level_dbfs) else "-inf"
