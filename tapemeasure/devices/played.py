"""What a sound card shall play: blocks from a file or from memory, and a thread that reads them ahead of time."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.audio_stream import open_audio
from tapemeasure.devices.real_time import HELPER_PRIORITY, raise_priority
from tapemeasure.errors import SignalError

Float32Array = npt.NDArray[np.float32]
Blocks = Iterator[FloatArray]

BLOCK_SAMPLES = 65536
AHEAD_BLOCKS = 16
WAIT_S = 10.0


@dataclass(frozen=True)
class Played:
    """Audio that can be gone through more than once, a block at a time.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_samples, n_channels : int
        Its size.
    peak : tuple of float
        Largest amplitude of each channel.
    first_sound_samples : int
        Where the first sample lies that is not zero.
    blocks : callable
        Gives the samples from the start, each block of shape (any, n_channels).
    """

    sample_rate: int
    n_samples: int
    n_channels: int
    peak: tuple[float, ...]
    first_sound_samples: int
    blocks: Callable[[], Blocks]

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return self.n_samples / self.sample_rate

    def scaled(self, gain: float, *, limit: float = np.inf) -> "Played":
        """The same at another level, rounded to float32; nothing exceeds the limit."""

        def blocks() -> Blocks:
            for block in self.blocks():
                yield np.clip(block * gain, -limit, limit).astype(np.float32).astype(np.float64)

        return replace(self, peak=tuple(gain * peak for peak in self.peak), blocks=blocks)

    def followed_by(self, tail: FloatArray) -> "Played":
        """The same with samples of the same number of channels behind it."""
        return replace(
            self,
            n_samples=self.n_samples + len(tail),
            peak=tuple(np.maximum(self.peak, np.abs(tail).max(axis=0, initial=0.0)).tolist()),
            blocks=lambda: chain(self.blocks(), _pieces(tail)),
        )

    def after(self, head: FloatArray) -> "Played":
        """The same with samples of the same number of channels before it."""
        loud = np.flatnonzero(np.any(head != 0.0, axis=1))
        return replace(
            self,
            n_samples=self.n_samples + len(head),
            peak=tuple(np.maximum(self.peak, np.abs(head).max(axis=0, initial=0.0)).tolist()),
            first_sound_samples=int(loud[0]) if len(loud) else len(head) + self.first_sound_samples,
            blocks=lambda: chain(_pieces(head), self.blocks()),
        )


def _pieces(samples: FloatArray) -> Blocks:
    for start in range(0, len(samples), BLOCK_SAMPLES):
        yield samples[start : start + BLOCK_SAMPLES]


def played_array(samples: FloatArray, *, sample_rate: int) -> Played:
    """What is played from samples in memory, shape (n_samples,) or (n_samples, n_channels), full scale 1.0.

    Raises
    ------
    SignalError
        If it is empty or not finite.
    """
    columns: FloatArray = as_channels(samples)
    n_channels = columns.shape[-1]
    if columns.size == 0 or not np.isfinite(columns).all():
        raise SignalError("the stimulus is empty or holds NaN or infinite samples; make it again")
    return _measured(lambda: _pieces(columns), sample_rate=sample_rate, n_channels=n_channels)


def played_file(path: Path | str) -> Played:
    """What is played from an audio file of any length; it is read through once.

    Raises
    ------
    UsageError, AudioFileError, SignalError
        As `tapemeasure.io.read_audio`.
    """
    audio = open_audio(path)
    return _measured(audio.blocks, sample_rate=audio.sample_rate, n_channels=audio.n_channels)


def _measured(blocks: Callable[[], Blocks], *, sample_rate: int, n_channels: int) -> Played:
    peak, length, first = np.zeros(n_channels), 0, -1
    for block in blocks():
        if first < 0:
            loud = np.flatnonzero(np.any(block != 0.0, axis=1))
            first = length + int(loud[0]) if len(loud) else first
        peak = np.maximum(peak, np.abs(block).max(axis=0, initial=0.0))
        length += len(block)
    return Played(sample_rate, length, n_channels, tuple(peak.tolist()), max(first, 0), blocks)


def silence(*, length_samples: int, n_channels: int, sample_rate: int) -> Played:
    """Digital silence, for passes that play nothing."""

    def blocks() -> Blocks:
        for start in range(0, length_samples, BLOCK_SAMPLES):
            yield np.zeros((min(BLOCK_SAMPLES, length_samples - start), n_channels))

    return Played(sample_rate, length_samples, n_channels, (0.0,) * n_channels, 0, blocks)


class ReadAhead:
    """Hands out a signal in pieces of any length without touching the disk; a thread reads ahead.

    Parameters
    ----------
    signal : Played
        What is played; float32 comes out.
    """

    def __init__(self, signal: Played) -> None:
        self.n_channels = signal.n_channels
        self._queue: queue.Queue[Float32Array | None] = queue.Queue(maxsize=AHEAD_BLOCKS)
        self._stop = threading.Event()
        self._piece: Float32Array | None = np.zeros((0, signal.n_channels), dtype=np.float32)
        self._thread = threading.Thread(target=self._run, args=(signal,), name="read-ahead", daemon=True)
        self._thread.start()

    def _run(self, signal: Played) -> None:
        raise_priority(HELPER_PRIORITY)
        with contextlib.suppress(Exception):
            for block in signal.blocks():
                if not self._hand_over(block.astype(np.float32)):
                    return
        self._hand_over(None)

    def _hand_over(self, block: Float32Array | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(block, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read(self, n_samples: int) -> Float32Array:
        """The next samples, fewer at the end; waits for the disk where it is too slow, which the server then tells."""
        parts: list[Float32Array] = []
        while n_samples > 0 and self._piece is not None:
            if len(self._piece) == 0:
                try:
                    self._piece = self._queue.get(timeout=WAIT_S)
                except queue.Empty:
                    self._piece = None
                continue
            part = self._piece[:n_samples]
            self._piece = self._piece[n_samples:]
            n_samples -= len(part)
            parts.append(part)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_channels), dtype=np.float32)

    def close(self) -> None:
        """Let the thread end."""
        self._stop.set()
