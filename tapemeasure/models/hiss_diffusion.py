"""Hiss by diffusion: what is left of a hiss when its spectra are taken off is painted window after window."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import TrainingError
from tapemeasure.generators.hiss import HissModel, HissStream
from tapemeasure.generators.store import hiss_model_of, tensors_of_hiss
from tapemeasure.model_file import ModelFile, read_model_file, write_model_file
from tapemeasure.models.outpainting import PaintedStream
from tapemeasure.models.unet1d import UNet1d, load_unet

FORMAT = "tapemeasure hiss diffusion"
VERSION = 1

N_STEPS = 4


@dataclass(frozen=True)
class DiffusionHiss:
    """Hiss whose noises a diffusion model makes; follows `generators.base.HissGenerator`.

    Parameters
    ----------
    noise : HissModel
        Filters from noises of power 1 to the channels, and the hum; by itself it is filtered Gaussian noise.
    network : UNet1d
        Trained with and without known points; the channels are interleaved in its windows.
    context : int
        Points at the beginning of a window that are the end of the one before; a multiple of the channels.
    n_steps : int
        Steps of the sampler for a window.
    """

    noise: HissModel
    network: UNet1d
    context: int
    n_steps: int = N_STEPS

    @property
    def n_channels(self) -> int:
        """Channels."""
        return self.noise.n_channels

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.noise.sample_rate

    def stream(self, generator: np.random.Generator) -> HissStream:
        """A new hiss, other than all before, decided by the random generator."""
        paint_generator, generator = generator.spawn(2)
        painted = PaintedStream(self.network, context=self.context, n_steps=self.n_steps, generator=paint_generator)

        def white(n_points: int) -> FloatArray:
            return painted.read(n_points * self.n_channels).reshape(n_points, self.n_channels).T

        return HissStream(self.noise, generator, white=white)


def save_diffusion_hiss(model: DiffusionHiss, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a diffusion model of hiss as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    config = {
        "network": asdict(model.network.config),
        "context": model.context,
        "n_steps": model.n_steps,
        "sample_rate": model.noise.sample_rate,
        "measured_s": model.noise.measured_s,
    }
    weights = {f"network.{name}": tensor.detach().cpu().numpy() for name, tensor in model.network.state_dict().items()}
    tensors = {**tensors_of_hiss(model.noise), **weights}
    write_model_file(ModelFile(config, facts or {}, tensors), path, format_name=FORMAT, version=VERSION)


def load_diffusion_hiss(path: Path | str) -> tuple[DiffusionHiss, dict[str, Any]]:
    """Read a diffusion model of hiss and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no such model, of another version, or damaged.
    """
    content = read_model_file(path, format_name=FORMAT, version=VERSION)
    try:
        return _built(content), dict(content.facts)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: damaged model of hiss ({reason}); train it again") from error


def _built(content: ModelFile) -> DiffusionHiss:
    noise = hiss_model_of(content)
    network = load_unet(content.config["network"], content.tensors)
    context, n_steps = int(content.config["context"]), int(content.config["n_steps"])
    if not 0 < context < network.config.window or context % noise.n_channels or n_steps < 1:
        raise ValueError(f"context of {context} points, {n_steps} steps")
    if network.config.window % noise.n_channels:
        raise ValueError(f"windows of {network.config.window} points for {noise.n_channels} channels")
    return DiffusionHiss(noise, network, context, n_steps)
