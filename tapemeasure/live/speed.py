"""Slow speed of a tape while it runs: its mean error, its drift, and the spectrum of all of it."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.rotating_parts import FlutterLine, speed_lines
from tapemeasure.analysis.tape_speed import EDGE_S, HIGHEST_PART, tape_speed
from tapemeasure.analysis.wow_flutter import BAND_NEEDS_S, BANDS_HZ, NEARLY, SPECTRUM_WINDOW_S, UNWEIGHTED_HZ
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.demodulation import lowpass_taps
from tapemeasure.dsp.spectra import hann
from tapemeasure.live.blocks import ZeroPhaseFilter
from tapemeasure.trajectory import DelayTrajectory

SLOW_RATE_HZ = 5.0
"""Points of the remembered delay per second: an hour takes 144 kB."""

SLOW_LIMIT_HZ = 1.25
LINES_S = 20.0
SHORTEST_WINDOW_S = 2.0


@dataclass(frozen=True)
class SpeedReading:
    """Slow speed of a run.

    Parameters
    ----------
    speed_error_pct : float
        Mean deviation: positive is too fast. NaN before there is a second of it.
    speed_error_sigma_pct : float
        Its standard uncertainty: what wow leaves unknown of a mean over so short a time.
    drift_pct : float
        Rms of the deviation from 0.05 to 0.5 Hz; NaN before 20 s.
    """

    speed_error_pct: float
    speed_error_sigma_pct: float
    drift_pct: float


class SlowSpeed:
    """Speed error and drift of everything since the tone began.

    Parameters
    ----------
    rate_hz : float
        Points of the deviation per second.

    Notes
    -----
    The delay is remembered five times a second and read by `tapemeasure.analysis.delay_statistics` and
    `tapemeasure.analysis.tape_speed`, as a whole take is.
    """

    def __init__(self, *, rate_hz: float) -> None:
        self._step = round(rate_hz / SLOW_RATE_HZ)
        self._rate_hz = rate_hz
        self.slow_rate_hz = rate_hz / self._step
        taps = lowpass_taps(SLOW_LIMIT_HZ, rate_hz)
        self._filter = ZeroPhaseFilter(taps, mirror="odd", step=self._step)
        self._delay_s = 0.0
        self._parts: list[FloatArray] = []

    def process(self, deviation: FloatArray) -> None:
        """Take relative speed deviations in, shape (n_points,)."""
        if len(deviation) == 0:
            return
        delay_s = self._delay_s - np.cumsum(deviation) / self._rate_hz
        self._delay_s = float(delay_s[-1])
        self._keep(self._filter.process(delay_s))

    def finish(self) -> None:
        """The tone has ended."""
        self._keep(self._filter.finish())

    def _keep(self, delay_s: FloatArray) -> None:
        if len(delay_s):
            self._parts.append(delay_s)

    def trajectory(self) -> DelayTrajectory:
        """Delay so far, five points a second."""
        delay_s = np.concatenate(self._parts) if self._parts else np.zeros(0)
        self._parts = [delay_s] if len(delay_s) else []
        return DelayTrajectory(
            0.0, self.slow_rate_hz, delay_s, np.zeros(len(delay_s)), np.ones(len(delay_s), dtype=np.bool_)
        )

    def reading(self, *, last_s: float = float("inf")) -> SpeedReading:
        """Of the run so far, or of its last seconds: what an hour holds takes too long to read every second."""
        nothing = float("nan")
        held = sum(map(len, self._parts))
        n_points = int(min(last_s * self.slow_rate_hz, held))
        if n_points < 2.0 * SLOW_RATE_HZ:
            return SpeedReading(nothing, nothing, nothing)
        trajectory, first = self.trajectory(), held - n_points
        trajectory = DelayTrajectory(
            first / self.slow_rate_hz,
            self.slow_rate_hz,
            trajectory.delay_s[first:],
            trajectory.sigma_s[first:],
            trajectory.valid[first:],
        )
        statistics = delay_statistics(trajectory)
        drift_pct = nothing
        if n_points / self.slow_rate_hz >= NEARLY * BAND_NEEDS_S["drift"]:
            speed = tape_speed(trajectory)
            drift_pct = 100.0 * float(np.sqrt(np.mean(speed.filtered(speed.band(*BANDS_HZ["drift"])) ** 2)))
        return SpeedReading(
            speed_error_pct=nothing if statistics.drift_ppm is None else -1e-4 * statistics.drift_ppm,
            speed_error_sigma_pct=(
                nothing if statistics.drift_sigma_ppm is None else 1e-4 * statistics.drift_sigma_ppm
            ),
            drift_pct=drift_pct,
        )


@dataclass(frozen=True)
class SpeedSpectrum:
    """Unweighted spectrum of the speed deviation: rms per cent within each bin, and its lines of the last 20 s."""

    frequency_hz: FloatArray
    deviation_pct: FloatArray
    lines: tuple[FlutterLine, ...]


BAND_CENTRES_HZ = tuple(0.2 * 10.0 ** (number / 10.0) for number in range(31))
"""Third octaves of the speed, 0.2 to 200 Hz."""


def band_deviations_pct(spectrum: SpeedSpectrum) -> FloatArray:
    """Rms deviation in each third octave of `BAND_CENTRES_HZ`, per cent; shape (31,)."""
    edges = np.array([*BAND_CENTRES_HZ, 10.0**0.1 * BAND_CENTRES_HZ[-1]]) * 10.0**-0.05
    places = np.searchsorted(edges, spectrum.frequency_hz, side="right") - 1
    power = np.zeros(len(edges))
    inside = places >= 0
    np.add.at(power, places[inside], spectrum.deviation_pct[inside] ** 2)
    return np.asarray(np.sqrt(power[:-1]), dtype=np.float64)


class SpectrumMeter:
    """Spectrum of the speed deviation, mean over everything since the tone began.

    Parameters
    ----------
    rate_hz : float
        Points of the deviation per second.

    Notes
    -----
    Hann windows of 10 s, half overlapped, as off line. A run shorter than that is one window.
    """

    def __init__(self, *, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._window = hann(round(SPECTRUM_WINDOW_S * rate_hz) // 2 * 2)
        self._waiting = np.zeros(0)
        self._recent = np.zeros(0)
        self._power = np.zeros(len(self._window) // 2 + 1)
        self._n_windows = 0
        self._skip = round(EDGE_S * rate_hz)

    def process(self, deviation: FloatArray) -> None:
        """Take relative speed deviations in, shape (n_points,)."""
        skipped = min(self._skip, len(deviation))
        self._skip -= skipped
        deviation = deviation[skipped:]
        self._recent = np.concatenate([self._recent, deviation])[-round(LINES_S * self._rate_hz) :]
        self._waiting = np.concatenate([self._waiting, deviation])
        n = len(self._window)
        while len(self._waiting) >= n:
            self._power += _powers(self._waiting[:n], self._window, self._rate_hz)
            self._n_windows += 1
            self._waiting = self._waiting[n // 2 :]

    def reading(self) -> SpeedSpectrum | None:
        """Of the run so far; None before 2 s."""
        window, power = self._window, self._power
        if self._n_windows:
            power = power / self._n_windows
        else:
            n = len(self._waiting) // 2 * 2
            if n < SHORTEST_WINDOW_S * self._rate_hz:
                return None
            window = hann(n)
            power = _powers(self._waiting[:n], window, self._rate_hz)
        frequency = np.asarray(np.arange(len(power)) * (self._rate_hz / len(window)), dtype=np.float64)
        seen = (frequency > 0.0) & (frequency <= HIGHEST_PART * self._rate_hz)
        lines = speed_lines(
            self._recent,
            rate_hz=self._rate_hz,
            low_hz=UNWEIGHTED_HZ[0],
            high_hz=UNWEIGHTED_HZ[1],
        )
        return SpeedSpectrum(frequency[seen], np.asarray(100.0 * np.sqrt(power[seen]), dtype=np.float64), lines)


def _powers(deviation: FloatArray, window: FloatArray, rate_hz: float) -> FloatArray:
    """Mean square within each bin; what the difference of two points lacks against the slope is put back."""
    n = len(window)
    spectrum = np.abs(np.fft.rfft((deviation - np.mean(deviation)) * window)) ** 2
    droop = np.sinc(np.arange(n // 2 + 1) / n)
    return np.asarray(2.0 * spectrum / (n * np.sum(window**2) * droop**2), dtype=np.float64)
