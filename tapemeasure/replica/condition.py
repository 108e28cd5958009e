"""Settings of the machine that a conditioned recording path wants to be told."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import UsageError


def conditions_of(
    config: Mapping[str, Any], given: Mapping[str, float], *, where: Path
) -> tuple[dict[str, float], FloatArray]:
    """The conditions by name, and as the network hears them: ``(value - centre) / scale``.

    Raises
    ------
    UsageError
        If one is missing, unknown or not finite.
    """
    names = list(config["condition_names"])
    unknown = [name for name in given if name not in names]
    if unknown:
        known = f"it knows {', '.join(names)}" if names else "it was trained on one setting"
        raise UsageError(f"{where}: the model has no condition {unknown[0]}; {known}")
    missing = [name for name in names if name not in given]
    if missing:
        middle = config["condition_centres"][names.index(missing[0])]
        raise UsageError(f"{where}: the model needs {missing[0]}; give --set {missing[0]}={middle:g} or another value")
    for name, value in given.items():
        if not math.isfinite(value):
            raise UsageError(f"{name} is {value}; give a finite number")
    values = {name: float(given[name]) for name in names}
    heard = (np.array(list(values.values())) - config["condition_centres"]) / np.array(config["condition_scales"])
    return values, np.asarray(heard, dtype=np.float64)
