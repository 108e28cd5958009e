"""Crosstalk: how much of one track of the tape is heard on the other."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import NOMINAL_THIRD_OCTAVES_HZ, frames_of, hann
from tapemeasure.errors import MismatchError, SignalError

WINDOW_S = 0.1
MIN_WINDOWS = 8
OVERLAP_LOSS = 1.9 / 2.0
"""Independent windows among half overlapped Hann windows, as a part."""

ALIKE_BINS = 1.94
"""The noise of neighbouring bins of a Hann window is alike: so many times the variance of a sum of independent ones."""

SURE = 4.0
"""Coherent power against what chance explains, from which it counts."""

OVERALL_HZ = (400.0, 10000.0)
"""The overall figure leaves out what is the same on both tracks without any leak: hum."""

DRIVEN_PART = 1e-6
"""Bands in which the driven track has less than this part of its power are not measured."""


@dataclass(frozen=True)
class Crosstalk:
    """Crosstalk by third octaves, dB; NaN where the driven track has nothing, or the leak is hidden in noise.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bands,)
        Nominal centres.
    crosstalk_db : ndarray, shape (n_bands,)
        What leaks into the other track against the driven one.
    sigma_db : ndarray, shape (n_bands,)
        Standard uncertainty.
    floor_db : ndarray, shape (n_bands,)
        What would not have been found.
    overall_db, overall_sigma_db : float
        From 400 Hz to 10 kHz, by power of the driven track; NaN where hidden in noise.
    """

    frequency_hz: FloatArray
    crosstalk_db: FloatArray
    sigma_db: FloatArray
    floor_db: FloatArray
    overall_db: float
    overall_sigma_db: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_crosstalk(driven: FloatArray, other: FloatArray, *, sample_rate: float) -> Crosstalk:
    """Crosstalk from a driven track into another one that was recorded silent, dB.

    Parameters
    ----------
    driven, other : ndarray, shape (n_samples,)
        Both tracks of the output over the same time, full scale 1.0: a tone, noise, pulses or programme on the driven
        one alone.
    sample_rate : float
        Hz.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the driven track is silent, or the take is shorter than 0.5 s.

    Notes
    -----
    The coherent part counts: what the driven track's own spectrum explains of the other one's, within each window of
    0.1 s and each bin. Noise of the other track, E_n of ``E_0 / sqrt(E_1^2 - E_n^2)``, so falls out, and so do wow and
    flutter, which both tracks share.
    """
    if len(driven) != len(other):
        raise MismatchError(f"crosstalk: the tracks have {len(driven)} and {len(other)} samples; give the same time")
    n = round(WINDOW_S * sample_rate) // 2 * 2
    window = hann(n)
    own, leak = (
        np.fft.rfft(frames_of(samples - np.mean(samples), length_samples=n, hop_samples=n // 2) * window, axis=1)
        if len(samples)
        else np.zeros((0, n // 2 + 1), dtype=np.complex128)
        for samples in (driven, other)
    )
    if len(own) < MIN_WINDOWS:
        raise SignalError(f"crosstalk: {len(driven) / sample_rate:.2f} s of signal; give at least 0.5 s")
    if not np.any(np.abs(own) > 0.0):
        raise SignalError("crosstalk: the driven track is silent; choose the other channel, or play on this one")
    power, leaked = (np.mean(np.abs(values) ** 2, axis=0) for values in (own, leak))
    cross = np.mean(leak * np.conj(own), axis=0)
    exact = 1000.0 * 10.0 ** (np.arange(-17, 14) / 10.0)
    frequency = np.arange(n // 2 + 1) * sample_rate / n
    rows = []
    for centre in exact[exact * 10.0**0.05 <= 0.5 * sample_rate]:
        inside = (frequency >= centre * 10.0**-0.05) & (frequency < centre * 10.0**0.05)
        inside &= power > DRIVEN_PART * float(np.max(power))
        rows.append(_band(power[inside], leaked[inside], cross[inside], windows=OVERLAP_LOSS * len(own)))
    within = (frequency >= OVERALL_HZ[0]) & (frequency <= OVERALL_HZ[1]) & (power > DRIVEN_PART * float(np.max(power)))
    whole = _band(power[within], leaked[within], cross[within], windows=OVERLAP_LOSS * len(own))
    gain, sigma, floor = np.array(rows).T
    known = np.isfinite(gain)
    overall = 10.0 * float(np.log10(whole[0])) if np.isfinite(whole[0]) else float("nan")
    overall_sigma = 4.343 * whole[1] / whole[0]
    levels, errors = np.full(len(gain), np.nan), np.full(len(gain), np.nan)
    levels[known], errors[known] = 10.0 * np.log10(gain[known]), 4.343 * sigma[known] / gain[known]
    limits = np.full(len(gain), np.nan)
    limits[floor > 0.0] = 10.0 * np.log10(floor[floor > 0.0])
    return Crosstalk(np.array(NOMINAL_THIRD_OCTAVES_HZ)[: len(gain)], levels, errors, limits, overall, overall_sigma)


def _band(power: FloatArray, leaked: FloatArray, cross: FloatArray, *, windows: float) -> tuple[float, float, float]:
    """Power gain of the leak (NaN where chance gives as much), its standard uncertainty, and what would be hidden."""
    driven = float(np.sum(power))
    if driven == 0.0:
        return float("nan"), float("nan"), float("nan")
    coherent = np.abs(cross) ** 2 / power
    # chance explains one part of the windows of what is left
    unexplained = np.maximum(leaked - coherent, 0.0) / max(windows - 1.0, 1.0)
    gain = (float(np.sum(coherent)) - float(np.sum(unexplained))) / driven
    chance = float(np.sqrt(ALIKE_BINS * np.sum(unexplained**2))) / driven
    sigma = float(np.sqrt(ALIKE_BINS * np.sum(unexplained**2 + 2.0 * coherent * unexplained))) / driven
    return (gain if gain > SURE * chance else float("nan")), sigma, SURE * chance
