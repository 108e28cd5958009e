"""The settings that can be fitted: their ranges, and the scale on which the search moves them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.params import TapeSettings


@dataclass(frozen=True)
class Knob:
    """A setting and the scale of the search.

    Parameters
    ----------
    lowest, highest : float
        Range of the setting, in its unit.
    scale : str
        ``linear``; ``root``: the search moves the square root; ``log``: the logarithm to base 10.
    step : float
        For the derivative, on the scale of the search.
    starts : tuple of float
        Values from which the search begins, in the setting's unit.
    loose : float
        Standard uncertainty from which on the setting counts as not identified, on the scale of the search.
    """

    lowest: float
    highest: float
    scale: str
    step: float
    starts: tuple[float, ...]
    loose: float

    def inside(self, value: float) -> float:
        """Setting on the scale of the search, brought into its range."""
        value = min(max(value, self.lowest), self.highest)
        return math.sqrt(value) if self.scale == "root" else math.log10(value) if self.scale == "log" else value

    def outside(self, inner: float) -> float:
        """The setting of a value of the search."""
        value = inner * inner if self.scale == "root" else 10.0**inner if self.scale == "log" else inner
        return min(max(value, self.lowest), self.highest)

    def sigma(self, inner: float, inner_sigma: float) -> float:
        """Standard uncertainty in the setting's unit: the larger way that one sigma leads, to the range's ends."""
        here = self.outside(inner)
        return max(
            abs(self.outside(inner + inner_sigma) - here), abs(here - self.outside(self._down(inner, inner_sigma)))
        )

    def _down(self, inner: float, inner_sigma: float) -> float:
        lower = inner - inner_sigma
        return max(lower, 0.0) if self.scale == "root" else lower


KNOBS: dict[str, Knob] = {
    "drive": Knob(0.0, 1.0, "linear", 0.002, (0.08, 0.25, 0.55, 0.9), 0.15),
    "saturation": Knob(0.0, 1.0, "linear", 0.002, (0.5,), 0.15),
    "bias": Knob(0.0, 1.0, "root", 0.002, (0.0, 0.1, 0.4, 0.85), 0.15),
    "input_gain_db": Knob(-40.0, 40.0, "linear", 0.02, (-18.0, -9.0, 0.0, 9.0, 18.0), 1.5),
    "spacing_um": Knob(0.01, 100.0, "log", 0.01, (0.5, 5.0), 0.15),
    "thickness_um": Knob(0.01, 100.0, "log", 0.01, (1.0, 10.0), 0.15),
    "gap_um": Knob(0.1, 100.0, "log", 0.01, (2.0,), 0.15),
}
"""By the name of the setting."""

MAGNETIC = ("drive", "saturation", "bias")
LOSSES = ("spacing_um", "thickness_um", "gap_um")


def check_names(names: Sequence[str]) -> None:
    """Raise ParameterError where a setting cannot be fitted, is named twice, or none is named."""
    wrong = [name for name in names if name not in KNOBS]
    if wrong or not names or len(set(names)) < len(names):
        told = f"{wrong[0]} cannot be fitted" if wrong else "name each setting once, and at least one"
        raise ParameterError(f"fit: {told}; there are {', '.join(KNOBS)}")


def vector_of(settings: TapeSettings, names: Sequence[str]) -> FloatArray:
    """Settings on the scales of the search, shape (n_names,)."""
    return np.array([KNOBS[name].inside(float(getattr(settings, name))) for name in names])


def settings_of(base: TapeSettings, names: Sequence[str], vector: FloatArray) -> TapeSettings:
    """Settings with the named ones as the search says; losses are switched on where one of them is fitted."""
    values = {name: KNOBS[name].outside(float(inner)) for name, inner in zip(names, vector, strict=True)}
    if any(name in LOSSES for name in names):
        values["loss"] = True
    return base.model_copy(update=values)


def bounds_of(names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest values on the scales of the search."""
    chosen = [KNOBS[name] for name in names]
    return np.array([k.inside(k.lowest) for k in chosen]), np.array([k.inside(k.highest) for k in chosen])
