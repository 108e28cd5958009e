"""The plug-in's own wow and flutter against a render of the plug-in, whose channel 2 carries a pilot."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.signal import butter, freqz_sos

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import TransportTruth, transport_truth
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

RENDERED = TapeSettings(chowtape_compatible=True, wow_depth=0.75, flutter_depth=0.75, output_gain_db=-6.0)
SAMPLE_RATE = 44100
HOST_LATENCY = 68.0
"""Samples that the plug-in's host removes."""


def truth_of(tape, *, latency_samples=HOST_LATENCY, duration_s=3.0, sample_rate=SAMPLE_RATE, seed=1):
    return transport_truth(
        tape,
        duration_s=duration_s,
        sample_rate=sample_rate,
        latency_samples=latency_samples,
        generator=np.random.default_rng(seed),
    )


def pilot_delay(pilot):
    """Delay that the phase of a 1 kHz pilot tells, samples, but for a constant; the 15 Hz high-pass is undone."""
    size = len(pilot) + 20000
    frequency_hz = np.fft.fftfreq(size, 1 / SAMPLE_RATE)
    band = np.clip((frequency_hz - 500) / 100, 0, 1) * np.clip((1500 - frequency_hz) / 100, 0, 1)
    response = np.ones(size, dtype=complex)
    inside = band > 0
    sections = butter(4, 15.0, "high", fs=SAMPLE_RATE, output="sos")
    response[inside] = freqz_sos(sections, frequency_hz[inside], fs=SAMPLE_RATE)[1]
    analytic = np.fft.ifft(2 * np.fft.fft(pilot, size) * band / response)[: len(pilot)]
    turned = analytic * np.exp(-2j * np.pi * 1000 * np.arange(len(pilot)) / SAMPLE_RATE)
    return -np.unwrap(np.angle(turned)) * SAMPLE_RATE / (2 * np.pi * 1000)


def test_the_trajectory_is_the_plug_ins(chowtape_renders):
    """Within 0.1 sample rms of the trajectory that the render's pilot tells, in the open."""
    render, _ = read_audio(chowtape_renders / "wf0_noise.wav")
    told = pilot_delay(render[:, 1])
    ours = SAMPLE_RATE * truth_of(RENDERED).delay.at(np.arange(len(told)) / SAMPLE_RATE)
    error = (told - ours)[3000:-3000]
    assert np.std(error) < 0.1
    assert np.ptp(ours) > 500


def test_the_chain_with_the_pilots_trajectory_is_the_plug_in(chowtape_renders):
    """On the plug-in's own grid: ESR below -62 dB. The pilot's phase lacks one constant, which is searched."""
    dry = read_audio(chowtape_renders / "dry_noise.wav")[0][:, 0]
    render, _ = read_audio(chowtape_renders / "wf0_noise.wav")
    hysteresis = Hysteresis(RENDERED, SAMPLE_RATE)
    recorded = hysteresis.process(np.concatenate((dry, np.zeros(4096))))[:, np.newaxis]
    open_loop = truth_of(RENDERED).delay
    told = pilot_delay(render[:, 1])
    told += np.mean((SAMPLE_RATE * open_loop.at(np.arange(len(told)) / SAMPLE_RATE) - told)[3000:-3000])
    points = CubicSpline(np.arange(len(told)), told)(np.minimum(open_loop.time_s * SAMPLE_RATE, len(told) - 1))
    inside = slice(60, len(points) - 60)

    def error_db(constant):
        delay_s = open_loop.delay_s.copy()
        delay_s[inside] = (points[inside] + constant) / SAMPLE_RATE
        truth = TransportTruth(DelayTrajectory(0.0, 1000.0, delay_s, open_loop.sigma_s, open_loop.valid))
        transport = Transport(RENDERED, truth, SAMPLE_RATE, 1, HOST_LATENCY)
        played = transport.process(recorded)[transport.look_ahead_samples :, 0][: len(dry)] * 10 ** (-6 / 20)
        error = (played - render[:, 0])[4000:-4000]
        return 10 * np.log10(np.sum(error**2) / np.sum(render[4000:-4000, 0] ** 2))

    # the error is a parabola of the constant about its minimum
    constants = np.array([-0.05, 0.0, 0.05])
    best = np.polynomial.Polynomial.fit(constants, [10 ** (error_db(c) / 10) for c in constants], 2).deriv().roots()[0]
    assert error_db(best) < -62.0


def test_delays_are_in_samples():
    """Twice the rate, half the delay, but for the start of the random walk and the rounding of the phases."""
    slow = truth_of(RENDERED, latency_samples=0.0).delay
    fast = truth_of(RENDERED, latency_samples=0.0, sample_rate=2 * SAMPLE_RATE).delay
    assert np.std(2 * fast.delay_s - slow.delay_s) < 0.02 * np.std(slow.delay_s)
    seconds = RENDERED.model_copy(update={"chowtape_compatible": False})
    slow, fast = truth_of(seconds).delay, truth_of(seconds, sample_rate=2 * SAMPLE_RATE).delay
    assert np.array_equal(slow.delay_s, fast.delay_s)


def test_the_walk_starts_at_one_and_slides():
    """Without variance the wow begins half a second after 1 and has lost another 1 - exp(-3) of it after 3 s."""
    tape = TapeSettings(chowtape_compatible=True, wow_depth=1.0, wow_rate=0.0)
    slide = SAMPLE_RATE * truth_of(tape, latency_samples=0.0).delay.delay_s
    # the low-pass of 10 Hz is sqrt(2) / (2 pi 10 Hz) late
    late_s = np.sqrt(2) / (2 * np.pi * 10)
    assert slide[0] == pytest.approx(2000 + 1000 * np.exp(-0.5 + late_s), abs=1.0)
    assert slide[3000] == pytest.approx(2000 + 1000 * np.exp(-3.5 + late_s), abs=1.0)


def test_variance_and_drift_are_seeded():
    """Equal seeds give equal delays; the variance's mean is its strength, the drift raises the frequency."""
    tape = TapeSettings(chowtape_compatible=True, wow_depth=1.0, wow_variance=1.0, wow_drift=1.0)
    first = truth_of(tape, duration_s=20.0).delay.delay_s
    assert np.array_equal(first, truth_of(tape, duration_s=20.0).delay.delay_s)
    assert not np.allclose(first, truth_of(tape, duration_s=20.0, seed=2).delay.delay_s, atol=1e-4)
    calm = tape.model_copy(update={"wow_drift": 0.0})
    still = calm.model_copy(update={"wow_variance": 0.0})
    walk = 44.1 * (truth_of(calm, duration_s=60.0).delay.delay_s - truth_of(still, duration_s=60.0).delay.delay_s)
    assert walk[10000:].mean() == pytest.approx(1.0, abs=0.03)

    def crossings(settings):
        swing = truth_of(settings, duration_s=60.0).delay.delay_s[6000:]
        return np.count_nonzero(np.diff(np.signbit(swing - swing.mean())))

    # uniform^1.25 has the mean 1 / 2.25
    assert crossings(still.model_copy(update={"wow_drift": 1.0})) / crossings(still) == pytest.approx(1.44, abs=0.06)


def test_without_variance_and_drift_nothing_is_random():
    """As in the plug-in: another seed changes nothing."""
    tape = RENDERED.model_copy(update={"oversampling": 2, "solver": "RK2"})
    stimulus = 0.1 * np.random.default_rng(1).standard_normal((4000, 2))
    capture = TapeDevice(tape, seed=1).run(stimulus, sample_rate=SAMPLE_RATE)
    again = TapeDevice(tape, seed=2).run(stimulus, sample_rate=SAMPLE_RATE)
    assert np.array_equal(capture.samples, again.samples)
    assert np.array_equal(capture.truth.delay_s, again.truth.delay_s)


def test_the_device_is_the_plug_in_in_the_open(chowtape_renders):
    """Below 5 kHz, where 0.05 sample of the trajectory matter less: ESR of the whole device below -35 dB."""
    dry, _ = read_audio(chowtape_renders / "dry_noise.wav")
    render, _ = read_audio(chowtape_renders / "wf0_noise.wav")
    capture = TapeDevice(RENDERED, seed=1).run(dry, sample_rate=SAMPLE_RATE)
    size = len(dry) + 8192
    frequency_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    low = np.clip((5000.0 - frequency_hz) / 500.0, 0, 1)
    # the host removes 68 samples of 66.125
    early = np.exp(2j * np.pi * frequency_hz * 1.875 / SAMPLE_RATE)
    ours, theirs = (
        np.fft.irfft(np.fft.rfft(samples, size) * weight, size)[4000 : len(dry) - 4000]
        for samples, weight in ((capture.samples[:, 0], low * early), (render[:, 0], low))
    )
    assert 10 * np.log10(np.sum((ours - theirs) ** 2) / np.sum(theirs**2)) < -35.0
