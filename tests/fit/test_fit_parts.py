import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.linear_fit import LinearFilter
from tapemeasure.fit.knobs import KNOBS
from tapemeasure.fit.linear_part import LinearPart, fit_linear
from tapemeasure.fit.objective import play
from tapemeasure.fit.pair import FitPair, Stretch, clipped_samples, long_stretches, loud_stretches
from tapemeasure.fit.response import power_at_grid, response_settings
from tapemeasure.fit.uncertainty import uncertainty_of
from tapemeasure.params import TapeSettings

RATE = 44100


@given(st.sampled_from(sorted(KNOBS)), st.floats(0.0, 1.0))
def test_the_scale_of_the_search_leads_back(name: str, share: float) -> None:
    knob = KNOBS[name]
    value = knob.lowest + share * (knob.highest - knob.lowest)
    assert knob.outside(knob.inside(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_the_uncertainty_of_a_root_does_not_vanish_at_zero() -> None:
    assert KNOBS["bias"].sigma(0.0, 0.1) == pytest.approx(0.01)
    assert KNOBS["drive"].sigma(0.5, 0.1) == pytest.approx(0.1)


def test_gain_and_delay_are_found() -> None:
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(8192))
    frequency = np.fft.rfftfreq(8192)
    spectrum[frequency > 0.2] = 0.0
    samples = np.fft.irfft(spectrum)
    late = 0.4 * np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency * 1.3), 8192)
    part = fit_linear([samples], [late], [Stretch(0, 200, 7900)], response="gain", sample_rate=RATE)
    assert part.gain == pytest.approx(0.4, rel=1e-3)
    assert part.delay_samples == pytest.approx(1.3, abs=1e-3)
    np.testing.assert_allclose(part.apply(samples)[200:7900], late[200:7900], atol=1e-3 * np.abs(late).max())


def test_a_filter_is_applied_without_the_gain() -> None:
    part = LinearPart(filter=LinearFilter(taps=np.array([0.0, 2.0, 1.0]), lookahead_samples=1))
    assert part.apply(np.array([1.0, 0.0, 0.0])).tolist() == pytest.approx([2.0, 1.0, 0.0])


def test_the_settings_of_a_filter_play_as_the_filter_does() -> None:
    rng = np.random.default_rng(2)
    samples = 1e-3 * rng.standard_normal(2 * RATE)
    n = 2048
    omega = 2.0 * np.pi * np.fft.rfftfreq(n)
    # two first-order sections, one of them all-pass, and a delay of half a sample
    pole = 0.6
    low = (1.0 - pole) / (1.0 - pole * np.exp(-1j * omega))
    turn = (np.exp(-1j * omega) - 0.3) / (1.0 - 0.3 * np.exp(-1j * omega))
    taps = np.roll(np.fft.irfft(0.5 * low * turn * np.exp(-0.5j * omega), n), 256)
    filtering = LinearFilter(taps=taps, lookahead_samples=256)
    found = response_settings(filtering, input_power=power_at_grid(samples, sample_rate=RATE), sample_rate=RATE)
    # a machine without hysteresis to speak of: bias 1 and nothing but its small-signal gain
    plain = TapeSettings(bias=1.0, drive=0.2, oversampling=2, oversampling_mode="minimum_phase")
    before = play(plain, samples, sample_rate=RATE)
    wanted = filtering.apply(before)
    played = play(found.put_into(plain), samples, sample_rate=RATE)
    spectrum = np.fft.rfft(played) * np.exp(-2j * np.pi * np.fft.rfftfreq(len(played)) * found.delay_samples)
    late = np.fft.irfft(spectrum, len(played))
    inside = slice(RATE // 2, -RATE // 2)
    error = float(np.sum((late - wanted)[inside] ** 2) / np.sum(wanted[inside] ** 2))
    assert error < 0.01


def test_uncertainty_is_that_of_least_squares_for_white_errors() -> None:
    rng = np.random.default_rng(3)
    n = 200_000
    jacobian = rng.standard_normal((n, 2))
    known = uncertainty_of(0.01 * rng.standard_normal(n), jacobian, sample_rate=RATE // 100)
    assert known.sigma == pytest.approx([0.01 / np.sqrt(n)] * 2, rel=0.1)


def test_what_changes_nothing_is_not_identified() -> None:
    rng = np.random.default_rng(4)
    slope = rng.standard_normal(50_000)
    jacobian = np.stack((slope, slope * (1.0 + 1e-9 * rng.standard_normal(50_000))), axis=1)
    known = uncertainty_of(0.1 * rng.standard_normal(50_000), jacobian, sample_rate=RATE // 100)
    index = known.loosest(("drive", "saturation"))
    assert index is not None
    assert known.partner(index) == (1 - index, pytest.approx(-1.0, abs=1e-3))


def test_clipping_is_counted_at_both_ends() -> None:
    samples = np.sin(0.05 * np.arange(1000))
    assert clipped_samples(samples) == 0
    clipped = np.clip(samples, -0.5, 0.5)
    assert clipped_samples(clipped) == np.count_nonzero(np.abs(clipped) == 0.5)


def test_loud_stretches_are_the_loudest_and_apart() -> None:
    samples = np.full(10 * RATE, 0.01)
    samples[3 * RATE : 4 * RATE] = 0.5
    samples[7 * RATE : 8 * RATE] = 0.9
    pair = FitPair(samples, samples, RATE)
    chosen = loud_stretches(pair, [(0, 10 * RATE)], length_s=1.0, run_in_s=0.5, count=2)
    assert chosen == [
        Stretch(round(2.5 * RATE), 3 * RATE, 4 * RATE),
        Stretch(round(6.5 * RATE), 7 * RATE, 8 * RATE),
    ]


def test_long_stretches_stop_where_enough_is_played() -> None:
    pair = FitPair(np.ones(10 * RATE), np.ones(10 * RATE), RATE)
    parts = [(0, 2 * RATE), (5 * RATE, 9 * RATE)]
    chosen = long_stretches(pair, parts, longest_s=3.0, run_in_s=1.0)
    assert chosen == [Stretch(0, 0, 2 * RATE), Stretch(4 * RATE, 5 * RATE, 6 * RATE)]
