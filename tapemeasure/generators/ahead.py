"""What takes its time, made ahead by a thread: live sound never waits for it."""

import queue
import threading
from collections.abc import Iterator

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.real_time import HELPER_PRIORITY, raise_priority

POLL_S = 0.2


class Ahead:
    """Chunks of an endless iterator, some of them ready at any moment.

    Parameters
    ----------
    chunks : iterator of ndarray
        Is gone through by a thread of its own.
    depth : int
        Chunks that are kept ready, at least 1.
    """

    def __init__(self, chunks: Iterator[FloatArray], *, depth: int) -> None:
        self.error: Exception | None = None
        """What ended the iterator; None while it goes on."""
        self._queue: queue.Queue[FloatArray] = queue.Queue(maxsize=depth)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(chunks,), name="generate-ahead", daemon=True)
        self._thread.start()

    def _run(self, chunks: Iterator[FloatArray]) -> None:
        raise_priority(HELPER_PRIORITY)
        try:
            for chunk in chunks:
                while not self._ended.is_set():
                    try:
                        self._queue.put(chunk, timeout=POLL_S)
                        break
                    except queue.Full:
                        continue
                if self._ended.is_set():
                    return
        except Exception as error:
            self.error = error

    def take(self) -> FloatArray | None:
        """The next chunk if it is ready; never waits."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def fill(self) -> None:
        """Wait until as many chunks are ready as are kept.

        Raises
        ------
        Exception
            What ended the iterator.
        """
        while not self._queue.full() and self._thread.is_alive():
            self._thread.join(timeout=0.01)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Let the thread end, and wait for it."""
        self._ended.set()
        self._thread.join()


class ReadyNoise:
    """Noise that is ready when it is asked for.

    Parameters
    ----------
    ahead : Ahead
        Chunks of shape (any, n_channels).
    n_channels : int
        Channels.
    """

    def __init__(self, ahead: Ahead, *, n_channels: int) -> None:
        self.missed_samples = 0
        """Samples that were silent because nothing was ready."""
        self._ahead = ahead
        self._rest = np.zeros((0, n_channels))

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, shape (n_samples, n_channels); zeros for what is not ready."""
        parts = [self._rest]
        n_ready = len(self._rest)
        while n_ready < n_samples:
            chunk = self._ahead.take()
            if chunk is None:
                self.missed_samples += n_samples - n_ready
                chunk = np.zeros((n_samples - n_ready, self._rest.shape[1]))
            parts.append(chunk)
            n_ready += len(chunk)
        ready = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._rest = ready[n_samples:]
        return ready[:n_samples]
