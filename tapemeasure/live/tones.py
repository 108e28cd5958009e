"""The tones in a second of signal: where they lie, their level in each channel, the phase between the channels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.dsp.spectra import NOMINAL_THIRD_OCTAVES_HZ, frames_of, hann
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_power

FRAME_S = 0.5
LOWEST_HZ, HIGHEST_PART = 20.0, 0.46
LINE_PART = 0.03
"""Wow of some per cent spreads a tone so far to both sides."""

LEAST_BINS = 3
BESIDE_RATIO = 1.19
BESIDE_BINS = 10
"""A tone is compared with what lies within this ratio of its frequency, and so many bins at least."""

LEAST_OVER = 4.0
"""Power of a tone against what lies beside it."""

LEAST_DBFS = -60.0
"""Softer tones are not measured: hiss and hum would be taken for one."""

WEAKEST_DB = -35.0
"""Against the strongest tone."""

HARMONIC_DB = -15.0
"""A weaker line at a multiple of a stronger one is its harmonic."""

HIGHEST_HARMONIC = 7
MOST_TONES = 16
FLUTTER_TONES_HZ = (3150.0, 3000.0)
REACH = 0.11
"""How far a tone may lie from its nominal frequency: 10 % of speed error, and wow."""


@dataclass(frozen=True)
class FoundTone:
    """A tone in a second of signal.

    Parameters
    ----------
    frequency_hz : float
        Centre of its power.
    level_dbfs : tuple of float
        Rms level in each channel, full scale = 1.0 rms.
    phase_deg : float or None
        Phase of the second channel against the first, -180 to 180: negative is late. None with one channel.
    """

    frequency_hz: float
    level_dbfs: tuple[float, ...]
    phase_deg: float | None


def find_tones(samples: FloatArray, *, sample_rate: float) -> tuple[FoundTone, ...]:
    """Tones of a stretch of signal, the strongest first; harmonics of a stronger one are left out.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        At least half a second, full scale 1.0.
    sample_rate : float
        Hz.

    Raises
    ------
    SignalError
        If it is shorter than half a second.

    Notes
    -----
    Hann windows of 0.5 s. A tone is a line, 3 % wide to each side for its wow, that holds four times the power beside
    it within 19 %. Its level is the power of that band: within 0.01 dB for a tone 40 dB above the noise in it.
    """
    n = round(FRAME_S * sample_rate) // 2 * 2
    if len(samples) < n:
        raise SignalError(f"tones: {len(samples) / sample_rate:.2f} s of signal; give at least {FRAME_S:g} s")
    window = hann(n)
    spectra = np.stack(
        [
            np.fft.rfft(frames_of(channel - np.mean(channel), length_samples=n, hop_samples=n // 2) * window, axis=1)
            for channel in samples.T
        ]
    )
    # mean square of what a bin holds
    power = np.asarray(np.mean(np.abs(spectra) ** 2, axis=1) * (2.0 / (n * np.sum(window**2))), dtype=np.float64)
    frequency = np.asarray(np.arange(n // 2 + 1) * (sample_rate / n), dtype=np.float64)
    lines = _lines(np.asarray(np.sum(power, axis=0)), frequency, sample_rate=sample_rate)
    return tuple(_tone(line, power, spectra, frequency) for line in _without_harmonics(lines, power, frequency))


def _lines(total: FloatArray, frequency: FloatArray, *, sample_rate: float) -> list[BoolArray]:
    """Masks of the lines that stand out, the strongest first."""
    free = (frequency >= LOWEST_HZ) & (frequency <= HIGHEST_PART * sample_rate)
    # what was found to be no line stays there, to be compared with
    rest = frequency > 0.0
    found: list[BoolArray] = []
    strongest = 0.0
    for _ in range(2 * MOST_TONES):
        if not free.any():
            break
        peak = int(np.argmax(np.where(free, total, 0.0)))
        line = _around(frequency, frequency[peak], LINE_PART, LEAST_BINS) & rest
        beside = _around(frequency, frequency[peak], BESIDE_RATIO - 1.0, BESIDE_BINS) & ~line & rest
        held = float(np.sum(total[line]))
        strongest = max(strongest, held)
        if held == 0.0 or db_from_power(held) < LEAST_DBFS or held < strongest * 10.0 ** (WEAKEST_DB / 10.0):
            break
        taken = _around(frequency, frequency[peak], 2.0 * LINE_PART, LEAST_BINS)
        free = free & ~taken
        if held > LEAST_OVER * float(np.sum(total[beside])):
            found.append(line)
            rest = rest & ~taken
    return found[:MOST_TONES]


def _around(frequency: FloatArray, centre_hz: float, part: float, least_bins: int) -> BoolArray:
    reach_hz = max(part * centre_hz, least_bins * float(frequency[1]))
    return np.abs(frequency - centre_hz) <= reach_hz


def _without_harmonics(lines: list[BoolArray], power: FloatArray, frequency: FloatArray) -> list[BoolArray]:
    total = np.sum(power, axis=0)
    centres = [float(np.sum(total[line] * frequency[line]) / np.sum(total[line])) for line in lines]
    levels = [db_from_power(float(np.sum(total[line]))) for line in lines]
    kept = []
    for number, line in enumerate(lines):
        harmonic = any(
            level - levels[number] > -HARMONIC_DB and abs(centres[number] / centre - order) < 0.01 * order
            for centre, level in zip(centres[:number], levels, strict=False)
            for order in range(2, HIGHEST_HARMONIC + 1)
        )
        if not harmonic:
            kept.append(line)
    return kept


def _tone(line: BoolArray, power: FloatArray, spectra: np.ndarray, frequency: FloatArray) -> FoundTone:
    total = np.sum(power, axis=0)[line]
    phase_deg = None
    if len(spectra) > 1:
        cross = np.sum(spectra[1][:, line] * np.conj(spectra[0][:, line]))
        phase_deg = float(np.degrees(np.angle(cross)))
    return FoundTone(
        frequency_hz=float(np.sum(total * frequency[line]) / np.sum(total)),
        level_dbfs=tuple(db_from_power(float(np.sum(channel[line]))) for channel in power),
        phase_deg=phase_deg,
    )


def nominal_hz(found_hz: float, *, expected_hz: Sequence[float]) -> float | None:
    """The frequency that a tone was most likely recorded at; None if none of the expected lies within 11 %.

    Examples
    --------
    >>> nominal_hz(3020.0, expected_hz=FLUTTER_TONES_HZ)
    3000.0
    """
    nearest = min(expected_hz, key=lambda hz: abs(np.log(found_hz / hz)))
    return nearest if abs(found_hz / nearest - 1.0) <= REACH else None


STANDARD_TONES_HZ = tuple(sorted({*NOMINAL_THIRD_OCTAVES_HZ, *FLUTTER_TONES_HZ}))
"""What the tones of a test tape are taken for: third octaves, and 3000 Hz."""
