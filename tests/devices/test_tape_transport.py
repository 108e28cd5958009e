"""The transport plays what was recorded exactly at its truth, for constant, moving and cubic reading."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import TransportTruth, transport_truth
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

WOBBLY = TapeSettings(wow_depth=0.75, wow_variance=1.0, wow_drift=0.3, flutter_depth=0.75, head_delay_ms=3.3)
REEL = TapeSettings(capstan_pct=0.2, reel_pct=0.1, wow_pct=0.1, flutter_pct=0.1, head_delay_ms=5.0)
TILTED = TapeSettings(azimuth_urad=900.0, azimuth_jitter_urad=200.0, wow_pct=0.1)


def truth_of(tape, *, duration_s=1.0, sample_rate=44100, latency_samples=66.125, seed=1):
    return transport_truth(
        tape,
        duration_s=duration_s,
        sample_rate=sample_rate,
        latency_samples=latency_samples,
        generator=np.random.default_rng(seed),
    )


def constant_truth(delay_s, *, azimuth_s=None):
    def trajectory(value_s):
        return DelayTrajectory(0.0, 1000.0, np.full(1001, value_s), np.zeros(1001), np.ones(1001, dtype=bool))

    return TransportTruth(trajectory(delay_s), None if azimuth_s is None else trajectory(azimuth_s))


def play(transport, recorded, *, block_samples=1000):
    """What is played of a signal of shape (n, n_channels), as long as the signal."""
    fed = np.concatenate((recorded, np.zeros((transport.look_ahead_samples, recorded.shape[1]))))
    blocks = [transport.process(fed[i : i + block_samples]) for i in range(0, len(fed), block_samples)]
    return np.concatenate(blocks)[transport.look_ahead_samples :]


def noise(n_samples, n_channels=1):
    return np.random.default_rng(5).standard_normal((n_samples, n_channels))


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
@pytest.mark.parametrize("tape", [WOBBLY, REEL], ids=["plugin", "physical"])
def test_tape_is_read_at_the_trajectory(tape, sample_rate):
    """A tone of a fifth of the rate that comes in 66.125 samples late is played at t - d(t), within -85 dB."""
    tape = tape.model_copy(update={"head_delay_ms": 20.0})
    truth = truth_of(tape, sample_rate=sample_rate)
    transport = Transport(tape, truth, sample_rate, 1, 66.125)
    n_samples = sample_rate
    late = np.sin(2 * np.pi * 0.2 * (np.arange(n_samples) - 66.125))[:, np.newaxis]
    played = play(transport, late)[:, 0]
    moments = np.arange(n_samples)
    positions = moments - sample_rate * truth.delay.at(moments / sample_rate)
    expected = np.sin(2 * np.pi * 0.2 * positions) * (positions >= -66)
    if tape.wow_depth:
        # the 15 Hz high-pass that belongs to the plug-in's wow and flutter
        expected = sosfilt(butter(4, 15.0, "high", fs=sample_rate, output="sos"), expected)
    steady = slice(int(0.3 * sample_rate), int(0.98 * sample_rate))
    error_db = 20 * np.log10(np.std((played - expected)[steady]) / np.std(expected[steady]))
    assert error_db < -85.0


def test_a_whole_number_of_samples_is_a_copy():
    """Bit for bit, for a latency of whole samples and a delay that comes out whole."""
    recorded = noise(20000, 2)
    transport = Transport(TapeSettings(), constant_truth(0.16), 44100, 2, 49.0)
    assert np.array_equal(play(transport, recorded)[7056:19000], recorded[49 : 19000 - 7056 + 49])


@pytest.mark.parametrize("fraction", [0.125, 0.5, 0.9])
def test_constant_delay_is_exact_almost_to_half_the_rate(fraction):
    """Tones up to 0.499 of the rate keep amplitude and phase within -90 dB."""
    transport = Transport(TapeSettings(), constant_truth(0.0), 44100, 8, 66.0 + fraction)
    frequencies = np.array([0.001, 0.1, 0.25, 0.4, 0.45, 0.48, 0.49, 0.499])
    n = np.arange(40000)[:, np.newaxis]
    played = play(transport, np.cos(2 * np.pi * frequencies * (n - 66.0 - fraction)))
    error = (played - np.cos(2 * np.pi * frequencies * n))[10000:30000]
    assert 20 * np.log10(np.sqrt(2.0) * error.std(axis=0)).max() < -90.0


def test_a_constant_tilt_delays_every_channel_more():
    """Channel n is n - 1 times the azimuth's delay later, fractions included."""
    transport = Transport(TapeSettings(), constant_truth(0.001, azimuth_s=10e-6), 44100, 4, 10.0)
    n = np.arange(40000)
    tone = np.cos(2 * np.pi * 0.3 * n)
    played = play(transport, np.repeat(tone[:, np.newaxis], 4, axis=1))
    for channel in range(4):
        late = 44100 * (0.001 + 10e-6 * channel) - 10.0
        error = (played[:, channel] - np.cos(2 * np.pi * 0.3 * (n - late)))[10000:30000]
        assert 20 * np.log10(np.std(error)) < -90.0


def test_a_moving_tilt_delays_every_channel_by_its_own_curve():
    """Each of three channels is played at delay + n * azimuth, within -85 dB at a fifth of the rate."""
    truth = truth_of(TILTED)
    n = np.arange(44100)
    tone = np.sin(2 * np.pi * 0.2 * n)
    played = play(Transport(TILTED, truth, 44100, 3, 0.0), np.repeat(tone[:, np.newaxis], 3, axis=1))
    for channel in range(3):
        late_s = truth.delay.at(n / 44100) + channel * truth.azimuth.at(n / 44100)
        error = (played[:, channel] - np.sin(2 * np.pi * 0.2 * (n - 44100 * late_s)))[2000:-2000]
        assert 20 * np.log10(np.std(error)) < -85.0


@given(
    cuts=st.lists(st.integers(1, 4000), min_size=1, max_size=8),
    tape=st.sampled_from(
        [
            WOBBLY,
            REEL,
            TILTED,
            TapeSettings(head_delay_ms=7.77),
            TapeSettings(azimuth_urad=700.0),
            TapeSettings(speed_error_pct=3.0),
            WOBBLY.model_copy(update={"chowtape_compatible": True}),
        ]
    ),
)
@settings(max_examples=15, deadline=None)
def test_blocks_do_not_matter(cuts, tape):
    """Bit-identical however the signal is cut."""
    truth = truth_of(tape, duration_s=0.3)
    recorded = noise(12000, 2)
    whole = Transport(tape, truth, 44100, 2, 66.125)
    expected = whole.process(recorded)
    parted = Transport(tape, truth, 44100, 2, 66.125)
    pieces, start = [], 0
    while start < len(recorded):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(parted.process(recorded[start : start + size]))
        start += size
    assert np.array_equal(np.concatenate(pieces), expected)


def test_a_fast_playback_runs_ahead():
    """5 % fast: after 0.4 s the tape is read 20 ms ahead, and where it ends there is silence."""
    tape = TapeSettings(speed_error_pct=5.0)
    truth = truth_of(tape)
    n = np.arange(44100)
    tone = np.sin(2 * np.pi * 0.1 * n)[:, np.newaxis]
    played = play(Transport(tape, truth, 44100, 1, 0.0), tone)[:, 0]
    error = (played - np.sin(2 * np.pi * 0.1 * 1.05 * n))[100:41500]
    assert 20 * np.log10(np.std(error)) < -85.0
    assert not played[42100:].any()
