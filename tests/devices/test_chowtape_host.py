"""Hosting the plug-in: against a stand-in with the host's interface, and without pedalboard or plug-in at all."""

import builtins
import os

import numpy as np
import pytest

from tapemeasure.devices.chowtape import PLUGIN_VARIABLE, ChowtapeDevice
from tapemeasure.devices.chowtape_parameters import NEUTRAL
from tapemeasure.devices.create import create_device
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import DeviceError, MissingDependencyError, ParameterError, SignalError
from tapemeasure.params import ChowtapeProfile, ChowtapeSettings, TapeSettings

SAMPLE_RATE = 44100
AS_LOADED = {
    "tape_on_off": True,
    "tape_mode": "RK4",
    "oversampling_factor": 2.0,
    "oversampling_mode": "Min. Phase",
    "tape_drive": 0.5,
    "tape_saturation": 0.5,
    "tape_bias": 0.5,
    "output_gain": 0.0,
    "input_filters_on_off": False,
    "tone_on_off": True,
    "loss_on_off": True,
    "wow_flutter_on_off": True,
    "wow_depth": 0.0,
    "wow_variance": 0.0,
    "degrade_on_off": False,
}
CHOICES = {"tape_mode": ("RK2", "RK4", "NR4", "NR8"), "oversampling_mode": ("Min. Phase", "Linear Phase")}
WOW_HZ = 1.3


class StandIn:
    """A plug-in with pedalboard's interface, made of the built-in hysteresis.

    It reports 68 samples and has 66.125; the host compensates the reported ones only right after a reset. Its wow goes
    on where it was unless it is reset.
    """

    reported_latency_samples = 68

    def __init__(self, **changes):
        self.values = AS_LOADED | changes
        self.log = []
        self.fresh = False
        self.clock = 0

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
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{value} is not one of {', '.join(CHOICES[name])}")
        if isinstance(values[name], float):
            value = float(value)
        # a range of 0..1 that clips, as a plug-in may do
        values[name] = min(value, 1.0) if name == "tape_drive" else value

    def reset(self):
        self.log.append("reset")
        self.fresh = True
        self.clock = 0

    def process(self, input_array, sample_rate):
        assert input_array.dtype == np.float32
        assert sample_rate == float(SAMPLE_RATE)
        self.log.append("process")
        settings = TapeSettings(drive=self.tape_drive, saturation=self.tape_saturation, bias=self.tape_bias)
        late = 0 if self.fresh else 68
        self.fresh = False
        output = np.empty_like(input_array)
        for channel, samples in enumerate(input_array):
            played = Hysteresis(settings, SAMPLE_RATE).process(np.pad(samples.astype(np.float64), (0, 68)))
            output[channel] = self._moved(np.pad(played, (late, 0))[68 : 68 + len(samples)])
        self.clock += input_array.shape[1]
        return output

    def delay_s(self, time_s):
        """Wow of the transport, on the processing clock."""
        return 1e-3 * self.wow_depth * (2.0 + np.cos(2.0 * np.pi * WOW_HZ * time_s))

    def _moved(self, samples):
        if not self.wow_flutter_on_off:
            return samples
        number = np.arange(len(samples), dtype=np.float64)
        return read_at(samples, number - SAMPLE_RATE * self.delay_s((self.clock + number) / SAMPLE_RATE))


class Wire(StandIn):
    """The same without a tape: half of what goes in comes out, exactly as late as reported."""

    def process(self, input_array, sample_rate):
        self.log.append("process")
        late = 0 if self.fresh else 68
        self.fresh = False
        return 0.5 * np.pad(input_array, ((0, 0), (late, 0)))[:, : input_array.shape[1]]


@pytest.fixture
def plugin_file(tmp_path):
    path = tmp_path / "CHOWTapeModel.vst3"
    path.mkdir()
    return path


def device_of(stand_in, plugin_file, *, parameters=None, **settings):
    settings = ChowtapeSettings(plugin=str(plugin_file), parameters=parameters or {}, **settings)
    return ChowtapeDevice(settings, load=lambda path: stand_in)


def noise(n_samples, n_channels=1, *, seed=0):
    samples = 0.05 * np.random.default_rng(seed).standard_normal((n_samples, n_channels))
    return samples.astype(np.float32).astype(np.float64)


def test_every_parameter_is_set_alone_and_every_render_is_reset(plugin_file):
    """The last values before the render are the neutral state with the user's over it; each process follows a reset."""
    stand_in = Wire()
    device = device_of(
        stand_in, plugin_file, parameters={"tape_drive": 0.75, "wow_depth": 0.3}, latency="whole_samples"
    )
    stimulus = noise(1000, 2)
    for _ in range(2):
        capture = device.run(stimulus, sample_rate=SAMPLE_RATE)
        assert np.array_equal(capture.samples, 0.5 * stimulus)
    assert capture.settings["parameters"] == AS_LOADED | NEUTRAL | {"tape_drive": 0.75, "wow_depth": 0.3}
    assert set(NEUTRAL) <= set(stand_in.log)
    ends = [index for index, entry in enumerate(stand_in.log) if entry == "process"]
    assert all(stand_in.log[index - 1] == "reset" for index in ends)
    assert capture.seed is None
    assert capture.latency_samples == 68.0
    assert any("wow_depth: without effect" in text for text in capture.warnings)


def test_a_stand_in_without_reset_would_be_late_and_in_another_state(plugin_file):
    """What the resets are good for: two renders are bit-identical only with them."""
    stimulus = noise(8000)
    parameters = {"wow_flutter_on_off": True, "wow_depth": 1.0}
    stand_in = StandIn()
    device = device_of(stand_in, plugin_file, parameters=parameters)
    first, second = (device.run(stimulus, sample_rate=SAMPLE_RATE).samples for _ in range(2))
    assert np.array_equal(first, second)
    object.__setattr__(stand_in, "reset", lambda: None)
    assert not np.array_equal(device.run(stimulus, sample_rate=SAMPLE_RATE).samples, first)


def test_latency_is_measured_to_a_fraction_and_removed(plugin_file):
    """The model has 66.125 samples and tells 68; its solver adds half a hundredth. The band edge is not read."""
    stimulus = noise(20000)
    spectrum = np.fft.rfft(stimulus[:, 0])
    spectrum[round(0.46 * len(stimulus)) :] = 0.0
    stimulus = np.fft.irfft(spectrum)[:, np.newaxis].astype(np.float32).astype(np.float64)
    capture = device_of(StandIn(), plugin_file).run(stimulus, sample_rate=SAMPLE_RATE)
    assert capture.details["reported_latency_samples"] == 68.0
    assert capture.details["measured_latency_samples"] == pytest.approx(66.125, abs=0.02)
    assert capture.latency_samples == capture.details["measured_latency_samples"]
    assert capture.truth is not None
    assert np.all(capture.truth.delay_s == 0.0)
    padded = np.pad(stimulus[:, 0], (22050, 22050))
    played = Hysteresis(TapeSettings(), SAMPLE_RATE).process(padded)
    expected = read_at(played, 22050.0 + np.arange(20000) + 66.125, half_taps=256)
    error = np.sum((capture.samples[:, 0] - expected) ** 2) / np.sum(expected**2)
    # 0.0055 samples at 20 kHz are 0.016 rad: -36 dB there, -44 dB over a white spectrum
    assert 10.0 * np.log10(error) < -40.0


@pytest.mark.parametrize(("latency", "removed"), [("whole_samples", 66.0), ("reported", 68.0)])
def test_latency_in_whole_samples_or_as_reported(plugin_file, latency, removed):
    """The samples stay as the plug-in made them; the truth tells what is left."""
    capture = device_of(StandIn(), plugin_file, latency=latency).run(noise(3000), sample_rate=SAMPLE_RATE)
    assert capture.latency_samples == removed
    assert capture.details["measured_latency_samples"] == pytest.approx(66.125, abs=0.02)
    assert capture.truth.delay_s[0] * SAMPLE_RATE == pytest.approx(66.125 - removed, abs=0.02)
    assert np.array_equal(capture.samples, capture.samples.astype(np.float32))


def test_latency_that_cannot_be_measured_is_told(plugin_file):
    """Silence for the probe: the reported latency counts, with a warning, and there is no truth."""
    stand_in = Wire()
    object.__setattr__(stand_in, "process", lambda input_array, sample_rate: 0.0 * input_array)
    capture = device_of(stand_in, plugin_file).run(np.zeros(100), sample_rate=SAMPLE_RATE)
    assert capture.latency_samples == 68.0
    assert capture.details["measured_latency_samples"] is None
    assert capture.truth is None
    assert "returns silence" in capture.warnings[0]


def test_a_pilot_tells_the_truth_about_the_wow(plugin_file):
    """A mono stimulus: the tone on the free channel reads the stand-in's own delay to 0.2 us, with its whole turns."""
    stand_in = StandIn()
    parameters = {"wow_flutter_on_off": True, "wow_depth": 1.0, "tape_bias": 0.0}
    capture = device_of(stand_in, plugin_file, parameters=parameters).run(noise(30000), sample_rate=SAMPLE_RATE)
    assert capture.samples.shape == (30000, 1)
    truth = capture.truth
    assert truth.start_s <= truth.rate_hz**-1
    assert truth.end_s >= 30000 / SAMPLE_RATE
    expected = stand_in.delay_s(0.5 + truth.time_s + (capture.latency_samples - 68.0) / SAMPLE_RATE)
    difference = truth.delay_s - expected
    # the stand-in has no 15 Hz high-pass, whose lead at 1 kHz the host adds: 2.613 * 15 / (2 pi 1000^2) s
    assert np.mean(difference) == pytest.approx(6.24e-6, abs=0.3e-6)
    assert np.std(difference) < 0.2e-6


@pytest.mark.parametrize("case", ["stereo", "no pilot"])
def test_without_a_pilot_there_is_no_truth_about_the_wow(plugin_file, case):
    """A stereo stimulus leaves no channel for it; or it is switched off."""
    settings = {"pilot_hz": None} if case == "no pilot" else {}
    device = device_of(StandIn(), plugin_file, parameters={"wow_flutter_on_off": True, "wow_depth": 1.0}, **settings)
    capture = device.run(noise(3000, 2 if case == "stereo" else 1), sample_rate=SAMPLE_RATE)
    assert capture.truth is None


def test_a_random_plugin_is_told(plugin_file):
    """Variance above 0 has no seed."""
    parameters = {"wow_flutter_on_off": True, "wow_variance": 0.5}
    capture = device_of(StandIn(), plugin_file, parameters=parameters).run(noise(2000), sample_rate=SAMPLE_RATE)
    assert any("wow_variance is above 0" in text and "no seed" in text for text in capture.warnings)


def test_as_loaded_sets_only_what_is_named(plugin_file):
    """Also the latency's measurement leaves the rest as it was; nothing named at all is warned of."""
    capture = device_of(StandIn(), plugin_file, start="as_loaded").run(noise(2000), sample_rate=SAMPLE_RATE)
    assert capture.settings["parameters"] == AS_LOADED
    assert any("as it loads" in text for text in capture.warnings)
    device = device_of(StandIn(), plugin_file, start="as_loaded", parameters={"tape_mode": "NR8"})
    parameters = device.run(noise(2000), sample_rate=SAMPLE_RATE).settings["parameters"]
    assert parameters == AS_LOADED | {"tape_mode": "NR8"}


def test_a_plugin_without_the_parameters_is_refused_with_both_lists(plugin_file):
    """All that are missing, the user's too, and all that there are."""
    stand_in = StandIn()
    del stand_in.values["tape_bias"], stand_in.values["tone_on_off"]
    with pytest.raises(ParameterError) as caught:
        device_of(stand_in, plugin_file, parameters={"drvie": 0.5}).run(np.ones(10), sample_rate=SAMPLE_RATE)
    missing, there = str(caught.value).split("it has:")
    assert all(name in missing for name in ("tape_bias", "tone_on_off", "drvie"))
    assert "tape_drive" not in missing
    assert all(name in there for name in stand_in.values)
    assert "process" not in stand_in.log


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tape_mode": "NR9"}, "was refused.*RK2, RK4, NR4, NR8"),
        ({"tape_drive": 1.5}, r"reads back as 1\.0"),
        ({"oversampling_factor": "manyx"}, "was refused"),
    ],
)
def test_wrong_values(plugin_file, parameters, message):
    """A refused or clipped value is told."""
    with pytest.raises(ParameterError, match=message):
        device_of(StandIn(), plugin_file, parameters=parameters).run(np.ones(10), sample_rate=SAMPLE_RATE)


def test_a_factor_may_be_written_as_the_plugin_shows_it(plugin_file):
    """The host takes 8, the plug-in shows 8x."""
    device = device_of(Wire(), plugin_file, parameters={"oversampling_factor": "8x"})
    capture = device.run(noise(2000), sample_rate=SAMPLE_RATE)
    assert capture.settings["parameters"]["oversampling_factor"] == 8.0


def test_a_parameter_that_a_later_one_changes_is_told(plugin_file):
    """Reading back at once would not see it."""

    class Coupled(StandIn):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "tape_bias":
                super().__setattr__("tape_saturation", 0.1)

    with pytest.raises(
        ParameterError, match=r"tape_saturation was set to 0\.5 and reads back as 0\.1 after the others"
    ):
        device_of(Coupled(), plugin_file).run(np.ones(10), sample_rate=SAMPLE_RATE)


@pytest.mark.parametrize("output", [np.zeros((1, 5)), np.zeros(44200), "nan"])
def test_output_that_is_no_capture(plugin_file, output):
    """Too short, wrong shape, not finite."""
    stand_in = StandIn()

    def process(input_array, sample_rate):
        return np.full_like(input_array, np.nan) if isinstance(output, str) else output

    object.__setattr__(stand_in, "process", process)
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
def test_the_real_plugin_renders_twice_the_same():
    """Same length, finite, not silent, bit-identical; the latency of 16x linear phase is 66.125 samples."""
    pytest.importorskip("pedalboard", reason="the extra vst is not installed")
    stimulus = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    first, second = (ChowtapeDevice(ChowtapeSettings()).run(stimulus, sample_rate=SAMPLE_RATE) for _ in range(2))
    assert first.samples.shape == (SAMPLE_RATE, 1)
    assert abs(first.samples).max() > 0.01
    assert np.array_equal(first.samples, second.samples)
    assert first.details["measured_latency_samples"] == pytest.approx(66.125, abs=0.05)
