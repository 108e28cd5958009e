"""What a worn or badly wound tape and its heads do to the sound, over the time of the output.

In the order of the machine: the neighbouring turns print through, the coating modulates, contact is lost, and the
tracks of the head leak into each other.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.dropouts import Dropouts, draw_dropouts
from tapemeasure.devices.tape.print_through import PrintThrough
from tapemeasure.devices.tape.speed import tape_speed_m_s
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

MODULATION_WAVELENGTH_MM = 1.0
"""Length along the tape whose frequency is the corner of the modulation noise: 190 Hz at 7.5 in/s."""


def modulation_corner_hz(settings: TapeSettings) -> float:
    """Corner of the first-order spectrum of the modulation noise on either side of a tone."""
    return tape_speed_m_s(settings) / (MODULATION_WAVELENGTH_MM * 1e-3)


@dataclass
class TapeFaults:
    """Print-through, modulation noise, dropouts and crosstalk of all channels; feed it block after block.

    Parameters
    ----------
    settings : TapeSettings
        `print_through_db`, `modulation_noise_db`, `dropouts_per_minute` (with median depth and length) and
        `crosstalk_db`. What is None or 0 is left out, and costs nothing.
    sample_rate : int
        Hz.
    n_channels, n_samples : int
        Size of the output.
    generator : numpy.random.Generator
        Source of everything random; each fault draws from a stream of its own.
    lead_samples : int
        Samples that come in before the first one of the output: what the parts before are late by.

    Notes
    -----
    Crosstalk is the same at all frequencies and comes from the neighbouring channels. Modulation noise multiplies each
    channel by ``1 + m(t)`` with a Gaussian m of its own, whose spectrum falls by 6 dB an octave from the frequency of
    1 mm of tape on; the added noise has `modulation_noise_db` against the signal's own rms at every moment.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    n_samples: int
    generator: np.random.Generator
    lead_samples: int = 0
    _print_through: PrintThrough | None = field(init=False, repr=False, default=None)
    _dropouts: Dropouts | None = field(init=False, repr=False, default=None)
    _modulation: FloatArray | None = field(init=False, repr=False, default=None)
    _position_samples: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        settings = self.settings
        dropout_rng, self._modulation_rng = self.generator.spawn(2)
        if settings.print_through_db is not None:
            self._print_through = PrintThrough(settings, self.sample_rate, self.n_channels, self.lead_samples)
        if settings.dropouts_per_minute > 0.0:
            duration_s = self.n_samples / self.sample_rate
            events = draw_dropouts(settings, n_channels=self.n_channels, duration_s=duration_s, generator=dropout_rng)
            self._dropouts = Dropouts(events, self.sample_rate)
        if settings.modulation_noise_db is not None:
            self._modulation = self._modulation_rng.standard_normal(self.n_channels)
        self._position_samples = -self.lead_samples - self.latency_samples

    @property
    def latency_samples(self) -> int:
        """How much later the output is; only print-through, which comes before the sound, needs to look ahead."""
        return 0 if self._print_through is None else self._print_through.latency_samples

    def process(self, block: FloatArray) -> FloatArray:
        """Next samples with their faults, `latency_samples` late; shape (n_samples, n_channels). `block` is kept."""
        if self._print_through is not None:
            block = self._print_through.process(block)
        if self._modulation is not None:
            block = block * (1.0 + self._modulate(len(block), self._modulation))
        if self._dropouts is not None:
            block = self._dropouts.process(block, start_samples=self._position_samples)
        self._position_samples += len(block)
        if self.settings.crosstalk_db is not None and self.n_channels > 1:
            gain = amplitude_from_db(self.settings.crosstalk_db)
            leaking = gain * block
            block = block.copy()
            block[:, 1:] += leaking[:, :-1]
            block[:, :-1] += leaking[:, 1:]
        return block

    def truth(self) -> dict[str, Any]:
        """The faults that are on, plain values; moments in seconds of the output, channels from 1."""
        settings = self.settings
        facts: dict[str, Any] = {}
        if self._print_through is not None:
            facts["print_through"] = self._print_through.truth()
        if settings.modulation_noise_db is not None:
            facts["modulation_noise"] = {
                "level_db": settings.modulation_noise_db,
                "corner_hz": modulation_corner_hz(settings),
            }
        if self._dropouts is not None:
            facts["dropouts"] = self._dropouts.truth()
        if settings.crosstalk_db is not None and self.n_channels > 1:
            facts["crosstalk_db"] = settings.crosstalk_db
        return facts

    def _modulate(self, n_samples: int, last: FloatArray) -> FloatArray:
        """The next values of m(t) of every channel, a stationary first-order process; `last` is overwritten."""
        from scipy.signal import lfilter

        level = amplitude_from_db(self.settings.modulation_noise_db or 0.0)
        decay = math.exp(-2.0 * math.pi * modulation_corner_hz(self.settings) / self.sample_rate)
        white = self._modulation_rng.standard_normal((n_samples, self.n_channels))
        before = decay * last[np.newaxis, :]
        found, _ = lfilter([math.sqrt(1.0 - decay * decay)], [1.0, -decay], white, axis=0, zi=before)
        modulation = np.asarray(found, dtype=np.float64)
        if n_samples:
            last[:] = modulation[-1]
        return level * modulation
