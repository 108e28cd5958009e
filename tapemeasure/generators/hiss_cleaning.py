"""Hiss alone: what else was in a machine's silence (a leaking pilot, clicks, speech, digital zeros) is cut out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, as_channels, runs_of
from tapemeasure.dsp.spectra import hann
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

LEAK_LOWEST_HZ = 1250.0
"""Below, both tracks share hum and rumble, which tell the filter nothing of the leak."""

LATE_TAPS_COST = 0.3
"""Keeps the filter short, so that its response goes on smoothly below the lowest frequency that it is learned from."""


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
    The leak is what a filter of 65 taps makes of the pilot's track: one for all stretches, by least squares from what
    is above 1250 Hz and short, as below both tracks have the same hum. It takes a share of 65 / n_samples of the hiss
    with it. Blocks of 20 ms more than 6 dB above the median, and single samples of more than seven times the typical
    rms, are cut out with 60 ms on both sides.
    """
    given = [as_channels(stretch) for stretch in stretches]
    leak_db: float | None = None
    if pilots is not None:
        taps = _leak_taps(given, pilots, sample_rate=sample_rate)
        cleaned = [_without_leak(stretch, pilot, taps) for stretch, pilot in zip(given, pilots, strict=True)]
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


def _leak_taps(stretches: Sequence[FloatArray], pilots: Sequence[FloatArray], *, sample_rate: int) -> FloatArray:
    """Filter from the pilot's track into every channel, shape (n_taps, n_channels)."""
    from scipy.linalg import toeplitz

    half = LEAK_TAPS // 2
    own, cross = np.zeros(LEAK_TAPS), np.zeros((LEAK_TAPS, stretches[0].shape[1]))
    for stretch, pilot in zip(stretches, pilots, strict=True):
        n = len(pilot)
        if n < 4 * LEAK_TAPS:
            continue
        window, size = hann(n), 2 ** int(np.ceil(np.log2(2 * n)))
        spectrum = np.fft.rfft((pilot - pilot.mean()) * window, size)
        spectrum[np.fft.rfftfreq(size, 1.0 / sample_rate) < LEAK_LOWEST_HZ] = 0.0
        own += np.fft.irfft(np.abs(spectrum) ** 2)[:LEAK_TAPS]
        ours = np.fft.rfft((stretch - stretch.mean(axis=0)) * window[:, np.newaxis], size, axis=0)
        products = np.fft.irfft(ours * spectrum.conj()[:, np.newaxis], axis=0)
        cross += np.roll(products, half, axis=0)[:LEAK_TAPS]
    if own[0] <= 0.0:
        return np.zeros_like(cross)
    late = np.abs(np.arange(LEAK_TAPS) - half) / half
    cost = own[0] * (1e-6 + LATE_TAPS_COST * late**2)
    return np.asarray(np.linalg.solve(toeplitz(own) + np.diag(cost), cross), dtype=np.float64)


def _without_leak(stretch: FloatArray, pilot: FloatArray, taps: FloatArray) -> FloatArray:
    """A stretch less what the filter makes of the pilot's track."""
    from scipy.signal import fftconvolve

    half = len(taps) // 2
    leak = fftconvolve((pilot - pilot.mean())[:, np.newaxis], taps, axes=0)
    return stretch - leak[half : half + len(stretch)]


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
