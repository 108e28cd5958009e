"""Time that goes wrong: samples that get lost or doubled, and a tape that slows down between two heads."""

import math

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import DeviceError

HALF_TAPS = 32


class Slip:
    """A delay line whose length changes by steps and slopes; whole constant delays copy bit for bit.

    Parameters
    ----------
    reserve_samples : int
        Delay that it starts with; as much can be lost.
    n_channels : int
        Channels.
    """

    def __init__(self, reserve_samples: int, n_channels: int) -> None:
        self.reserve_samples = reserve_samples
        self._times = [0.0]
        self._delays = [float(reserve_samples)]
        self._received = 0
        self._history = np.zeros((reserve_samples, n_channels))

    def delay_samples(self, times: FloatArray) -> FloatArray:
        """Delay at sample times of the output, samples."""
        return np.interp(times, self._times, self._delays)

    def lose(self, at_sample: int, n_samples: int) -> None:
        """Leave out (or, negative, play twice) samples from the output's sample `at_sample` on.

        Raises
        ------
        DeviceError
            If the reserve is used up.
        """
        before = self._delays[-1]
        if before - n_samples < 0:
            raise DeviceError(
                f"lost_block: {n_samples} samples cannot get lost, {before:.0f} are in reserve; start the deck with "
                "this fault, or with a larger --reserve-ms"
            )
        # the last old sample and the first new one
        start = max(float(at_sample), self._times[-1] + 2.0)
        self._add(start - 1.0, before)
        self._add(start, before - n_samples)

    def restore(self, at_sample: int) -> None:
        """Go back to the whole reserve, where nothing is heard."""
        missing = self.reserve_samples - self._delays[-1]
        if missing != 0.0:
            self.lose(at_sample, -round(missing))

    def change_speed(self, at_sample: int, *, ratio: float, gap_samples: float, length_samples: float | None) -> None:
        """Let the tape run at another speed from a sample on: the delay between two heads becomes gap / ratio.

        The section between the heads was recorded at the old speed and is played at the new one, so that the pitch
        is wrong for as long as it takes to pass.

        Raises
        ------
        DeviceError
            If the new delay is shorter by more than the reserve.
        """
        change = gap_samples / ratio - gap_samples
        before = self._delays[-1]
        if before + change < HALF_TAPS:
            raise DeviceError(
                f"speed: the delay between the heads falls by {-change:.0f} samples, {before:.0f} are in reserve; "
                "start the deck with this fault, or with a larger --reserve-ms"
            )
        start = max(float(at_sample), self._times[-1] + 1.0)
        passed = start + gap_samples / ratio
        self._add(start, before)
        self._add(passed, before + change)
        if length_samples is not None:
            back = max(start + length_samples, passed + 1.0)
            self._add(back, before + change)
            self._add(back + gap_samples, before)

    def _add(self, time: float, delay: float) -> None:
        self._times.append(time)
        self._delays.append(delay)

    def process(self, block: FloatArray) -> FloatArray:
        """As many samples as go in, shape (n_samples, n_channels)."""
        moments = self._received + np.arange(len(block), dtype=np.float64)
        delays = self.delay_samples(moments)
        stored = np.concatenate((self._history, block))
        origin = self._received - len(self._history)
        positions = moments - delays - origin
        if np.array_equal(positions, np.round(positions)):
            output = stored[np.clip(positions.astype(np.int64), 0, len(stored) - 1)]
        else:
            output = read_at(stored, positions, half_taps=HALF_TAPS)
        self._received += len(block)
        longest = math.ceil(max(self._delays)) + 2 * HALF_TAPS
        self._history = stored[max(0, len(stored) - longest) :]
        return output
