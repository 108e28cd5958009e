"""The hardware device without hardware: a stand-in for PortAudio that plays, loses, clips and dies on command."""

import errno
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tapemeasure.devices.base import Device
from tapemeasure.devices.hardware import HardwareDevice
from tapemeasure.devices.recording import Recording
from tapemeasure.devices.sound_cards import list_sound_cards
from tapemeasure.devices.takes import TakePaths, check_room, next_take, record_take
from tapemeasure.errors import (
    DeviceError,
    MismatchError,
    OutputError,
    SignalError,
    UsageError,
)
from tapemeasure.io import read_audio, read_json
from tapemeasure.params import HardwareSettings

SAMPLE_RATE = 8000
BLOCK = 200
LATENCY = 300
SETTINGS = HardwareSettings(match="deck", sample_rate=SAMPLE_RATE, level_db=0.0, tail_s=0.25)


class PortAudioError(Exception):
    """As sounddevice raises it."""


class CallbackStop(Exception):  # noqa: N818
    """As sounddevice defines it."""


@dataclass
class FakePortAudio:
    """What the code uses of the module sounddevice; the machine is a wire that is LATENCY samples long."""

    cards: list[dict[str, Any]]
    host_apis: tuple[str, ...] = ("ALSA", "JACK")
    gain: float = 1.0
    xruns: dict[int, str] = field(default_factory=dict)
    dies_at_block: int | None = None
    start_error: str | None = None
    open_error: str | None = None
    closed: int = 0
    PortAudioError: type[Exception] = PortAudioError
    CallbackStop: type[Exception] = CallbackStop

    @property
    def default(self) -> SimpleNamespace:
        return SimpleNamespace(device=(0, 0) if self.cards else (-1, -1))

    def query_devices(self) -> list[dict[str, Any]]:
        return self.cards

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": name} for name in self.host_apis]

    def check_output_settings(self, *, device: int, channels: int, dtype: str, samplerate: int) -> None:
        if samplerate != self.cards[device]["default_samplerate"]:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    check_input_settings = check_output_settings

    def Stream(self, **arguments: Any) -> "FakeStream":  # noqa: N802
        if self.open_error is not None:
            raise PortAudioError(self.open_error)
        assert arguments["clip_off"]
        assert arguments["dither_off"]
        return FakeStream(self, arguments)


class FakeStream:
    """Calls the callback from a thread, block by block, as fast as it can."""

    latency = (0.01, 0.02)

    def __init__(self, library: FakePortAudio, arguments: dict[str, Any]) -> None:
        self.samplerate = arguments["samplerate"]
        self.active = False
        self._library = library
        self._callback: Callable[..., None] = arguments["callback"]
        self._channels: tuple[int, int] = arguments["channels"]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        if self._library.start_error is not None:
            raise PortAudioError(self._library.start_error)
        self.active = True
        self._thread.start()

    def _run(self) -> None:
        n_inputs, n_outputs = self._channels
        line = np.zeros((LATENCY, max(self._channels)), dtype=np.float32)
        played = np.zeros((BLOCK, n_outputs), dtype=np.float32)
        for number in range(10**9):
            if self._stopping.is_set() or number == self._library.dies_at_block:
                break
            name = self._library.xruns.get(number)
            flags = SimpleNamespace(input_underflow=0, input_overflow=0, output_underflow=0, output_overflow=0)
            status = SimpleNamespace(**{**vars(flags), **({name: 1} if name else {})}) if name else None
            times = SimpleNamespace(inputBufferAdcTime=number * 0.025, outputBufferDacTime=number * 0.025 + 0.03)
            recorded = np.clip(line[:BLOCK, :n_inputs] * self._library.gain, -1.0, 1.0)
            try:
                self._callback(recorded, played, BLOCK, times, status)
            except CallbackStop:
                break
            finally:
                fresh = np.zeros((BLOCK, line.shape[1]), dtype=np.float32)
                fresh[:, :n_outputs] = played
                line = np.concatenate([line[BLOCK:], fresh])
        self.active = False

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is None:
            raise PortAudioError("Stream is stopped [PaErrorCode -9983]")
        self._thread.join()

    abort = stop

    def close(self) -> None:
        self._stopping.set()
        self._library.closed += 1


def _entry(index: int, name: str, *, hostapi: int = 1, channels: tuple[int, int] = (2, 2)) -> dict[str, Any]:
    return {
        "index": index,
        "name": name,
        "hostapi": hostapi,
        "max_input_channels": channels[0],
        "max_output_channels": channels[1],
        "default_samplerate": float(SAMPLE_RATE),
    }


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio([_entry(0, "system"), _entry(1, "Akai deck 4000D", channels=(3, 4))])
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
def stimulus() -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.9, 0.9, (4100, 2)).astype(np.float32).astype(np.float64)


def _record(device: HardwareDevice, stimulus: np.ndarray, path: Path, **arguments: Any) -> Recording:
    played = device.played(stimulus, sample_rate=SAMPLE_RATE)
    return device.record(played, connection=device.connect(), path=path, **arguments)


def test_the_capture_is_the_stimulus_after_the_latency(library: FakePortAudio, stimulus: np.ndarray) -> None:
    device: Device = HardwareDevice(SETTINGS)
    fractions: list[float] = []
    capture = device.run(stimulus, sample_rate=SAMPLE_RATE, progress=fractions.append)
    assert capture.samples.shape == (4100 + 2000, 2)
    np.testing.assert_array_equal(capture.samples[LATENCY : LATENCY + 4100], stimulus)
    np.testing.assert_array_equal(capture.samples[:LATENCY], 0.0)
    assert capture.details["sound_card"]["input"] == {"name": "Akai deck 4000D", "host_api": "JACK"}
    assert capture.details["reported_latency_s"] == pytest.approx(0.03)
    assert capture.warnings == ()
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
    assert library.closed == 1


def test_the_level_is_applied_in_decibels(library: FakePortAudio, stimulus: np.ndarray) -> None:
    settings = SETTINGS.model_copy(update={"level_db": -20.0})
    played = HardwareDevice(settings).played(stimulus, sample_rate=SAMPLE_RATE)
    np.testing.assert_allclose(played, 0.1 * stimulus, rtol=1e-6)


def test_the_channel_map_is_followed(library: FakePortAudio, stimulus: np.ndarray) -> None:
    settings = SETTINGS.model_copy(update={"output_channels": (3, 1), "input_channels": (1, 2, 3)})
    samples = HardwareDevice(settings).run(stimulus, sample_rate=SAMPLE_RATE).samples[LATENCY : LATENCY + 4100]
    np.testing.assert_array_equal(samples[:, 0], stimulus[:, 1])
    np.testing.assert_array_equal(samples[:, 1], 0.0)
    np.testing.assert_array_equal(samples[:, 2], stimulus[:, 0])


def test_xruns_are_noted_with_their_position(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    warm_up_blocks = 20
    library.xruns = {3: "input_overflow", warm_up_blocks + 5: "input_overflow", warm_up_blocks + 9: "output_underflow"}
    recording = _record(HardwareDevice(SETTINGS), stimulus, tmp_path / "x.wav")
    assert [(xrun.position_samples, xrun.flags) for xrun in recording.xruns] == [
        (5 * BLOCK, ("input_overflow",)),
        (9 * BLOCK, ("output_underflow",)),
    ]
    assert recording.xruns[0].position_s == pytest.approx(0.125)
    assert recording.xruns[0].adc_time_s == pytest.approx((warm_up_blocks + 5) * 0.025)
    assert "2 xruns, the first at 0.125 s (input_overflow)" in recording.warnings[0]


def test_clipping_and_silence_are_told(library: FakePortAudio, tmp_path: Path) -> None:
    library.gain = 4.0
    time_s = np.arange(4000) / SAMPLE_RATE
    tone = np.column_stack([0.5 * np.sin(2 * np.pi * 100 * time_s), np.zeros(4000)])
    recording = _record(HardwareDevice(SETTINGS), tone, tmp_path / "x.wav")
    # two flat tops in each of the 50 periods
    assert recording.clipped_runs_total == 100
    assert recording.peak_dbfs[0] == pytest.approx(0.0, abs=1e-6)
    assert "100 clipped runs, the first in channel 1" in recording.warnings[0]
    assert "channel 2 is silent" in recording.warnings[1]


def test_a_device_that_goes_away_leaves_what_was_recorded(
    library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path
) -> None:
    library.dies_at_block = 30
    recording = _record(HardwareDevice(SETTINGS), stimulus, tmp_path / "x.wav")
    assert recording.stopped_early is not None
    assert "disconnected" in recording.stopped_early
    samples, _ = read_audio(tmp_path / "x.wav")
    assert len(samples) == recording.length_samples == 10 * BLOCK
    np.testing.assert_array_equal(samples[LATENCY:], stimulus[: 10 * BLOCK - LATENCY])
    with pytest.raises(DeviceError, match="stopped early"):
        HardwareDevice(SETTINGS).run(stimulus, sample_rate=SAMPLE_RATE)


def test_ctrl_c_leaves_what_was_recorded(library: FakePortAudio, tmp_path: Path) -> None:
    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    hour = np.zeros((3600 * SAMPLE_RATE, 2), dtype=np.float64)
    recording = _record(HardwareDevice(SETTINGS), hour, tmp_path / "x.wav", progress=interrupt)
    assert recording.stopped_early == "interrupted"
    assert 0 <= recording.length_samples < recording.planned_samples
    assert library.closed == 1


def test_a_card_that_does_not_start_is_told(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    library.start_error = "Unanticipated host error"
    recording = _record(HardwareDevice(SETTINGS), stimulus, tmp_path / "x.wav")
    assert recording.stopped_early == "the sound card failed (Unanticipated host error)"
    assert not (tmp_path / "x.wav").exists()


def test_a_card_that_is_taken_is_told_and_leaves_no_file(
    library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path
) -> None:
    library.open_error = "Device unavailable [PaErrorCode -9985]"
    with pytest.raises(DeviceError, match=r"Device unavailable.*another program may hold the card"):
        _record(HardwareDevice(SETTINGS), stimulus, tmp_path / "x.wav")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 30 kB; the kernel refuses the write as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_what_was_recorded(library: FakePortAudio, tmp_path: Path) -> None:
    recording = _record(HardwareDevice(SETTINGS), np.zeros((10 * SAMPLE_RATE, 2)), tmp_path / "x.wav")
    assert recording.stopped_early is not None
    assert os.strerror(errno.EFBIG) in recording.stopped_early
    samples, _ = read_audio(tmp_path / "x.wav")
    assert 0 < len(samples) == recording.length_samples < 30_000 / 8


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"match": "revox"}, DeviceError, "no sound card matches 'revox'.*Akai deck 4000D"),
        ({"sample_rate": 9000}, DeviceError, "refuses 9000 Hz.*its own rate is 8000 Hz"),
        ({"input_channels": (4,)}, DeviceError, "Akai deck 4000D .JACK. has 3 input channels"),
        ({"output_channels": (5, 1)}, DeviceError, "has 4 output channels"),
        ({"output_channels": (1, 1)}, DeviceError, "named twice"),
        ({"host_api": "CoreAudio"}, DeviceError, "host_api 'CoreAudio'.*there are JACK"),
    ],
)
def test_settings_that_the_card_cannot_take(
    library: FakePortAudio, change: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=f"(?s){text}"):
        HardwareDevice(SETTINGS.model_copy(update=change)).connect()


def test_a_stimulus_that_cannot_be_played() -> None:
    device = HardwareDevice(SETTINGS)
    good = np.full((10, 2), 0.5)
    with pytest.raises(MismatchError, match="the stimulus is 48000 Hz, the device is set to 8000 Hz"):
        device.played(good, sample_rate=48000)
    with pytest.raises(SignalError, match="has 1 channels, output_channels names 2"):
        device.played(good[:, 0], sample_rate=SAMPLE_RATE)
    with pytest.raises(SignalError, match="NaN"):
        device.played(good * np.nan, sample_rate=SAMPLE_RATE)
    with pytest.raises(SignalError, match="empty"):
        device.played(good[:0], sample_rate=SAMPLE_RATE)
    with pytest.raises(SignalError, match=r"peaks at \+6\.02 dBFS.*give at most -6\.1 dB"):
        device.played(4.0 * good, sample_rate=SAMPLE_RATE)
    lower = HardwareDevice(SETTINGS.model_copy(update={"level_db": -6.1}))
    assert np.abs(lower.played(4.0 * good, sample_rate=SAMPLE_RATE)).max() <= 1.0


def test_cards_are_listed_with_their_defaults(library: FakePortAudio) -> None:
    system, deck = list_sound_cards()
    assert (system.name, system.host_api, system.is_default_input) == ("system", "JACK", True)
    assert (deck.input_channels, deck.output_channels, deck.is_default_output) == (3, 4, False)


def _take(library: FakePortAudio, stimulus: np.ndarray, folder: Path, **arguments: Any) -> Any:
    device = HardwareDevice(SETTINGS)
    return record_take(
        device,
        device.played(stimulus, sample_rate=SAMPLE_RATE),
        connection=device.connect(),
        paths=TakePaths(folder, "one"),
        timeline=None,
        facts={"notes": {"tape": "Maxell"}},
        **arguments,
    )


def test_a_good_take_has_its_names(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    take = _take(library, stimulus, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "one_input.wav", "one_output.wav"]
    np.testing.assert_array_equal(read_audio(take.paths.input)[0], stimulus)
    assert read_json(take.paths.sidecar)["notes"] == {"tape": "Maxell"}


def test_a_take_with_lost_samples_is_marked(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    library.xruns = {25: "input_overflow"}
    _take(library, stimulus, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.xruns.json",
        "one_input.xruns.wav",
        "one_output.xruns.wav",
    ]
    assert read_json(tmp_path / "one.xruns.json")["xruns"][0]["position_samples"] == 5 * BLOCK


def test_a_take_that_ended_early_is_partial(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    library.dies_at_block = 30
    take = _take(library, stimulus, tmp_path)
    assert take.paths.mark == ".partial"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in take.paths.all} - {
        "one_input.partial.json",
        "one_raw.partial.wav",
    }


def test_an_older_take_stays_until_the_new_one_is_whole(
    library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path
) -> None:
    _take(library, stimulus, tmp_path)
    with pytest.raises(UsageError, match=r"one_input\.wav: exists already"):
        _take(library, stimulus, tmp_path)
    library.dies_at_block = 30
    _take(library, 0.5 * stimulus, tmp_path, force=True)
    np.testing.assert_array_equal(read_audio(tmp_path / "one_input.wav")[0], stimulus)
    library.dies_at_block = None
    _take(library, 0.5 * stimulus, tmp_path, force=True)
    np.testing.assert_array_equal(read_audio(tmp_path / "one_input.wav")[0], 0.5 * stimulus)


def test_a_card_that_is_taken_leaves_an_empty_folder(
    library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path
) -> None:
    library.open_error = "Device unavailable"
    with pytest.raises(DeviceError):
        _take(library, stimulus, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the take needs 953674316 MiB, the disk has \d+ MiB free"):
        check_room(TakePaths(tmp_path / "new", "one"), needed_bytes=10**15, force=False)


def test_the_next_take_is_the_first_free_number(tmp_path: Path) -> None:
    for name in ("take01_output.wav", "take02_input.partial.wav", "take03.xruns.json", "take05.json"):
        (tmp_path / name).touch()
    assert next_take(lambda name: TakePaths(tmp_path, name)).name == "take04"


def test_a_card_at_another_rate_is_told(library: FakePortAudio, stimulus: np.ndarray, tmp_path: Path) -> None:
    recording = _record(HardwareDevice(SETTINGS), stimulus, tmp_path / "x.wav")
    card = replace(recording.connection.input, default_sample_rate=48000)
    told = replace(recording, connection=replace(recording.connection, input=card)).warnings
    assert told == (
        "Akai deck 4000D (JACK) runs at 48000 Hz by default, 8000 Hz was asked for: the system may resample; set the "
        "card to the stimulus' rate",
    )
