"""The two oversampling chains around the hysteresis: half-band stages, each doubling or halving the rate.

``linear_phase`` has equiripple half-band FIRs of falling quality; the images that its last stages leave act on the
hysteresis as a hidden high-frequency bias, so that they are part of the sound. ``minimum_phase`` has two-path
all-pass filters and a latency of a few samples.

References
----------
.. [1] P. Zahradnik, "Design of Half-Band FIR Filters for Signal Compression".
.. [2] R. A. Valenzuela, A. G. Constantinides, "Digital signal processing schemes for efficient interpolation and
   decimation", IEE Proc. G 130(6), 1983.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from tapemeasure.arrays import FloatArray

UP_WIDTH, DOWN_WIDTH = 0.10, 0.12
UP_ATTENUATION_DB, DOWN_ATTENUATION_DB, STAGE_DB = -90.0, -75.0, 10.0

# All-pass coefficients (path A, path B) of the elliptic half-bands, per stage; the last stage's serve all later ones.
UP_ALLPASS = (
    ((0.0457281, 0.3325011, 0.6632020, 0.9338558), (0.1680875, 0.5044858, 0.8037809)),
    ((0.0542308, 0.3987970, 0.8629178), (0.1996996, 0.6210968)),
    ((0.0798664, 0.5453237), (0.2838293, 0.8344119)),
)
DOWN_ALLPASS = (
    ((0.0542175, 0.3830873, 0.7487209), (0.1967980, 0.5731364, 0.9142937)),
    ((0.0707659, 0.5131676), (0.2578531, 0.8173174)),
    ((0.1144749, 0.7699432), (0.3978367,)),
)


@lru_cache(maxsize=32)
def halfband_taps(width: float, attenuation_db: float) -> FloatArray:
    """Taps beside the centre (0.5) of an almost equiripple half-band FIR, low-pass gain 1.

    Parameters
    ----------
    width : float
        Transition width, as a fraction of the rate at which the filter runs.
    attenuation_db : float
        Stop-band level, negative dB.

    Returns
    -------
    ndarray, shape (2 n + 2,)
        Symmetric; the taps at even distance from the centre are zero and left out. The whole filter has 4 n + 3 taps.

    Notes
    -----
    Closed form of Zahradnik: with w = cos(omega), dH/dw is A U_n(q) + B U_{n-1}(q), U the Chebyshev polynomials of the
    second kind, q = (2 w^2 - 1 - k^2)/(1 - k^2); n, k, A, B follow from edge and attenuation. H is integrated term by
    term from the sine series of dH/domega. The amplitude is scaled by H at the band's last extremum.
    """
    edge = (0.5 - width) * math.pi
    n = math.ceil((attenuation_db - 18.18840664 * edge + 33.64775300) / (18.54155181 * edge - 29.13196871))
    k = (n * edge - 1.57111377 * n + 0.00665857) / (-1.01927560 * n + 0.37221484)
    a = (0.01525753 * n + 0.03682344 + 9.24760314 / n) * k + 1.01701407 + 0.73512298 / n
    b = (0.00233667 * n - 1.35418408 + 5.75145813 / n) * k + 1.02999650 - 0.72759508 / n
    n_points = 8 * (n + 2)
    omega = 2.0 * math.pi * np.arange(n_points) / n_points
    q = (2.0 * np.cos(omega) ** 2 - 1.0 - k * k) / (1.0 - k * k)
    slope = (a * _chebyshev_second(n, q) + b * _chebyshev_second(n - 1, q)) * np.sin(omega)
    orders = np.arange(1, 2 * n + 2, 2)
    cosines = -2.0 / n_points * np.fft.rfft(slope).imag[orders] / orders
    last = math.sqrt(k * k + (1.0 - k * k) * math.cos(math.pi / (2 * n + 1)) ** 2) if n % 2 else 1.0
    cosines *= 0.5 / float(np.sum(cosines * np.cos(orders * math.acos(last))))
    taps: FloatArray = np.concatenate((cosines[::-1], cosines)) / 2.0
    taps.setflags(write=False)
    return taps


def _chebyshev_second(n: int, x: FloatArray) -> FloatArray:
    """U_n(x) by its three-term recurrence."""
    before, now = np.zeros_like(x), np.ones_like(x)
    for _ in range(n):
        before, now = now, 2.0 * x * now - before
    return now


@dataclass(frozen=True)
class LinearPhaseStage:
    """One linear-phase stage of a single channel: taps up and down, and the state of both."""

    up_taps: FloatArray
    down_taps: FloatArray
    _state: tuple[FloatArray, FloatArray, FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        sizes = (len(self.up_taps) - 1, len(self.down_taps) - 1, len(self.down_taps) // 2)
        object.__setattr__(self, "_state", tuple(np.zeros(size) for size in sizes))

    @property
    def latency_samples(self) -> float:
        """Delay of up and down together, in samples of the stage's lower rate."""
        return (len(self.up_taps) + len(self.down_taps) - 2) / 2

    def up(self, block: FloatArray) -> FloatArray:
        """Block at twice the rate."""
        from tapemeasure.devices.tape.kernels import halfband_up

        doubled: FloatArray = halfband_up(block, self.up_taps, self._state[0])
        return doubled

    def down(self, block: FloatArray) -> FloatArray:
        """Block at half the rate."""
        from tapemeasure.devices.tape.kernels import halfband_down

        halved: FloatArray = halfband_down(block, self.down_taps, self._state[1], self._state[2])
        return halved


@dataclass(frozen=True)
class MinimumPhaseStage:
    """One minimum-phase stage of a single channel: all-pass paths up and down, and their state."""

    up_paths: tuple[FloatArray, FloatArray]
    down_paths: tuple[FloatArray, FloatArray]
    _state: tuple[FloatArray, ...] = field(init=False)
    _last_odd: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        paths = (*self.up_paths, *self.down_paths)
        object.__setattr__(self, "_state", tuple(np.zeros((len(path), 2)) for path in paths))
        object.__setattr__(self, "_last_odd", np.zeros(1))

    @property
    def latency_samples(self) -> float:
        """Group delay of up and down together at 0 Hz, in samples of the stage's lower rate."""
        return _two_path_delay(self.up_paths) + _two_path_delay(self.down_paths)

    def up(self, block: FloatArray) -> FloatArray:
        """Block at twice the rate."""
        from tapemeasure.devices.tape.kernels import allpass_cascade

        doubled = np.empty(2 * len(block))
        for phase in (0, 1):
            path = block.copy()
            allpass_cascade(path, self.up_paths[phase], self._state[phase])
            doubled[phase::2] = path
        return doubled

    def down(self, block: FloatArray) -> FloatArray:
        """Block at half the rate."""
        from tapemeasure.devices.tape.kernels import allpass_cascade

        even = block[0::2].copy()
        odd = np.concatenate((self._last_odd, block[1::2]))
        self._last_odd[0] = odd[-1]
        odd = odd[:-1].copy()
        allpass_cascade(even, self.down_paths[0], self._state[2])
        allpass_cascade(odd, self.down_paths[1], self._state[3])
        return 0.5 * (even + odd)


def _two_path_delay(paths: tuple[FloatArray, FloatArray]) -> float:
    """Group delay at 0 Hz of (A(z^2) + z^-1 B(z^2))/2, in samples of the lower rate."""
    delay_a, delay_b = (float(np.sum((1.0 - path) / (1.0 + path))) for path in paths)
    return (delay_a + delay_b + 0.5) / 2.0


Stage = LinearPhaseStage | MinimumPhaseStage


def oversampling_stages(factor: int, *, mode: str) -> list[Stage]:
    """Fresh half-band stages of one channel, lowest rate first.

    Parameters
    ----------
    factor : int
        1, 2, 4, 8 or 16.
    mode : str
        ``linear_phase`` or ``minimum_phase``.
    """
    build = _linear_phase_stage if mode == "linear_phase" else _minimum_phase_stage
    return [build(number) for number in range(int(factor).bit_length() - 1)]


def latency_samples(stages: list[Stage]) -> float:
    """Delay of all stages, up and down, in samples of the base rate (66.125 for 16x linear phase)."""
    return math.fsum(stage.latency_samples / (1 << number) for number, stage in enumerate(stages))


def _linear_phase_stage(number: int) -> Stage:
    width = 0.5 if number == 0 else 1.0
    return LinearPhaseStage(
        halfband_taps(UP_WIDTH * width, UP_ATTENUATION_DB + STAGE_DB * number),
        halfband_taps(DOWN_WIDTH * width, DOWN_ATTENUATION_DB + STAGE_DB * number),
    )


def _minimum_phase_stage(number: int) -> Stage:
    up, down = UP_ALLPASS[min(number, 2)], DOWN_ALLPASS[min(number, 2)]
    return MinimumPhaseStage((np.array(up[0]), np.array(up[1])), (np.array(down[0]), np.array(down[1])))
