"""The file of a recording path: its weights with its configuration and facts in the header; nothing is unpickled."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tapemeasure.errors import TrainingError
from tapemeasure.model_file import ModelFile, check_weights, read_model_file, write_model_file
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.replica.model import FORMAT, VERSION


def save_recording_path(model: RecordingPath, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a model as safetensors, with its configuration and `facts` (JSON values) in the header.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    content = ModelFile(asdict(model.config), facts or {}, tensors)
    write_model_file(content, path, format_name=FORMAT, version=VERSION)


def load_recording_path(path: Path | str) -> tuple[RecordingPath, dict[str, Any]]:
    """Read a model that `save_recording_path` wrote, and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no such model, of another version, truncated, or its weights do not fit its configuration.
    """
    content = read_model_file(path, format_name=FORMAT, version=VERSION)
    try:
        model = RecordingPath(RecordingPathConfig(**content.config))
        tensors = {name: np.asarray(tensor, dtype=np.float32) for name, tensor in content.tensors.items()}
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path}: damaged model file ({error}); train it again") from error
    check_weights(tensors, {name: tuple(value.shape) for name, value in model.state_dict().items()}, where=path)
    model.load_state_dict({name: torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()})
    model.eval()
    return model, dict(content.facts)
