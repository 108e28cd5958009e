"""Print-through: the neighbouring turns on the reel magnetise each other, so that every sound has echoes.

References
----------
.. [1] E. D. Daniel, P. E. Axon, "Accidental printing in magnetic recording", BBC Quarterly 5 (4), 1950-51.
.. [2] H. N. Bertram, M. K. Stafford, D. R. Mills, "The print-through phenomenon", J. Audio Eng. Soc. 28, 1980.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.filters import StreamingFir, filter_length, grid_hz, linear_phase_taps
from tapemeasure.devices.tape.history import History
from tapemeasure.devices.tape.loss import METRES_PER_INCH
from tapemeasure.devices.tape.speed import HUB_SHARE, tape_speed_m_s
from tapemeasure.dsp.fractional import read_at
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

HALF_TAPS = 16
POSITION_STEPS = 2.0**26
"""A distance is a multiple of this part of a sample (-150 dB)."""


def print_response(frequencies_hz: FloatArray, *, speed_ips: float, tape_um: float) -> FloatArray:
    """Amplitude of the printed signal against the printing one, 1 where it is largest.

    Notes
    -----
    ``e kh exp(-kh)`` with the wave number k = 2 pi f / v and the thickness h of the tape: the field of a layer falls
    by exp(-kh) over the distance of one turn and grows with k. Largest where the wavelength is 2 pi h [1]_.
    """
    depth = 2.0 * math.pi * frequencies_hz * tape_um * 1e-6 / (METRES_PER_INCH * speed_ips)
    return np.asarray(math.e * depth * np.exp(-depth))


def pack_radius_m(time_s: FloatArray, settings: TapeSettings) -> FloatArray:
    """Radius of the supply reel's pack as it empties; constant once the hub is reached."""
    full_m = settings.reel_diameter_mm * 5e-4
    used_m2 = tape_speed_m_s(settings) * np.maximum(time_s, 0.0) * settings.tape_um * 1e-6 / math.pi
    return np.sqrt(np.maximum(full_m**2 - used_m2, (HUB_SHARE * full_m) ** 2))


@dataclass
class PrintThrough:
    """Echoes of one turn of the reel before and after every sound; feed it block after block.

    Parameters
    ----------
    settings : TapeSettings
        `print_through_db`, level of either echo at the frequency that prints most; `speed_ips`, `tape_um` and
        `reel_diameter_mm`, the size of the reel when the take begins.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.
    lead_samples : int
        Samples that come in before the first one of the output.

    Notes
    -----
    The turn before is longer than the turn behind by 2 pi times the thickness of the tape; both shrink as the reel
    empties. The reading of the echoes is accurate to 0.4 of the sample rate, far above what prints.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    lead_samples: int = 0
    latency_samples: int = field(init=False)
    """How much later the output is: the echo comes a turn before the sound."""
    _start_samples: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_taps = filter_length(sample_rate=self.sample_rate)
        grid = grid_hz(n_taps=n_taps, sample_rate=self.sample_rate)
        response = print_response(grid, speed_ips=self.settings.speed_ips, tape_um=self.settings.tape_um)
        gain = amplitude_from_db(
            -math.inf if self.settings.print_through_db is None else self.settings.print_through_db
        )
        self._printing = StreamingFir(gain * linear_phase_taps(response), self.n_channels)
        self._printing_late = self._printing.latency_samples + len(self._printing.taps) // 2
        self._longest = math.ceil(self._turns_s(np.zeros(1))[1][0] * self.sample_rate) + HALF_TAPS + 1
        self.latency_samples = self._longest + self._printing_late
        self._start_samples = -self.latency_samples - self.lead_samples
        # a turn lasts seconds: the histories are moved now and then, not for every block
        self._sound = History(self.n_channels, self.latency_samples)
        self._printed = History(self.n_channels, 2 * self._longest)

    @property
    def period_s(self) -> float:
        """Mean distance of the echoes when the take begins."""
        ahead_s, behind_s = self._turns_s(np.zeros(1))
        return float(ahead_s[0] + behind_s[0]) / 2.0

    def truth(self) -> dict[str, Any]:
        """Level, distance and strongest frequency of the echoes, plain values."""
        speed_m_s = tape_speed_m_s(self.settings)
        return {
            "level_db": self.settings.print_through_db,
            "period_at_start_s": self.period_s,
            "strongest_hz": speed_m_s / (2.0 * math.pi * self.settings.tape_um * 1e-6),
        }

    def process(self, block: FloatArray) -> FloatArray:
        """Sound with its echoes, `latency_samples` late; shape (n_samples, n_channels)."""
        n_samples = len(block)
        self._sound.append(block)
        self._printed.append(self._printing.process(block))
        begin = self._sound.end - n_samples - self.latency_samples
        out: FloatArray = self._sound.samples[:, begin : begin + n_samples].T.copy()
        steps = np.arange(n_samples)
        turns_s = self._turns_s((self._start_samples + steps) / self.sample_rate)
        ahead, behind = (self._whole_steps(turn_s) for turn_s in turns_s)
        # where the printed history holds the moment of the first sample
        now = self._printed.end - n_samples - self._longest
        for distance in (-behind, ahead):
            places = steps + distance
            first = max(now + math.floor(places[0]) - HALF_TAPS - 1, 0)
            last = now + math.floor(places[-1]) + HALF_TAPS + 2
            echo = self._printed.samples[:, first:last].T
            out += read_at(echo, places + (now - first), half_taps=HALF_TAPS)
        self._start_samples += n_samples
        return out

    def _whole_steps(self, turn_s: FloatArray) -> FloatArray:
        """Samples, as binary fractions, so that taking the origin of a block off leaves the fraction as it is."""
        return np.asarray(np.round(turn_s * self.sample_rate * POSITION_STEPS) / POSITION_STEPS)

    def _turns_s(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Time to the same place on the next turn (nearer to the hub), and from that on the last one."""
        radius_m = pack_radius_m(time_s, self.settings)
        thickness_m = self.settings.tape_um * 1e-6
        speed_m_s = tape_speed_m_s(self.settings)
        next_s, last_s = (math.pi * (2.0 * radius_m + sign * thickness_m) / speed_m_s for sign in (-1.0, 1.0))
        return next_s, last_s
