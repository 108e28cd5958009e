"""The moving tape: reads the recorded signal at its delay, and removes the latency of the filters before it."""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.curve import SmoothCurve
from tapemeasure.devices.tape.history import History
from tapemeasure.devices.tape.plugin_wobble import moves
from tapemeasure.devices.tape.steady import FractionReader, split_samples
from tapemeasure.devices.tape.wobble import TransportTruth
from tapemeasure.dsp.fractional import sinc_table
from tapemeasure.params import TapeSettings

HALF_TAPS = 32
"""Half the taps of the windowed sinc where the delay moves: -90 dB up to 0.45 of the sample rate."""

MARGIN_SAMPLES = 4
HIGH_PASS_HZ = 15.0

POSITION_STEPS = 2.0**26
"""A position is a multiple of this part of a sample: so it has no rounding of its own in any block (-150 dB)."""


@dataclass
class Transport:
    """Plays all channels at the delays of one truth, block after block; the result does not depend on the blocks.

    Parameters
    ----------
    settings : TapeSettings
        Whether the plug-in's wow and flutter are on, and `chowtape_compatible`.
    truth : TransportTruth
        Delay and azimuth at output time, seconds.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.
    latency_samples : float
        How late the signal comes in; removed in the same reading, with its fraction.

    Notes
    -----
    A constant delay is a copy and, for its fraction, one filter of 4096 taps (`steady.py`). A moving one is read
    through 64 taps of a windowed sinc; `chowtape_compatible` through the plug-in's cubic, whose treble loss changes
    with the delay's fraction (halfway between two samples -2 dB at 0.3 of the sample rate). The plug-in's 15 Hz
    high-pass (Butterworth, order 4) follows wherever its wow or flutter is on. The memory is as long as the longest
    delay, plus the most that the output is ahead of the input (`speed_error_pct`).
    """

    settings: TapeSettings
    truth: TransportTruth
    sample_rate: int
    n_channels: int
    latency_samples: float
    _received_samples: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        from scipy.signal import butter

        plugin = moves(self.settings)
        delay, azimuth = self.truth.delay, self.truth.azimuth
        self._cubic = plugin and self.settings.chowtape_compatible
        still = not np.ptp(delay.delay_s) and (azimuth is None or not np.ptp(azimuth.delay_s))
        self._delay = None if still else SmoothCurve.of(delay)
        self._azimuth = SmoothCurve.of(azimuth) if azimuth is not None and not still else None
        self._early_samples, fractions = 0.0, [0.0] * self.n_channels
        if still:
            tilt_s = 0.0 if azimuth is None else float(azimuth.delay_s[0])
            late_s = float(delay.delay_s[0]) + tilt_s * np.arange(self.n_channels)
            ahead = [split_samples(self.latency_samples - self.sample_rate * float(late)) for late in late_s]
            self._ahead_samples, fractions = [whole for whole, _ in ahead], [fraction for _, fraction in ahead]
        elif self._cubic:
            # the images of the plug-in's cubic belong to the grid of what was recorded: the fraction is for afterwards
            whole, fraction = split_samples(self.latency_samples)
            self._ahead_samples, fractions = [whole] * self.n_channels, [fraction] * self.n_channels
            self._early_samples = fraction
        self._fraction = FractionReader(tuple(fractions))
        earliest, latest = self._reach_samples()
        self._look_ahead = max(0, latest)
        self._history = History(self.n_channels, self._look_ahead + max(0, -earliest) + MARGIN_SAMPLES)
        self._sections = np.ascontiguousarray(butter(4, HIGH_PASS_HZ, "high", fs=self.sample_rate, output="sos"))
        self._section_states = np.zeros((self.n_channels if plugin else 0, len(self._sections), 2))

    @property
    def look_ahead_samples(self) -> int:
        """Samples by which the output is behind the input."""
        return self._look_ahead + self._fraction.latency_samples

    def process(self, block: FloatArray) -> FloatArray:
        """Played samples up to `look_ahead_samples` before the end of `block`, shape (n_samples, n_channels)."""
        from tapemeasure.devices.tape.kernels import second_order_sections

        self._history.append(block)
        first = self._received_samples - self._look_ahead
        self._received_samples += len(block)
        played = self._read(first, len(block))
        for channel, state in enumerate(self._section_states):
            samples = played[:, channel].copy()
            second_order_sections(samples, self._sections, state)
            played[:, channel] = samples
        return self._fraction.process(played)

    def _read(self, first: int, n_samples: int) -> FloatArray:
        """The tape at the output's samples from `first` on."""
        from tapemeasure.devices.tape.transport_kernels import read_cubic
        from tapemeasure.dsp.kernels import read_between_samples

        samples = self._history.samples
        # where the history holds the recorded sample that would be played now at no delay
        start = self._history.end - n_samples - self._look_ahead
        if self._delay is None:
            starts = [start + ahead for ahead in self._ahead_samples]
            columns = [row[begin : begin + n_samples] for row, begin in zip(samples, starts, strict=True)]
            return np.stack(columns, axis=1)
        time_s = (first + np.arange(n_samples) - self._early_samples) / self.sample_rate
        delay_s, azimuth_s = self._delay.at(time_s), None if self._azimuth is None else self._azimuth.at(time_s)
        # channels that are read at the same places are read in one go
        groups = [slice(0, self.n_channels)] if azimuth_s is None else [slice(c, c + 1) for c in range(self.n_channels)]
        played = np.empty((n_samples, self.n_channels))
        for channels in groups:
            late_s = delay_s if azimuth_s is None else delay_s + channels.start * azimuth_s
            if self._cubic:
                late = self.sample_rate * late_s
                played[:, channels] = read_cubic(samples[channels], start + self._ahead_samples[0], late)
            else:
                ahead = np.round((self.latency_samples - self.sample_rate * late_s) * POSITION_STEPS) / POSITION_STEPS
                places = start + np.arange(n_samples) + ahead
                played[:, channels] = read_between_samples(samples[channels], places, sinc_table(HALF_TAPS))
        return played

    def _reach_samples(self) -> tuple[int, int]:
        """First and last sample, from that of no delay, that is ever read for one of the output."""
        if self._delay is None:
            return min(self._ahead_samples), max(self._ahead_samples)
        last = self.n_channels - 1
        tilts = (0.0,) if self._azimuth is None else (0.0, last * self._azimuth.lowest, last * self._azimuth.highest)
        earliest = self.latency_samples - self.sample_rate * (self._delay.highest + max(tilts))
        latest = self.latency_samples - self.sample_rate * (self._delay.lowest + min(tilts))
        return math.floor(earliest) - HALF_TAPS - MARGIN_SAMPLES, math.ceil(latest) + HALF_TAPS + MARGIN_SAMPLES
