"""Wow, flutter, head delay: the trajectory's statistics, and that the tape is read exactly there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import transport_trajectory
from tapemeasure.params import TapeSettings

WOBBLY = TapeSettings(wow_depth=0.75, wow_variance=1.0, wow_drift=0.3, flutter_depth=0.75, head_delay_ms=3.3)
# bias 1 leaves next to no hysteresis: the machine is nearly linear
LINEAR = {"bias": 1.0, "drive": 0.3}


def trajectory(tape, *, duration_s=20.0, seed=1):
    return transport_trajectory(tape, duration_s=duration_s, generator=np.random.default_rng(seed))


def test_no_wobble_is_a_constant_delay():
    """Exactly the head-to-head delay, without uncertainty."""
    truth = trajectory(TapeSettings(head_delay_ms=160.0))
    assert np.array_equal(truth.delay_s, np.full(len(truth.delay_s), 0.16))
    assert not truth.sigma_s.any()
    assert truth.valid.all()
    assert truth.time_s[-1] >= 20.0


def test_wow_without_variance_is_a_raised_cosine():
    """Peak to peak 2000 depth^3 samples of 1/44100 s, at 4.5^rate - 1 Hz."""
    truth = trajectory(TapeSettings(wow_depth=0.75, wow_rate=0.25))
    frequency_hz = 4.5**0.25 - 1.0
    expected = 0.75**3 * 1000 / 44100 * (1 + np.cos(2 * np.pi * frequency_hz * truth.time_s))
    np.testing.assert_allclose(truth.delay_s, expected, atol=1e-12)


def test_flutter_has_three_harmonics_about_its_base():
    """Amplitudes 230, 80, 99 times sqrt(depth^3 81/625) samples, mean 350 samples."""
    truth = trajectory(TapeSettings(flutter_depth=0.75, flutter_rate=1 / 3), duration_s=20.0)
    samples = truth.delay_s[:20000] * 44100
    spectrum = 2 * np.abs(np.fft.rfft(samples)) / len(samples)
    assert samples.mean() == pytest.approx(350.0)
    depth = np.sqrt(0.75**3 * 81 / 625)
    np.testing.assert_allclose(spectrum[[20, 40, 60]], depth * np.array([230.0, 80.0, 99.0]), rtol=1e-6)


def test_wobble_of_the_published_experiment():
    """Depths 0.75: about 22.8 ms peak to peak and 2.1 % rms speed deviation (variance 0, 20 s)."""
    truth = trajectory(TapeSettings(wow_depth=0.75, flutter_depth=0.75))
    assert 1e3 * np.ptp(truth.delay_s) == pytest.approx(22.8, rel=0.05)
    assert 100 * np.std(truth.speed_deviation()) == pytest.approx(2.1, rel=0.1)


def test_random_wow_is_stationary_from_its_start():
    """Mean depth^3 variance^1.25 above the cosine, standard deviation below that of the unfiltered process."""
    still = trajectory(TapeSettings(wow_depth=1.0, wow_variance=0.0), duration_s=300.0)
    moved = trajectory(TapeSettings(wow_depth=1.0, wow_variance=1.0), duration_s=300.0)
    random = (moved.delay_s - still.delay_s) * 44.1
    unfiltered = 0.3035 / np.sqrt(2 * 21.0)
    assert random.mean() == pytest.approx(1.0, abs=0.01)
    assert 0.7 * unfiltered < random.std() < unfiltered
    starts = [
        trajectory(TapeSettings(wow_depth=1.0, wow_variance=1.0), duration_s=0.01, seed=seed).delay_s[0] * 44.1 - 2.0
        for seed in range(200)
    ]
    assert np.mean(starts) == pytest.approx(1.0, abs=0.02)
    assert 0.7 * unfiltered < np.std(starts) < 1.3 * unfiltered


@given(
    depth=st.floats(0, 1),
    rate=st.floats(0, 1),
    variance=st.floats(0, 1),
    drift=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_delay_is_finite_causal_and_seeded(depth, rate, variance, drift, seed):
    """No knob gives a delay below zero, and a seed gives one trajectory."""
    tape = TapeSettings(
        wow_depth=depth, wow_rate=rate, wow_variance=variance, wow_drift=drift, flutter_depth=depth, flutter_rate=rate
    )
    truth = trajectory(tape, duration_s=1.0, seed=seed)
    assert np.isfinite(truth.delay_s).all()
    assert truth.delay_s.min() >= 0.0
    assert np.array_equal(truth.delay_s, trajectory(tape, duration_s=1.0, seed=seed).delay_s)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
def test_tape_is_read_at_the_trajectory(sample_rate):
    """A tone of a fifth of the rate that comes in 66.125 samples late is played at t - d(t), within -85 dB."""
    truth = trajectory(WOBBLY, duration_s=1.0)
    omega = 2 * np.pi * 0.2
    transport = Transport(truth, sample_rate, 1, 66.125, high_pass=False)
    n_samples = sample_rate
    late = np.sin(omega * (np.arange(n_samples) - 66.125))[:, np.newaxis]
    blocks = [transport.process(late[i : i + 1000]) for i in range(0, n_samples, 1000)]
    played = np.concatenate(blocks)[transport.look_ahead_samples :, 0]
    moments = np.arange(len(played))
    expected = np.sin(omega * (moments - sample_rate * truth.at(moments / sample_rate)))
    steady = slice(int(0.1 * sample_rate), None)
    error_db = 20 * np.log10(np.std((played - expected)[steady]) / np.std(expected[steady]))
    assert error_db < -85.0


def test_phase_of_a_tone_follows_the_truth():
    """Whole machine: the phase of a 3 kHz tone gives the delay within 0.1 us rms (mean removed)."""
    sample_rate = 44100
    time_s = np.arange(3 * sample_rate) / sample_rate
    tape = WOBBLY.model_copy(update=LINEAR)
    capture = TapeDevice(tape, seed=5).run(0.05 * np.sin(2 * np.pi * 3000 * time_s), sample_rate=sample_rate)
    mixed = capture.samples[:, 0] * np.exp(-2j * np.pi * 3000 * time_s)
    window = np.hanning(442)
    baseband = np.convolve(mixed, window / window.sum(), "same")
    phase_delay = -np.unwrap(np.angle(baseband[::44])) / (2 * np.pi * 3000)
    # what the same window makes of the true phase
    carrier = np.exp(-2j * np.pi * 3000 * capture.truth.at(time_s))
    expected = -np.unwrap(np.angle(np.convolve(carrier, window / window.sum(), "same")[::44])) / (2 * np.pi * 3000)
    error = (phase_delay - expected)[500:-100]
    assert 1e6 * np.std(error) < 0.1


def test_truth_does_not_depend_on_the_sample_rate():
    """One seed, one transport."""
    stimulus = np.zeros(8000)
    truths = [
        TapeDevice(WOBBLY, seed=2).run(np.resize(stimulus, rate // 10), sample_rate=rate).truth.delay_s
        for rate in (8000, 44100, 192000)
    ]
    assert np.array_equal(truths[0], truths[1])
    assert np.array_equal(truths[1], truths[2])
