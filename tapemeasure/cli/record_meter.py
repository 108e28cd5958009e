"""The meter of a running recording: level of each channel, time, lost samples."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tapemeasure.devices.stream import Status, Watch, no_watch

FLOOR_DBFS = -60.0
BAR_CHARACTERS = 24
HOLD = 10


@contextmanager
def meter(label: str) -> Iterator[Watch]:
    """Give a function that takes the `Status` of a recording; draws on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield no_watch
        return
    from rich.console import Console
    from rich.live import Live

    held: list[tuple[float, ...]] = []
    with Live(console=Console(stderr=True), transient=True, refresh_per_second=10) as live:

        def show(status: Status) -> None:
            held.append(status.peak_dbfs)
            del held[:-HOLD]
            live.update(meter_text(label, status, tuple(max(column) for column in zip(*held, strict=True))))

        yield show


def meter_text(label: str, status: Status, peak_dbfs: tuple[float, ...]) -> str:
    """The meter as lines of text.

    Examples
    --------
    >>> status = Status(position_s=61.0, total_s=90.0, peak_dbfs=(-12.0,), xruns=0, clipped_runs=0)
    >>> print(meter_text("take01", status, (-12.0,)))
    take01   1:01 elapsed, 0:29 remaining, 0 xruns, 0 clipped runs
      channel 1  -12.0 dBFS  ###################
    """
    left_s = max(0.0, status.total_s - status.position_s)
    lines = [
        f"{label}   {_clock(status.position_s)} elapsed, {_clock(left_s)} remaining, {status.xruns} xruns, "
        f"{status.clipped_runs} clipped runs"
    ]
    for channel, level in enumerate(peak_dbfs, start=1):
        share = min(1.0, max(0.0, 1.0 - level / FLOOR_DBFS))
        shown = f"{level:6.1f}" if level > -200.0 else "  -inf"
        lines.append(f"  channel {channel} {shown} dBFS  {'#' * round(share * BAR_CHARACTERS)}".rstrip())
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
