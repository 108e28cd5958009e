"""What all pictures share: size, colours, axes of frequency and level, and the one way to a file.

Colours are Okabe and Ito's set, which people with colour-blindness tell apart; curves differ in dashes as well.
Equal results give equal bytes: SVG ids come from a fixed salt and no file carries a date.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import UsageError
from tapemeasure.io import refuse_overwrite, write_bytes

ENDINGS = (".png", ".svg", ".pdf")
WIDTH_IN = 5.6
HEIGHT_IN = 3.5
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#5B4EA8", "#555555")
DASHES = ("-", "--", "-.", ":")
SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.which": "both",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica", "sans-serif"],
    "font.size": 10,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "svg.hashsalt": "tapemeasure",
}
_COORDINATES = re.compile(rb'\b(?:d|x|y|transform)="[^"]*"')
_LONG_NUMBER = re.compile(rb"(\.\d\d)\d+")
_DATELESS: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}


@contextmanager
def picture(
    path: Path | str,
    *,
    title: str,
    force: bool,
    width_in: float = WIDTH_IN,
    height_in: float = HEIGHT_IN,
    n_rows: int = 1,
    n_columns: int = 1,
) -> Iterator[list[Axes]]:
    """Axes to draw on, row by row; the file is written when the block ends without an error.

    Raises
    ------
    UsageError
        If the name does not end in .png, .svg or .pdf, or the file exists and `force` is false; before any drawing.
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise UsageError(f"{path}: a picture ends in .png, .svg or .pdf, not in {suffix!r}; change the name's ending")
    refuse_overwrite(path, force=force)
    # no pyplot: a Figure of one's own leaves nothing open behind it
    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]  # the stub wants literal keys
        figure = Figure(figsize=(width_in, height_in), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)
        if title:
            axes[0].set_title(title)
        yield axes
        # through memory: the writer of PDF hides a full disk behind an error of its own
        drawn = BytesIO()
        figure.savefig(drawn, format=suffix[1:], metadata=_DATELESS[suffix])
        write_bytes(path, _trimmed(drawn.getvalue()) if suffix == ".svg" else drawn.getvalue(), force=force)


def _trimmed(svg: bytes) -> bytes:
    """The drawing with coordinates to a hundredth of a point: a third smaller, and no different to the eye."""
    return _COORDINATES.sub(lambda found: _LONG_NUMBER.sub(rb"\1", found[0]), svg)


def line_style(index: int, dash: int | None = None) -> dict[str, Any]:
    """Colour and dashes of the curve with this index; a number of its own for the dashes where one is given."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[(index if dash is None else dash) % len(DASHES)],
    }


def frequency_axis(axes: Axes, *, low_hz: float = 20.0, high_hz: float = 20000.0) -> None:
    """Make the abscissa logarithmic in Hz, ticks at 1, 2, 5 of each decade."""
    axes.set_xscale("log")
    axes.set_xlim(low_hz, high_hz)
    decades = 10.0 ** np.arange(-3, 6)
    ticks = np.sort(np.concatenate([decades, 2 * decades, 5 * decades]))
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low_hz <= tick <= high_hz]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("frequency / Hz")


def percent_axis(axes: Axes) -> None:
    """Make the ordinate logarithmic with plain numbers (0.1, 1, 10) as ticks."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def finite_limits(values: FloatArray, *, smallest_span: float, margin: float = 0.08) -> tuple[float, float] | None:
    """Limits of an axis that holds all finite values, at least `smallest_span` apart; None without any."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return None
    low, high = float(finite.min()), float(finite.max())
    missing = max(0.0, smallest_span - (high - low)) / 2
    room = margin * max(high - low, smallest_span)
    return low - missing - room, high + missing + room


def say_empty(axes: Axes, text: str = "not measured") -> None:
    """Write into axes that have nothing to show why they are empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")


def legend(axes: Axes) -> None:
    """Write the legend above the picture, where it hides no data, if a curve has a name; each name once."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure = axes.get_figure(root=True)
    if unique and figure is not None:
        columns = 5 if sum(map(len, unique)) < 40 else 3
        # a narrow picture would cut long names off
        columns = min(columns, 2) if figure.get_figwidth() < WIDTH_IN and max(map(len, unique)) > 12 else columns
        figure.legend(list(unique.values()), list(unique), loc="outside upper right", ncols=columns, handlelength=2.4)
