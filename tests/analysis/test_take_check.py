"""The check of a take: each thing that can be wrong is named, with its place and its size, and nothing else is."""

import numpy as np
import pytest

from tapemeasure.analysis.slips import find_slips, lasting_change_s
from tapemeasure.analysis.take_check import Limits, check_signals, summary, wrong_speed
from tapemeasure.analysis.take_gain import channel_gain, find_dips, gone_from_s
from tapemeasure.trajectory import DelayTrajectory

RATE = 16000
LATE = 240


def _trajectory(delay_s: np.ndarray | float, seconds: float) -> DelayTrajectory:
    n_points = round(seconds * 100) + 1
    delay = np.broadcast_to(np.asarray(delay_s, dtype=np.float64), n_points).copy()
    return DelayTrajectory(0.0, 100.0, delay, np.full(n_points, 1e-7), np.ones(n_points, dtype=np.bool_))


def _take(seconds: float = 12.0, *, tail_s: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Coloured noise on channel 1, 100 pulses per second on channel 2; back from a good machine, 15 ms late."""
    rng = np.random.default_rng(8)
    length = round(seconds * RATE)
    programme = np.convolve(rng.standard_normal(length), np.ones(4) / 4.0, "same") * 0.1
    programme *= 0.6 + 0.4 * np.sin(2.0 * np.pi * 0.7 * np.arange(length) / RATE)
    pulses = np.zeros(length)
    pulses[:: RATE // 100] = 0.3
    stimulus = np.column_stack([programme, pulses])
    output = np.zeros((length + round(tail_s * RATE), 2))
    output[LATE : LATE + length] = 0.8 * stimulus
    output += 1e-3 * rng.standard_normal(output.shape)
    return stimulus, output


def _names(stimulus: np.ndarray, output: np.ndarray, **arguments: object) -> list[tuple[str, int | None]]:
    trajectory = _trajectory(LATE / RATE, len(output) / RATE)
    padded = np.pad(stimulus, ((0, len(output) - len(stimulus)), (0, 0)))
    found = check_signals(
        padded,
        output,
        sample_rate=RATE,
        trajectory=trajectory,
        pilot_channel=1,
        **arguments,  # type: ignore[arg-type]
    )
    return [(finding.name, finding.channel) for finding in found]


def test_a_good_take_has_no_finding() -> None:
    assert _names(*_take()) == []


def test_each_fault_is_named_and_nothing_else() -> None:
    stimulus, good = _take()
    time_s = np.arange(len(good)) / RATE

    output = good.copy()
    output[:, 1] = 0.0
    assert _names(stimulus, output) == [("dead_channel", 2)]

    output = good * [1.0, -1.0]
    assert _names(stimulus, output) == [("inverted_polarity", 2)]

    output = good * [0.02, 1.0]
    assert _names(stimulus, output) == [("wrong_level", 1)]
    assert _names(stimulus, output, limits=Limits(gain_tolerance_db=40.0)) == []

    hum = 0.01 * np.sin(2.0 * np.pi * 50.0 * time_s)
    assert _names(stimulus, good + hum[:, np.newaxis]) == [("hum", 1), ("hum", 2)]

    output = good.copy()
    output[round(6.0 * RATE) :] = 0.0
    assert _names(stimulus, output) == [("no_signal", None)]

    output = good.copy()
    output[round(5.0 * RATE) : round(5.05 * RATE), 0] *= 0.01
    assert _names(stimulus, output) == [("dropout", 1)]


def test_without_a_trajectory_levels_are_looked_at_all_the_same() -> None:
    stimulus, output = _take()
    output[:, 0] = 0.0
    found = check_signals(stimulus, output[: len(stimulus)], sample_rate=RATE, trajectory=None)
    assert [finding.name for finding in found] == ["dead_channel"]


@pytest.mark.parametrize("lost", [400, 64, -300])
def test_lost_blocks_are_found_where_they_are(lost: int) -> None:
    stimulus, output = _take(20.0)
    moments = np.arange(1.5, 19.0, 2.1)
    expected, delay_s = [], np.full(len(output) * 100 // RATE + 1, LATE / RATE)
    grid_s = np.arange(len(delay_s)) / 100.0
    for moment in moments:
        at = round(moment * RATE)
        # doubled: the samples before come again
        output = np.concatenate([output[:at], output[at + lost :]])
        expected.append(moment)
        # as a tracker sees it: the step is smeared over 30 ms
        delay_s -= lost / RATE * np.clip((grid_s - moment) / 0.03 + 0.5, 0.0, 1.0)
    count = round(len(output) / RATE * 100) + 1
    padded = np.concatenate([delay_s, np.full(max(0, count - len(delay_s)), delay_s[-1])])[:count]
    slips = find_slips(stimulus, output, sample_rate=RATE, trajectory=_trajectory(padded, len(output) / RATE)).slips
    np.testing.assert_allclose([slip.time_s for slip in slips], expected, atol=0.010)
    assert {slip.samples for slip in slips} == {-lost}


@pytest.mark.parametrize("lost", [256, 1024])
def test_what_pulses_leave_open_by_whole_periods_the_programme_decides(lost: int) -> None:
    """Several lost blocks a second, some where only pulses play, in a track that is off by a period behind them."""
    stimulus, output = _take(20.0)
    quiet = slice(round(6.0 * RATE), round(9.0 * RATE))
    hiss = 1e-3 * np.random.default_rng(4).standard_normal(output.shape)
    output[quiet.start + LATE : quiet.stop + LATE, 0] = hiss[quiet, 0]
    stimulus[quiet, 0] = 0.0
    moments = np.array([3.0, 3.31, 3.57, 7.55, 12.02, 12.3, 16.0])
    for moment in moments:
        at = round(moment * RATE)
        output = np.concatenate([output[:at], output[at + lost :]])
    # the tracker took the next pulse for the right one: it never is off by more than half a period
    period = RATE // 100
    passed = np.searchsorted(moments, np.arange(len(output) * 100 // RATE + 1) / 100.0, side="right")
    taken = ((-lost + period // 2) % period - period // 2) * passed
    trajectory = _trajectory((LATE + taken) / RATE, (len(taken) - 1) / 100.0)
    slips = find_slips(stimulus, output, sample_rate=RATE, trajectory=trajectory)
    np.testing.assert_allclose([slip.time_s for slip in slips.slips], moments, atol=0.010)
    assert [slip.samples for slip in slips.slips] == [-lost] * len(moments)
    right = (LATE - lost * np.searchsorted(moments, [1.0, 5.0, 19.0])) / RATE
    np.testing.assert_allclose(slips.trajectory.at(np.array([1.0, 5.0, 19.0])), right, atol=3e-4)


def test_a_dropout_is_no_slip() -> None:
    stimulus, output = _take()
    output[round(4.0 * RATE) : round(4.5 * RATE)] *= 1e-3
    trajectory = _trajectory(LATE / RATE, len(output) / RATE)
    assert find_slips(stimulus, output, sample_rate=RATE, trajectory=trajectory).slips == ()


def test_wow_is_no_slip() -> None:
    stimulus, output = _take()
    time_s = np.arange(len(output) * 100 // RATE + 1) / 100.0
    # 2 % peak of wow at 4 Hz
    delay_s = LATE / RATE + 0.02 / (2.0 * np.pi * 4.0) * np.sin(2.0 * np.pi * 4.0 * time_s)
    trajectory = _trajectory(delay_s, len(output) / RATE)
    assert find_slips(stimulus, output, sample_rate=RATE, trajectory=trajectory).slips == ()
    assert lasting_change_s(trajectory) is None


def test_a_speed_that_changes_for_good_is_found() -> None:
    time_s = np.arange(2001) / 100.0
    delay_s = 0.16 + 0.0084 * np.clip((time_s - 12.0) / 0.17, 0.0, 1.0) + 5e-5 * np.sin(9.0 * time_s)
    change = lasting_change_s(_trajectory(delay_s, 20.0))
    assert change is not None
    assert change[0] == pytest.approx(12.1, abs=0.6)
    assert change[1] == pytest.approx(0.0084, abs=3e-4)


def test_speeds_are_told_in_percent() -> None:
    assert "3.00 % too slow (2 % are allowed" in wrong_speed(-3.0, limits=Limits()).text
    stimulus, output = _take()
    trajectory = _trajectory(0.03 + 0.03 * np.arange(1401) / 100.0, len(output) / RATE)
    names = {
        finding.name
        for finding in check_signals(stimulus, output, sample_rate=RATE, trajectory=trajectory, pilot_channel=1)
    }
    assert "wrong_speed" in names


def test_dips_and_ends_by_hand() -> None:
    stimulus, output = _take(4.0, tail_s=0.1)
    trajectory = _trajectory(LATE / RATE, 4.2)
    output[round(2.0 * RATE) : round(2.1 * RATE), 1] *= 0.05
    gain = channel_gain(stimulus[:, 1], output[:, 1], channel=2, sample_rate=RATE, trajectory=trajectory)
    assert gain.median_db(None) == pytest.approx(20.0 * np.log10(0.8), abs=1.0)
    (dip,) = find_dips(gain)
    assert (dip.channel, dip.start_s, dip.length_s) == (2, pytest.approx(2.0, abs=0.01), pytest.approx(0.1, abs=0.02))
    assert dip.depth_db == pytest.approx(26.0, abs=6.0)
    assert gone_from_s((gain,)) is None
    assert gone_from_s(()) is None


def test_a_summary_is_short() -> None:
    findings = [wrong_speed(float(number), limits=Limits()) for number in range(3, 15)]
    texts = summary(findings)
    assert len(texts) == 9
    assert texts[-1] == "4 more of wrong_speed, see the sidecar"
    assert summary([]) == ()
