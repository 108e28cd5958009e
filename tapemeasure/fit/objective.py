"""How far the model is from the recording with given settings, and how that changes with each of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.fit.knobs import KNOBS, bounds_of, settings_of
from tapemeasure.fit.linear_part import LinearPart, Response, fit_linear
from tapemeasure.fit.pair import FitPair, Stretch
from tapemeasure.params import TapeSettings

STILL = {
    "recording": "rewind", "head_delay_ms": 0.0, "chowtape_compatible": False, "wow_depth": 0.0, "flutter_depth": 0.0,
    "capstan_pct": 0.0, "pinch_roller_pct": 0.0, "reel_pct": 0.0, "lines_pct": (), "drift_pct": 0.0, "wow_pct": 0.0,
    "flutter_pct": 0.0, "scrape_pct": 0.0, "speed_error_pct": 0.0, "clock_drift_ppm": 0.0, "azimuth_urad": 0.0,
    "azimuth_jitter_urad": 0.0, "lost_samples_per_minute": 0.0, "crosstalk_db": None, "print_through_db": None,
    "dropouts_per_minute": 0.0, "modulation_noise_db": None, "hiss_dbfs": None, "hum_dbfs": None,
}  # fmt: skip
"""A machine that neither wobbles nor hisses: what an aligned recording is compared with."""

LINEAR: dict[Response, dict[str, object]] = {
    "gain": {"output_gain_db": 0.0},
    "filter": {"output_gain_db": 0.0, "response_shape_db": None, "response_phase_deg": None},
}
"""What the linear part stands for during the search."""


def still(settings: TapeSettings) -> TapeSettings:
    """The same machine without wow, flutter, noise and faults."""
    return settings.model_copy(update=STILL)


def play(settings: TapeSettings, samples: FloatArray, *, sample_rate: int) -> FloatArray:
    """What the machine makes of a signal of shape (n_samples,), without delay."""
    return TapeDevice(settings, seed=0).run(samples, sample_rate=sample_rate).samples[:, 0]


@dataclass(frozen=True)
class Objective:
    """The error that the search makes small.

    Parameters
    ----------
    pair : FitPair
        Input and recording.
    stretches : sequence of Stretch
        What is compared.
    base : TapeSettings
        Settings that are not searched.
    names : sequence of str
        Settings that are.
    response : str
        ``gain`` or ``filter``.
    threads : int
        Runs of the model at the same time.
    start_samples : float
        Delay of the recording, about.
    """

    pair: FitPair
    stretches: Sequence[Stretch]
    base: TapeSettings
    names: Sequence[str]
    response: Response
    threads: int = 1
    start_samples: float = 0.0
    _targets: list[FloatArray] = field(init=False, repr=False)
    _scale: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        targets = [s.played(self.pair.target) for s in self.stretches]
        counted = [s.compared(target) for s, target in zip(self.stretches, targets, strict=True)]
        object.__setattr__(self, "_targets", targets)
        object.__setattr__(self, "_scale", float(np.sqrt(sum(float(part @ part) for part in counted))))

    def settings(self, vector: FloatArray) -> TapeSettings:
        """The machine of a point of the search: still, and without what the linear part stands for."""
        return settings_of(still(self.base), self.names, vector).model_copy(update=LINEAR[self.response])

    def played(self, vector: FloatArray) -> list[FloatArray]:
        """The model's output of every stretch, run-in included."""
        settings = self.settings(vector)
        rate = self.pair.sample_rate
        return [play(settings, s.played(self.pair.input), sample_rate=rate) for s in self.stretches]

    def linear_part(self, played: Sequence[FloatArray]) -> LinearPart:
        """The linear part that fits best behind the model's output."""
        return fit_linear(
            played,
            self._targets,
            self.stretches,
            response=self.response,
            sample_rate=self.pair.sample_rate,
            start_samples=self.start_samples,
        )

    def residual(self, vector: FloatArray) -> FloatArray:
        """Error of every compared sample; the sum of squares is the ESR."""
        played = self.played(vector)
        part = self.linear_part(played)
        errors = [
            stretch.compared(target - part.apply(samples))
            for samples, target, stretch in zip(played, self._targets, self.stretches, strict=True)
        ]
        return np.concatenate(errors) / self._scale

    def esr(self, vector: FloatArray) -> float:
        """Error-to-signal ratio over the stretches, the linear part fitted."""
        error = self.residual(vector)
        return float(error @ error)

    def jacobian(self, vector: FloatArray) -> FloatArray:
        """Derivative of the residual, shape (n_compared, n_names): differences over a small step into the range."""
        lows, highs = bounds_of(self.names)
        points = [vector]
        steps = []
        for k, name in enumerate(self.names):
            step = KNOBS[name].step
            step = -step if vector[k] + step > highs[k] else step
            moved = vector.copy()
            moved[k] = np.clip(vector[k] + step, lows[k], highs[k])
            steps.append(float(moved[k] - vector[k]))
            points.append(moved)
        here, *there = self.many(points)
        return np.stack([(error - here) / step for error, step in zip(there, steps, strict=True)], axis=1)

    def many(self, vectors: Sequence[FloatArray]) -> list[FloatArray]:
        """Residuals of several points, at the same time on several cores."""
        if self.threads == 1:
            return [self.residual(vector) for vector in vectors]
        # the compiled loops release Python's lock
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self.residual, vectors))
