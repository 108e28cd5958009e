import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.noise import measure_noise, signal_to_noise
from tapemeasure.errors import SignalError
from tapemeasure.io import read_audio

RATE = 44100


def hiss(level_dbfs: float, seconds: float, seed: int = 1) -> np.ndarray:
    return 10 ** (level_dbfs / 20) * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def hum(frequency_hz: float, level_dbfs: float, seconds: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return np.sqrt(2.0) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s + 1.0)


def test_white_noise_reads_its_level_within_a_tenth_of_a_decibel() -> None:
    noise = measure_noise([hiss(-66.0, 2.0)], sample_rate=RATE)
    assert noise.level_dbfs == pytest.approx(-66.0, abs=0.1)
    above = 10 * np.log10(1 - 200.0 / (RATE / 2))
    assert noise.level_above_200hz_dbfs == pytest.approx(-66.0 + above, abs=0.1)
    assert noise.density_dbfs_per_hz[100:-100].mean() == pytest.approx(-66.0 - 10 * np.log10(RATE / 2), abs=0.3)
    assert noise.hum_50hz_dbfs is None
    assert noise.hum_60hz_dbfs is None
    assert noise.hum_lines == ()
    assert noise.duration_s == pytest.approx(2.0)


@pytest.mark.parametrize("sample_rate", [48000, 96000])
def test_levels_do_not_depend_on_the_sample_rate(sample_rate: int) -> None:
    time_s = np.arange(sample_rate) / sample_rate
    tones = 0.01 * np.sin(2 * np.pi * 1000.0 * time_s) + 0.01 * np.sin(2 * np.pi * 50.0 * time_s)
    samples = tones + 1e-5 * np.random.default_rng(1).standard_normal(sample_rate)
    noise = measure_noise([samples], sample_rate=sample_rate)
    assert noise.level_dbfs == pytest.approx(-40.0, abs=0.01)
    assert noise.level_above_200hz_dbfs == pytest.approx(-43.01, abs=0.05)
    assert noise.level_a_dbfs == pytest.approx(-43.01, abs=0.05)
    assert noise.hum_50hz_dbfs == pytest.approx(-43.01, abs=0.05)


def test_full_scale_sine_reads_minus_three_decibels() -> None:
    noise = measure_noise([hum(1000.0, -3.0103, 1.0)], sample_rate=RATE)
    assert noise.level_dbfs == pytest.approx(-3.01, abs=0.01)
    # both curves pass 1 kHz at 0 dB
    assert noise.level_a_dbfs == pytest.approx(-3.01, abs=0.05)
    assert noise.level_468_dbfs == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize(("frequency_hz", "a_db", "itu468_db"), [(100.0, -19.1, -19.8), (6300.0, -0.1, 12.2)])
def test_weighting_of_a_tone_is_that_of_the_tables(frequency_hz: float, a_db: float, itu468_db: float) -> None:
    noise = measure_noise([hum(frequency_hz, -40.0, 2.0)], sample_rate=RATE)
    assert noise.level_a_dbfs == pytest.approx(-40.0 + a_db, abs=0.15)
    assert noise.level_468_dbfs == pytest.approx(-40.0 + itu468_db, abs=0.15)


def test_level_above_200_hz_equals_a_steep_filter() -> None:
    coloured = signal.sosfilt(signal.butter(1, 400.0, fs=RATE, output="sos"), hiss(-40.0, 5.0))
    steep = signal.sosfilt(signal.butter(12, 200.0, "high", fs=RATE, output="sos"), coloured)[RATE // 2 :]
    expected = 10 * np.log10(np.mean(steep**2))
    found = measure_noise([coloured], sample_rate=RATE).level_above_200hz_dbfs
    # 0.2 dB: the spectrum near 200 Hz, seen through a 5 Hz window, and half a second that the filter lost
    assert found == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("mains_hz", "level_dbfs"), [(50.0, -75.0), (60.0, -80.0)])
def test_hum_lines_stand_out_of_hiss(mains_hz: float, level_dbfs: float) -> None:
    seconds = 1.0
    samples = hiss(-66.0, seconds) + hum(mains_hz, level_dbfs, seconds) + hum(2 * mains_hz, level_dbfs - 3.0, seconds)
    noise = measure_noise([samples], sample_rate=RATE)
    found, other = noise.hum_50hz_dbfs, noise.hum_60hz_dbfs
    if mains_hz == 60.0:
        found, other = other, found
    expected = 10 * np.log10(10 ** (level_dbfs / 10) + 10 ** ((level_dbfs - 3.0) / 10))
    # hiss adds -105 dBFS in the lines' bins: 30 dB below, 0.4 dB; each of the two lines scatters by half of that
    assert found == pytest.approx(expected, abs=0.5)
    assert other is None
    assert [line.frequency_hz for line in noise.hum_lines] == [mains_hz, 2 * mains_hz]


def test_mains_a_little_off_is_still_found() -> None:
    samples = hiss(-70.0, 5.0) + hum(50.04, -70.0, 5.0) + hum(150.12, -76.0, 5.0)
    noise = measure_noise([samples], sample_rate=RATE)
    assert [line.frequency_hz for line in noise.hum_lines] == [50.0, 150.0]
    assert noise.hum_50hz_dbfs == pytest.approx(-69.03, abs=0.3)


def test_hiss_alone_rarely_shows_hum() -> None:
    lines = [
        measure_noise([hiss(-66.0, 0.8, seed=seed)], sample_rate=RATE).hum_lines for seed in range(40)
    ]  # fmt: skip
    assert sum(len(found) for found in lines) <= 2


def test_dc_is_told_apart() -> None:
    noise = measure_noise([hiss(-66.0, 1.0) + 0.01], sample_rate=RATE)
    assert noise.dc_dbfs == pytest.approx(-40.0, abs=0.01)
    assert noise.level_dbfs == pytest.approx(-66.0, abs=0.15)


def test_stretches_are_pooled() -> None:
    quiet, loud = hiss(-70.0, 1.0), hiss(-60.0, 1.0, seed=2)
    pooled = measure_noise([quiet, loud], sample_rate=RATE)
    assert pooled.level_dbfs == pytest.approx(10 * np.log10((1e-7 + 1e-6) / 2), abs=0.1)
    assert pooled.duration_s == pytest.approx(2.0)


def test_digital_silence_is_minus_infinity_and_nothing_else_is_invented() -> None:
    noise = measure_noise([np.zeros(RATE)], sample_rate=RATE)
    assert noise.level_dbfs == noise.level_a_dbfs == -np.inf
    assert noise.dc_dbfs is None
    assert noise.hum_lines == ()
    assert np.all(np.isnan(noise.density_dbfs_per_hz))


def test_short_stretches_cannot_tell_hum_and_too_short_ones_are_refused() -> None:
    assert measure_noise([hum(50.0, -40.0, 0.2)], sample_rate=RATE).hum_lines == ()
    with pytest.raises(SignalError, match=r"0\.1 s"):
        measure_noise([np.zeros(100)], sample_rate=RATE)
    with pytest.raises(SignalError, match=r"0\.1 s"):
        measure_noise([], sample_rate=RATE)


def test_levels_lie_within_their_uncertainties() -> None:
    errors = []
    for seed in range(60):
        found = measure_noise([hiss(-66.0, 1.5, seed=seed)], sample_rate=RATE)
        errors.append((found.level_dbfs + 66.0) / found.level_sigma_db)
        assert found.level_a_sigma_db < 0.5
    assert np.mean(np.abs(errors) <= 2.0) >= 0.9
    assert np.std(errors) > 0.4


def test_the_quasi_peak_level_needs_more_than_a_second() -> None:
    found = measure_noise([hiss(-66.0, 3.0)], sample_rate=RATE)
    assert found.level_468_quasi_peak_dbfs is not None
    # a detector of peaks reads hiss some decibels above its rms
    assert 3.0 < found.level_468_quasi_peak_dbfs - found.level_468_dbfs < 6.0
    assert measure_noise([hiss(-66.0, 1.0)], sample_rate=RATE).level_468_quasi_peak_dbfs is None


@pytest.mark.parametrize(("mains_hz", "other_hz"), [(50.0, "hum_60hz_dbfs"), (60.0, "hum_50hz_dbfs")])
def test_the_line_that_both_combs_share_belongs_to_the_one_with_others(mains_hz: float, other_hz: str) -> None:
    samples = hiss(-80.0, 2.0) + hum(mains_hz, -60.0, 2.0) + hum(300.0, -65.0, 2.0)
    found = measure_noise([samples], sample_rate=RATE)
    assert getattr(found, other_hz) is None
    assert [line.frequency_hz for line in found.hum_lines] == [mains_hz, 300.0]


def test_signal_to_noise_against_a_reference() -> None:
    found = measure_noise([hiss(-66.0, 3.0)], sample_rate=RATE)
    ratio = signal_to_noise(found, reference_dbfs=-9.0)
    assert ratio.unweighted_db == pytest.approx(57.0, abs=0.2)
    assert ratio.a_db == pytest.approx(-9.0 - found.level_a_dbfs)
    assert ratio.itu468_quasi_peak_db < ratio.a_db
    short = signal_to_noise(measure_noise([hiss(-66.0, 0.5)], sample_rate=RATE), reference_dbfs=-9.0)
    assert np.isnan(short.itu468_quasi_peak_db)


def test_the_real_machines_noise_is_what_is_known_of_it(akai_recordings) -> None:
    output, sample_rate = read_audio(akai_recordings / "io_4_output.wav")
    # the input is silent from 1.05 to 2.15 s, the heads are 160 ms apart
    found = measure_noise([output[round(1.21 * sample_rate) : round(2.31 * sample_rate), 0]], sample_rate=sample_rate)
    assert found.level_above_200hz_dbfs == pytest.approx(-66.4, abs=1.0)
    assert found.level_a_dbfs == pytest.approx(-69.2, abs=1.0)
    assert {line.frequency_hz for line in found.hum_lines} >= {50.0, 100.0, 200.0}
    assert found.hum_60hz_dbfs is None
