import numpy as np
import pytest

from tapemeasure.analysis.hiss import measure_hiss
from tapemeasure.errors import SignalError
from tapemeasure.io import read_audio
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100


def constant_delay(delay_s: float) -> DelayTrajectory:
    points = 50
    return DelayTrajectory(0.0, 10.0, np.full(points, delay_s), np.full(points, 1e-6), np.ones(points, dtype=bool))


def hiss(level_dbfs: float, n_samples: int, seed: int = 1) -> np.ndarray:
    return 10 ** (level_dbfs / 20) * np.random.default_rng(seed).standard_normal(n_samples)


@pytest.fixture
def stimulus() -> np.ndarray:
    """Noise of 4 s at -20 dBFS with a pause from 1 to 2.5 s and a short one from 3 to 3.2 s."""
    samples = hiss(-20.0, 4 * RATE)
    samples[RATE : round(2.5 * RATE)] = 0.0
    samples[3 * RATE : round(3.2 * RATE)] = 0.0
    return samples


def test_hiss_is_cut_where_the_delay_puts_it(stimulus: np.ndarray) -> None:
    delay_samples = 7060
    output = np.r_[np.zeros(delay_samples), stimulus] + hiss(-66.0, len(stimulus) + delay_samples, seed=2)
    found = measure_hiss(
        stimulus, output, sample_rate=RATE, trajectory=constant_delay(delay_samples / RATE), guard_s=0.02
    )
    (segment,) = found.segments
    assert segment.start_s - segment.input_start_s == pytest.approx(delay_samples / RATE, abs=1 / RATE)
    assert segment.level_dbfs == pytest.approx(-66.0, abs=0.1)
    assert segment.level_above_200hz_dbfs == pytest.approx(-66.04, abs=0.1)
    assert segment.ticks == 0
    assert segment.leakage_dbfs is None
    assert len(segment.cut(output)) == segment.stop_samples - segment.start_samples
    assert found.noise.level_dbfs == pytest.approx(segment.level_dbfs)
    # without the delay the cut takes in what was played: far above the hiss
    wrong = measure_hiss(stimulus, output, sample_rate=RATE, guard_s=0.02)
    assert wrong.segments[0].level_dbfs > -40.0


def test_a_growing_delay_is_followed(stimulus: np.ndarray) -> None:
    points = 100
    delays = 0.1 + 0.01 * np.arange(points) / 10.0
    trajectory = DelayTrajectory(0.0, 10.0, delays, np.full(points, 1e-6), np.ones(points, dtype=bool))
    output = hiss(-66.0, 6 * RATE)
    (segment,) = measure_hiss(stimulus, output, sample_rate=RATE, trajectory=trajectory).segments
    # t - (0.1 + 0.01 t) = u
    assert segment.start_s == pytest.approx((segment.input_start_s + 0.1) / 0.99, abs=1 / RATE)


def test_ticks_are_counted(stimulus: np.ndarray) -> None:
    output = hiss(-66.0, len(stimulus))
    for second in (1.3, 1.7, 2.1):
        output[round(second * RATE)] += 0.05
    (segment,) = measure_hiss(stimulus, output, sample_rate=RATE).segments
    assert segment.ticks == 3


def test_crosstalk_of_the_pilot_is_told(stimulus: np.ndarray) -> None:
    pilot = np.zeros(len(stimulus))
    pilot[384::441] = 0.38
    played = np.column_stack([stimulus, pilot])
    leak = 10 ** (-42 / 20) * np.convolve(pilot, [0.3, 1.0, 0.2], mode="same")
    heard = np.column_stack([hiss(-66.0, len(stimulus)) + leak, pilot + hiss(-66.0, len(stimulus), seed=5)])
    (segment,) = measure_hiss(played, heard, sample_rate=RATE).segments
    expected = 10 * np.log10(np.mean((leak - leak.mean()) ** 2))
    assert segment.leakage_dbfs == pytest.approx(expected, abs=1.0)
    heard[:, 0] -= leak
    assert measure_hiss(played, heard, sample_rate=RATE).segments[0].leakage_dbfs is None


def test_output_that_ends_too_early_is_told(stimulus: np.ndarray) -> None:
    with pytest.raises(SignalError, match="record longer"):
        measure_hiss(stimulus, hiss(-66.0, RATE), sample_rate=RATE)


def test_an_input_without_a_pause_is_refused() -> None:
    samples = hiss(-20.0, 3 * RATE)
    with pytest.raises(SignalError, match="nowhere below -60 dBFS"):
        measure_hiss(samples, samples, sample_rate=RATE)


def test_missing_channel_is_told(stimulus: np.ndarray) -> None:
    with pytest.raises(SignalError, match="channel 2 was asked for"):
        measure_hiss(stimulus, stimulus, sample_rate=RATE, channel=1)


def test_the_real_machine_reads_as_its_data_sheet_in_the_design(akai_recordings) -> None:
    stimulus, sample_rate = read_audio(akai_recordings / "io_4_input.wav")
    output, _ = read_audio(akai_recordings / "io_4_output.wav")
    found = measure_hiss(stimulus, output, sample_rate=sample_rate, trajectory=constant_delay(0.1603))
    (segment,) = found.segments
    # the input is below -60 dBFS from 1.05 to 2.15 s; 150 ms of guard on either side
    assert segment.input_start_s == pytest.approx(1.20, abs=0.05)
    assert segment.input_end_s == pytest.approx(2.00, abs=0.05)
    assert segment.level_above_200hz_dbfs == pytest.approx(-66.4, abs=0.5)
    assert segment.level_a_dbfs == pytest.approx(-69.2, abs=0.5)
    assert {50.0, 100.0, 200.0} <= {line.frequency_hz for line in found.noise.hum_lines}
    assert segment.hum_60hz_dbfs is None
