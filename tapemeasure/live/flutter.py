"""Weighted wow and flutter while the tape runs: a needle that answers at once, and the figures of the whole run."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tapemeasure.analysis.quasi_peak import FLUTTER_GAIN, FLUTTER_SETTLED_S, FLUTTER_STAGES_S
from tapemeasure.analysis.tape_speed import EDGE_S, HIGHEST_PART
from tapemeasure.analysis.wow_flutter import STANDARD_S, TWO_SIGMA
from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.dsp.flutter_weighting import flutter_weighting_db, flutter_weighting_sections
from tapemeasure.live.blocks import ZeroPhaseFilter

REACH_S = 4.0
"""The weighting of the run looks so far to both sides: within 0.07 dB of the curve from 0.2 Hz up."""

NEEDLE_S = STANDARD_S
"""The needle's two-sigma value is that of so long."""

NEEDLE_SETTLED_S = 3.0
"""The causal filter has then forgotten that the tape began to move."""

BIN_RATIO = 1.001
LEAST_DEVIATION = 1e-8
"""The histogram of the deviation begins here; 1 % a million times smaller counts as nothing."""


@dataclass(frozen=True)
class FlutterReading:
    """Weighted wow and flutter, per cent; NaN before the standard's 5 s are over.

    Parameters
    ----------
    weighted_2sigma_pct : float
        Value that the deviation stays below for 95.45 % of the time.
    quasi_peak_pct : float
        The needle's pointer at this moment; of a run the mean of it.
    weighted_rms_pct, weighted_peak_pct : float
        Root mean square and largest magnitude.
    duration_s : float
        Evaluated time.
    """

    weighted_2sigma_pct: float
    quasi_peak_pct: float
    weighted_rms_pct: float
    weighted_peak_pct: float
    duration_s: float


def no_reading(duration_s: float) -> FlutterReading:
    """Nothing is known yet."""
    nothing = float("nan")
    return FlutterReading(nothing, nothing, nothing, nothing, duration_s)


class QuasiPeakPointer:
    """The pointer of `tapemeasure.analysis.quasi_peak.flutter_quasi_peak`, going on from block to block."""

    def __init__(self, *, rate_hz: float) -> None:
        self._shares = [
            tuple(float(-np.expm1(-1.0 / (time_s * rate_hz))) for time_s in stage) for stage in FLUTTER_STAGES_S
        ]
        self._levels = [0.0] * len(self._shares)

    def process(self, weighted: FloatArray) -> FloatArray:
        """Readings in the unit of the deviation, shape (n_points,)."""
        from tapemeasure.dsp.kernels import attack_and_decay

        values = np.abs(weighted)
        if len(values) == 0:
            return values
        for number, (attack, decay) in enumerate(self._shares):
            values = attack_and_decay(values, attack, decay, self._levels[number])
            self._levels[number] = float(values[-1])
        return FLUTTER_GAIN * values


class Needle:
    """Weighted wow and flutter of the last seconds, through a causal filter: 0.25 dB off the curve at most, no delay.

    Parameters
    ----------
    rate_hz : float
        Points of the deviation per second.
    """

    def __init__(self, *, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._sections = flutter_weighting_sections(rate_hz)
        self._state: FloatArray | None = None
        self._pointer = QuasiPeakPointer(rate_hz=rate_hz)
        self._recent = np.zeros(0)
        self._reading = 0.0
        self._skip = round(NEEDLE_SETTLED_S * rate_hz)

    def process(self, deviation: FloatArray) -> None:
        """Take relative speed deviations in, shape (n_points,)."""
        from scipy.signal import sosfilt, sosfilt_zi

        if len(deviation) == 0:
            return
        if self._state is None:
            self._state = sosfilt_zi(self._sections) * deviation[0]
        weighted, self._state = sosfilt(self._sections, deviation, zi=self._state)
        skipped = min(self._skip, len(weighted))
        self._skip -= skipped
        weighted = np.asarray(weighted[skipped:], dtype=np.float64)
        readings = self._pointer.process(weighted)
        if len(readings):
            self._reading = float(readings[-1])
            self._recent = np.concatenate([self._recent, weighted])[-round(NEEDLE_S * self._rate_hz) :]

    def reading(self) -> FlutterReading:
        """Of the last 5 s."""
        duration_s = len(self._recent) / self._rate_hz
        if duration_s < FLUTTER_SETTLED_S:
            return no_reading(duration_s)
        magnitude = np.abs(self._recent)
        full = duration_s >= 0.99 * NEEDLE_S
        return FlutterReading(
            weighted_2sigma_pct=100.0 * float(np.quantile(magnitude, TWO_SIGMA)) if full else float("nan"),
            quasi_peak_pct=100.0 * self._reading,
            weighted_rms_pct=100.0 * float(np.sqrt(np.mean(magnitude**2))),
            weighted_peak_pct=100.0 * float(np.max(magnitude)),
            duration_s=duration_s,
        )


class RunFigures:
    """Weighted wow and flutter of everything since the tone began; memory does not grow.

    Parameters
    ----------
    rate_hz : float
        Points of the deviation per second.

    Notes
    -----
    The weighting has zero phase, as off line, and comes 4 s late for it. The two-sigma value is that of a histogram
    whose bins are 0.1 % wide. Half a second at both ends is left out. The figures agree with those of
    `tapemeasure.analysis.wow_flutter.measure_wow_flutter` within half a per cent.
    """

    def __init__(self, *, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._filter = ZeroPhaseFilter(weighting_taps(rate_hz), hop_points=round(rate_hz))
        self._pointer = QuasiPeakPointer(rate_hz=rate_hz)
        self._valid = np.zeros(0, dtype=np.bool_)
        self._edge = round(EDGE_S * rate_hz)
        self._done = 0
        n_bins = int(np.log(10.0 / LEAST_DEVIATION) / np.log(BIN_RATIO)) + 1
        self._histogram = np.zeros(n_bins, dtype=np.int64)
        self._squares = self._peak = self._pointer_sum = 0.0
        self._pointer_count = 0

    def process(self, deviation: FloatArray, valid: BoolArray) -> None:
        """Take relative speed deviations in, and which of them had evidence; both of shape (n_points,)."""
        self._valid = np.concatenate([self._valid, valid])
        self._take(self._filter.process(deviation))

    def finish(self) -> None:
        """The tone has ended: take the last 4 s in as well."""
        rest = self._filter.finish()
        self._take(rest[: max(0, len(rest) - self._edge)])

    def _take(self, weighted: FloatArray) -> None:
        if len(weighted) == 0:
            return
        valid, self._valid = self._valid[: len(weighted)], self._valid[len(weighted) :]
        skipped = min(max(0, self._edge - self._done), len(weighted))
        settled = self._done - self._edge + np.arange(skipped, len(weighted)) >= FLUTTER_SETTLED_S * self._rate_hz
        self._done += len(weighted)
        weighted, valid = weighted[skipped:], valid[skipped:]
        readings = self._pointer.process(weighted)
        self._pointer_sum += float(np.sum(readings[valid & settled]))
        self._pointer_count += int(np.count_nonzero(valid & settled))
        magnitude = np.abs(weighted[valid])
        if len(magnitude):
            self._squares += float(np.sum(magnitude**2))
            self._peak = max(self._peak, float(np.max(magnitude)))
            place = np.log(np.maximum(magnitude, LEAST_DEVIATION) / LEAST_DEVIATION) / np.log(BIN_RATIO)
            places = np.minimum(place.astype(np.int64), len(self._histogram) - 1)
            self._histogram += np.bincount(places, minlength=len(self._histogram))

    def reading(self) -> FlutterReading:
        """Of the run so far."""
        count = int(np.sum(self._histogram))
        duration_s = count / self._rate_hz
        # half a second at both ends is left out, as off line
        if duration_s + 2.0 * EDGE_S < 0.99 * STANDARD_S:
            return no_reading(duration_s)
        rank = TWO_SIGMA * (count - 1)
        bin_of = int(np.searchsorted(np.cumsum(self._histogram), rank, side="right"))
        return FlutterReading(
            weighted_2sigma_pct=100.0 * LEAST_DEVIATION * BIN_RATIO ** (bin_of + 0.5),
            quasi_peak_pct=100.0 * self._pointer_sum / max(self._pointer_count, 1),
            weighted_rms_pct=100.0 * float(np.sqrt(self._squares / count)),
            weighted_peak_pct=100.0 * self._peak,
            duration_s=duration_s,
        )


@cache
def weighting_taps(rate_hz: float) -> FloatArray:
    """Symmetric filter that weights the phase's differences, `REACH_S` to both sides.

    What the difference of two points lacks against the slope is put back. Its gain at 0 Hz is 0, as a speed error is no
    flutter.
    """
    from scipy.fft import irfft, next_fast_len

    half = round(REACH_S * rate_hz)
    length = next_fast_len(16 * half, real=True)
    frequency = np.arange(length // 2 + 1) * (rate_hz / length)
    gain = np.where(frequency < HIGHEST_PART * rate_hz, 10.0 ** (flutter_weighting_db(frequency) / 20.0), 0.0)
    response = irfft(gain / np.sinc(frequency / rate_hz), length)
    window = np.minimum(1.0, 4.0 * (1.0 - np.abs(np.arange(-half, half + 1)) / (half + 1)))
    taps = np.concatenate([response[-half:], response[: half + 1]]) * window
    return np.asarray(taps - window * np.sum(taps) / np.sum(window), dtype=np.float64)
