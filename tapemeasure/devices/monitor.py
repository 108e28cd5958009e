"""Listening to a machine for as long as one likes: what comes in is handed out as it comes, a loop is played."""

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.real_time import raise_priority, undisturbed
from tapemeasure.devices.sound_cards import SoundCard, find_input, list_sound_cards, portaudio
from tapemeasure.devices.stream import STALL_S, WARM_UP_S, let_go
from tapemeasure.devices.xruns import FLAGS
from tapemeasure.errors import DeviceError
from tapemeasure.params import HardwareSettings

WAIT_S = 0.2
GONE_S = 3.0
"""A card that gave sound and then gives nothing but zeros for so long is gone; no converter does that."""

LATENCY = "high"
"""Nobody waits for what a meter hears, so the card may take large blocks."""


@dataclass(frozen=True)
class Heard:
    """A block that came in: samples of shape (n_samples, n_channels), full scale 1.0; xruns so far; blocks waiting."""

    samples: FloatArray
    xruns: int
    waiting: int


class Monitor:
    """A running stream of a sound card.

    Parameters
    ----------
    settings : HardwareSettings
        Which card, which channels, sample rate in Hz.
    loop : ndarray, shape (n_samples,), optional
        Played over and over on all output channels, full scale 1.0. Without it nothing is played and the card need not
        play at all.

    Raises
    ------
    DeviceError
        If the card is missing, ambiguous, has too few channels or refuses the format.
    MissingDependencyError
        If PortAudio is not installed.
    """

    def __init__(self, settings: HardwareSettings, *, loop: FloatArray | None = None) -> None:
        self.settings = settings
        self.xruns = 0
        self.reason: str | None = None
        """Why it ended early; None while it runs and when it was ended on purpose."""
        self._loop = None if loop is None else np.asarray(loop, dtype=np.float32)
        self._inputs = [channel - 1 for channel in settings.input_channels]
        self._outputs = [channel - 1 for channel in settings.output_channels]
        self._position = 0
        self._warm_up_samples = round(WARM_UP_S * settings.sample_rate)
        self._heard = False
        self._zeros = 0
        self._queue: queue.SimpleQueue[Float32Array] = queue.SimpleQueue()
        if loop is None:
            self.card = self._find_input()
        else:
            connection = HardwareDevice(settings).connect()
            self.card, self._output = connection.input, connection.output

    def _find_input(self) -> SoundCard:
        settings = self.settings
        card = find_input(list_sound_cards(), match=settings.match, host_api=settings.host_api)
        if max(settings.input_channels) > card.input_channels:
            raise DeviceError(
                f"input_channels {list(settings.input_channels)}: {card} has {card.input_channels}; correct the "
                "device's input_channels (--set input_channels=[1])"
            )
        return card

    def blocks(self, *, length_s: float = float("inf")) -> Iterator[Heard]:
        """What comes in, block by block, until so many seconds have come or the card is gone (then `reason` is set).

        Raises
        ------
        DeviceError
            If the stream cannot be opened.
        """
        left = length_s * self.settings.sample_rate
        # the callback runs in a thread of the audio server's: only Python itself is kept quiet here
        with undisturbed():
            stream = self._open()
            try:
                stream.start()
                while left > 0:
                    heard = self._next(stream)
                    if heard is None:
                        return
                    samples = heard[: int(min(left, len(heard)))]
                    left -= len(samples)
                    if self._gone(samples):
                        return
                    yield Heard(np.asarray(samples, dtype=np.float64), self.xruns, self._queue.qsize())
            except portaudio().PortAudioError as error:
                self.reason = f"the sound card failed ({error})"
            finally:
                let_go(stream, finished=self.reason is None)

    def _gone(self, samples: Float32Array) -> bool:
        if np.any(samples):
            self._heard, self._zeros = True, 0
            return False
        self._zeros += len(samples)
        if self._heard and self._zeros > GONE_S * self.settings.sample_rate:
            self.reason = f"nothing but zeros came from the sound card for {GONE_S:g} s: it was disconnected"
        return self.reason is not None

    def _open(self) -> Any:
        settings, sounddevice = self.settings, portaudio()
        common = {
            "samplerate": settings.sample_rate, "dtype": "float32", "latency": LATENCY, "clip_off": True,
            "dither_off": True,
        }  # fmt: skip
        n_inputs = max(settings.input_channels)
        try:
            if self._loop is None:
                return sounddevice.InputStream(
                    device=self.card.index, channels=n_inputs, callback=self._listen, **common
                )
            return sounddevice.Stream(
                device=(self.card.index, self._output.index),
                channels=(n_inputs, max(settings.output_channels)),
                callback=self._listen_and_play,
                **common,
            )
        except sounddevice.PortAudioError as error:
            raise DeviceError(
                f"{self.card} refuses {settings.sample_rate} Hz float32 ({error}); another program may hold the card, "
                f"or its rate differs (its own is {self.card.default_sample_rate} Hz: --set sample_rate=...)"
            ) from error

    def _listen_and_play(
        self, indata: Float32Array, outdata: Float32Array, frames: int, times: Any, status: Any
    ) -> None:
        outdata.fill(0.0)
        if self._loop is not None:
            places = np.arange(self._position, self._position + frames) % len(self._loop)
            outdata[:, self._outputs] = self._loop[places, np.newaxis]
            self._position = (self._position + frames) % len(self._loop)
        self._listen(indata, frames, times, status)

    def _listen(self, indata: Float32Array, frames: int, times: Any, status: Any) -> None:
        if self._warm_up_samples > 0:
            # streams stumble when they start
            raise_priority()
            self._warm_up_samples -= frames
            return
        if status and any(getattr(status, flag) for flag in FLAGS):
            self.xruns += 1
        # picking columns by a list copies, as the buffer is PortAudio's
        self._queue.put(indata[:, self._inputs])

    def _next(self, stream: Any) -> Float32Array | None:
        """The next block; None when none comes any more."""
        waited_s = time.monotonic()
        while True:
            try:
                return self._queue.get(timeout=WAIT_S)
            except queue.Empty:
                if not stream.active or time.monotonic() - waited_s > STALL_S:
                    self.reason = "no more audio came from the sound card: it was disconnected, or the server ended"
                    return None
