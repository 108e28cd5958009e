"""The full-duplex stream: its callback, watching it, and letting go of it even when the audio server is dead."""

import atexit
import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapemeasure.arrays import Progress
from tapemeasure.devices.played import ReadAhead
from tapemeasure.devices.real_time import CALLBACK_PRIORITY, raise_priority
from tapemeasure.devices.sound_cards import Connection, portaudio
from tapemeasure.devices.take_writer import Float32Array, TakeWriter
from tapemeasure.devices.xruns import XrunLog
from tapemeasure.params import HardwareSettings

STALL_S = 5.0
CLOSE_S = 3.0
WARM_UP_S = 0.5
WATCH_S = 0.05
DISK_WATCH_S = 1.0
MAX_LATENCY_S = 60.0
LEAST_FREE_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Status:
    """How far a recording is.

    Parameters
    ----------
    position_s, total_s : float
        Recorded, and meant to be recorded.
    peak_dbfs : tuple of float
        Of each channel since the last status.
    xruns, clipped_runs : int
        So far.
    """

    position_s: float
    total_s: float
    peak_dbfs: tuple[float, ...]
    xruns: int
    clipped_runs: int


Watch = Callable[[Status], None]


Until = Callable[[], str | None]
"""Asked once a second while a take is written; tells why the recording shall end now, or None."""


def no_watch(status: Status) -> None:
    """Ignore the status: the default for library calls."""


class Player:
    """The stream's callback: hands out the stimulus, passes on what came in, notes what went wrong and where.

    The first half second plays silence and records nothing, because streams stumble when they start.
    """

    def __init__(
        self, source: ReadAhead, settings: HardwareSettings, *, total: int, put: Callable[[Float32Array], None]
    ) -> None:
        self.position = 0
        self.total = total
        self._log = XrunLog(sample_rate=settings.sample_rate)
        self.xruns = self._log.xruns
        self.busy_s = 0.0
        self.longest_busy_s = 0.0
        self.block_samples = 0
        self.real_time = False
        self._warm_up_samples = round(WARM_UP_S * settings.sample_rate)
        self._source = source
        self._inputs = [channel - 1 for channel in settings.input_channels]
        self._outputs = [channel - 1 for channel in settings.output_channels]
        self._put = put
        self._stop = portaudio().CallbackStop

    @property
    def finished(self) -> bool:
        """Whether everything was played and recorded."""
        return self.position >= self.total

    def __call__(self, indata: Float32Array, outdata: Float32Array, frames: int, times: Any, status: Any) -> None:
        """Serve one block, as PortAudio asks for it."""
        outdata.fill(0.0)
        if self._warm_up_samples > 0:
            self.real_time = self.real_time or raise_priority(CALLBACK_PRIORITY)
            self._warm_up_samples -= frames
            return
        begin_s = time.perf_counter()
        count = min(frames, self.total - self.position)
        block = self._source.read(count)
        outdata[: len(block), self._outputs] = block
        self._log.block(self.position, times, status)
        # picking columns by a list copies, as the buffer is PortAudio's
        self._put(indata[:count, self._inputs])
        self.position += count
        self.block_samples = max(self.block_samples, frames)
        busy_s = time.perf_counter() - begin_s
        self.busy_s += busy_s
        self.longest_busy_s = max(self.longest_busy_s, busy_s)
        if self.finished:
            raise self._stop


def open_stream(player: Player, settings: HardwareSettings, connection: Connection) -> Any:
    """Open a float32 stream without dither and clipping; PortAudio's own error passes through."""
    return portaudio().Stream(
        samplerate=settings.sample_rate,
        device=(connection.input.index, connection.output.index),
        channels=(max(settings.input_channels), max(settings.output_channels)),
        dtype="float32",
        callback=player,
        clip_off=True,
        dither_off=True,
    )


def plausible_latency_s(latency_s: tuple[float, float]) -> float | None:
    """Output plus input latency; None where a driver reports nonsense (clients of JACK: hours)."""
    total_s = float(sum(latency_s))
    return total_s if 0.0 <= total_s <= MAX_LATENCY_S else None


def play(
    stream: Any,
    player: Player,
    writer: TakeWriter | None,
    progress: Progress,
    *,
    watch: Watch = no_watch,
    until: Until | None = None,
) -> str | None:
    """Run a stream to its end and close it; returns why it ended early, or None."""
    reason: str | None = None
    try:
        stream.start()
        reason = _watch(stream, player, writer, progress, watch, until)
    except KeyboardInterrupt:
        reason = "interrupted"
    except portaudio().PortAudioError as error:
        reason = f"the sound card failed ({error})"
    finally:
        let_go(stream, finished=reason is None)
    return reason


def _watch(
    stream: Any,
    player: Player,
    writer: TakeWriter | None,
    progress: Progress,
    watch: Watch,
    until: Until | None,
) -> str | None:
    position, moved_s, looked_s = -1, time.monotonic(), 0.0
    while not player.finished:
        time.sleep(WATCH_S)
        now_s = time.monotonic()
        if writer is not None:
            if writer.error is not None:
                return None  # told by the caller, who knows the folder
            if now_s - looked_s > DISK_WATCH_S:
                looked_s = now_s
                if (reason := _disk_problem(writer.path.parent)) is not None:
                    return reason
                if until is not None and (reason := until()) is not None:
                    return reason
            watch(_status(player, writer))
        if player.position != position:
            position, moved_s = player.position, now_s
            progress(position / player.total)
        elif not stream.active or now_s - moved_s > STALL_S:
            return "no more audio came from the sound card: it was disconnected, or the audio server ended"
    return None


def _status(player: Player, writer: TakeWriter) -> Status:
    return Status(
        position_s=player.position / writer.sample_rate,
        total_s=player.total / writer.sample_rate,
        peak_dbfs=writer.meter.recent_peak_dbfs(),
        xruns=len(player.xruns),
        clipped_runs=writer.meter.clipped_runs_total,
    )


def _disk_problem(folder: Path) -> str | None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: the disk is gone ({error.strerror})"
    if free < LEAST_FREE_BYTES:
        return f"{folder}: {free / 2**20:.1f} MiB are left on the disk; free some space"
    return None


def let_go(stream: Any, *, finished: bool) -> None:
    """Close the stream without waiting for ever: PortAudio hangs there when the audio server is dead."""

    def close() -> None:
        with contextlib.suppress(portaudio().PortAudioError):
            (stream.stop if finished else stream.abort)()
        stream.close()

    closer = threading.Thread(target=close, name="close-stream", daemon=True)
    closer.start()
    closer.join(timeout=CLOSE_S)
    if closer.is_alive():
        # Pa_Terminate at exit would hang in the same place
        atexit.unregister(getattr(portaudio(), "_exit_handler", close))
