"""Wow and flutter as the plug-in computes them: delays in samples, float32 phases, its own start."""

import math

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.curve import Grid
from tapemeasure.devices.tape.plugin_wobble import (
    DRIFT_BLOCK_SAMPLES,
    FLUTTER_BASE_SAMPLES,
    FLUTTER_HARMONICS,
    NOISE_CUTOFF_HZ,
    NOISE_STD,
    WOW_DELAY_SAMPLES,
    flutter_depth,
    flutter_hz,
    wander_strength,
    wow_hz,
)
from tapemeasure.params import TapeSettings

PRE_ROLL_S = 0.5
"""Zeros that are played before a file, so that the plug-in has settled."""

CHUNK_SAMPLES = 128 * DRIFT_BLOCK_SAMPLES


def compatible_delay(
    settings: TapeSettings,
    grid: Grid,
    *,
    sample_rate: int,
    latency_samples: float,
    generator: np.random.Generator,
) -> FloatArray:
    """Delay of the plug-in's wow and flutter with its own numbers, seconds, one for each point of the grid.

    Parameters
    ----------
    settings : TapeSettings
        Depths, rates, variance and drift of wow and flutter.
    grid : Grid
        Moments of the machine's time.
    sample_rate : int
        Hz; the delays are in samples of it, and twice the rate halves them.
    latency_samples : float
        How much later than its stimulus the signal passes the delay.
    generator : numpy.random.Generator
        Source of drift and variance, which the plug-in draws anew in every run.

    Notes
    -----
    The plug-in's clock starts half a second of zeros before the take. Every harmonic has a phase accumulator of 32 bits
    that wraps at 2 pi; the wow's random walk starts at 1, far from its mean, so that the first three seconds slide by
    up to 1000 depth^3 samples; drift raises the wow's frequency once in 512 samples. Against a render of the plug-in
    without variance and drift: 0.04 samples rms (exact phases: 0.7).
    """
    from tapemeasure.devices.tape.transport_kernels import plugin_samples

    drift_rng, wander_rng = generator.spawn(2)
    moments = sample_rate * (grid.times_s() + PRE_ROLL_S) + latency_samples
    moments = np.maximum(moments, 0.0)
    turn = 2.0 * math.pi / sample_rate
    harmonics = np.arange(1, len(FLUTTER_HARMONICS) + 1)
    flutter = flutter_depth(settings)
    amplitudes = flutter * np.array([amplitude for amplitude, _ in FLUTTER_HARMONICS])
    offsets = np.array([offset for _, offset in FLUTTER_HARMONICS])
    steps = (turn * flutter_hz(settings) * harmonics).astype(np.float32)
    strength = wander_strength(settings)
    wander = np.array([strength, strength * NOISE_STD / math.sqrt(sample_rate), (20.0 * strength + 1.0) / sample_rate])
    low_pass = _low_pass(sample_rate)
    phases, state = np.zeros(1 + len(harmonics), dtype=np.float32), np.array([1.0, 0.0, 0.0])
    base = FLUTTER_BASE_SAMPLES if settings.flutter_depth > 0.0 else 0.0
    delay_samples = np.empty(grid.n_points)
    done, newest = 0, 0.0
    for first in range(0, math.ceil(moments[-1]) + 2, CHUNK_SAMPLES):
        raised = settings.wow_drift * drift_rng.random(CHUNK_SAMPLES // DRIFT_BLOCK_SAMPLES) ** 1.25
        wow_steps = (turn * wow_hz(settings) * (1.0 + raised)).astype(np.float32)
        noise = wander_rng.standard_normal(CHUNK_SAMPLES) if strength > 0.0 else np.zeros(CHUNK_SAMPLES)
        swing = plugin_samples(
            noise, phases, state, wow_steps, steps, amplitudes, offsets, wander, low_pass,
            settings.wow_depth**3 * WOW_DELAY_SAMPLES,
        )  # fmt: skip
        last = int(np.searchsorted(moments, first + CHUNK_SAMPLES - 1, side="right"))
        clock = first + np.arange(-1, CHUNK_SAMPLES)
        known = np.concatenate(([newest], swing))
        delay_samples[done:last] = base + np.interp(moments[done:last], clock, known)
        done, newest = max(done, last), float(swing[-1])
    return delay_samples / sample_rate


def _low_pass(sample_rate: int) -> FloatArray:
    from scipy.signal import butter

    feed_forward, feedback = butter(2, NOISE_CUTOFF_HZ, fs=sample_rate)
    return np.concatenate((feed_forward, feedback[1:]))
