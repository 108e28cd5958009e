"""Files: audio in and out, JSON sidecars, hashes; every result is written to a temporary file and renamed.

A kill or a full disk at any moment leaves either the old file or the new one, never half of one. Audio is float32
WAV without a time stamp (RF64 above 4 GB), so that equal samples give equal bytes.
"""

import errno
import hashlib
import json
import math
import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tapemeasure import __version__
from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.errors import AudioFileError, MismatchError, OutputError, SignalError, UsageError

WAV_LIMIT_BYTES = 2**32 - 2**16
SIGNIFICANT_DIGITS = 9
EXACT_IN_FLOAT32 = ("FLOAT", "PCM_24", "PCM_16", "PCM_S8", "PCM_U8")


def read_audio(path: Path | str) -> tuple[FloatArray, int]:
    """Samples of an audio file.

    Parameters
    ----------
    path : path
        WAV, RF64, FLAC or anything else that libsndfile reads.

    Returns
    -------
    samples : ndarray, shape (n_samples, n_channels)
        float64, full scale 1.0.
    sample_rate : int
        Hz.

    Raises
    ------
    UsageError
        If there is no such file.
    AudioFileError
        If the file is empty, truncated or no audio.
    SignalError
        If a sample is NaN or infinite.
    """
    import soundfile

    path = Path(path)
    with reading(path), soundfile.SoundFile(path) as file:
        # libsndfile takes twice as long to make float64 of them
        kind: Literal["float32", "float64"] = "float32" if file.subtype in EXACT_IN_FLOAT32 else "float64"
        samples, sample_rate = file.read(dtype=kind, always_2d=True).astype(np.float64, copy=False), file.samplerate
    if samples.shape[0] == 0:
        raise AudioFileError(f"{path}: the file holds 0 samples; record it again")
    finite = np.isfinite(samples)
    if not finite.all():
        first, channel = np.argwhere(~finite)[0]
        raise SignalError(
            f"{path}: {int((~finite).sum())} samples are NaN or infinite, the first at {first / sample_rate:.6f} s in "
            f"channel {channel + 1}; export the file again"
        )
    return samples, int(sample_rate)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Look at an audio file before libsndfile does, and say in words why it cannot be read; errors as `read_audio`."""
    import soundfile

    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give an audio file")
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the name")
    if path.stat().st_size == 0:
        raise AudioFileError(f"{path}: the file is empty (0 bytes); record or copy it again")
    try:
        _refuse_truncated(path)
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = getattr(error, "error_string", str(error))
        raise AudioFileError(f"{path}: not a readable audio file ({reason}); give a WAV or FLAC file") from error


def read_pair(input_path: Path | str, output_path: Path | str) -> tuple[FloatArray, FloatArray, int]:
    """Input and output of a take, and the sample rate that they share.

    Raises
    ------
    MismatchError
        If their sample rates differ; else as `read_audio`.
    """
    stimulus, sample_rate = read_audio(input_path)
    output, output_rate = read_audio(output_path)
    if output_rate != sample_rate:
        raise MismatchError(
            f"{output_path} is {output_rate} Hz, {input_path} is {sample_rate} Hz; resample one of them"
        )
    return stimulus, output, sample_rate


def _refuse_truncated(path: Path) -> None:
    """Raise AudioFileError if a WAV, RF64 or AIFF file ends before its audio does (libsndfile reads what is there)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(12)
        form, kind = header[:4], header[8:12]
        if (form, kind) not in ((b"RIFF", b"WAVE"), (b"RF64", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC")):
            return
        order: Literal["big", "little"] = "big" if form == b"FORM" else "little"
        long_length = 0
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], order)
            if chunk[:4] in (b"data", b"SSND"):
                if length == 2**32 - 1:
                    # a length that was never written (a stream), or that stands in RF64's own chunk
                    length = long_length
                missing = file.tell() + length - size
                if missing > 0:
                    raise AudioFileError(
                        f"{path}: truncated, {missing} of {length} bytes of audio are missing; copy the file again"
                    )
                return
            if chunk[:4] == b"ds64":
                long_length = int.from_bytes(file.read(16)[8:], order)
                length -= 16
            file.seek(length + length % 2, os.SEEK_CUR)
    raise AudioFileError(f"{path}: truncated, the header has no audio behind it; copy the file again")


def write_audio(path: Path | str, samples: FloatArray, *, sample_rate: int, force: bool = True) -> None:
    """Write float32 audio, byte-stable and atomically.

    Parameters
    ----------
    path : path
        ``.wav``; RF64 is written instead where the data exceed 4 GB.
    samples : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Full scale 1.0; levels above it are kept.
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
    """
    data = as_channels(samples)
    with atomic_path(path, force=force) as temporary:
        fill_audio(temporary, [data], n_samples=len(data), n_channels=data.shape[1], sample_rate=sample_rate)


def fill_audio(path: Path, blocks: Iterable[FloatArray], *, n_samples: int, n_channels: int, sample_rate: int) -> int:
    """Write float32 audio that comes in blocks, WAV or above 4 GB RF64; the number of samples that came.

    An OSError is the disk's; for a file that is only there when it is whole, give the name of `atomic_path`.
    """
    n_bytes = 4 * n_samples * n_channels
    written = 0
    with ExitStack() as stack:
        if n_bytes < WAV_LIMIT_BYTES:
            file = stack.enter_context(path.open("wb"))
            file.write(_wav_header(n_bytes, n_channels, sample_rate))
            write: Callable[[Any], Any] = file.write
        else:
            write = stack.enter_context(_rf64(path, n_channels, sample_rate))
        for block in blocks:
            write(np.ascontiguousarray(block, dtype="<f4"))
            written += len(block)
    return written


def _wav_header(n_bytes: int, n_channels: int, sample_rate: int) -> bytes:
    """Header of float32 samples: format, number of samples, and the begin of the data."""
    frame = 4 * n_channels
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, n_channels, sample_rate, sample_rate * frame, frame, 32, 0)
    rest = form + struct.pack("<4sII4sI", b"fact", 4, n_bytes // frame, b"data", n_bytes)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(rest) + n_bytes, b"WAVE") + rest


@contextmanager
def _rf64(path: Path, n_channels: int, sample_rate: int) -> Iterator[Callable[[Any], Any]]:
    import soundfile

    try:
        with soundfile.SoundFile(
            path, "w", samplerate=sample_rate, channels=n_channels, format="RF64", subtype="FLOAT"
        ) as file:
            yield file.write
    except soundfile.LibsndfileError as error:
        raise OSError(errno.EIO, error.error_string) from error


@contextmanager
def atomic_path(path: Path | str, *, force: bool = True) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its name when the block ends without an error.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or the disk is full; nothing is left under the final name.
    UsageError
        If the file exists and `force` is false.
    """
    path = Path(path)
    refuse_overwrite(path, force=force)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(_why_not_written(path, error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _why_not_written(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full; free some space or choose another folder (nothing was left half-written)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: the folder {path.parent} is not writable; choose another output folder"
    return f"{path}: could not be written ({error.strerror or error}); choose another output"


def refuse_overwrite(path: Path | str, *, force: bool) -> None:
    """Refuse, before the work begins, a file that could not be written after it.

    Raises
    ------
    UsageError
        If `path` is a folder, or exists and `force` is false.
    OutputError
        If its folder, or the nearest one above that exists, is no folder or not writable.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists already; give another name or --force")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise OutputError(f"{path}: could not be written ({above} is a file, no folder); choose another output")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(_why_not_written(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES))))


def write_bytes(path: Path | str, data: bytes, *, force: bool = True) -> None:
    """Write bytes atomically; errors as in `atomic_path`."""
    with atomic_path(path, force=force) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str, *, force: bool = True) -> None:
    """Write UTF-8 text atomically; errors as in `atomic_path`."""
    write_bytes(path, text.encode(), force=force)


def write_json(path: Path | str, value: Any, *, force: bool = True) -> None:
    """Write stable JSON: the keys' own order, nine significant digits, ``null`` for what is not finite."""
    write_text(path, json_text(value) + "\n", force=force)


def json_text(value: Any) -> str:
    """JSON as every command and stage prints it.

    Examples
    --------
    >>> print(json_text({"level_dbfs": float("nan")}))
    {
      "level_dbfs": null
    }
    """
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Value of JSON types only: arrays as lists, paths as strings, floats rounded, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def read_json(path: Path | str) -> Any:
    """Content of a JSON file.

    Raises
    ------
    UsageError
        If there is no such file.
    AudioFileError
        If it is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file; check the name") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}); give a JSON file") from error
    except (ValueError, RecursionError) as error:
        raise AudioFileError(f"{path}: not valid JSON ({error}); make it again") from error


def sha256_of_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance(*, inputs: Mapping[str, Path] | None = None, commit: bool = True) -> dict[str, Any]:
    """Tool version, commit and the hashes of the inputs, for every sidecar and ``--json``.

    Files that a pipeline hashes leave the commit out, so that equal code and inputs give equal bytes.
    """
    return {
        "tapemeasure_version": __version__,
        **({"commit": source_commit()} if commit else {}),
        "sha256": {name: sha256_of_file(path) for name, path in (inputs or {}).items()},
    }


@cache
def source_commit() -> str | None:
    """Commit of the checkout that the package runs from; None when it was installed from a wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
