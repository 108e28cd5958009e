"""The transport of a virtual deck: rolling with three heads, or recording, rewinding and playing with two."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.deck.faults import EVENTS, Fault, spoil
from tapemeasure.devices.deck.machine import Machine
from tapemeasure.devices.deck.reel import Reel
from tapemeasure.devices.deck.slip import HALF_TAPS, Slip
from tapemeasure.errors import DeviceError

State = Literal["rolling", "recording", "playing", "stopped"]
QUIET_S = 0.4
"""A sound begins where there is one after so much digital silence."""


@dataclass
class Running:
    """A fault that has been put in, and the deck's sample at which it begins (None: not yet)."""

    fault: Fault
    start_samples: int | None
    done: bool = False


@dataclass
class Deck:
    """A deck that is fed block after block.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_channels : int
        Channels in and out.
    state : str
        ``rolling`` (record and play at once), ``recording``, ``playing`` or ``stopped``.
    tape_s : float
        Length of the tape, seconds.
    head_delay_s : float
        Time between record head and play head, which a wrong speed changes.
    reserve_samples : int
        Delay that is kept so that samples can get lost.
    faults : sequence of Fault
        Those with a start begin anew with every sound.

    Notes
    -----
    A sound begins with the first sample that is not zero after 0.4 s of zeros; times of faults are counted from there,
    and none begins behind its end.
    """

    sample_rate: int
    n_channels: int
    state: State = "stopped"
    tape_s: float = 1800.0
    head_delay_s: float = 0.0
    reserve_samples: int = 0
    faults: Sequence[Fault] = ()
    machine: Machine | None = field(init=False, default=None)
    position: int = field(init=False, default=0)
    """Samples since the tape began to move."""
    sounds: list[int] = field(init=False, default_factory=list)
    log: list[dict[str, Any]] = field(init=False, default_factory=list)
    disconnected: bool = field(init=False, default=False)
    stall_s: float = field(init=False, default=0.0)
    """How long the client shall sleep now, as a fault."""
    moved: State = field(init=False, default="stopped")
    """What the tape did when it last moved."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.reel = Reel(round(self.tape_s * self.sample_rate), self.n_channels)
        self.slip: Slip | None = None
        self._quiet = round(QUIET_S * self.sample_rate)
        self._zeros = self._quiet
        self._running = [Running(fault, 0 if fault.start_s is None else None) for fault in self.faults]
        self.reserve_samples = max(self.reserve_samples, self._needed_reserve())

    def _needed_reserve(self) -> int:
        """What the faults that are known need."""
        lost = sum(int(fault.value) for fault in self.faults if fault.kind == "lost_block" and fault.value > 0)
        shorter_s = [
            self.head_delay_s * (1.0 - 1.0 / (1.0 + fault.value / 100.0))
            for fault in self.faults
            if fault.kind == "speed"
        ]
        has_speed = HALF_TAPS if shorter_s else 0
        return lost + has_speed + round(max([0.0, *shorter_s]) * self.sample_rate)

    def start(self, state: State, machine: Machine | None = None) -> None:
        """Let the tape move from its beginning; the machine is needed for ``rolling`` and ``playing``."""
        with self._lock:
            self._start(state, machine)

    def _start(self, state: State, machine: Machine | None) -> None:
        self.machine, self.position, self.sounds = machine, 0, []
        self.slip = Slip(self.reserve_samples, self.n_channels)
        self.reel.rewind()
        for running in self._running:
            running.start_samples = 0 if running.fault.start_s is None else None
            running.done = False
        self._zeros = self._quiet
        if state == "recording":
            self.reel.erase()
        if state == "playing":
            self.reel.ratio = self._play_ratio()
        self.state = state
        self.moved = state if state != "stopped" else self.moved

    def halt(self) -> None:
        """Stop the tape where it is."""
        with self._lock:
            self.state = "stopped"

    def put_in(self, fault: Fault) -> None:
        """Begin a fault now, or at its start after the sound that is playing."""
        if fault.channel is not None and fault.channel > self.n_channels:
            raise DeviceError(f"fault {fault.kind}: channel {fault.channel}; the deck has {self.n_channels} channels")
        with self._lock:
            running = Running(fault, self.position if fault.start_s is None else None)
            if self.sounds and fault.start_s is not None:
                self._schedule(running, self.sounds[-1])
            self._running.append(running)

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._running = []

    def process(self, block: FloatArray) -> FloatArray:
        """What comes out while a block goes in, both of shape (n_samples, n_channels)."""
        with self._lock:
            return np.zeros_like(block) if self.state == "stopped" else self._process(block)

    def _process(self, block: FloatArray) -> FloatArray:
        source = self.reel.read(len(block)) if self.state == "playing" else block
        self._listen(source)
        self._happen(len(block))
        output = self._move(source)
        if self.slip is not None:
            output = self.slip.process(output)
        moments = self.position + np.arange(len(block))
        for running in self._running:
            if running.start_samples is not None and running.fault.kind not in ("lost_block", "speed"):
                age_s = (moments - running.start_samples) / self.sample_rate
                output = spoil(output, running.fault, age_s=age_s, sample_rate=self.sample_rate)
        self.position += len(block)
        if self.position > self.tape_s * self.sample_rate:
            self.state = "stopped"
            self._note("end_of_tape")
        return output

    def _move(self, block: FloatArray) -> FloatArray:
        if self.state == "recording":
            self.reel.write(block)
            return np.zeros_like(block)
        if self.machine is None:
            return np.zeros_like(block)
        return self.machine.process(block)

    def _listen(self, block: FloatArray) -> None:
        """Notice where a sound begins; the faults of the one before end."""
        loud = np.flatnonzero(np.any(block != 0.0, axis=1))
        if not len(loud):
            self._zeros += len(block)
            return
        gaps = np.diff(loud, prepend=-1 - self._zeros) - 1
        for index in np.flatnonzero(gaps >= self._quiet):
            self.sounds.append(self.position + int(loud[index]))
            if self.slip is not None:
                self.slip.restore(self.position)
            for running in self._running:
                if running.fault.start_s is not None:
                    self._schedule(running, self.sounds[-1])
        self._zeros = len(block) - 1 - int(loud[-1])

    def _schedule(self, running: Running, sound: int) -> None:
        start_s = running.fault.start_s or 0.0
        running.start_samples = sound + round(start_s * self.sample_rate)
        running.done = False

    def _happen(self, n_samples: int) -> None:
        """Start what is due before the end of this block."""
        for running in self._running:
            start, fault = running.start_samples, running.fault
            if running.done or start is None or start >= self.position + n_samples:
                continue
            running.done = True
            if fault.start_s is not None and self._zeros >= self._quiet:
                continue  # the sound has ended before
            self._note(fault.kind, start=start, fault=fault)
            if fault.kind == "disconnect":
                self.disconnected = True
            elif fault.kind == "xrun":
                self.stall_s += fault.value * 1e-3
            elif fault.kind == "lost_block" or (fault.kind == "speed" and self.state == "rolling"):
                self._slip(start, fault)

    def _slip(self, start: int, fault: Fault) -> None:
        if self.slip is None:
            return
        try:
            if fault.kind == "lost_block":
                self.slip.lose(start, int(fault.value))
                return
            self.slip.change_speed(
                start,
                ratio=1.0 + fault.value / 100.0,
                gap_samples=self.head_delay_s * self.sample_rate,
                length_samples=None if fault.length_s is None else fault.length_s * self.sample_rate,
            )
        except DeviceError as error:
            self.refuse(str(error))

    def refuse(self, reason: str) -> None:
        """Note a fault that cannot happen here."""
        self._note("refused", reason=reason)

    def _play_ratio(self) -> float:
        percent = sum(running.fault.value for running in self._running if running.fault.kind == "speed")
        return 1.0 + percent / 100.0

    def _note(self, kind: str, *, start: int | None = None, fault: Fault | None = None, reason: str = "") -> None:
        """Write down what happens and when, seconds since the tape began to move."""
        at_s = (self.position if start is None else start) / self.sample_rate
        entry: dict[str, Any] = {"kind": kind, "start_s": at_s}
        if fault is not None:
            lasting = fault.length_s if fault.kind not in EVENTS or fault.kind == "dropout" else 0.0
            entry |= {"value": fault.value, "channel": fault.channel, "length_s": lasting}
        if reason:
            entry["reason"] = reason
        self.log.append(entry)
