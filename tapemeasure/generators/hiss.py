"""New hiss like a machine's: Gaussian noise with the measured spectra and the coherence of its channels, and hum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray, as_channels
from tapemeasure.dsp.spectra import hann
from tapemeasure.errors import SignalError
from tapemeasure.generators.shaped_noise import ShapedNoise, White, white_noise
from tapemeasure.units import db_from_amplitude, rms

LEAST_S = 0.5
FAINTEST_DBFS = -146.0
"""The rounding of 24 bit."""

WINDOW_S = 0.2
"""Windows of the spectrum: 5 Hz."""

HUM_HARMONICS = 20
MAINS_HZ = (50.0, 60.0)
MAINS_TOLERANCE = 0.01
PIECE_S = 4.0
"""Hum is fitted over pieces of at most this length: the mains wander."""

HUM_OVER_NOISE = 12.0
"""A harmonic counts as hum where its power is this many times that of the noise that looks like it."""


@dataclass(frozen=True)
class HumLine:
    """A harmonic of the mains: frequency (Hz) and complex amplitude in every channel (full scale 1.0)."""

    frequency_hz: float
    amplitudes: ComplexArray


@dataclass(frozen=True)
class HissModel:
    """Noise of a machine in all its channels, and its hum.

    Parameters
    ----------
    taps : ndarray, shape (n_channels, n_channels, n_taps)
        Filters from independent white noises of power 1 to the channels.
    hum : tuple of HumLine
        Harmonics of the mains.
    sample_rate : int
        Hz.
    measured_s : float
        Seconds of hiss that it was learned from.
    """

    taps: FloatArray
    hum: tuple[HumLine, ...]
    sample_rate: int
    measured_s: float

    @property
    def n_channels(self) -> int:
        """Channels."""
        return len(self.taps)

    def stream(self, generator: np.random.Generator) -> "HissStream":
        """A new hiss, other than all before, decided by the random generator."""
        return HissStream(self, generator)


class HissStream:
    """A running hiss: noises of power 1 through a model's filters, and its hum.

    Parameters
    ----------
    model : HissModel
        Filters and hum.
    generator : numpy.random.Generator
        Decides which hiss it is.
    white : callable, optional
        The noises: gives the next points, shape (n_channels, n); white Gaussian ones by default.
    """

    def __init__(self, model: HissModel, generator: np.random.Generator, *, white: White | None = None) -> None:
        self._model = model
        noise_generator, phase_generator = generator.spawn(2)
        source = white or white_noise(noise_generator, n_sources=model.taps.shape[1])
        self._noise = ShapedNoise(model.taps, source)
        # one moment of the mains, so that its harmonics and channels keep their relations
        self._start_s = float(phase_generator.uniform(0.0, 1.0))
        self._n_read = 0

    def read(self, n_samples: int) -> FloatArray:
        """The next samples of noise, without hum; shape (n_samples, n_channels)."""
        return np.ascontiguousarray(self._noise.read(n_samples).T)

    def read_hum(self, n_samples: int) -> FloatArray:
        """The next samples of hum alone; shape (n_samples, n_channels)."""
        model = self._model
        place = np.arange(self._n_read, self._n_read + n_samples)
        hum = np.zeros((n_samples, model.n_channels))
        for line in model.hum:
            turns = np.mod(place * (line.frequency_hz / model.sample_rate) + line.frequency_hz * self._start_s, 1.0)
            hum += np.real(np.exp(2j * math.pi * turns)[:, np.newaxis] * line.amplitudes)
        self._n_read += n_samples
        return hum


def fit_hiss(stretches: Sequence[FloatArray], *, sample_rate: int) -> HissModel:
    """Spectra, coherence and hum of a machine's hiss.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        Hiss alone (clicks, speech and pilots cut out before); full scale 1.0.
    sample_rate : int
        Hz.

    Raises
    ------
    SignalError
        If there is less than 0.5 s, the numbers of channels differ, or they are fainter than the rounding of 24 bit.

    Notes
    -----
    Harmonics of 50 and 60 Hz that stand out of the noise are fitted and taken off each stretch. The matrix of
    cross-spectra (Welch, Hann windows of 0.2 s) is taken apart by Cholesky at every frequency: independent white noises
    become channels with the measured spectra and coherence.
    """
    channels = [as_channels(stretch) for stretch in stretches if len(stretch) >= round(WINDOW_S * sample_rate)]
    measured_s = sum(map(len, channels)) / sample_rate
    if measured_s < LEAST_S:
        raise SignalError(
            f"generator of hiss: {measured_s:.2f} s of hiss, {LEAST_S:g} s are needed; record with --silence 60"
        )
    if len({stretch.shape[1] for stretch in channels}) > 1:
        raise SignalError("generator of hiss: the stretches have different numbers of channels; give those of one kind")
    level_dbfs = db_from_amplitude(rms(np.concatenate(channels)))
    if level_dbfs < FAINTEST_DBFS:
        raise SignalError(
            f"generator of hiss: the silences hold {level_dbfs:.0f} dBFS, which is no hiss of a machine (24 bit: "
            f"{FAINTEST_DBFS:g} dBFS); there is nothing to learn from"
        )
    pieces = [
        part
        for stretch in channels
        for part in np.array_split(stretch, math.ceil(len(stretch) / (PIECE_S * sample_rate)))
    ]
    hum = _fit_hum(pieces, sample_rate=sample_rate)
    rest = [without_hum(piece, hum, sample_rate=sample_rate) for piece in pieces]
    return HissModel(_fit_taps(rest, sample_rate=sample_rate), hum, sample_rate, measured_s)


def _fit_taps(stretches: Sequence[FloatArray], *, sample_rate: int) -> FloatArray:
    """Filters whose outputs have the cross-spectra of the stretches."""
    window_samples = round(WINDOW_S * sample_rate) // 2 * 2
    window = hann(window_samples)
    total: ComplexArray = np.zeros(1, dtype=np.complex128)
    n_windows = 0
    for stretch in stretches:
        for first in range(0, len(stretch) - window_samples + 1, window_samples // 2):
            part = stretch[first : first + window_samples]
            spectrum = np.fft.rfft((part - part.mean(axis=0)) * window[:, np.newaxis], axis=0)
            total = total + spectrum[:, :, np.newaxis] * spectrum[:, np.newaxis, :].conj()
            n_windows += 1
    # power of a frequency for white noise of power 1 in
    density = total / (n_windows * np.sum(window**2))
    n_channels = density.shape[1]
    # a hair of independent noise keeps channels that are copies of each other decomposable
    trace = np.trace(density, axis1=1, axis2=2).real
    density = density + (1e-9 * trace + 1e-30)[:, np.newaxis, np.newaxis] * np.eye(n_channels)
    response = np.linalg.cholesky(density)
    taps = np.fft.irfft(response, window_samples, axis=0)
    taps = np.roll(taps, window_samples // 2, axis=0) * window[:, np.newaxis, np.newaxis]
    # the window takes a little of each channel's power, which is known
    power = np.mean(np.concatenate([stretch - stretch.mean(axis=0) for stretch in stretches]) ** 2, axis=0)
    taps *= np.sqrt(power / np.sum(taps**2, axis=(0, 2)))[np.newaxis, :, np.newaxis]
    return np.ascontiguousarray(taps.transpose(1, 2, 0))


def _fit_hum(stretches: Sequence[FloatArray], *, sample_rate: int) -> tuple[HumLine, ...]:
    """Harmonics of the mains that stand out of the longest stretch; the mains whose harmonics hold more."""
    longest = max(stretches, key=len)
    found = [_comb(longest, mains_hz, sample_rate=sample_rate) for mains_hz in MAINS_HZ]
    return max(found, key=lambda comb: sum(float(np.sum(np.abs(line.amplitudes) ** 2)) for line in comb))


def _comb(samples: FloatArray, mains_hz: float, *, sample_rate: int) -> tuple[HumLine, ...]:
    exact_hz = _mains_frequency(samples, mains_hz, sample_rate=sample_rate)
    frequencies = [n * exact_hz for n in range(1, HUM_HARMONICS + 1)]
    amplitudes = _tones(samples, frequencies, sample_rate=sample_rate)
    window = hann(len(samples))[:, np.newaxis]
    beside = np.sum(np.abs(np.fft.rfft(samples * window, axis=0)) ** 2, axis=1) * 4.0 / np.sum(window) ** 2
    frequency_hz = np.fft.rfftfreq(len(samples), 1.0 / sample_rate)
    lines = []
    for tone_hz, row in zip(frequencies, amplitudes, strict=True):
        distance_hz = np.abs(frequency_hz - tone_hz)
        # what the noise on both sides of a harmonic looks like when it is taken for one
        floor = float(np.mean(beside[(distance_hz > 0.1 * mains_hz) & (distance_hz < 0.4 * mains_hz)]))
        if float(np.sum(np.abs(row) ** 2)) > HUM_OVER_NOISE * floor:
            lines.append(HumLine(tone_hz, row))
    return tuple(lines)


def _tones(samples: FloatArray, frequencies_hz: Sequence[float], *, sample_rate: int) -> ComplexArray:
    """Complex amplitudes of tones far apart, shape (n_tones, n_channels)."""
    window = hann(len(samples))
    turns = np.outer(frequencies_hz, np.arange(len(samples)) / sample_rate)
    weights = np.exp(-2j * math.pi * turns) * window
    return np.asarray(weights @ (samples - samples.mean(axis=0)) * (2.0 / window.sum()), dtype=np.complex128)


def _mains_frequency(samples: FloatArray, mains_hz: float, *, sample_rate: int) -> float:
    """Frequency near that of the mains whose first harmonics hold the most power."""
    from scipy.optimize import minimize_scalar

    n = len(samples)
    window = np.hanning(n + 2)[1:-1, np.newaxis]
    spectrum = np.sum(np.abs(np.fft.rfft(samples * window, 8 * 2 ** math.ceil(math.log2(n)), axis=0)) ** 2, axis=1)
    step_hz = sample_rate / (2 * (len(spectrum) - 1))
    places = np.arange(len(spectrum))

    def power(frequency_hz: float) -> float:
        harmonics = np.arange(1, 7) * frequency_hz / step_hz
        return -float(np.sum(np.sqrt(np.interp(harmonics, places, spectrum))))

    grid = mains_hz * np.linspace(1.0 - MAINS_TOLERANCE, 1.0 + MAINS_TOLERANCE, 201)
    best = float(grid[int(np.argmin([power(f) for f in grid]))])
    step = float(grid[1] - grid[0])
    return float(minimize_scalar(power, bounds=(best - step, best + step), method="bounded").x)


def without_hum(samples: FloatArray, hum: Sequence[HumLine], *, sample_rate: int) -> FloatArray:
    """A piece of noise less its own hum: amplitudes and phases are fitted anew.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        Noise of at most a few seconds, full scale 1.0.
    hum : sequence of HumLine
        Where there are harmonics.
    sample_rate : int
        Hz.
    """
    if not hum:
        return samples
    frequencies = [line.frequency_hz for line in hum]
    amplitudes = _tones(samples, frequencies, sample_rate=sample_rate)
    turns = np.outer(np.arange(len(samples)) / sample_rate, frequencies)
    return np.asarray(samples - np.real(np.exp(2j * math.pi * turns) @ amplitudes), dtype=np.float64)
