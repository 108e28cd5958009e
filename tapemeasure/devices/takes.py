"""Making a take: its file names, what must hold before the tape runs, and its files in one go at the end.

Until a take is complete its files carry ``.partial`` before the ending; a take with lost samples keeps ``.xruns``.
Neither is taken up by the pipeline, and nothing that was recorded is thrown away.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.recording import Recording, recording_facts
from tapemeasure.devices.sound_cards import Connection
from tapemeasure.errors import OutputError
from tapemeasure.io import refuse_overwrite, sha256_of_file, write_audio, write_json
from tapemeasure.signals.timeline import Timeline

PARTIAL = ".partial"
XRUNS = ".xruns"
MARKS = ("", PARTIAL, XRUNS)
SPARE_BYTES = 32 * 2**20


@dataclass(frozen=True)
class TakePaths:
    """File names of one take.

    Parameters
    ----------
    folder : path
        Where it lies.
    name : str
        The take's name.
    mark : str
        Empty for a good take, else ``.partial`` or ``.xruns``.
    """

    folder: Path
    name: str
    mark: str = ""

    @property
    def input(self) -> Path:
        """What was played."""
        return self.folder / f"{self.name}_input{self.mark}.wav"

    @property
    def output(self) -> Path:
        """What came back."""
        return self.folder / f"{self.name}_output{self.mark}.wav"

    @property
    def timeline(self) -> Path:
        """Segments of the input."""
        return self.folder / f"{self.name}_input{self.mark}.json"

    @property
    def sidecar(self) -> Path:
        """Everything that is known about the take."""
        return self.folder / f"{self.name}{self.mark}.json"

    @property
    def all(self) -> tuple[Path, ...]:
        """All four."""
        return (self.input, self.output, self.timeline, self.sidecar)

    def marked(self, mark: str) -> "TakePaths":
        """The same take under another mark."""
        return TakePaths(self.folder, self.name, mark)


@dataclass(frozen=True)
class Take:
    """A take on disk: its recording, its files (`paths.mark` tells whether it is whole), its sidecar."""

    recording: Recording
    paths: TakePaths
    sidecar: Mapping[str, Any]


def next_take(paths_of: Callable[[str], TakePaths]) -> TakePaths:
    """The first of take01, take02, ... of which there is no file, neither whole nor marked."""
    candidates = (paths_of(f"take{number:02d}") for number in itertools.count(1))
    return next(
        paths for paths in candidates if not any(path.exists() for mark in MARKS for path in paths.marked(mark).all)
    )


def check_room(paths: TakePaths, *, needed_bytes: int, force: bool) -> None:
    """Refuse before the tape runs what would fail after it.

    Raises
    ------
    UsageError
        If a file of the take exists, whole or marked, and `force` is false.
    OutputError
        If the folder's disk has less than `needed_bytes` free.
    """
    for mark in MARKS:
        for path in paths.marked(mark).all:
            refuse_overwrite(path, force=force)
    place = next(parent for parent in (paths.folder, *paths.folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise OutputError(
            f"{paths.folder}: the take needs {needed_bytes / 2**20:.0f} MiB, the disk has {free / 2**20:.0f} MiB free; "
            "free some space or choose another folder"
        )


def needed_bytes(device: HardwareDevice, played: FloatArray) -> int:
    """Disk space that a take needs at most, with some to spare."""
    settings = device.settings
    recorded = (len(played) + round(settings.tail_s * settings.sample_rate)) * len(settings.input_channels)
    return 4 * (played.size + recorded) + SPARE_BYTES


def record_take(
    device: HardwareDevice,
    played: FloatArray,
    *,
    connection: Connection,
    paths: TakePaths,
    timeline: Timeline | None,
    facts: Mapping[str, Any],
    force: bool = False,
    progress: Progress = no_progress,
) -> Take:
    """Record a take and give its files their names.

    Parameters
    ----------
    device : HardwareDevice
        Its settings go into the sidecar.
    played : ndarray, shape (n_samples, n_channels)
        What `HardwareDevice.played` returned.
    connection : Connection
        What `HardwareDevice.connect` returned.
    paths : TakePaths
        The good take's names.
    timeline : Timeline or None
        Segments of the stimulus.
    facts : mapping
        What else the sidecar tells (the stimulus' hash, notes).
    force : bool
        Whether an older take of this name may be replaced; it stays until the new one is complete.
    progress : callable
        Takes the completed fraction.

    Returns
    -------
    Take
        Under its own name if it is good, else under ``.partial`` (ended early) or ``.xruns`` (samples lost).

    Raises
    ------
    UsageError, OutputError
        As `check_room`; or the folder cannot be written.
    DeviceError
        If the stream cannot be opened.
    """
    check_room(paths, needed_bytes=needed_bytes(device, played), force=force)
    partial = paths.marked(PARTIAL)
    _remove(partial)
    try:
        write_audio(partial.input, played, sample_rate=device.settings.sample_rate)
        if timeline is not None:
            timeline.save(partial.timeline)
        recording = device.record(played, connection=connection, path=partial.output, progress=progress)
    finally:
        if not partial.output.exists():
            _remove(partial)
    sidecar = {
        "take": paths.name,
        "settings": device.settings.model_dump(mode="json"),
        **recording_facts(recording),
        **facts,
    }
    if not partial.output.exists():
        return Take(recording, partial, sidecar)
    sidecar["sha256_input"], sidecar["sha256_output"] = sha256_of_file(partial.input), sha256_of_file(partial.output)
    write_json(partial.sidecar, sidecar)
    if recording.stopped_early is not None:
        return Take(recording, partial, sidecar)
    final = paths.marked(XRUNS) if recording.xruns else paths
    _rename(partial, final)
    return Take(recording, final, sidecar)


def _remove(paths: TakePaths) -> None:
    for path in paths.all:
        if path.exists():
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"{path}: could not be removed ({error.strerror}); remove it by hand") from error


def _rename(before: TakePaths, after: TakePaths) -> None:
    """Rename all files; the output comes last, so that a take is whole as soon as it has one."""
    after.timeline.unlink(missing_ok=True)
    pairs = dict(zip(before.all, after.all, strict=True))
    for source in (before.sidecar, before.timeline, before.input, before.output):
        if source.exists():
            try:
                os.replace(source, pairs[source])
            except OSError as error:
                raise OutputError(f"{source}: could not be renamed ({error.strerror}); rename it by hand") from error
