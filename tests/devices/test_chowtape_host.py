"""Hosting the plug-in: against a stand-in with the host's interface, and without pedalboard or plug-in at all."""

import builtins
import os

import numpy as np
import pytest

from tapemeasure.devices.chowtape import PLUGIN_VARIABLE, ChowtapeDevice
from tapemeasure.devices.create import create_device
from tapemeasure.errors import DeviceError, MissingDependencyError, ParameterError, SignalError
from tapemeasure.params import ChowtapeProfile, ChowtapeSettings

SAMPLE_RATE = 44100


class StandIn:
    """A plug-in with pedalboard's interface: latency 68 samples, compensated by the host only right after a reset."""

    reported_latency_samples = 68

    def __init__(self):
        self.values = {"drive": 0.5, "tape_mode": "RK4", "loss_on": True}
        self.log = []
        self.fresh = False

    @property
    def parameters(self):
        return dict.fromkeys(self.__dict__["values"])

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        values = self.__dict__.get("values", {})
        if name not in values:
            object.__setattr__(self, name, value)
            return
        self.log.append(name)
        if name == "tape_mode" and value not in ("RK2", "RK4", "NR8"):
            raise ValueError(f"{value} is not one of RK2, RK4, NR8")
        # a range of 0..1 that clips, as a plug-in may do
        values[name] = min(value, 1.0) if name == "drive" else value

    def reset(self):
        self.log.append("reset")
        self.fresh = True

    def process(self, input_array, sample_rate):
        assert input_array.dtype == np.float32
        assert sample_rate == float(SAMPLE_RATE)
        self.log.append("process")
        late = 0 if self.fresh else 68
        self.fresh = False
        return 0.5 * np.pad(input_array, ((0, 0), (late, 0)))[:, : input_array.shape[1]]


@pytest.fixture
def plugin_file(tmp_path):
    path = tmp_path / "CHOWTapeModel.vst3"
    path.mkdir()
    return path


def device_of(stand_in, plugin_file, **parameters):
    settings = ChowtapeSettings(plugin=str(plugin_file), parameters=parameters)
    return ChowtapeDevice(settings, load=lambda path: stand_in)


def test_every_render_is_reset_and_of_the_same_length(plugin_file):
    """Parameters are set one at a time before the reset; a second render is not late."""
    stand_in = StandIn()
    device = device_of(stand_in, plugin_file, drive=0.75, tape_mode="NR8", loss_on=False)
    stimulus = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32).astype(np.float64)
    for _ in range(2):
        capture = device.run(stimulus, sample_rate=SAMPLE_RATE)
        assert np.array_equal(capture.samples, 0.5 * stimulus)
    assert stand_in.log == ["drive", "tape_mode", "loss_on", "reset", "process"] * 2
    assert capture.settings["parameters"] == {"drive": 0.75, "tape_mode": "NR8", "loss_on": False}
    assert capture.latency_samples == 68.0
    assert capture.seed is None
    assert capture.truth is None
    assert capture.warnings == ()


def test_parameters_as_loaded_are_told(plugin_file):
    """Nothing set: the sidecar has what is in force, and a warning."""
    capture = device_of(StandIn(), plugin_file).run(np.ones(10), sample_rate=SAMPLE_RATE)
    assert capture.settings["parameters"]["loss_on"] is True
    assert "as it loads" in capture.warnings[0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"drvie": 0.5}, "it has drive, tape_mode, loss_on"),
        ({"tape_mode": "NR9"}, "was refused"),
        ({"drive": 1.5}, "reads back as 1.0"),
    ],
)
def test_wrong_parameters(plugin_file, parameters, message):
    """An unknown name lists those there are; a refused or clipped value is told."""
    with pytest.raises(ParameterError, match=message):
        device_of(StandIn(), plugin_file, **parameters).run(np.ones(10), sample_rate=SAMPLE_RATE)


@pytest.mark.parametrize("output", [np.zeros((1, 5)), np.zeros(44200), np.full((1, 44200), np.nan)])
def test_output_that_is_no_capture(plugin_file, output):
    """Too short, wrong shape, not finite."""
    stand_in = StandIn()
    object.__setattr__(stand_in, "process", lambda input_array, sample_rate: output)
    with pytest.raises(DeviceError, match="returned"):
        device_of(stand_in, plugin_file).run(np.ones(100), sample_rate=SAMPLE_RATE)


def test_plugin_that_fails(plugin_file):
    """Its own words are passed on."""
    stand_in = StandIn()

    def process(input_array, sample_rate):
        raise RuntimeError("unsupported bus layout")

    object.__setattr__(stand_in, "process", process)
    with pytest.raises(DeviceError, match="unsupported bus layout"):
        device_of(stand_in, plugin_file).run(np.ones(100), sample_rate=SAMPLE_RATE)


def test_bad_stimulus(plugin_file):
    """NaN, and more channels than the plug-in has."""
    device = device_of(StandIn(), plugin_file)
    with pytest.raises(SignalError, match="NaN"):
        device.run(np.array([0.0, np.nan]), sample_rate=SAMPLE_RATE)
    with pytest.raises(DeviceError, match="3 channels"):
        device.run(np.zeros((10, 3)), sample_rate=SAMPLE_RATE)


def test_missing_plugin_says_what_to_do(monkeypatch, tmp_path):
    """No path, and a path without a file: where it comes from, how to name it, what the default is."""
    monkeypatch.delenv(PLUGIN_VARIABLE, raising=False)
    with pytest.raises(MissingDependencyError) as unnamed:
        create_device(ChowtapeProfile(kind="chowtape")).run(np.ones(10), sample_rate=SAMPLE_RATE)
    monkeypatch.setenv(PLUGIN_VARIABLE, str(tmp_path / "none.vst3"))
    with pytest.raises(MissingDependencyError, match=r"none\.vst3") as missing:
        create_device(ChowtapeProfile(kind="chowtape")).run(np.ones(10), sample_rate=SAMPLE_RATE)
    for caught in (unnamed, missing):
        for part in ("--plugin PATH", PLUGIN_VARIABLE, "settings.plugin", "author's site", "--device tape"):
            assert part in str(caught.value)


def test_missing_pedalboard_says_what_to_install(monkeypatch, plugin_file):
    """The extra's name and the default."""
    real_import = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "pedalboard":
            raise ImportError("No module named 'pedalboard'")
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match=r'pip install "tapemeasure\[vst\]".*--device tape'):
        ChowtapeDevice(ChowtapeSettings(plugin=str(plugin_file))).run(np.ones(10), sample_rate=SAMPLE_RATE)


def test_file_that_is_no_plugin(tmp_path):
    """An empty file named as a plug-in."""
    pytest.importorskip("pedalboard", reason="the extra vst is not installed")
    path = tmp_path / "empty.vst3"
    path.write_bytes(b"")
    with pytest.raises(DeviceError, match="cannot be loaded"):
        ChowtapeDevice(ChowtapeSettings(plugin=str(path))).run(np.ones(10), sample_rate=SAMPLE_RATE)


@pytest.mark.skipif(PLUGIN_VARIABLE not in os.environ, reason=f"no plug-in named in {PLUGIN_VARIABLE}")
def test_the_real_plugin_renders():
    """Same length, finite, not silent."""
    pytest.importorskip("pedalboard", reason="the extra vst is not installed")
    stimulus = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    capture = ChowtapeDevice(ChowtapeSettings()).run(stimulus, sample_rate=SAMPLE_RATE)
    assert capture.samples.shape == (SAMPLE_RATE, 1)
    assert abs(capture.samples).max() > 0.01
