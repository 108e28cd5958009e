"""Erasure: what is left of a recorded tone after the erase head has passed over it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.demodulation import tone_frequency_hz
from tapemeasure.analysis.spread import Figure, mean_of_blocks
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import frames_of, hann
from tapemeasure.errors import SignalError

WINDOW_S = 0.5
MIN_WINDOWS = 5
LINE_PART = 0.015
"""Half width of the tone's band, part of its frequency: speed errors between two passes and wow stay within it."""

LEAST_LINE_HZ = 10.0
BESIDE = 3.0
"""The noise is read from the band's edges up to so many half widths away."""

SEEN = 2.0
"""The remainder counts where it stands so many standard uncertainties out of the noise."""


@dataclass(frozen=True)
class Erasure:
    """How far an erase head takes a tone down.

    Parameters
    ----------
    frequency_hz : float
        Of the tone as it was played.
    erasure_db, sigma_db : float
        Tone before over what is left of it, and the standard uncertainty; NaN where nothing stands out of the noise.
    at_least_db : float
        What the noise of the erased tape allows to say: its 95 % limit.
    level_dbfs : float
        Of the tone before, rms.
    duration_s : float
        Of the erased tape.
    """

    frequency_hz: float
    erasure_db: float
    sigma_db: float
    at_least_db: float
    level_dbfs: float
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_erasure(
    before: FloatArray, erased: FloatArray, *, sample_rate: float, frequency_hz: float = 1000.0
) -> Erasure:
    """Attenuation of a recorded tone by the erase head, dB.

    Parameters
    ----------
    before : ndarray, shape (n_samples,)
        The tone as it was played back, full scale 1.0; at least 1.5 s. The standard asks for full level.
    erased : ndarray, shape (any,)
        The same track of the same stretch of tape, played back with the same gain after it was erased; at least 1.5 s.
    sample_rate : float
        Hz, of both.
    frequency_hz : float
        Of the tone; the standard asks for 1 kHz. Up to 10 % beside it the tone is found.

    Raises
    ------
    SignalError
        If there is no such tone before, or one of the two is too short.

    Notes
    -----
    Power within 1.5 % of the tone's frequency (at least 10 Hz), less that of the noise beside it, in Hann windows of
    half a second, whose spread gives the uncertainty; no alignment is needed. What the replay amplifier hums within
    that band counts as noise only where it reaches beyond it.

    References
    ----------
    IEC 60094-3 (erasing attenuation of a tone at full level); DIN 45 500 part 4 asks for 60 dB at 1 kHz.
    """
    tone_hz = tone_frequency_hz(before, sample_rate=sample_rate, nominal_hz=frequency_hz)
    half_hz = max(LEAST_LINE_HZ, LINE_PART * tone_hz)
    whole = _line_power(before, sample_rate=sample_rate, tone_hz=tone_hz, half_hz=half_hz, name="before")
    left = _line_power(erased, sample_rate=sample_rate, tone_hz=tone_hz, half_hz=half_hz, name="erased")
    limit = max(left.value, 0.0) + SEEN * left.sigma
    seen = left.value > SEEN * left.sigma
    relative = float(np.hypot(whole.sigma / whole.value, left.sigma / left.value)) if seen else float("nan")
    return Erasure(
        frequency_hz=tone_hz,
        erasure_db=10.0 * float(np.log10(whole.value / left.value)) if seen else float("nan"),
        sigma_db=10.0 / float(np.log(10.0)) * relative,
        at_least_db=10.0 * float(np.log10(whole.value / limit)) if limit > 0.0 else float("inf"),
        level_dbfs=10.0 * float(np.log10(whole.value)),
        duration_s=len(erased) / sample_rate,
    )


def _line_power(samples: FloatArray, *, sample_rate: float, tone_hz: float, half_hz: float, name: str) -> Figure:
    """Mean square of a line without the noise beside it, and its uncertainty from the spread of the windows."""
    n = round(WINDOW_S * sample_rate) // 2 * 2
    frames = frames_of(samples, length_samples=n, hop_samples=n // 2)
    if len(frames) < MIN_WINDOWS:
        least_s = 0.5 * (MIN_WINDOWS + 1) * WINDOW_S
        raise SignalError(
            f"erasure: {len(samples) / sample_rate:.2f} s of tape {name}; give at least {least_s:g} s of it"
        )
    window = hann(n)
    power = 2.0 * np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 / (n * np.sum(window**2))
    away_hz = np.abs(np.arange(power.shape[1]) * sample_rate / n - tone_hz)
    line, beside = away_hz <= half_hz, (away_hz > half_hz) & (away_hz <= BESIDE * half_hz)
    noise = np.mean(power[:, beside], axis=1)
    excess = np.sum(power[:, line], axis=1) - np.count_nonzero(line) * noise
    figure = mean_of_blocks(excess)
    # windows that overlap by half carry 1.06 times less than as many independent ones
    return Figure(figure.value, float(np.sqrt(1.056)) * figure.sigma)
