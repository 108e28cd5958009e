"""Whether an output holds the sweep that was played, and at which speed."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import hann
from tapemeasure.errors import SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep

LOW_HZ, HIGH_HZ = 300.0, 6000.0
FRAMES = 24
LEAST_HEARD = 0.5
"""Part of the sweep's samples that are not digital silence."""
MAX_SCATTER = 0.05
"""Scatter of the logarithms of the frequencies about a straight line: more than this is no sweep."""
MAX_SPEED_ERROR = 0.02
SPEEDS = (0.4, 2.5)
"""A line that rises at another speed than these is another signal."""
MAX_SHIFT = 0.1
"""In logarithms of the frequency: a tenth of the sweep's time constant, where the harmonics' windows begin to miss."""
_FRAME_PERIODS = 0.5
"""Frames of this many roots of the time in which the frequency grows by itself: neither too short nor smeared."""


def require_sweep(output: FloatArray, *, sample_rate: int, sweep: SynchronisedSweep, name: str = "sweep") -> None:
    """Refuse an output that holds no sweep, or the sweep at another speed or at another time.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        From the sweep's first sample on, its delay undone.
    sample_rate : int
        Hz.
    sweep : SynchronisedSweep
        What was played.
    name : str
        Of the segment, for the message.

    Raises
    ------
    SignalError
        If the output is silent or not finite, its strongest frequency does not rise as a sweep's does between 300 Hz
        and 6 kHz (no sweep, or a level too low), or the sweep runs more than 2 % fast or slow, or comes early or late
        by more than a tenth of its time constant.

    Notes
    -----
    The strongest line of 24 short frames; the median over a robust straight line of their logarithms tells time and
    speed. A band too narrow for eight frames is not checked.
    """
    if output.size == 0 or not np.isfinite(output).all():
        raise SignalError(f"{name}: the output is empty or not finite; record it again")
    # what plays on behind the sweep is no sweep
    heard = output[: round(sweep.duration_s * sample_rate)]
    if np.count_nonzero(heard) < LEAST_HEARD * len(heard):
        raise SignalError(f"{name}: the output is silent there; check the cable, the level and the channel")
    time_s, heard_hz = _strongest_hz(output, sample_rate=sample_rate, sweep=sweep)
    if len(time_s) < FRAMES // 3:
        return
    off = np.log(heard_hz / sweep.frequency_hz(time_s))
    slope, offset = _robust_line(time_s, off)
    scatter = float(np.median(np.abs(off - slope * time_s - offset)))
    # y(t) = x(s t): the logarithm of the frequency rises s times as fast
    speed = 1.0 + slope * sweep.time_constant_s
    if scatter > MAX_SCATTER or not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise SignalError(
            f"{name}: no sweep is heard where it was played; check that the take belongs to the stimulus, that its "
            "delay is undone, and that the level is well above the noise"
        )
    if abs(speed - 1.0) > MAX_SPEED_ERROR:
        raise SignalError(
            f"{name}: its speed is {100.0 * (speed - 1.0):+.1f} % off; set the machine to its speed, or undo the "
            "delay with a tracker that follows it"
        )
    shift = float(np.median(off))
    if abs(shift) > MAX_SHIFT:
        late_ms = -1000.0 * shift * sweep.time_constant_s
        raise SignalError(
            f"{name}: it comes {abs(late_ms):.0f} ms {'late' if late_ms > 0.0 else 'early'}; align it first"
        )


def _strongest_hz(output: FloatArray, *, sample_rate: int, sweep: SynchronisedSweep) -> tuple[FloatArray, FloatArray]:
    """Middle of every frame, and its strongest frequency."""
    low_hz, high_hz = max(LOW_HZ, 2.0 * sweep.start_hz), min(HIGH_HZ, 0.5 * sweep.stop_hz)
    if high_hz < 2.0 * low_hz:
        return np.zeros(0), np.zeros(0)
    wanted_hz = np.geomspace(low_hz, high_hz, FRAMES)
    times, found = [], []
    for frequency_hz in wanted_hz:
        middle_s = sweep.time_constant_s * float(np.log(frequency_hz / sweep.start_hz))
        length_s = max(_FRAME_PERIODS * 2.0 * np.sqrt(sweep.time_constant_s / frequency_hz), 6.0 / frequency_hz)
        first = round((middle_s - 0.5 * length_s) * sample_rate)
        frame = output[max(first, 0) : first + round(length_s * sample_rate)]
        if len(frame) < 8 or not np.any(frame):
            continue
        power = np.abs(np.fft.rfft((frame - np.mean(frame)) * hann(len(frame)), 4 * len(frame))) ** 2
        times.append(middle_s)
        found.append(max(int(np.argmax(power)), 1) * sample_rate / (4 * len(frame)))
    return np.array(times), np.array(found)


def _robust_line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Median of the slopes of all pairs, and the offset that belongs to it (Theil and Sen)."""
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    return slope, float(np.median(y - slope * x))
