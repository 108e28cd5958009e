"""Generators of delay: learned from a delay with a known recipe, they must give the recipe back, endlessly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import ParameterError, SignalError, TrainingError, UsageError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.generators.base import MeasuredDelay, measured_delay, speed_of
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.compare import compare_delays, delay_figures
from tapemeasure.generators.drift import Drift, fit_drift
from tapemeasure.generators.lines import find_lines
from tapemeasure.generators.sinusoids import fit_random_phase, fit_sinusoids
from tapemeasure.generators.store import load_delay_generator, save_delay_generator
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 100.0
LINES = ((0.47, 2.0e-4), (2.65, 9.0e-4), (7.83, 6.0e-4))
NOISE = 2.0e-4


def machine(seed, *, duration_s=80.0):
    """Delay of a machine: three lines of the speed with random phases, and speed noise between 1 and 20 Hz."""
    from scipy.signal import butter, sosfilt

    generator = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    noise = sosfilt(
        butter(2, (1.0, 20.0), "bandpass", fs=RATE_HZ, output="sos"), generator.standard_normal(len(time_s))
    )
    delay_s = -np.cumsum(NOISE * noise / np.std(noise)) / RATE_HZ
    for frequency_hz, amplitude in LINES:
        phase = generator.uniform(0.0, 2.0 * np.pi)
        delay_s += amplitude / (2.0 * np.pi * frequency_hz) * np.cos(2.0 * np.pi * frequency_hz * time_s + phase)
    return exact(0.16 + delay_s)


def exact(delay_s, valid=None):
    n = len(delay_s)
    valid = np.ones(n, dtype=bool) if valid is None else valid
    return DelayTrajectory(0.0, RATE_HZ, delay_s, np.where(valid, 0.0, np.inf), valid)


def drawn(model, *, seeds=range(4), duration_s=80.0):
    return measured_delay(
        [exact(model.stream(np.random.default_rng(seed)).read(round(duration_s * RATE_HZ))) for seed in seeds]
    )


LEARNED = measured_delay([machine(seed) for seed in (1, 2)])
HELD_OUT = measured_delay([machine(seed) for seed in (11, 12, 13, 14)])
FITS = {
    "sinusoids": fit_sinusoids,
    "random_phase": fit_random_phase,
    "bootstrap": fit_bootstrap,
    "replay": lambda measured: fit_bootstrap(measured, block_s=np.inf),
}


def test_lines_come_back():
    speeds = [speed_of(piece, rate_hz=RATE_HZ) for piece in LEARNED.cut(20.0).pieces]
    found = find_lines(speeds, rate_hz=RATE_HZ, highest_hz=45.0)
    assert len(found) == len(LINES)
    for line, (frequency_hz, amplitude) in zip(found, LINES, strict=True):
        # a tenth of what 20 s resolve, and the noise within that band
        assert line.frequency_hz == pytest.approx(frequency_hz, abs=0.005)
        assert line.amplitude == pytest.approx(amplitude, rel=0.05)


def test_noise_alone_has_no_lines():
    generator = np.random.default_rng(5)
    for _ in range(20):
        pieces = [generator.standard_normal(2000) for _ in range(4)]
        assert find_lines(pieces, rate_hz=RATE_HZ, highest_hz=45.0) == ()


def test_sinusoids_are_as_close_to_held_out_takes_as_other_takes_are():
    floor = compare_delays(measured_delay([machine(seed) for seed in (21, 22, 23, 24)]), HELD_OUT, take_s=20.0)
    ours = compare_delays(drawn(fit_sinusoids(LEARNED)), HELD_OUT, take_s=20.0)
    assert ours.log_spectral_distance_db < floor.log_spectral_distance_db + 0.5
    assert ours.figures.std_s == pytest.approx(ours.other_figures.std_s, rel=0.1)
    assert ours.figures.weighted_2sigma_pct == pytest.approx(ours.other_figures.weighted_2sigma_pct, rel=0.05)
    assert ours.figures.kurtosis == pytest.approx(ours.other_figures.kurtosis, abs=0.2)
    assert ours.figures.strongest_line_hz == pytest.approx(2.65, abs=0.01)
    # what is new is as far from the takes as they are from each other; what is copied is not
    assert ours.nearest_neighbour > 0.8
    assert compare_delays(LEARNED, LEARNED, take_s=20.0).nearest_neighbour < 0.05


def test_random_phase_has_the_spectrum_and_not_the_distribution():
    ours = compare_delays(drawn(fit_random_phase(LEARNED)), HELD_OUT, take_s=20.0)
    assert np.max(np.abs(ours.band_db)) < 1.5
    assert ours.figures.kurtosis > ours.other_figures.kurtosis + 0.2


def test_joints_of_blocks_add_no_slow_delay():
    """Six minutes of joints: what a jump of the speed would make lies below the slowest line (0.47 Hz)."""
    ours = drawn(fit_bootstrap(LEARNED))
    figures, learned = (delay_figures(some.cut(20.0).pieces, rate_hz=RATE_HZ) for some in (ours, LEARNED))
    assert figures.std_s == pytest.approx(learned.std_s, rel=0.1)
    assert compare_delays(ours, LEARNED, take_s=20.0).nearest_neighbour < 0.5


def test_replayed_takes_are_told_by_their_nearest_neighbour():
    replay = drawn(FITS["replay"](LEARNED))
    assert compare_delays(replay, LEARNED, take_s=20.0).nearest_neighbour < 0.5


@pytest.mark.parametrize("name", FITS)
def test_streams_are_seeded_endless_and_without_seams(name):
    model = FITS[name](LEARNED)
    whole = model.stream(np.random.default_rng(3)).read(30000)
    stream = model.stream(np.random.default_rng(3))
    parts = np.concatenate([stream.read(n) for n in (1, 999, 0, 4096, 20000, 4904)])
    np.testing.assert_allclose(parts, whole, rtol=0.0, atol=1e-12 * np.ptp(whole))
    assert not np.allclose(whole, model.stream(np.random.default_rng(4)).read(30000))
    # no step larger than any that the machine makes: five standard deviations of its speed
    speed = np.diff(whole)
    largest = max(float(np.max(np.abs(np.diff(piece)))) for piece in LEARNED.pieces)
    assert np.max(np.abs(speed)) < 1.6 * largest


@pytest.mark.parametrize("name", FITS)
def test_saved_generators_play_the_same(name, tmp_path):
    model = FITS[name](LEARNED)
    save_delay_generator(model, tmp_path / "delay.safetensors", facts={"device": "x"})
    again, facts = load_delay_generator(tmp_path / "delay.safetensors")
    assert facts == {"device": "x"}
    assert again.mean_delay_s == pytest.approx(0.16, abs=1e-3)
    ours, theirs = (one.stream(np.random.default_rng(1)).read(500) for one in (model, again))
    np.testing.assert_array_equal(ours, theirs)


def test_damaged_or_foreign_files_are_told(tmp_path):
    path = tmp_path / "delay.safetensors"
    with pytest.raises(UsageError, match="no such file"):
        load_delay_generator(path)
    save_delay_generator(fit_sinusoids(LEARNED), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="damaged"):
        load_delay_generator(path)
    path.write_bytes(b"RIFF")
    with pytest.raises(TrainingError, match="not a model"):
        load_delay_generator(path)


def test_drift_of_ten_minutes_stays_in_the_measured_range():
    wander = Drift(slope_s_per_s=1.0e-5, range_s=4.0e-4, memory_s=30.0)
    takes = []
    for seed in range(8):
        stream = wander.stream(np.random.default_rng(seed), rate_hz=RATE_HZ)
        takes.append(np.concatenate([stream.read(7000) for _ in range(9)]))
    pooled = np.concatenate(takes)
    # 80 minutes hold about 50 independent positions and more slopes
    assert np.std(pooled) == pytest.approx(wander.range_s, rel=0.25)
    slopes = np.concatenate([np.diff(take[::100]) for take in takes])
    assert np.std(slopes) == pytest.approx(wander.slope_s_per_s, rel=0.2)


def test_drift_is_learned():
    wander = Drift(slope_s_per_s=1.0e-5, range_s=4.0e-4, memory_s=40.0)
    takes = [exact(0.16 + wander.stream(np.random.default_rng(seed), rate_hz=RATE_HZ).read(60000)) for seed in range(4)]
    found = fit_drift(measured_delay(takes))
    assert found.slope_s_per_s == pytest.approx(wander.slope_s_per_s, rel=0.3)
    assert found.range_s == pytest.approx(wander.range_s, rel=0.35)


def test_short_clips_have_no_drift():
    assert fit_drift(measured_delay([machine(1, duration_s=12.0)])).range_s == 0.0


@settings(max_examples=10, deadline=None)
@given(wow=st.floats(0.0, 3.0), flutter=st.floats(0.0, 3.0))
def test_amounts_scale_their_bands(wow, flutter):
    model = fit_sinusoids(LEARNED)
    plain = model.stream(np.random.default_rng(2))
    plain.read(3000 // 2)  # the filter's own delay
    before = plain.read(20000)
    after = Amounts(wow=wow, flutter=flutter).over(model.stream(np.random.default_rng(2)), rate_hz=RATE_HZ).read(20000)
    window = np.hanning(20000)
    spectra = [np.abs(np.fft.rfft(delay_s * window)) for delay_s in (before, after)]
    for frequency_hz, factor in ((2.65, wow), (7.83, flutter)):
        near = slice(round(frequency_hz * 200) - 2, round(frequency_hz * 200) + 3)
        # the crossover at 6 Hz is 0.1 Hz wide: 1 % is left in the other band
        assert spectra[1][near].max() == pytest.approx(
            factor * spectra[0][near].max(), rel=0.01, abs=0.01 * spectra[0][near].max()
        )


@pytest.mark.parametrize("amount", [-0.1, np.nan, np.inf])
def test_amounts_out_of_range_are_told(amount):
    with pytest.raises(ParameterError, match="amount of wow"):
        Amounts(wow=amount)


def test_gaps_divide_pieces_and_short_ones_are_bridged():
    trajectory = machine(1)
    valid = np.ones(len(trajectory.delay_s), dtype=bool)
    valid[2000:2003] = False
    valid[5000:5200] = False
    pieces = measured_delay([exact(trajectory.delay_s, valid)]).pieces
    assert [len(piece) for piece in pieces] == [5000, 2800]


def test_too_little_delay_tells_how_much_is_needed():
    with pytest.raises(SignalError, match=r"4\.0 s of tracked delay .* 10 s are needed"):
        measured_delay([machine(1, duration_s=4.0)])
    with pytest.raises(SignalError, match=r"0\.0 s"):
        measured_delay([])


def test_bad_comparisons_are_told():
    short = measured_delay([machine(1, duration_s=12.0)])
    with pytest.raises(SignalError, match="no piece of 20 s"):
        compare_delays(short, HELD_OUT, take_s=20.0)
    with pytest.raises(SignalError, match="resample"):
        compare_delays(MeasuredDelay(short.pieces, short.mean_s, 50.0), HELD_OUT, take_s=10.0)


def test_clips_shorter_than_the_published_window_are_compared_as_a_whole():
    clips = HELD_OUT.cut(4.0)
    same, usual = compare_delays(clips, clips, take_s=4.0), compare_delays(HELD_OUT, HELD_OUT, take_s=20.0)
    assert (same.window_s, usual.window_s) == (4.0, 5.12)
    assert same.pooled_distance_db == 0.0
    # takes of one window each: independent spectra are two chi-squares of two degrees of freedom, 7.9 dB apart
    assert 5.0 < same.log_spectral_distance_db < 8.0
    assert usual.log_spectral_distance_db < 4.0
    with pytest.raises(SignalError, match=r"2\.56 s"):
        compare_delays(clips, clips, take_s=2.0)


def test_figures_of_a_sine():
    time_s = np.arange(3000) / RATE_HZ
    figures = delay_figures([1e-4 * np.sin(2.0 * np.pi * 4.0 * time_s)], rate_hz=RATE_HZ)
    assert figures.std_s == pytest.approx(1e-4 / np.sqrt(2.0), rel=1e-3)
    assert figures.kurtosis == pytest.approx(-1.5, abs=0.01)
    # 2 pi 4 Hz 0.1 ms peak, over root two; differences of neighbours are 0.3 % less
    assert figures.strongest_line_pct == pytest.approx(100.0 * 2.0 * np.pi * 4.0 * 1e-4 / np.sqrt(2.0), rel=0.01)


def test_blocks_without_length_are_told():
    with pytest.raises(ParameterError, match="more than 0 s"):
        fit_bootstrap(LEARNED, block_s=0.0)
