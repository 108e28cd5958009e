"""A tape whose speed changes between two heads is told as such, with its ratio; lost and doubled blocks are not."""

import numpy as np
import pytest

from tapemeasure.analysis.slips import Slip, Slips, find_slips
from tapemeasure.analysis.speed_step import find_speed_step
from tapemeasure.analysis.take_check import check_signals
from tapemeasure.dsp.fractional import read_at
from tapemeasure.trajectory import DelayTrajectory

RATE = 16000
CARD_S = 0.015
HEADS_S = 0.16
BEGIN_S = 5.3


def _stimulus(seconds: float = 10.0) -> np.ndarray:
    """Coloured noise on channel 1, 100 pulses per second on channel 2, and silence at the end."""
    length = round(seconds * RATE)
    programme = 0.1 * np.convolve(np.random.default_rng(8).standard_normal(length), np.ones(4) / 4.0, "same")
    pulses = np.zeros(length)
    pulses[:: RATE // 100] = 0.3
    stimulus = np.column_stack([programme, pulses])
    stimulus[-2 * RATE :] = 0.0
    return stimulus


def _trajectory(delay_s: np.ndarray) -> DelayTrajectory:
    return DelayTrajectory(0.0, 100.0, delay_s, np.full(len(delay_s), 1e-7), np.ones(len(delay_s), dtype=np.bool_))


def _delay_s(time_s: np.ndarray, ratio: float) -> np.ndarray:
    passage_s = HEADS_S / ratio
    return CARD_S + HEADS_S + (passage_s - HEADS_S) * np.clip((time_s - BEGIN_S) / passage_s, 0.0, 1.0)


def _played(stimulus: np.ndarray, ratio: float) -> np.ndarray:
    time_s = np.arange(len(stimulus)) / RATE
    output = 0.8 * read_at(stimulus, (time_s - _delay_s(time_s, ratio)) * RATE)
    return np.asarray(output + 1e-3 * np.random.default_rng(3).standard_normal(output.shape))


@pytest.mark.parametrize("ratio", [0.5, 0.7, 1.1, 1.5])
def test_a_speed_that_no_tracker_follows_is_told_with_its_ratio(ratio: float) -> None:
    stimulus = _stimulus()
    output = _played(stimulus, ratio)
    change_s = HEADS_S / ratio - HEADS_S
    # behind it a tracker of pulses may be off by whole periods
    tracked_s = (change_s + 0.005) % 0.01 - 0.005
    moments_s = np.arange(1001) / 100.0
    trajectory = _trajectory(CARD_S + HEADS_S + tracked_s * (moments_s > BEGIN_S + 0.5 * HEADS_S / ratio))
    slips = find_slips(stimulus, output, sample_rate=RATE, trajectory=trajectory)
    step = find_speed_step(stimulus, output, sample_rate=RATE, slips=slips)
    assert step is not None
    assert step.ratio == pytest.approx(ratio, rel=0.01)
    assert step.time_s == pytest.approx(BEGIN_S, abs=0.02)
    assert step.passage_s == pytest.approx(HEADS_S / ratio, abs=0.02)
    assert step.change_s == pytest.approx(change_s, abs=1e-3)
    findings = check_signals(stimulus, output, sample_rate=RATE, trajectory=trajectory, pilot_channel=1)
    assert [finding.name for finding in findings] == ["wrong_speed"]
    assert f"{100.0 * (ratio - 1.0):+.0f}" in findings[0].text


def test_a_speed_that_the_tracker_follows_has_its_ratio_too() -> None:
    stimulus = _stimulus()
    output = _played(stimulus, 0.97)
    trajectory = _trajectory(_delay_s(np.arange(1001) / 100.0, 0.97))
    (finding,) = check_signals(stimulus, output, sample_rate=RATE, trajectory=trajectory, pilot_channel=1)
    assert finding.name == "wrong_speed"
    assert finding.unit == "%"
    assert finding.amount == pytest.approx(-3.0, abs=0.5)


@pytest.mark.parametrize("lost", [400, -300, 2500])
def test_a_block_that_is_lost_or_doubled_is_no_speed(lost: int) -> None:
    stimulus = _stimulus()
    good = _played(stimulus, 1.0)
    at = 5 * RATE
    output = np.concatenate([good[:at], good[at + lost :]])
    output = np.pad(output, ((0, max(0, len(good) - len(output))), (0, 0)))[: len(good)]
    trajectory = _trajectory(np.full(1001, CARD_S + HEADS_S))
    slips = find_slips(stimulus, output, sample_rate=RATE, trajectory=trajectory)
    assert [slip.samples for slip in slips.slips] == [-lost]
    assert find_speed_step(stimulus, output, sample_rate=RATE, slips=slips) is None


def test_without_a_slip_or_with_many_there_is_nothing_to_look_for() -> None:
    stimulus = _stimulus()
    output = _played(stimulus, 0.7)
    trajectory = _trajectory(np.full(1001, CARD_S + HEADS_S))
    many = tuple(Slip(5.0 + 0.1 * number, -100) for number in range(5))
    apart = (Slip(2.0, 100), Slip(8.0, 100))
    for slips in ((), many, apart):
        assert find_speed_step(stimulus, output, sample_rate=RATE, slips=Slips(slips, trajectory)) is None
