"""The turn of a tone beside a programme whose passages fit at many delays each: sweeps and steady tones."""

import numpy as np
import pytest

from tapemeasure.delay.track import track_delay
from tapemeasure.delay.turns import missing_delays
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep
from tapemeasure.signals.tones import tone_samples, two_tone_samples

PERIOD_S = 1.0 / 3150.0
STEP = 44


@pytest.fixture(scope="module")
def measuring(known) -> np.ndarray:
    """A sweep, steps of 1 kHz and a pair of tones, as a measurement plays them."""
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=4.0)
    steps = [
        tone_samples(frequency_hz=1000.0, duration_s=0.5, sample_rate=known.rate, level_dbfs=level)
        for level in np.arange(-42.0, 1.0, 6.0)
    ]
    pair = two_tone_samples(frequencies_hz=(250.0, 8000.0), duration_s=1.1, sample_rate=known.rate, level_dbfs=-6.0)
    swept = sweep_samples(sweep, sample_rate=known.rate, level_dbfs=-12.0)
    rest = np.zeros(known.rate // 2)
    return np.concatenate([rest, swept, rest, *steps, pair, rest])


def pilot_for(programme: np.ndarray, rate: float) -> np.ndarray:
    return 0.25 * np.sin(2 * np.pi * np.arange(len(programme)) / (PERIOD_S * rate))


def steady(time_s: np.ndarray) -> np.ndarray:
    """0.1 % of wow about 37 ms."""
    return 0.037 + 3e-4 * np.sin(2 * np.pi * 0.5 * time_s) + 1e-5 * np.sin(2 * np.pi * 9.0 * time_s)


@pytest.mark.parametrize("lost_s", [(), (1.0, 2.5, 5.6, 7.1, 9.0)])
@pytest.mark.parametrize("polarity", [1.0, -1.0])
def test_a_measurement_tells_the_turn(known, measuring: np.ndarray, lost_s, polarity: float) -> None:
    pilot = pilot_for(measuring, known.rate)
    heard = known.machine(pilot, steady, seed=1)
    for time_s in lost_s:
        heard[round(time_s * known.rate) : round((time_s + 0.04) * known.rate)] *= 0.02
    output = np.stack([polarity * known.machine(measuring, steady), heard], axis=1)
    found = track_delay(np.stack([measuring, pilot], axis=1), output, sample_rate=known.rate, pilot="tone")
    path = found.trajectory
    time_s = np.arange(len(path.delay_s)) / path.rate_hz
    inside = path.valid & (time_s > 0.2) & (time_s < time_s[-1] - 0.2)
    # one turn is 317 us, and the programme's own frames are that far away and more
    assert inside.mean() > 0.9
    assert 1e6 * np.abs(path.delay_s - steady(time_s))[inside].max() < 20.0
    assert not any("periods apart" in text for text in found.warnings)


@pytest.mark.parametrize("turns", [-43, -1, 0, 1, 11, 120])
def test_the_missing_turns_are_counted(known, measuring: np.ndarray, turns: int) -> None:
    output = known.machine(measuring, steady)
    wrong = steady(np.arange(0, len(output), STEP) / known.rate) - turns * PERIOD_S
    (missing,) = missing_delays(
        measuring,
        output,
        wrong,
        step_samples=STEP,
        stretches=((0, len(wrong)),),
        period_s=PERIOD_S,
        sample_rate=known.rate,
    )
    assert missing == pytest.approx(turns * PERIOD_S, abs=1e-9)


def test_what_tells_no_turn_is_not_believed(known) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000.0 * np.arange(3 * known.rate) / known.rate)
    noise = np.random.default_rng(1).standard_normal((2, len(tone)))
    for stimulus, output in ((tone, known.machine(tone, steady)), (noise[0], noise[1]), (tone, 0.0 * tone)):
        delay = steady(np.arange(0, len(output), STEP) / known.rate)
        found = missing_delays(
            stimulus,
            output,
            delay,
            step_samples=STEP,
            # the last is too short
            stretches=((300, 2500), (2500, 2550)),
            period_s=PERIOD_S,
            sample_rate=known.rate,
        )
        assert found == [None, None]
