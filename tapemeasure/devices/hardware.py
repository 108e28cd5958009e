"""A real machine on a sound card: play the stimulus, record what comes back, and note everything that went wrong.

Playing and recording run at once in one full-duplex stream (three-head machines). The callback of our own notes the
position of every over- and underflow, which PortAudio's blocking calls do not tell; audio goes to disk as it comes.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture
from tapemeasure.devices.played import Played, ReadAhead, played_array
from tapemeasure.devices.real_time import undisturbed
from tapemeasure.devices.recording import Recording, recording_facts
from tapemeasure.devices.sound_cards import Connection, SoundCard, find_connection, list_sound_cards, portaudio
from tapemeasure.devices.stream import Player, Until, Watch, no_watch, open_stream, plausible_latency_s, play
from tapemeasure.devices.take_writer import Float32Array, TakeWriter
from tapemeasure.errors import DeviceError, MismatchError, SignalError
from tapemeasure.io import read_audio
from tapemeasure.params import HardwareSettings
from tapemeasure.units import amplitude_from_db, db_from_amplitude


@dataclass(frozen=True)
class HardwareDevice:
    """A machine between the outputs and the inputs of a sound card.

    Parameters
    ----------
    settings : HardwareSettings
        Which card, which channels (from 1), sample rate in Hz, level in dB, tail in seconds.
    """

    settings: HardwareSettings

    @property
    def name(self) -> str:
        """Kind of device."""
        return "hardware"

    def connect(self) -> Connection:
        """Find the sound card and check that it takes the settings; nothing is played.

        Raises
        ------
        DeviceError
            If the card is missing, ambiguous, has too few channels or refuses the format.
        MissingDependencyError
            If PortAudio is not installed.
        """
        sounddevice = portaudio()
        settings = self.settings
        connection = find_connection(list_sound_cards(), match=settings.match, host_api=settings.host_api)
        _check_channels(connection.output, settings.output_channels, "output", connection.output.output_channels)
        _check_channels(connection.input, settings.input_channels, "input", connection.input.input_channels)
        for check, card, channels in (
            (sounddevice.check_output_settings, connection.output, settings.output_channels),
            (sounddevice.check_input_settings, connection.input, settings.input_channels),
        ):
            try:
                check(device=card.index, channels=max(channels), dtype="float32", samplerate=settings.sample_rate)
            except sounddevice.PortAudioError as error:
                raise DeviceError(_refusal(card, settings.sample_rate, error)) from error
        return connection

    def played(self, stimulus: FloatArray, *, sample_rate: int) -> FloatArray:
        """The stimulus as it leaves the card: at the profile's level, rounded to float32.

        Parameters
        ----------
        stimulus : ndarray, shape (n_samples, n_channels)
            One channel for each of the settings' output channels.
        sample_rate : int
            Hz; must be that of the settings.

        Raises
        ------
        SignalError
            If it is empty, not finite, has another number of channels, or would clip at this level.
        MismatchError
            If its sample rate is not the device's.
        """
        self._check_rate(sample_rate)
        played = self.at_level(played_array(stimulus, sample_rate=sample_rate))
        return np.concatenate(list(played.blocks()))

    def _check_rate(self, sample_rate: int) -> None:
        if sample_rate != self.settings.sample_rate:
            raise MismatchError(
                f"the stimulus is {sample_rate} Hz, the device is set to {self.settings.sample_rate} Hz; make the "
                "stimulus at that rate (stimuli.sample_rate) or change the device's sample_rate"
            )

    def at_level(self, stimulus: Played) -> Played:
        """A stimulus of any length at the profile's level, rounded to float32; errors as in `played`."""
        settings = self.settings
        self._check_rate(stimulus.sample_rate)
        if stimulus.n_channels != len(settings.output_channels):
            raise SignalError(
                f"the stimulus has {stimulus.n_channels} channels, output_channels names "
                f"{len(settings.output_channels)}; name one output channel for each"
            )
        gain = amplitude_from_db(settings.level_db)
        peak = gain * max(stimulus.peak)
        if peak > 1.0 + 1e-6:
            # rounded down, so that the level that is named does fit
            limit_db = math.floor(10.0 * (settings.level_db - db_from_amplitude(peak))) / 10.0
            raise SignalError(
                f"at level_db {settings.level_db:g} the stimulus peaks at {db_from_amplitude(peak):+.2f} dBFS and "
                f"the card would clip; give at most {limit_db:.1f} dB"
            )
        # PortAudio's own clipping is off, so nothing may exceed full scale by a rounding error
        return stimulus.scaled(gain, limit=1.0)

    def record(
        self,
        played: FloatArray | Played,
        *,
        connection: Connection,
        path: Path | None,
        progress: Progress = no_progress,
        watch: Watch = no_watch,
        until: Until | None = None,
    ) -> Recording:
        """Play and record to a new file; both may last for hours.

        Parameters
        ----------
        played : ndarray, shape (n_samples, n_channels), or Played
            What `played` or `at_level` returned.
        connection : Connection
            What `connect` returned.
        path : path or None
            File to make; readable at any moment while it grows. None: only play.
        progress : callable
            Takes the completed fraction.
        watch : callable
            Takes a `Status` twenty times a second.
        until : callable, optional
            Asked once a second; what it answers ends the recording and is its `stopped_early`.

        Returns
        -------
        Recording
            Also when it ended early (Ctrl-C, device gone, disk full): then `stopped_early` tells why, and what was
            recorded until then is in the file.

        Raises
        ------
        DeviceError
            If the stream cannot be opened; then there is no file.
        OutputError
            If the file cannot be made.
        """
        settings = self.settings
        if not isinstance(played, Played):
            played = played_array(played, sample_rate=settings.sample_rate)
        total = played.n_samples + round(settings.tail_s * settings.sample_rate)
        n_channels = len(settings.input_channels)
        writer = meter = None
        reason: str | None = None
        stream_sample_rate, latency_s = float("nan"), None
        with undisturbed():
            if path is not None:
                writer = TakeWriter(
                    path, sample_rate=settings.sample_rate, n_channels=n_channels, expected_samples=total
                )
                meter = writer.meter
            source = ReadAhead(played)
            player = Player(source, settings, total=total, put=_drop if writer is None else writer.put)
            try:
                stream = _open(player, settings, connection)
                stream_sample_rate, latency_s = float(stream.samplerate), plausible_latency_s(stream.latency)
                reason = play(stream, player, writer, progress, watch=watch, until=until)
            finally:
                source.close()
                if writer is not None:
                    writer.close()
                if path is not None and meter is not None and meter.n_samples == 0:
                    path.unlink(missing_ok=True)
        if reason is None and writer is not None and writer.error is not None:
            reason = f"{writer.path.parent}: {writer.error.strerror or writer.error}; free some space"
        return Recording(
            path=path,
            connection=connection,
            sample_rate=settings.sample_rate,
            stream_sample_rate=stream_sample_rate,
            length_samples=player.position if meter is None else meter.n_samples,
            planned_samples=total,
            reported_latency_s=latency_s,
            peak_dbfs=() if meter is None else meter.peak_dbfs,
            rms_dbfs=() if meter is None else meter.rms_dbfs,
            xruns=tuple(player.xruns),
            clipped_runs=() if meter is None else tuple(meter.clipped_runs),
            clipped_runs_total=0 if meter is None else meter.clipped_runs_total,
            stopped_early=reason,
            block_samples=player.block_samples,
            callback_load_pct=100.0 * player.busy_s * settings.sample_rate / max(player.position, 1),
            longest_callback_ms=1e3 * player.longest_busy_s,
            real_time=player.real_time,
        )

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Play a stimulus and return what comes back; see `tapemeasure.devices.base.Device.run`."""
        played = self.played(stimulus, sample_rate=sample_rate)
        connection = self.connect()
        with tempfile.TemporaryDirectory() as folder:
            recording = self.record(played, connection=connection, path=Path(folder) / "take.wav", progress=progress)
            if recording.stopped_early is not None:
                raise DeviceError(f"the recording stopped early: {recording.stopped_early}")
            samples, _ = read_audio(Path(folder) / "take.wav")
        return Capture(
            samples=samples,
            sample_rate=sample_rate,
            device=self.name,
            settings=self.settings.model_dump(mode="json"),
            warnings=recording.warnings,
            details=recording_facts(recording),
        )


def _drop(block: Float32Array) -> None:
    """What comes back while a tape is only recorded."""


def _check_channels(card: SoundCard, channels: tuple[int, ...], direction: str, available: int) -> None:
    if max(channels) > available:
        raise DeviceError(
            f"{direction}_channels {list(channels)}: {card} has {available} {direction} channels; correct the device's "
            f"{direction}_channels"
        )
    if len(set(channels)) != len(channels):
        raise DeviceError(f"{direction}_channels {list(channels)}: a channel is named twice; name each once")


def _open(player: Player, settings: HardwareSettings, connection: Connection) -> Any:
    try:
        return open_stream(player, settings, connection)
    except portaudio().PortAudioError as error:
        raise DeviceError(_refusal(connection.input, settings.sample_rate, error)) from error


def _refusal(card: SoundCard, sample_rate: int, error: Exception) -> str:
    hint = "another program may hold the card: close it"
    if "sample rate" in str(error).lower():
        hint = f"its own rate is {card.default_sample_rate} Hz: set the card to {sample_rate} Hz, or change sample_rate"
    return f"{card} refuses {sample_rate} Hz float32 ({error}); {hint}"
