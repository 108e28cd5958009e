"""Fast flutter that is left in an aligned sweep, found in the sweep itself and taken out.

A trajectory from 100 pulses a second knows nothing above 50 Hz; a flutter of 2 us there is 0.1 rad at 10 kHz and makes
the response ripple by a decibel. The sweep is a carrier of its own: against its known phase the output's fundamental
shows the machine's phase response, which changes slowly along the sweep, and 2 pi f times what is left of the delay.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray, runs_of
from tapemeasure.dsp.fractional import read_at
from tapemeasure.dsp.uniform import lowpass_values
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep

POINTS_HZ = 4000.0
CARRIER_BAND = 0.3
"""Half the width of the demodulation, as a part of the sweep's frequency: the harmonics lie beyond it."""
WIDEST_BAND_HZ = 220.0
LOWEST_CARRIER_HZ = 400.0
"""Half of the correction is taken here, all of it an octave above; slower carriers tell too little."""
LATENESS_HZ = (500.0, 2500.0)
ROUGH_RAD = 0.1
"""Where the phase bends by more than this from point to point it is that of noise."""
FILTER_PERIODS = 4.0
"""Half the length of a filter, in periods of its limit."""
SLOWEST_PER_L = 8.0
"""Flutter slower than this number over the sweep's time constant cannot be told from the machine's phase response."""


@dataclass(frozen=True)
class SteadiedSweep:
    """An aligned sweep without the fast flutter that the alignment left.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        The sweep, read again at the corrected moments.
    residual_us : ndarray, shape (n_points,)
        Delay that was left, microseconds, four thousand points a second from the sweep's first sample; 0 where the
        carrier is too low to tell it.
    rms_us : float
        Its rms where it is told.
    slowest_hz, fastest_hz : float
        Flutter rates between which it is told.
    """

    output: FloatArray
    residual_us: FloatArray
    rms_us: float
    slowest_hz: float
    fastest_hz: float


def steadied_sweep(output: FloatArray, *, sample_rate: int, sweep: SynchronisedSweep) -> SteadiedSweep:
    """Sweep without the fast flutter that was left when its delay was undone, and that flutter in microseconds.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        The device's output, its delay undone, from the sweep's first sample on.
    sample_rate : int
        Hz.
    sweep : SynchronisedSweep
        What was played.

    Raises
    ------
    MismatchError
        If the output is shorter than the sweep.
    SignalError
        If it is not finite.

    Notes
    -----
    The output is multiplied by the conjugate of the sweep's known phase and low-passed at 0.3 of the momentary
    frequency, at most 220 Hz; the phase over ``2 pi f``, without what is slower than ``8 / L``, is the delay. Noise of
    -60 dBFS behind a sweep of -6 dBFS makes it uncertain by 0.05 us at 1 kHz and 0.005 us at 10 kHz. A device without
    flutter is left as it is but for that noise. A resonance narrower than a twelfth of an octave would be taken for
    flutter.
    """
    length = round(sweep.duration_s * sample_rate)
    if len(output) < length:
        raise MismatchError(
            f"sweep: {length} samples were played, the output has {len(output)}; give it from the sweep's first sample"
        )
    if not np.isfinite(output).all():
        raise SignalError("sweep: the output holds NaN or infinite samples; record it again")
    slowest_hz = SLOWEST_PER_L / sweep.time_constant_s
    late_s = _lateness_s(output[:length], sample_rate=sample_rate, sweep=sweep)
    frequency_hz, demodulated, rate_hz = _demodulated(
        output[:length], sample_rate=sample_rate, sweep=sweep, late_s=late_s
    )
    told = _share(frequency_hz, demodulated, edge_points=round(FILTER_PERIODS / WIDEST_BAND_HZ * rate_hz))
    residual_s = np.zeros(len(told))
    inside = told > 0.0
    if 2.0 * slowest_hz < WIDEST_BAND_HZ and inside.any():
        # outside the phase is that of noise, which must not leak into the slow part
        phase = np.unwrap(np.angle(demodulated[inside]))
        fast = phase - lowpass_values(phase, rate_hz=rate_hz, limit_hz=slowest_hz)
        residual_s[inside] = -told[inside] * fast / (2.0 * np.pi * frequency_hz[inside])
    whole = told > 0.5
    moments = np.arange(len(output), dtype=np.float64)
    left_s = np.interp(moments / sample_rate, np.arange(len(residual_s)) / rate_hz, residual_s, right=0.0)
    return SteadiedSweep(
        output=read_at(output, moments + left_s * sample_rate),
        residual_us=1e6 * residual_s,
        rms_us=1e6 * float(np.sqrt(np.mean(residual_s[whole] ** 2))) if whole.any() else 0.0,
        slowest_hz=slowest_hz,
        fastest_hz=WIDEST_BAND_HZ,
    )


def _demodulated(
    output: FloatArray, *, sample_rate: int, sweep: SynchronisedSweep, late_s: float
) -> tuple[FloatArray, ComplexArray, float]:
    """Frequency of the sweep and the output against its phase, on a slow grid; and the grid's rate."""
    step = max(1, round(sample_rate / POINTS_HZ))
    time_s = np.arange(len(output)) / sample_rate - late_s
    cycles = sweep.start_hz * sweep.time_constant_s * np.exp(time_s / sweep.time_constant_s)
    mixed = 2j * output * np.exp(-2j * np.pi * cycles)
    frequency_hz = sweep.frequency_hz(time_s)
    wide = _lowpass(mixed, sample_rate=sample_rate, limit_hz=WIDEST_BAND_HZ)
    points = slice(None, None, step)
    result = wide[points].copy()
    # carriers that are too low for the full width: one filter an octave
    top_hz = WIDEST_BAND_HZ / CARRIER_BAND
    while top_hz > LOWEST_CARRIER_HZ / 2.0:
        band_hz = 0.5 * CARRIER_BAND * top_hz
        within = (frequency_hz[points] < top_hz) & (frequency_hz[points] >= 0.5 * top_hz)
        stop = int(np.searchsorted(frequency_hz, top_hz)) + sample_rate
        narrow = _lowpass(mixed[:stop], sample_rate=sample_rate, limit_hz=band_hz)[points]
        result[: len(narrow)][within[: len(narrow)]] = narrow[within[: len(narrow)]]
        top_hz *= 0.5
    return frequency_hz[points], result, sample_rate / step


def _lowpass(values: ComplexArray, *, sample_rate: int, limit_hz: float) -> ComplexArray:
    """Kaiser-windowed sinc: level to 0.7 of the limit, -6 dB there, 80 dB from 1.3 of it on."""
    from scipy.signal import oaconvolve

    half = round(FILTER_PERIODS * sample_rate / limit_hz)
    taps = np.sinc(2.0 * limit_hz / sample_rate * np.arange(-half, half + 1)) * np.kaiser(2 * half + 1, 8.0)
    return np.asarray(oaconvolve(values, taps / taps.sum(), "same"), dtype=np.complex128)


def _lateness_s(output: FloatArray, *, sample_rate: int, sweep: SynchronisedSweep) -> float:
    """Constant delay that the alignment left, seconds: it would carry the high frequencies out of the filter."""
    frequency_hz, demodulated, _ = _demodulated(output, sample_rate=sample_rate, sweep=sweep, late_s=0.0)
    middle = (frequency_hz >= LATENESS_HZ[0]) & (frequency_hz <= LATENESS_HZ[1])
    if np.count_nonzero(middle) < 8:
        return 0.0
    # the median of the slopes, as noise may slip a turn
    turns = np.angle(demodulated[middle][1:] * np.conj(demodulated[middle][:-1])) / (2.0 * np.pi)
    shift_s = -float(np.median(turns / np.diff(frequency_hz[middle])))
    # the phase is that of a sweep which is late by this: f L (exp(-late / L) - 1)
    return float(-sweep.time_constant_s * np.log(np.clip(1.0 - shift_s / sweep.time_constant_s, 0.5, 2.0)))


def _share(frequency_hz: FloatArray, demodulated: ComplexArray, *, edge_points: int) -> FloatArray:
    """1 where the phase can be relied on; 0 for low carriers, in noise and at the sweep's end; smooth between."""
    octaves = np.log2(frequency_hz / LOWEST_CARRIER_HZ) + 0.5
    bends = np.zeros(len(demodulated))
    bends[1:-1] = np.abs(np.angle(demodulated[2:] * demodulated[:-2] * np.conj(demodulated[1:-1]) ** 2))
    rough = np.convolve(bends, np.full(edge_points, 1.0 / edge_points), "same") > ROUGH_RAD
    runs = runs_of((octaves > 0.0) & ~rough)
    if not runs:
        return np.zeros(len(frequency_hz))
    start, stop = max(runs, key=lambda run: run[1] - run[0])
    points = np.arange(len(frequency_hz))
    ends = (stop - edge_points - points) / edge_points
    begins = (points - start) / edge_points if start > np.flatnonzero(octaves > 0.0)[0] else np.ones(len(points))
    rise = np.clip(np.minimum(octaves, np.minimum(begins, ends)), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * rise), dtype=np.float64)
