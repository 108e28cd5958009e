"""Trackers by others, for `benchmarks.delay`: each gives delays at output times, used as its documentation shows."""

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tapemeasure.arrays import FloatArray

FRAME, HOP = 8192, 4096
FEATURE_RATE_HZ = 50
WINDOW_S, WINDOW_STEP_S = 6.0, 1.0
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


def _synctoolbox(stimulus: FloatArray, output: FloatArray, sample_rate: float) -> tuple[FloatArray, FloatArray]:
    from synctoolbox.dtw.mrmsdtw import sync_via_mrmsdtw
    from synctoolbox.dtw.utils import make_path_strictly_monotonic
    from synctoolbox.feature.chroma import pitch_to_chroma
    from synctoolbox.feature.dlnco import pitch_onset_features_to_DLNCO
    from synctoolbox.feature.pitch import audio_to_pitch_features
    from synctoolbox.feature.pitch_onset import audio_to_pitch_onset_features

    def features(side: FloatArray) -> tuple[FloatArray, FloatArray]:
        low = _resampled(side, sample_rate, 22050.0)
        chroma = pitch_to_chroma(audio_to_pitch_features(low, Fs=22050, feature_rate=FEATURE_RATE_HZ))
        with redirect_stdout(None):
            # it prints dots
            peaks = audio_to_pitch_onset_features(low, Fs=22050)
        return chroma, pitch_onset_features_to_DLNCO(peaks, chroma.shape[1], feature_rate=FEATURE_RATE_HZ)

    (chroma_1, onset_1), (chroma_2, onset_2) = features(stimulus), features(output)
    path = sync_via_mrmsdtw(chroma_1, chroma_2, onset_1, onset_2, input_feature_rate=FEATURE_RATE_HZ)
    played, heard = make_path_strictly_monotonic(path) / FEATURE_RATE_HZ
    return heard, heard - played


def _offset_finder(stimulus: FloatArray, output: FloatArray, sample_rate: float) -> tuple[FloatArray, FloatArray]:
    from audio_offset_finder.audio_offset_finder import find_offset_between_buffers

    # as its command does: 8 kHz, frames of 16 ms; one offset for every window
    x, y = (_resampled(side, sample_rate, 8000.0) for side in (stimulus, output))
    length, hop = round(WINDOW_S * 8000), round(WINDOW_STEP_S * 8000)
    starts = np.arange(0, len(y) - length + 1, hop)
    # a positive offset: the second buffer's begin lies that far inside the first
    delays = [-find_offset_between_buffers(x[k : k + length], y[k : k + length], 8000)["time_offset"] for k in starts]
    return (starts + 0.5 * length) / 8000.0, np.asarray(delays)


def _resampled(samples: FloatArray, sample_rate: float, wanted_hz: float) -> FloatArray:
    from scipy.signal import resample_poly

    ratio = Fraction(round(wanted_hz), round(sample_rate))
    return np.asarray(resample_poly(samples, ratio.numerator, ratio.denominator), dtype=np.float64)


RIVALS = (
    Rival("pyroomacoustics tdoa, PHAT, frames of 8192", "pyroomacoustics", _tdoa),
    Rival("librosa chroma and DTW", "librosa", _dtw),
    Rival("synctoolbox MrMsDTW, chroma and onsets", "synctoolbox", _synctoolbox),
    Rival("audio-offset-finder, windows of 6 s", "audio-offset-finder", _offset_finder),
)


def score(found: tuple[FloatArray, FloatArray], delay: Callable[[FloatArray], FloatArray], seconds: float) -> float:
    """Error of the delays, median removed, rms but for the first and last second, microseconds."""
    time, delays = found
    grid = np.arange(1.0, seconds - 1.0, 0.005)
    error = np.interp(grid, time, delays) - delay(grid)
    return float(1e6 * np.sqrt(np.mean((error - np.median(error)) ** 2)))
