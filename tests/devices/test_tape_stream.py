"""The tape machine over blocks and threads: bit-identical, of constant memory, and clear about a bad stimulus."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.devices.base import StreamingDevice
from tapemeasure.devices.identity import IdentityDevice
from tapemeasure.devices.tape import TapeDevice, model
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.errors import DeviceError, SignalError
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

N_SAMPLES = 3000
ALL_FAULTS = TapeSettings(
    oversampling=2,
    oversampling_mode="minimum_phase",
    solver="RK2",
    loss=True,
    speed_ips=7.5,
    equalisation="nab",
    record_boost_db=6.0,
    response_shape_db=((50.0, -3.0), (1000.0, 0.0), (10000.0, 2.0)),
    head_delay_ms=10.0,
    recording="off_tape",
    wow_pct=0.1,
    flutter_pct=0.1,
    capstan_pct=0.05,
    clock_drift_ppm=20.0,
    azimuth_urad=100.0,
    azimuth_jitter_urad=200.0,
    lost_samples_per_minute=600.0,
    crosstalk_db=-40.0,
    dropouts_per_minute=1200.0,
    modulation_noise_db=-40.0,
    hiss_dbfs=-60.0,
    hum_dbfs=-70.0,
    input_gain_db=3.0,
    output_gain_db=-3.0,
)
PLUGIN = TapeSettings(oversampling=4, wow_depth=0.5, wow_variance=1.0, flutter_depth=0.5, chowtape_compatible=True)
PRINTED = TapeSettings(oversampling=1, print_through_db=-50.0, reel_diameter_mm=20.0, speed_ips=60.0)
PLAIN = TapeSettings(oversampling=16)


def noise(n_samples, n_channels=2, *, seed=0):
    return 0.2 * np.random.default_rng(seed).standard_normal((n_samples, n_channels))


def streamed(tape, stimulus, cuts=(), *, threads=1, seed=3):
    """Output of a stimulus that is cut at the given places."""
    blocks = np.split(stimulus, sorted(cuts))
    n_samples, n_channels = stimulus.shape
    device = TapeDevice(tape, seed=seed, threads=threads)
    return device.stream(blocks, n_samples=n_samples, n_channels=n_channels, sample_rate=44100).capture()


@pytest.fixture(scope="module")
def whole():
    """Captures of the whole stimulus in one piece, by settings."""
    return {id(tape): streamed(tape, noise(N_SAMPLES)) for tape in (ALL_FAULTS, PLUGIN, PRINTED, PLAIN)}


@given(st.lists(st.integers(0, N_SAMPLES), max_size=12), st.sampled_from([ALL_FAULTS, PLUGIN, PRINTED, PLAIN]))
@settings(max_examples=10)
def test_result_does_not_depend_on_where_the_stimulus_is_cut(whole, cuts, tape):
    """Bit-identical with everything on, also for empty blocks."""
    assert np.array_equal(streamed(tape, noise(N_SAMPLES), cuts).samples, whole[id(tape)].samples)


@pytest.mark.parametrize("block_samples", [61, 4096])
@pytest.mark.parametrize("tape", [ALL_FAULTS, PLUGIN, PRINTED, PLAIN])
def test_result_does_not_depend_on_the_block_size(monkeypatch, whole, block_samples, tape):
    """Bit-identical from small blocks to one that is longer than most filters."""
    monkeypatch.setattr(model, "BLOCK_SAMPLES", block_samples)
    assert np.array_equal(streamed(tape, noise(N_SAMPLES)).samples, whole[id(tape)].samples)


@pytest.mark.parametrize("solver", ["RK2", "RK4", "NR4", "NR8"])
@pytest.mark.parametrize("mode", ["linear_phase", "minimum_phase"])
def test_every_solver_joins_its_blocks_without_a_seam(solver, mode):
    """Bit-identical sample by sample."""
    tape = TapeSettings(solver=solver, oversampling=2, oversampling_mode=mode)
    stimulus = noise(400, 1)[:, 0]
    part, whole = Hysteresis(tape, 44100), Hysteresis(tape, 44100)
    pieces = [part.process(stimulus[start : start + 1]) for start in range(len(stimulus))]
    assert np.array_equal(np.concatenate(pieces), whole.process(stimulus))


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_result_does_not_depend_on_the_threads(whole, threads):
    """Bit-identical for fewer and more threads than channels."""
    assert np.array_equal(
        streamed(ALL_FAULTS, noise(N_SAMPLES), threads=threads).samples, whole[id(ALL_FAULTS)].samples
    )
    five = noise(1500, 5)
    assert np.array_equal(streamed(PLAIN, five, threads=threads).samples, streamed(PLAIN, five).samples)


def test_capture_tells_all_truths(whole):
    """Delay, azimuth and the faults that are on; nothing of the faults that are off."""
    capture = whole[id(ALL_FAULTS)]
    assert isinstance(capture.truth, DelayTrajectory)
    assert set(capture.truths) == {"azimuth"}
    assert {"dropouts", "modulation_noise", "crosstalk_db", "hiss", "hum", "lost_samples"} <= set(
        capture.details["truth"]
    )
    assert capture.facts()["details"] == capture.details
    assert whole[id(PLAIN)].truths == {}
    assert whole[id(PLAIN)].details == {}
    assert "details" not in whole[id(PLAIN)].facts()


def test_truth_is_known_before_the_first_block_is_taken():
    """The stimulus is asked for only while the output is taken, and no further than the filters look ahead."""
    taken = itertools.count()

    def blocks():
        for _ in range(100):
            next(taken)
            yield noise(1024)

    playback = TapeDevice(PLAIN, seed=1).stream(blocks(), n_samples=102400, n_channels=2, sample_rate=44100)
    assert playback.truth is not None
    assert playback.facts()["n_samples"] == 102400
    assert next(taken) == 0
    first = next(playback.blocks)
    assert 0 < len(first) <= model.BLOCK_SAMPLES
    assert next(taken) < 20


def test_blocks_are_as_long_as_the_stimulus_in_all():
    """From one sample to more than a block, and each starts where the one before ended."""
    for n_samples in (1, 2, 1023, 1024, 1025, 3000):
        blocks = list(
            TapeDevice(TapeSettings(oversampling=1), seed=1)
            .stream([noise(n_samples)], n_samples=n_samples, n_channels=2, sample_rate=44100)
            .blocks
        )
        assert sum(len(block) for block in blocks) == n_samples
        assert all(block.shape[1] == 2 and len(block) for block in blocks)


@pytest.mark.parametrize("position", [0, 2999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_numbers_in_any_block(position, value):
    """Sample and channel are named wherever they come up."""
    stimulus = noise(N_SAMPLES)
    stimulus[position, 1] = value
    with pytest.raises(SignalError, match=f"sample {position} of channel 2"):
        streamed(TapeSettings(oversampling=1), stimulus, cuts=(1000, 2000))


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([noise(50)], "ended after 50 of 100"),
        ([], "ended after 0 of 100"),
        ([noise(60), noise(60)], "more than the 100"),
        ([noise(100, 3)], "2 channels were announced"),
        ([noise(100)[:, 0]], "2 channels were announced"),
    ],
)
def test_another_stimulus_than_announced(blocks, words):
    """Too short, too long, other channels."""
    with pytest.raises(SignalError, match=words):
        TapeDevice(PLAIN, seed=1).stream(blocks, n_samples=100, n_channels=2, sample_rate=44100).capture()


@pytest.mark.parametrize("size", [{"n_samples": 0, "n_channels": 1}, {"n_samples": 10, "n_channels": 0}])
def test_nothing_to_play(size):
    """Refused before anything is taken, as is a rate that the model has not."""
    with pytest.raises(SignalError, match="at least one of each"):
        TapeDevice(PLAIN, seed=1).stream([], **size, sample_rate=44100)
    with pytest.raises(DeviceError, match=r"8000\.\.192000"):
        TapeDevice(PLAIN, seed=1).stream([], n_samples=1, n_channels=1, sample_rate=4000)


def test_clipped_samples_are_counted_over_all_blocks():
    """The number is that of the whole stimulus, in front of the input gain's limit."""
    stimulus = np.zeros((4000, 1))
    stimulus[[5, 2000, 3999]] = 20.0
    capture = streamed(TapeSettings(oversampling=1), stimulus, cuts=(1000,))
    assert capture.warnings[0].startswith("3 samples were clipped")


def test_what_the_record_amplifier_makes_too_loud_is_counted():
    """The bass that a standard adds clips although the stimulus does not."""
    low = 6.0 * np.sin(2 * np.pi * 20.0 * np.arange(4410) / 44100)[:, np.newaxis]
    tape = {"oversampling": 1, "speed_ips": 3.75}
    assert streamed(TapeSettings(**tape), low, cuts=(1000,)).warnings == ()
    assert "were clipped" in streamed(TapeSettings(**tape, equalisation="iec"), low, cuts=(1000,)).warnings[0]


@pytest.mark.parametrize("mode", ["linear_phase", "minimum_phase"])
@pytest.mark.parametrize("solver", ["NR8", "RK2"])
def test_no_denormal_numbers_in_silence(mode, solver):
    """Nothing that decays, neither output nor any filter's state, ends in numbers that slow the processor down."""
    stimulus = np.zeros((40000, 1))
    stimulus[:200, 0] = noise(200, 1)[:, 0]
    tape = TapeSettings(oversampling_mode=mode, oversampling=4, solver=solver, loss=True, gap_um=3.0, wow_depth=0.2)
    samples = abs(streamed(tape, stimulus).samples)
    smallest = np.finfo(np.float64).tiny
    assert samples.max() > 0.01
    assert not np.any((samples > 0.0) & (samples < smallest))


def test_who_can_stream():
    """The tape machine can, a wire cannot; the same facts either way."""
    assert isinstance(TapeDevice(PLAIN, seed=1), StreamingDevice)
    assert not isinstance(IdentityDevice(), StreamingDevice)
    capture = IdentityDevice().run(noise(10), sample_rate=44100)
    playback = capture.playback()
    assert playback.facts() == capture.facts()
    assert np.array_equal(playback.capture().samples, capture.samples)
