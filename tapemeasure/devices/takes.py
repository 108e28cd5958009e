"""Making a take: its file names, what must hold before the tape runs, and its files in one go at the end.

Until a take is complete its files carry ``.partial`` before the ending; a take with lost samples keeps ``.xruns``, one
that the check afterwards found bad keeps ``.failed``, and a tape that was printed and not yet played ``.print``. The
pipeline takes up none of these, and nothing that was recorded is thrown away.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.audio_stream import write_blocks
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.played import Played, played_array, played_file
from tapemeasure.devices.recording import Recording, recording_facts
from tapemeasure.devices.sound_cards import Connection
from tapemeasure.devices.stream import Watch, no_watch
from tapemeasure.errors import OutputError, UsageError
from tapemeasure.io import refuse_overwrite, sha256_of_file, write_json
from tapemeasure.signals.timeline import Timeline

PARTIAL = ".partial"
XRUNS = ".xruns"
FAILED = ".failed"
PRINTED = ".print"
MARKS = ("", PARTIAL, XRUNS, FAILED, PRINTED)
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
        Empty for a good take, else one of `MARKS`.
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
    def raw(self) -> Path:
        """What came back in a pass of its own, before its clock was set right."""
        return self.folder / f"{self.name}_raw{self.mark}.wav"

    @property
    def all(self) -> tuple[Path, ...]:
        """All five; the last two need not be there."""
        return (self.input, self.output, self.sidecar, self.timeline, self.raw)

    def marked(self, mark: str) -> "TakePaths":
        """The same take under another mark."""
        return TakePaths(self.folder, self.name, mark)


@dataclass(frozen=True)
class Take:
    """A take on disk: its recording, its files (`paths.mark` tells whether it is whole), its sidecar."""

    recording: Recording
    paths: TakePaths
    sidecar: Mapping[str, Any]


Judge = Callable[[TakePaths, Recording], Mapping[str, Any]]
"""Looks at a complete take; its answer stands in the sidecar as ``check``, and ``good`` in it decides the mark."""


def next_take(paths_of: Callable[[str], TakePaths]) -> TakePaths:
    """The first of take01, take02, ... of which there is no file, neither whole nor marked."""
    candidates = (paths_of(f"take{number:02d}") for number in itertools.count(1))
    return next(
        paths for paths in candidates if not any(path.exists() for mark in MARKS for path in paths.marked(mark).all)
    )


def last_printed(folder: Path) -> TakePaths:
    """The take that was printed last and not yet captured, in a folder or one below it.

    Raises
    ------
    UsageError
        If there is none.
    """
    places = [folder, *(entry for entry in sorted(folder.iterdir()) if entry.is_dir())] if folder.is_dir() else []
    sidecars = [path for place in places for path in place.glob(f"*{PRINTED}.json") if "_input." not in path.name]
    if not sidecars:
        raise UsageError(f"{folder}: no tape was printed; record it first with --pass print")
    latest = max(sidecars, key=lambda path: path.stat().st_mtime_ns)
    return TakePaths(latest.parent, latest.name.removesuffix(f"{PRINTED}.json"))


def check_room(paths: TakePaths, *, needed_bytes: int, force: bool, marks: tuple[str, ...] = MARKS) -> None:
    """Refuse before the tape runs what would fail after it.

    Raises
    ------
    UsageError
        If a file of the take exists, whole or marked, and `force` is false.
    OutputError
        If the folder's disk has less than `needed_bytes` free.
    """
    for mark in marks:
        for path in paths.marked(mark).all:
            refuse_overwrite(path, force=force)
    place = next(parent for parent in (paths.folder, *paths.folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise OutputError(
            f"{paths.folder}: the take needs {needed_bytes / 2**20:.0f} MiB, the disk has {free / 2**20:.0f} MiB free; "
            "free some space or choose another folder"
        )


def needed_bytes(device: HardwareDevice, played: FloatArray | Played) -> int:
    """Disk space that a take needs at most, with some to spare."""
    settings, played = device.settings, as_played(device, played)
    recorded = (played.n_samples + round(settings.tail_s * settings.sample_rate)) * len(settings.input_channels)
    return 4 * (played.n_samples * played.n_channels + recorded) + SPARE_BYTES


def as_played(device: HardwareDevice, played: FloatArray | Played) -> Played:
    """Samples in memory as a signal at the device's rate."""
    if isinstance(played, Played):
        return played
    return played_array(played, sample_rate=device.settings.sample_rate)


def write_played(path: Path, played: Played) -> None:
    """Write what is played, float32; errors as `tapemeasure.audio_stream.write_blocks`."""
    write_blocks(
        path,
        played.blocks(),
        n_samples=played.n_samples,
        n_channels=played.n_channels,
        sample_rate=played.sample_rate,
    )


def record_take(
    device: HardwareDevice,
    played: FloatArray | Played,
    *,
    connection: Connection,
    paths: TakePaths,
    timeline: Timeline | None,
    facts: Mapping[str, Any],
    force: bool = False,
    judge: Judge | None = None,
    progress: Progress = no_progress,
    watch: Watch = no_watch,
) -> Take:
    """Record a take and give its files their names.

    Parameters
    ----------
    device : HardwareDevice
        Its settings go into the sidecar.
    played : ndarray, shape (n_samples, n_channels), or Played
        What `HardwareDevice.played` or `at_level` returned.
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
    judge : callable, optional
        Looks at the complete take.
    progress, watch : callable
        As in `HardwareDevice.record`.

    Returns
    -------
    Take
        Under its own name if it is good, else under ``.partial`` (ended early), ``.xruns`` (the sound card lost
        samples) or ``.failed`` (the judge found it bad).

    Raises
    ------
    UsageError, OutputError
        As `check_room`; or the folder cannot be written.
    DeviceError
        If the stream cannot be opened.
    """
    played = as_played(device, played)
    check_room(paths, needed_bytes=needed_bytes(device, played), force=force)
    partial = paths.marked(PARTIAL)
    remove_take(partial)
    try:
        write_played(partial.input, played)
        if timeline is not None:
            timeline.save(partial.timeline)
        recording = device.record(
            played_file(partial.input), connection=connection, path=partial.output, progress=progress, watch=watch
        )
    finally:
        if not partial.output.exists():
            remove_take(partial)
    sidecar = take_sidecar(device, paths, recording, facts)
    if not partial.output.exists():
        return Take(recording, partial, sidecar)
    return finish_take(recording, paths, sidecar, judge=judge)


def take_sidecar(
    device: HardwareDevice, paths: TakePaths, recording: Recording, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What is known of a take before its files are hashed and checked."""
    settings = device.settings.model_dump(mode="json")
    return {"take": paths.name, "settings": settings, **recording_facts(recording), **facts}


def finish_take(recording: Recording, paths: TakePaths, sidecar: dict[str, Any], *, judge: Judge | None) -> Take:
    """Hash and check a take whose files lie under ``.partial``, and give them the names that it has earned."""
    partial = paths.marked(PARTIAL)
    sidecar["sha256_input"], sidecar["sha256_output"] = sha256_of_file(partial.input), sha256_of_file(partial.output)
    # the take is whole from here on, whatever becomes of the check
    write_json(partial.sidecar, sidecar)
    if recording.stopped_early is not None:
        return Take(recording, partial, sidecar)
    if judge is not None:
        sidecar["check"] = judge(partial, recording)
        write_json(partial.sidecar, sidecar)
    mark = XRUNS if recording.xruns else "" if sidecar.get("check", {}).get("good", True) else FAILED
    final = paths.marked(mark)
    rename_take(partial, final)
    return Take(recording, final, sidecar)


def remove_take(paths: TakePaths) -> None:
    """Remove all files of a take; OutputError where one cannot be."""
    for path in paths.all:
        if path.exists():
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"{path}: could not be removed ({error.strerror}); remove it by hand") from error


def rename_take(before: TakePaths, after: TakePaths) -> None:
    """Rename all files; the output comes last, so that a take is whole as soon as it has one."""
    for path in (after.timeline, after.raw):
        path.unlink(missing_ok=True)
    pairs = dict(zip(before.all, after.all, strict=True))
    for source in (before.sidecar, before.timeline, before.raw, before.input, before.output):
        if source.exists():
            try:
                os.replace(source, pairs[source])
            except OSError as error:
                raise OutputError(f"{source}: could not be renamed ({error.strerror}); rename it by hand") from error
