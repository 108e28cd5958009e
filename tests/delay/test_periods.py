"""The period of the pulses, told by loud seconds of a programme that mostly fits at every one of them."""

import numpy as np
import pytest

from tapemeasure.arrays import no_progress
from tapemeasure.delay.gcc import FrameDelays
from tapemeasure.delay.periods import missing_periods
from tapemeasure.delay.pilot import FoundPilot
from tapemeasure.delay.points import Guide, track_points
from tapemeasure.delay.programme import Programme
from tapemeasure.delay.pulses import find_pulse_train
from tapemeasure.delay.track import track_delay

PERIOD_S = 0.01


def slow(time_s: np.ndarray) -> np.ndarray:
    """0.4 % too slow, 0.1 % of wow: after 30 s the delay is 12 periods more."""
    return 0.0013 + 0.004 * time_s + 3e-4 * np.sin(2 * np.pi * 0.5 * time_s)


@pytest.fixture(scope="module")
def measuring(known) -> np.ndarray:
    """Tones that fit at every period of the pulses, before and behind 4 s of music."""
    time = np.arange(8 * known.rate) / known.rate
    tones = 0.5 * np.sin(2 * np.pi * 1000.0 * time) * np.repeat(10.0 ** (np.arange(-8, 0) / 4.0), known.rate)
    return np.concatenate([tones, known.music(4.0), tones])


@pytest.mark.parametrize("periods", [-40, -3, -1, 0, 1, 7, 60])
@pytest.mark.parametrize("polarity", [1.0, -1.0])
def test_missing_periods_are_counted(known, measuring: np.ndarray, periods: int, polarity: float) -> None:
    output = polarity * known.machine(measuring, slow)
    time_s = np.arange(0.0, 19.9, PERIOD_S)
    missing = missing_periods(
        measuring,
        output,
        time_s=time_s,
        delay_s=slow(time_s) - periods * PERIOD_S,
        period_s=PERIOD_S,
        sample_rate=known.rate,
    )
    assert missing == periods


@pytest.mark.parametrize("kind", ["tone", "another programme", "silence", "outside the input"])
def test_what_tells_no_period_is_not_believed(known, kind: str) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000.0 * np.arange(4 * known.rate) / known.rate)
    music = known.music(4.0)
    stimulus, output, delay_s = {
        "tone": (tone, known.machine(tone, slow), 0.0),
        "another programme": (music, known.music(4.0, seed=2), 0.0),
        "silence": (music, np.zeros(len(music)), 0.0),
        "outside the input": (music, music, -50.0),
    }[kind]
    time_s = np.arange(0.0, 4.0, PERIOD_S)
    assert (
        missing_periods(
            stimulus,
            output,
            time_s=time_s,
            delay_s=slow(time_s) + delay_s,
            period_s=PERIOD_S,
            sample_rate=known.rate,
        )
        is None
    )


def test_a_take_of_tones_and_music_is_tracked_at_its_period(known, measuring: np.ndarray) -> None:
    pulses = known.pulses(len(measuring) / known.rate, first=20)
    output = np.stack([known.machine(measuring, slow), known.machine(pulses, slow, seed=1)], axis=1)
    found = track_delay(np.stack([measuring, pulses], axis=1), output, sample_rate=known.rate)
    path = found.trajectory
    inside = path.valid & (path.time_s > 0.1) & (path.time_s < path.time_s[-1] - 0.2)
    assert 1e6 * np.abs(path.delay_s - slow(path.time_s))[inside].max() < 5.0
    assert not any("modulo" in text for text in found.warnings)


def test_a_period_that_nothing_tells_is_said(known) -> None:
    """A buzz fits at every one of its own periods, which are the pulses'; both run from end to end."""
    buzz = np.tile(np.random.default_rng(1).standard_normal(441), 400) * 0.1
    pulses = known.pulses(len(buzz) / known.rate, first=20)

    def late(time_s: np.ndarray) -> np.ndarray:
        return 0.0013 + 0.0 * time_s

    output = np.stack([known.machine(buzz, late), known.machine(pulses, late, seed=1)], axis=1)
    hop, count = 441, 400
    frames = FrameDelays(hop, np.full(count, 0.0113), np.ones(count), np.ones(count, dtype=np.bool_))
    programme = Programme(np.arange(count) * 0.01, frames, frames.loud, 1, 0.9)
    points = track_points(
        np.stack([buzz, pulses], axis=1),
        output,
        pilot=FoundPilot(channel=1, train=find_pulse_train(pulses, sample_rate=known.rate)),
        guide=Guide(programme.time_s, frames.delay_s),
        programme=programme,
        programme_channel=0,
        sample_rate=known.rate,
        rate_hz=100.0,
        progress=no_progress,
    )
    assert points.ambiguous_s == pytest.approx(PERIOD_S)
    # the guide's period is kept
    assert np.median(points.delay_s) == pytest.approx(0.0113, abs=1e-6)
