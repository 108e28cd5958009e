"""A whole replica that plays block by block: recording path, moving tape, hiss. Files and live sound go through it."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.generators.tape_motion import TapeMotion
from tapemeasure.replica.model import Replica
from tapemeasure.replica.player import ReplicaPlayer

HALF_TAPS = 32
AROUND_SAMPLES = HALF_TAPS + 2
"""Samples on each side of a position that reading there takes."""

TAIL_SAMPLES = 4096

ReadNoise = Callable[[int], FloatArray]
"""Gives the next samples of hiss and hum, shape (n_samples, n_channels)."""


class WholeReplica:
    """A machine's recording path, delay and hiss; as many samples come out of a block as go in.

    Parameters
    ----------
    replica : Replica
        The recording path.
    n_channels : int
        Tracks: each has its own state and hiss, all share the delay.
    motion : TapeMotion, optional
        The delay; without it the tape stands still under both heads at once.
    noise : callable, optional
        Source of hiss and hum.
    gain : float
        The tape is driven by so much more, and the output lowered by the same.
    whole_start : bool
        Whether the first sample that comes out belongs to the time 0 or earlier, as a file needs it. Otherwise the
        output lies as early as it can, and a machine's delay from head to head is not waited for.

    Notes
    -----
    Nothing depends on how the input is cut into blocks, bit for bit.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        n_channels: int,
        motion: TapeMotion | None = None,
        noise: ReadNoise | None = None,
        gain: float = 1.0,
        whole_start: bool = True,
    ) -> None:
        self.n_channels, self.sample_rate = n_channels, replica.sample_rate
        self._player = ReplicaPlayer(replica, n_channels=n_channels)
        self._noise, self._gain = noise, gain
        self._line = None if motion is None else MovingTape(motion, n_channels=n_channels, replica=replica)
        needed = replica.latency_samples if self._line is None else self._line.needed_samples
        self.lag_samples = max(needed, 0) if whole_start else needed
        """The first sample that comes out belongs to the output time of so many samples before 0."""
        limits = None if motion is None else motion.limits
        middle_s = 0.0 if limits is None else 0.5 * (limits.low_s + limits.high_s)
        self.latency_samples = self.lag_samples + middle_s * self.sample_rate
        """How much later a sound comes out than it came in, in the middle of the delay's range."""
        self._next = -self.lag_samples
        if self._next > 0 and noise is not None:
            noise(self._next)

    def process(self, block: FloatArray) -> FloatArray:
        """The next samples of the output; both of shape (n_samples, n_channels), the input finite, full scale 1.0."""
        first = self._next
        self._next += len(block)
        output = self._player.play(np.ascontiguousarray(self._gain * block, dtype=np.float64))
        if self._line is not None:
            output = self._line.process(output, first)
        if self._gain != 1.0:
            output = output * (1.0 / self._gain)
        # hiss begins with the time 0, also where the first samples lie before it
        audible = min(max(first + len(block), 0), len(block))
        if self._noise is not None and audible:
            output[len(block) - audible :] += self._noise(audible)
        return output


def played_through(whole: WholeReplica, blocks: Iterable[FloatArray], *, n_samples: int) -> Iterator[FloatArray]:
    """Output of a whole replica from the time 0 on, block by block; behind the input comes silence.

    Parameters
    ----------
    whole : WholeReplica
        Fresh, with a whole start.
    blocks : iterable of ndarray, shape (any, n_channels)
        Finite, full scale 1.0.
    n_samples : int
        Length of the output.
    """
    early, left = whole.lag_samples, n_samples
    silence = itertools.repeat(np.zeros((TAIL_SAMPLES, whole.n_channels)))
    for block in itertools.chain(blocks, silence):
        if left == 0:
            return
        output = whole.process(block)
        skipped = min(early, len(output))
        early -= skipped
        output = output[skipped:][:left]
        left -= len(output)
        if len(output):
            yield output


class MovingTape:
    """A delay line read at a moving place: windowed sinc of 64 taps.

    Parameters
    ----------
    motion : TapeMotion
        The delay.
    n_channels : int
        Channels.
    replica : Replica
        What plays into it: its rate, and by how much it is late.
    """

    def __init__(self, motion: TapeMotion, *, n_channels: int, replica: Replica) -> None:
        rate = replica.sample_rate
        self._motion, self._sample_rate = motion, rate
        self._late_samples = replica.latency_samples
        self.needed_samples = self._late_samples + AROUND_SAMPLES - math.floor(motion.limits.low_s * rate)
        """How many samples earlier than the newest input the output must lie; negative for a long delay."""
        reach = max(self.needed_samples, 0) - self._late_samples + math.ceil(motion.limits.high_s * rate)
        self._kept_samples = reach + 2 * AROUND_SAMPLES
        self._held = np.zeros((4 * self._kept_samples, n_channels))
        self._end = 0
        self._start = 0
        self._skipped = 0

    def process(self, block: FloatArray, first: int) -> FloatArray:
        """Take a block in and give the output samples from `first` on."""
        # what comes before the time 0 is not held, as positions beside a negative start would be rounded
        early = min(self._late_samples - self._skipped, len(block))
        self._skipped += early
        self._take(block[early:])
        number = np.arange(first, first + len(block))
        delay_s = self._motion.read(first, len(block), sample_rate=self._sample_rate)
        where = (number / self._sample_rate - delay_s) * self._sample_rate
        low = int(np.clip(math.floor(where.min()) - AROUND_SAMPLES - self._start, 0, self._end))
        high = int(np.clip(math.ceil(where.max()) + AROUND_SAMPLES - self._start, low, self._end))
        return read_at(self._held[low:high], where - (self._start + low), half_taps=HALF_TAPS)

    def _take(self, block: FloatArray) -> None:
        """Write a block behind what is held; what is no longer needed gives way when the room is used up."""
        if self._end + len(block) > len(self._held):
            kept = min(self._kept_samples, self._end)
            room = max(len(self._held), 2 * (kept + len(block)))
            held = np.zeros((room, self._held.shape[1])) if room > len(self._held) else self._held
            held[:kept] = self._held[self._end - kept : self._end].copy()
            self._start += self._end - kept
            self._held, self._end = held, kept
        self._held[self._end : self._end + len(block)] = block
        self._end += len(block)
