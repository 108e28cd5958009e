"""Modulation noise, dropouts, crosstalk, azimuth and print-through of what a machine played."""

import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.azimuth import measure_azimuth
from tapemeasure.analysis.crosstalk import measure_crosstalk
from tapemeasure.analysis.demodulation import demodulate_tone, tone_frequency_hz, tone_trajectory
from tapemeasure.analysis.dropouts import measure_dropouts
from tapemeasure.analysis.modulation_noise import measure_modulation_noise
from tapemeasure.analysis.print_through import measure_print_through
from tapemeasure.errors import MismatchError, ParameterError, SignalError

RATE = 44100
TONE_HZ = 3150.0


def tone(seconds: float, *, frequency_hz: float = TONE_HZ, delay_s: np.ndarray | float = 0.0) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 0.2 * np.sin(2 * np.pi * frequency_hz * (time_s - delay_s))


def noise(seconds: float, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def wow(seconds: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 1e-4 * np.sin(2 * np.pi * 2.0 * time_s) + 3e-6 * np.sin(2 * np.pi * 40.0 * time_s)


def test_a_pure_tone_is_demodulated_exactly() -> None:
    found = demodulate_tone(tone(1.0), sample_rate=RATE, frequency_hz=TONE_HZ)
    # 80 dB of stop band
    np.testing.assert_allclose(np.abs(found.inner()), 0.2, rtol=3e-4)
    np.testing.assert_allclose(np.angle(found.inner()), -np.pi / 2, atol=3e-4)
    assert len(found.amplitude) == pytest.approx(found.rate_hz, abs=2)


def test_the_phase_tells_the_delay() -> None:
    delay_s = wow(3.0)
    found = tone_trajectory(tone(3.0, delay_s=delay_s), sample_rate=RATE)
    truth = np.interp(found.time_s, np.arange(len(delay_s)) / RATE, delay_s)
    error = found.delay_s - truth
    assert np.std(error - np.mean(error)) < 1e-8
    assert found.valid.all()


def test_a_tone_is_found_ten_per_cent_off_and_not_further() -> None:
    assert tone_frequency_hz(tone(1.0, frequency_hz=3400.0), sample_rate=RATE, nominal_hz=3150.0) == pytest.approx(
        3400.0, abs=0.5
    )
    with pytest.raises(SignalError, match="3700"):
        tone_frequency_hz(tone(1.0, frequency_hz=3700.0), sample_rate=RATE, nominal_hz=3150.0)
    with pytest.raises(SignalError, match="spread"):
        tone_frequency_hz(noise(1.0), sample_rate=RATE, nominal_hz=3150.0)
    with pytest.raises(SignalError, match="silent"):
        tone_frequency_hz(np.zeros(RATE), sample_rate=RATE, nominal_hz=3150.0)
    with pytest.raises(SignalError, match="too short"):
        demodulate_tone(tone(0.005), sample_rate=RATE, frequency_hz=TONE_HZ)
    with pytest.raises(SignalError, match="does not fit"):
        demodulate_tone(tone(1.0), sample_rate=RATE, frequency_hz=30000.0)


def modulated(seconds: float, *, level_db: float, corner_hz: float, seed: int) -> np.ndarray:
    decay = np.exp(-2 * np.pi * corner_hz / RATE)
    process = signal.lfilter([np.sqrt(1 - decay**2)], [1.0, -decay], noise(seconds + 0.5, seed=seed))[RATE // 2 :]
    return tone(seconds, delay_s=wow(seconds)) * (1.0 + 10 ** (level_db / 20) * process)


def test_modulation_noise_is_read_through_wow_and_hiss() -> None:
    errors = []
    for seed in range(8):
        hiss = 10 ** (-62 / 20) * noise(9.0, seed=100 + seed)
        samples = modulated(6.0, level_db=-45.0, corner_hz=190.0, seed=seed) + hiss[: 6 * RATE]
        found = measure_modulation_noise(samples, sample_rate=RATE, frequency_hz=TONE_HZ, silence=hiss[6 * RATE :])
        inside = 2 / np.pi * (np.arctan(found.high_hz / 190.0) - np.arctan(found.low_hz / 190.0))
        errors.append((found.level_db + 45.0 - 10 * np.log10(inside)) / found.sigma_db)
        assert found.sigma_db < 0.3
        assert found.additive_db is not None
    assert np.abs(errors).max() < 3.5


def test_a_steady_tone_in_hiss_has_no_modulation_noise() -> None:
    hiss = 10 ** (-60 / 20) * noise(6.0)
    found = measure_modulation_noise(
        tone(4.0, delay_s=wow(4.0)) + hiss[: 4 * RATE], sample_rate=RATE, frequency_hz=TONE_HZ, silence=hiss[4 * RATE :]
    )
    assert np.isnan(found.level_db) or found.level_db < -55.0
    with pytest.raises(SignalError, match="silent"):
        measure_modulation_noise(np.zeros(RATE), sample_rate=RATE, frequency_hz=TONE_HZ)


def test_dropouts_have_their_place_depth_and_length() -> None:
    samples = tone(4.0, delay_s=wow(4.0)) + 1e-4 * noise(4.0)
    for start_s, length_s, depth_db in ((0.8, 0.02, 12.0), (1.7, 0.05, 20.0), (3.1, 0.01, 8.0), (3.5, 0.02, 3.0)):
        edge = signal.windows.tukey(round(length_s * RATE), 0.5)
        samples[round(start_s * RATE) :][: len(edge)] *= 1.0 - (1.0 - 10 ** (-depth_db / 20)) * edge
    found = measure_dropouts(samples, sample_rate=RATE, frequency_hz=TONE_HZ)
    # 3 dB is no dropout; the others have soft edges of a quarter of their length
    assert [event.start_s for event in found.events] == pytest.approx([0.8, 1.7, 3.1], abs=8e-3)
    assert [event.length_s for event in found.events] == pytest.approx([0.0139, 0.0366, 0.0063], abs=1e-3)
    assert [event.depth_db for event in found.events] == pytest.approx([12.0, 20.0, 8.0], abs=0.7)
    assert found.per_minute == pytest.approx(45.0, rel=0.02)
    assert found.deepest_db == max(event.depth_db for event in found.events)
    assert measure_dropouts(tone(2.0), sample_rate=RATE, frequency_hz=TONE_HZ).events == ()
    with pytest.raises(ParameterError, match="threshold"):
        measure_dropouts(tone(2.0), sample_rate=RATE, frequency_hz=TONE_HZ, threshold_db=0.0)


def test_crosstalk_is_read_below_the_noise_within_its_uncertainty() -> None:
    errors = []
    for seed in range(30):
        driven = 0.1 * noise(2.0, seed=seed)
        other = 10 ** (-45 / 20) * driven + 10 ** (-60 / 20) * noise(2.0, seed=500 + seed)
        found = measure_crosstalk(driven, other, sample_rate=RATE)
        errors.append((found.overall_db + 45.0) / found.overall_sigma_db)
        # the leak is 5 dB below the noise of the other track
        assert found.overall_sigma_db < 0.5
    assert np.sum(np.abs(errors) > 2.0) <= 4
    assert np.std(errors) > 0.4


def test_crosstalk_of_a_tone_stands_in_its_own_band() -> None:
    driven = tone(2.0, frequency_hz=1000.0, delay_s=wow(2.0))
    other = -0.01 * driven + 1e-4 * noise(2.0)
    found = measure_crosstalk(driven, other, sample_rate=RATE)
    known = np.isfinite(found.crosstalk_db)
    assert found.frequency_hz[known].tolist() == [1000.0]
    assert found.crosstalk_db[known][0] == pytest.approx(-40.0, abs=0.1)
    assert np.isnan(measure_crosstalk(driven, 1e-3 * noise(2.0), sample_rate=RATE).overall_db)
    with pytest.raises(SignalError, match="driven"):
        measure_crosstalk(np.zeros(RATE), driven[:RATE], sample_rate=RATE)
    with pytest.raises(MismatchError, match="samples"):
        measure_crosstalk(driven, driven[:-1], sample_rate=RATE)
    with pytest.raises(SignalError, match=r"0\.5 s"):
        measure_crosstalk(driven[:1000], driven[:1000], sample_rate=RATE)


@pytest.mark.parametrize("kind", ["noise", "tone"])
def test_azimuth_is_the_delay_between_the_tracks(kind: str) -> None:
    seconds = 8.0
    time_s = np.arange(round(seconds * RATE)) / RATE
    skew_s = 20e-6 + 5e-6 * np.sin(2 * np.pi * 1.5 * time_s)
    if kind == "tone":
        first, second = tone(seconds), tone(seconds, delay_s=skew_s)
    else:
        # a sum of sines can be delayed exactly
        rng = np.random.default_rng(1)
        phases = 2 * np.pi * np.outer(np.linspace(300.0, 8000.0, 60), time_s) + rng.uniform(0, 2 * np.pi, 60)[:, None]
        first = 0.02 * np.sin(phases).sum(axis=0)
        second = 0.02 * np.sin(phases - 2 * np.pi * np.linspace(300.0, 8000.0, 60)[:, None] * skew_s).sum(axis=0)
    hiss = 1e-4 * noise(2 * seconds)
    first, second = first + hiss[: len(time_s)], second + hiss[len(time_s) :]
    found = measure_azimuth(first, second, sample_rate=RATE, speed_ips=7.5, track_distance_mm=3.8)
    assert found.static_us == pytest.approx(20.0, abs=0.2)
    assert found.dynamic_us == pytest.approx(5.0 / np.sqrt(2), rel=0.03)
    assert found.dynamic_peak_to_peak_us == pytest.approx(10.0, rel=0.1)
    assert found.static_urad == pytest.approx(20e-6 * 0.1905 / 3.8e-3 * 1e6, rel=0.02)
    leak = 10 ** (-30 / 20)
    mixed = measure_azimuth(first + leak * second, second + leak * first, sample_rate=RATE, crosstalk_db=-30.0)
    assert mixed.static_us == pytest.approx(found.static_us, abs=0.05)


def test_azimuth_refuses_what_has_nothing_in_common() -> None:
    with pytest.raises(SignalError, match="in common"):
        measure_azimuth(noise(2.0), noise(2.0, seed=2), sample_rate=RATE)
    with pytest.raises(SignalError, match="in common"):
        measure_azimuth(noise(2.0), np.zeros(2 * RATE), sample_rate=RATE)
    with pytest.raises(SignalError, match=r"0\.25 s"):
        measure_azimuth(noise(0.1), noise(0.1), sample_rate=RATE)
    with pytest.raises(MismatchError, match="samples"):
        measure_azimuth(noise(1.0), noise(2.0), sample_rate=RATE)
    with pytest.raises(ParameterError, match="speed_ips"):
        measure_azimuth(noise(1.0), noise(1.0), sample_rate=RATE, speed_ips=0.0, track_distance_mm=3.8)


def test_print_through_before_and_after_a_burst() -> None:
    output = 1e-5 * noise(8.0)
    burst = tone(0.5, frequency_hz=1000.0)
    for start_s, level_db in ((3.5, 0.0), (1.1, -56.0), (5.95, -50.0)):
        output[round(start_s * RATE) :][: len(burst)] += 10 ** (level_db / 20) * burst
    times = {"start_s": 3.5, "stop_s": 4.0, "silent_from_s": 0.0, "silent_until_s": 8.0}
    found = measure_print_through(output, sample_rate=RATE, **times)
    assert found.before is not None
    assert found.after is not None
    assert found.before.distance_s == pytest.approx(2.4, abs=1e-3)
    assert found.after.distance_s == pytest.approx(2.45, abs=1e-3)
    assert found.before.level_db == pytest.approx(-56.0, abs=0.3)
    assert found.after.level_db == pytest.approx(-50.0, abs=0.3)
    clean = 1e-5 * noise(8.0)
    clean[round(3.5 * RATE) :][: len(burst)] += burst
    nothing = measure_print_through(clean, sample_rate=RATE, **times)
    assert nothing.after is not None
    assert np.isnan(nothing.after.level_db)
    assert nothing.after.floor_db < -60.0
    assert measure_print_through(clean, sample_rate=RATE, **{**times, "silent_from_s": 3.5}).before is None
    with pytest.raises(ParameterError, match="within"):
        measure_print_through(clean, sample_rate=RATE, **{**times, "silent_from_s": 3.6})
    with pytest.raises(SignalError, match="silent in the output"):
        measure_print_through(np.zeros(8 * RATE), sample_rate=RATE, **times)
