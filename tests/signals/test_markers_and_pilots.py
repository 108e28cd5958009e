"""The marker's autocorrelation; where pulses stand; the phase of tones."""

import numpy as np
import pytest
from scipy.signal import correlate, hilbert

from tapemeasure.params import PilotParams
from tapemeasure.signals.marker import marker_burst
from tapemeasure.signals.pilots import add_inband_pilot, describe_pilot, pilot_samples
from tapemeasure.signals.timeline import Pilot, Segment, Timeline


@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_marker_has_one_narrow_peak(sample_rate: int) -> None:
    burst = marker_burst(sample_rate=sample_rate, level_dbfs=-12.0)
    assert len(burst) == round(0.05 * sample_rate)
    assert np.max(np.abs(burst)) == pytest.approx(10 ** (-12 / 20), rel=1e-12)
    envelope = np.abs(hilbert(correlate(burst, burst)))
    lag_s = np.abs(np.arange(len(envelope)) - len(burst) + 1) / sample_rate
    relative = envelope / np.sum(burst**2)
    assert np.max(relative[lag_s > 0.2e-3]) < 0.5
    assert np.max(relative[lag_s > 1e-3]) < 0.1


@pytest.mark.parametrize(("sample_rate", "period"), [(44100, 441), (48000, 480), (96000, 960)])
def test_pulses_are_single_positive_samples_at_whole_periods(sample_rate: int, period: int) -> None:
    pilot = describe_pilot(PilotParams(), sample_rate=sample_rate)
    samples = pilot_samples(pilot, length_samples=3 * sample_rate, sample_rate=sample_rate)
    positions = np.flatnonzero(samples)
    assert pilot.channel == 1
    assert pilot.frequency_hz == 100.0
    assert positions[0] == pilot.first_samples == sample_rate // 4
    assert set(np.diff(positions)) == {period}
    assert positions[-1] + period >= 3 * sample_rate
    np.testing.assert_allclose(samples[positions], 10 ** (-8.3 / 20), rtol=1e-12)


def test_a_rate_that_does_not_divide_is_told_as_it_is() -> None:
    pilot = describe_pilot(PilotParams(pulse_rate_hz=110.0), sample_rate=44100)
    samples = pilot_samples(pilot, length_samples=44100, sample_rate=44100)
    assert set(np.diff(np.flatnonzero(samples))) == {401}
    assert pilot.frequency_hz == pytest.approx(44100 / 401)


def test_tone_begins_with_phase_zero_and_keeps_its_frequency() -> None:
    pilot = describe_pilot(PilotParams(kind="tone", level_dbfs=-12.0), sample_rate=48000)
    samples = pilot_samples(pilot, length_samples=96000, sample_rate=48000)
    assert not samples[: pilot.first_samples + 1].any()
    running = np.arange(96000 - pilot.first_samples) / 48000
    expected = 10 ** (-12 / 20) * np.sin(2.0 * np.pi * 3150.0 * running)
    np.testing.assert_allclose(samples[pilot.first_samples :], expected, atol=1e-12)


def test_no_pilot_is_silence() -> None:
    pilot = describe_pilot(PilotParams(kind="none"), sample_rate=44100)
    assert pilot == Pilot("none")
    assert not pilot_samples(pilot, length_samples=1000, sample_rate=44100).any()


def test_inband_pilot_rests_in_silence_and_goes_on_in_phase() -> None:
    rate = 48000
    pilot = describe_pilot(PilotParams(kind="inband"), sample_rate=rate)
    silence = Segment("silence_start", "silence", rate, rate)
    timeline = Timeline(rate, 3 * rate, (silence,), pilot)
    tone = pilot_samples(pilot, length_samples=3 * rate, sample_rate=rate)
    mixed = add_inband_pilot(np.zeros(3 * rate), tone, timeline=timeline)
    assert pilot.channel == 0
    assert np.max(np.abs(tone)) == pytest.approx(0.01, rel=1e-6)
    assert not silence.cut(mixed).any()
    fade = round(0.01 * rate)
    np.testing.assert_array_equal(mixed[: rate - fade], tone[: rate - fade])
    np.testing.assert_array_equal(mixed[2 * rate + fade :], tone[2 * rate + fade :])
