"""The tape's speed: bands, rotating parts, lines; and the plug-in's knobs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from tapemeasure.devices.tape.curve import Grid, SmoothCurve
from tapemeasure.devices.tape.speed import RANDOM_BANDS_HZ, RandomBand, rotation_hz, tape_position
from tapemeasure.devices.tape.wobble import control_rate_hz, transport_truth
from tapemeasure.errors import DeviceError
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory


def position(tape, *, duration_s=100.0, rate_hz=1000.0, seed=1, start_s=0.0):
    grid = Grid(start_s, rate_hz, round(duration_s * rate_hz))
    return tape_position(tape, grid, generator=np.random.default_rng(seed))


def delay(tape, *, duration_s=20.0, seed=1, sample_rate=44100):
    return transport_truth(
        tape,
        duration_s=duration_s,
        sample_rate=sample_rate,
        latency_samples=0.0,
        generator=np.random.default_rng(seed),
    ).delay


def speed_pct(position_s, rate_hz):
    """Exact derivative of a band-limited position, percent."""
    spectrum = np.fft.rfft(position_s * np.hanning(len(position_s)))
    frequency_hz = np.fft.rfftfreq(len(position_s), 1 / rate_hz)
    power = np.abs(2 * np.pi * frequency_hz * spectrum) ** 2
    return 100 * math.sqrt(2 * power.sum() / len(position_s) / np.sum(np.hanning(len(position_s)) ** 2))


@pytest.mark.parametrize(
    ("name", "duration_s", "tolerance"),
    [("drift_pct", 3000.0, 0.06), ("wow_pct", 400.0, 0.06), ("flutter_pct", 60.0, 0.03), ("scrape_pct", 20.0, 0.03)],
)
def test_a_random_part_has_its_rms_and_its_band(name, duration_s, tolerance):
    """The speed's rms over a long take within four standard errors; 0.9 of the power lies in the band, widened by 1.5.

    A band of B Hz has B T independent pairs in T seconds: the rms is known to about 1 / sqrt(4 B T).
    """
    tape = TapeSettings(**{name: 0.3})
    rate_hz = control_rate_hz(tape)
    travel = position(tape, duration_s=duration_s, rate_hz=rate_hz)
    assert speed_pct(travel, rate_hz) == pytest.approx(0.3, rel=tolerance)
    low, high = RANDOM_BANDS_HZ[name]
    frequency_hz, power = welch(travel, rate_hz, nperseg=min(len(travel), int(40 * rate_hz / low)))
    power *= frequency_hz**2
    inside = (frequency_hz > low / 1.5) & (frequency_hz < 1.5 * high)
    assert power[inside].sum() > 0.9 * power.sum()


def test_random_parts_are_stationary_from_the_first_point():
    """Over 300 seeds the first point varies as much as one a minute later."""
    first, later = np.array(
        [
            RandomBand((0.5, 6.0), 1.0, 100.0, np.random.default_rng(seed))(np.zeros(6000))[[0, -1]]
            for seed in range(300)
        ]
    ).T
    assert first.std() == pytest.approx(1.0, rel=0.15)
    assert later.std() == pytest.approx(1.0, rel=0.15)
    assert abs(first.mean()) < 0.2


def test_a_line_has_its_percent_rms():
    """A line of p % rms at f swings the tape by sqrt(2) p / (2 pi f)."""
    travel = position(TapeSettings(lines_pct=[(26.5, 0.05)]), duration_s=20.0)
    spectrum = 2 * np.abs(np.fft.rfft(travel)) / len(travel)
    assert spectrum[530] == pytest.approx(math.sqrt(2) * 5e-4 / (2 * np.pi * 26.5), rel=1e-6)
    assert np.delete(spectrum, 530).max() < 1e-9 * spectrum[530]


def test_rotating_parts_turn_at_v_over_pi_d():
    """7.5 ips: a capstan of 6 mm 10.106, a pinch roller of 30 mm 2.021, a reel of 150 mm 0.404 times a second."""
    tape = TapeSettings(speed_ips=7.5)
    assert rotation_hz(tape) == pytest.approx({"capstan": 10.1063, "pinch_roller": 2.02127, "reel": 0.404254}, rel=1e-5)
    for part in ("capstan", "pinch_roller"):
        travel = position(tape.model_copy(update={f"{part}_pct": 0.1}), duration_s=200.0)
        peak_hz = np.argmax(np.abs(np.fft.rfft(travel * np.hanning(len(travel))))) / 200.0
        assert peak_hz == pytest.approx(rotation_hz(tape)[part], abs=0.006)


def test_the_reel_turns_faster_as_its_pack_shrinks():
    """The area that is left: pi D^2 / 4 - v h t; after 1500 s its radius follows, and so does the frequency."""
    tape = TapeSettings(reel_pct=0.1, reel_diameter_mm=150.0, tape_um=35.0, speed_ips=7.5)
    travel = position(tape, duration_s=1620.0, rate_hz=50.0)
    speed_m_s = 7.5 * 0.0254
    for middle_s in (60.0, 1500.0):
        piece = travel[round(50 * (middle_s - 60)) : round(50 * (middle_s + 60))]
        analytic = np.fft.rfft(piece * np.hanning(len(piece)), 2**18)
        found_hz = np.argmax(np.abs(analytic)) * 50.0 / 2**18
        diameter_m = math.sqrt(0.15**2 - 4 / math.pi * speed_m_s * 35e-6 * middle_s)
        assert found_hz == pytest.approx(speed_m_s / (math.pi * diameter_m), rel=1e-3)


@pytest.mark.parametrize(
    ("tape", "words"),
    [
        (TapeSettings(reel_pct=0.1, reel_diameter_mm=50.0), "reel_diameter_mm"),
        (TapeSettings(lines_pct=[(500.0, 0.1)]), "lines_pct"),
        (TapeSettings(capstan_pct=0.1, capstan_diameter_mm=0.5, speed_ips=60.0), "turns"),
        (TapeSettings(wow_pct=20.0, flutter_pct=20.0, lines_pct=[(5.0, 20.0), (8.0, 20.0)]), "stand"),
    ],
)
def test_what_no_transport_does_is_refused(tape, words):
    """The message names the setting to change."""
    with pytest.raises(DeviceError, match=words):
        delay(tape, duration_s=600.0)


def test_parts_do_not_disturb_one_another():
    """Each part draws from its own generator: another one more leaves it as it was."""
    flutter = position(TapeSettings(flutter_pct=0.1), duration_s=5.0)
    scrape = position(TapeSettings(scrape_pct=0.1, capstan_pct=0.1), duration_s=5.0)
    both = position(TapeSettings(flutter_pct=0.1, scrape_pct=0.1, capstan_pct=0.1), duration_s=5.0)
    np.testing.assert_allclose(both, flutter + scrape, atol=1e-15)


def test_a_longer_take_begins_like_a_shorter_one():
    """Off the tape, where nothing depends on the whole take."""
    tape = TapeSettings(recording="off_tape", head_delay_ms=100.0, wow_pct=0.2, flutter_pct=0.2, reel_pct=0.1)
    short, long = delay(tape, duration_s=3.0), delay(tape, duration_s=80.0)
    np.testing.assert_allclose(long.delay_s[:2990], short.delay_s[:2990], atol=1e-12)


@given(values=st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=200))
@settings(max_examples=30, deadline=None)
def test_the_curve_is_that_of_the_trajectory(values):
    """Between the points too, and held outside; never beyond its bounds."""
    trajectory = DelayTrajectory(0.0, 1000.0, np.array(values), np.zeros(len(values)), np.ones(len(values), dtype=bool))
    curve = SmoothCurve.of(trajectory)
    time_s = np.linspace(-0.002, trajectory.end_s + 0.002, 500)
    np.testing.assert_allclose(curve.at(time_s), trajectory.at(time_s), atol=1e-10)
    assert curve.lowest - 1e-12 <= curve.at(time_s).min()
    assert curve.at(time_s).max() <= curve.highest + 1e-12


def test_wow_without_variance_is_a_raised_cosine():
    """Peak to peak 2000 depth^3 samples of 1/44100 s, at 4.5^rate - 1 Hz."""
    truth = delay(TapeSettings(wow_depth=0.75, wow_rate=0.25))
    frequency_hz = 4.5**0.25 - 1.0
    expected = 0.75**3 * 1000 / 44100 * (1 + np.cos(2 * np.pi * frequency_hz * truth.time_s))
    np.testing.assert_allclose(truth.delay_s, expected, atol=1e-12)


def test_flutter_has_three_harmonics_about_its_base():
    """Amplitudes 230, 80, 99 times sqrt(depth^3 81/625) samples, mean 350 samples."""
    truth = delay(TapeSettings(flutter_depth=0.75, flutter_rate=1 / 3))
    samples = truth.delay_s[:20000] * 44100
    spectrum = 2 * np.abs(np.fft.rfft(samples)) / len(samples)
    assert samples.mean() == pytest.approx(350.0)
    depth = np.sqrt(0.75**3 * 81 / 625)
    np.testing.assert_allclose(spectrum[[20, 40, 60]], depth * np.array([230.0, 80.0, 99.0]), rtol=1e-6)


def test_wobble_of_the_published_experiment():
    """Depths 0.75: about 22.8 ms peak to peak and 2.1 % rms speed deviation (variance 0, 20 s)."""
    truth = delay(TapeSettings(wow_depth=0.75, flutter_depth=0.75))
    assert 1e3 * np.ptp(truth.delay_s) == pytest.approx(22.8, rel=0.05)
    assert 100 * np.std(truth.speed_deviation()) == pytest.approx(2.1, rel=0.1)


def test_random_wow_is_stationary_from_its_start():
    """Mean depth^3 variance^1.25 above the cosine, standard deviation below that of the unfiltered process."""
    still = delay(TapeSettings(wow_depth=1.0, wow_variance=0.0), duration_s=300.0)
    moved = delay(TapeSettings(wow_depth=1.0, wow_variance=1.0), duration_s=300.0)
    random = (moved.delay_s - still.delay_s) * 44.1
    unfiltered = 0.3035 / np.sqrt(2 * 21.0)
    assert random.mean() == pytest.approx(1.0, abs=0.01)
    assert 0.7 * unfiltered < random.std() < unfiltered
    tape = TapeSettings(wow_depth=1.0, wow_variance=1.0, head_delay_ms=1.0)
    # the first point comes MARGIN after the process began
    starts = [delay(tape, duration_s=0.01, seed=seed).delay_s[0] * 44.1 - 2.0441 for seed in range(200)]
    assert np.mean(starts) == pytest.approx(1.0, abs=0.02)
    assert 0.7 * unfiltered < np.std(starts) < 1.3 * unfiltered
