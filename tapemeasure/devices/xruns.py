"""Where a stream stumbled: a driver tells of it later than it was."""

from collections import deque
from typing import Any

import numpy as np

from tapemeasure.devices.recording import Xrun

REMEMBERED_BLOCKS = 128
"""Blocks whose time is kept; a driver tells that it stumbled some of them later."""

LATE_BLOCKS = 0.5
FLAGS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")


class XrunLog:
    """Xruns of a stream, and the block that each of them hit.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.xruns: list[Xrun] = []
        self._sample_rate = sample_rate
        self._clock: deque[tuple[int, float]] = deque(maxlen=REMEMBERED_BLOCKS)

    def block(self, position: int, times: Any, status: Any) -> bool:
        """Take a block in: its position in samples, and times and flags as PortAudio gives them; whether it tells one.

        Notes
        -----
        The block that was hit is the one whose time of conversion lies furthest behind that of the one before it. A
        driver tells of an xrun by a thread of its own, some blocks later; where no block was late, it is this one.
        """
        self._clock.append((position, float(times.inputBufferAdcTime)))
        flags = tuple(flag for flag in FLAGS if getattr(status, flag)) if status else ()
        if not flags:
            return False
        where = self._stumbled(position)
        adc_time_s, dac_time_s = float(times.inputBufferAdcTime), float(times.outputBufferDacTime)
        self.xruns.append(Xrun(where, where / self._sample_rate, flags, adc_time_s, dac_time_s))
        return True

    def _stumbled(self, position: int) -> int:
        positions, times_s = np.array(self._clock).T
        block_s = np.diff(positions) / self._sample_rate
        late_s = np.diff(times_s) - block_s
        if self.xruns:
            # what was told before is not told again
            late_s[positions[1:] <= self.xruns[-1].position_samples] = 0.0
        if not len(late_s) or late_s.max() < LATE_BLOCKS * block_s.max():
            return position
        return int(positions[1 + int(np.argmax(late_s))])
