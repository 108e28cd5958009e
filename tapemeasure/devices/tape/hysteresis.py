"""The magnetic part of the tape machine: clip, up-sample, Jiles-Atherton, make-up gain, down-sample, DC blocker.

References
----------
.. [1] D. C. Jiles, D. L. Atherton, "Theory of ferromagnetic hysteresis", J. Magn. Magn. Mater. 61, 1986.
.. [2] J. Chowdhury, "Real-time physical modelling for analog tape machines", Proc. DAFx-19, 2019.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.oversampling import Stage, latency_samples, oversampling_stages
from tapemeasure.params import TapeSettings

INPUT_LIMIT = {"RK2": 8.0, "RK4": 10.0, "NR4": 12.5, "NR8": 12.5}
"""The input is clipped at this sample value."""

DC_BLOCKER_HZ = 35.0


@dataclass(frozen=True)
class Magnetics:
    """Constants of the Jiles-Atherton equation that the knobs stand for.

    Parameters
    ----------
    saturation : float
        Saturation magnetisation M_s.
    shape : float
        Field scale a of the anhysteretic curve.
    reversible : float
        Share c of the reversible magnetisation.
    makeup : float
        Gain behind the hysteresis.
    """

    saturation: float
    shape: float
    reversible: float
    makeup: float


def magnetics(settings: TapeSettings) -> Magnetics:
    """Jiles-Atherton constants of the knobs drive, saturation and bias (each 0..1).

    Notes
    -----
    The small-signal gain is ``makeup * c * (0.01 + 6 drive) / 3``, times 2/1.9 for the Newton solvers. The bias knob
    at 0 gives the slightly negative c = -0.01 of the published experiment.
    """
    saturation = 0.5 + 1.5 * (1.0 - settings.saturation)
    return Magnetics(
        saturation=saturation,
        shape=saturation / (0.01 + 6.0 * settings.drive),
        reversible=math.sqrt(settings.bias) - 0.01,
        makeup=(1.0 + 0.6 * (1.0 - settings.bias)) / saturation,
    )


@dataclass(frozen=True)
class Hysteresis:
    """The magnetic part of one channel, with its state; feed it block after block."""

    settings: TapeSettings
    sample_rate: int
    _stages: list[Stage] = field(init=False)
    _state: FloatArray = field(init=False)
    _dc_blocker: FloatArray = field(init=False)
    _dc_state: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        from scipy.signal import butter

        from tapemeasure.devices.tape.kernels import STATE_SIZE

        stages = oversampling_stages(self.settings.oversampling, mode=self.settings.oversampling_mode)
        sections = butter(4, DC_BLOCKER_HZ, "high", fs=self.sample_rate, output="sos")
        object.__setattr__(self, "_stages", stages)
        object.__setattr__(self, "_state", np.zeros(STATE_SIZE))
        object.__setattr__(self, "_dc_blocker", np.ascontiguousarray(sections))
        object.__setattr__(self, "_dc_state", np.zeros((len(sections), 2)))

    @property
    def latency_samples(self) -> float:
        """Delay of the oversampling filters, samples of the base rate."""
        return latency_samples(self._stages)

    def process(self, block: FloatArray) -> FloatArray:
        """Replay voltage of the next samples of the record signal, `latency_samples` late; shape (n_samples,)."""
        from tapemeasure.devices.tape.kernels import second_order_sections

        limit = INPUT_LIMIT[self.settings.solver]
        samples = np.clip(block, -limit, limit)
        for stage in self._stages:
            samples = stage.up(samples)
        self._magnetise(samples)
        for stage in reversed(self._stages):
            samples = stage.down(samples)
        second_order_sections(samples, self._dc_blocker, self._dc_state)
        return samples

    def _magnetise(self, samples: FloatArray) -> None:
        from tapemeasure.devices.tape.kernels import hysteresis_newton, hysteresis_runge_kutta

        tape = magnetics(self.settings)
        constants = (tape.saturation, tape.shape, tape.reversible)
        # RK2, RK4: order; NR4, NR8: most Newton steps
        number = int(self.settings.solver[2:])
        if self.settings.solver.startswith("NR"):
            hysteresis_newton(samples, self._state, *constants, self.settings.newton_tolerance, number)
        else:
            hysteresis_runge_kutta(samples, self._state, *constants, number)
        samples *= tape.makeup
