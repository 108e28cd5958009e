"""An xrun is placed where a block came late, not where the driver told of it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tapemeasure.devices.stream import Player
from tapemeasure.params import HardwareSettings

BLOCK = 256
RATE = 44100


class _Silence:
    def read(self, count: int) -> np.ndarray:
        return np.zeros((count, 1), dtype=np.float32)


def _flagged(late_block: int | None, told_block: int, *, n_blocks: int = 400) -> list[int]:
    try:
        import sounddevice  # noqa: F401
    except OSError:
        pytest.skip("the PortAudio library is not installed")
    settings = HardwareSettings(match="akai", sample_rate=RATE, input_channels=(1,), output_channels=(1,))
    source: Any = _Silence()
    player = Player(source, settings, total=BLOCK * n_blocks * 2, put=lambda block: None)
    player._warm_up_samples = 0
    silence = np.zeros((BLOCK, 1), dtype=np.float32)
    rng = np.random.default_rng(2)
    for number in range(n_blocks):
        # the clock of a driver trembles by some tenths of a millisecond; a late block shifts all that follow
        clock_s = number * BLOCK / RATE + rng.uniform(-2e-4, 2e-4)
        if late_block is not None and number >= late_block:
            clock_s += 0.04
        status = SimpleNamespace(
            input_underflow=False, output_underflow=False, output_overflow=False, input_overflow=number == told_block
        )
        times = SimpleNamespace(inputBufferAdcTime=clock_s, outputBufferDacTime=clock_s)
        player(silence.copy(), silence.copy(), BLOCK, times, status if number == told_block else None)
    return [xrun.position_samples for xrun in player.xruns]


def test_the_late_block_has_it() -> None:
    assert _flagged(late_block=200, told_block=205) == [200 * BLOCK]
    assert _flagged(late_block=200, told_block=200) == [200 * BLOCK]


def test_where_no_block_was_late_it_is_where_it_was_told() -> None:
    assert _flagged(late_block=None, told_block=205) == [205 * BLOCK]


def test_what_is_long_past_is_not_looked_at() -> None:
    assert _flagged(late_block=20, told_block=350) == [350 * BLOCK]
