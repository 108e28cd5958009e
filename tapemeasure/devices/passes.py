"""The two passes of a machine with two heads: print the test signals onto the tape, and capture its playback."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.audio_stream import AudioSource, open_audio, write_blocks
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.played import Played, played_file, silence
from tapemeasure.devices.recording import Recording
from tapemeasure.devices.sound_cards import Connection
from tapemeasure.devices.stream import Watch, no_watch
from tapemeasure.devices.takes import (
    FAILED,
    MARKS,
    PARTIAL,
    PRINTED,
    SPARE_BYTES,
    Judge,
    Take,
    TakePaths,
    check_room,
    finish_take,
    needed_bytes,
    remove_take,
    rename_take,
    take_sidecar,
    write_played,
)
from tapemeasure.devices.two_pass import (
    AFTER_S,
    END_HEARD,
    MAX_SPEED_ERROR,
    EndOfPrint,
    Frame,
    find_frame,
    framed,
    framed_length_samples,
    with_right_clock,
)
from tapemeasure.errors import DeviceError, MismatchError, NoMatchError, OutputError, TapeMeasureError, UsageError
from tapemeasure.io import read_json, sha256_of_file, write_json
from tapemeasure.signals.timeline import Timeline

INTERRUPTED = "interrupted"
END_S = 3.0

JudgeOfSpeed = Callable[[float], Judge]
"""Gives the judge of a take whose tape was played so many percent too fast."""


@dataclass(frozen=True)
class Captured:
    """A captured take, and where the print lies in the recording."""

    take: Take
    frame: Frame


def print_tape(
    device: HardwareDevice,
    played: Played,
    *,
    connection: Connection,
    paths: TakePaths,
    timeline: Timeline | None,
    facts: Mapping[str, Any],
    force: bool = False,
    progress: Progress = no_progress,
) -> Take:
    """Play the test signals between two markers onto a tape; what was played is kept under ``.print``.

    Parameters
    ----------
    device, connection, paths, timeline, facts, force, progress
        As in `tapemeasure.devices.takes.record_take`.
    played : Played
        The test signals at their level.

    Raises
    ------
    UsageError, OutputError
        As `check_room`.
    DeviceError
        If the stream cannot be opened, ended early or stumbled; the print is of no use then, and its files are gone.
    """
    check_room(paths, needed_bytes=needed_bytes(device, played), force=force)
    printed = paths.marked(PRINTED)
    remove_take(printed)
    try:
        write_played(printed.input, played)
        if timeline is not None:
            timeline.save(printed.timeline)
        signal = framed(played_file(printed.input), level_db=device.settings.level_db)
        recording = device.record(signal, connection=connection, path=None, progress=progress)
        if recording.stopped_early is not None:
            raise DeviceError(f"{recording.stopped_early}; the tape holds a part only: rewind and print again")
        if recording.xruns:
            at_s = recording.xruns[0].position_s
            raise DeviceError(
                f"the card stumbled {len(recording.xruns)} times while the tape was printed, first at {at_s:.3f} s: "
                "rewind and print again, with a larger buffer"
            )
        sidecar = {
            **take_sidecar(device, paths, recording, facts),
            "pass": "print",
            "printed_samples": played.n_samples,
            "sha256_input": sha256_of_file(printed.input),
        }
        write_json(printed.sidecar, sidecar)
    except BaseException:
        remove_take(printed)
        raise
    return Take(recording, printed, sidecar)


def read_print(paths: TakePaths) -> dict[str, Any]:
    """Sidecar of a printed take.

    Raises
    ------
    UsageError
        If it was not printed.
    MismatchError
        If the sidecar is not that of the file beside it.
    """
    printed = paths.marked(PRINTED)
    for path in (printed.sidecar, printed.input):
        if not path.is_file():
            raise UsageError(f"{path}: no such file; print the tape first with --pass print --take {paths.name}")
    sidecar: dict[str, Any] = read_json(printed.sidecar)
    if not isinstance(sidecar, dict) or sidecar.get("sha256_input") != sha256_of_file(printed.input):
        raise MismatchError(
            f"{printed.sidecar} does not belong to {printed.input} (the hash differs): one of them was changed or "
            "copied from another take; print the tape again"
        )
    return sidecar


def capture_samples(device: HardwareDevice, *, printed_samples: int, wait_s: float) -> int:
    """How long a capture records: the wait for the tape, the print at the slowest speed, and a bit."""
    rate = device.settings.sample_rate
    length = framed_length_samples(printed_samples, sample_rate=rate)
    return round(length * (1.0 + MAX_SPEED_ERROR) + (wait_s + END_S) * rate)


def check_capture_room(device: HardwareDevice, paths: TakePaths, *, n_samples: int, force: bool) -> None:
    """Refuse what would fail after the tape has run; errors as `check_room`."""
    n_bytes = 3 * 4 * n_samples * len(device.settings.input_channels) + SPARE_BYTES
    check_room(paths, needed_bytes=n_bytes, force=force, marks=tuple(mark for mark in MARKS if mark != PRINTED))


def capture_tape(
    device: HardwareDevice,
    *,
    connection: Connection,
    paths: TakePaths,
    wait_s: float,
    facts: Mapping[str, Any],
    force: bool = False,
    judge: JudgeOfSpeed | None = None,
    progress: Progress = no_progress,
    watch: Watch = no_watch,
) -> Captured:
    """Record the playback of a printed tape, find the print by its markers, and set its clock right.

    Parameters
    ----------
    device, connection, paths, facts, force, progress, watch
        As in `tapemeasure.devices.takes.record_take`.
    wait_s : float
        How long after the start of recording the tape may begin to play.
    judge : callable, optional
        Gives the judge, when the speed is known.

    Returns
    -------
    Captured
        The recording as it came is kept as ``<take>_raw.wav``.

    Raises
    ------
    UsageError, MismatchError, OutputError
        As `read_print` and `check_room`.
    DeviceError
        If the stream cannot be opened, or the recording ended early.
    NoMatchError
        If a marker is not found; what was recorded is kept under ``.failed``.
    """
    printed = read_print(paths)
    n_printed = int(printed["printed_samples"])
    total = capture_samples(device, printed_samples=n_printed, wait_s=wait_s)
    check_capture_room(device, paths, n_samples=total, force=force)
    partial = paths.marked(PARTIAL)
    remove_take(partial)
    silent = silence(
        length_samples=total,
        n_channels=len(device.settings.output_channels),
        sample_rate=device.settings.sample_rate,
    )
    without_tail = HardwareDevice(device.settings.model_copy(update={"tail_s": 0.0}))
    end = EndOfPrint(
        n_samples=n_printed, sample_rate=device.settings.sample_rate, after_s=max(AFTER_S, device.settings.tail_s)
    )

    def until() -> str | None:
        try:
            source = open_audio(partial.raw)
        except TapeMeasureError:
            return None  # nothing has come in yet
        return end.reason(_cut(source), length_samples=source.n_samples)

    recording = without_tail.record(
        silent, connection=connection, path=partial.raw, progress=progress, watch=watch, until=until
    )
    # a tape that has ended may be stopped by hand too
    by_hand = recording.stopped_early == INTERRUPTED and recording.length_samples > n_printed
    if by_hand or recording.stopped_early == END_HEARD:
        recording = replace(recording, stopped_early=None)
    if recording.stopped_early is not None:
        raise DeviceError(f"{recording.stopped_early}; what was recorded is kept in {partial.raw}")
    sidecar = take_sidecar(device, paths, recording, {**printed, **facts, "pass": "capture"})
    frame = _place(recording, paths, sidecar, n_printed, device)
    sidecar |= {
        "clock_ratio": frame.ratio,
        "speed_error_pct": frame.speed_error_pct,
        "print_start_s": frame.start_samples / recording.sample_rate,
        "marker_match": frame.match,
    }
    take = finish_take(recording, paths, sidecar, judge=None if judge is None else judge(frame.speed_error_pct))
    if take.paths.mark == "":
        remove_take(paths.marked(PRINTED))
    return Captured(take, frame)


def _place(
    recording: Recording, paths: TakePaths, sidecar: dict[str, Any], n_printed: int, device: HardwareDevice
) -> Frame:
    """Write the take's input, timeline and output beside the raw recording."""
    partial, printed = paths.marked(PARTIAL), paths.marked(PRINTED)
    source = open_audio(partial.raw)
    n_samples = n_printed + round(device.settings.tail_s * recording.sample_rate)
    cut = _cut(source)
    try:
        frame = find_frame(cut, length_samples=source.n_samples, n_samples=n_printed, sample_rate=recording.sample_rate)
    except NoMatchError as error:
        failed = paths.marked(FAILED)
        write_json(partial.sidecar, {**sidecar, "problem": str(error)})
        rename_take(partial, failed)
        raise NoMatchError(f"{error}; what was recorded is kept in {failed.raw}") from error
    write_blocks(
        partial.output,
        with_right_clock(cut, frame, n_samples=n_samples),
        n_samples=n_samples,
        n_channels=source.n_channels,
        sample_rate=recording.sample_rate,
    )
    for before, after in ((printed.input, partial.input), (printed.timeline, partial.timeline)):
        if before.exists():
            _copy(before, after)
    return frame


def _cut(source: AudioSource) -> Callable[[int, int], FloatArray]:
    def cut(first: int, stop: int) -> FloatArray:
        return source.read(min(first, source.n_samples), min(stop, source.n_samples))

    return cut


def _copy(before: Path, after: Path) -> None:
    """The same file under another name too; a copy where the disk knows no links."""
    after.unlink(missing_ok=True)
    try:
        os.link(before, after)
    except OSError:
        try:
            shutil.copyfile(before, after)
        except OSError as error:
            raise OutputError(f"{after}: could not be written ({error.strerror}); free some space") from error
