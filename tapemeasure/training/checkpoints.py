"""Checkpoints: everything that an interrupted training needs to go on as if it had never stopped."""

import hashlib
import io as stdio
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tapemeasure.errors import TrainingError
from tapemeasure.io import write_bytes
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, RecordedPair

VERSION = 3


@dataclass(frozen=True)
class Checkpoint:
    """State of a training between two epochs.

    Parameters
    ----------
    fingerprint : str
        Of the settings and the data; a checkpoint of other ones is not gone on with.
    model, best_model : dict
        Weights now, and those of the best epoch.
    average, correction : dict
        State of the running average of the weights, and of the delay's correction (empty where there is none).
    optimizer : dict
        State of the optimiser.
    steps : dict
        What the scheme itself remembers between two updates: the critics of the adversarial one.
    generator : Tensor
        State of the random generator that orders the segments.
    epochs : list of dict
        Record of every epoch.
    recoveries : int
        How often a non-finite value was recovered from.
    """

    fingerprint: str
    model: dict[str, Any]
    best_model: dict[str, Any]
    average: dict[str, Any]
    correction: dict[str, Any]
    optimizer: dict[str, Any]
    steps: dict[str, Any]
    generator: torch.Tensor
    epochs: list[dict[str, Any]]
    recoveries: int


def save_checkpoint(checkpoint: Checkpoint, path: Path | str) -> None:
    """Write a checkpoint atomically: a kill leaves the old one or the new one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    buffer = stdio.BytesIO()
    torch.save({"version": VERSION, **vars(checkpoint)}, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path | str) -> Checkpoint | None:
    """Read a checkpoint (weights and plain values only, nothing is executed); None if there is no such file.

    Raises
    ------
    TrainingError
        If the file is damaged, no checkpoint, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        return None
    advice = "delete it to train from the start"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content.pop("version")
        if version != VERSION:
            raise TrainingError(f"{path}: version {version} of the format, this program reads {VERSION}; {advice}")
        return Checkpoint(**content)
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        if isinstance(error, TrainingError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: not a checkpoint that can be read ({reason}); {advice}") from error


def fingerprint(
    params: TrainNonlinearityParams, training: Sequence[AlignedPair], validation: Sequence[AlignedPair]
) -> str:
    """SHA-256 of everything that decides the course of a training."""
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    for pair in (*training, *validation):
        digest.update(f"{pair.sample_rate} {len(pair.input)}".encode())
        digest.update(pair.input.tobytes())
        digest.update(pair.target.tobytes())
        digest.update(json.dumps(dict(pair.conditions), sort_keys=True).encode())
        if isinstance(pair, RecordedPair):
            digest.update(pair.delay_samples.tobytes())
    return digest.hexdigest()
