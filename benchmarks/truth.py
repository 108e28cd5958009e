"""Signals with an exactly known, moving delay, and the bound that nature sets to tracking it.

``y(t) = EQ{ tanh(x)(t - d(t)) } + hiss``; d is given by formula at output time.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at

SAMPLE_RATE = 44100
HISS_DBFS = -60.0


@dataclass(frozen=True)
class Wander:
    """Delay of `base_s`, with a drift and sines of (frequency in Hz, amplitude in s, phase)."""

    base_s: float
    drift_ppm: float
    sines: tuple[tuple[float, float, float], ...]

    def __call__(self, time_s: FloatArray) -> FloatArray:
        """Delay at output times, seconds."""
        delay = self.base_s + 1e-6 * self.drift_ppm * np.asarray(time_s)
        for frequency, amplitude, phase in self.sines:
            delay = delay + amplitude * np.sin(2.0 * np.pi * frequency * time_s + phase)
        return delay


PLAIN = Wander(0.031, -4.0, ((0.43, 1.0e-3, 2.1), (8.6, 0.05e-3, 0.4)))
HARD = Wander(
    0.047,
    35.0,
    (
        (0.62, 0.9e-3, 1.2),
        (2.3, 0.2e-3, 0.1),
        (8.1, 0.05e-3, 2.7),
        (26.1, 8e-6, 1.9),
        (61.0, 2e-6, 0.2),
        (93.0, 1e-6, 1.4),
    ),
)


def music(seconds: float, *, seed: int) -> FloatArray:
    """Plucked notes over a bass and brushed noise, with loud and soft passages; peak 0.5."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    out = np.zeros(n + 2 * SAMPLE_RATE)
    for beat in np.arange(0.0, seconds, 0.2):
        first = round(beat * SAMPLE_RATE)
        for low, high, level in ((45.0, 110.0, 0.6), (150.0, 900.0, 0.5), (150.0, 900.0, 0.5)):
            if rng.random() < 0.6:
                time = np.arange(round(rng.uniform(0.25, 1.4) * SAMPLE_RATE)) / SAMPLE_RATE
                pitch = np.exp(rng.uniform(np.log(low), np.log(high)))
                decay = np.exp(-time * rng.uniform(2.0, 7.0)) * np.minimum(1.0, time / 0.005)
                note = sum(
                    k**-1.3 * np.sin(2.0 * np.pi * pitch * k * time + rng.uniform(0.0, 6.28)) for k in range(1, 10)
                )
                out[first : first + len(time)] += level * rng.uniform(0.3, 1.0) * decay * note
        if rng.random() < 0.4:
            brush = rng.standard_normal(3000) * np.exp(-np.arange(3000) / 700.0)
            out[first : first + 3000] += 0.25 * brush
    loudness = 10.0 ** (-0.7 * (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / SAMPLE_RATE / 19.0)))
    out = out[:n] * loudness
    return np.asarray(0.5 * out / np.abs(out).max(), dtype=np.float64)


def looped(pieces: list[FloatArray], seconds: float) -> FloatArray:
    """Pieces of equal loudness one after the other, again and again, with cross-fades of 50 ms; peak 0.5."""
    n, fade = round(seconds * SAMPLE_RATE), SAMPLE_RATE // 20
    rise = np.sin(np.linspace(0.0, np.pi / 2.0, fade)) ** 2
    level = [piece / np.sqrt(np.mean(piece**2)) for piece in pieces]
    out, index = level[0], 1
    while len(out) < n:
        fresh = level[index % len(level)]
        joined = out[-fade:] * rise[::-1] + fresh[:fade] * rise
        out, index = np.concatenate([out[:-fade], joined, fresh[fade:]]), index + 1
    return np.asarray(0.5 * out[:n] / np.abs(out[:n]).max(), dtype=np.float64)


def pulses(seconds: float) -> FloatArray:
    """100 single-sample pulses a second."""
    out = np.zeros(round(seconds * SAMPLE_RATE))
    out[441::441] = 1.0
    return out


def tone(frequency_hz: float, level: float, seconds: float) -> FloatArray:
    """Sine of peak `level`."""
    return level * np.sin(2.0 * np.pi * frequency_hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def tape_equaliser() -> FloatArray:
    """Second-order sections: 25 Hz high-pass, a head bump of 2 dB at 70 Hz, 13 kHz low-pass."""
    turn, gain = 2.0 * np.pi * 70.0 / SAMPLE_RATE, 10.0 ** (2.0 / 40.0)
    side = np.sin(turn) / 1.6
    bump = np.array(
        [1 + side * gain, -2 * np.cos(turn), 1 - side * gain, 1 + side / gain, -2 * np.cos(turn), 1 - side / gain]
    )
    high = signal.butter(1, 25.0, "highpass", fs=SAMPLE_RATE, output="sos")
    low = signal.butter(2, 13000.0, fs=SAMPLE_RATE, output="sos")
    return np.vstack([high, bump / bump[3], low])


def machine(
    samples: FloatArray, delay: Wander, *, equalised: bool, saturated: bool, seed: int, hiss_dbfs: float = HISS_DBFS
) -> FloatArray:
    """Output of the machine."""
    played = np.tanh(samples) if saturated else samples
    n = np.arange(len(samples))
    out = read_at(played, n - delay(n / SAMPLE_RATE) * SAMPLE_RATE, half_taps=64)
    if equalised:
        out = signal.sosfilt(tape_equaliser(), out)
    hiss = 10.0 ** (hiss_dbfs / 20.0) * np.random.default_rng(seed).standard_normal(len(out))
    return np.asarray(out + hiss, dtype=np.float64)


def with_lost_samples(output: FloatArray, places: list[tuple[int, int]]) -> FloatArray:
    """Output in which samples are missing (count above 0) or doubled (below) at places (sample, count) of the whole."""
    parts, first = [], 0
    for place, count in places:
        parts.append(output[first:place])
        first = place + count
    return np.concatenate([*parts, output[first:]])


def bound_us(
    samples: FloatArray,
    time_s: FloatArray,
    *,
    bandwidth_hz: float,
    equalised: bool,
    hiss_dbfs: float = HISS_DBFS,
    window_s: float = 0.02,
) -> float:
    """Cramer-Rao bound of a tracker of that bandwidth, rms over some times, microseconds: sqrt(B N0 / mean(x'^2)).

    The mean is taken around every time; `samples` is the input as it stands in the output but for its delay.
    """
    heard = signal.sosfilt(tape_equaliser(), samples) if equalised else samples
    slope = np.gradient(heard) * SAMPLE_RATE
    width = max(1, round(max(window_s, 0.5 / bandwidth_hz) * SAMPLE_RATE))
    power = signal.fftconvolve(slope**2, np.ones(width) / width, "same")
    power = power[np.clip(np.round(time_s * SAMPLE_RATE).astype(np.int64), 0, len(power) - 1)]
    # in a silence as short as the window the surroundings tell, whatever this formula says
    power = np.maximum(power, np.percentile(power, 2.0))
    noise = 2.0 * 10.0 ** (hiss_dbfs / 10.0) / SAMPLE_RATE
    return float(1e6 * np.sqrt(np.mean(bandwidth_hz * noise / power)))
