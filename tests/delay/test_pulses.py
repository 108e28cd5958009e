import numpy as np
import pytest

from tapemeasure.delay.pulses import find_pulse_train, track_pulses
from tapemeasure.errors import NoMatchError


def test_a_train_is_recognised_and_measured(known) -> None:
    train = find_pulse_train(known.pulses(2.0, first=384), sample_rate=known.rate)
    assert train is not None
    assert train.period_samples == pytest.approx(441.0, abs=1e-6)
    assert train.runs_before
    assert train.runs_behind
    assert len(train.positions) == 200


@pytest.mark.parametrize("kind", ["music", "noise", "tone", "silence", "four pulses", "uneven pulses"])
def test_other_signals_are_no_train(known, music: np.ndarray, kind: str) -> None:
    rng = np.random.default_rng(1)
    uneven = np.zeros(known.rate)
    uneven[np.cumsum(rng.integers(300, 600, 60))] = 1.0
    samples = {
        "music": music,
        "noise": rng.standard_normal(known.rate),
        "tone": np.sin(2 * np.pi * 100 * np.arange(known.rate) / known.rate),
        "silence": np.zeros(known.rate),
        "four pulses": known.pulses(0.045),
        "uneven pulses": uneven,
    }[kind]
    assert find_pulse_train(samples, sample_rate=known.rate) is None


@pytest.mark.parametrize("polarity", [1, -1])
def test_every_pulse_is_found_to_a_fraction_of_a_microsecond(known, polarity: int) -> None:
    stimulus = known.pulses(4.0)
    train = find_pulse_train(stimulus, sample_rate=known.rate)
    assert train is not None
    found = track_pulses(train, polarity * known.machine(stimulus), sample_rate=known.rate)
    assert found.polarity == polarity
    assert not found.ambiguous
    # the last 20 ms have left the file
    assert len(found.found) == 397
    assert found.found.all()
    error = known.error_us(found.time_s, found.delay_s)
    assert np.std(error) < 0.1
    assert np.median(found.delay_s - known.wander(found.time_s)) == pytest.approx(0.0, abs=1e-7)


def test_missing_pulses_stay_missing_and_do_not_shift_the_others(known) -> None:
    stimulus = known.pulses(4.0)
    output = known.machine(stimulus)
    output[known.rate : 2 * known.rate] = 1e-3 * np.random.default_rng(3).standard_normal(known.rate)
    train = find_pulse_train(stimulus, sample_rate=known.rate)
    assert train is not None
    found = track_pulses(train, output, sample_rate=known.rate)
    lost = ~found.found
    assert 98 <= lost.sum() <= 101
    assert (found.time_s[lost] > 0.99).all()
    assert (found.time_s[lost] < 2.01).all()
    assert np.isinf(found.sigma_s[lost]).all()
    sure = found.found
    assert 1e6 * np.abs(found.delay_s - known.wander(found.time_s))[sure].max() < 1.0


def test_a_running_train_needs_the_programme_to_tell_its_periods(known) -> None:
    long = known.pulses(3.0, first=384)
    late = known.machine(long, lambda time: 0 * time + 0.1607)
    train = find_pulse_train(long[known.rate // 2 :], sample_rate=known.rate)
    assert train is not None
    alone = track_pulses(train, late[known.rate // 2 :], sample_rate=known.rate)
    assert alone.ambiguous
    assert np.median(alone.delay_s) == pytest.approx(0.0007, abs=1e-6)
    guided = track_pulses(
        train,
        late[known.rate // 2 :],
        sample_rate=known.rate,
        guide_time_s=np.array([1.0]),
        guide_delay_s=np.array([0.163]),
    )
    assert not guided.ambiguous
    assert np.median(guided.delay_s) == pytest.approx(0.1607, abs=1e-6)


def test_hiss_is_no_train(known) -> None:
    train = find_pulse_train(known.pulses(2.0), sample_rate=known.rate)
    assert train is not None
    with pytest.raises(NoMatchError, match="no pulses"):
        track_pulses(train, np.random.default_rng(1).standard_normal(2 * known.rate), sample_rate=known.rate)
