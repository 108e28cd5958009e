"""Samples lost in an output that carries nothing but its programme."""

import numpy as np
import pytest

from tapemeasure.delay.lost_place import Jump, Knots, joined
from tapemeasure.delay.lost_samples import LostSamples
from tapemeasure.delay.lost_scores import step_scores
from tapemeasure.delay.smoother import Evidence, first_prior
from tapemeasure.delay.track import track_delay

RATE = 44100
EVENTS = [(70000, 1), (150000, -1), (230000, 2), (310000, -1)]


@pytest.fixture(scope="module")
def take(known):
    programme = known.music(9.0)
    return programme, known.machine(programme)


def test_single_samples_are_found_and_the_trajectory_steps_there(known, take) -> None:
    programme, whole = take
    result = track_delay(programme, known.damaged(whole, EVENTS), sample_rate=RATE, pilot="none")
    assert [event.samples for event in result.lost_samples] == [-count for _, count in EVENTS]
    times = [event.time_s for event in result.lost_samples]
    assert np.abs(np.array(times) - [place / RATE for place, _ in EVENTS]).max() < 0.01
    assert len(result.trajectory.steps) == len(EVENTS)
    time = result.trajectory.time_s
    gone = sum(count / RATE * (time >= place / RATE) for place, count in EVENTS)
    clear = np.min([np.abs(time - place / RATE) for place, _ in EVENTS], axis=0) > 0.02
    clear &= (time > 0.3) & (time < 8.6) & result.trajectory.valid
    error = 1e6 * (result.trajectory.delay_s - known.wander(time + gone) + gone)[clear]
    # a sample that was smoothed over would leave half of its 22.7 us
    assert np.abs(error - np.median(error)).max() < 6.0


def test_none_is_invented_and_what_was_heard_is_told(take) -> None:
    programme, whole = take
    result = track_delay(programme, whole, sample_rate=RATE, pilot="none")
    assert result.lost_samples == ()
    assert result.lost_seen is not None
    assert result.lost_seen > 0.8


def test_covered_by_noise_it_abstains(known, take) -> None:
    programme, _ = take
    noisy = known.damaged(known.machine(programme, hiss=0.1), EVENTS)
    result = track_delay(programme, noisy, sample_rate=RATE, pilot="none")
    assert result.lost_seen is not None
    assert result.lost_seen < 0.2
    assert result.lost_samples == ()


def test_the_fast_search_does_not_look_for_them(take) -> None:
    programme, whole = take
    assert track_delay(programme, whole, sample_rate=RATE, pilot="none", fast=True).lost_seen is None


def test_a_deep_and_quick_wow_is_no_lost_sample(known) -> None:
    programme = known.music(6.0, seed=4)

    def deep(time_s: np.ndarray) -> np.ndarray:
        return known.wander(time_s) + 2e-4 * np.sin(2 * np.pi * 5.0 * time_s) + 2e-5 * np.sin(2 * np.pi * 26.0 * time_s)

    result = track_delay(programme, known.machine(programme, deep), sample_rate=RATE, pilot="none")
    assert result.lost_samples == ()


def scores_of(step_s: float, *, seed: int = 0, n: int = 1200, sigma_s: float = 2e-6):
    """Heights at knots whose delay is measured one by one, with a step at the middle one."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) * 0.0025
    delay = 1e-4 * np.sin(2 * np.pi * 0.5 * time) + step_s * (np.arange(n) >= n // 2)
    measured = delay + sigma_s * rng.standard_normal(n)
    information = np.full(n, sigma_s**-2)
    evidence = Evidence(information * measured, information, np.zeros(n))
    return step_scores(evidence, np.zeros(n), prior=first_prior(0.0025), excess=np.ones(n))


@pytest.mark.parametrize("step_s", [2e-5, -2e-5, 1e-4])
def test_the_height_of_a_step_is_unbiased_and_its_sigma_honest(step_s: float) -> None:
    found = [scores_of(step_s, seed=seed) for seed in range(40)]
    pulls = [(each.height_s[600] - step_s) / each.sigma_s[600] for each in found]
    assert abs(np.mean(pulls)) < 4.0 / np.sqrt(len(found))
    assert 0.6 < np.std(pulls) < 1.4
    assert all(np.argmax(np.abs(each.height_s / each.sigma_s)[50:-50]) == 550 for each in found)


def test_the_bend_is_what_the_smoother_lacks_of_the_step() -> None:
    with_step, without = scores_of(5e-5), scores_of(0.0)
    step = 5e-5 * (np.arange(1200) >= 600)
    np.testing.assert_allclose(with_step.delay_s + 5e-5 * with_step.bend(600) - step, without.delay_s, atol=1e-9)


def test_where_nothing_tells_there_is_no_height() -> None:
    n = 400
    nothing = Evidence(np.zeros(n), np.zeros(n), np.zeros(n))
    found = step_scores(nothing, np.zeros(n), prior=first_prior(0.0025), excess=np.ones(n))
    assert not np.isfinite(found.sigma_s).any()
    assert not found.height_s.any()


@pytest.mark.parametrize("bridged", [False, True])
@pytest.mark.parametrize("size", [-300, -7, 1, 40])
def test_a_step_is_placed_where_the_waveform_breaks(known, size: int, bridged: bool) -> None:
    programme = known.music(2.0)
    late = np.concatenate([np.zeros(500), programme])[: len(programme)]
    output = known.damaged(late, [(40000, -size)])
    # knots that lead up to the step have it where it is thought to be, others where it is
    thought = 40200
    knots = Knots(110, np.full(800, 500.0) + size * (np.arange(800) * 110 >= (thought if bridged else 40000)))

    def played(delay: np.ndarray, first: int) -> np.ndarray:
        index = np.round(np.arange(first, first + len(delay)) - delay).astype(int)
        return programme[np.clip(index, 0, len(programme) - 1)]

    jump = Jump(thought / RATE, float(size), 0.02, bridged=bridged)
    (event,) = joined((), [jump], output, knots, played, sample_rate=RATE)
    assert event.samples == size
    assert abs(event.time_s * RATE - 40000) < 0.002 * RATE


def test_what_is_left_beside_a_known_one_corrects_it(known) -> None:
    programme = known.music(2.0)
    output = known.damaged(programme, [(40000, 9)])
    lost = (LostSamples(40000 / RATE, -8, 0.001, 9.0),)
    knots = Knots(110, -1.0 * (np.arange(800) * 110 >= 40000))

    def played(delay: np.ndarray, first: int) -> np.ndarray:
        index = np.round(np.arange(first, first + len(delay)) - delay).astype(int)
        return programme[np.clip(index, 0, len(programme) - 1)]

    (event,) = joined(lost, [Jump(40010 / RATE, -1.0, 0.01)], output, knots, played, sample_rate=RATE)
    assert event.samples == -9
    undone = joined(lost, [Jump(40010 / RATE, 8.0, 0.01)], output, knots, played, sample_rate=RATE)
    assert undone == ()
