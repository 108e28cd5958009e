"""The magnetic part: closed forms, a plain reference of the equations, and renders of the real plug-in."""

import math

import numpy as np
import pytest
from scipy.signal import butter, sosfreqz

from tapemeasure.devices.tape.hysteresis import Hysteresis, magnetics
from tapemeasure.devices.tape.kernels import (
    ALPHA,
    PINNING,
    STATE_SIZE,
    hysteresis_newton,
    hysteresis_runge_kutta,
    langevin,
)
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

SAMPLE_RATE = 44100
TOY = {"drive": 0.75, "saturation": 0.75, "bias": 0.0}


def run(samples, settings, *, sample_rate=SAMPLE_RATE, block=1000):
    part = Hysteresis(settings, sample_rate)
    return np.concatenate([part.process(samples[i : i + block]) for i in range(0, len(samples), block)])


def harmonics(samples, frequency_hz, *, count=9):
    """Amplitudes of the harmonics 1.. by least squares."""
    phase = 2 * np.pi * frequency_hz * np.arange(len(samples)) / SAMPLE_RATE
    orders = np.arange(1, count + 1)
    basis = np.concatenate([np.cos(np.outer(phase, orders)), np.sin(np.outer(phase, orders))], axis=1)
    weights = np.linalg.lstsq(basis, samples, rcond=None)[0]
    return np.hypot(weights[:count], weights[count:])


@pytest.mark.parametrize(
    ("dry", "wet", "latency", "gain", "changes"),
    [
        ("noise", "wet_noise", 68, 1.0, {}),
        ("sweep_00", "wet_sweep_00", 68, 1.0, {}),
        ("sweep_18", "wet_sweep_18", 68, 1.0, {}),
        ("steps", "wet_steps", 68, 1.0, {}),
        ("multitone", "wet_multitone", 68, 1.0, {}),
        ("speech", "wet_speech", 68, 1.0, {}),
        ("steps", "var_RK2_steps", 68, 1.0, {"solver": "RK2"}),
        ("steps", "var_RK4_steps", 68, 1.0, {"solver": "RK4"}),
        ("steps", "var_minphase16_steps", 7, 1.0, {"oversampling_mode": "minimum_phase"}),
        (
            "steps",
            "var_OS2minNR4_steps",
            5,
            1.0,
            {"oversampling_mode": "minimum_phase", "oversampling": 2, "solver": "NR4"},
        ),
        ("noise", "var_toy_noise", 68, 1.0, TOY),
        ("noise", "var_loud26dB_noise", 68, 20.0, {}),
    ],
)
def test_agrees_with_the_plug_in(chowtape_renders, dry, wet, latency, gain, changes):
    """ESR below -72 dB without any fit; only the whole samples that the plug-in's host removed are removed."""
    stimulus, sample_rate = read_audio(chowtape_renders / f"dry_{dry}.wav")
    expected = read_audio(chowtape_renders / f"{wet}.wav")[0][:, 0]
    padded = np.pad(gain * stimulus[:, 0], (0, latency))
    found = amplitude_from_db(-6.0) * run(padded, TapeSettings(**changes), sample_rate=sample_rate)[latency:]
    esr_db = 10 * np.log10(np.sum((found - expected) ** 2) / np.sum(expected**2))
    assert esr_db < -72.0


@pytest.mark.parametrize(
    ("level_dbfs", "gain_db", "distortion_pct"),
    [(-30, -8.30, 0.095), (-18, -8.17, 0.25), (-12, -7.99, 0.46), (-6, -7.78, 2.2), (0, -8.28, 7.0), (6, -10.81, 15.2)],
)
def test_gain_and_distortion_at_1_khz(level_dbfs, gain_db, distortion_pct):
    """The figures measured on the plug-in (output gain -6 dB): gain within 0.05 dB, distortion within 3 %."""
    amplitude = amplitude_from_db(level_dbfs)
    stimulus = amplitude * np.sin(2 * np.pi * 1000.0 * np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE)
    found = harmonics(run(stimulus, TapeSettings())[SAMPLE_RATE // 4 :], 1000.0)
    assert 20 * np.log10(found[0] / amplitude) - 6.0 == pytest.approx(gain_db, abs=0.05)
    assert 100 * np.linalg.norm(found[1:]) / found[0] == pytest.approx(distortion_pct, rel=0.03)
    assert 20 * np.log10(found[1::2].max() / found[0]) < -100.0


@pytest.mark.parametrize(("solver", "rule"), [("RK2", 1.0), ("RK4", 1.0), ("NR4", 2 / 1.9), ("NR8", 2 / 1.9)])
@pytest.mark.parametrize("bias", [0.2, 0.5, 1.0])
def test_small_signal_gain(solver, rule, bias):
    """makeup c (0.01 + 6 drive)/3, times 2/1.9 for the implicit rule, within 0.05 dB at -80 dBFS."""
    settings = TapeSettings(solver=solver, bias=bias, drive=0.6, oversampling=8, oversampling_mode="minimum_phase")
    stimulus = 1e-4 * np.sin(2 * np.pi * 1000.0 * np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE)
    gain = harmonics(run(stimulus, settings)[SAMPLE_RATE // 4 :], 1000.0)[0] / 1e-4
    tape = magnetics(settings)
    expected = rule * tape.makeup * tape.reversible * (0.01 + 6 * 0.6) / 3
    assert 20 * np.log10(gain / expected) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("q", [1e-6, 1e-3, 0.1, 0.7, 1.4999, 1.5001, 3.0, 30.0, 400.0, -0.4, -2.0])
def test_langevin_function(q):
    """L, L', L'' against their definition (and their series below 0.05)."""
    if abs(q) < 0.05:
        expected = (q / 3 - q**3 / 45, 1 / 3 - q**2 / 15, -2 * q / 15 + 8 * q**3 / 189)
    else:
        coth = 1 / math.tanh(q)
        expected = (
            coth - 1 / q,
            1 / q**2 - coth**2 + 1,
            2 * coth * (coth**2 - 1) - 2 / q**3,
        )
    np.testing.assert_allclose(langevin(q), expected, rtol=1e-9, atol=1e-13)


def reference_rate(m, h, rate, tape):
    """dM/dt and its derivative by M, as the paper writes them."""
    q = (h + ALPHA * m) / tape.shape
    if abs(q) < 1e-3:
        curve, slope, bend = q / 3, 1 / 3, -2 * q / 15
    else:
        coth = 1 / math.tanh(q)
        curve, slope, bend = coth - 1 / q, 1 / q**2 - coth**2 + 1, 2 * coth * (coth**2 - 1) - 2 / q**3
    c, gain = tape.reversible, tape.saturation / tape.shape
    distance = tape.saturation * curve - m
    sign = 1.0 if rate >= 0 else -1.0
    moving = 1.0 if np.sign(distance) == sign else 0.0
    e = (1 - c) * sign * PINNING - ALPHA * distance
    by_m = ALPHA * gain * slope - 1
    below = 1 - ALPHA * c * gain * slope
    f = rate * ((1 - c) * moving * distance / e + c * gain * slope) / below
    f1 = (1 - c) * moving * (by_m / e + ALPHA * distance * by_m / e**2)
    f2 = ALPHA * c * gain / tape.shape * bend
    return f, (rate * (f1 + f2) + f * ALPHA * f2) / below


def reference_newton(field, tape, period):
    """Eight Newton steps a sample from the last magnetisation."""
    m = h_before = rate_before = f_before = 0.0
    out = []
    for h in field:
        rate = 1.75 / period * (h - h_before) - 0.75 * rate_before
        m_next = m
        for _ in range(8):
            f, by_m = reference_rate(m_next, h, rate, tape)
            m_next -= (m_next - m - period / 1.9 * (f + f_before)) / (1 - period / 1.9 * by_m)
        f_before = reference_rate(m_next, h, rate, tape)[0]
        m, h_before, rate_before = m_next, h, rate
        out.append(m)
    return np.array(out)


@pytest.mark.parametrize("changes", [{}, TOY, {"bias": 1.0}, {"drive": 1.0, "saturation": 0.0}])
def test_one_newton_step_equals_the_iterated_equations(changes):
    """Within -110 dB of eight full Newton steps, on a sine in noise at 16 x 44.1 kHz."""
    period = 1 / (16 * SAMPLE_RATE)
    time_s = np.arange(6000) * period
    noise = np.random.default_rng(1).standard_normal(len(time_s))
    field = np.sin(2 * np.pi * 1000 * time_s) + 1e-3 * np.convolve(noise, np.hanning(9), "same")
    tape = magnetics(TapeSettings(**changes))
    found = field.copy()
    hysteresis_newton(found, np.zeros(STATE_SIZE), tape.saturation, tape.shape, tape.reversible, 1e-5, 8)
    expected = reference_newton(field, tape, period)
    assert 10 * np.log10(np.sum((found - expected) ** 2) / np.sum(expected**2)) < -110.0


@pytest.mark.parametrize("solver", ["RK2", "RK4", "NR4", "NR8"])
@pytest.mark.parametrize("mode", ["linear_phase", "minimum_phase"])
def test_odd_symmetry(solver, mode):
    """The negative of a stimulus gives the negative of its output."""
    stimulus = 0.5 * np.random.default_rng(3).standard_normal(3000)
    settings = TapeSettings(solver=solver, oversampling_mode=mode, oversampling=4)
    np.testing.assert_allclose(run(-stimulus, settings), -run(stimulus, settings), atol=1e-9)


def loop(bias):
    """Field and magnetisation over the second period of a sine at 0 dBFS, sampled finely and without filters."""
    n_samples = 16 * SAMPLE_RATE // 100
    field = np.sin(2 * np.pi * np.arange(2 * n_samples) / n_samples)
    tape = magnetics(TapeSettings(bias=bias))
    magnetisation = field.copy()
    hysteresis_runge_kutta(magnetisation, np.zeros(STATE_SIZE), tape.saturation, tape.shape, tape.reversible, 4)
    return field[n_samples:], magnetisation[n_samples:]


def test_loop_closes_and_loses_energy_with_little_bias_only():
    """The loop's area (the energy lost) is positive and falls with bias, and so does the remanence."""
    areas, remanences = [], []
    for bias in (0.0, 0.5, 1.0):
        field, magnetisation = loop(bias)
        areas.append(float(np.sum(0.5 * (field + np.roll(field, -1)) * (np.roll(magnetisation, -1) - magnetisation))))
        remanences.append(abs(magnetisation[len(field) // 2]) / magnetisation.max())
    assert areas[0] > areas[1] > areas[2] > 0.0
    assert remanences[0] > remanences[1] > remanences[2]
    assert remanences[2] < 0.01


@pytest.mark.parametrize(
    ("bias", "frequency_hz", "expected"), [(0.5, 100, 0.096), (0.5, 1000, 0.123), (0.0, 1000, 0.549)]
)
def test_remanence_with_the_hidden_bias_of_the_filters(bias, frequency_hz, expected):
    """Remanence over peak at 0 dBFS as measured on the plug-in, the 35 Hz high-pass undone; within 0.001."""
    stimulus = np.sin(2 * np.pi * frequency_hz * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    steady = run(stimulus, TapeSettings(bias=bias))[SAMPLE_RATE:]
    lines_hz = np.arange(frequency_hz, 20001, frequency_hz)
    high_pass = sosfreqz(butter(4, 35.0, "high", fs=SAMPLE_RATE, output="sos"), worN=lines_hz, fs=SAMPLE_RATE)[1]
    lines = np.fft.rfft(steady)[lines_hz] / high_pass * np.exp(2j * np.pi * lines_hz * 66.125 / SAMPLE_RATE)
    time_s = np.arange(1000) / 1000 / frequency_hz
    magnetisation = np.real(np.exp(2j * np.pi * np.outer(time_s, lines_hz)) @ lines)
    assert abs(magnetisation[0]) / abs(magnetisation).max() == pytest.approx(expected, abs=1e-3)


def test_a_field_beyond_all_bounds_is_caught():
    """Magnetisation stays finite where the Newton steps run away."""
    field = np.array([0.0, 1e300, -1e300, 1e308, 0.0])
    tape = magnetics(TapeSettings())
    for solve, options in ((hysteresis_newton, (1e-5, 4)), (hysteresis_runge_kutta, (4,))):
        samples = field.copy()
        solve(samples, np.zeros(STATE_SIZE), tape.saturation, tape.shape, tape.reversible, *options)
        assert np.isfinite(samples).all()
        assert abs(samples).max() <= 20.0
