"""Generators as files: what `train_delay` and `train_hiss` learned, for those who play it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tapemeasure.errors import TrainingError
from tapemeasure.generators.bootstrap import BootstrapDelay
from tapemeasure.generators.drift import Drift
from tapemeasure.generators.hiss import HissModel, HumLine
from tapemeasure.generators.lines import SpeedLine
from tapemeasure.generators.sinusoids import SinusoidDelay
from tapemeasure.model_file import ModelFile, read_model_file, write_model_file

DELAY_FORMAT, HISS_FORMAT = "tapemeasure delay generator", "tapemeasure hiss generator"
VERSION = 1

DELAY_FILE, HISS_FILE = "delay.safetensors", "hiss.safetensors"
"""The generators that were kept; those of a named kind lie beside them."""


def generator_file_name(kind: str, name: str | None = None) -> str:
    """File of a generator of the kind ``delay`` or ``hiss``: the kept one, or the one that is called `name`.

    Examples
    --------
    >>> generator_file_name("delay"), generator_file_name("hiss", "diffusion")
    ('delay.safetensors', 'hiss_diffusion.safetensors')
    """
    return f"{kind}.safetensors" if name is None else f"{kind}_{name}.safetensors"


def save_delay_generator(
    model: SinusoidDelay | BootstrapDelay, path: Path | str, *, facts: Mapping[str, Any] | None = None
) -> None:
    """Write a generator of delay as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    config: dict[str, Any] = {
        "rate_hz": model.rate_hz,
        "mean_delay_s": model.mean_delay_s,
        "drift": asdict(model.drift),
    }
    if isinstance(model, SinusoidDelay):
        config["kind"] = "sinusoids"
        lines = np.array([(line.frequency_hz, line.amplitude) for line in model.lines], dtype=np.float64)
        tensors: dict[str, npt.NDArray[Any]] = {"taps": model.taps, "lines": lines.reshape(-1, 2)}
    else:
        config |= {"kind": "bootstrap", "block_s": model.block_s if np.isfinite(model.block_s) else None}
        lengths = np.array([len(speed) for speed in model.speeds], dtype=np.int64)
        tensors = {"speeds": np.concatenate(model.speeds), "lengths": lengths}
    write_model_file(ModelFile(config, facts or {}, tensors), path, format_name=DELAY_FORMAT, version=VERSION)


def load_delay_generator(path: Path | str) -> tuple[SinusoidDelay | BootstrapDelay, dict[str, Any]]:
    """Read a generator of delay and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no generator of delay, of another version, or damaged.
    """
    content = read_model_file(path, format_name=DELAY_FORMAT, version=VERSION)
    return _built(_delay_of, content, where=path), dict(content.facts)


def _delay_of(content: ModelFile) -> SinusoidDelay | BootstrapDelay:
    config, tensors = content.config, content.tensors
    drift = Drift(**config["drift"])
    rate_hz, mean_delay_s = float(config["rate_hz"]), float(config["mean_delay_s"])
    if config["kind"] == "sinusoids":
        lines = tuple(SpeedLine(float(frequency_hz), float(amplitude)) for frequency_hz, amplitude in tensors["lines"])
        return SinusoidDelay(lines, np.asarray(tensors["taps"], dtype=np.float64), drift, rate_hz, mean_delay_s)
    if config["kind"] == "bootstrap":
        block_s = np.inf if config["block_s"] is None else float(config["block_s"])
        speeds = tuple(np.split(tensors["speeds"], np.cumsum(tensors["lengths"])[:-1]))
        return BootstrapDelay(speeds, block_s, drift, rate_hz, mean_delay_s)
    raise ValueError(f"unknown kind {config['kind']!r}")


def save_hiss_generator(model: HissModel, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a generator of hiss as safetensors.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    config = {"sample_rate": model.sample_rate, "measured_s": model.measured_s}
    content = ModelFile(config, facts or {}, tensors_of_hiss(model))
    write_model_file(content, path, format_name=HISS_FORMAT, version=VERSION)


def tensors_of_hiss(model: HissModel) -> dict[str, npt.NDArray[Any]]:
    """Filters and hum of a model, as `hiss_model_of` wants them."""
    amplitudes = np.array([line.amplitudes for line in model.hum], dtype=np.complex128)
    return {
        "taps": model.taps,
        "hum_hz": np.array([line.frequency_hz for line in model.hum], dtype=np.float64),
        "hum_real": amplitudes.real.reshape(len(model.hum), model.n_channels),
        "hum_imag": amplitudes.imag.reshape(len(model.hum), model.n_channels),
    }


def load_hiss_generator(path: Path | str) -> tuple[HissModel, dict[str, Any]]:
    """Read a generator of hiss and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no generator of hiss, of another version, or damaged.
    """
    content = read_model_file(path, format_name=HISS_FORMAT, version=VERSION)
    return _built(hiss_model_of, content, where=path), dict(content.facts)


def hiss_model_of(content: ModelFile) -> HissModel:
    """Filters and hum in a file's content.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are missing or do not fit together.
    """
    tensors = content.tensors
    amplitudes = tensors["hum_real"] + 1j * tensors["hum_imag"]
    hum = tuple(HumLine(float(hz), row) for hz, row in zip(tensors["hum_hz"], amplitudes, strict=True))
    taps = np.asarray(tensors["taps"], dtype=np.float64)
    if taps.ndim != 3 or amplitudes.shape[1:] != taps.shape[:1]:
        raise ValueError(f"filters of shape {taps.shape}, hum of shape {amplitudes.shape}")
    return HissModel(taps, hum, int(content.config["sample_rate"]), float(content.config["measured_s"]))


Model = TypeVar("Model")


def _built(build: Callable[[ModelFile], Model], content: ModelFile, *, where: Path | str) -> Model:
    try:
        return build(content)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise TrainingError(f"{where}: damaged generator ({error}); train it again") from error
