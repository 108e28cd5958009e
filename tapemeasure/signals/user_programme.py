"""The user's own audio as programme: whatever lies in a folder, in the order of the names."""

import math
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError, UsageError
from tapemeasure.io import read_audio

AUDIO_SUFFIXES = (".wav", ".wave", ".flac", ".aif", ".aiff", ".ogg", ".mp3")


def programme_files(folder: Path | str) -> list[Path]:
    """Audio files of a folder, sorted by name; README.md, hidden files and all else that is no audio are passed over.

    Parameters
    ----------
    folder : path
        Without subfolders; no such folder counts as an empty one.

    Raises
    ------
    UsageError
        If the path is a file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise UsageError(f"{folder}: is a file; give the folder that it lies in")
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )


def user_programme(folder: Path | str, *, sample_rate: int, length_s: float) -> FloatArray | None:
    """The user's audio, mixed down to mono, resampled and joined.

    Parameters
    ----------
    folder : path
        Holds WAV or FLAC files (AIFF, Ogg and MP3 are read too).
    sample_rate : int
        Hz that the result shall have.
    length_s : float
        Seconds; reading ends when there is so much.

    Returns
    -------
    ndarray, shape (n_samples,), or None
        At most `length_s`, at the files' own level; None if there are no audio files.

    Raises
    ------
    UsageError
        If the path is a file.
    AudioFileError, SignalError
        If a file cannot be read or holds NaN; the message names it.

    Notes
    -----
    Mono is the mean of the channels. Resampling is polyphase with scipy's default Kaiser filter (flat to about 0.45
    of the lower rate).
    """
    pieces: list[FloatArray] = []
    missing = round(length_s * sample_rate)
    for path in programme_files(folder):
        if missing <= 0:
            break
        samples, own_rate = read_audio(path)
        piece = _resampled(np.mean(samples, axis=1), own_rate, sample_rate)[:missing]
        pieces.append(piece)
        missing -= len(piece)
    return np.concatenate(pieces) if pieces else None


def shares_of(own: FloatArray, *, lengths: list[int], peak: float, where: str) -> list[FloatArray]:
    """Audio at its peak amplitude, cut by time into one piece for each set.

    Too little audio is shared out in proportion to the lengths: every set holds some of it, and none a sample of
    another.

    Parameters
    ----------
    own : ndarray, shape (n_samples,)
        What there is; one gain is applied to all that is used.
    lengths : list of int
        Samples that each set takes.
    peak : float
        Amplitude of the largest sample in the result.
    where : str
        What a message names.

    Raises
    ------
    SignalError
        If the audio is silent.

    Examples
    --------
    >>> [piece.tolist() for piece in shares_of(np.arange(1.0, 5.0), lengths=[4, 2, 2], peak=4.0, where="folder")]
    [[1.0, 2.0], [3.0], [4.0]]
    """
    own = own[: sum(lengths)]
    largest = float(np.max(np.abs(own), initial=0.0))
    if largest == 0.0:
        raise SignalError(f"{where}: the audio is silent; put music there or empty the folder")
    edges = [sum(lengths[:count]) * len(own) // sum(lengths) for count in range(len(lengths) + 1)]
    pieces = zip(edges[:-1], edges[1:], lengths, strict=True)
    # a piece may come out one sample longer than its set by the rounding of its edges
    return [own[start : min(stop, start + length)] * (peak / largest) for start, stop, length in pieces]


def _resampled(samples: FloatArray, own_rate: int, sample_rate: int) -> FloatArray:
    if own_rate == sample_rate:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(own_rate, sample_rate)
    result: FloatArray = resample_poly(samples, sample_rate // common, own_rate // common)
    return result
