"""Several jobs at the same time, with one progress, that an interrupt ends at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event, Lock
from types import TracebackType
from typing import TypeVar

from tapemeasure.arrays import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that track the stretches of a file; one thread works in the caller's own.

    Parameters
    ----------
    threads : int
        Jobs at the same time.
    n_jobs : int
        Jobs there are in all: what the progress is a fraction of.
    progress : callable
        Told the completed fraction, which never falls; called by one thread at a time.
    """

    def __init__(self, threads: int, *, n_jobs: int, progress: Progress) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads) if threads > 1 else None
        self._done = [0.0] * n_jobs
        self._begun = 0
        self._progress = progress
        self._lock, self._stopped = Lock(), Event()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if error is not None:
            # the running jobs end where they next tell their progress
            self._stopped.set()
        self._pool.shutdown(cancel_futures=error is not None)

    def run(self, job: Callable[[Item, Progress], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Answers of the items in their order; every job is given its own progress."""
        progresses = [self._progress_of(self._begun + number) for number in range(len(items))]
        self._begun += len(items)
        if self._pool is None:
            return map(job, items, progresses)
        return iter(list(self._pool.map(job, items, progresses)))

    def _progress_of(self, number: int) -> Progress:
        def progress(fraction: float) -> None:
            if self._stopped.is_set():
                raise CancelledError
            with self._lock:
                # a job that begins anew does not lead back
                self._done[number] = max(self._done[number], fraction)
                self._progress(sum(self._done) / len(self._done))

        return progress
