"""Long files are tracked stretch by stretch; the borders of the stretches must not show."""

import threading

import numpy as np
import pytest

from tapemeasure.delay import long
from tapemeasure.delay.track import track_delay
from tapemeasure.errors import NoMatchError


def slow_wander(known):
    """Wow and flutter, and 40 ppm between the clocks."""
    return lambda time_s: known.wander(time_s) + 40e-6 * time_s


@pytest.fixture
def short_stretches(monkeypatch):
    monkeypatch.setattr(long, "WHOLE_S", 6.0)
    monkeypatch.setattr(long, "STRETCH_S", 5.0)


@pytest.fixture(scope="module")
def pair(known):
    """14 s of music with pulses beside it, and both behind the machine."""
    stimulus = np.stack([known.music(14.0), known.pulses(14.0, first=384)], axis=1)
    late = [known.machine(stimulus[:, k], slow_wander(known), seed=k) for k in range(2)]
    return stimulus, np.stack(late, axis=1)


def error_us(known, trajectory):
    inside = (trajectory.time_s > 0.3) & (trajectory.time_s < trajectory.end_s - 0.3)
    return 1e6 * (trajectory.delay_s - slow_wander(known)(trajectory.time_s))[inside]


@pytest.mark.parametrize("pilot", ["pulses", "none"])
def test_stretches_make_one_trajectory(known, pair, short_stretches, pilot):
    result = track_delay(*pair, sample_rate=known.rate, pilot=pilot)
    error = error_us(known, result.trajectory)
    assert len(result.trajectory.delay_s) == 1400
    assert result.trajectory.valid[5:-3].all()
    # nothing of a period or a sample lies between the stretches
    assert np.std(error) < 1.5
    assert np.abs(error - np.median(error)).max() < 20.0
    if pilot == "pulses":
        assert result.pulses_expected == result.pulses_found == len(range(384, 14 * known.rate - 882, 441))


def test_a_tone_keeps_its_turns_from_stretch_to_stretch(known, pair, short_stretches):
    tone = 0.25 * np.sin(2 * np.pi * 3150 * np.arange(len(pair[0])) / known.rate)
    output = np.stack([pair[1][:, 0], known.machine(tone, slow_wander(known))], axis=1)
    result = track_delay(np.stack([pair[0][:, 0], tone], axis=1), output, sample_rate=known.rate)
    assert result.method == "tone"
    error = error_us(known, result.trajectory)
    assert np.abs(error).max() < 2.0


def test_a_silent_stretch_is_bridged_and_told(known, pair, short_stretches):
    stimulus, output = pair[0][:, 0].copy(), pair[1][:, 0].copy()
    stimulus[4 * known.rate : 10 * known.rate] = 0.0
    output[4 * known.rate : 11 * known.rate] = 0.0
    result = track_delay(stimulus, output, sample_rate=known.rate)
    time, valid = result.trajectory.time_s, result.trajectory.valid
    assert not valid[(time > 4.3) & (time < 9.9)].any()
    assert valid[(time > 1.0) & (time < 3.5)].mean() > 0.95
    assert valid[(time > 11.5) & (time < 13.5)].mean() > 0.95
    assert any("says nothing about the delay" in text for text in result.warnings)


def test_unrelated_files_do_not_match(known, pair, short_stretches):
    with pytest.raises(NoMatchError, match="no matching audio"):
        track_delay(known.music(14.0, seed=5), pair[1][:, 0], sample_rate=known.rate)


def test_an_output_that_is_early_is_followed(known, pair, short_stretches):
    stimulus = np.concatenate([np.zeros(3 * known.rate), pair[0][:, 0]])
    result = track_delay(stimulus, pair[1][:, 0], sample_rate=known.rate)
    assert result.bulk_delay_s == pytest.approx(0.02 + 40e-6 * 7 - 3.0, abs=1e-3)
    assert any("early" in text for text in result.warnings)


def test_a_pause_of_the_machine_is_found_again(known, pair, short_stretches):
    # the tape was stopped for 5 s in the middle: the delay behind it is out of the reach of the stretch before
    middle = 7 * known.rate
    output = np.concatenate([pair[1][:middle, 0], np.zeros(5 * known.rate), pair[1][middle:, 0]])
    path = track_delay(pair[0][:, 0], output, sample_rate=known.rate).trajectory
    late = (path.time_s > 13.0) & (path.time_s < 18.5)
    error = path.delay_s - 5.0 - slow_wander(known)(path.time_s - 5.0)
    assert path.valid[late].mean() > 0.9
    assert 1e6 * np.std(error[late & path.valid]) < 2.0


def test_threads_change_nothing(known, pair, short_stretches):
    seen: list[float] = []
    one, two = (
        track_delay(*pair, sample_rate=known.rate, pilot="none", threads=n, fast=True, progress=seen.append)
        for n in (1, 2)
    )
    for name in ("delay_s", "sigma_s", "valid"):
        assert np.array_equal(getattr(one.trajectory, name), getattr(two.trajectory, name))
    assert one.warnings == two.warnings
    restart = int(np.argmin(np.diff(seen))) + 1
    for told in (seen[:restart], seen[restart:]):
        assert told == sorted(told)
        assert told[-1] == 1.0


def test_an_interrupt_ends_all_threads_at_once(known, pair, short_stretches):
    calls = []

    def interrupted(fraction):
        calls.append(fraction)
        if fraction > 0.4:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        track_delay(*pair, sample_rate=known.rate, pilot="none", fast=True, threads=2, progress=interrupted)
    assert threading.active_count() == before
    # nothing begins behind it: at most what ran beside it tells its progress once more
    assert sum(fraction > 0.4 for fraction in calls) <= 2


def test_a_drift_leads_from_wave_to_wave(known, short_stretches, monkeypatch):
    # 0.6 % between the clocks: a second of delay is more than the reach of a wave that did not follow the line
    monkeypatch.setattr(long, "REACH_S", 0.03)
    monkeypatch.setattr(long, "STRETCH_S", 3.0)
    stimulus = known.music(16.0)
    output = known.machine(stimulus, lambda time_s: known.wander(time_s) + 6e-3 * time_s)
    path = track_delay(stimulus, output, sample_rate=known.rate, fast=True, max_delay_s=5.0).trajectory
    inside = (path.time_s > 0.5) & (path.time_s < 15.5)
    error = 1e6 * (path.delay_s - known.wander(path.time_s) - 6e-3 * path.time_s)[inside]
    assert path.valid[inside].mean() > 0.95
    assert np.std(error[path.valid[inside]]) < 6.0
