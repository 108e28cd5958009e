"""Hiss and hum, added after the output gain: their levels are those at the output."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.filters import StreamingFir, curve_db, filter_length, grid_hz, minimum_phase_taps
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

HISS_SHAPE_DB = (
    (200.0, 19.4), (250.0, 15.6), (315.0, 14.4), (400.0, 11.4), (500.0, 7.7), (630.0, 6.8), (800.0, 5.6),
    (1000.0, 4.5), (1250.0, 3.8), (1600.0, 2.7), (2000.0, 2.7), (2500.0, 1.4), (3150.0, 1.0), (4000.0, 1.4),
    (5000.0, 0.5), (6300.0, 0.6), (8000.0, 0.2), (10000.0, 0.0), (12500.0, -0.2), (16000.0, -0.1),
)  # fmt: skip
"""Power density of the hiss of an Akai 4000D at 7.5 in/s, against that at 10 kHz, without the rumble below 200 Hz."""

LEVEL_TOP_HZ = 22050.0
"""`hiss_dbfs` is the level of the hiss from 0 Hz up to here, at every sample rate."""

HUM_LINES = ((1, 1.0), (2, 0.84), (3, 0.17), (4, 0.38), (6, 0.11))
"""Multiples of the mains frequency and their relative amplitudes, those of an Akai 4000D."""

CHUNK_SAMPLES = 4096


def hiss_density_db(settings: TapeSettings, frequencies_hz: FloatArray) -> FloatArray:
    """Power density of the hiss, dBFS per hertz; the same at every sample rate.

    Parameters
    ----------
    settings : TapeSettings
        `hiss_dbfs`, the rms level below 22.05 kHz, and `hiss_shape_db`.
    frequencies_hz : ndarray
        The shape is held below its first and above its last point.
    """
    shape = HISS_SHAPE_DB if settings.hiss_shape_db is None else settings.hiss_shape_db
    level_dbfs = -math.inf if settings.hiss_dbfs is None else settings.hiss_dbfs
    steps_hz = (np.arange(22050, dtype=np.float64) + 0.5) * (LEVEL_TOP_HZ / 22050)
    total = float(np.mean(10.0 ** (curve_db(shape, steps_hz) / 10.0))) * LEVEL_TOP_HZ
    return curve_db(shape, frequencies_hz) - 10.0 * math.log10(total) + level_dbfs


def hiss_taps(settings: TapeSettings, *, sample_rate: int) -> FloatArray:
    """FIR that turns white noise of unit power into the hiss."""
    grid = grid_hz(n_taps=filter_length(sample_rate=sample_rate), sample_rate=sample_rate)
    power = 10.0 ** (hiss_density_db(settings, grid) / 10.0) * (sample_rate / 2)
    return minimum_phase_taps(np.sqrt(power))


@dataclass
class Noise:
    """Hiss and hum of all channels, with their state; ask for block after block.

    Parameters
    ----------
    settings : TapeSettings
        `hiss_dbfs` (rms from 0 to 22.05 kHz) and `hum_dbfs` (rms of all lines), None: off; `hiss_shape_db`, and the
        mains frequency `hum_hz`.
    sample_rate : int
        Hz.
    n_channels : int
        Channels; the hiss of each is independent, the hum is common.
    generator : numpy.random.Generator
        Source of the hiss and of the phases of the hum's lines.

    Notes
    -----
    The density of the hiss in dBFS per hertz does not depend on the sample rate: at 8 kHz only the part below 4 kHz is
    there, at 96 kHz the shape's last point goes on up to 48 kHz. Noise is made in chunks that are fixed on the time
    axis, so that every size of the blocks gives the same samples.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    generator: np.random.Generator
    _hum_phases: FloatArray = field(init=False, repr=False)
    _hiss: StreamingFir | None = field(init=False, repr=False, default=None)
    _pending: FloatArray = field(init=False, repr=False)
    _pending_start: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self._hum_phases = 2.0 * math.pi * self.generator.random(len(HUM_LINES))
        self._pending = np.zeros((0, self.n_channels))
        if self.settings.hiss_dbfs is not None:
            self._hiss = StreamingFir(hiss_taps(self.settings, sample_rate=self.sample_rate), self.n_channels)
            # its delay, and the start of the taps
            for _ in range(2):
                self._hiss.process(self._white(self._hiss.latency_samples))

    def block(self, start_samples: int, n_samples: int) -> FloatArray:
        """Noise of the samples from `start_samples` on, not before the end of the last block; one column a channel."""
        if self.settings.hiss_dbfs is None and self.settings.hum_dbfs is None:
            return np.zeros((n_samples, self.n_channels))
        chunks = [self._pending]
        end_samples = self._pending_start + len(self._pending)
        while end_samples < start_samples + n_samples:
            chunks.append(self._chunk(end_samples))
            end_samples += CHUNK_SAMPLES
        noise = np.concatenate(chunks)
        begin = start_samples - self._pending_start
        self._pending, self._pending_start = noise[begin + n_samples :], start_samples + n_samples
        return noise[begin : begin + n_samples].copy()

    def truth(self) -> dict[str, Any]:
        """What is added, plain values: levels, and the lines of the hum."""
        facts: dict[str, Any] = {}
        if self.settings.hiss_dbfs is not None:
            facts["hiss"] = {"level_below_22050hz_dbfs": self.settings.hiss_dbfs}
        if self.settings.hum_dbfs is not None and (lines := self._hum_lines()):
            unit_dbfs = self.settings.hum_dbfs - 10.0 * math.log10(sum(amplitude**2 for _, amplitude, _ in lines))
            facts["hum"] = [
                {"frequency_hz": frequency_hz, "level_dbfs": unit_dbfs + 20.0 * math.log10(amplitude)}
                for frequency_hz, amplitude, _ in lines
            ]
        return facts

    def _chunk(self, start_samples: int) -> FloatArray:
        hiss = self._hiss.process(self._white(CHUNK_SAMPLES)) if self._hiss else np.zeros((CHUNK_SAMPLES, 1))
        if self.settings.hum_dbfs is None:
            return hiss
        time_s = (start_samples + np.arange(CHUNK_SAMPLES)) / self.sample_rate
        hum = amplitude_from_db(self.settings.hum_dbfs) * self._hum(time_s)[:, np.newaxis]
        return np.asarray(hiss + np.broadcast_to(hum, (CHUNK_SAMPLES, self.n_channels)))

    def _white(self, n_samples: int) -> FloatArray:
        return self.generator.standard_normal((n_samples, self.n_channels))

    def _hum_lines(self) -> list[tuple[float, float, float]]:
        """Frequency in Hz, relative amplitude and phase of the lines below half the sample rate."""
        return [
            (multiple * self.settings.hum_hz, amplitude, float(phase))
            for (multiple, amplitude), phase in zip(HUM_LINES, self._hum_phases, strict=True)
            if multiple * self.settings.hum_hz < self.sample_rate / 2
        ]

    def _hum(self, time_s: FloatArray) -> FloatArray:
        """Lines of unit rms together."""
        lines = self._hum_lines()
        wave = np.zeros(len(time_s))
        for frequency_hz, amplitude, phase in lines:
            wave += amplitude * np.sin(2.0 * math.pi * frequency_hz * time_s + phase)
        power = sum(amplitude**2 for _, amplitude, _ in lines) / 2.0
        return wave / math.sqrt(power) if lines else wave
