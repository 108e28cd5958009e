"""Faults of tape and heads against their own definitions and truths."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import welch

from tapemeasure.devices.tape.dropouts import Dropout, draw_dropouts, dropout_gain
from tapemeasure.devices.tape.faults import TapeFaults, modulation_corner_hz
from tapemeasure.devices.tape.print_through import pack_radius_m, print_response
from tapemeasure.devices.tape.speed import HUB_SHARE
from tapemeasure.params import TapeSettings

RATE = 8000
ALL = {
    "crosstalk_db": -40.0, "print_through_db": -50.0, "dropouts_per_minute": 120.0, "modulation_noise_db": -40.0,
    "reel_diameter_mm": 60.0,
}  # fmt: skip


def faulty(samples, *, seed=1, lead_samples=0, block_sizes=(1024,), sample_rate=RATE, **changes):
    """Samples after the faults, and the part; `lead_samples` of zeros go in first, the latency is taken off."""
    part = TapeFaults(
        TapeSettings(**changes),
        sample_rate,
        samples.shape[1],
        len(samples),
        np.random.default_rng(seed),
        lead_samples=lead_samples,
    )
    late = lead_samples + part.latency_samples
    padded = np.pad(samples, ((lead_samples, part.latency_samples), (0, 0)))
    parts, start = [], 0
    while start < len(padded):
        size = block_sizes[len(parts) % len(block_sizes)]
        parts.append(part.process(padded[start : start + size]))
        start += size
    return np.concatenate(parts)[late:], part


def noise_of(seconds=4.0, channels=2, seed=1):
    return np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))


def test_without_faults_nothing_happens():
    """The very same array comes back, the truth is empty."""
    part = TapeFaults(TapeSettings(), RATE, 2, 100, np.random.default_rng(1))
    block = noise_of(0.1)
    assert part.process(block) is block
    assert part.latency_samples == 0
    assert part.truth() == {}


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_blocks_do_not_matter(sizes):
    """All faults at once, bit for bit, however the signal is cut; the input blocks are left as they were."""
    noise = noise_of(1.5)
    before = noise.copy()
    whole, _ = faulty(noise, lead_samples=57, block_sizes=(len(noise) * 3,), **ALL)
    cut, _ = faulty(noise, lead_samples=57, block_sizes=sizes, **ALL)
    assert np.array_equal(whole, cut)
    assert np.array_equal(noise, before)


def test_print_through_outlasts_its_memory():
    """Bit for bit also where the signal is much longer than the turns of the reel that are kept."""
    noise = noise_of(9.0)
    settings = {"print_through_db": -30.0, "reel_diameter_mm": 60.0}
    whole, _ = faulty(noise, block_sizes=(len(noise) * 2,), **settings)
    cut, _ = faulty(noise, block_sizes=(1024, 700), **settings)
    assert np.array_equal(whole, cut)
    assert abs(whole - noise).max() > 0.03


def test_crosstalk_comes_from_the_neighbours():
    """The exact gain, both ways, and not from two tracks away."""
    one = np.zeros((50, 3))
    one[:, 0] = 1.0
    found, part = faulty(one, crosstalk_db=-40.0)
    np.testing.assert_allclose(found, np.tile([1.0, 0.01, 0.0], (50, 1)), rtol=1e-12)
    assert part.truth() == {"crosstalk_db": -40.0}
    assert np.array_equal(faulty(one[:, :1], crosstalk_db=-40.0)[0], one[:, :1])


def test_dropouts_are_where_the_truth_says():
    """Read as the gain of a constant signal: edges, depth and channel of every event, 1 everywhere else."""
    found, part = faulty(np.ones((20 * RATE, 2)), lead_samples=333, dropouts_per_minute=30.0)
    events = part.truth()["dropouts"]
    assert len(events) > 5
    expected = np.ones_like(found)
    time_s = np.arange(len(found)) / RATE
    for event in events:
        inside = (time_s > event["start_s"]) & (time_s < event["start_s"] + event["length_s"])
        expected[inside, event["channel"] - 1] *= dropout_gain(time_s[inside], Dropout(**event))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    alone = max(events, key=lambda event: event["length_s"])
    middle = round((alone["start_s"] + alone["length_s"] / 2) * RATE)
    assert -20 * math.log10(found[middle, alone["channel"] - 1]) == pytest.approx(alone["depth_db"], abs=0.01)


def test_dropout_has_smooth_edges():
    """1 with its slope 0 at both ends, `depth_db` down in the middle half, never in between more than a small step."""
    event = Dropout(start_s=1.0, length_s=0.02, depth_db=20.0, channel=1)
    gain = dropout_gain(np.linspace(0.995, 1.025, 3001), event)
    assert gain[0] == gain[-1] == 1.0
    assert gain.min() == pytest.approx(0.1)
    assert np.mean(gain < 0.1001) == pytest.approx(0.01 / 0.03, abs=0.02)
    assert abs(np.diff(gain)).max() < 1.5 * 0.9 / 500 * 1.01


def test_dropouts_have_their_rate_and_medians():
    """Poisson count within 4 standard deviations, medians of length and depth within 5 %."""
    settings = TapeSettings(dropouts_per_minute=60.0, dropout_length_ms=10.0, dropout_depth_db=8.0)
    events = draw_dropouts(settings, n_channels=2, duration_s=3600.0, generator=np.random.default_rng(3))
    assert len(events) == pytest.approx(7200, abs=4 * math.sqrt(7200))
    assert np.median([event.length_s for event in events]) == pytest.approx(0.010, rel=0.05)
    assert np.median([event.depth_db for event in events]) == pytest.approx(8.0, rel=0.05)
    starts = [event.start_s for event in events]
    assert starts == sorted(starts)
    assert starts[0] >= 0.0
    assert starts[-1] < 3600.0


def test_print_through_echoes_before_and_after():
    """A burst at the frequency that prints most has echoes of the level, one turn of the reel away on both sides."""
    burst = np.zeros((3 * RATE, 1))
    at = np.arange(400)
    strongest_hz = 7.5 * 0.0254 / (2 * np.pi * 35e-6)
    burst[RATE : RATE + 400, 0] = np.hanning(400) * np.sin(2 * np.pi * strongest_hz * at / RATE)
    found, part = faulty(burst, print_through_db=-30.0, reel_diameter_mm=50.0)
    truth = part.truth()["print_through"]
    assert truth["strongest_hz"] == pytest.approx(strongest_hz)
    assert truth["period_at_start_s"] == pytest.approx(math.pi * 0.05 / (7.5 * 0.0254), rel=1e-3)
    echoes = found - burst
    period = round(truth["period_at_start_s"] * RATE)
    source = burst[RATE : RATE + 400, 0]
    for start in (RATE - period, RATE + period):
        # the period shrinks a little as the reel empties
        correlation = np.correlate(echoes[start - 60 : start + 460, 0], source) / (source @ source)
        assert correlation.max() == pytest.approx(10 ** (-30 / 20), rel=0.03)
    near = np.zeros(len(echoes), dtype=bool)
    for start in (RATE - period, RATE + period):
        near[start - 200 : start + 700] = True
    assert abs(echoes[~near]).max() < 1e-3 * abs(echoes).max()


def test_print_response_is_largest_at_its_wavelength():
    """1 where the wavelength is 2 pi times the tape, 6 dB an octave below."""
    peak_hz = 7.5 * 0.0254 / (2 * np.pi * 35e-6)
    response = print_response(peak_hz * np.array([0.999, 1.0, 1.001]), speed_ips=7.5, tape_um=35.0)
    assert response[1] == pytest.approx(1.0)
    assert response[1] > max(response[0], response[2])
    low = print_response(peak_hz * np.array([0.001, 0.002]), speed_ips=7.5, tape_um=35.0)
    assert 20 * np.log10(low[1] / low[0]) == pytest.approx(6.02, abs=0.02)


def test_reel_empties_by_the_tape_that_left():
    """The pack's area falls by length times thickness, down to the hub."""
    settings = TapeSettings(speed_ips=7.5, reel_diameter_mm=180.0, tape_um=35.0)
    radius_m = pack_radius_m(np.array([0.0, 600.0, 1e6]), settings)
    assert radius_m[0] == pytest.approx(0.09)
    assert math.pi * (radius_m[0] ** 2 - radius_m[1] ** 2) == pytest.approx(600.0 * 0.1905 * 35e-6)
    assert radius_m[2] == pytest.approx(HUB_SHARE * 0.09)


def test_modulation_noise_has_its_level():
    """Noise against signal within 0.3 dB, for a loud tone and one 60 dB softer; independent on the channels."""
    time_s = np.arange(60 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000.0 * time_s)[:, np.newaxis] * [1.0, 0.001]
    found, _ = faulty(tone, modulation_noise_db=-40.0)
    added = found - tone
    for channel in range(2):
        ratio = np.mean(added[:, channel] ** 2) / np.mean(tone[:, channel] ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(-40.0, abs=0.3)
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.05
    assert not np.any(faulty(np.zeros((RATE, 1)), modulation_noise_db=-40.0)[0])


@pytest.mark.parametrize("sample_rate", [8000, 96000])
def test_modulation_noise_is_a_skirt_around_the_tone(sample_rate):
    """First-order skirt about the tone: half power one corner away, whatever the sample rate."""
    seconds = 30 if sample_rate == 8000 else 8
    tone = np.sin(2 * np.pi * 1500.0 * np.arange(seconds * sample_rate) / sample_rate)[:, np.newaxis]
    found, part = faulty(tone, sample_rate=sample_rate, modulation_noise_db=-30.0)
    corner_hz = modulation_corner_hz(TapeSettings())
    assert part.truth()["modulation_noise"]["corner_hz"] == pytest.approx(190.5)
    frequencies, density = welch((found - tone)[:, 0], sample_rate, nperseg=sample_rate // 40)
    near = np.interp(1500.0, frequencies, density)
    away = np.interp([1500.0 - corner_hz, 1500.0 + corner_hz], frequencies, density)
    np.testing.assert_allclose(10 * np.log10(away / near), -3.0, atol=1.0)
