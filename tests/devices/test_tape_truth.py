"""The truth of a take is what an independent demodulation of a pilot finds on the device's output."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.params import TapeSettings

SAMPLE_RATE = 44100
PILOT_HZ = 3000.0
# bias 1 leaves next to no hysteresis: the machine is nearly linear
LINEAR = {"bias": 1.0, "drive": 0.3, "solver": "RK4", "oversampling": 2, "oversampling_mode": "minimum_phase"}
PHYSICAL = {"capstan_pct": 0.2, "reel_pct": 0.1, "drift_pct": 0.1, "wow_pct": 0.15, "flutter_pct": 0.15}

CASES = {
    "plugin": {"wow_depth": 0.75, "wow_variance": 1.0, "wow_drift": 0.3, "flutter_depth": 0.75, "head_delay_ms": 3.3},
    "compatible": {"chowtape_compatible": True, "wow_depth": 0.6, "wow_variance": 0.5, "flutter_depth": 0.6},
    "rewind": PHYSICAL,
    "scrape": {"scrape_pct": 0.2},
    "speed_error": {**PHYSICAL, "speed_error_pct": -0.4},
    "off_tape": {**PHYSICAL, "recording": "off_tape", "head_delay_ms": 160.0},
    "clock_drift": {**PHYSICAL, "clock_drift_ppm": -700.0},
    "lost_samples": {**PHYSICAL, "lost_samples_per_minute": 300.0},
    "everything": {**PHYSICAL, "azimuth_urad": 500.0, "lost_samples_per_minute": 300.0, "clock_drift_ppm": 400.0},
}


def averaged(carrier):
    """Three running means: what a demodulator of some 150 Hz sees of a carrier at 0 Hz."""
    for size in (147, 147, 147):
        carrier = uniform_filter1d(carrier.real, size) + 1j * uniform_filter1d(carrier.imag, size)
    return carrier


def demodulated_s(samples, time_s):
    """Delay of a 3 kHz tone, from the phase of its carrier, seconds."""
    carrier = averaged(samples * np.exp(-2j * np.pi * PILOT_HZ * time_s))
    return -np.unwrap(np.angle(carrier[::10])) / (2 * np.pi * PILOT_HZ)


def expected_s(delay_s):
    """What the same average makes of the true phase, seconds."""
    carrier = averaged(np.exp(-2j * np.pi * PILOT_HZ * delay_s))
    return -np.unwrap(np.angle(carrier[::10])) / (2 * np.pi * PILOT_HZ)


def played(tape, *, n_channels=1, duration_s=3.0):
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    tone = 0.02 * np.cos(2 * np.pi * PILOT_HZ * time_s)
    stimulus = np.repeat(tone[:, np.newaxis], n_channels, axis=1)
    return TapeDevice(TapeSettings(**LINEAR, **tape), seed=5).run(stimulus, sample_rate=SAMPLE_RATE), time_s


@pytest.mark.parametrize("case", CASES)
def test_phase_of_a_tone_follows_the_truth(case):
    """Within 0.1 us rms, and 4 us of phase that the DC blockers turn (35 and 15 Hz), a constant."""
    capture, time_s = played(CASES[case])
    error_s = (demodulated_s(capture.samples[:, 0], time_s) - expected_s(capture.truth.at(time_s)))[1000:-150]
    error_s -= np.round(np.mean(error_s) * PILOT_HZ) / PILOT_HZ
    # the blockers turn the phase by 1 / f: a little less where the speed is higher
    assert 1e6 * np.std(error_s) < 0.1
    assert 1e6 * abs(np.mean(error_s)) < 4.0


def test_every_channel_is_late_by_its_azimuth():
    """Channel 2 against channel 1 and channel 3 against channel 1, static tilt and jitter: 0.02 us rms, no constant."""
    tilt = {"azimuth_urad": 800.0, "azimuth_jitter_urad": 300.0}
    capture, time_s = played({**PHYSICAL, **tilt}, n_channels=3)
    azimuth = capture.truths["azimuth"]
    first = demodulated_s(capture.samples[:, 0], time_s)
    for channel in (1, 2):
        late = demodulated_s(capture.samples[:, channel], time_s) - first
        expected = expected_s(capture.truth.at(time_s) + channel * azimuth.at(time_s))
        expected -= expected_s(capture.truth.at(time_s))
        error_s = (late - expected)[1000:-150]
        error_s -= np.round(np.mean(error_s) * PILOT_HZ) / PILOT_HZ
        assert 1e6 * np.abs(error_s).max() < 0.05
        assert 1e6 * np.std(error_s) < 0.02


def test_lost_samples_are_told_and_found():
    """Every event is in the details, is a step of the truth, and moves the pulses behind it by one sample."""
    linear = {**LINEAR, "oversampling_mode": "linear_phase"}
    tape = TapeSettings(**linear, lost_samples_per_minute=120.0, head_delay_ms=2.0)
    stimulus = np.zeros((10 * SAMPLE_RATE, 1))
    stimulus[441 * np.arange(10, 990)] = 0.05
    capture = TapeDevice(tape, seed=5).run(stimulus, sample_rate=SAMPLE_RATE)
    told = capture.details["truth"]["lost_samples"]
    assert len(told) > 5
    assert [(event["time_s"], event["samples"]) for event in told] == [
        (step.time_s, pytest.approx(step.delay_s * SAMPLE_RATE)) for step in capture.truth.steps
    ]
    found = np.array(
        [441 * k + np.argmax(np.abs(capture.samples[441 * k - 100 : 441 * k + 300, 0])) - 100 for k in range(10, 990)]
    )
    expected = found / SAMPLE_RATE - capture.truth.at(found / SAMPLE_RATE)
    clear = np.min(np.abs(found[:, np.newaxis] - SAMPLE_RATE * capture.truth.step_time_s), axis=1) > 20
    np.testing.assert_allclose((SAMPLE_RATE * expected)[clear], 441.0 * np.arange(10, 990)[clear], atol=0.51)
