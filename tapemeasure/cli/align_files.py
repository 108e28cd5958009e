"""The files of ``tapemeasure align``: their names, a look at all before anything is written, and the writing itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure.analysis.alignment import AlignmentQuality, alignment_quality_of_parts
from tapemeasure.arrays import FloatArray, Progress
from tapemeasure.audio_stream import AudioSource, open_audio, write_blocks
from tapemeasure.cli.common import check_output
from tapemeasure.cli.pair import require_rate
from tapemeasure.errors import UsageError
from tapemeasure.io import atomic_path

PART_SAMPLES = 1 << 21


@dataclass(frozen=True)
class Job:
    """One file to read and the one to write."""

    source: AudioSource
    target: Path


def target_names(sources: list[Path], aligned: Path) -> list[Path]:
    """Name of the first result as given; of the others ``<name>_aligned.wav`` in its folder."""
    return [aligned, *(aligned.parent / f"{source.stem}_aligned.wav" for source in sources[1:])]


def check_targets(sources: list[Path], targets: list[Path], *, inputs: list[Path], force: bool) -> None:
    """Refuse names that could not be written, that are read, or that two files share."""
    seen: dict[Path, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        check_output(target, endings=(".wav",), force=force, inputs=[*inputs, *sources])
        where = target.absolute()
        if where in seen:
            raise UsageError(f"{source} and {seen[where]} would both be written to {target}; rename one of them")
        seen[where] = source


def open_jobs(sources: list[Path], targets: list[Path], *, like: AudioSource) -> list[Job]:
    """Open every file and read it to its end: a spoilt one is refused before anything is written.

    Raises
    ------
    MismatchError
        If a sample rate is not that of `like`; else as `AudioSource.blocks`.
    """
    jobs = []
    for path, target in zip(sources, targets, strict=True):
        source = open_audio(path)
        require_rate(source, like=like)
        read_through(source)
        jobs.append(Job(source, target))
    return jobs


def read_through(source: AudioSource) -> None:
    """Read a file to its end, so that a spoilt one is refused; errors as `AudioSource.blocks`."""
    for _ in source.blocks():
        pass


@contextmanager
def written(
    jobs: list[Job],
    warp: Callable[[AudioSource], Iterator[FloatArray]],
    *,
    n_samples: int,
    force: bool,
    progress: Progress,
) -> Iterator[list[AudioSource]]:
    """Give the results under temporary names; all take their own when the block ends without an error.

    Parameters
    ----------
    jobs : list of Job
        What to read and write.
    warp : callable
        Gives the blocks of a result.
    n_samples : int
        Length of every result.
    force : bool
        Whether existing files may be replaced.
    progress : callable
        Told the completed fraction.
    """
    with ExitStack() as stack:
        temporaries = [stack.enter_context(atomic_path(job.target, force=force)) for job in jobs]
        for number, (job, temporary) in enumerate(zip(jobs, temporaries, strict=True)):
            write_blocks(
                temporary,
                _counted(warp(job.source), number, len(jobs), n_samples, progress),
                n_samples=n_samples,
                n_channels=job.source.n_channels,
                sample_rate=job.source.sample_rate,
            )
        yield [open_audio(temporary) for temporary in temporaries]


def _counted(
    blocks: Iterator[FloatArray], number: int, count: int, n_samples: int, progress: Progress
) -> Iterator[FloatArray]:
    done = 0
    for block in blocks:
        done += len(block)
        progress((number + done / n_samples) / count)
        yield block


def quality_of_files(
    stimulus: AudioSource, output: AudioSource, aligned: AudioSource, *, channel: int
) -> AlignmentQuality:
    """Correlation and lag of one channel (from 0) before and after aligning."""

    def parts() -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        for first in range(0, stimulus.n_samples, PART_SAMPLES):
            yield (
                _channel(stimulus, channel, first),
                _channel(output, channel, first),
                _channel(aligned, channel, first),
            )

    return alignment_quality_of_parts(parts(), sample_rate=stimulus.sample_rate)


def _channel(source: AudioSource, channel: int, first: int) -> FloatArray:
    if first >= source.n_samples:
        return np.zeros(0)
    return np.ascontiguousarray(source.read(first, min(first + PART_SAMPLES, source.n_samples))[:, channel])
