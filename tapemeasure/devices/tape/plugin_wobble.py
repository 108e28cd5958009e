"""Wow and flutter by the plug-in's knobs, with delays in seconds; random parts stationary from the first point."""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.curve import Grid
from tapemeasure.params import TapeSettings

SAMPLE_S = 1.0 / 44100.0
"""The plug-in's delays are in samples; at 44.1 kHz they last this long."""

WOW_DELAY_SAMPLES = 1000.0
FLUTTER_BASE_SAMPLES = 350.0
# amplitude in samples, phase in radians of the harmonics 1, 2, 3
FLUTTER_HARMONICS = ((-230.0, 0.0), (-80.0, 13.0 * math.pi / 4.0), (-99.0, -math.pi / 10.0))
DRIFT_BLOCK_SAMPLES = 512
NOISE_STD = 0.3035
NOISE_CUTOFF_HZ = 10.0
CHUNK_POINTS = 65536


def moves(settings: TapeSettings) -> bool:
    """Whether the plug-in's wow or flutter is on."""
    return settings.wow_depth > 0.0 or settings.flutter_depth > 0.0


def wow_hz(settings: TapeSettings) -> float:
    """Frequency of the wow without drift, Hz."""
    return float(4.5**settings.wow_rate - 1.0)


def flutter_hz(settings: TapeSettings) -> float:
    """Frequency of the flutter's first harmonic, Hz."""
    return float(0.1 * 1000.0**settings.flutter_rate)


def flutter_depth(settings: TapeSettings) -> float:
    """Factor of the flutter's harmonics."""
    return math.sqrt(settings.flutter_depth**3 * 81.0 / 625.0)


def wander_strength(settings: TapeSettings) -> float:
    """Mean and noise of the Ornstein-Uhlenbeck process, against the wow's amplitude."""
    return float(settings.wow_variance**1.25)


def plugin_delay(settings: TapeSettings, grid: Grid, *, generator: np.random.Generator) -> FloatArray:
    """Delay of the plug-in's wow and flutter, seconds, one for each point of the grid.

    Parameters
    ----------
    settings : TapeSettings
        Depths, rates, variance and drift of wow and flutter.
    grid : Grid
        Moments of the machine's time.
    generator : numpy.random.Generator
        Source of the random part of wow.

    Notes
    -----
    wow: d = depth^3, f = 4.5^rate - 1 Hz, delay d (1 + cos phi + r)/44.1 s with r an Ornstein-Uhlenbeck process of
    mean A = variance^1.25 and rate 20 A + 1 per second, low-passed at 10 Hz, and f raised once in 11.6 ms by up to the
    share drift (uniform^1.25). flutter: d = sqrt(depth^3 81/625), f = 0.1 1000^rate Hz and three harmonics about
    350/44100 s. r begins in its stationary state: there is no slide over the first seconds.
    """
    drift_rng, wander_rng = generator.spawn(2)
    drift = _Drift(settings.wow_drift, grid.rate_hz, drift_rng)
    wander = _Wander(wander_strength(settings), grid.rate_hz, wander_rng)
    delay_s = np.zeros(grid.n_points)
    for first in range(0, grid.n_points, CHUNK_POINTS):
        time_s = grid.times_s(first, first + CHUNK_POINTS)
        piece = delay_s[first : first + CHUNK_POINTS]
        if settings.wow_depth > 0.0:
            phase = 2.0 * math.pi * wow_hz(settings) * (time_s + drift.gained_s(first, len(piece)))
            swing = 1.0 + np.cos(phase) + wander.points(len(piece))
            piece += settings.wow_depth**3 * WOW_DELAY_SAMPLES * SAMPLE_S * swing
        if settings.flutter_depth > 0.0:
            phase = 2.0 * math.pi * flutter_hz(settings) * time_s
            piece += FLUTTER_BASE_SAMPLES * SAMPLE_S
            for harmonic, (amplitude, offset) in enumerate(FLUTTER_HARMONICS, start=1):
                piece += flutter_depth(settings) * amplitude * SAMPLE_S * np.cos(harmonic * phase + offset)
    return delay_s


@dataclass
class _Drift:
    """What a share of up to `share` more frequency, drawn once a block, adds to the wow's time."""

    share: float
    rate_hz: float
    generator: np.random.Generator
    _gained_s: float = field(init=False, default=0.0)
    _raised: FloatArray = field(init=False, default_factory=lambda: np.zeros(0))
    _first_block: int = field(init=False, default=0)

    def gained_s(self, first: int, n_points: int) -> FloatArray | float:
        """Seconds that the phase has gained since the first point of all, for the points from `first` on."""
        if self.share == 0.0:
            return 0.0
        block = (np.arange(first, first + n_points) / (self.rate_hz * DRIFT_BLOCK_SAMPLES * SAMPLE_S)).astype(np.int64)
        self._raised = self._raised[block[0] - self._first_block :]
        self._first_block = int(block[0])
        missing = int(block[-1]) + 1 - self._first_block - len(self._raised)
        self._raised = np.concatenate((self._raised, self.share * self.generator.random(missing) ** 1.25))
        gained = self._gained_s + np.cumsum(self._raised[block - self._first_block] / self.rate_hz)
        before = np.concatenate(([self._gained_s], gained[:-1]))
        self._gained_s = float(gained[-1])
        return before


@dataclass
class _Wander:
    """Low-passed Ornstein-Uhlenbeck process of the wow, in its stationary state."""

    strength: float
    rate_hz: float
    generator: np.random.Generator
    _walk: FloatArray | None = field(init=False, default=None)
    _smooth: FloatArray | None = field(init=False, default=None)

    def points(self, n_points: int) -> FloatArray | float:
        """The next points; zero for variance 0."""
        from scipy.signal import butter, lfilter, sosfilt, sosfilt_zi

        if self.strength == 0.0:
            return 0.0
        pull = (20.0 * self.strength + 1.0) / self.rate_hz
        steps = self.strength * NOISE_STD / math.sqrt(self.rate_hz) * self.generator.standard_normal(n_points)
        if self._walk is None:
            steps[0] /= math.sqrt(pull * (2.0 - pull))
            self._walk = np.zeros(1)
        process, self._walk = lfilter([1.0], [1.0, pull - 1.0], steps, zi=self._walk)
        process += self.strength
        low_pass = butter(2, NOISE_CUTOFF_HZ, fs=self.rate_hz, output="sos")
        if self._smooth is None:
            self._smooth = sosfilt_zi(low_pass) * process[0]
        smooth, self._smooth = sosfilt(low_pass, process, zi=self._smooth)
        return np.asarray(smooth, dtype=np.float64)
