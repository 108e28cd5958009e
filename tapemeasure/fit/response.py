"""A fitted filter as settings of the tape machine's replay amplifier: gain, levels, and phases."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.linear_fit import LinearFilter
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.devices.tape.filters import filter_length, grid_hz, minimum_phase_taps
from tapemeasure.params import TapeSettings

POINTS = 120
LOWEST_HZ = 20.0
HIGHEST_SHARE = 0.45
"""Of the sample rate."""

RANGE_DB = 60.0
LARGEST_PHASE_DEG = 360.0


@dataclass(frozen=True)
class ResponseSettings:
    """What a filter is in settings.

    Parameters
    ----------
    output_gain_db : float
        Level at 1 kHz.
    shape_db : tuple of (float, float)
        `response_shape_db`.
    phase_deg : tuple of (float, float)
        `response_phase_deg`.
    delay_samples : float
        What is left out: the delay that no setting holds.
    """

    output_gain_db: float
    shape_db: tuple[tuple[float, float], ...]
    phase_deg: tuple[tuple[float, float], ...]
    delay_samples: float

    def put_into(self, settings: TapeSettings) -> TapeSettings:
        """Settings with this response."""
        return settings.model_copy(
            update={
                "output_gain_db": self.output_gain_db,
                "response_shape_db": self.shape_db,
                "response_phase_deg": self.phase_deg,
            }
        )


def response_settings(filtering: LinearFilter, *, input_power: FloatArray, sample_rate: int) -> ResponseSettings:
    """Settings that come nearest to a filter.

    Parameters
    ----------
    filtering : LinearFilter
        What was fitted.
    input_power : ndarray, shape (n_bins,)
        Power of what goes through it at `frequencies_hz`: the phase is right where there is signal.
    sample_rate : int
        Hz.

    Notes
    -----
    Levels at 120 frequencies from 20 Hz to 0.45 of the sample rate, on a logarithmic scale, over which the machine
    draws straight lines. The phase is what is missing beside the machine's least-phase filter of those levels, without
    the constant delay that explains most of it.
    """
    grid = frequencies_hz(sample_rate=sample_rate)
    response = _response(filtering.taps, ahead=filtering.lookahead_samples, sample_rate=sample_rate)
    points_hz = np.geomspace(LOWEST_HZ, HIGHEST_SHARE * sample_rate, POINTS)
    levels_db = _levels_db(np.abs(response), grid, points_hz)
    gain_db = float(np.interp(np.log(1000.0), np.log(points_hz), levels_db))
    shape_db = np.clip(levels_db - gain_db, -RANGE_DB, 40.0).round(3)
    shape = tuple(zip(points_hz.round(2).tolist(), shape_db.tolist(), strict=True))
    amplitudes = 10.0 ** (np.interp(np.log(np.maximum(grid, 1e-6)), np.log(points_hz), shape_db) / 20.0)
    least = _response(minimum_phase_taps(amplitudes), ahead=0, sample_rate=sample_rate)
    extra, delay = _without_delay(response / least, input_power * np.abs(response) ** 2, grid, sample_rate=sample_rate)
    phase = np.clip(np.interp(points_hz, grid, extra), -LARGEST_PHASE_DEG, LARGEST_PHASE_DEG).round(2)
    phases = tuple(zip(points_hz.round(2).tolist(), phase.tolist(), strict=True))
    return ResponseSettings(round(gain_db, 3), shape, phases, delay)


def frequencies_hz(*, sample_rate: int) -> FloatArray:
    """Grid on which the machine's filters are made, 0 to half the sample rate."""
    return grid_hz(n_taps=filter_length(sample_rate=sample_rate), sample_rate=sample_rate)


def power_at_grid(samples: FloatArray, *, sample_rate: int) -> FloatArray:
    """Power of a signal at `frequencies_hz`, summed over its parts."""
    length = 2 * (len(frequencies_hz(sample_rate=sample_rate)) - 1)
    power = np.zeros(length // 2 + 1)
    for first in range(0, len(samples), length):
        power += np.abs(np.fft.rfft(samples[first : first + length], length)) ** 2
    return power


def _response(taps: FloatArray, *, ahead: int, sample_rate: int) -> ComplexArray:
    length = 2 * (len(frequencies_hz(sample_rate=sample_rate)) - 1)
    bins = np.arange(length // 2 + 1)
    early = np.exp(2j * np.pi * bins * ahead / length)
    return np.asarray(np.fft.rfft(taps, length) * early, dtype=np.complex128)


def _levels_db(amplitudes: FloatArray, grid: FloatArray, points_hz: FloatArray) -> FloatArray:
    """Level at each point: the mean power around it, half way to its neighbours."""
    ratio = np.sqrt(points_hz[1] / points_hz[0])
    sums = np.concatenate(([0.0], np.cumsum(amplitudes**2)))
    edges = np.searchsorted(grid, np.stack((points_hz / ratio, points_hz * ratio)))
    count = edges[1] - edges[0]
    mean = (sums[edges[1]] - sums[edges[0]]) / np.maximum(count, 1)
    nearest = np.interp(points_hz, grid, amplitudes) ** 2
    floor = (10.0 ** (-RANGE_DB / 20.0) * amplitudes.max()) ** 2
    return np.asarray(10.0 * np.log10(np.maximum(np.where(count > 2, mean, nearest), floor)))


def _without_delay(
    ratio: ComplexArray, weights: FloatArray, grid: FloatArray, *, sample_rate: int
) -> tuple[FloatArray, float]:
    """Unwrapped phase in degrees without its delay, and the delay in samples (positive = late)."""
    omega = 2.0 * np.pi * grid / sample_rate
    # the delay that brings most of the energy together, then a straight line through what is left
    length = 2 * (len(grid) - 1)
    pulse = np.fft.irfft(weights * ratio / np.maximum(np.abs(ratio), 1e-12), length)
    whole = int(np.argmax(np.abs(pulse)))
    whole -= length if whole > length // 2 else 0
    phase = np.unwrap(np.angle(ratio * np.exp(1j * omega * whole)))
    middle = int(np.argmax(weights))
    phase -= 2.0 * np.pi * np.round(phase[middle] / (2.0 * np.pi))
    rest = -float(np.sum(weights * omega * phase) / max(float(np.sum(weights * omega**2)), 1e-300))
    return np.asarray(np.degrees(phase + omega * rest)), whole + rest
