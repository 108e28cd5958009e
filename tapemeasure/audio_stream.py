"""Audio files block by block, for what does not fit into memory; equal bytes to `tapemeasure.io.write_audio`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure import io
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import AudioFileError, SignalError

READ_SAMPLES = 16384


@dataclass(frozen=True)
class AudioSource:
    """An audio file that is read block by block.

    Parameters
    ----------
    path : Path
        WAV, RF64, FLAC or anything else that libsndfile reads.
    sample_rate : int
        Hz.
    n_samples, n_channels : int
        Size of the audio.
    """

    path: Path
    sample_rate: int
    n_samples: int
    n_channels: int

    def blocks(self) -> Iterator[FloatArray]:
        """Samples in order, full scale 1.0, each block of shape (up to 16384, n_channels).

        Raises
        ------
        AudioFileError
            If the file ends early.
        SignalError
            If a sample is NaN or infinite.
        """
        import soundfile

        with io.reading(self.path):
            file = soundfile.SoundFile(self.path)
        with file:
            for start in range(0, self.n_samples, READ_SAMPLES):
                with io.reading(self.path):
                    block = file.read(READ_SAMPLES, dtype="float64", always_2d=True)
                missing = min(READ_SAMPLES, self.n_samples - start) - len(block)
                if missing > 0:
                    raise AudioFileError(
                        f"{self.path}: truncated, it ends after {start + len(block)} of {self.n_samples} samples; "
                        "copy the file again"
                    )
                self._refuse_no_numbers(block, start=start)
                yield block

    def read(self, first: int, stop: int) -> FloatArray:
        """Samples from `first` to before `stop` (or the end), shape (n_samples, n_channels); errors as in `blocks`."""
        import soundfile

        with io.reading(self.path):
            part, _ = soundfile.read(self.path, start=first, stop=stop, dtype="float64", always_2d=True)
        if len(part) < min(stop, self.n_samples) - first:
            raise AudioFileError(f"{self.path}: truncated, it ends before {stop} samples; copy the file again")
        self._refuse_no_numbers(part, start=first)
        return np.asarray(part, dtype=np.float64)

    def _refuse_no_numbers(self, block: FloatArray, *, start: int) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            first, channel = np.argwhere(~finite)[0]
            raise SignalError(
                f"{self.path}: samples are NaN or infinite, the first at {(start + first) / self.sample_rate:.6f} s in "
                f"channel {channel + 1}; export the file again"
            )


def open_audio(path: Path | str) -> AudioSource:
    """Size and rate of an audio file, ready to be read block by block.

    Raises
    ------
    UsageError
        If there is no such file.
    AudioFileError
        If the file is empty, truncated or no audio.
    """
    import soundfile

    path = Path(path)
    with io.reading(path):
        facts = soundfile.info(path)
    if facts.frames == 0:
        raise AudioFileError(f"{path}: the file holds 0 samples; record it again")
    return AudioSource(path, int(facts.samplerate), int(facts.frames), int(facts.channels))


def write_blocks(
    path: Path | str,
    blocks: Iterable[FloatArray],
    *,
    n_samples: int,
    n_channels: int,
    sample_rate: int,
    force: bool = True,
) -> None:
    """Write float32 audio that comes block by block, byte-stable and atomically; RF64 above 4 GB.

    Parameters
    ----------
    path : path
        ``.wav``; nothing is left of it if the blocks end with an error.
    blocks : iterable of ndarray, shape (any, n_channels)
        Full scale 1.0; levels above it are kept.
    n_samples, n_channels : int
        Size of all blocks together.
    sample_rate : int
        Hz.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        If the folder is not writable or the disk is full.
    UsageError
        If the file exists and `force` is false.
    SignalError
        If the blocks hold more or fewer samples than `n_samples`.
    """
    with io.atomic_path(path, force=force) as temporary:
        written = io.fill_audio(temporary, blocks, n_samples=n_samples, n_channels=n_channels, sample_rate=sample_rate)
        if written != n_samples:
            raise SignalError(f"{path}: {written} samples came, {n_samples} were announced; nothing was written")
