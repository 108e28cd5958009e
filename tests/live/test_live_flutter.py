"""Live wow and flutter against the standard's table, the off-line detector, and the off-line measures of the take."""

import numpy as np
import pytest

from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.quasi_peak import flutter_quasi_peak
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.dsp.flutter_weighting import FLUTTER_TABLE
from tapemeasure.errors import SignalError
from tapemeasure.live.flutter import QuasiPeakPointer, RunFigures, weighting_taps
from tapemeasure.live.run import ToneRun
from tapemeasure.live.tone import ToneFollower

RATE = 44100
LINES = ((0.2, 0.0004, 0.3), (0.7, 0.0006, 1.0), (2.6, 0.0007, 2.0), (7.8, 0.0005, 0.1), (26.5, 0.0006, 1.0))


def wobbling_tone(
    *, duration_s: float, speed: float = 0.004, nominal_hz: float = 3150.0, noise: float = 3e-4, rate: int = RATE
) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate)) / rate
    deviation = speed + sum(size * np.sin(2.0 * np.pi * hz * time_s + phase) for hz, size, phase in LINES)
    phase = 2.0 * np.pi * nominal_hz * np.cumsum(1.0 + deviation) / rate
    return 0.25 * np.sin(phase) + noise * np.random.default_rng(5).standard_normal(len(time_s))


@pytest.fixture(scope="module")
def tone() -> np.ndarray:
    return wobbling_tone(duration_s=30.0)


def _run(samples: np.ndarray, *, block: int) -> ToneRun:
    run = ToneRun(nominal_hz=3150.0, found_hz=3160.0, sample_rate=RATE)
    for first in range(0, len(samples), block):
        run.process(samples[first : first + block])
    return run


def test_the_weighting_follows_the_table_from_02_hz_up() -> None:
    rate_hz = 2940.0
    taps = weighting_taps(rate_hz)
    time_s = (np.arange(len(taps)) - len(taps) // 2) / rate_hz
    for frequency_hz, level_db in FLUTTER_TABLE[1:]:
        gain = abs(np.sum(taps * np.exp(-2j * np.pi * frequency_hz * time_s))) * np.sinc(frequency_hz / rate_hz)
        assert 20.0 * np.log10(gain) == pytest.approx(level_db, abs=0.1)
    assert abs(np.sum(taps)) < 1e-12


def test_the_pointer_goes_on_from_block_to_block() -> None:
    weighted = np.random.default_rng(2).standard_normal(6000)
    pointer = QuasiPeakPointer(rate_hz=2940.0)
    made = np.concatenate([pointer.process(part) for part in np.array_split(weighted, 7)])
    np.testing.assert_allclose(made, flutter_quasi_peak(weighted, rate_hz=2940.0), rtol=1e-12)


def test_a_run_reads_what_the_take_measures(tone: np.ndarray) -> None:
    summary = _run(tone, block=5000).finish()
    known = measure_wow_flutter(tone_trajectory(tone, sample_rate=RATE))
    for name in ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_rms_pct", "weighted_peak_pct"):
        assert getattr(summary.flutter, name) == pytest.approx(getattr(known, name), rel=0.005), name
    assert summary.speed.speed_error_pct == pytest.approx(known.speed_error_pct, abs=0.0005)
    assert summary.speed.drift_pct == pytest.approx(known.drift_pct, rel=0.01)
    assert summary.spectrum is not None
    found = {round(line.frequency_hz, 1): line.deviation_pct for line in summary.spectrum.lines}
    for frequency_hz, size, _ in LINES[1:]:
        assert found[frequency_hz] == pytest.approx(100.0 * size / np.sqrt(2.0), rel=0.02)


def test_the_needle_is_near_the_run(tone: np.ndarray) -> None:
    run = _run(tone, block=5000)
    # its causal filter is within 0.25 dB of the curve, but 5 s are not the whole run
    assert run.needle.reading().weighted_rms_pct == pytest.approx(run.figures.reading().weighted_rms_pct, rel=0.05)
    assert run.speed_pct == pytest.approx(0.4, abs=0.15)


def test_blocks_of_any_size_read_the_same() -> None:
    samples = wobbling_tone(duration_s=9.0)
    one, other = (_run(samples, block=block).finish() for block in (441, 100000))
    assert one.flutter.weighted_2sigma_pct == pytest.approx(other.flutter.weighted_2sigma_pct, rel=1e-9)
    assert one.flutter.quasi_peak_pct == pytest.approx(other.flutter.quasi_peak_pct, rel=1e-9)
    assert one.speed.speed_error_pct == pytest.approx(other.speed.speed_error_pct, rel=1e-9)


def test_a_steady_tone_has_no_flutter() -> None:
    samples = 0.25 * np.sin(2.0 * np.pi * 3150.0 / RATE * np.arange(8 * RATE))
    summary = _run(samples, block=4096).finish()
    assert summary.flutter.weighted_peak_pct < 1e-5
    assert summary.speed.speed_error_pct == pytest.approx(0.0, abs=1e-6)


def test_a_short_run_has_no_figure() -> None:
    figures = RunFigures(rate_hz=2940.0)
    figures.process(np.zeros(2940), np.ones(2940, dtype=bool))
    figures.finish()
    assert np.isnan(figures.reading().weighted_2sigma_pct)


def test_a_dropout_is_bridged() -> None:
    whole = wobbling_tone(duration_s=10.0)
    hurt = whole.copy()
    hurt[5 * RATE : 5 * RATE + 2000] *= 0.01
    good, with_dropout = (_run(samples, block=4410).finish() for samples in (whole, hurt))
    assert with_dropout.flutter.weighted_2sigma_pct == pytest.approx(good.flutter.weighted_2sigma_pct, rel=0.05)
    follower = ToneFollower(nominal_hz=3150.0, found_hz=3160.0, sample_rate=RATE)
    _, valid = follower.process(hurt)
    assert 100 < np.count_nonzero(~valid) < 250


def test_a_tone_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SignalError, match="does not fit"):
        ToneFollower(nominal_hz=3150.0, found_hz=9000.0, sample_rate=16000)
