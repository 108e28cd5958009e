"""Checkpoints: everything that an interrupted training needs to go on as if it had never stopped."""

import hashlib
import io as stdio
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tapemeasure.errors import OutputError, TrainingError
from tapemeasure.io import write_bytes
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, RecordedPair

VERSION = 4
MAGIC = b"tapemeasure checkpoint"


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
    """Write a checkpoint; the one that was there stays beside it as ``<name>.previous``.

    A kill at any moment leaves at least one whole checkpoint under one of the two names.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    buffer = stdio.BytesIO()
    torch.save(vars(checkpoint), buffer)
    content = buffer.getvalue()
    if path.is_file():
        _rename(path, previous_of(path))
    write_bytes(path, _header(VERSION, content) + content)


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
    try:
        header, _, content = path.read_bytes().partition(b"\n")
        version = _version(header)
        if version != VERSION:
            raise TrainingError(f"{path}: version {version} of the format, this program reads {VERSION}")
        if header + b"\n" != _header(VERSION, content):
            raise ValueError(f"{len(content)} bytes do not have the checksum of its first line")
        return Checkpoint(**torch.load(stdio.BytesIO(content), map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        if isinstance(error, TrainingError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: not a checkpoint that can be read ({reason})") from error


def last_good_checkpoint(path: Path | str, *, fingerprint: str, log: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint of a training: under its name, or the one before beside it.

    Parameters
    ----------
    path : path
        As `save_checkpoint` was given.
    fingerprint : str
        Of the training that wants to go on; a checkpoint of other data or settings is left aside.
    log : callable
        Told of every file that cannot be used and why, and of where the training goes on.

    Returns
    -------
    Checkpoint or None
        None if there is none that can be used: training starts anew.

    Raises
    ------
    OutputError
        If the older file cannot be renamed.
    """
    path = Path(path)
    passed_over = False
    for file in (path, previous_of(path)):
        try:
            found = load_checkpoint(file)
        except TrainingError as error:
            log(str(error))
            passed_over = True
            continue
        if found is not None and found.fingerprint == fingerprint:
            if file != path:
                log(f"{file}: the last good checkpoint, used instead")
                # so that the next one to be saved moves this one aside, and not what cannot be used
                _rename(file, path)
            return found
        if found is not None:
            log(f"{file}: belongs to other data or settings")
            passed_over = True
    if passed_over:
        log(f"{path}: no checkpoint that can be used; training starts anew")
    return None


def remove_checkpoints(path: Path | str) -> None:
    """Delete a checkpoint and what lies beside it under longer names, once a training is done."""
    path = Path(path)
    for written in path.parent.glob(f"{path.name}*"):
        written.unlink(missing_ok=True)


def previous_of(path: Path) -> Path:
    """Where the checkpoint before the newest lies."""
    return path.with_name(f"{path.name}.previous")


def _rename(old: Path, new: Path) -> None:
    try:
        old.replace(new)
    except OSError as error:
        raise OutputError(
            f"{new}: {old.name} could not be renamed to it ({error.strerror}); check the folder's permissions"
        ) from error


def _header(version: int, content: bytes) -> bytes:
    """First line: a checksum tells damage that a parser might not notice."""
    return MAGIC + f" {version} {hashlib.sha256(content).hexdigest()}\n".encode()


def _version(header: bytes) -> int:
    """Version that a first line tells."""
    name, _, rest = header.rpartition(b" ")[0].rpartition(b" ")
    if name != MAGIC:
        raise ValueError("it does not begin as one, or an older program wrote it")
    return int(rest)


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
