"""Pictures to look at closer: their curves as JSON, and the plotting script that draws them when it is asked to.

The script is plotly's own, as its package ships it. It lies in the page as packed text, is unpacked when the first
picture is enlarged, and costs nothing before.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.plotting import Curve
from tapemeasure.plotting.canvas import COLOURS, DASHES
from tapemeasure.report.pictures import Picture

MOST_POINTS = 60_000
"""More are drawn by the lowest and the highest of every stretch."""

FEW_POINTS = 3_000
DIGITS = 5
STEPS = 32_000
DASH_NAMES = dict(zip(DASHES, ("solid", "dash", "dashdot", "dot"), strict=True))


@dataclass(frozen=True)
class PlotScript:
    """The plotting script: packed (gzip, base64), and the CSP hash of what it unpacks to."""

    packed: str
    csp_hash: str


@cache
def plot_script() -> PlotScript:
    """Plotly's script, the same bytes every time."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    packed = base64.b64encode(gzip.compress(script, mtime=0)).decode("ascii")
    return PlotScript(packed, csp_hash(script))


def csp_hash(script: bytes) -> str:
    """Source expression that lets a page run exactly this script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode('ascii')}'"


def zoom_json(picture: Picture) -> str | None:
    """Curves of a picture as JSON that is safe within a script element; None where there is nothing to enlarge."""
    curves = [curve for curve in picture.curves if np.isfinite(curve.y).any()]
    if picture.axes is None or not curves:
        return None
    axes = picture.axes
    values = {
        "title": picture.heading,
        "x": {"label": axes.x, "log": axes.log_x},
        "y": {"label": axes.y, "log": axes.log_y},
        "curves": [_curve(curve, index) for index, curve in enumerate(curves)],
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _curve(curve: Curve, index: int) -> dict[str, object]:
    chosen = curve.look_at(index)
    look = {
        "name": curve.label,
        "colour": COLOURS[chosen.colour % len(COLOURS)],
        "dash": DASH_NAMES[DASHES[chosen.dash % len(DASHES)]],
    }
    if len(curve.x) > FEW_POINTS and _is_uniform(curve.x):
        return {**look, **_packed(curve)}
    x, y = thinned(curve.x, curve.y, most_points=FEW_POINTS)
    values: dict[str, object] = {**look, "x": _numbers(x), "y": _numbers(y)}
    if curve.sigma is not None and len(x) == len(curve.x):
        values["sigma"] = _numbers(curve.sigma)
    return values


def _is_uniform(x: FloatArray) -> bool:
    return bool(np.allclose(np.diff(x), x[1] - x[0], rtol=1e-3, atol=0.0))


def _packed(curve: Curve) -> dict[str, object]:
    """A long curve on a uniform abscissa: 16-bit steps, the lowest number for a gap."""
    x, y = thinned(curve.x, curve.y, most_points=MOST_POINTS)
    step = float(np.nanmax(np.abs(y))) / STEPS or 1.0
    steps = np.where(np.isfinite(y), np.round(np.nan_to_num(y) / step), -STEPS - 1).astype("<i2")
    # of thinned curves two points share an abscissa on average
    spacing = float(x[-1] - x[0]) / (len(x) - 1)
    data = base64.b64encode(steps.tobytes()).decode("ascii")
    return {"start": float(x[0]), "spacing": spacing, "step": step, "gap": -STEPS - 1, "steps": data}


def thinned(x: FloatArray, y: FloatArray, *, most_points: int) -> tuple[FloatArray, FloatArray]:
    """At most so many points: of every stretch the lowest and the highest, one behind the other.

    Examples
    --------
    >>> x, y = thinned(np.arange(8.0), np.array([0, 9, 1, 2, 3, -5, 4, 4.0]), most_points=4)
    >>> y.tolist()
    [0.0, 9.0, -5.0, 4.0]
    """
    if len(x) <= most_points:
        return x, y
    stretch = -(-2 * len(x) // most_points)
    starts = np.arange(0, len(x), stretch)
    lowest, highest = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    middle = x[np.minimum(starts + stretch // 2, len(x) - 1)]
    return np.column_stack([x[starts], middle]).ravel(), np.column_stack([lowest, highest]).ravel()


def _numbers(values: FloatArray) -> list[float | None]:
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in values]


def zoom_all(pictures: Sequence[Picture]) -> dict[str, str]:
    """JSON of every picture that can be enlarged, by the name of its file."""
    found = {picture.path.name: zoom_json(picture) for picture in pictures}
    return {name: text for name, text in found.items() if text is not None}
