"""Generators of delay of every kind, by what their files say they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapemeasure.generators.base import DelayGenerator
from tapemeasure.generators.bootstrap import BootstrapDelay
from tapemeasure.generators.sinusoids import SinusoidDelay
from tapemeasure.generators.store import DELAY_FORMAT, load_delay_generator, save_delay_generator
from tapemeasure.model_file import format_of


def save_any_delay(model: DelayGenerator, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a generator of delay, a diffusion model or another, as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    TypeError
        If it is of no kind that has files.
    """
    if isinstance(model, SinusoidDelay | BootstrapDelay):
        save_delay_generator(model, path, facts=facts)
        return
    from tapemeasure.models.delay_diffusion import DiffusionDelay, save_diffusion_delay

    if not isinstance(model, DiffusionDelay):
        raise TypeError(f"{type(model).__name__} is no generator of delay that has files")
    save_diffusion_delay(model, path, facts=facts)


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
