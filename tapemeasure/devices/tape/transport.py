"""The moving tape: reads the recorded signal at its delay, and removes the latency of the filters before it."""

import math
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.wobble import HIGH_PASS_HZ
from tapemeasure.dsp.fractional import read_at
from tapemeasure.trajectory import DelayTrajectory

MOVING_HALF_TAPS = 32
"""Half the taps of the windowed sinc where the delay moves: accurate up to 0.45 of the sample rate."""

STEADY_HALF_TAPS = 128
"""The same where the delay is constant, with next to no loss below the Nyquist frequency: 0.48 of the sample rate."""

MARGIN_SAMPLES = 4
POSITION_STEPS = 2.0**30


@dataclass
class Transport:
    """Reads all channels at the delay of one trajectory, block after block.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay at output time, seconds.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.
    latency_samples : float
        How late the signal comes in; removed in the same reading, with its fraction.
    high_pass : bool
        Whether the 15 Hz high-pass (Butterworth, order 4) that follows the plug-in's moving delay is in the way.
    """

    trajectory: DelayTrajectory
    sample_rate: int
    n_channels: int
    latency_samples: float
    high_pass: bool
    _received_samples: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        from scipy.interpolate import CubicSpline
        from scipy.signal import butter

        delay_s = self.trajectory.delay_s
        # between two points the spline can pass the highest one, by less than the whole range
        longest_s = float(delay_s.max() + np.ptp(delay_s))
        reach = math.ceil(longest_s * self.sample_rate) + self.half_taps + MARGIN_SAMPLES
        self._delay = CubicSpline(self.trajectory.time_s, delay_s)
        self._history = np.zeros((self.look_ahead_samples + reach, self.n_channels))
        sections = butter(4, HIGH_PASS_HZ, "high", fs=self.sample_rate, output="sos")
        self._sections = np.ascontiguousarray(sections)
        self._section_states = np.zeros((self.n_channels, len(sections), 2))

    @property
    def half_taps(self) -> int:
        """Half the taps that the tape is read with."""
        return MOVING_HALF_TAPS if np.ptp(self.trajectory.delay_s) > 0.0 else STEADY_HALF_TAPS

    @property
    def look_ahead_samples(self) -> int:
        """Samples by which the output is behind the input."""
        return math.ceil(self.latency_samples) + self.half_taps + MARGIN_SAMPLES

    def process(self, block: FloatArray) -> FloatArray:
        """Played samples up to `look_ahead_samples` before the end of `block`, shape (n_samples, n_channels)."""
        from tapemeasure.devices.tape.kernels import second_order_sections

        recorded = np.concatenate((self._history, block))
        origin = self._received_samples - len(self._history)
        moments = self._received_samples - self.look_ahead_samples + np.arange(len(block), dtype=np.float64)
        played = read_at(recorded, self._positions(moments) - origin, half_taps=self.half_taps)
        self._received_samples += len(block)
        self._history = recorded[len(block) :]
        if self.high_pass:
            for channel in range(self.n_channels):
                samples = played[:, channel].copy()
                second_order_sections(samples, self._sections, self._section_states[channel])
                played[:, channel] = samples
        return played

    def _positions(self, moments: FloatArray) -> FloatArray:
        """Where the recorded signal is read at each sample of the output, in samples."""
        time_s = np.clip(moments / self.sample_rate, self.trajectory.start_s, self.trajectory.end_s)
        positions = moments + self.latency_samples - self.sample_rate * self._delay(time_s)
        # binary fractions, so that taking the block's origin off leaves the fraction as it is
        return np.asarray(np.round(positions * POSITION_STEPS) / POSITION_STEPS, dtype=np.float64)
