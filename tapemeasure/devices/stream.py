"""The full-duplex stream: its callback, watching it, and letting go of it even when the audio server is dead."""

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from tapemeasure.arrays import Progress
from tapemeasure.devices.recording import Xrun
from tapemeasure.devices.sound_cards import Connection, portaudio
from tapemeasure.devices.take_writer import Float32Array, TakeWriter
from tapemeasure.params import HardwareSettings

STALL_S = 5.0
CLOSE_S = 3.0
WARM_UP_S = 0.5
MAX_LATENCY_S = 60.0
FLAGS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")


class Player:
    """The stream's callback: hands out the stimulus, passes on what came in, notes what went wrong and where.

    The first half second plays silence and records nothing, because streams stumble when they start.
    """

    def __init__(
        self, signal: Float32Array, settings: HardwareSettings, *, total: int, put: Callable[[Float32Array], None]
    ) -> None:
        self.position = 0
        self.total = total
        self.xruns: list[Xrun] = []
        self._warm_up_samples = round(WARM_UP_S * settings.sample_rate)
        self._signal = signal
        self._sample_rate = settings.sample_rate
        self._inputs = [channel - 1 for channel in settings.input_channels]
        self._outputs = [channel - 1 for channel in settings.output_channels]
        self._put = put
        self._stop = portaudio().CallbackStop

    @property
    def finished(self) -> bool:
        """Whether everything was played and recorded."""
        return self.position >= self.total

    def __call__(self, indata: Float32Array, outdata: Float32Array, frames: int, times: Any, status: Any) -> None:
        """Serve one block, as PortAudio asks for it."""
        outdata.fill(0.0)
        if self._warm_up_samples > 0:
            self._warm_up_samples -= frames
            return
        count = min(frames, self.total - self.position)
        block = self._signal[self.position : self.position + count]
        outdata[: len(block), self._outputs] = block
        if status:
            self._note(times, tuple(flag for flag in FLAGS if getattr(status, flag)))
        # picking columns by a list copies, as the buffer is PortAudio's
        self._put(indata[:count, self._inputs])
        self.position += count
        if self.finished:
            raise self._stop

    def _note(self, times: Any, flags: tuple[str, ...]) -> None:
        if flags:
            position_s = self.position / self._sample_rate
            adc_time_s, dac_time_s = float(times.inputBufferAdcTime), float(times.outputBufferDacTime)
            self.xruns.append(Xrun(self.position, position_s, flags, adc_time_s, dac_time_s))


def open_stream(player: Player, settings: HardwareSettings, connection: Connection) -> Any:
    """Open a float32 stream without dither and clipping; PortAudio's own error passes through."""
    return portaudio().Stream(
        samplerate=settings.sample_rate,
        device=(connection.input.index, connection.output.index),
        channels=(max(settings.input_channels), max(settings.output_channels)),
        dtype="float32",
        callback=player,
        clip_off=True,
        dither_off=True,
    )


def plausible_latency_s(latency_s: tuple[float, float]) -> float | None:
    """Output plus input latency; None where a driver reports nonsense (clients of JACK: hours)."""
    total_s = float(sum(latency_s))
    return total_s if 0.0 <= total_s <= MAX_LATENCY_S else None


def play(stream: Any, player: Player, writer: TakeWriter, progress: Progress) -> str | None:
    """Run a stream to its end and close it; returns why it ended early, or None."""
    reason: str | None = None
    try:
        stream.start()
        reason = _watch(stream, player, writer, progress)
    except KeyboardInterrupt:
        reason = "interrupted"
    except portaudio().PortAudioError as error:
        reason = f"the sound card failed ({error})"
    finally:
        _let_go(stream, finished=reason is None)
    return reason


def _watch(stream: Any, player: Player, writer: TakeWriter, progress: Progress) -> str | None:
    position, moved_s = -1, time.monotonic()
    while not player.finished:
        time.sleep(0.05)
        if writer.error is not None:
            return None  # told by the caller, who knows the folder
        if player.position != position:
            position, moved_s = player.position, time.monotonic()
            progress(position / player.total)
        elif not stream.active or time.monotonic() - moved_s > STALL_S:
            return "no more audio came from the sound card: it was disconnected, or the audio server ended"
    return None


def _let_go(stream: Any, *, finished: bool) -> None:
    """Close the stream without waiting for ever: PortAudio hangs there when the audio server is dead."""

    def close() -> None:
        with contextlib.suppress(portaudio().PortAudioError):
            (stream.stop if finished else stream.abort)()
        stream.close()

    closer = threading.Thread(target=close, name="close-stream", daemon=True)
    closer.start()
    closer.join(timeout=CLOSE_S)
    if closer.is_alive():
        # Pa_Terminate at exit would hang in the same place
        atexit.unregister(getattr(portaudio(), "_exit_handler", close))
