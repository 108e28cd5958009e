"""Blocks of lost and doubled samples, by correlation and by the waveform."""

import numpy as np
import pytest

from tapemeasure.delay.bulk import BulkDelay
from tapemeasure.delay.gcc import FrameDelays, coarse_path, track_frames
from tapemeasure.delay.lost_blocks import lost_blocks
from tapemeasure.delay.lost_samples import repair_output
from tapemeasure.delay.lost_scores import step_over_gap
from tapemeasure.delay.resolution import SlowPair
from tapemeasure.delay.smoother import Evidence, first_prior
from tapemeasure.delay.track import track_delay

RATE = 44100
COUNTED = 16
"""Samples to which correlation counts a block: the path moves by three steps of 1/11 kHz beside it, as wow may."""

BLOCKS = [(80000, 300), (160000, -60), (250000, 1500), (330000, -900)]


def followed(programme: np.ndarray, output: np.ndarray) -> FrameDelays:
    """Frames around 20 ms."""
    bulk = BulkDelay(np.array([0.0]), np.array([0.02]))
    path, _ = coarse_path(SlowPair.of(programme, output, sample_rate=RATE), bulk, polarity=1)
    return track_frames(programme, output, path, sample_rate=RATE)


@pytest.fixture(scope="module")
def take(known):
    programme = known.music(9.0, seed=3)
    return programme, known.machine(programme)


def test_blocks_are_found_by_correlation_and_the_rest_can_be_followed(known, take) -> None:
    programme, whole = take
    output = known.damaged(whole, BLOCKS)
    found = lost_blocks(programme, output, followed(programme, output), sample_rate=RATE)
    assert len(found.lost) == len(BLOCKS)
    for event, (place, count) in zip(found.lost, BLOCKS, strict=True):
        assert abs(event.samples + count) <= COUNTED
        assert abs(event.time_s - place / RATE) < 0.01
    # what is left are errors of a few samples each
    time = np.arange(len(found.frames.delay_s)) * found.frames.hop_samples / RATE
    good = found.frames.quality > 0.5 * found.frames.match()
    assert good.mean() > 0.95
    assert np.abs(found.frames.delay_s - known.wander(time))[good].max() < COUNTED * len(BLOCKS) / RATE


def test_what_is_whole_has_none(take) -> None:
    programme, whole = take
    frames = followed(programme, whole)
    found = lost_blocks(programme, whole, frames, sample_rate=RATE)
    assert found.lost == ()
    assert found.frames is frames


def test_a_pause_in_which_the_speed_goes_on_is_no_block(known) -> None:
    programme = known.music(6.0, seed=5)
    programme[110000:150000] = 0.0

    def deep(time_s: np.ndarray) -> np.ndarray:
        return 0.02 + 2.5e-3 * np.sin(2 * np.pi * 0.45 * time_s)

    output = known.machine(programme, deep, hiss=1e-3)
    found = lost_blocks(programme, output, followed(programme, output), sample_rate=RATE)
    assert found.lost == ()


def test_other_music_has_none(known, take) -> None:
    programme, _ = take
    output = known.machine(known.music(9.0, seed=77))
    assert lost_blocks(programme, output, followed(programme, output), sample_rate=RATE).lost == ()


def test_blocks_of_all_sizes_are_counted_by_the_waveform(known) -> None:
    programme = known.music(11.0, seed=3)
    events = [(70000, 4), (140000, -12), (210000, 40), (280000, -300), (350000, 7), (420000, -1)]
    output = known.damaged(known.machine(programme), events)
    result = track_delay(programme, output, sample_rate=RATE, pilot="none")
    assert [event.samples for event in result.lost_samples] == [-count for _, count in events]
    times = np.array([event.time_s for event in result.lost_samples])
    assert np.abs(times - [place / RATE for place, _ in events]).max() < 0.01
    whole = repair_output(output, result.lost_samples, sample_rate=RATE)
    again = track_delay(programme, whole, sample_rate=RATE, pilot="none")
    assert again.lost_samples == ()


def heights(step_s: float, *, seed: int, smeared: int, gap_knots: tuple[int, int]):
    """A step at the middle one of many knots, whose delays are measured one by one, wrongly so near it."""
    rng, n, sigma_s = np.random.default_rng(seed), 1200, 2e-6
    time = np.arange(n) * 0.0025
    delay = 1e-4 * np.sin(2 * np.pi * 0.5 * time) + step_s * (np.arange(n) >= n // 2)
    measured = delay + sigma_s * rng.standard_normal(n)
    measured[n // 2 - smeared : n // 2 + smeared] = 0.5 * step_s
    information = np.full(n, sigma_s**-2)
    evidence = Evidence(information * measured, information, np.zeros(n))
    prior, excess = first_prior(0.0025), np.ones(n)
    return step_over_gap(evidence, np.zeros(n), prior=prior, excess=excess, knot=n // 2, gap_knots=gap_knots)


@pytest.mark.parametrize("step_s", [2e-4, -5e-3])
def test_a_step_over_a_gap_is_unbiased_and_its_sigma_honest(step_s: float) -> None:
    found = [heights(step_s, seed=seed, smeared=6, gap_knots=(7, 7)) for seed in range(40)]
    pulls = [(each.height_s - step_s) / each.sigma_s for each in found]
    assert abs(np.mean(pulls)) < 4.0 / np.sqrt(len(found))
    # the smooth delay bends less than the prior allows
    assert 0.05 < np.std(pulls) < 1.4


def test_a_wider_gap_tells_less_and_leads_both_sides_to_the_step() -> None:
    narrow, wide = (heights(3e-4, seed=2, smeared=4, gap_knots=gap) for gap in ((5, 5), (12, 20)))
    assert narrow.sigma_s < wide.sigma_s
    time = (narrow.first + np.arange(len(narrow.delay_s))) * 0.0025
    expected = 1e-4 * np.sin(2 * np.pi * 0.5 * time) + 3e-4 * (time >= 1.5)
    np.testing.assert_allclose(narrow.delay_s, expected, atol=2e-5)


def test_a_step_at_the_end_is_not_measured() -> None:
    n = 60
    evidence = Evidence(np.zeros(n), np.full(n, 1e12), np.zeros(n))
    found = step_over_gap(
        evidence, np.zeros(n), prior=first_prior(0.0025), excess=np.ones(n), knot=n - 2, gap_knots=(3, 3)
    )
    assert found.sigma_s == np.inf
    assert found.height_s == 0.0
