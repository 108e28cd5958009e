"""Silences of a signal: where its short-time level stays below a threshold."""

import math
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.errors import ParameterError
from tapemeasure.signals.timeline import Timeline
from tapemeasure.units import db

FRAME_S = 0.02
HOP_S = 0.01


@dataclass(frozen=True)
class Silence:
    """A stretch in which the stimulus is silent, guards removed, seconds on the stimulus' time axis."""

    start_s: float
    end_s: float


def find_silences(
    stimulus: FloatArray,
    *,
    sample_rate: int,
    silence_dbfs: float = -60.0,
    guard_s: float = 0.15,
    min_length_s: float = 0.5,
    timeline: Timeline | None = None,
) -> tuple[Silence, ...]:
    """Silences of a signal, in seconds, guards removed.

    Parameters
    ----------
    stimulus : ndarray, shape (n_samples,)
        One channel, full scale = 1.0.
    sample_rate : int
        Hz.
    silence_dbfs : float
        Silent is where the rms level of every 20 ms (in steps of 10 ms, each without its mean value) lies below.
    guard_s : float
        Taken off at both ends, 0 or more: the device rings out and the delay is not exact.
    min_length_s : float
        Shortest silence that is left after that, above 0.
    timeline : Timeline, optional
        Of the stimulus: where it plays a test signal, however soft, is no silence.

    Raises
    ------
    ParameterError
        If the guard is negative or the length not above 0.

    Examples
    --------
    >>> tone = np.sin(np.arange(4410))
    >>> [silence] = find_silences(np.r_[tone, np.zeros(44100), tone], sample_rate=44100)
    >>> round(silence.start_s, 3), round(silence.end_s, 3)
    (0.25, 0.95)
    """
    _check_lengths(guard_s=guard_s, min_length_s=min_length_s)
    silent = _frame_levels_dbfs(stimulus, sample_rate=sample_rate) < silence_dbfs
    for segment in () if timeline is None else timeline.segments:
        if segment.kind not in ("silence", "programme"):
            first_s, stop_s = segment.start_samples / sample_rate, segment.stop_samples / sample_rate
            silent[max(0, math.floor((first_s - FRAME_S) / HOP_S)) : math.ceil(stop_s / HOP_S) + 1] = False
    stretches = [
        Silence(start_s=first * HOP_S + guard_s, end_s=(stop - 1) * HOP_S + FRAME_S - guard_s)
        for first, stop in runs_of(silent)
    ]
    return tuple(stretch for stretch in stretches if stretch.end_s - stretch.start_s >= min_length_s - 1e-9)


def no_silence_text(
    stimulus: FloatArray, *, sample_rate: int, silence_dbfs: float, guard_s: float, min_length_s: float
) -> str:
    """Sentence that tells why there is no silence, where the signal is quietest, and what to do."""
    needed_s = min_length_s + 2.0 * guard_s
    levels = _frame_levels_dbfs(stimulus, sample_rate=sample_rate)
    n_frames = max(1, round((needed_s - FRAME_S) / HOP_S) + 1)
    if len(levels) < n_frames:
        return (
            f"the input lasts {len(stimulus) / sample_rate:.2f} s, a silence needs {needed_s:.2f} s (with its guards); "
            "give a longer take, or a smaller --min-length or --guard"
        )
    loudest = np.max(np.lib.stride_tricks.sliding_window_view(levels, n_frames), axis=1)
    start = int(np.argmin(loudest))
    return (
        f"the input is nowhere below {silence_dbfs:g} dBFS for {needed_s:.2f} s; its quietest such stretch starts at "
        f"{start * HOP_S:.2f} s and reaches {loudest[start]:.1f} dBFS: raise --silence-dbfs above that, lower "
        "--min-length, or give a take with a pause"
    )


def _check_lengths(*, guard_s: float, min_length_s: float) -> None:
    if guard_s < 0.0 or min_length_s <= 0.0:
        raise ParameterError(f"guard {guard_s} s, minimum length {min_length_s} s; give at least 0 s and above 0 s")


def _frame_levels_dbfs(samples: FloatArray, *, sample_rate: int) -> FloatArray:
    """Rms level of every 20 ms in steps of 10 ms, each without its mean value."""
    hop = HOP_S * sample_rate
    length = round(FRAME_S * sample_rate)
    starts = np.round(np.arange(max(0, int((len(samples) - length) / hop) + 1)) * hop).astype(np.int64)
    if len(samples) < length:
        return np.empty(0)
    if hop == round(hop) and length == 2 * round(hop):
        # two blocks a frame: sums of the blocks are enough
        blocks = samples[: (len(starts) + 1) * round(hop)].reshape(len(starts) + 1, round(hop))
        total, power = np.sum(blocks, axis=1), np.einsum("ij,ij->i", blocks, blocks)
        mean = (total[1:] + total[:-1]) / length
        return db(np.sqrt(np.maximum((power[1:] + power[:-1]) / length - mean**2, 0.0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)
    return db(np.array([np.std(frames[start]) for start in starts]))
