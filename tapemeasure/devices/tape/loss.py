"""Losses of the replay head: spacing, thickness, gap, and the head bump.

References
----------
.. [1] R. L. Wallace, "The reproduction of magnetically recorded signals", Bell Syst. Tech. J. 30, 1951.
.. [2] J. Chowdhury, "Real-time physical modelling for analog tape machines", Proc. DAFx-19, 2019.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params import TapeSettings

METRES_PER_INCH = 0.0254
TAPS_AT_44100 = 64
BUMP_QUALITY = 2.0
TAP_SCALE = 1.0 + 1.0 / 64.0
"""The plug-in's taps are this much larger (+0.135 dB); kept, so that levels agree."""


def loss_response(
    frequencies_hz: FloatArray, *, speed_ips: float, spacing_um: float, thickness_um: float, gap_um: float
) -> FloatArray:
    """Amplitude response of the replay head (1 = no loss).

    Parameters
    ----------
    frequencies_hz : ndarray
        Above 0 Hz.
    speed_ips : float
        Tape speed, inches per second.
    spacing_um, thickness_um, gap_um : float
        Distance of the tape from the head, thickness of its coating, width of the head's gap, micrometres.

    Examples
    --------
    >>> import numpy as np
    >>> loss = loss_response(np.array([10000.0]), speed_ips=7.5, spacing_um=20.0, thickness_um=35.0, gap_um=6.0)
    >>> round(float(20 * np.log10(loss[0])), 1)
    -80.0
    """
    wave_number = 2.0 * math.pi * frequencies_hz / (METRES_PER_INCH * speed_ips)
    depth = wave_number * thickness_um * 1e-6
    thickness_loss = -np.expm1(-depth) / depth
    gap_loss = np.sinc(wave_number * gap_um * 1e-6 / (2.0 * math.pi))
    response: FloatArray = np.exp(-wave_number * spacing_um * 1e-6) * thickness_loss * gap_loss
    return response


def loss_taps(settings: TapeSettings, *, sample_rate: int) -> FloatArray:
    """Linear-phase FIR of the replay losses; its centre, the delay in samples, is the tap number ``len // 2``.

    Notes
    -----
    Frequency sampling with 64 taps at 44.1 kHz and as long in time at every rate; 0 Hz is taken as 20 Hz. Bin k is
    mirrored to N - 1 - k, as in the plug-in.
    """
    n_taps = TAPS_AT_44100 * sample_rate // 44100
    half = n_taps // 2
    n_bins = (n_taps + 1) // 2
    bins_hz = np.maximum(np.arange(n_bins) * sample_rate / n_taps, 20.0)
    response = loss_response(
        bins_hz,
        speed_ips=settings.speed_ips,
        spacing_um=settings.spacing_um,
        thickness_um=settings.thickness_um,
        gap_um=settings.gap_um,
    )
    mirrored = np.empty(n_taps)
    mirrored[:n_bins] = response
    mirrored[n_taps - n_bins :] = response[::-1]
    offsets = np.arange(half)
    one_side = np.cos(2.0 * math.pi * np.outer(offsets, np.arange(n_taps)) / n_taps) @ mirrored / n_taps
    taps = np.zeros(n_taps)
    taps[half + offsets] = one_side
    taps[half - offsets] = one_side
    return taps * TAP_SCALE


def head_bump(settings: TapeSettings, *, sample_rate: int) -> FloatArray | None:
    """Biquad (row b0 b1 b2 1 a1 a2) of the head bump, a peak of quality 2; None where the model has no bump."""
    centre_hz = METRES_PER_INCH * settings.speed_ips / (500.0 * settings.gap_um * 1e-6)
    gain = 1.5 * (1000.0 - abs(centre_hz - 100.0)) / 1000.0
    if gain <= 1.0:
        return None
    root = math.sqrt(gain)
    omega = 2.0 * math.pi * centre_hz / sample_rate
    alpha = math.sin(omega) / (2.0 * BUMP_QUALITY)
    middle = -2.0 * math.cos(omega)
    row = [1.0 + alpha * root, middle, 1.0 - alpha * root, 1.0 + alpha / root, middle, 1.0 - alpha / root]
    return np.array([row]) / row[3]


@dataclass(frozen=True)
class LossFilter:
    """The replay losses of one channel, with their state; feed it block after block."""

    settings: TapeSettings
    sample_rate: int
    _taps: FloatArray = field(init=False)
    _history: FloatArray = field(init=False)
    _bump: FloatArray | None = field(init=False)
    _bump_state: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        taps = loss_taps(self.settings, sample_rate=self.sample_rate)
        object.__setattr__(self, "_taps", taps)
        object.__setattr__(self, "_history", np.zeros(len(taps) - 1))
        object.__setattr__(self, "_bump", head_bump(self.settings, sample_rate=self.sample_rate))
        object.__setattr__(self, "_bump_state", np.zeros((1, 2)))

    @property
    def latency_samples(self) -> int:
        """Delay of the linear-phase taps, samples."""
        return len(self._taps) // 2

    def process(self, block: FloatArray) -> FloatArray:
        """Next samples of the head's voltage, `latency_samples` late; shape (n_samples,)."""
        from tapemeasure.devices.tape.kernels import fir, second_order_sections

        samples: FloatArray = fir(block, self._taps, self._history)
        if self._bump is not None:
            second_order_sections(samples, self._bump, self._bump_state)
        return samples
