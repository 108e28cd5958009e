import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.delay.track import track_delay, track_summary
from tapemeasure.errors import NoMatchError, ParameterError, SignalError
from tapemeasure.io import read_audio
from tapemeasure.signals.timeline import Pilot


def stereo(*channels: np.ndarray) -> np.ndarray:
    return np.stack(channels, axis=1)


@pytest.fixture(scope="module")
def pair(known, music: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Music with pulses beside it, and both behind the machine."""
    pulses = known.pulses(4.0, first=384)
    return stereo(music, pulses), stereo(known.machine(music), known.machine(pulses, seed=1))


def test_music_alone_is_tracked_to_a_microsecond(known, music: np.ndarray, pair) -> None:
    result = track_delay(music, pair[1][:, 0], sample_rate=known.rate)
    path = result.trajectory
    assert result.method == "correlation"
    assert result.pulses_expected is None
    assert not result.inverted_polarity
    assert result.match is not None
    assert result.match > 0.8
    error = known.error_us(path.time_s, path.delay_s)
    assert np.std(error) < 1.5
    inside = (path.time_s > 0.2) & (path.time_s < path.time_s[-1] - 0.2)
    assert 0.4 < np.mean(np.abs(error) < 1e6 * path.sigma_s[inside]) < 0.9
    assert path.valid[5:].all()
    # nothing of the input has arrived yet
    assert not path.valid[0]


def test_pulses_beside_the_programme_are_taken_first(known, pair) -> None:
    result = track_delay(*pair, sample_rate=known.rate)
    assert result.method == "pulses"
    assert result.pulses_expected == result.pulses_found == 398
    path = result.trajectory
    assert np.std(known.error_us(path.time_s, path.delay_s)) < 0.5
    assert result.warnings == ()


def test_a_tone_beside_the_programme_is_taken(known, music: np.ndarray, pair) -> None:
    tone = 0.25 * np.sin(2 * np.pi * 3150 * np.arange(len(music)) / known.rate)
    output = stereo(pair[1][:, 0], known.machine(tone))
    result = track_delay(stereo(music, tone), output, sample_rate=known.rate, rate_hz=200.0)
    assert result.method == "tone"
    path = result.trajectory
    assert np.std(known.error_us(path.time_s, path.delay_s)) < 0.1
    assert np.median(path.delay_s - known.wander(path.time_s)) == pytest.approx(0.0, abs=1e-6)


def test_inverted_polarity_is_found_and_told(known, music: np.ndarray, pair) -> None:
    for pilot in ("auto", "none"):
        result = track_delay(pair[0], -pair[1], sample_rate=known.rate, pilot=pilot)
        assert result.inverted_polarity
        assert any("inverted" in text for text in result.warnings)
    assert np.std(known.error_us(result.trajectory.time_s, result.trajectory.delay_s)) < 1.5


def test_gain_changes_nothing_and_a_shift_shifts(known, music: np.ndarray, pair) -> None:
    plain = track_delay(music, pair[1][:, 0], sample_rate=known.rate).trajectory
    moved = np.concatenate([np.zeros(4410), 0.1 * pair[1][:, 0]])
    later = track_delay(music, moved, sample_rate=known.rate).trajectory
    inside = slice(20, 370)
    shifted = later.delay_s[10:][: len(plain.delay_s)] - 0.1
    assert np.abs(shifted - plain.delay_s)[inside].max() < 1e-5
    assert np.std((shifted - plain.delay_s)[inside]) < 1e-6


def test_a_pilot_lost_for_a_second_is_masked_bridged_and_told(known, pair) -> None:
    output = pair[1].copy()
    output[2 * known.rate : 3 * known.rate, 1] = 0.0
    result = track_delay(pair[0], output, sample_rate=known.rate)
    time, valid = result.trajectory.time_s, result.trajectory.valid
    assert result.pulses_expected == 398
    assert result.pulses_found in (297, 298, 299)
    assert not valid[(time > 2.02) & (time < 2.98)].any()
    assert valid[(time > 0.05) & (time < 1.95)].all()
    assert any(re.search(r"pilot is lost from (1.9|2.0)\d s to (2.9|3.0)\d s", text) for text in result.warnings)
    assert np.abs(result.trajectory.delay_s - known.wander(time))[5:-5].max() < 1e-3


def test_silence_is_not_invented(known, music: np.ndarray) -> None:
    quiet = music.copy()
    quiet[round(1.5 * known.rate) : round(2.5 * known.rate)] = 0.0
    result = track_delay(quiet, known.machine(quiet), sample_rate=known.rate)
    path = result.trajectory
    middle = (path.time_s > 1.65) & (path.time_s < 2.4)
    assert not path.valid[middle].any()
    assert path.sigma_s[middle].min() > 1e-5
    error = np.abs(path.delay_s - known.wander(path.time_s))
    assert (error[middle] < 5 * path.sigma_s[middle]).all()
    assert any("says nothing" in text for text in result.warnings)


def test_lengths_may_differ_and_an_early_output_is_told(known, music: np.ndarray, pair) -> None:
    output = pair[1][:, 0]
    short = track_delay(music, output[: 2 * known.rate], sample_rate=known.rate).trajectory
    assert len(short.delay_s) == 200
    long = track_delay(music, np.concatenate([output, np.zeros(known.rate)]), sample_rate=known.rate).trajectory
    assert len(long.delay_s) == 500
    assert not long.valid[405:].any()
    assert np.abs(short.delay_s - long.delay_s[:200])[10:190].max() < 3e-6
    early = track_delay(output, music, sample_rate=known.rate)
    assert early.bulk_delay_s == pytest.approx(-0.02, abs=5e-4)
    assert any("early" in text for text in early.warnings)


@given(st.floats(0.0, 0.3), st.sampled_from([-1.0, 1.0]), st.floats(0.05, 2.0))
@settings(max_examples=6)
def test_what_was_delayed_is_tracked_back(delay_s: float, polarity: float, gain: float) -> None:
    rate = 16000
    rng = np.random.default_rng(5)
    music = rng.standard_normal(3 * rate) * (1.2 + np.sin(np.arange(3 * rate) / 900.0))
    spectrum = np.fft.rfft(music, 4 * rate)
    spectrum[int(0.8 * len(spectrum)) :] = 0.0
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(4 * rate, 1 / rate) * delay_s)
    stimulus, output = np.fft.irfft(spectrum), np.fft.irfft(spectrum * turn)
    result = track_delay(stimulus, polarity * gain * output, sample_rate=rate)
    path = result.trajectory
    inside = (path.time_s > 0.5) & (path.time_s < 2.8)
    assert path.delay_s[inside] == pytest.approx(delay_s, abs=2e-6)
    assert result.inverted_polarity == (polarity < 0)


@pytest.mark.parametrize("kind", ["noise", "other music"])
def test_unrelated_audio_gives_no_number(known, music: np.ndarray, kind: str) -> None:
    other = np.random.default_rng(2).standard_normal(len(music)) if kind == "noise" else known.music(4.0, seed=9)
    with pytest.raises(NoMatchError, match="no matching audio"):
        track_delay(music, other, sample_rate=known.rate)
    # pulses alone do not make the two belong together
    pulses = known.pulses(4.0)
    with pytest.raises(NoMatchError, match="no matching audio"):
        track_delay(stereo(music, pulses), stereo(other, pulses), sample_rate=known.rate)


def test_signals_that_cannot_be_measured(known, music: np.ndarray) -> None:
    zeros = np.zeros(len(music))
    with pytest.raises(SignalError, match="output is silent: -inf dBFS"):
        track_delay(music, zeros, sample_rate=known.rate)
    with pytest.raises(SignalError, match=r"input is silent.*DC offset of 0.3"):
        track_delay(zeros + 0.3, music, sample_rate=known.rate)
    with pytest.raises(SignalError, match="NaN"):
        track_delay(np.where(np.arange(len(music)) == 9, np.nan, music), music, sample_rate=known.rate)
    with pytest.raises(SignalError, match=r"0\.045 s long"):
        track_delay(music[:2000], music[:2000], sample_rate=known.rate)
    with pytest.raises(SignalError, match="channel 2 was asked for"):
        track_delay(music, music, sample_rate=known.rate, programme_channel=1)


def test_a_pilot_that_is_not_there(known, music: np.ndarray, pair) -> None:
    with pytest.raises(SignalError, match="input is mono"):
        track_delay(music, music, sample_rate=known.rate, pilot="pulses")
    with pytest.raises(SignalError, match="no steady tone on channel 2"):
        track_delay(stereo(music, music), stereo(music, music), sample_rate=known.rate, pilot="tone")
    with pytest.raises(SignalError, match="no steady tone above 5 kHz"):
        track_delay(music, music, sample_rate=known.rate, pilot="inband")
    with pytest.raises(SignalError, match="there is no channel 2 in the output"):
        track_delay(pair[0], pair[1][:, :1], sample_rate=known.rate, pilot="pulses")
    fallback = track_delay(pair[0], pair[1][:, :1], sample_rate=known.rate)
    assert fallback.method == "correlation"
    assert "tracked by the programme instead" in fallback.warnings[0]


def test_the_timeline_chooses_the_pilot(known, pair) -> None:
    programme = track_delay(*pair, sample_rate=known.rate, known_pilot=Pilot(kind="none"))
    assert programme.method == "correlation"
    pulses = track_delay(*pair, sample_rate=known.rate, known_pilot=Pilot(kind="pulses", channel=1))
    assert pulses.method == "pulses"


def test_a_mono_output_of_a_stimulus_with_a_pilot_is_tracked_by_the_programme(known, pair) -> None:
    stereo_in, mono_out = pair[0], pair[1][:, :1]
    fallback = track_delay(stereo_in, mono_out, sample_rate=known.rate, known_pilot=Pilot(kind="pulses", channel=1))
    assert fallback.method == "correlation"
    assert "there is no channel 2 in the output; tracked by the programme instead" in fallback.warnings[0]


def test_clipping_is_told(known, music: np.ndarray, pair) -> None:
    clipped = np.clip(6 * pair[1][:, 0], -1, 1)
    result = track_delay(music, clipped, sample_rate=known.rate)
    assert any("clipped in" in text for text in result.warnings)
    assert np.std(known.error_us(result.trajectory.time_s, result.trajectory.delay_s)) < 5.0


def test_settings_out_of_range(music: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="pilot is 'radio'"):
        track_delay(music, music, sample_rate=44100, pilot="radio")
    with pytest.raises(ParameterError, match="rate_hz is 0 Hz"):
        track_delay(music, music, sample_rate=44100, rate_hz=0.0)
    with pytest.raises(ParameterError, match="max_delay_s"):
        track_delay(music, music, sample_rate=44100, max_delay_s=-1.0)


def test_progress_rises_to_one(known, pair) -> None:
    seen: list[float] = []
    track_delay(*pair, sample_rate=known.rate, pilot="none", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_the_summary_has_the_promised_keys(known, pair) -> None:
    result = track_delay(*pair, sample_rate=known.rate)
    summary = track_summary(result, delay_statistics(result.trajectory))
    promised = (
        "method mean_delay_s delay_std_s delay_peak_to_peak_s drift_ppm speed_deviation_rms_pct pulses_expected "
        "pulses_found inverted_polarity"
    )
    assert set(promised.split()) <= set(summary)


@pytest.mark.parametrize(("take", "mean_ms"), [("io_1", 160.7), ("io_4", 160.1), ("io_5", 160.3)])
def test_the_real_machine_with_its_pulses(akai_recordings, take: str, mean_ms: float) -> None:
    stimulus, rate = read_audio(akai_recordings / f"{take}_input.wav")
    output, _ = read_audio(akai_recordings / f"{take}_output.wav")
    result = track_delay(stimulus, output, sample_rate=rate)
    figures = delay_statistics(result.trajectory)
    assert result.pulses_expected == result.pulses_found == 500
    assert 1e3 * figures.mean_delay_s == pytest.approx(mean_ms, abs=0.1)
    assert 1e6 * figures.delay_std_s == pytest.approx(67.0, abs=4.0)
    assert 1e6 * figures.delay_peak_to_peak_s == pytest.approx(321.0, abs=15.0)


def test_the_real_machine_without_its_pulses(akai_recordings) -> None:
    stimulus, rate = read_audio(akai_recordings / "io_1_input.wav")
    output, _ = read_audio(akai_recordings / "io_1_output.wav")
    pulses = track_delay(stimulus, output, sample_rate=rate).trajectory
    music = track_delay(stimulus[:, 0], output[:, 0], sample_rate=rate).trajectory
    difference = 1e6 * (music.delay_s - pulses.delay_s)[music.valid]
    assert music.valid.mean() > 0.95
    assert np.std(difference) < 5.0
    # the response of the programme's track, and the azimuth
    assert abs(np.mean(difference)) < 40.0


@pytest.mark.parametrize(("take", "samples"), [("mono_52", 7060), ("mono_84", 7075), ("mono_98", 7075)])
def test_the_real_machine_in_mono(akai_recordings, take: str, samples: int) -> None:
    stimulus, rate = read_audio(akai_recordings / f"{take}_input.wav")
    output, _ = read_audio(akai_recordings / f"{take}_output.wav")
    path = track_delay(stimulus, output, sample_rate=rate).trajectory
    # the wow alone is 14 samples peak to peak
    assert np.mean(path.delay_s[path.valid]) * rate == pytest.approx(samples, abs=4.0)


def test_other_takes_of_the_same_machine_do_not_match(akai_recordings) -> None:
    stimulus, rate = read_audio(akai_recordings / "io_1_input.wav")
    output, _ = read_audio(akai_recordings / "io_5_output.wav")
    with pytest.raises(NoMatchError, match="no matching audio"):
        track_delay(stimulus, output, sample_rate=rate)


def test_a_pilot_that_begins_in_the_file_is_enough_where_the_programme_is_not_recognised(known) -> None:
    # the machine gives other music on the programme channel: only a pilot whose beginning is heard may speak for itself
    programme, other = known.music(4.0, seed=1), known.music(4.0, seed=2)
    pulses = known.pulses(4.0, first=11025)
    stimulus = np.stack([programme, pulses], axis=1)
    output = np.stack([known.machine(other), known.machine(pulses)], axis=1)
    result = track_delay(stimulus, output, sample_rate=known.rate)
    assert result.method == "pulses"
    assert result.match is None
    assert any("the programme was not recognised" in text for text in result.warnings)
    inside = result.trajectory.valid
    error = result.trajectory.delay_s[inside] - known.wander(result.trajectory.time_s[inside])
    assert 1e6 * np.std(error) < 1.0
    assert abs(np.mean(error)) < 5e-6


def test_a_running_pilot_does_not_prove_an_unrelated_programme(known) -> None:
    programme, other = known.music(4.0, seed=1), known.music(4.0, seed=2)
    pulses = known.pulses(4.0, first=384)
    stimulus = np.stack([programme, pulses], axis=1)
    output = np.stack([known.machine(other), known.machine(pulses)], axis=1)
    # both are cut out of a running train, as the published recordings are
    with pytest.raises(NoMatchError, match="no matching audio"):
        track_delay(stimulus[known.rate :], output[known.rate :], sample_rate=known.rate)
