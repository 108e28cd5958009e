"""Replay losses against their formulas and the plug-in; hiss and hum against their levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter, welch

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.devices.tape.loss import TAP_SCALE, LossFilter, head_bump, loss_response, loss_taps
from tapemeasure.devices.tape.noise import HUM_LINES, LEVEL_TOP_HZ, Noise, hiss_density_db, hiss_taps
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.units import amplitude_from_db, rms_dbfs

LOSSY = TapeSettings(loss=True, speed_ips=7.5, spacing_um=20.0, thickness_um=35.0, gap_um=6.0)


def test_spacing_loss_is_55_db_a_wavelength():
    """54.6 dB for a spacing of one wavelength, where thickness and gap are negligible."""
    wavelength_um = 7.5 * 25400.0 / 1000.0
    loss = loss_response(np.array([1000.0]), speed_ips=7.5, spacing_um=wavelength_um, thickness_um=1e-6, gap_um=1e-6)
    assert 20 * np.log10(loss[0]) == pytest.approx(-54.58, abs=0.01)


def test_gap_of_a_wavelength_reads_nothing():
    """The first null of the gap loss."""
    wavelength_um = 7.5 * 25400.0 / 10000.0
    loss = loss_response(np.array([10000.0]), speed_ips=7.5, spacing_um=0.0, thickness_um=1e-6, gap_um=wavelength_um)
    assert abs(loss[0]) < 1e-12


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000, 192000])
def test_taps_follow_gentle_losses(sample_rate):
    """Within 1 dB up to 3 kHz, the plug-in's factor taken off; symmetric about the delay."""
    gentle = TapeSettings(loss=True, speed_ips=7.5, spacing_um=1.0, thickness_um=4.0, gap_um=3.0)
    taps = loss_taps(gentle, sample_rate=sample_rate)
    reach = len(taps) // 2 - 1
    centre = len(taps) // 2
    np.testing.assert_allclose(taps[centre : centre + reach + 1], taps[centre - reach : centre + 1][::-1])
    frequencies = np.array([300.0, 1000.0, 2000.0, 3000.0])
    response = abs(freqz(taps / TAP_SCALE, worN=frequencies, fs=sample_rate)[1])
    expected = loss_response(frequencies, speed_ips=7.5, spacing_um=1.0, thickness_um=4.0, gap_um=3.0)
    np.testing.assert_allclose(20 * np.log10(response / expected), 0.0, atol=1.0)


def test_head_bump_peaks_where_the_model_says():
    """63.5 Hz with the gain 1.5 (1000 - |63.5 - 100|)/1000; none where that gain is below one."""
    bump = head_bump(LOSSY, sample_rate=44100)
    response = abs(freqz(bump[0, :3], bump[0, 3:], worN=[63.5, 2000.0], fs=44100)[1])
    assert response[0] == pytest.approx(1.5 * 0.9635, rel=1e-6)
    assert response[1] == pytest.approx(1.0, abs=1e-3)
    assert head_bump(LOSSY.model_copy(update={"gap_um": 0.5}), sample_rate=44100) is None


def test_filter_is_the_convolution():
    """Block by block, against scipy."""
    stimulus = np.random.default_rng(1).standard_normal(3000)
    part = LossFilter(LOSSY, 44100)
    found = np.concatenate([part.process(stimulus[:1]), part.process(stimulus[1:50]), part.process(stimulus[50:])])
    bump = head_bump(LOSSY, sample_rate=44100)[0]
    expected = lfilter(bump[:3], bump[3:], lfilter(loss_taps(LOSSY, sample_rate=44100), 1.0, stimulus))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_agrees_with_the_plug_in(chowtape_renders):
    """Tape and loss filter: ESR below -60 dB without any fit, only the host's whole samples removed."""
    stimulus = read_audio(chowtape_renders / "dry_noise.wav")[0][:, 0]
    expected = read_audio(chowtape_renders / "loss_noise_7p5ips_d20_th35_g6.wav")[0][:, 0]
    loss = LossFilter(LOSSY, 44100)
    removed = 68 + loss.latency_samples
    tape = Hysteresis(LOSSY, 44100).process(np.pad(stimulus, (0, removed)))
    found = amplitude_from_db(-6.0) * loss.process(tape)[removed:]
    assert 10 * np.log10(np.sum((found - expected) ** 2) / np.sum(expected**2)) < -60.0


def noise_of(seed=1, *, sample_rate=44100, channels=2, seconds=10, **changes):
    silence = np.zeros((seconds * sample_rate, channels))
    return TapeDevice(TapeSettings(oversampling=1, **changes), seed=seed).run(silence, sample_rate=sample_rate).samples


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000])
def test_hiss_has_its_level(sample_rate):
    """Rms below 22.05 kHz (or half the rate) within 0.15 dB, before and after the output gain alike."""
    noise = noise_of(sample_rate=sample_rate, hiss_dbfs=-66.0, output_gain_db=-20.0)
    frequencies, density = welch(noise, sample_rate, nperseg=8192, axis=0)
    inside = frequencies < LEVEL_TOP_HZ
    grid = np.linspace(0.0, min(LEVEL_TOP_HZ, sample_rate / 2), 20001)
    power = np.mean(10 ** (hiss_density_db(TapeSettings(hiss_dbfs=-66.0), grid) / 10)) * grid[-1]
    found = density[inside].sum(axis=0).mean() * frequencies[1]
    assert 10 * np.log10(found) == pytest.approx(10 * np.log10(power), abs=0.15)
    if sample_rate >= 44100:
        assert 10 * np.log10(power) == pytest.approx(-66.0, abs=0.01)


@pytest.mark.parametrize("shape", [None, ((100.0, 10.0), (1000.0, -5.0), (10000.0, 0.0))])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
def test_density_of_hiss_is_the_same_at_every_rate(sample_rate, shape):
    """The filter's response squared, as dBFS per hertz, is the curve within 0.2 dB from 60 Hz up."""
    settings = TapeSettings(hiss_dbfs=-60.0, hiss_shape_db=shape)
    frequencies = np.geomspace(60.0, 0.45 * sample_rate, 200)
    response = freqz(hiss_taps(settings, sample_rate=sample_rate), worN=frequencies, fs=sample_rate)[1]
    density_db = 20 * np.log10(abs(response)) - 10 * np.log10(sample_rate / 2)
    np.testing.assert_allclose(density_db, hiss_density_db(settings, frequencies), atol=0.2)


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=6))
def test_noise_does_not_depend_on_the_blocks(sizes):
    """Hiss and hum, bit for bit; and a gap is skipped without changing what follows."""
    settings = TapeSettings(hiss_dbfs=-60.0, hum_dbfs=-60.0)
    whole = Noise(settings, 8000, 2, np.random.default_rng(5)).block(0, 9000)
    part = Noise(settings, 8000, 2, np.random.default_rng(5))
    start = 0
    for size in sizes:
        n_samples = min(size, 9000 - start)
        assert np.array_equal(part.block(start, n_samples), whole[start : start + n_samples])
        start += n_samples
    if start <= 8900:
        assert np.array_equal(part.block(8900, 100), whole[8900:])


def test_hiss_is_seeded_and_independent_between_channels():
    """Equal seeds give equal hiss; channels and seeds are uncorrelated."""
    noise = noise_of(hiss_dbfs=-60.0)
    assert np.array_equal(noise, noise_of(hiss_dbfs=-60.0))
    other = noise_of(seed=2, hiss_dbfs=-60.0)
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[:, 0], other[:, 0])[0, 1]) < 0.02


def test_hiss_has_the_shape_of_the_recordings():
    """Within 1.5 dB from 3 kHz up; about 7 dB more at 600 Hz than at 10 kHz."""
    frequencies, density = welch(noise_of(channels=1, seconds=20, hiss_dbfs=-60.0)[:, 0], 44100, nperseg=4096)
    level = 10 * np.log10(
        [density[(frequencies > f / 1.2) & (frequencies < f * 1.2)].mean() for f in (600, 3000, 10000, 16000)]
    )
    assert np.ptp(level[1:]) < 1.5
    assert level[0] - level[2] == pytest.approx(7.0, abs=1.0)


def test_truth_tells_the_lines_of_the_hum():
    """Their powers add up to the level; only those below half the sample rate."""
    settings = TapeSettings(hum_dbfs=-50.0, hum_hz=1500.0, hiss_dbfs=-70.0)
    truth = Noise(settings, 8000, 1, np.random.default_rng(1)).truth()
    assert [line["frequency_hz"] for line in truth["hum"]] == [1500.0, 3000.0]
    assert 10 * np.log10(sum(10 ** (line["level_dbfs"] / 10) for line in truth["hum"])) == pytest.approx(-50.0)
    assert truth["hiss"] == {"level_below_22050hz_dbfs": -70.0}
    assert Noise(TapeSettings(), 8000, 1, np.random.default_rng(1)).truth() == {}


@pytest.mark.parametrize(("hum_hz", "sample_rate"), [(50.0, 44100), (60.0, 8000), (3000.0, 8000)])
def test_hum_has_its_level_and_lines(hum_hz, sample_rate):
    """Total rms within 0.05 dB, equal in both channels, nothing but multiples of the mains frequency."""
    noise = noise_of(sample_rate=sample_rate, seconds=4, hum_dbfs=-50.0, hum_hz=hum_hz)
    assert np.array_equal(noise[:, 0], noise[:, 1])
    assert rms_dbfs(noise) == pytest.approx(-50.0, abs=0.05)
    spectrum = abs(np.fft.rfft(noise[:, 0])) ** 2
    lines = [round(4 * hum_hz * multiple) for multiple, _ in HUM_LINES if hum_hz * multiple < sample_rate / 2]
    assert spectrum[lines].sum() / spectrum.sum() == pytest.approx(1.0, abs=1e-9)
