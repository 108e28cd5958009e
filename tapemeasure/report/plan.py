"""A picture that the results allow: its texts, the function that draws it, and its curves to look at closer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapemeasure.plotting import Curve
from tapemeasure.report.figures import number
from tapemeasure.report.gather import Values
from tapemeasure.report.words import hertz_text

Draw = Callable[[Path], None]


@dataclass(frozen=True)
class Axes:
    """What the axes of a picture are called, unit included, and whether they are logarithmic."""

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Plan:
    """A picture before it is drawn.

    Parameters
    ----------
    kind : str
        End of its file's name.
    heading, caption : str
        What it shows; its key numbers in a sentence, and how to read it.
    draw : callable
        Draws it into a file.
    axes, curves : Axes or None, sequence of Curve
        What the page can show enlarged; None where there is nothing to see closer.
    """

    kind: str
    heading: str
    caption: str
    draw: Draw
    axes: Axes | None = None
    curves: tuple[Curve, ...] = ()


OVER_FREQUENCY = "frequency / Hz"
RESPONSE_AXES = Axes(OVER_FREQUENCY, "response / dB", log_x=True)
SPEED_AXES = Axes("frequency of the speed deviation / Hz", "speed deviation / % per √Hz", log_x=True, log_y=True)
HISS_AXES = Axes(OVER_FREQUENCY, "level in a third octave / dBFS", log_x=True)
LOOP_AXES = Axes("input / full scale", "output / full scale")
DENSITY_AXES = Axes(OVER_FREQUENCY, "density / dBFS per Hz", log_x=True)


def curves_plan(
    kind: str, heading: str, caption: str, curves: Sequence[Curve], plot: Callable[..., None], axes: Axes
) -> Plan:
    """Plan of a picture that a function of `tapemeasure.plotting` draws from curves."""

    def draw(path: Path) -> None:
        plot(curves, path, force=True)

    return Plan(kind, heading, caption, draw, axes, tuple(curves))


def ordinal(order: int) -> str:
    """Order of a harmonic in words: 2nd, 3rd, 4th."""
    return f"{order}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(order, 'th') }"


def level_text(level_dbfs: float) -> str:
    """Level in dBFS with a true minus."""
    return f"{level_dbfs:g} dBFS".replace("-", "−")


def hertz_of(row: Values) -> str:
    """Frequency of a row in words."""
    return hertz_text(number(row, "frequency_hz") or 0.0)
