"""Delay by diffusion: windows of whitened speed, each begun by the end of the one before, then delay and drift."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import TrainingError
from tapemeasure.generators.drift import Drift
from tapemeasure.generators.shaped_noise import ShapedNoise
from tapemeasure.model_file import ModelFile, read_model_file, write_model_file
from tapemeasure.models.outpainting import PaintedStream
from tapemeasure.models.unet1d import UNet1d, load_unet

FORMAT = "tapemeasure delay diffusion"
VERSION = 1

N_STEPS = 6


@dataclass(frozen=True)
class DiffusionDelay:
    """Delay whose whitened speed a diffusion model makes; follows `generators.base.DelayGenerator`.

    Parameters
    ----------
    network : UNet1d
        Trained with and without known points.
    context : int
        Points at the beginning of a window that are the end of the one before.
    taps : ndarray, shape (n_taps,)
        Filter from the model's signal to delay, seconds.
    drift : Drift
        Slow wander, below what the model makes.
    rate_hz : float
        Points per second.
    mean_delay_s : float
        Mean delay of the machine, seconds.
    n_steps : int
        Steps of the sampler for a window.
    """

    network: UNet1d
    context: int
    taps: FloatArray
    drift: Drift
    rate_hz: float
    mean_delay_s: float
    n_steps: int = N_STEPS

    def stream(self, generator: np.random.Generator) -> "DiffusionStream":
        """A new delay, other than all before, decided by the random generator."""
        return DiffusionStream(self, generator)


class DiffusionStream:
    """A running `DiffusionDelay`; how its points are asked for changes nothing."""

    def __init__(self, model: DiffusionDelay, generator: np.random.Generator) -> None:
        noise_generator, drift_generator = generator.spawn(2)
        self._drift = model.drift.stream(drift_generator, rate_hz=model.rate_hz)
        painted = PaintedStream(model.network, context=model.context, n_steps=model.n_steps, generator=noise_generator)
        self._wobble = ShapedNoise(
            model.taps[np.newaxis, np.newaxis],
            lambda n_points: painted.read(n_points)[np.newaxis],
            block_points=model.network.config.window - model.context,
        )

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds."""
        delay_s: FloatArray = self._wobble.read(n_points)[0].copy()
        return delay_s if self._drift is None else delay_s + self._drift.read(n_points)


def save_diffusion_delay(model: DiffusionDelay, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a diffusion model of delay as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    config = {
        "network": asdict(model.network.config),
        "context": model.context,
        "drift": asdict(model.drift),
        "rate_hz": model.rate_hz,
        "mean_delay_s": model.mean_delay_s,
        "n_steps": model.n_steps,
    }
    weights = {f"network.{name}": tensor.detach().cpu().numpy() for name, tensor in model.network.state_dict().items()}
    write_model_file(
        ModelFile(config, facts or {}, {"taps": model.taps, **weights}), path, format_name=FORMAT, version=VERSION
    )


def load_diffusion_delay(path: Path | str) -> tuple[DiffusionDelay, dict[str, Any]]:
    """Read a diffusion model of delay and its facts; nothing is unpickled.

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
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: damaged model of delay ({reason}); train it again") from error


def _built(content: ModelFile) -> DiffusionDelay:
    config = dict(content.config)
    network = load_unet(config["network"], content.tensors)
    taps = np.asarray(content.tensors["taps"], dtype=np.float64)
    if not np.isfinite(taps).all() or taps.ndim != 1:
        raise ValueError("a filter that is not finite, or of another shape")
    context, n_steps = int(config["context"]), int(config["n_steps"])
    if not 0 < context < network.config.window or n_steps < 1:
        raise ValueError(f"context of {context} points, {n_steps} steps")
    return DiffusionDelay(
        network,
        context,
        taps,
        Drift(**config["drift"]),
        float(config["rate_hz"]),
        float(config["mean_delay_s"]),
        n_steps,
    )
