"""Generators of hiss of every kind, by what their files say they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapemeasure.generators.base import HissGenerator
from tapemeasure.generators.hiss import HissModel
from tapemeasure.generators.store import HISS_FORMAT, load_hiss_generator, save_hiss_generator
from tapemeasure.model_file import format_of


def save_any_hiss(model: HissGenerator, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a generator of hiss, a diffusion model or another, as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    TypeError
        If it is of no kind that has files.
    """
    if isinstance(model, HissModel):
        save_hiss_generator(model, path, facts=facts)
        return
    from tapemeasure.models.hiss_diffusion import DiffusionHiss, save_diffusion_hiss

    if not isinstance(model, DiffusionHiss):
        raise TypeError(f"{type(model).__name__} is no generator of hiss that has files")
    save_diffusion_hiss(model, path, facts=facts)


def load_any_hiss(path: Path | str) -> tuple[HissGenerator, dict[str, Any]]:
    """Read a generator of hiss, a diffusion model or another, and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no generator of hiss, of another version, or damaged.
    """
    if format_of(path) == HISS_FORMAT:
        return load_hiss_generator(path)
    # torch is loaded only by those who need it
    from tapemeasure.models.hiss_diffusion import load_diffusion_hiss

    return load_diffusion_hiss(path)
