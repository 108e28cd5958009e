"""Hiss alone: what else was in a machine's silence (a leaking pilot, clicks, speech, digital zeros) is cut out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, as_channels, runs_of
from tapemeasure.errors import SignalError

BLOCK_S = 0.02
GUARD_S = 0.06
OVER_FLOOR_DB = 6.0
"""A block this far above the typical one is no hiss: Gaussian noise of 20 ms stays within 1 dB."""

PEAK_OVER_RMS = 7.0
"""A sample this many times the typical rms is a click: Gaussian noise has one in ten thousand years."""

SHORTEST_S = 0.4
LEAK_TAPS = 65
"""Length of the filter from the pilot's track into the other one; odd, zero delay in its middle."""


@dataclass(frozen=True)
class CleanHiss:
    """What is left of stretches of silence, and what was taken out.

    Parameters
    ----------
    stretches : tuple of ndarray, each of shape (n_samples, n_channels)
        Hiss alone.
    kept_s, given_s : float
        Seconds that are left and that there were.
    loud_s : float
        Seconds of clicks, speech or music, with a guard around them.
    digital_zero_s : float
        Seconds without any noise at all.
    pilot_leak_db : float or None
        Power of the leaked pilot that was taken off, against that of the rest, decibels; None without a pilot.
    """

    stretches: tuple[FloatArray, ...]
    kept_s: float
    given_s: float
    loud_s: float
    digital_zero_s: float
    pilot_leak_db: float | None


def clean_hiss(
    stretches: Sequence[FloatArray], *, sample_rate: int, pilots: Sequence[FloatArray] | None = None
) -> CleanHiss:
    """Hiss alone, from what a machine gave out where its input was silent.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        Full scale 1.0.
    sample_rate : int
        Hz.
    pilots : sequence of ndarray, each of shape (n_samples,), optional
        The track that the pilot was recorded on, over the same samples; what leaks from it is taken off.

    Raises
    ------
    SignalError
        If nothing is left; the message tells what the silences held.

    Notes
    -----
    The leak is the least-squares filter of 65 taps from the pilot's track; it takes a share of 65 / n_samples of the
    hiss with it. Blocks of 20 ms more than 6 dB above the median, and single samples of more than seven times the
    typical rms, are cut out with 60 ms on both sides.
    """
    given = [as_channels(stretch) for stretch in stretches]
    leak_db: float | None = None
    if pilots is not None:
        cleaned = [_without_leak(stretch, pilot) for stretch, pilot in zip(given, pilots, strict=True)]
        leak_power = sum(float(np.sum((a - b) ** 2)) for a, b in zip(given, cleaned, strict=True))
        rest_power = sum(float(np.sum(part**2)) for part in cleaned)
        leak_db = 10.0 * float(np.log10(max(leak_power, 1e-30) / max(rest_power, 1e-30)))
        given = cleaned
    typical = _typical_rms(given, sample_rate=sample_rate)
    kept: list[FloatArray] = []
    loud_s = zero_s = 0.0
    for stretch in given:
        loud, zero = _spoiled(stretch, typical=typical, sample_rate=sample_rate)
        loud_s += float(np.mean(loud)) * len(stretch) / sample_rate
        zero_s += float(np.mean(zero & ~loud)) * len(stretch) / sample_rate
        for first, end in runs_of(~(loud | zero)):
            if end - first >= SHORTEST_S * sample_rate:
                kept.append(stretch[first:end])
    given_s = sum(map(len, given)) / sample_rate
    if not kept:
        raise SignalError(
            f"hiss: {given_s:.2f} s of silence hold {zero_s:.2f} s of digital zeros and {loud_s:.2f} s of clicks or "
            f"signal, and no {SHORTEST_S:g} s of hiss in one piece; record with --silence 60"
        )
    return CleanHiss(tuple(kept), sum(map(len, kept)) / sample_rate, given_s, loud_s, zero_s, leak_db)


def _without_leak(stretch: FloatArray, pilot: FloatArray) -> FloatArray:
    """A stretch less what a short filter makes of the pilot's track."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import fftconvolve

    n, half = len(pilot), LEAK_TAPS // 2
    if n < 4 * LEAK_TAPS or not np.any(pilot):
        return stretch
    size = 2 ** int(np.ceil(np.log2(2 * n)))
    spectrum = np.fft.rfft(pilot, size)
    own = np.fft.irfft(np.abs(spectrum) ** 2)[:LEAK_TAPS]
    own[0] *= 1.0 + 1e-6
    rest = stretch.copy()
    for channel in range(stretch.shape[1]):
        centred = stretch[:, channel] - stretch[:, channel].mean()
        cross = np.roll(np.fft.irfft(np.fft.rfft(centred, size) * spectrum.conj()), half)[:LEAK_TAPS]
        taps = solve_toeplitz(own, cross)
        rest[:, channel] -= fftconvolve(pilot, taps)[half : half + n]
    return rest


def _typical_rms(stretches: Sequence[FloatArray], *, sample_rate: int) -> float:
    """Median over blocks with any sound, all channels together."""
    size = round(BLOCK_S * sample_rate)
    levels = [
        float(np.sqrt(np.mean(block**2)))
        for stretch in stretches
        for block in np.array_split(stretch - np.median(stretch, axis=0), max(1, len(stretch) // size))
    ]
    sounding = [level for level in levels if level > 0.0]
    return float(np.median(sounding)) if sounding else 0.0


def _spoiled(stretch: FloatArray, *, typical: float, sample_rate: int) -> tuple[BoolArray, BoolArray]:
    """Where a stretch is too loud for hiss, and where it is digital zero; one flag a sample."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    centred = stretch - np.median(stretch, axis=0)
    size = max(1, round(BLOCK_S * sample_rate))
    level = np.sqrt(np.maximum(uniform_filter1d(np.mean(centred**2, axis=1), size, mode="nearest"), 0.0))
    peak = np.max(np.abs(centred), axis=1)
    loud = (level > typical * 10.0 ** (OVER_FLOOR_DB / 20.0)) | (peak > PEAK_OVER_RMS * typical)
    guard = 2 * round(GUARD_S * sample_rate) + 1
    same = np.concatenate([[False], np.all(np.diff(stretch, axis=0) == 0.0, axis=1)])
    zero = np.zeros(len(stretch), dtype=np.bool_)
    for first, end in runs_of(same):
        if end - first >= size:
            zero[first:end] = True
    return maximum_filter1d(loud.astype(np.uint8), guard).astype(np.bool_), zero
