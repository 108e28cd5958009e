"""A recorded test tape alone: a tone of known wow, speed, dropouts, and everything that can be wrong with it."""

import numpy as np
import pytest

from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.tone_take import measure_tone
from tapemeasure.analysis.transport import Transport
from tapemeasure.errors import SignalError

RATE = 44100


def tape(
    seconds: float = 12.0, *, frequency_hz: float = 3150.0, level: float = 0.2, speed_pct: float = 0.0, seed: int = 1
) -> np.ndarray:
    """Two tracks of a tone: 0.1 % rms of capstan flutter at 10.106 Hz, 0.02 % of scrape at 150 Hz, hiss of -80 dBFS."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    swing = 0.0
    for rate_hz, rms in ((10.106, 1e-3), (150.0, 2e-4)):
        swing = swing - np.sqrt(2.0) * rms / (2 * np.pi * rate_hz) * np.cos(2 * np.pi * rate_hz * time_s)
    moved_s = time_s * (1.0 + 0.01 * speed_pct) + swing
    rng = np.random.default_rng(seed)
    first, second = (level * np.sin(2 * np.pi * frequency_hz * (moved_s - late_s)) for late_s in (0.0, 5e-6))
    return np.stack([first, second], axis=1) + 1e-4 * rng.standard_normal((len(time_s), 2))


def test_a_tape_of_known_faults() -> None:
    samples = tape(speed_pct=0.8)
    dropout = slice(5 * RATE, 5 * RATE + 1000)
    samples[dropout, 0] *= 0.2
    known = Transport(speed_ips=7.5, track_distance_mm=3.8, parts=(RotatingPart("capstan", 6.0),))
    found = measure_tone(samples, sample_rate=RATE, transport=known)
    flutter = found.wow_flutter
    assert flutter is not None
    assert flutter.flutter_pct == pytest.approx(0.1, rel=0.01)
    assert flutter.scrape_pct == pytest.approx(0.02, rel=0.1)
    assert flutter.speed_error_pct == pytest.approx(0.8, abs=0.002)
    assert flutter.lines[0].part == "capstan"
    assert found.frequency_hz == pytest.approx(3150.0 * 1.008, abs=0.1)
    assert found.level_dbfs == pytest.approx(20 * np.log10(0.2), abs=0.05)
    assert found.dropouts is not None
    assert [event.start_s for event in found.dropouts.events] == pytest.approx([5.0], abs=2e-3)
    assert found.azimuth is not None
    assert found.azimuth.static_us == pytest.approx(5.0 / 1.008, abs=0.1)
    verdicts = {row.requirement: row.verdict for row in found.din45500}
    assert verdicts["speed error"] == "pass"
    assert verdicts["erasure, 1 kHz"] == "not measured"
    assert found.warnings == ()


def test_an_erased_stretch_gives_the_erasure() -> None:
    full = tape(6.0, frequency_hz=1000.0)
    rest = tape(6.0, frequency_hz=1000.0, level=0.2 * 10 ** (-62 / 20), seed=2)
    found = measure_tone(full, sample_rate=RATE, nominal_hz=1000.0, erased=rest)
    assert found.erasure is not None
    assert found.erasure.erasure_db == pytest.approx(62.0, abs=3 * found.erasure.sigma_db)
    assert {row.requirement: row.verdict for row in found.din45500}["erasure, 1 kHz"] in ("pass", "undecided")


def test_a_speed_ten_per_cent_off_is_told_as_such() -> None:
    found = measure_tone(tape(6.0, speed_pct=9.5), sample_rate=RATE)
    assert found.wow_flutter is not None
    assert found.wow_flutter.speed_error_pct == pytest.approx(9.5, abs=0.02)
    assert {row.requirement: row.verdict for row in found.din45500}["speed error"] == "fail"


def test_a_3000_hz_tape_is_suspected() -> None:
    found = measure_tone(tape(6.0, frequency_hz=3000.0), sample_rate=RATE)
    assert any("test tape of 3000 Hz" in text for text in found.warnings)
    assert measure_tone(tape(6.0, frequency_hz=3000.0), sample_rate=RATE, nominal_hz=3000.0).warnings == ()


def test_short_soft_and_clipped_tones_are_told() -> None:
    short = measure_tone(tape(3.0), sample_rate=RATE)
    assert short.wow_flutter is not None
    assert np.isnan(short.wow_flutter.weighted_2sigma_pct)
    assert any("the standards ask for 5 s" in text for text in short.wow_flutter.notes)
    soft = measure_tone(tape(6.0, level=2e-3), sample_rate=RATE)
    assert any("play it louder" in text for text in soft.warnings)
    clipped = measure_tone(np.clip(tape(6.0, level=1.5), -1.0, 1.0), sample_rate=RATE)
    assert any(text.startswith("clipped") for text in clipped.warnings)


def test_bad_input_is_refused() -> None:
    with pytest.raises(SignalError, match="channel 3"):
        measure_tone(tape(1.0), sample_rate=RATE, channel=2)
    with pytest.raises(SignalError, match="silent"):
        measure_tone(np.zeros(RATE), sample_rate=RATE)
    with pytest.raises(SignalError, match="3150 Hz was expected"):
        measure_tone(tape(2.0, frequency_hz=3600.0), sample_rate=RATE)
    with pytest.raises(SignalError, match="spread"):
        measure_tone(np.random.default_rng(1).standard_normal(2 * RATE), sample_rate=RATE)
