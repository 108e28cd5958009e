"""Delay by diffusion: windows of whitened speed, each begun by the end of the one before, then delay and drift."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import TrainingError
from tapemeasure.generators.drift import Drift
from tapemeasure.model_file import ModelFile, read_model_file, write_model_file
from tapemeasure.models.samplers import heun_sample
from tapemeasure.models.threads import torch_threads
from tapemeasure.models.unet1d import UNet1d, UNet1dConfig

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
        self._model = model
        self._generator = noise_generator
        self._drift = model.drift.stream(drift_generator, rate_hz=model.rate_hz)
        window = model.network.config.window
        self._known = torch.zeros(1, window)
        self._is_known = torch.zeros(1, window)
        self._white = np.zeros(0)
        self._ready = np.zeros(0)

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds."""
        while len(self._ready) < n_points:
            self._ready = np.concatenate([self._ready, self._next_points()])
        delay_s, self._ready = self._ready[:n_points], self._ready[n_points:]
        # a filter that is given nothing loses its state
        return delay_s if self._drift is None or n_points == 0 else delay_s + self._drift.read(n_points)

    def _next_points(self) -> FloatArray:
        """Delay of one more window; the first call also makes what the filter needs before its first point."""
        from scipy.signal import oaconvolve

        past = len(self._model.taps) - 1
        self._white = np.concatenate([self._white, self._next_white()])
        while len(self._white) <= past:
            self._white = np.concatenate([self._white, self._next_white()])
        points = oaconvolve(self._white, self._model.taps, mode="valid")
        self._white = self._white[len(self._white) - past :]
        return np.asarray(points, dtype=np.float64)

    def _next_white(self) -> FloatArray:
        """The model's signal of one more window, without the points that it began with."""
        model = self._model
        noise = torch.from_numpy(self._generator.standard_normal(self._known.shape, dtype=np.float32))
        # small networks: a second thread costs more than it brings, and the last digits depend on it
        with torch_threads(1):
            window = heun_sample(model.network, noise, self._known, self._is_known, n_steps=model.n_steps)
        fresh = window[0, int(self._is_known.sum()) :].numpy().astype(np.float64)
        self._known = torch.zeros_like(window)
        self._known[:, : model.context] = window[:, window.shape[1] - model.context :]
        self._is_known[:, : model.context] = 1.0
        return fresh


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
    sizes = dict(config["network"])
    network = UNet1d(UNet1dConfig(**{**sizes, "channels": tuple(sizes["channels"])}))
    tensors = {name: torch.from_numpy(np.array(tensor)) for name, tensor in content.tensors.items()}
    taps = np.asarray(content.tensors["taps"], dtype=np.float64)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()) or taps.ndim != 1:
        raise ValueError("weights that are not finite, or a filter of another shape")
    network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items() if name != "taps"})
    network.eval()
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
