"""`tapemeasure live`: through a stand-in for PortAudio it plays what `emulate` writes, sample for sample."""

import itertools
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tapemeasure.cli.main import main
from tapemeasure.generators.base import measured_delay
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.sinusoids import fit_sinusoids
from tapemeasure.generators.store import save_delay_generator, save_hiss_generator
from tapemeasure.io import read_audio, write_audio
from tapemeasure.models.model_file import save_recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100
BLOCK = 256
WARM_UP_BLOCKS = -(-RATE // 2 // BLOCK)
HEAD_DELAY_S = 0.02
FASTER = 5.0
FLAGS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")


class PortAudioError(Exception):
    """As sounddevice raises it."""


class CallbackStop(Exception):  # noqa: N818
    """As sounddevice defines it."""


@dataclass
class Card:
    """What is used of the module sounddevice: one card, which hears a signal and remembers what it plays."""

    signal: np.ndarray
    channels: tuple[int, int] = (2, 2)
    rate: int = RATE
    ends_at_block: int | None = None
    xrun_at_block: int | None = None
    interrupts_at_block: int | None = None
    played: list[np.ndarray] = field(default_factory=list)
    PortAudioError: type[Exception] = PortAudioError
    CallbackStop: type[Exception] = CallbackStop
    default = SimpleNamespace(device=(0, 0))

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "index": 0,
                "name": "Card",
                "hostapi": 0,
                "max_input_channels": self.channels[0],
                "max_output_channels": self.channels[1],
                "default_samplerate": float(self.rate),
            }
        ]

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "JACK"}]

    def check_output_settings(self, *, samplerate: int, **_: Any) -> None:
        if samplerate != self.rate:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    check_input_settings = check_output_settings

    def Stream(self, **arguments: Any) -> "Stream":  # noqa: N802
        return Stream(self, arguments)

    @property
    def output(self) -> np.ndarray:
        return np.concatenate(self.played[WARM_UP_BLOCKS:])


class Stream:
    """Calls the callback from a thread, block by block, at five times real time: what is made ahead must follow."""

    latency = (0.01, 0.02)

    def __init__(self, card: Card, arguments: dict[str, Any]) -> None:
        self.active = False
        self._card, self._callback, self._channels = card, arguments["callback"], arguments["channels"]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.active = True
        self._thread.start()

    def _run(self) -> None:
        card = self._card
        silence = np.zeros((BLOCK, self._channels[0]), dtype=np.float32)
        sound = (card.signal[first : first + BLOCK] for first in itertools.count(0, BLOCK))
        begin_s = time.monotonic()
        for number in itertools.count():
            if self._ending.is_set() or number == card.ends_at_block:
                break
            if number == card.interrupts_at_block:
                os.kill(os.getpid(), signal.SIGINT)
            heard = silence.copy()
            if number >= WARM_UP_BLOCKS:
                fresh = next(sound)
                heard[: len(fresh)] = fresh[:, : heard.shape[1]]
            played = np.zeros((BLOCK, self._channels[1]), dtype=np.float32)
            clock_s = number * BLOCK / RATE
            time.sleep(max(0.0, begin_s + clock_s / FASTER - time.monotonic()))
            times = SimpleNamespace(inputBufferAdcTime=clock_s, outputBufferDacTime=clock_s)
            flags = {name: name == "output_underflow" and number == card.xrun_at_block for name in FLAGS}
            try:
                self._callback(heard, played, BLOCK, times, SimpleNamespace(**flags))
            except CallbackStop:
                card.played.append(played)
                break
            card.played.append(played)
        self.active = False

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    abort = stop

    def close(self) -> None:
        self._ending.set()


def run(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A replica with a linear filter, generators of delay and hiss, and 6 s of noise in stereo to play through it."""
    folder = tmp_path_factory.mktemp("machine") / "data/replicas/akai"
    torch.manual_seed(4)
    config = RecordingPathConfig(6, True, RATE, fir_taps=30, lead_samples=7)
    facts = {"validation_esr": 0.01, "fir_validation_esr": 0.02, "input_peak_dbfs": 0.0}
    save_recording_path(RecordingPath(config), folder / "model.safetensors", facts=facts)
    generator = np.random.default_rng(1)
    time_s = np.arange(3000) / 100.0
    delay_s = HEAD_DELAY_S + 5e-5 * np.sin(2.0 * np.pi * 3.0 * time_s) + 1e-6 * generator.standard_normal(3000)
    wobble = DelayTrajectory(0.0, 100.0, delay_s, np.zeros(3000), np.ones(3000, dtype=bool))
    wobble.save(folder.parent.parent / "delays/akai/take.npz")
    measured = measured_delay([wobble])
    save_delay_generator(fit_sinusoids(measured), folder / "delay.safetensors", facts={"generator": "lines"})
    save_delay_generator(fit_bootstrap(measured), folder / "delay_bootstrap.safetensors")
    hiss = 1e-3 * generator.standard_normal((2 * RATE, 1))
    save_hiss_generator(fit_hiss([hiss], sample_rate=RATE), folder / "hiss.safetensors")
    samples = (0.1 * generator.standard_normal((6 * RATE, 2))).astype(np.float32).astype(np.float64)
    write_audio(folder.parent.parent.parent / "in.wav", samples, sample_rate=RATE)
    return folder.parent.parent.parent


@pytest.fixture
def place(machine, monkeypatch):
    monkeypatch.chdir(machine)
    return machine


@pytest.fixture
def plugged(place, monkeypatch):
    """Plug a card in; it hears in.wav."""

    def plug(**facts: Any) -> Card:
        card = Card(read_audio("in.wav")[0], **facts)
        monkeypatch.setitem(sys.modules, "sounddevice", card)
        return card

    return plug


EVERYTHING = ("--delay", "generated", "--hiss", "generated", "--wow", "1.5", "--saturation-db", "3", "--seed", "5")


@pytest.mark.parametrize(
    "options",
    [(), EVERYTHING, ("--delay", "bootstrap"), ("--delay", "measured"), ("--hiss", "noise", "--hum-db", "-6")],
)
def test_it_plays_what_emulate_writes(plugged, tmp_path, capsys, options):
    """The same bytes: a file's look-ahead is taken out, and the head delay is not waited for in live sound."""
    card = plugged()
    assert run("emulate", "in.wav", tmp_path / "out.wav", "--model", "akai", *options, "--force") == 0
    written = read_audio(tmp_path / "out.wav")[0]
    capsys.readouterr()
    assert run("live", "--model", "akai", "--device", "Card", *options, "--seconds", "5", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    live = card.output[: 5 * RATE].astype(np.float64)
    latency = round(told["replica_latency_ms"] * RATE / 1e3)
    moved = told["delay"] != "none"
    # 34 samples of the sinc, 7 of the filter's lead, and less than 0.2 ms of wobble; or the lead alone
    assert 41 <= latency < 41 + 9 if moved else latency == 7
    early = round(HEAD_DELAY_S * RATE) - latency
    first, second = (written, live[7:]) if not moved else (_shifted(written, live, near=early), live)
    n = min(len(first), len(second))
    assert n > 4.5 * RATE
    np.testing.assert_array_equal(first[:n], second[:n])
    assert (told["n_tracks"], told["duration_s"]) == (2, 5.0)
    assert told["hiss_not_ready_samples"] == told["delay_not_ready_samples"] == 0


def _shifted(written, live, *, near):
    """What was written, from where the live output begins in it."""
    for early in range(near - 20, near + 20):
        if np.array_equal(written[early : early + 4096], live[:4096]):
            return written[early:]
    pytest.fail("the live output is nowhere in the file")


def test_with_the_head_delay_it_begins_as_the_file_does(plugged, tmp_path):
    card = plugged()
    options = ("--model", "akai", *EVERYTHING)
    assert run("emulate", "in.wav", tmp_path / "out.wav", *options) == 0
    assert run("live", "--device", "Card", *options, "--head-delay", "--seconds", "5") == 0
    np.testing.assert_array_equal(card.output[: 5 * RATE], read_audio(tmp_path / "out.wav")[0][: 5 * RATE])


@pytest.mark.parametrize("channels", [(1, 2), (2, 1), (1, 1)])
def test_a_card_with_another_number_of_inputs_is_served(plugged, tmp_path, channels):
    """One input goes into all tracks; of several the mean goes into one."""
    card = plugged(channels=channels)
    samples = read_audio("in.wav")[0][:RATE, : channels[0]]
    heard = np.repeat(samples, 2, axis=1) if channels == (1, 2) else samples.mean(axis=1, keepdims=True)
    write_audio(tmp_path / "heard.wav", heard, sample_rate=RATE)
    assert run("emulate", tmp_path / "heard.wav", tmp_path / "out.wav", "--model", "akai") == 0
    assert run("live", "--device", "Card", "--model", "akai", "--seconds", "1") == 0
    np.testing.assert_allclose(card.output[7:RATE], read_audio(tmp_path / "out.wav")[0][: RATE - 7], atol=2e-7)


def test_ctrl_c_ends_it_well(plugged, capsys):
    plugged(interrupts_at_block=WARM_UP_BLOCKS + 400)
    policy = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    assert run("live", "--device", "Card", "--model", "akai", *EVERYTHING, "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["interrupted"]
    assert told["stopped_early"] is None
    assert told["duration_s"] > 1.0
    assert "ended by Ctrl-C" in err
    assert not [thread for thread in threading.enumerate() if thread.name == "generate-ahead"]
    assert policy is None or os.sched_getscheduler(0) == policy


def test_a_card_that_is_pulled_is_told(plugged, capsys):
    plugged(ends_at_block=WARM_UP_BLOCKS + 200)
    assert run("live", "--device", "Card", "--model", "akai", "--json") == 1
    out, err = capsys.readouterr()
    assert "no more audio came from the sound card" in json.loads(out)["stopped_early"]
    assert "played for 1.16 s" in err
    assert "Traceback" not in err


def test_xruns_are_told_with_their_position(plugged, capsys):
    plugged(xrun_at_block=WARM_UP_BLOCKS + 172)
    assert run("live", "--device", "Card", "--model", "akai", "--seconds", "2", "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [xrun["position_samples"] for xrun in told["xruns"]] == [172 * BLOCK]
    assert "1 xruns at 1.00 s" in err


def test_what_is_no_sound_and_what_is_too_loud_is_told(plugged, capsys):
    card = plugged()
    card.signal = 20.0 * card.signal
    card.signal[1000, 0] = np.nan
    assert run("live", "--device", "Card", "--model", "akai", "--seconds", "3", "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["spoilt_samples"] == 1
    assert told["clipped_samples"] > 0
    assert np.abs(card.output).max() == 1.0
    assert np.isfinite(card.output).all()
    assert "above that of its training" in err


@pytest.mark.parametrize(
    ("facts", "arguments", "code", "words"),
    [
        ({}, ("--device", "Other"), 1, "no sound card matches 'Other'"),
        ({}, ("--device", "Other", "--delay", "bogus"), 2, "bogus: no such file"),
        ({"rate": 48000}, (), 1, "refuses 44100 Hz"),
        ({}, ("--device-set", "sample_rate=48000"), 1, "was trained at 44100 Hz, the device Card is set to 48000 Hz"),
        ({}, ("--device-set", "input_channels=[3]"), 1, "has 2 input channels"),
        ({"channels": (4, 4)}, ("--device-set", "input_channels=[1,2,3]"), 1, "give as many of both"),
        ({"channels": (2, 0)}, (), 1, "no sound card matching 'Card' that plays"),
        ({}, ("--delay", "random_phase"), 2, "there are delay.safetensors, delay_bootstrap.safetensors"),
        ({}, ("--hiss", "diffusion"), 2, "has no hiss generator of the kind diffusion"),
        ({}, ("--delay", "none", "--wow", "2"), 2, "add --delay generated"),
        ({}, ("--delay", "generated", "--wow", "1e6"), 1, "give less --wow"),
        ({}, ("--model", "nowhere"), 2, "nowhere: no such file"),
        ({}, ("--model", "damaged.safetensors"), 1, "not a model of this program"),
        ({}, ("--seconds", "0"), 2, "--seconds"),
    ],
)
def test_what_is_wrong_is_told_before_anything_plays(plugged, place, capsys, facts, arguments, code, words):
    card = plugged(**facts)
    (place / "damaged.safetensors").write_bytes(b"RIFF")
    assert run("live", "--device", "Card", "--model", "akai", *arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert card.played == []


def test_without_portaudio_it_is_told(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert run("live", "--model", "akai") == 1
    assert "sounddevice is not installed" in capsys.readouterr().err


def test_a_line_a_second_tells_levels_and_load():
    from tapemeasure.cli.live_view import status_line, status_rows
    from tapemeasure.devices.live_results import LiveStatus

    status = LiveStatus(3.0, (-12.0, -np.inf), (-6.0, 0.5), 2, 7.0, 21.0)
    line = status_line(status)
    assert "in -12.0 -inf  out -6.0 0.5 dBFS peak" in line
    assert "block 7 % (longest 21 %)  2 xruns" in line
    rows = status_rows(status)
    assert [row.count("█") for row in rows] == [32, 0, 36, 40, 0]
    assert rows[3].endswith("CLIPPED")


@pytest.mark.slow
def test_through_an_audio_server(machine, new_server):
    """A real stream of PortAudio's; its end in the middle is told."""
    server = new_server("Wire")
    options = ("live", "--model", "akai", "--device", "wire", "--delay", "generated", "--hiss", "generated")
    done = server.run(machine, *options, "--seconds", "3", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["duration_s"] == pytest.approx(3.0, abs=0.1)
    assert told["hiss_not_ready_samples"] == told["delay_not_ready_samples"] == 0
    # the wire brings back what went out: hiss of -60 dBFS and the path's own answer to it
    assert all(-60.0 < level_dbfs < 0.0 for level_dbfs in told["output_peak_dbfs"])
    assert told["input_peak_dbfs"] == pytest.approx(told["output_peak_dbfs"], abs=0.5)
    assert told["output_peak_dbfs"][0] != told["output_peak_dbfs"][1]
    playing = server.popen(machine, *options)
    assert "dBFS peak" in playing.stderr.readline()
    server.kill()
    _, rest = playing.communicate(timeout=60)
    assert playing.returncode == 1
    assert "no more audio came from the sound card" in rest
    assert "Traceback" not in rest
