"""Audio to disk as it comes: a WAV file that can be read at any moment, written by a thread of its own.

The audio is written twenty times a second and the header is set right after every write, so that a kill at any time
costs no more than what had not been written yet (far less than 0.5 s) and every reader, not only a lenient one, opens
the file. libsndfile's own writer sets the header only when the file is closed, and stamps the time of day into it.
"""

import errno
import os
import queue
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import BoolArray
from tapemeasure.devices.real_time import HELPER_PRIORITY, raise_priority
from tapemeasure.errors import OutputError
from tapemeasure.io import WAV_LIMIT_BYTES
from tapemeasure.units import db_from_amplitude

Float32Array = npt.NDArray[np.float32]

CLIP_AMPLITUDE = 0.99
CLIP_MIN_SAMPLES = 3
MAX_LISTED_RUNS = 1000
WRITE_EVERY_S = 0.05
MAX_WAITING_BLOCKS = 4096
MAX_BLOCKS_AT_ONCE = 256
DISK_TIMEOUT_S = 20.0

_SAMPLE_BYTES = 4
_FORMAT_IEEE_FLOAT = 3
_SIZE_IN_DS64 = 0xFFFFFFFF


def wav_header(*, sample_rate: int, n_channels: int, n_samples: int, rf64: bool) -> bytes:
    """Header of a float32 WAV (EBU Tech 3285) or RF64 (EBU Tech 3306) file that holds `n_samples` frames."""
    frame_bytes = _SAMPLE_BYTES * n_channels
    data_bytes = n_samples * frame_bytes
    rates = (sample_rate, sample_rate * frame_bytes, frame_bytes)
    fmt = struct.pack("<HHIIHHH", _FORMAT_IEEE_FLOAT, n_channels, *rates, 8 * _SAMPLE_BYTES, 0)
    body = _chunk(b"fmt ", fmt) + _chunk(b"fact", struct.pack("<I", min(n_samples, _SIZE_IN_DS64)))
    if rf64:
        riff_bytes = 4 + 36 + len(body) + 8 + data_bytes
        body = _chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, n_samples, 0)) + body
        riff_bytes = data_bytes = _SIZE_IN_DS64
    else:
        riff_bytes = 4 + len(body) + 8 + data_bytes
    name = b"RF64" if rf64 else b"RIFF"
    return name + struct.pack("<I", riff_bytes) + b"WAVE" + body + b"data" + struct.pack("<I", data_bytes)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


@dataclass(frozen=True)
class ClippedRun:
    """A stretch where one channel stands at full scale.

    Parameters
    ----------
    channel : int
        From 1.
    start_samples, length_samples : int
        Position in the take.
    """

    channel: int
    start_samples: int
    length_samples: int


class Meter:
    """Peak, rms and clipped runs of each channel, fed block by block.

    Notes
    -----
    Clipped is a run of at least three equal samples at or above -0.09 dBFS (0.99): a converter at its limit repeats
    one code, a loud undistorted tone does not. Analog clipping before the converter is not seen.
    """

    def __init__(self, n_channels: int) -> None:
        self.n_samples = 0
        self.clipped_runs: list[ClippedRun] = []
        self.clipped_runs_total = 0
        self._peak = np.zeros(n_channels)
        self._recent_peak = np.zeros(n_channels)
        self._energy = np.zeros(n_channels)
        self._last = np.zeros((1, n_channels), dtype=np.float32)
        self._open_start: list[int | None] = [None] * n_channels

    def feed(self, block: Float32Array) -> None:
        """Take in the next samples, shape (n_samples, n_channels)."""
        peak = np.abs(block).max(axis=0, initial=0.0)
        self._peak = np.maximum(self._peak, peak)
        self._recent_peak = np.maximum(self._recent_peak, peak)
        self._energy += np.square(block, dtype=np.float64).sum(axis=0)
        joined = np.concatenate([self._last, block])
        # repeats[n]: sample n is loud and equals the one before it
        repeats = (np.abs(block) >= CLIP_AMPLITUDE) & (joined[1:] == joined[:-1])
        for channel in range(block.shape[1]):
            self._follow_runs(repeats[:, channel], channel)
        self._last = joined[-1:].copy()
        self.n_samples += len(block)

    def finish(self) -> None:
        """Close the runs that reach the end."""
        for channel in range(len(self._open_start)):
            self._follow_runs(np.zeros(1, dtype=np.bool_), channel)

    def _follow_runs(self, repeats: BoolArray, channel: int) -> None:
        start = self._open_start[channel]
        edges = np.flatnonzero(np.diff(repeats, prepend=start is not None)) + self.n_samples
        for edge in edges.tolist():
            if start is None:
                start = edge - 1
            else:
                self._note(channel, start, edge - start)
                start = None
        self._open_start[channel] = start

    def _note(self, channel: int, start: int, length: int) -> None:
        if length < CLIP_MIN_SAMPLES:
            return
        self.clipped_runs_total += 1
        if len(self.clipped_runs) < MAX_LISTED_RUNS:
            self.clipped_runs.append(ClippedRun(channel=channel + 1, start_samples=start, length_samples=length))

    @property
    def peak_dbfs(self) -> tuple[float, ...]:
        """Peak level of each channel, dBFS."""
        return tuple(db_from_amplitude(float(peak)) for peak in self._peak)

    def recent_peak_dbfs(self) -> tuple[float, ...]:
        """Peak level of each channel since this was asked last, dBFS."""
        recent, self._recent_peak = self._recent_peak, np.zeros_like(self._recent_peak)
        return tuple(db_from_amplitude(float(peak)) for peak in recent)

    @property
    def rms_dbfs(self) -> tuple[float, ...]:
        """RMS level of each channel, dBFS (full scale = 1.0 rms)."""
        mean = self._energy / max(self.n_samples, 1)
        return tuple(db_from_amplitude(float(np.sqrt(power))) for power in mean)


class TakeWriter:
    """A thread that writes blocks to a new file and meters them.

    Parameters
    ----------
    path : path
        Must not exist yet.
    sample_rate : int
        Hz.
    n_channels : int
        Channels of every block.
    expected_samples : int
        Length that is aimed at; decides between WAV and RF64 (above 4 GB).

    Raises
    ------
    OutputError
        If the file cannot be created.
    """

    def __init__(self, path: Path, *, sample_rate: int, n_channels: int, expected_samples: int) -> None:
        self.path = path
        self.error: OSError | None = None
        self.meter = Meter(n_channels)
        self.sample_rate = sample_rate
        self._n_channels = n_channels
        self._rf64 = expected_samples * n_channels * _SAMPLE_BYTES >= WAV_LIMIT_BYTES
        self._queue: queue.Queue[Float32Array | None] = queue.Queue(maxsize=MAX_WAITING_BLOCKS)
        self._closing = threading.Event()
        try:
            self._file = path.open("xb", buffering=0)
            self._file.write(self._header())
        except OSError as error:
            raise OutputError(f"{path}: could not be created ({error.strerror}); choose another folder") from error
        self._thread = threading.Thread(target=self._run, name="take-writer", daemon=True)
        self._thread.start()

    def put(self, block: Float32Array) -> None:
        """Hand over the next samples; returns at once, so that an audio callback may call it.

        Where the disk is many seconds behind it waits, so that memory stays bounded; the sound card then tells the gap.
        """
        try:
            self._queue.put(block, timeout=DISK_TIMEOUT_S)
        except queue.Full:
            self.error = self.error or TimeoutError(errno.ETIMEDOUT, "the disk takes no more audio")

    def close(self) -> None:
        """Write what is still waiting and close the file; a write error is left in `error`."""
        self._closing.set()
        if self._thread.is_alive():
            self._queue.put(None)
        self._thread.join()
        self.meter.finish()
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self.error = self.error or error

    def _run(self) -> None:
        raise_priority(HELPER_PRIORITY)
        try:
            while (blocks := self._waiting()) is not None:
                self._append(np.concatenate(blocks))
                self._closing.wait(WRITE_EVERY_S)
        except OSError as error:
            self.error = error
            self._throw_away()

    def _waiting(self) -> list[Float32Array] | None:
        """All blocks that wait, at least one; None at the end."""
        blocks: list[Float32Array] = []
        block = self._queue.get()
        while block is not None:
            blocks.append(block)
            if len(blocks) >= MAX_BLOCKS_AT_ONCE or self._queue.empty():
                return blocks
            block = self._queue.get()
        if blocks:
            # the end comes again behind what still waits
            self._queue.put(None)
            return blocks
        return None

    def _throw_away(self) -> None:
        """Keep taking blocks that cannot be written, so that nobody waits."""
        while self._queue.get() is not None:
            continue

    def _append(self, block: Float32Array) -> None:
        """Write samples and what the header says of them; where the disk is full, as many as it takes."""
        data = memoryview(np.ascontiguousarray(block, dtype="<f4").tobytes())
        frame_bytes = _SAMPLE_BYTES * self._n_channels
        done = 0
        try:
            while done < len(data):
                done += self._file.write(data[done:])
        finally:
            self.meter.feed(block[: done // frame_bytes])
            self._file.seek(0)
            self._file.write(self._header())
            self._file.seek(0, os.SEEK_END)

    def _header(self) -> bytes:
        return wav_header(
            sample_rate=self.sample_rate,
            n_channels=self._n_channels,
            n_samples=self.meter.n_samples,
            rf64=self._rf64,
        )
