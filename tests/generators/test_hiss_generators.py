"""Generators of hiss: noise with a known spectrum, coherence and hum must come back; what is no hiss is cut out."""

import numpy as np
import pytest

from tapemeasure.errors import SignalError, TrainingError
from tapemeasure.generators.compare_hiss import compare_hiss
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.hiss_cleaning import clean_hiss
from tapemeasure.generators.store import load_hiss_generator, save_hiss_generator

SAMPLE_RATE = 44100


def machine_hiss(seed, *, duration_s=8.0, hum=1e-3):
    """Two channels of coloured noise that share a part, and a hum of 50 and 150 Hz with a phase of its own."""
    from scipy.signal import lfilter

    generator = np.random.default_rng(seed)
    n = round(duration_s * SAMPLE_RATE)
    own, common = generator.standard_normal((n, 2)), generator.standard_normal((n, 1))
    noise = 3e-4 * lfilter([1.0], [1.0, -0.6], own + 0.5 * common, axis=0)
    phase = 2.0 * np.pi * (50.02 * np.arange(n) / SAMPLE_RATE + generator.uniform())
    return noise + hum * np.stack([np.cos(phase) + 0.3 * np.cos(3.0 * phase), 0.5 * np.cos(phase)], axis=1)


def test_levels_spectrum_coherence_and_hum_come_back():
    model = fit_hiss([machine_hiss(1), machine_hiss(2)], sample_rate=SAMPLE_RATE)
    assert [line.frequency_hz for line in model.hum] == pytest.approx([50.02, 150.06], rel=1e-3)
    assert np.abs(model.hum[0].amplitudes) == pytest.approx([1e-3, 5e-4], rel=0.02)
    stream = model.stream(np.random.default_rng(3))
    played = stream.read(10 * SAMPLE_RATE) + stream.read_hum(10 * SAMPLE_RATE)
    found = compare_hiss([played], [machine_hiss(seed) for seed in (5, 6)], sample_rate=SAMPLE_RATE)
    assert found.worst_band_db < 1.0
    # a third octave of 26 s is known to 0.5 dB at 50 Hz and 0.05 dB at 10 kHz
    assert np.all(np.abs(found.band_db) < 4.0 * np.asarray(found.band_sigma_db) + 0.1)
    assert abs(found.a_level_db) < 0.1
    assert abs(found.itu468_level_db) < 0.1
    assert np.max(np.abs(found.kurtosis_difference)) < 0.1
    assert np.max(np.abs(found.coherence_difference)) < 0.02


def test_noise_without_hum_has_none():
    model = fit_hiss([machine_hiss(1, hum=0.0)], sample_rate=SAMPLE_RATE)
    stream = model.stream(np.random.default_rng(1))
    assert np.std(stream.read_hum(SAMPLE_RATE)) < 0.01 * np.std(stream.read(SAMPLE_RATE))


def test_stream_does_not_depend_on_the_blocks():
    model = fit_hiss([machine_hiss(1)], sample_rate=SAMPLE_RATE)
    whole = model.stream(np.random.default_rng(2)).read(50000)
    stream = model.stream(np.random.default_rng(2))
    np.testing.assert_array_equal(np.concatenate([stream.read(n) for n in (1, 63, 20000, 29936)]), whole)


def test_saved_hiss_plays_the_same(tmp_path):
    model = fit_hiss([machine_hiss(1)], sample_rate=SAMPLE_RATE)
    save_hiss_generator(model, tmp_path / "hiss.safetensors")
    again, _ = load_hiss_generator(tmp_path / "hiss.safetensors")
    ours, theirs = (one.stream(np.random.default_rng(1)) for one in (model, again))
    np.testing.assert_array_equal(ours.read(900), theirs.read(900))
    np.testing.assert_array_equal(ours.read_hum(900), theirs.read_hum(900))


def test_a_generator_of_delay_is_no_generator_of_hiss(tmp_path):
    from tapemeasure.generators.drift import Drift
    from tapemeasure.generators.sinusoids import SinusoidDelay
    from tapemeasure.generators.store import save_delay_generator

    save_delay_generator(SinusoidDelay((), np.ones(4), Drift(0.0, 0.0, 1.0), 100.0, 0.0), tmp_path / "x.safetensors")
    with pytest.raises(TrainingError, match="delay generator"):
        load_hiss_generator(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("stretches", "message"),
    [
        ([np.zeros((SAMPLE_RATE, 2))], "no hiss of a machine"),
        ([machine_hiss(1, duration_s=0.3)], "0.5 s are needed"),
        ([machine_hiss(1), machine_hiss(1)[:, :1]], "different numbers of channels"),
    ],
)
def test_what_cannot_be_learned_from_is_told(stretches, message):
    with pytest.raises(SignalError, match=message):
        fit_hiss(stretches, sample_rate=SAMPLE_RATE)


def test_clicks_speech_and_digital_zeros_are_cut_out():
    samples = machine_hiss(1, hum=0.0)[:, 0]
    samples[2 * SAMPLE_RATE] += 0.1
    speech = slice(4 * SAMPLE_RATE, 4 * SAMPLE_RATE + 9000)
    samples[speech] += 0.01 * np.sin(np.arange(9000) * 0.1)
    samples[6 * SAMPLE_RATE : 6 * SAMPLE_RATE + 4410] = 0.0
    found = clean_hiss([samples], sample_rate=SAMPLE_RATE)
    assert found.loud_s == pytest.approx(2 * 0.12 + 9000 / SAMPLE_RATE, abs=0.05)
    assert found.digital_zero_s == pytest.approx(0.1, abs=0.005)
    assert found.kept_s == pytest.approx(8.0 - found.loud_s - found.digital_zero_s, abs=1e-3)
    clean = compare_hiss(found.stretches, [machine_hiss(2, hum=0.0)[:, 0]], sample_rate=SAMPLE_RATE)
    assert clean.worst_band_db < 1.0
    assert np.max(np.abs(clean.kurtosis_difference)) < 0.1


def test_a_leaking_pilot_is_taken_off():
    samples = machine_hiss(1, hum=0.0)[:, 0]
    pilot = np.zeros(len(samples))
    pilot[::441] = 0.4
    leaking = samples + 0.01 * np.roll(pilot, 3)
    found = clean_hiss([leaking], sample_rate=SAMPLE_RATE, pilots=[pilot])
    assert found.loud_s == 0.0
    # 800 pulses know each tap to 1 / sqrt(800) of the noise; seven times that, as the lowest 1250 Hz are only continued
    np.testing.assert_allclose(found.stretches[0][:, 0], samples, rtol=0.0, atol=0.25 * np.std(samples))
    assert found.pilot_leak_db == pytest.approx(
        10.0 * np.log10(np.mean((0.01 * pilot) ** 2) / np.mean(samples**2)), abs=0.3
    )


def test_hum_in_both_tracks_is_no_leak():
    """The pilot's lines must not come into the hiss because the tracks hum alike; the hum itself stays."""
    clean = machine_hiss(1, hum=2e-3)[:, 0]
    n = len(clean)
    pilot = machine_hiss(2, hum=0.0)[:, 0] + clean - machine_hiss(1, hum=0.0)[:, 0]
    pilot[::441] += 0.4
    cuts = [slice(0, n // 3), slice(n // 3, n)]
    leaking = clean + 0.006 * pilot
    found = clean_hiss([leaking[cut] for cut in cuts], sample_rate=SAMPLE_RATE, pilots=[pilot[cut] for cut in cuts])
    rest = np.concatenate([stretch[:, 0] for stretch in found.stretches]) - clean
    window = np.hanning(n)
    at = [round(hz * n / SAMPLE_RATE) for hz in range(100, 1001, 100)]
    left, leak = (np.abs(np.fft.rfft(samples * window))[at] for samples in (rest, 0.006 * pilot))
    assert np.linalg.norm(left) < 0.5 * np.linalg.norm(leak)


def test_silence_without_hiss_is_told():
    with pytest.raises(SignalError, match="digital zeros"):
        clean_hiss([np.zeros(SAMPLE_RATE)], sample_rate=SAMPLE_RATE)


def test_hiss_compared_with_itself_is_the_same():
    samples = machine_hiss(1)
    found = compare_hiss([samples], [samples], sample_rate=SAMPLE_RATE)
    assert found.worst_band_db == 0.0
    assert found.kurtosis_difference == (0.0, 0.0, 0.0)
    louder = compare_hiss([2.0 * samples], [samples], sample_rate=SAMPLE_RATE)
    assert louder.level_db == pytest.approx(20.0 * np.log10(2.0))


def test_comparisons_that_cannot_be_made_are_told():
    samples = machine_hiss(1)
    with pytest.raises(SignalError, match="compare equal numbers"):
        compare_hiss([samples], [samples[:, 0]], sample_rate=SAMPLE_RATE)
    with pytest.raises(SignalError, match="no stretch"):
        compare_hiss([samples[:100]], [samples], sample_rate=SAMPLE_RATE)
