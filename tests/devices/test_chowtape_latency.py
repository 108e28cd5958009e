"""Latency to a fraction of a sample, and the pilot that tells the plug-in's wow and flutter."""

import numpy as np
import pytest

from tapemeasure.devices.chowtape_latency import advance, measure_latency
from tapemeasure.devices.chowtape_pilot import pilot_delay, pilot_tone
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.devices.tape.loss import LossFilter
from tapemeasure.errors import DeviceError, NoMatchError
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db

SAMPLE_RATE = 44100


def fractional(samples, delay_samples):
    """Delay by any fraction through the Fourier transform; what runs over the end is cut."""
    padded = np.pad(samples, 4096)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(padded)) * delay_samples)
    return np.fft.irfft(np.fft.rfft(padded) * turn, len(padded))[4096:-4096]


@pytest.mark.parametrize("delay_samples", [-1.875, 0.0, 0.5, 17.25, 1000.125])
@pytest.mark.parametrize("gain", [1.0, -0.3])
def test_a_pure_delay_is_read_exactly(delay_samples, gain):
    """Any fraction, any polarity, rounded to float32."""
    found = measure_latency(
        lambda probe: (gain * fractional(probe, delay_samples)).astype(np.float32).astype(np.float64),
        sample_rate=SAMPLE_RATE,
    )
    assert found.samples == pytest.approx(delay_samples, abs=1e-3)
    assert found.phase_rms_rad < 1e-3


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
@pytest.mark.parametrize(
    "settings",
    [
        TapeSettings(),
        TapeSettings(oversampling_mode="minimum_phase"),
        TapeSettings(oversampling=2, oversampling_mode="minimum_phase", solver="NR4"),
        TapeSettings(oversampling=4, solver="RK2"),
    ],
)
def test_the_models_own_latency_is_found(settings, sample_rate):
    """Its filters' and the solver's, 0.07 oversampled samples; the 35 Hz high-pass is not part of it."""
    model = Hysteresis(settings, sample_rate)
    found = measure_latency(model.process, sample_rate=sample_rate)
    assert found.samples == pytest.approx(model.latency_samples + 0.07 / settings.oversampling, abs=0.02)


def test_losses_are_part_of_the_latency():
    """A linear-phase filter, and a head bump at 125 Hz that is none of it."""
    settings = TapeSettings(loss=True, spacing_um=20.0, thickness_um=35.0, gap_um=6.0)
    tape, head = Hysteresis(settings, SAMPLE_RATE), LossFilter(settings, SAMPLE_RATE)
    found = measure_latency(lambda probe: head.process(tape.process(probe)), sample_rate=SAMPLE_RATE)
    assert found.samples == pytest.approx(tape.latency_samples + head.latency_samples, abs=0.04)


@pytest.mark.parametrize("output", ["silence", "noise"])
def test_what_is_no_delay_is_refused(output):
    generator = np.random.default_rng(2)
    with pytest.raises(NoMatchError, match="silence" if output == "silence" else "phase"):
        measure_latency(
            lambda probe: np.zeros(len(probe)) if output == "silence" else generator.standard_normal(len(probe)),
            sample_rate=SAMPLE_RATE,
        )


def test_whole_samples_are_copied_and_fractions_are_read():
    """To -100 dB below 0.49 of the rate; whole numbers to the bit, zeros coming in at both ends."""
    generator = np.random.default_rng(4)
    samples = generator.standard_normal((4000, 2))
    assert np.array_equal(advance(samples, by_samples=3.0)[:-3], samples[3:])
    assert np.array_equal(advance(samples, by_samples=-3.0)[3:], samples[:-3])
    assert not advance(samples, by_samples=3.0)[-3:].any()
    assert not advance(samples, by_samples=5000.0).any()
    spectrum = np.fft.rfft(samples[:, 0])
    spectrum[round(0.98 * len(spectrum)) :] = 0.0
    band_limited = np.fft.irfft(spectrum)
    expected = np.fft.irfft(spectrum * np.exp(2j * np.pi * np.fft.rfftfreq(4000) * -1.875))
    inside = slice(600, -600)
    error = advance(band_limited[:, np.newaxis], by_samples=-1.875)[inside, 0] - expected[inside]
    assert 10.0 * np.log10(np.sum(error**2) / np.sum(expected[inside] ** 2)) < -100.0


@pytest.mark.parametrize("frequency_hz", [1000.0, 3150.0])
def test_pilot_against_a_closed_form(frequency_hz):
    """y(t) = x(t - d(t)) and the 15 Hz high-pass: d to 0.05 us, with its 20 or 60 whole turns."""
    from scipy.signal import butter, sosfilt

    n_samples = 2 * SAMPLE_RATE
    time_s = np.arange(n_samples) / SAMPLE_RATE
    delay_s = 0.02 + 3e-3 * np.sin(2.0 * np.pi * 1.1 * time_s) + 1e-4 * np.sin(2.0 * np.pi * 9.0 * time_s)
    still = pilot_tone(n_samples, sample_rate=SAMPLE_RATE, frequency_hz=frequency_hz)
    played = time_s - delay_s
    rise = np.sin(0.5 * np.pi * np.clip((played - 0.1) / 0.005, 0.0, 1.0)) ** 2
    moved = 0.1 * rise * np.sin(2.0 * np.pi * frequency_hz * played)
    output = sosfilt(butter(4, 15.0, "high", fs=SAMPLE_RATE, output="sos"), moved)
    first, found_s = pilot_delay(output, still, sample_rate=SAMPLE_RATE, frequency_hz=frequency_hz)
    assert first / SAMPLE_RATE == pytest.approx(0.1025 + delay_s[first], abs=0.001)
    settled = slice(2000, -1000)
    error_s = (found_s - delay_s[first:])[settled]
    assert np.max(np.abs(error_s)) < 0.05e-6


def test_a_pilot_that_did_not_come_back_is_told():
    still = pilot_tone(SAMPLE_RATE, sample_rate=SAMPLE_RATE, frequency_hz=1000.0)
    with pytest.raises(DeviceError, match="did not come back"):
        pilot_delay(np.zeros(SAMPLE_RATE), still, sample_rate=SAMPLE_RATE, frequency_hz=1000.0)


def test_the_pilot_of_the_real_render_tells_a_delay_in_the_plugins_range(chowtape_renders):
    """Flutter's base of 350 samples, wow of up to 2000 depth^3 = 844, 409 sqrt(depth^3 81/625) = 96 of flutter."""
    wet, _ = read_audio(chowtape_renders / "wf0_noise.wav")
    tone = 0.1 * np.sin(2.0 * np.pi * 1000.0 * np.arange(len(wet)) / SAMPLE_RATE)
    still = amplitude_from_db(-6.0) * Hysteresis(TapeSettings(), SAMPLE_RATE).process(np.pad(tone, (0, 68)))[68:]
    first, delay_s = pilot_delay(wet[:, 1], still, sample_rate=SAMPLE_RATE, frequency_hz=1000.0)
    assert first == pytest.approx(SAMPLE_RATE * delay_s[0], abs=5)
    delay_samples = SAMPLE_RATE * delay_s[441:-441]
    assert 350.0 - 96.0 <= delay_samples.min() < 450.0
    assert 1000.0 < delay_samples.max() <= 350.0 + 844.0 + 96.0
