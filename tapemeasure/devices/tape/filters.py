"""FIR filters that follow a curve of levels, and the convolution that runs them over a stream of blocks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray

SHORTEST_S = 0.16
"""Taps last at least this long: they resolve a third octave down to 30 Hz at every sample rate."""

GRID_PER_TAP = 8
"""Points of the frequency grid for every tap: what the cepstrum folds over stays below -100 dB."""


def filter_length(*, sample_rate: int) -> int:
    """Taps that last 0.16..0.32 s, a power of two."""
    return 1 << math.ceil(math.log2(SHORTEST_S * sample_rate))


def grid_hz(*, n_taps: int, sample_rate: int) -> FloatArray:
    """Frequencies from 0 to half the sample rate at which the response of a filter of `n_taps` is to be given."""
    bins = np.arange(GRID_PER_TAP * n_taps // 2 + 1, dtype=np.float64)
    return bins * (sample_rate / (GRID_PER_TAP * n_taps))


def curve_db(points_db: Sequence[tuple[float, float]], frequencies_hz: FloatArray) -> FloatArray:
    """Levels of a curve in dB: straight lines over the logarithm of the frequency, held beyond both ends.

    Examples
    --------
    >>> curve_db([(100.0, 0.0), (1000.0, 6.0)], np.array([0.0, 316.227766, 5000.0])).round(6).tolist()
    [0.0, 3.0, 6.0]
    """
    points_hz, levels_db = (np.array(column) for column in zip(*points_db, strict=True))
    logarithms = np.log(np.maximum(frequencies_hz, 1e-6))
    return np.asarray(np.interp(logarithms, np.log(points_hz), levels_db), dtype=np.float64)


def minimum_phase_taps(amplitudes: FloatArray) -> FloatArray:
    """FIR of the least possible delay with given amplitudes at `grid_hz`, all above zero; shape (n_taps,).

    Notes
    -----
    The folded real cepstrum, cut to an eighth of its grid with a half Hann fade over the last quarter. Where the
    curve is smooth over 1 / (duration of the taps) the error is below 0.05 dB.

    References
    ----------
    A. V. Oppenheim, R. W. Schafer, "Discrete-Time Signal Processing", chapter on the complex cepstrum.
    """
    n_grid = 2 * (len(amplitudes) - 1)
    cepstrum = np.fft.irfft(np.log(amplitudes), n_grid)
    folded = np.zeros(n_grid)
    folded[0] = cepstrum[0]
    folded[1 : n_grid // 2] = 2.0 * cepstrum[1 : n_grid // 2]
    folded[n_grid // 2] = cepstrum[n_grid // 2]
    taps = np.fft.irfft(np.exp(np.fft.rfft(folded)), n_grid)[: n_grid // GRID_PER_TAP]
    n_fade = len(taps) // 4
    taps[-n_fade:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / n_fade)
    return np.asarray(taps, dtype=np.float64)


def rotated_taps(taps: FloatArray, phases_deg: FloatArray) -> FloatArray:
    """FIR with the amplitudes of `taps` and more phase (degrees at `grid_hz`, positive = early), a quarter later.

    Notes
    -----
    The delay of ``len(taps) // 4`` samples leaves room for what comes early; both ends fade by a half Hann window.
    """
    n_taps = len(taps)
    spectrum = np.fft.rfft(taps, GRID_PER_TAP * n_taps) * np.exp(1j * np.radians(phases_deg))
    rotated = np.roll(np.fft.irfft(spectrum, GRID_PER_TAP * n_taps), n_taps // 4)[:n_taps]
    n_fade = n_taps // 8
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / n_fade)
    rotated[:n_fade] *= fade
    rotated[-n_fade:] *= fade[::-1]
    return np.asarray(rotated, dtype=np.float64)


def linear_phase_taps(amplitudes: FloatArray) -> FloatArray:
    """Symmetric FIR with given amplitudes at `grid_hz` (they may be negative), one tap shorter than that grid says.

    Notes
    -----
    Frequency sampling and a Hann window; the centre, the delay in samples, is the tap number ``len // 2``.
    """
    n_grid = 2 * (len(amplitudes) - 1)
    half = n_grid // GRID_PER_TAP // 2 - 1
    response = np.fft.irfft(amplitudes, n_grid)
    window = 0.5 + 0.5 * np.cos(np.pi * np.arange(half + 1) / (half + 1))
    one_side = response[: half + 1] * window
    return np.concatenate((one_side[:0:-1], one_side))


@dataclass(frozen=True)
class StreamingFir:
    """Convolution of all channels with the same taps; the result does not depend on how a signal is cut into blocks.

    Parameters
    ----------
    taps : ndarray, shape (n_taps,)
        Impulse response.
    n_channels : int
        Channels.

    Notes
    -----
    Overlap-save with frames that are fixed on the time axis; what comes out is `latency_samples` late, besides
    the delay of the taps themselves.
    """

    taps: FloatArray
    n_channels: int
    _spectrum: ComplexArray = field(init=False, repr=False)
    _frames: FloatArray = field(init=False, repr=False)
    _ready: FloatArray = field(init=False, repr=False)
    _filled: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        length = 2 ** math.ceil(math.log2(max(len(self.taps), 64)))
        object.__setattr__(self, "_spectrum", np.fft.rfft(self.taps, 2 * length)[:, np.newaxis])
        object.__setattr__(self, "_frames", np.zeros((2 * length, self.n_channels)))
        object.__setattr__(self, "_ready", np.zeros((length, self.n_channels)))
        object.__setattr__(self, "_filled", [0])

    @property
    def latency_samples(self) -> int:
        """Length of the frames."""
        return len(self._ready)

    def process(self, block: FloatArray) -> FloatArray:
        """Next filtered samples, as many as `block` has; shape (n_samples, n_channels)."""
        length = len(self._ready)
        out = np.empty((len(block), self.n_channels))
        done = 0
        while done < len(block):
            filled = self._filled[0]
            n = min(len(block) - done, length - filled)
            out[done : done + n] = self._ready[filled : filled + n]
            self._frames[length + filled : length + filled + n] = block[done : done + n]
            self._filled[0] = filled + n
            done += n
            if self._filled[0] == length:
                self._convolve()
        return out

    def _convolve(self) -> None:
        length = len(self._ready)
        spectrum = np.fft.rfft(self._frames, axis=0) * self._spectrum
        self._ready[:] = np.fft.irfft(spectrum, 2 * length, axis=0)[length:]
        self._frames[:length] = self._frames[length:]
        self._filled[0] = 0
