"""Modulation noise: what the tape's unevenness adds around a tone, read from the part in phase with the tone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.demodulation import DemodulatedTone, demodulate_tone, tone_frequency_hz
from tapemeasure.analysis.spread import rms_figure
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_amplitude

LOW_HZ = 1.0
FLAT_PART = 0.6
"""The demodulator is flat up to this part of its bandwidth."""

FLAT_DB = 0.01
"""How flat it is there: no figure is surer than that."""

BLOCK_S = 0.25
MIN_LENGTH_S = 0.2


@dataclass(frozen=True)
class ModulationNoise:
    """Modulation noise of a tone.

    Parameters
    ----------
    frequency_hz : float
        Of the tone.
    level_db : float
        Rms of the amplitude's relative fluctuation, both sidebands: the noise against the tone. NaN where the additive
        noise explains all of it.
    sigma_db : float
        Standard uncertainty, from blocks of 0.25 s.
    low_hz, high_hz : float
        Distance from the tone that counts.
    additive_db : float or None
        Part of the additive noise (hiss) that was taken off, same reference; None where none was given.
    duration_s : float
        Evaluated time.
    """

    frequency_hz: float
    level_db: float
    sigma_db: float
    low_hz: float
    high_hz: float
    additive_db: float | None
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_modulation_noise(
    samples: FloatArray,
    *,
    sample_rate: float,
    frequency_hz: float,
    silence: FloatArray | None = None,
    bandwidth_hz: float | None = None,
) -> ModulationNoise:
    """Modulation noise of a steady tone that a machine played, dB against the tone.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        The tone as it came back, full scale 1.0; its delay need not be undone. At least 0.2 s.
    sample_rate : float
        Hz.
    frequency_hz : float
        Nominal frequency; up to 10 % beside it the tone is found.
    silence : ndarray, shape (any,), optional
        Noise of the same channel without a tone, at least 0.2 s: its part in the band is taken off.
    bandwidth_hz : float, optional
        To each side, as `tapemeasure.analysis.demodulation.demodulate_tone`; 0.6 of it counts.

    Raises
    ------
    SignalError
        If there is no such tone, or it is too short.

    Notes
    -----
    Flutter turns the phase of a tone and leaves its amplitude alone; the sidebands of both fall together. So only the
    fluctuation of the amplitude counts, half of whose power lies on either side of the tone. Additive noise has half of
    its power in phase. Dropouts count as what they are: fluctuations of the amplitude.
    """
    mean_hz = tone_frequency_hz(samples, sample_rate=sample_rate, nominal_hz=frequency_hz)
    tone = demodulate_tone(samples, sample_rate=sample_rate, frequency_hz=mean_hz, bandwidth_hz=bandwidth_hz)
    level = np.abs(tone.inner())
    if len(level) < MIN_LENGTH_S * tone.rate_hz:
        raise SignalError(f"modulation noise: {len(samples) / sample_rate:.2f} s of tone; give at least 0.3 s")
    usual = float(np.mean(level))
    block = round(BLOCK_S * tone.rate_hz)
    figure = rms_figure(_band(level / usual, tone), block_samples=block)
    power, sigma = figure.value**2, 2.0 * figure.value * figure.sigma
    additive = None
    if silence is not None:
        floor = _silence_floor(silence, tone, sample_rate=sample_rate)
        noise = rms_figure(floor / usual, block_samples=block)
        additive = noise.value
        power -= noise.value**2
        sigma = float(np.hypot(sigma, 2.0 * noise.value * noise.sigma))
    hidden = power <= 2.0 * sigma
    return ModulationNoise(
        frequency_hz=mean_hz,
        level_db=float("nan") if hidden else db_from_amplitude(float(np.sqrt(power))),
        sigma_db=float("nan") if hidden else float(np.hypot(FLAT_DB, 10.0 / np.log(10.0) * sigma / power)),
        low_hz=LOW_HZ,
        high_hz=FLAT_PART * tone.bandwidth_hz,
        additive_db=None if additive is None else db_from_amplitude(additive),
        duration_s=len(level) / tone.rate_hz,
    )


def _silence_floor(silence: FloatArray, tone: DemodulatedTone, *, sample_rate: float) -> FloatArray:
    """One quadrature of the noise that lies in the tone's band."""
    noise = demodulate_tone(
        silence - np.mean(silence),
        sample_rate=sample_rate,
        frequency_hz=tone.frequency_hz,
        bandwidth_hz=tone.bandwidth_hz,
    )
    inner = noise.inner()
    # both quadratures hold the same noise: one after the other they are twice as long
    return np.concatenate([_band(inner.real, tone), _band(inner.imag, tone)])


def _band(values: FloatArray, tone: DemodulatedTone) -> FloatArray:
    """What lies between LOW_HZ and the end of the flat band."""
    spectrum = np.fft.rfft(values - np.mean(values))
    frequency = np.fft.rfftfreq(len(values), 1.0 / tone.rate_hz)
    spectrum[(frequency < LOW_HZ) | (frequency > FLAT_PART * tone.bandwidth_hz)] = 0.0
    return np.asarray(np.fft.irfft(spectrum, len(values)), dtype=np.float64)
