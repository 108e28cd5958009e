"""Wow and flutter of the transport, and the travel from record head to play head, as one delay trajectory."""

import math

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

CONTROL_RATE_HZ = 1000.0
"""Points per second of the trajectory. The delay between two points is DEFINED as their cubic spline."""

SAMPLE_S = 1.0 / 44100.0
"""The plug-in's delays are in samples; at 44.1 kHz they last this long."""

WOW_DELAY_S = 1000.0 * SAMPLE_S
FLUTTER_BASE_S = 350.0 * SAMPLE_S
# amplitude in samples, phase in radians of the harmonics 1, 2, 3
FLUTTER_HARMONICS = ((-230.0, 0.0), (-80.0, 13.0 * math.pi / 4.0), (-99.0, -math.pi / 10.0))
DRIFT_BLOCK_S = 512.0 * SAMPLE_S
NOISE_STD = 0.3035
NOISE_CUTOFF_HZ = 10.0
HIGH_PASS_HZ = 15.0


def moves(settings: TapeSettings) -> bool:
    """Whether the transport has wow or flutter at all."""
    return settings.wow_depth > 0.0 or settings.flutter_depth > 0.0


def transport_trajectory(
    settings: TapeSettings, *, duration_s: float, generator: np.random.Generator
) -> DelayTrajectory:
    """Delay of a tape transport at every moment of the output, seconds.

    Parameters
    ----------
    settings : TapeSettings
        Depths, rates, variance and drift of wow and flutter, `head_delay_ms`.
    duration_s : float
        Length of the output; the trajectory covers it.
    generator : numpy.random.Generator
        Source of the random part of wow.

    Returns
    -------
    DelayTrajectory
        1000 points per second; uncertainty 0, all valid. Equal seeds give equal delays at every sample rate.

    Notes
    -----
    wow: d = depth^3, f = 4.5^rate - 1 Hz, delay d (1 + cos phi + r)/44.1 s with r an Ornstein-Uhlenbeck process of
    mean A = variance^1.25 and rate 20 A + 1 per second, low-passed at 10 Hz, and f raised once in 11.6 ms by up to the
    share drift (uniform^1.25). flutter: d = sqrt(depth^3 81/625), f = 0.1 1000^rate Hz and three harmonics about
    350/44100 s. Delays are those of the plug-in at 44.1 kHz. r begins in its stationary state: there is no slide over
    the first seconds.
    """
    n_points = max(math.ceil(duration_s * CONTROL_RATE_HZ) + 1, 4)
    delay_s = np.full(n_points, settings.head_delay_ms * 1e-3)
    if settings.wow_depth > 0.0:
        delay_s += _wow(settings, n_points=n_points, generator=generator)
    if settings.flutter_depth > 0.0:
        delay_s += _flutter(settings, n_points=n_points)
    # a tape cannot play what is not yet recorded
    delay_s += max(0.0, -float(delay_s.min()))
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=CONTROL_RATE_HZ,
        delay_s=delay_s,
        sigma_s=np.zeros(n_points),
        valid=np.ones(n_points, dtype=np.bool_),
    )


def _wow(settings: TapeSettings, *, n_points: int, generator: np.random.Generator) -> FloatArray:
    base_hz = 4.5**settings.wow_rate - 1.0
    n_blocks = int(n_points / CONTROL_RATE_HZ / DRIFT_BLOCK_S) + 1
    raised = 1.0 + settings.wow_drift * generator.random(n_blocks) ** 1.25
    block = (np.arange(n_points) / CONTROL_RATE_HZ / DRIFT_BLOCK_S).astype(np.int64)
    steps = 2.0 * math.pi * base_hz * raised[block] / CONTROL_RATE_HZ
    phase = np.concatenate(([0.0], np.cumsum(steps[:-1])))
    wander = _wander(settings.wow_variance, n_points=n_points, generator=generator)
    delay_s: FloatArray = settings.wow_depth**3 * WOW_DELAY_S * (1.0 + np.cos(phase) + wander)
    return delay_s


def _wander(variance: float, *, n_points: int, generator: np.random.Generator) -> FloatArray:
    """Low-passed Ornstein-Uhlenbeck process of the wow, in its stationary state; zeros for variance 0."""
    from scipy.signal import butter, lfilter, sosfilt, sosfilt_zi

    strength = variance**1.25
    if strength == 0.0:
        return np.zeros(n_points)
    pull = (20.0 * strength + 1.0) / CONTROL_RATE_HZ
    noise = strength * NOISE_STD / math.sqrt(CONTROL_RATE_HZ)
    steps = noise * generator.standard_normal(n_points)
    steps[0] /= math.sqrt(pull * (2.0 - pull))
    process = strength + lfilter([1.0], [1.0, pull - 1.0], steps)
    low_pass = butter(2, NOISE_CUTOFF_HZ, fs=CONTROL_RATE_HZ, output="sos")
    smooth, _ = sosfilt(low_pass, process, zi=sosfilt_zi(low_pass) * process[0])
    return np.asarray(smooth, dtype=np.float64)


def _flutter(settings: TapeSettings, *, n_points: int) -> FloatArray:
    depth = math.sqrt(settings.flutter_depth**3 * 81.0 / 625.0)
    phase = 2.0 * math.pi * 0.1 * 1000.0**settings.flutter_rate * np.arange(n_points) / CONTROL_RATE_HZ
    delay_s = np.full(n_points, FLUTTER_BASE_S)
    for harmonic, (amplitude, offset) in enumerate(FLUTTER_HARMONICS, start=1):
        delay_s += depth * amplitude * SAMPLE_S * np.cos(harmonic * phase + offset)
    return delay_s
