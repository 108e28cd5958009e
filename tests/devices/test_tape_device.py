"""The tape machine as a device: shapes, seeds, blocks, rates, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tapemeasure.devices.create import create_device
from tapemeasure.devices.identity import IdentityDevice
from tapemeasure.devices.tape import TapeDevice, model
from tapemeasure.errors import DeviceError, SignalError
from tapemeasure.io import read_audio
from tapemeasure.params import IdentityProfile, TapeProfile, TapeSettings

EVERYTHING = TapeSettings(
    wow_depth=0.5,
    wow_variance=1.0,
    flutter_depth=0.5,
    head_delay_ms=20.0,
    loss=True,
    hiss_dbfs=-66.0,
    hum_dbfs=-75.0,
    output_gain_db=-6.0,
)


def noise(n_samples, n_channels=1, *, level=0.1, seed=0):
    return level * np.random.default_rng(seed).standard_normal((n_samples, n_channels))


def shifted(samples, delay_samples):
    """Samples delayed by any fraction, through the spectrum."""
    size = len(samples) + 8192
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * delay_samples)
    return np.fft.irfft(np.fft.rfft(samples, size) * phase, size)[: len(samples)]


@pytest.mark.parametrize(
    ("dry", "wet", "whole_samples", "changes"),
    [
        ("speech", "wet_speech", 68, {}),
        ("steps", "wet_steps", 68, {}),
        ("sweep_00", "wet_sweep_00", 68, {}),
        ("sweep_18", "wet_sweep_18", 68, {}),
        ("multitone", "wet_multitone", 68, {}),
        ("steps", "var_RK2_steps", 68, {"solver": "RK2"}),
        ("steps", "var_minphase16_steps", 7, {"oversampling_mode": "minimum_phase"}),
    ],
)
def test_capture_is_the_plug_in_with_its_latency_removed(chowtape_renders, dry, wet, whole_samples, changes):
    """The latency is removed with its fraction: ESR below -72 dB against the render, whose host removes whole samples.

    The lag that is left, 68 - 66.125 = 1.875 samples at 16 x linear phase, is undone through the spectrum.
    """
    stimulus, sample_rate = read_audio(chowtape_renders / f"dry_{dry}.wav")
    expected = read_audio(chowtape_renders / f"{wet}.wav")[0][:, 0]
    capture = TapeDevice(TapeSettings(output_gain_db=-6.0, **changes), seed=1).run(stimulus, sample_rate=sample_rate)
    early = shifted(capture.samples[:, 0], capture.latency_samples - whole_samples)
    assert esr_db(early, expected, edge=300) < -72.0


@pytest.mark.parametrize(
    ("wet", "gain", "changes"),
    [
        ("wet_noise", 1.0, {}),
        ("var_toy_noise", 1.0, {"drive": 0.75, "saturation": 0.75, "bias": 0.0}),
        ("var_loud26dB_noise", 20.0, {}),
    ],
)
def test_capture_is_the_plug_in_up_to_half_the_sample_rate(chowtape_renders, wet, gain, changes):
    """White noise: no filter shifts half the rate by a fraction, so a head delay makes the latency whole; -72 dB."""
    stimulus, sample_rate = read_audio(chowtape_renders / "dry_noise.wav")
    expected = read_audio(chowtape_renders / f"{wet}.wav")[0][:, 0]
    tape = TapeSettings(output_gain_db=-6.0, head_delay_ms=125.0 / sample_rate, **changes)
    capture = TapeDevice(tape, seed=1).run(gain * stimulus, sample_rate=sample_rate)
    assert capture.latency_samples == 66.125
    assert esr_db(capture.samples[2:, 0], expected[:-2], edge=64) < -72.0


def esr_db(found, expected, *, edge):
    """Error-to-signal ratio without both ends."""
    error = (found - expected)[edge:-edge]
    return 10 * np.log10(np.sum(error**2) / np.sum(expected[edge:-edge] ** 2))


def test_capture_tells_what_was_done():
    """Same length, device, settings, seed, latency and truth; equal seeds give equal captures."""
    stimulus = noise(3000, 2)
    capture = TapeDevice(EVERYTHING, seed=4).run(stimulus, sample_rate=44100)
    assert capture.samples.shape == stimulus.shape
    assert capture.device == "tape"
    assert capture.settings == EVERYTHING.model_dump()
    assert capture.seed == 4
    assert capture.latency_samples == 66.125 + 32
    assert capture.truth is not None
    again = TapeDevice(EVERYTHING, seed=4).run(stimulus, sample_rate=44100)
    other = TapeDevice(EVERYTHING, seed=5).run(stimulus, sample_rate=44100)
    assert np.array_equal(capture.samples, again.samples)
    assert not np.array_equal(capture.samples, other.samples)


@pytest.mark.parametrize("block_samples", [37, 500, 4096])
@pytest.mark.parametrize("mode", ["linear_phase", "minimum_phase"])
def test_result_does_not_depend_on_the_blocks(monkeypatch, block_samples, mode):
    """Bit-identical for every block size, with everything switched on, into silence."""
    tape = EVERYTHING.model_copy(update={"oversampling_mode": mode})
    stimulus = noise(6000, 2)
    stimulus[3000:] = 0.0
    expected = TapeDevice(tape, seed=1).run(stimulus, sample_rate=44100).samples
    monkeypatch.setattr(model, "BLOCK_SAMPLES", block_samples)
    assert np.array_equal(TapeDevice(tape, seed=1).run(stimulus, sample_rate=44100).samples, expected)


def test_stereo_is_two_monos_on_one_transport():
    """Each channel is what it would be alone."""
    tape = EVERYTHING.model_copy(update={"hiss_dbfs": None, "hum_dbfs": None})
    stimulus = noise(4000, 2)
    both = TapeDevice(tape, seed=1).run(stimulus, sample_rate=44100).samples
    for channel in (0, 1):
        alone = TapeDevice(tape, seed=1).run(stimulus[:, channel], sample_rate=44100).samples
        assert np.array_equal(both[:, channel], alone[:, 0])


def test_head_delay_moves_an_impulse():
    """A click arrives at the head-to-head delay, within half a sample."""
    stimulus = np.zeros(4000)
    stimulus[500] = 0.5
    capture = TapeDevice(TapeSettings(head_delay_ms=20.0), seed=1).run(stimulus, sample_rate=44100)
    assert abs(int(np.argmax(np.abs(capture.samples[:, 0]))) - (500 + 882)) <= 1


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 48000, 88200, 96000, 176400, 192000])
def test_every_sample_rate_runs(sample_rate):
    """Finite, of the same length, neither silent nor above the saturation."""
    capture = TapeDevice(EVERYTHING, seed=1).run(noise(2000), sample_rate=sample_rate)
    assert capture.samples.shape == (2000, 1)
    assert np.isfinite(capture.samples).all()
    assert 1e-4 < abs(capture.samples).max() < 2.0


@pytest.mark.parametrize("oversampling", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("solver", ["RK2", "RK4", "NR4", "NR8"])
def test_every_solver_and_factor_runs(solver, oversampling):
    """Finite and neither silent nor above the saturation."""
    tape = TapeSettings(solver=solver, oversampling=oversampling)
    samples = TapeDevice(tape, seed=1).run(noise(1500), sample_rate=44100).samples
    assert np.isfinite(samples).all()
    assert 1e-2 < abs(samples).max() < 2.0


def test_silence_stays_silence():
    """Exact zeros without noise, and what follows a click decays to nothing."""
    assert not TapeDevice(TapeSettings(), seed=1).run(np.zeros(5000), sample_rate=44100).samples.any()
    click = np.zeros(60000)
    click[0] = 1.0
    for mode in ("linear_phase", "minimum_phase"):
        tape = TapeSettings(oversampling_mode=mode, wow_depth=0.2)
        tail = TapeDevice(tape, seed=1).run(click, sample_rate=44100).samples[-1000:]
        assert abs(tail).max() < 1e-12


def test_far_too_loud_is_clipped_and_told():
    """+40 dBFS gives finite samples and a warning that names the limit."""
    capture = TapeDevice(TapeSettings(), seed=1).run(noise(3000, level=100.0), sample_rate=44100)
    assert np.isfinite(capture.samples).all()
    assert abs(capture.samples).max() < 3.0
    assert "12.5" in capture.warnings[0]
    assert TapeDevice(TapeSettings(), seed=1).run(noise(3000), sample_rate=44100).warnings == ()


def test_one_sample():
    """A single sample gives a single sample and a truth."""
    capture = TapeDevice(EVERYTHING, seed=1).run(np.array([0.5]), sample_rate=44100)
    assert capture.samples.shape == (1, 1)
    assert capture.truth.valid.all()


@pytest.mark.parametrize("device", [TapeDevice(TapeSettings(), seed=1), IdentityDevice()])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(device, value):
    """The first of them is named."""
    stimulus = noise(100, 2)
    stimulus[7, 1] = value
    with pytest.raises(SignalError, match="sample 7 of channel 2"):
        device.run(stimulus, sample_rate=44100)


def test_empty_and_misshapen_stimulus():
    """No samples, or three dimensions."""
    device = TapeDevice(TapeSettings(), seed=1)
    with pytest.raises(SignalError, match="0 samples"):
        device.run(np.zeros((0, 1)), sample_rate=44100)
    with pytest.raises(SignalError, match="3 dimensions"):
        device.run(np.zeros((2, 2, 2)), sample_rate=44100)


@pytest.mark.parametrize("sample_rate", [0, 7999, 192001])
def test_sample_rate_out_of_range(sample_rate):
    """Value and limits are named."""
    with pytest.raises(DeviceError, match=r"8000\.\.192000"):
        TapeDevice(TapeSettings(), seed=1).run(noise(10), sample_rate=sample_rate)


@pytest.mark.parametrize(
    "wrong", [{"drive": 1.1}, {"bias": -0.1}, {"oversampling": 3}, {"solver": "NR5"}, {"speed": 1.0}]
)
def test_knobs_out_of_range(wrong):
    """Settings are refused before a device is made of them."""
    with pytest.raises(ValidationError):
        TapeSettings(**wrong)


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=40),
    st.sampled_from(["RK2", "RK4", "NR4", "NR8"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_any_samples_and_knobs_give_finite_output(values, solver, drive, saturation, bias):
    """Whatever is asked within the ranges is answered with numbers."""
    tape = TapeSettings(solver=solver, drive=drive, saturation=saturation, bias=bias, oversampling=2)
    samples = TapeDevice(tape, seed=1).run(np.array(values), sample_rate=44100).samples
    assert samples.shape == (len(values), 1)
    assert np.isfinite(samples).all()


def test_progress_ends_at_one():
    """The fraction rises to 1."""
    seen = []
    TapeDevice(TapeSettings(), seed=1).run(noise(5000), sample_rate=44100, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_create_device_takes_the_profile_or_another_seed():
    """Kinds and seeds."""
    profile = TapeProfile(kind="tape", seed=9)
    assert create_device(profile) == TapeDevice(TapeSettings(), seed=9)
    assert create_device(profile, seed=3) == TapeDevice(TapeSettings(), seed=3)
    assert create_device(IdentityProfile(kind="identity"), seed=3) == IdentityDevice()
