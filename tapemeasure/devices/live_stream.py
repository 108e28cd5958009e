"""Playing through a sound card in real time: what comes in goes through a processor and out again, block by block."""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.live_results import LiveRun, LiveStatus, Load
from tapemeasure.devices.real_time import CALLBACK_PRIORITY, helping, raise_priority, undisturbed
from tapemeasure.devices.sound_cards import Connection, portaudio
from tapemeasure.devices.stream import STALL_S, WARM_UP_S, let_go, plausible_latency_s
from tapemeasure.devices.xruns import REMEMBERED_BLOCKS, XrunLog
from tapemeasure.errors import DeviceError, SignalError
from tapemeasure.params import HardwareSettings
from tapemeasure.units import db_from_amplitude

WATCH_S = 0.05
OWN_SHARE = 0.8
"""An xrun counts as this program's own where its callback took more than this share of a block shortly before."""

Process = Callable[[FloatArray], FloatArray]
"""Gives the next samples of the output for those of the input, both of shape (n_samples, n_tracks)."""


class LiveCallback:
    """The stream's callback. The first half second plays silence, because streams stumble when they start.

    Parameters
    ----------
    settings : HardwareSettings
        Channels and sample rate in Hz. One input channel goes into all tracks; several go into one as their mean.
    process : callable
        From the tracks' input to their output; one track for each output channel.
    total : int or None
        Samples to play; None: without end.

    Raises
    ------
    SignalError
        If the input channels do not fit the output channels.
    """

    def __init__(self, settings: HardwareSettings, process: Process, *, total: int | None) -> None:
        self.position, self.block_samples = 0, 0
        self.clipped_samples = self.spoilt_samples = self.own_xruns = 0
        self.real_time = False
        self.failure: str | None = None
        self.log = XrunLog(sample_rate=settings.sample_rate)
        self.total_load, self.load = Load(), Load()
        self._process, self._total, self._sample_rate = process, total, settings.sample_rate
        self._warm_up_samples = round(WARM_UP_S * settings.sample_rate)
        self._inputs = [channel - 1 for channel in settings.input_channels]
        self._outputs = [channel - 1 for channel in settings.output_channels]
        if len(self._inputs) != len(self._outputs) and 1 not in (len(self._inputs), len(self._outputs)):
            raise SignalError(
                f"{len(self._inputs)} input channels into {len(self._outputs)} output channels: give as many of both, "
                "or one of either"
            )
        self._peaks = np.zeros(len(self._inputs)), np.zeros(len(self._outputs))
        self.total_peaks = np.zeros(len(self._inputs)), np.zeros(len(self._outputs))
        self._shares: deque[float] = deque(maxlen=REMEMBERED_BLOCKS)
        self._stop = portaudio().CallbackStop

    @property
    def finished(self) -> bool:
        """Whether everything that was asked for was played."""
        return self._total is not None and self.position >= self._total

    def __call__(self, indata: Float32Array, outdata: Float32Array, frames: int, times: Any, status: Any) -> None:
        """Serve one block, as PortAudio asks for it."""
        outdata.fill(0.0)
        if self._warm_up_samples > 0:
            self.real_time = self.real_time or raise_priority(CALLBACK_PRIORITY)
            self._warm_up_samples -= frames
            return
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        count = frames if self._total is None else min(frames, self._total - self.position)
        if self.log.block(self.position, times, status):
            self.own_xruns += max(self._shares, default=0.0) > OWN_SHARE
            self._shares.clear()
        try:
            self._play(indata[:count, self._inputs], outdata[:count])
        except Exception as error:
            # what escapes here would end in PortAudio, without a word
            self.failure = f"playing failed ({error!r})"
            outdata.fill(0.0)
            raise self._stop from error
        self.position += count
        self.block_samples = max(self.block_samples, frames)
        self._count(time.perf_counter() - begin_s, time.thread_time() - begin_cpu_s, frames / self._sample_rate)
        if self.finished:
            raise self._stop

    def _play(self, heard: Float32Array, outdata: Float32Array) -> None:
        block = heard.astype(np.float64)
        if not np.isfinite(block).all():
            # it would stay in the state for ever
            finite = np.isfinite(block)
            self.spoilt_samples += int(np.count_nonzero(~finite))
            block = np.where(finite, block, 0.0)
        n_tracks = len(self._outputs)
        tracks = block
        if block.shape[1] != n_tracks:
            tracks = np.repeat(block, n_tracks, axis=1) if block.shape[1] == 1 else block.mean(axis=1, keepdims=True)
        played = self._process(tracks)
        loud = np.abs(played)
        for levels in (self._peaks, self.total_peaks):
            np.maximum(levels[0], np.abs(block).max(axis=0, initial=0.0), out=levels[0])
            np.maximum(levels[1], loud.max(axis=0, initial=0.0), out=levels[1])
        if loud.max(initial=0.0) > 1.0:
            self.clipped_samples += int(np.count_nonzero(loud > 1.0))
            played = np.clip(played, -1.0, 1.0)
        outdata[:, self._outputs] = played

    def _count(self, busy_s: float, cpu_s: float, block_s: float) -> None:
        self._shares.append(busy_s / block_s)
        for load in (self.total_load, self.load):
            load.add(busy_s, cpu_s, block_s)

    def status(self) -> LiveStatus:
        """How it did since it was last asked."""
        load, self.load = self.load, Load()
        peaks, self._peaks = self._peaks, (np.zeros_like(self._peaks[0]), np.zeros_like(self._peaks[1]))
        return LiveStatus(
            position_s=self.position / self._sample_rate,
            input_peak_dbfs=_levels_dbfs(peaks[0]),
            output_peak_dbfs=_levels_dbfs(peaks[1]),
            xruns=len(self.log.xruns),
            load_pct=load.mean_pct,
            longest_pct=100.0 * load.longest,
        )


def _levels_dbfs(peaks: FloatArray) -> tuple[float, ...]:
    return tuple(db_from_amplitude(float(peak)) for peak in peaks)


def play_live(
    settings: HardwareSettings,
    process: Process,
    *,
    duration_s: float | None = None,
    block_samples: int = 0,
    watch: Callable[[LiveStatus], None] = lambda status: None,
    watch_every_s: float = 1.0,
    until: Callable[[], str | None] = lambda: None,
) -> LiveRun:
    """Play what comes in through a processor, until the time is over, Ctrl-C, or the card is gone.

    Parameters
    ----------
    settings : HardwareSettings
        Card, channels (from 1), sample rate in Hz.
    process : callable
        As in `LiveCallback`; must never wait.
    duration_s : float, optional
        Seconds; without it there is no end.
    block_samples : int
        Block length that the card is asked for; 0: its own.
    watch : callable
        Takes a `LiveStatus` every `watch_every_s` seconds.
    until : callable
        Asked often; what it answers ends the playing and is its `stopped_early`.

    Raises
    ------
    DeviceError
        If the card is missing, ambiguous, has too few channels or refuses the format.
    SignalError
        If the input channels do not fit the output channels.
    MissingDependencyError
        If PortAudio is not installed.
    """
    connection = HardwareDevice(settings).connect()
    total = None if duration_s is None else round(duration_s * settings.sample_rate)
    callback = LiveCallback(settings, process, total=total)
    reason: str | None = None
    interrupted = False
    latency_s, begin_cpu_s = None, time.process_time()
    with undisturbed(), helping(), _uncollected():
        stream = _open(callback, settings, connection, block_samples)
        try:
            latency_s = plausible_latency_s(stream.latency)
            stream.start()
            reason = _watched(stream, callback, watch, watch_every_s, until)
        except KeyboardInterrupt:
            interrupted = True
        except portaudio().PortAudioError as error:
            reason = f"the sound card failed ({error})"
        finally:
            let_go(stream, finished=reason is None)
    duration_s = callback.position / settings.sample_rate
    load = callback.total_load
    return LiveRun(
        duration_s=duration_s,
        block_samples=callback.block_samples,
        input_peak_dbfs=_levels_dbfs(callback.total_peaks[0]),
        output_peak_dbfs=_levels_dbfs(callback.total_peaks[1]),
        reported_latency_s=latency_s,
        xruns=tuple(callback.log.xruns),
        own_xruns=callback.own_xruns,
        load_pct=load.mean_pct,
        longest_pct=100.0 * load.longest,
        callback_cpu_pct=load.cpu_pct,
        longest_cpu_pct=100.0 * load.longest_cpu,
        cpu_pct=100.0 * (time.process_time() - begin_cpu_s) / max(duration_s, 1e-9),
        clipped_samples=callback.clipped_samples,
        spoilt_samples=callback.spoilt_samples,
        real_time=callback.real_time,
        stopped_early=reason,
        interrupted=interrupted,
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector out of the callback, as it works in whichever thread it meets; the watch collects."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _watched(
    stream: Any,
    callback: LiveCallback,
    watch: Callable[[LiveStatus], None],
    watch_every_s: float,
    until: Callable[[], str | None],
) -> str | None:
    """Wait for the end; why it came early, or None."""
    position, moved_s = -1, time.monotonic()
    told_s = moved_s
    while not callback.finished:
        time.sleep(WATCH_S)
        now_s = time.monotonic()
        if callback.failure is not None:
            return callback.failure
        if (reason := until()) is not None:
            return reason
        if now_s - told_s >= watch_every_s and callback.position > 0:
            told_s = now_s
            watch(callback.status())
            gc.collect()
        if callback.position != position:
            position, moved_s = callback.position, now_s
        elif not stream.active or now_s - moved_s > STALL_S:
            return "no more audio came from the sound card: it was disconnected, or the audio server ended"
    return None


def _open(callback: LiveCallback, settings: HardwareSettings, connection: Connection, block_samples: int) -> Any:
    try:
        return portaudio().Stream(
            samplerate=settings.sample_rate,
            device=(connection.input.index, connection.output.index),
            channels=(max(settings.input_channels), max(settings.output_channels)),
            dtype="float32",
            callback=callback,
            latency="low",
            blocksize=block_samples,
            clip_off=True,
            dither_off=True,
        )
    except portaudio().PortAudioError as error:
        raise DeviceError(
            f"{connection.input} refuses {settings.sample_rate} Hz float32 ({error}); another program may hold the "
            "card: close it, or give another --block"
        ) from error
