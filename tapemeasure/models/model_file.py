"""The file of a recording path: safetensors with its configuration and facts in the header; nothing is unpickled."""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tapemeasure.errors import TrainingError, UsageError
from tapemeasure.io import write_bytes
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig

FORMAT = "tapemeasure recording path"
VERSION = 2


def save_recording_path(model: RecordingPath, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a model as safetensors, with its configuration and `facts` (JSON values) in the header.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    header = {"format": FORMAT, "version": VERSION, "config": asdict(model.config), "facts": dict(facts or {})}
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, save(tensors, metadata={"tapemeasure": json.dumps(header, sort_keys=True)}))


def load_recording_path(path: Path | str) -> tuple[RecordingPath, dict[str, Any]]:
    """Read a model that `save_recording_path` wrote, and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no such model, of another version, truncated, or its weights do not fit its configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; train a model first")
    data = path.read_bytes()
    header = _header(data, where=path)
    try:
        config = RecordingPathConfig(**header["config"])
        model = RecordingPath(config)
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path}: damaged model file ({error}); train it again") from error
    _check_shapes(model, tensors, where=path)
    model.load_state_dict(tensors)
    model.eval()
    return model, header["facts"]


def _header(data: bytes, *, where: Path) -> dict[str, Any]:
    """The JSON that `save_recording_path` put into the file's header."""
    problem = f"{where}: not a model of this program"
    try:
        (length,) = struct.unpack("<Q", data[:8])
        outer = json.loads(data[8 : 8 + length])
        header: dict[str, Any] = json.loads(outer["__metadata__"]["tapemeasure"])
        found, version = header["format"], header["version"]
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{problem} (its header cannot be read); train it again") from error
    if found != FORMAT:
        raise TrainingError(f"{problem} (it holds a {found!r}); give a {FORMAT!r}")
    if version != VERSION:
        raise TrainingError(f"{where}: version {version} of the format, this program reads {VERSION}; train it again")
    return header


def _check_shapes(model: RecordingPath, tensors: Mapping[str, Tensor], *, where: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise TrainingError(
                f"{where}: weight {name} has the shape {found.get(name, 'none')}, hidden_size "
                f"{model.config.hidden_size} needs {expected.get(name, 'none')}; train it again"
            )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(f"{where}: weight {name} holds NaN or infinite values; train it again")
