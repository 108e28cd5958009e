"""Model files: safetensors, with what the tensors mean in the header; no torch is needed, nothing is unpickled."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tapemeasure.errors import TrainingError, UsageError
from tapemeasure.io import write_bytes

HEADER_KEY = "tapemeasure"
LONGEST_HEADER = 10_000_000


@dataclass(frozen=True)
class ModelFile:
    """Content of a model file.

    Parameters
    ----------
    config : mapping
        What the model is built from, plain values.
    facts : mapping
        What its training tells of it, plain values.
    tensors : mapping of str to ndarray
        Its weights.
    """

    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    tensors: Mapping[str, npt.NDArray[Any]]


def write_model_file(content: ModelFile, path: Path | str, *, format_name: str, version: int) -> None:
    """Write a model, atomically; equal contents give equal bytes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from safetensors.numpy import save

    header = {"format": format_name, "version": version, "config": dict(content.config), "facts": dict(content.facts)}
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in content.tensors.items()}
    write_bytes(path, save(tensors, metadata={HEADER_KEY: json.dumps(header, sort_keys=True)}))


def read_model_file(path: Path | str, *, format_name: str, version: int) -> ModelFile:
    """Read a model that `write_model_file` wrote; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no model of this format and version, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; train a model first")
    data = path.read_bytes()
    header = _header(data, format_name=format_name, version=version, where=path)
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: damaged model file ({error}); train it again") from error
    return ModelFile(header["config"], header["facts"], tensors)


def check_weights(
    tensors: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, tuple[int, ...]], *, where: Path | str
) -> None:
    """Refuse weights that a configuration does not fit, or that are not numbers.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        What was read.
    expected : mapping of str to tuple
        Shape of every weight.
    where : path
        The file, for the message.

    Raises
    ------
    TrainingError
        If a weight is missing, unknown, of another shape or not finite.
    """
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise TrainingError(
                f"{where}: weight {name} has the shape {found.get(name, 'none')}, its configuration needs "
                f"{expected.get(name, 'none')}; train it again"
            )
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise TrainingError(f"{where}: weight {name} holds NaN or infinite values; train it again")


def format_of(path: Path | str) -> str:
    """Name of the format that a model file is written in; errors as in `facts_of`."""
    return str(_told_by(path)["format"])


def facts_of(path: Path | str) -> dict[str, Any]:
    """What the training of a model file tells of it; nothing of its weights is read.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no model file of this program.
    """
    return dict(_told_by(path)["facts"])


def _told_by(path: Path | str) -> dict[str, Any]:
    """Header of a model file."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; train a model first")
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        data = start + file.read(min(length, LONGEST_HEADER))
    try:
        header: dict[str, Any] = json.loads(json.loads(data[8:])["__metadata__"][HEADER_KEY])
        if not (isinstance(header["format"], str) and isinstance(header["facts"], dict)):
            raise TypeError("format or facts are of another type")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrainingError(f"{path}: not a model of this program (its header cannot be read)") from error
    return header


def _header(data: bytes, *, format_name: str, version: int, where: Path) -> dict[str, Any]:
    problem = f"{where}: not a model of this program"
    try:
        (length,) = struct.unpack("<Q", data[:8])
        outer = json.loads(data[8 : 8 + length])
        header: dict[str, Any] = json.loads(outer["__metadata__"][HEADER_KEY])
        found, found_version = header["format"], header["version"]
        plain = isinstance(header["config"], dict) and isinstance(header["facts"], dict)
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrainingError(f"{problem} (its header cannot be read); train it again") from error
    if found != format_name or not plain:
        raise TrainingError(f"{problem} (it holds a {found!r}); give a {format_name!r}")
    if found_version != version:
        raise TrainingError(
            f"{where}: version {found_version} of the format, this program reads {version}; train it again"
        )
    return header
