"""The plug-in's latency, measured to a fraction of a sample and not believed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import NoMatchError
from tapemeasure.units import amplitude_from_db

PROBE_DBFS = -60.0
PROBE_S = 0.5
LOWEST_HZ = 1000.0
LOWEST_SHARE, HIGHEST_SHARE = 0.03, 0.35
"""Between these shares of the sample rate, or from 1 kHz on, the phase is read."""

WINDOW_SAMPLES = 2048
MAX_PHASE_RMS_RAD = 0.05
SHIFT_HALF_TAPS = 256


@dataclass(frozen=True)
class Latency:
    """How much later than its input a render comes.

    Parameters
    ----------
    samples : float
        Group delay towards 0 Hz without the part of the high-passes; negative where the render is early.
    phase_rms_rad : float
        What the fit leaves of the phase, rms from 1 kHz to 0.35 of the sample rate.
    """

    samples: float
    phase_rms_rad: float


def measure_latency(render: Callable[[FloatArray], FloatArray], *, sample_rate: int) -> Latency:
    """Latency of a device that is nearly linear at low level, in samples with their fraction.

    Parameters
    ----------
    render : callable
        Takes and gives audio of shape (n_samples,), full scale 1.0.
    sample_rate : int
        Hz, at least 8000.

    Raises
    ------
    NoMatchError
        If nothing comes back, or its phase is not that of a delay.

    Notes
    -----
    A linear chirp at -60 dBFS is deconvolved. The phase of the impulse response is fitted by a constant (polarity, lag
    of the hysteresis), 1/omega and 1/omega^3 (high-passes far below 1 kHz), omega (the delay) and omega^3, 5, 7
    (dispersion of minimum-phase filters). Accurate to 0.03 sample; the Jiles-Atherton solver's own delay of 0.07
    oversampled sample is part of what is read.
    """
    probe = _chirp(sample_rate)
    response = _impulse_response(probe, render(probe))
    peak = int(np.argmax(np.abs(response)))
    half = WINDOW_SAMPLES // 2
    nearby = np.roll(response, half - peak)[:WINDOW_SAMPLES] * np.hanning(WINDOW_SAMPLES)
    frequency = np.asarray(np.fft.rfftfreq(WINDOW_SAMPLES), dtype=np.float64)
    spectrum = np.fft.rfft(nearby) * np.exp(2j * np.pi * half * frequency)
    band = (frequency >= min(LOWEST_HZ / sample_rate, LOWEST_SHARE)) & (frequency <= HIGHEST_SHARE)
    slope_samples, residual = _fit_delay(frequency[band], spectrum[band])
    if not residual <= MAX_PHASE_RMS_RAD:
        raise NoMatchError(
            f"its phase differs by {residual:.2f} rad rms from that of a delay, {MAX_PHASE_RMS_RAD:g} at most is one"
        )
    whole = peak - len(response) if peak > len(response) // 2 else peak
    return Latency(samples=float(whole + slope_samples), phase_rms_rad=residual)


def advance(samples: FloatArray, *, by_samples: float) -> FloatArray:
    """Signal of shape (n_samples, n_channels), earlier by samples and their fraction; zeros come in at the ends.

    Notes
    -----
    Whole numbers copy. A fraction reads through a windowed sinc of 512 taps: exact to -100 dB below 0.49 of the rate.
    """
    n_samples = len(samples)
    if float(by_samples).is_integer():
        shift = int(by_samples)
        moved = np.zeros_like(samples)
        source = samples[max(shift, 0) : n_samples + min(shift, 0)]
        begin = max(-shift, 0)
        moved[begin : begin + len(source)] = source
        return moved
    return read_at(samples, np.arange(n_samples, dtype=np.float64) + by_samples, half_taps=SHIFT_HALF_TAPS)


def _chirp(sample_rate: int) -> FloatArray:
    """Linear chirp over the whole band, with as much silence behind it."""
    n_samples = round(PROBE_S * sample_rate)
    time = np.arange(n_samples) / n_samples
    wave = np.sin(np.pi * n_samples * 0.5 * time**2)
    fade = np.minimum(1.0, np.minimum(time, 1.0 - time) / 0.02)
    return np.concatenate([amplitude_from_db(PROBE_DBFS) * fade * wave, np.zeros(n_samples)])


def _impulse_response(probe: FloatArray, output: FloatArray) -> FloatArray:
    if not np.any(output):
        raise NoMatchError("it returns silence; check that it is not bypassed or muted")
    played, heard = np.fft.rfft(probe), np.fft.rfft(output)
    power = np.abs(played) ** 2
    return np.asarray(np.fft.irfft(heard * np.conj(played) / (power + 1e-3 * np.max(power)), len(probe)))


def _fit_delay(frequency: FloatArray, spectrum: ComplexArray) -> tuple[float, float]:
    """Delay in samples of a spectrum at frequencies in cycles a sample, and the rms of the remaining phase."""
    phase = np.unwrap(np.angle(spectrum))
    relative = frequency / frequency[-1]
    terms = [np.ones_like(relative), 1.0 / relative, relative**-3.0, *(relative**order for order in (1, 3, 5, 7))]
    basis = np.stack(terms, axis=1)
    weight = np.abs(spectrum)[:, np.newaxis]
    found, *_ = np.linalg.lstsq(basis * weight, phase * weight[:, 0], rcond=None)
    residual = float(np.sqrt(np.average((phase - basis @ found) ** 2, weights=weight[:, 0] ** 2)))
    return -float(found[3]) / (2.0 * np.pi * float(frequency[-1])), residual
