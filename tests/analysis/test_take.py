import dataclasses

import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.take import measure_take
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.io import plain
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep
from tapemeasure.signals.timeline import Pilot, Segment, Timeline
from tapemeasure.signals.tones import tone_samples

RATE = 44100
SWEEP_LEVELS_DBFS = (-6.0, -18.0)
STEP_LEVELS_DBFS = (-30.0, -6.0)
FILTER = signal.butter(1, 8000.0, fs=RATE, output="sos")


def make_stimulus() -> tuple[np.ndarray, Timeline]:
    """A second of silence, two sweeps, two steps of 1 kHz, with pauses of 0.5 s."""
    parts, segments, position = [np.zeros(RATE)], [Segment("silence", "silence", 0, RATE)], RATE
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=2.0)
    for level_dbfs in SWEEP_LEVELS_DBFS:
        samples = sweep_samples(sweep, sample_rate=RATE, level_dbfs=level_dbfs)
        segments.append(
            Segment(f"sweep_{level_dbfs:g}dBFS", "sweep", position, len(samples), level_dbfs, (20.0, 20000.0))
        )
        parts += [samples, np.zeros(RATE // 2)]
        position += len(samples) + RATE // 2
    for level_dbfs in STEP_LEVELS_DBFS:
        samples = tone_samples(frequency_hz=1000.0, duration_s=0.4, sample_rate=RATE, level_dbfs=level_dbfs)
        segments.append(Segment(f"step_{level_dbfs:g}dBFS", "step", position, len(samples), level_dbfs, (1000.0,)))
        parts += [samples, np.zeros(RATE // 2)]
        position += len(samples) + RATE // 2
    stimulus = np.concatenate(parts)
    return stimulus, Timeline(RATE, len(stimulus), tuple(segments), Pilot("none"))


@pytest.fixture(scope="module")
def take() -> tuple[np.ndarray, np.ndarray, Timeline]:
    """Stimulus, output of a machine (cubic, then a low-pass, then hiss at -70 dBFS), timeline."""
    stimulus, timeline = make_stimulus()
    hiss = 10 ** (-70 / 20) * np.random.default_rng(1).standard_normal(len(stimulus))
    return stimulus, 0.5 * signal.sosfilt(FILTER, stimulus - 0.2 * stimulus**3) + hiss, timeline


def test_a_whole_take_is_measured(take: tuple[np.ndarray, np.ndarray, Timeline]) -> None:
    stimulus, output, timeline = take
    found = measure_take(stimulus, output, sample_rate=RATE, timeline=timeline, harmonics=4)
    assert found.warnings == ()
    assert found.duration_s == pytest.approx(len(stimulus) / RATE)
    assert [response.name for response in found.sweep_response] == ["sweep_-18dBFS", "sweep_-6dBFS"]
    assert found.response is not None
    assert found.response.name == "sweep_-18dBFS"
    assert found.response.source == "sweep"
    amplitude = 10 ** (-18 / 20)
    _, filtered = signal.sosfreqz(FILTER, [1000.0], fs=RATE)
    expected_db = 20 * np.log10(0.5 * np.abs(filtered[0]) * (1 - 0.15 * amplitude**2))
    assert found.response.gain_db == pytest.approx(expected_db, abs=0.02)
    assert found.response.high_3db_hz == pytest.approx(8000.0, rel=0.02)
    assert [(one.name, one.order) for one in found.harmonic_response] == [
        (name, order) for name in ("sweep_-18dBFS", "sweep_-6dBFS") for order in (2, 3, 4)
    ]
    (curve,) = found.thd_vs_level
    assert curve.frequency_hz == 1000.0
    np.testing.assert_allclose(curve.level_dbfs, STEP_LEVELS_DBFS, atol=1e-3)
    assert curve.harmonics_db.shape == (2, 3)
    loud = 10 ** (-6 / 20)
    _, at = signal.sosfreqz(FILTER, [1000.0, 3000.0], fs=RATE)
    third = 0.05 * loud**3 / (loud - 0.15 * loud**3) * np.abs(at[1] / at[0])
    assert curve.thd_pct[1] == pytest.approx(100 * third, rel=0.02)
    assert found.noise is not None
    assert found.noise.level_dbfs == pytest.approx(-70.0, abs=0.15)
    # the second of silence at the start; the pauses of half a second are too short once guarded
    assert len(found.silences) == 1


def test_the_third_harmonic_of_the_sweep_agrees_with_that_of_the_step(
    take: tuple[np.ndarray, np.ndarray, Timeline],
) -> None:
    stimulus, output, timeline = take
    found = measure_take(stimulus, output, sample_rate=RATE, timeline=timeline)
    third = next(one for one in found.harmonic_response if one.order == 3 and one.level_dbfs > -10.0)
    swept_db = np.interp(1000.0, third.frequency_hz, third.magnitude_db)
    assert swept_db == pytest.approx(found.thd_vs_level[0].harmonics_db[1, 1], abs=0.2)


def test_the_json_has_the_documented_keys(take: tuple[np.ndarray, np.ndarray, Timeline]) -> None:
    stimulus, output, timeline = take
    values = plain(
        measure_take(stimulus, output, sample_rate=RATE, timeline=timeline).as_dict(delay={"mean_delay_s": 0.1})
    )
    assert list(values) == [
        "sample_rate", "duration_s", "channel", "response", "sweep_response", "harmonic_response", "thd_vs_level",
        "noise", "wow_flutter", "modulation_noise", "dropouts", "crosstalk", "azimuth", "print_through",
        "maximum_output", "saturation_output", "signal_to_noise", "intermodulation", "thd_noise", "compression",
        "hysteresis", "multitone_response", "programme_response", "equalisation", "channel_balance",
        "passband", "head_bump", "group_delay", "din45500", "not_measured", "silences", "warnings",
        "delay",
    ]  # fmt: skip
    assert values["delay"] == {"mean_delay_s": 0.1}
    documented = measure_take.__globals__["__doc__"]
    for group in (values["response"], values["harmonic_response"][0], values["thd_vs_level"][0], values["noise"]):
        for key in group:
            assert f" {key} " in documented
    assert None in values["harmonic_response"][0]["magnitude_db"]


def test_without_a_timeline_the_programme_gives_the_response() -> None:
    stimulus = 0.1 * np.random.default_rng(1).standard_normal(3 * RATE)
    found = measure_take(stimulus, 0.5 * stimulus, sample_rate=RATE)
    assert found.response is not None
    assert found.response.source == "programme"
    assert found.response.gain_db == pytest.approx(-6.02, abs=0.01)
    assert found.sweep_response == found.harmonic_response == found.thd_vs_level == ()
    assert found.noise is None
    assert "no noise level" in found.warnings[0]


def test_an_output_that_was_cut_short_does_not_lower_the_programme_response() -> None:
    stimulus = 0.1 * np.random.default_rng(1).standard_normal(3 * RATE)
    output = 0.5 * stimulus
    output[round(2.5 * RATE) :] = 0.0
    found = measure_take(stimulus, output, sample_rate=RATE)
    assert found.response is not None
    assert found.response.gain_db == pytest.approx(-6.02, abs=0.05)


def test_what_was_not_recorded_is_named_and_not_measured(take: tuple[np.ndarray, np.ndarray, Timeline]) -> None:
    stimulus, output, timeline = take
    whole = measure_take(stimulus, output, sample_rate=RATE, timeline=timeline)
    last_sweep = timeline.of_kind("sweep")[-1]
    # the output ends in the middle of the last sweep, so its alignment is all zeros from there on
    cut_samples = last_sweep.start_samples + last_sweep.length_samples // 2
    cut = np.where(np.arange(len(output)) < cut_samples, output, 0.0)
    found = measure_take(stimulus, cut, sample_rate=RATE, timeline=timeline)
    assert [response.name for response in found.sweep_response] == [timeline.of_kind("sweep")[0].name]
    assert found.thd_vs_level == ()
    assert found.noise is not None
    assert whole.noise is not None
    assert found.noise.level_dbfs == pytest.approx(whole.noise.level_dbfs)
    told = " ".join(found.warnings)
    assert f"ends at {cut_samples / RATE:.2f} s" in told
    assert all(segment.name in told for segment in [last_sweep, *timeline.of_kind("step")])


def test_a_silent_stimulus_gives_noise_and_nothing_else() -> None:
    hiss = 1e-3 * np.random.default_rng(2).standard_normal(2 * RATE)
    found = measure_take(np.zeros(2 * RATE), hiss, sample_rate=RATE)
    assert found.response is None
    assert "silent" in found.warnings[0]
    assert found.noise is not None
    assert found.noise.level_dbfs == pytest.approx(-60.0, abs=0.1)


def test_a_timeline_that_lies_is_a_warning_not_a_number() -> None:
    stimulus, timeline = make_stimulus()
    muted = stimulus.copy()
    muted[timeline.of_kind("step")[0].start_samples :] = 0.0
    found = measure_take(muted, stimulus, sample_rate=RATE, timeline=timeline)
    assert found.thd_vs_level == ()
    assert any("not a sine of 1000 Hz" in text for text in found.warnings)


@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_asked_for_is_measured(channel: int) -> None:
    rng = np.random.default_rng(3)
    stimulus = 0.1 * rng.standard_normal((2 * RATE, 2))
    output = stimulus * np.array([1.0, 0.1])
    found = measure_take(stimulus, output, sample_rate=RATE, channel=channel)
    assert found.response is not None
    assert found.response.gain_db == pytest.approx([0.0, -20.0][channel], abs=0.01)


def test_bad_takes_are_refused() -> None:
    stimulus, timeline = make_stimulus()
    with pytest.raises(MismatchError, match="align the output first"):
        measure_take(stimulus, stimulus[:-1], sample_rate=RATE)
    with pytest.raises(MismatchError, match="48000 Hz"):
        measure_take(stimulus, stimulus, sample_rate=48000, timeline=timeline)
    with pytest.raises(MismatchError, match="the timeline is for"):
        measure_take(stimulus[:-1], stimulus[:-1], sample_rate=RATE, timeline=timeline)
    with pytest.raises(SignalError, match="all zeros"):
        measure_take(stimulus, np.zeros_like(stimulus), sample_rate=RATE)
    with pytest.raises(SignalError, match="channel 3 was asked for"):
        measure_take(stimulus, stimulus, sample_rate=RATE, channel=2)


def test_results_are_frozen(take: tuple[np.ndarray, np.ndarray, Timeline]) -> None:
    found = measure_take(take[0], take[1], sample_rate=RATE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.channel = 3  # type: ignore[misc]
