"""Equalisation: the record amplifier gives the tape the flux of a standard, the replay amplifier undoes it."""

from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.filters import (
    StreamingFir,
    curve_db,
    filter_length,
    grid_hz,
    linear_phase_taps,
    minimum_phase_taps,
    rotated_taps,
)
from tapemeasure.devices.tape.flux import flux_sections, inverse_sections
from tapemeasure.devices.tape.loss import TAP_SCALE, loss_taps
from tapemeasure.params import TapeSettings
from tapemeasure.params.tape import time_constants_us

BOOST_TOP_HZ = 20000.0
"""Above it the record amplifier makes up for no further losses."""


def boost_taps(settings: TapeSettings, *, sample_rate: int) -> FloatArray:
    """Linear-phase FIR that makes up for the replay losses by up to `record_boost_db`; its centre is ``len // 2``.

    Notes
    -----
    Inverse of the losses as the model's loss filter has them, held where they reach the limit and above 20 kHz. The
    head bump is left as it is.
    """
    n_taps = filter_length(sample_rate=sample_rate) // 4
    frequencies = grid_hz(n_taps=n_taps, sample_rate=sample_rate)
    losses = loss_taps(settings, sample_rate=sample_rate) / TAP_SCALE
    response = np.abs(np.fft.rfft(losses, 2 * (len(frequencies) - 1)))
    above = frequencies > BOOST_TOP_HZ
    response[above] = response[~above][-1]
    wanted_db = -20.0 * np.log10(np.maximum(response, 1e-9))
    return linear_phase_taps(10.0 ** (np.minimum(np.maximum.accumulate(wanted_db), settings.record_boost_db) / 20.0))


def shape_taps(settings: TapeSettings, *, sample_rate: int) -> tuple[FloatArray, int]:
    """FIR of `response_shape_db` and `response_phase_deg`, and the samples that it is late by for the phase's sake."""
    n_taps = filter_length(sample_rate=sample_rate)
    grid = grid_hz(n_taps=n_taps, sample_rate=sample_rate)
    points_db = settings.response_shape_db
    amplitudes = np.ones(len(grid)) if points_db is None else 10.0 ** (curve_db(points_db, grid) / 20.0)
    taps = minimum_phase_taps(amplitudes)
    if settings.response_phase_deg is None:
        return taps, 0
    return rotated_taps(taps, curve_db(settings.response_phase_deg, grid)), n_taps // 4


@dataclass(frozen=True)
class _Sections:
    """Biquads over all channels, with their state."""

    sections: FloatArray
    n_channels: int
    _states: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sections", self.sections.copy())
        object.__setattr__(self, "_states", np.zeros((self.n_channels, len(self.sections), 2)))

    def process(self, block: FloatArray) -> FloatArray:
        from tapemeasure.devices.tape.kernels import second_order_sections

        out = np.empty_like(block)
        for channel in range(self.n_channels):
            samples = block[:, channel].copy()
            second_order_sections(samples, self.sections, self._states[channel])
            out[:, channel] = samples
        return out


def _standard_sections(settings: TapeSettings, *, sample_rate: int) -> FloatArray | None:
    constants = time_constants_us(settings.equalisation, speed_ips=settings.speed_ips)
    if constants is None:
        return None
    return flux_sections(bass_us=constants[0], treble_us=constants[1], sample_rate=sample_rate)


@dataclass(frozen=True)
class RecordEqualiser:
    """The record amplifier of all channels, with its state; feed it block after block.

    Parameters
    ----------
    settings : TapeSettings
        `equalisation` and `speed_ips`; `record_boost_db` with the sizes of the replay head, where `loss` is on.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.

    Raises
    ------
    ParameterError
        If the standard has no curve for the speed.

    Notes
    -----
    The flux follows the standard's curve, with 0 dB at 1 kHz, so that the tape saturates with the spectrum that it
    would have on a real machine. Without equalisation and boost the signal passes as it is.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    _standard: _Sections | None = field(init=False, repr=False)
    _boost: StreamingFir | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sections = _standard_sections(self.settings, sample_rate=self.sample_rate)
        boosted = self.settings.loss and self.settings.record_boost_db > 0.0
        taps = boost_taps(self.settings, sample_rate=self.sample_rate) if boosted else None
        object.__setattr__(self, "_standard", None if sections is None else _Sections(sections, self.n_channels))
        object.__setattr__(self, "_boost", None if taps is None else StreamingFir(taps, self.n_channels))

    @property
    def latency_samples(self) -> int:
        """How much later the output is; only the linear-phase boost has a delay."""
        return 0 if self._boost is None else self._boost.latency_samples + len(self._boost.taps) // 2

    def process(self, block: FloatArray) -> FloatArray:
        """Current of the record head for the next samples, `latency_samples` late; shape (n_samples, n_channels)."""
        samples = block if self._standard is None else self._standard.process(block)
        return samples if self._boost is None else self._boost.process(samples)


@dataclass(frozen=True)
class ReplayEqualiser:
    """The replay amplifier of all channels, with its state; feed it block after block.

    Parameters
    ----------
    settings : TapeSettings
        `equalisation`, `speed_ips`, `response_shape_db` and `response_phase_deg`.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.

    Raises
    ------
    ParameterError
        If the standard has no curve for the speed.

    Notes
    -----
    The exact inverse of the record amplifier's curve: what does not saturate comes out flat. `response_shape_db` is
    a minimum-phase FIR, as the amplifiers that it stands for, to which `response_phase_deg` is added.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    _standard: _Sections | None = field(init=False, repr=False)
    _shape: StreamingFir | None = field(init=False, repr=False)
    _shape_late: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sections = _standard_sections(self.settings, sample_rate=self.sample_rate)
        inverse = None if sections is None else _Sections(inverse_sections(sections), self.n_channels)
        shape, shape_late = None, 0
        if self.settings.response_shape_db is not None or self.settings.response_phase_deg is not None:
            taps, shape_late = shape_taps(self.settings, sample_rate=self.sample_rate)
            shape = StreamingFir(taps, self.n_channels)
        object.__setattr__(self, "_standard", inverse)
        object.__setattr__(self, "_shape", shape)
        object.__setattr__(self, "_shape_late", shape_late)

    @property
    def latency_samples(self) -> int:
        """How much later the output is: the frames in which the shape is convolved, and what its phase needs."""
        return 0 if self._shape is None else self._shape.latency_samples + self._shape_late

    def process(self, block: FloatArray) -> FloatArray:
        """Line output for the next samples, `latency_samples` late; shape (n_samples, n_channels)."""
        samples = block if self._standard is None else self._standard.process(block)
        return samples if self._shape is None else self._shape.process(samples)
