"""The virtual deck as a client of a JACK server, block by block in real time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapemeasure.devices.deck.transport import Deck
from tapemeasure.devices.real_time import CALLBACK_PRIORITY, raise_priority
from tapemeasure.errors import DeviceError, MissingDependencyError


@dataclass
class Load:
    """How much of its time a callback needs, and how often the server ran late."""

    blocks: int = 0
    busy_s: float = 0.0
    longest_s: float = 0.0
    xruns: int = 0


class DeckClient:
    """Ports ``in_1, ...`` and ``out_1, ...`` under a name of its own.

    Parameters
    ----------
    name : str
        As sound cards are listed by.
    n_channels : int
        Ports in each direction.

    Raises
    ------
    MissingDependencyError
        If the package or the library of JACK is not installed.
    DeviceError
        If no server runs, or the name is taken.
    """

    def __init__(self, name: str, *, n_channels: int) -> None:
        jack = _jack()
        try:
            self._client = jack.Client(name, use_exact_name=True, no_start_server=True)
        except jack.JackOpenError as error:
            raise DeviceError(_open_text(name, error, jack)) from error
        self.sample_rate = int(self._client.samplerate)
        """Hz."""
        self.block_samples = int(self._client.blocksize)
        """Samples of a block."""
        self.load = Load()
        self.ended = threading.Event()
        self.reason: str | None = None
        self._free_wheels = False
        self.real_time = False
        self._deck: Deck | None = None
        self._sources = [self._client.inports.register(f"in_{n + 1}") for n in range(n_channels)]
        self._targets = [self._client.outports.register(f"out_{n + 1}") for n in range(n_channels)]
        self._client.set_process_callback(self._process)
        self._client.set_xrun_callback(self._count_xrun)
        self._client.set_shutdown_callback(self._shut_down)

    def run(self, deck: Deck, *, free_wheel: bool = False) -> None:
        """Let the server feed a deck from now on: in real time, or as fast as its clients can."""
        self._deck, self._free_wheels = deck, free_wheel
        self._client.activate()
        if free_wheel:
            self._client.set_freewheel(True)

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate(ignore_errors=True)
        self._client.close(ignore_errors=True)

    def _process(self, n_samples: int) -> None:
        begin = time.perf_counter()
        deck = self._deck
        if self.load.blocks == 0 and not self._free_wheels:
            self.real_time = raise_priority(CALLBACK_PRIORITY)
        if deck is None or self.ended.is_set():
            self._silence()
            return
        block = np.stack([port.get_array() for port in self._sources], axis=1).astype(np.float64)
        try:
            output = deck.process(block)
        except Exception as error:
            self._end(f"the deck failed ({error!r})")
            self._silence()
            return
        for channel, port in enumerate(self._targets):
            port.get_array()[:] = output[:, channel]
        if deck.disconnected:
            self._end("disconnected, as the fault asked")
        self.load.blocks += 1
        busy_s = time.perf_counter() - begin
        self.load.busy_s += busy_s
        self.load.longest_s = max(self.load.longest_s, busy_s)
        if deck.stall_s > 0.0:
            if self._free_wheels:
                deck.refuse("xrun: a server that free-wheels waits for its clients; run it in real time")
            else:
                time.sleep(deck.stall_s)
            deck.stall_s = 0.0

    def _silence(self) -> None:
        for port in self._targets:
            port.get_array()[:] = 0.0

    def _end(self, reason: str) -> None:
        self.reason = reason
        self.ended.set()

    def _count_xrun(self, delayed_us: float) -> None:
        self.load.xruns += 1

    def _shut_down(self, status: Any, reason: str) -> None:
        self._end(f"the JACK server ended ({reason})")


def _jack() -> Any:
    try:
        import jack
    except ImportError as error:
        raise MissingDependencyError(
            "the Python package JACK-Client is not installed; `pip install 'tapemeasure[jack]'`"
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            "the JACK library is not installed; Debian, Ubuntu: `apt install jackd2`"
        ) from error
    # the library's own chatter; what matters comes as an error
    quiet: Callable[[str], None] = lambda text: None  # noqa: E731
    jack.set_error_function(quiet)
    jack.set_info_function(quiet)
    return jack


def _open_text(name: str, error: Exception, jack: Any) -> str:
    status = getattr(error, "status", None)
    if status is not None and getattr(status, "name_not_unique", False):
        return f"the name {name!r} is taken on the JACK server; give another with --name"
    return (
        f"no JACK server answers ({error}); start one, for example `JACK_NO_AUDIO_RESERVATION=1 jackd --no-realtime "
        "-d dummy -r 44100 -p 1024 &`"
    )
