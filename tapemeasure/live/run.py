"""One run of a flutter tone: from the moment it is found until it is gone."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.live.flutter import FlutterReading, Needle, RunFigures
from tapemeasure.live.speed import SlowSpeed, SpectrumMeter, SpeedReading, SpeedSpectrum
from tapemeasure.live.tone import ToneFollower

SPEED_S = 1.0
"""The speed that is shown is the mean over so long."""


@dataclass(frozen=True)
class RunSummary:
    """What a run of the tone has told."""

    nominal_hz: float
    found_hz: float
    flutter: FlutterReading
    speed: SpeedReading
    spectrum: SpeedSpectrum | None


class ToneRun:
    """Speed, wow and flutter from one run of a tone; the parameters are those of `ToneFollower`."""

    def __init__(self, *, nominal_hz: float, found_hz: float, sample_rate: float) -> None:
        self._follower = ToneFollower(nominal_hz=nominal_hz, found_hz=found_hz, sample_rate=sample_rate)
        rate_hz = self._follower.rate_hz
        self.nominal_hz = nominal_hz
        self.needle = Needle(rate_hz=rate_hz)
        self.figures = RunFigures(rate_hz=rate_hz)
        self.slow = SlowSpeed(rate_hz=rate_hz)
        self.spectrum = SpectrumMeter(rate_hz=rate_hz)
        self._recent = np.zeros(0)
        self._recent_points = round(SPEED_S * rate_hz)

    def process(self, samples: FloatArray) -> None:
        """Take the channel that the tone is followed in, shape (n_samples,), full scale 1.0."""
        deviation, valid = self._follower.process(samples)
        if len(deviation) == 0:
            return
        self.needle.process(deviation)
        self.figures.process(deviation, valid)
        self.slow.process(deviation)
        self.spectrum.process(deviation)
        self._recent = np.concatenate([self._recent, deviation])[-self._recent_points :]

    @property
    def speed_pct(self) -> float | None:
        """Mean speed error of the last second; None before there is any."""
        return 100.0 * float(np.mean(self._recent)) if len(self._recent) else None

    @property
    def found_hz(self) -> float:
        """Where the tone lies now."""
        return self.nominal_hz * (1.0 + float(np.mean(self._recent))) if len(self._recent) else self._follower.found_hz

    def finish(self) -> RunSummary:
        """The tone has ended."""
        self.figures.finish()
        self.slow.finish()
        slow = self.slow.reading()
        mean_pct = 0.0 if np.isnan(slow.speed_error_pct) else slow.speed_error_pct
        found_hz = self.nominal_hz * (1.0 + mean_pct / 100.0)
        return RunSummary(self.nominal_hz, found_hz, self.figures.reading(), slow, self.spectrum.reading())
