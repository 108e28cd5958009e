"""Trackers by others, for `benchmarks.delay`: each gives delays at output times, used as its documentation shows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray

FRAME, HOP = 8192, 4096
Track = Callable[[FloatArray, FloatArray, float], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Rival:
    """Name, the package that pip knows, and the function from input, output, sample rate to times and delays."""

    name: str
    package: str
    track: Track


def _tdoa(stimulus: FloatArray, output: FloatArray, sample_rate: float) -> tuple[FloatArray, FloatArray]:
    from pyroomacoustics.experimental import tdoa

    starts = np.arange(FRAME, len(output) - FRAME, HOP)
    delays = [
        tdoa(output[k : k + FRAME], stimulus[k : k + FRAME], interp=16, fs=sample_rate, phat=True) for k in starts
    ]
    return (starts + FRAME / 2) / sample_rate, np.asarray(delays)


def _dtw(stimulus: FloatArray, output: FloatArray, sample_rate: float) -> tuple[FloatArray, FloatArray]:
    import librosa

    features = [librosa.feature.chroma_stft(y=side, sr=sample_rate, hop_length=512) for side in (stimulus, output)]
    _, path = librosa.sequence.dtw(*features, global_constraints=True, band_rad=0.02)
    played, heard = path[::-1].T * 512.0 / sample_rate
    time, first = np.unique(heard, return_index=True)
    return time, (heard - played)[first]


RIVALS = (
    Rival("pyroomacoustics tdoa, PHAT, frames of 8192", "pyroomacoustics", _tdoa),
    Rival("librosa chroma and DTW", "librosa", _dtw),
)


def score(found: tuple[FloatArray, FloatArray], delay: Callable[[FloatArray], FloatArray], seconds: float) -> float:
    """Error of the delays, median removed, rms but for the first and last second, microseconds."""
    time, delays = found
    grid = np.arange(1.0, seconds - 1.0, 0.005)
    error = np.interp(grid, time, delays) - delay(grid)
    return float(1e6 * np.sqrt(np.mean((error - np.median(error)) ** 2)))
