"""Generators of delay of every kind, by what their files say they are."""

from pathlib import Path
from typing import Any

from tapemeasure.generators.base import DelayGenerator
from tapemeasure.generators.store import DELAY_FORMAT, load_delay_generator
from tapemeasure.model_file import format_of


def load_any_delay(path: Path | str) -> tuple[DelayGenerator, dict[str, Any]]:
    """Read a generator of delay, a diffusion model or another, and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no generator of delay, of another version, or damaged.
    """
    if format_of(path) == DELAY_FORMAT:
        return load_delay_generator(path)
    # torch is loaded only by those who need it
    from tapemeasure.models.delay_diffusion import load_diffusion_delay

    return load_diffusion_delay(path)
