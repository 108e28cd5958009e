"""The synchronised exponential sweep: linear response and every harmonic's response from one signal.

    x(t) = sin(2 pi f1 L e^(t/L)),   L = round(f1 T / ln(f2/f1)) / f1

Because f1 L is a whole number the sweep starts at phase 0, and its m-th harmonic is the sweep itself moved ahead by
L ln m. The rounding changes the duration from the wanted T to L ln(f2/f1), by less than ln(f2/f1) / (2 f1).
"""

import math
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.signals.fades import faded
from tapemeasure.signals.timeline import Segment
from tapemeasure.units import amplitude_from_db

FADE_IN_PERIODS = 1.0
FADE_OUT_S = 0.005


@dataclass(frozen=True)
class SynchronisedSweep:
    """What an analysis needs to know to invert the sweep.

    Parameters
    ----------
    start_hz, stop_hz : float
        First and last instantaneous frequency (f1, f2).
    time_constant_s : float
        L: the time in which the frequency grows by e.
    """

    start_hz: float
    stop_hz: float
    time_constant_s: float

    @property
    def duration_s(self) -> float:
        """Length of the sweep in seconds, L ln(f2/f1)."""
        return self.time_constant_s * math.log(self.stop_hz / self.start_hz)

    @property
    def fade_in_s(self) -> float:
        """Length of the fade at the start, one period of `start_hz`, at most half of the sweep."""
        return min(FADE_IN_PERIODS / self.start_hz, 0.5 * self.duration_s)

    @property
    def fade_out_s(self) -> float:
        """Length of the fade at the end, at most half of the sweep."""
        return min(FADE_OUT_S, 0.5 * self.duration_s)

    def harmonic_lead_s(self, order: int) -> float:
        """Seconds by which the m-th harmonic's impulse response lies before the linear one, L ln m."""
        return self.time_constant_s * math.log(order)

    def frequency_hz(self, time_s: FloatArray) -> FloatArray:
        """Instantaneous frequency f1 e^(t/L) at times from the start of the sweep."""
        result: FloatArray = self.start_hz * np.exp(time_s / self.time_constant_s)
        return result


def synchronised_sweep(*, start_hz: float, stop_hz: float, duration_s: float) -> SynchronisedSweep:
    """Sweep whose duration is as near to the wanted one as synchronisation allows.

    Parameters
    ----------
    start_hz, stop_hz : float
        Instantaneous frequencies, 0 < start_hz < stop_hz.
    duration_s : float
        Wanted length in seconds. The rounded sweep's own `duration_s` gives the same sweep again.

    Raises
    ------
    ParameterError
        If the frequencies do not rise, or the sweep is too short for its start frequency.

    References
    ----------
    A. Novak, P. Lotton, L. Simon, "Synchronized swept-sine: theory, application, and implementation", J. Audio Eng.
    Soc. 63 (10), 2015.

    Examples
    --------
    >>> sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=5.0)
    >>> sweep.time_constant_s, round(sweep.duration_s, 3)
    (0.7, 4.835)
    """
    if not 0.0 < start_hz < stop_hz:
        raise ParameterError(f"sweep from {start_hz:g} Hz to {stop_hz:g} Hz: it must rise from above 0 Hz; swap them")
    octaves_e = math.log(stop_hz / start_hz)
    cycles = round(start_hz * duration_s / octaves_e)
    if cycles < 1:
        raise ParameterError(
            f"sweep of {duration_s:g} s is too short to start at {start_hz:g} Hz; "
            f"give at least {octaves_e / start_hz:.3g} s or a higher start_hz"
        )
    return SynchronisedSweep(start_hz=start_hz, stop_hz=stop_hz, time_constant_s=cycles / start_hz)


def sweep_of_segment(segment: Segment, *, sample_rate: int) -> SynchronisedSweep:
    """Parameters of the sweep that a timeline's segment holds.

    Exact, because the rounding to whole cycles absorbs the rounding of the segment to whole samples.

    Raises
    ------
    ParameterError
        If the segment is no sweep.
    """
    if segment.kind != "sweep" or len(segment.frequencies_hz) != 2:
        raise ParameterError(f"segment {segment.name} is a {segment.kind}, not a sweep; choose one of kind sweep")
    start_hz, stop_hz = segment.frequencies_hz
    return synchronised_sweep(start_hz=start_hz, stop_hz=stop_hz, duration_s=segment.length_samples / sample_rate)


def sweep_samples(sweep: SynchronisedSweep, *, sample_rate: int, level_dbfs: float) -> FloatArray:
    """Samples of a synchronised sweep with short fades.

    Parameters
    ----------
    sweep : SynchronisedSweep
        Its parameters; `stop_hz` below half the sample rate.
    sample_rate : int
        Hz.
    level_dbfs : float
        Peak level; 0 dBFS is an amplitude of 1.0.

    Returns
    -------
    ndarray, shape (round(duration_s * sample_rate),)
        The sweep at sample times n / sample_rate, phase 0 at n = 0.

    Raises
    ------
    ParameterError
        If the sweep does not fit below half the sample rate.

    Notes
    -----
    The fades (one period of `start_hz`, 5 ms at the end) take the band edges: for 20 Hz to 20 kHz in 5 s the response
    is whole from 21.5 Hz to 19.86 kHz.
    """
    if sweep.stop_hz >= sample_rate / 2:
        raise ParameterError(
            f"sweep up to {sweep.stop_hz:g} Hz does not fit below half the sample_rate of {sample_rate} Hz; "
            f"lower stop_hz"
        )
    time_s = np.arange(round(sweep.duration_s * sample_rate)) / sample_rate
    cycles = sweep.start_hz * sweep.time_constant_s * np.exp(time_s / sweep.time_constant_s)
    samples = amplitude_from_db(level_dbfs) * np.sin(2.0 * np.pi * cycles)
    return faded(
        samples,
        fade_in_samples=round(sweep.fade_in_s * sample_rate),
        fade_out_samples=round(sweep.fade_out_s * sample_rate),
    )
