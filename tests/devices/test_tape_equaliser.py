"""Equalisation against the closed forms of the standards, at every sample rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import freqz, sosfilt, sosfreqz

from tapemeasure.devices.tape.equaliser import (
    BOOST_TOP_HZ,
    RecordEqualiser,
    ReplayEqualiser,
    boost_taps,
)
from tapemeasure.devices.tape.filters import StreamingFir, curve_db, filter_length, grid_hz, minimum_phase_taps
from tapemeasure.devices.tape.flux import flux_db, flux_sections, inverse_sections
from tapemeasure.devices.tape.loss import TAP_SCALE, loss_taps
from tapemeasure.errors import ParameterError
from tapemeasure.params import TapeSettings
from tapemeasure.params.tape import TIME_CONSTANTS_US, time_constants_us

STANDARDS = [(name, speed_ips) for name, speeds in TIME_CONSTANTS_US.items() for speed_ips in speeds]
SHAPE = ((40.0, -3.0), (100.0, 1.0), (1000.0, 0.0), (6000.0, 2.0), (15000.0, -4.0))


def test_flux_at_its_corners():
    """3.01 dB at each corner frequency, 1 / (2 pi t), where the other one is far away."""
    corner_hz = 1e6 / (2 * np.pi * 3180.0)
    assert flux_db(np.array([corner_hz]), bass_us=3180.0, treble_us=0.001)[0] == pytest.approx(3.0103, abs=1e-4)
    corner_hz = 1e6 / (2 * np.pi * 35.0)
    assert flux_db(np.array([corner_hz]), bass_us=None, treble_us=35.0)[0] == pytest.approx(-3.0103, abs=1e-4)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize(("standard", "speed_ips"), STANDARDS)
def test_sections_follow_the_standard(standard, speed_ips, sample_rate):
    """Within 0.05 dB from 20 Hz to 0.4 of the sample rate; zeros and poles inside the unit circle."""
    bass_us, treble_us = time_constants_us(standard, speed_ips=speed_ips)
    sections = flux_sections(bass_us=bass_us, treble_us=treble_us, sample_rate=sample_rate)
    frequencies = np.geomspace(20.0, 0.4 * sample_rate, 300)
    expected_db = flux_db(frequencies, bass_us=bass_us, treble_us=treble_us)
    expected_db -= flux_db(np.array([1000.0]), bass_us=bass_us, treble_us=treble_us)
    found_db = 20 * np.log10(abs(sosfreqz(sections, frequencies, fs=sample_rate)[1]))
    np.testing.assert_allclose(found_db, expected_db, atol=0.05)
    for row in sections:
        assert np.all(abs(np.roots(row[:3])) < 1.0)
        assert np.all(abs(np.roots(row[3:])) < 1.0)


def test_replay_undoes_record():
    """To rounding, for a signal from 0 Hz to half the sample rate."""
    sections = flux_sections(bass_us=3180.0, treble_us=50.0, sample_rate=44100)
    noise = np.random.default_rng(1).standard_normal(5000)
    back = sosfilt(inverse_sections(sections), sosfilt(sections.copy(), noise))
    np.testing.assert_allclose(back, noise, atol=1e-10)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
@pytest.mark.parametrize(("standard", "speed_ips"), STANDARDS)
def test_parts_undo_each_other(standard, speed_ips, sample_rate):
    """Record and replay amplifier in series pass a signal of two channels without latency."""
    settings = TapeSettings(equalisation=standard, speed_ips=speed_ips)
    record = RecordEqualiser(settings, sample_rate, 2)
    replay = ReplayEqualiser(settings, sample_rate, 2)
    noise = np.random.default_rng(2).standard_normal((3000, 2))
    np.testing.assert_allclose(replay.process(record.process(noise)), noise, atol=1e-9)
    assert record.latency_samples == replay.latency_samples == 0


def test_without_equalisation_nothing_happens():
    """The very same array comes back."""
    block = np.ones((10, 1))
    for part in (RecordEqualiser(TapeSettings(), 44100, 1), ReplayEqualiser(TapeSettings(), 44100, 1)):
        assert part.process(block) is block
        assert part.latency_samples == 0


@pytest.mark.parametrize(("standard", "speed_ips"), [("nab", 9.5), ("iec", 30.0), ("iec_type_ii", 7.5)])
def test_other_speeds_are_refused(standard, speed_ips):
    """The message names the speeds that the standard has, from the settings and from the parts."""
    with pytest.raises(ValidationError, match=r"choose one of .*1\.875 in/s"):
        TapeSettings(equalisation=standard, speed_ips=speed_ips)
    unchecked = TapeSettings().model_copy(update={"equalisation": standard, "speed_ips": speed_ips})
    with pytest.raises(ParameterError, match=f"speed_ips {speed_ips:g}"):
        RecordEqualiser(unchecked, 44100, 1)


def test_boost_makes_up_for_the_losses():
    """Within 0.3 dB below the limit, level at the limit; symmetric about its delay."""
    settings = TapeSettings(
        loss=True, speed_ips=7.5, spacing_um=0.5, thickness_um=10.0, gap_um=3.0, record_boost_db=9.0
    )
    taps = boost_taps(settings, sample_rate=44100)
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)
    frequencies = np.array([100.0, 1000.0, 3000.0, 5000.0, 7000.0])
    loss = freqz(loss_taps(settings, sample_rate=44100) / TAP_SCALE, worN=frequencies, fs=44100)[1]
    boost = freqz(taps, worN=frequencies, fs=44100)[1]
    np.testing.assert_allclose(20 * np.log10(abs(loss * boost)), 0.0, atol=0.3)
    top = freqz(taps, worN=[15000.0, 18000.0, 21000.0], fs=44100)[1]
    np.testing.assert_allclose(20 * np.log10(abs(top)), 9.0, atol=0.1)


def test_boost_ends_at_the_top_of_hearing():
    """At 192 kHz no more gain above 20 kHz than there."""
    settings = TapeSettings(
        loss=True, speed_ips=15.0, spacing_um=0.2, thickness_um=5.0, gap_um=2.0, record_boost_db=40.0
    )
    taps = boost_taps(settings, sample_rate=192000)
    at_top, above = abs(freqz(taps, worN=[BOOST_TOP_HZ, 60000.0], fs=192000)[1])
    assert 20 * np.log10(above / at_top) == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
def test_shape_follows_its_points(sample_rate):
    """Within 0.2 dB from 50 Hz to 0.4 of the rate, held beyond the ends; the chain's latency is the frames'."""
    settings = TapeSettings(response_shape_db=SHAPE)
    part = ReplayEqualiser(settings, sample_rate, 1)
    n_samples = 8 * part.latency_samples
    response = part.process(np.eye(n_samples, 1))[part.latency_samples :, 0]
    frequencies = np.geomspace(50.0, 0.4 * sample_rate, 100)
    found_db = 20 * np.log10(abs(freqz(response, worN=frequencies, fs=sample_rate)[1]))
    np.testing.assert_allclose(found_db, curve_db(SHAPE, frequencies), atol=0.2)


def test_shape_has_minimum_phase():
    """A first-order low-pass comes out as its own impulse response, which has minimum phase."""
    n_taps = filter_length(sample_rate=8000)
    angular = 2 * np.pi * grid_hz(n_taps=n_taps, sample_rate=8000) / 8000
    taps = minimum_phase_taps(abs(1.0 / (1.0 - 0.8 * np.exp(-1j * angular))))
    np.testing.assert_allclose(taps[:100], 0.8 ** np.arange(100), atol=1e-9)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_blocks_do_not_matter(sizes):
    """Bit for bit, however the signal is cut."""
    settings = TapeSettings(equalisation="nab", response_shape_db=SHAPE)
    noise = np.random.default_rng(3).standard_normal((3000, 2))
    whole = ReplayEqualiser(settings, 8000, 2).process(RecordEqualiser(settings, 8000, 2).process(noise))
    record, replay = RecordEqualiser(settings, 8000, 2), ReplayEqualiser(settings, 8000, 2)
    parts, start = [], 0
    while start < len(noise):
        size = sizes[len(parts) % len(sizes)]
        parts.append(replay.process(record.process(noise[start : start + size])))
        start += size
    assert np.array_equal(np.concatenate(parts), whole)


def test_streaming_is_the_convolution():
    """Against numpy, and it leaves silence silent."""
    taps = np.random.default_rng(4).standard_normal(100)
    noise = np.random.default_rng(5).standard_normal((1000, 2))
    fir = StreamingFir(taps, 2)
    assert fir.latency_samples == 128
    found = fir.process(np.concatenate((noise, np.zeros((128, 2)))))[128:]
    expected = np.stack([np.convolve(column, taps)[:1000] for column in noise.T], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not np.any(StreamingFir(taps, 1).process(np.zeros((1000, 1))))


def test_curves_must_rise():
    """Points that go back in frequency are refused with their frequencies."""
    with pytest.raises(ValidationError, match="50 Hz follows the one at 100 Hz"):
        TapeSettings(response_shape_db=((100.0, 0.0), (50.0, 1.0)))


@pytest.mark.parametrize("sample_rate", [8000, 44100, 192000])
def test_phase_follows_its_points(sample_rate):
    """A lead of 15 degrees within 1 degree from 100 Hz to 0.4 of the rate; levels stay as they were within 0.2 dB."""
    settings = TapeSettings(response_phase_deg=((20.0, 15.0), (90000.0, 15.0)))
    part = ReplayEqualiser(settings, sample_rate, 1)
    n_samples = 4 * part.latency_samples
    late = part.latency_samples
    impulse = np.zeros((n_samples, 1))
    impulse[n_samples // 4] = 1.0
    found = part.process(np.pad(impulse, ((0, late), (0, 0))))[late:, 0]
    frequencies = np.geomspace(100.0, 0.4 * sample_rate, 60)
    response = freqz(found, worN=frequencies, fs=sample_rate)[1]
    response *= np.exp(2j * np.pi * frequencies / sample_rate * (n_samples // 4))
    np.testing.assert_allclose(np.degrees(np.angle(response)), 15.0, atol=1.0)
    np.testing.assert_allclose(20 * np.log10(abs(response)), 0.0, atol=0.2)
