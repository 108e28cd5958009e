"""The whole meter on signals whose speed, azimuth, response, hum and noise are known, and on bad ones."""

import numpy as np
import pytest

from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.live.background import measure_background
from tapemeasure.live.meter import LiveMeter
from tapemeasure.live.readings import Reading, Summary
from tapemeasure.live.tones import find_tones, nominal_hz
from tapemeasure.signals.meter_tones import meter_signal

RATE = 44100


def _tone(frequency_hz: float, *, duration_s: float, amplitude: float = 0.25, late_s: float = 0.0) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    return amplitude * np.sin(2.0 * np.pi * frequency_hz * (time_s - late_s))


def _noise(length: int, *, seed: int, rms: float = 1e-4) -> np.ndarray:
    return rms * np.random.default_rng(seed).standard_normal(length)


def _metered(samples: np.ndarray, *, block: int = 4096, **settings: object) -> tuple[list[Reading], Summary]:
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    meter = LiveMeter(sample_rate=RATE, n_channels=columns.shape[1], **settings)  # type: ignore[arg-type]
    readings = [
        reading for first in range(0, len(columns), block) for reading in meter.process(columns[first : first + block])
    ]
    return readings, meter.finish()


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    """Half a per cent slow, the second channel 15 us late, hum of 50 Hz in the first, noise in both."""
    first = _tone(3150.0 * 0.995, duration_s=10.0)
    second = _tone(3150.0 * 0.995, duration_s=10.0, amplitude=0.125, late_s=15e-6)
    noisy = [channel + _noise(len(channel), seed=seed, rms=1e-3) for seed, channel in enumerate((first, second))]
    return np.column_stack([noisy[0] + _tone(50.0, duration_s=10.0, amplitude=0.002), noisy[1]])


def test_everything_known_is_read(stereo: np.ndarray) -> None:
    readings, summary = _metered(stereo)
    assert len(readings) == 40
    assert (summary.nominal_hz, summary.reference_hz) == (3150.0, 3150.0)
    assert summary.speed is not None
    assert summary.speed.speed_error_pct == pytest.approx(-0.5, abs=1e-3)
    assert summary.levels.rms_dbfs == pytest.approx((-15.05, -21.07), abs=0.02)
    assert summary.azimuth is not None
    assert summary.azimuth.static_us == pytest.approx(15.0, abs=0.05)
    assert summary.azimuth.phase_deg == pytest.approx(-360.0 * 3134.25 * 15e-6, abs=0.1)
    assert summary.noise is not None
    assert summary.noise.hum_50hz_dbfs[0] == pytest.approx(20.0 * np.log10(0.002 / np.sqrt(2.0)), abs=0.1)
    assert summary.noise.hum_50hz_dbfs[1] is None
    # white noise without the 5 % of its band that the notches take
    assert summary.noise.level_dbfs[1] == pytest.approx(-60.25, abs=0.15)
    assert summary.notes == ()


@pytest.mark.parametrize("block", [147, 44100, 10**6])
def test_blocks_of_any_size_give_the_same_summary(stereo: np.ndarray, block: int) -> None:
    part = stereo[: 7 * RATE]
    expected, summary = (_metered(part, block=size)[1] for size in (4096, block))
    assert summary.levels == expected.levels
    assert summary.tones == expected.tones
    assert summary.noise == expected.noise
    assert summary.speed is not None
    assert expected.speed is not None
    assert summary.speed.speed_error_pct == expected.speed.speed_error_pct
    assert summary.flutter == expected.flutter


@pytest.mark.parametrize(
    ("frequency_hz", "nominal", "speed_pct"), [(3000.0, 3000.0, 0.0), (3150.0, 3150.0, 0.0), (3135.0, 3150.0, -0.476)]
)
def test_the_tone_is_found_by_itself(frequency_hz: float, nominal: float, speed_pct: float) -> None:
    readings, summary = _metered(_tone(frequency_hz, duration_s=4.0))
    assert summary.nominal_hz == nominal
    assert readings[-1].speed_pct == pytest.approx(speed_pct, abs=0.01)


@pytest.mark.parametrize("speed", [0.905, 1.095])
def test_a_tape_ten_per_cent_off_is_read_where_its_tone_is_named(speed: float) -> None:
    readings, _ = _metered(_tone(3150.0 * speed, duration_s=4.0), tone_hz=3150.0)
    assert readings[-1].speed_pct == pytest.approx(100.0 * (speed - 1.0), abs=0.01)


def test_a_fast_tape_of_unknown_tone_is_told() -> None:
    _, summary = _metered(_tone(2850.0, duration_s=4.0))
    assert "-5.0 % off if the tape holds 3000 Hz, -9.5 % if it holds 3150 Hz" in " ".join(summary.notes)


def test_response_tones_one_after_the_other() -> None:
    levels = {1000.0: 0.1, 40.0: 0.05, 10000.0: 0.07, 315.0: 0.1}
    tape = np.concatenate([_tone(hz, duration_s=2.0, amplitude=size) for hz, size in levels.items()])
    _, summary = _metered(np.column_stack([tape, 0.5 * tape]))
    assert summary.reference_hz == 1000.0
    found = {tone.nominal_hz: tone.response_db for tone in summary.tones}
    assert list(found) == sorted(levels)
    for hz, size in levels.items():
        assert found[hz] == pytest.approx([20.0 * np.log10(size / 0.1)] * 2, abs=0.05)
    assert "no flutter tone" in " ".join(summary.notes)


def test_played_tones_are_compared_with_what_was_played() -> None:
    signal = meter_signal("response", sample_rate=RATE, level_dbfs=-6.0)
    played = np.tile(signal.samples, 5)
    # a first-order low-pass at 8 kHz, as the circular spectrum of the one second
    pole = 1.0 / (1.0 + 1j * np.fft.rfftfreq(RATE, 1.0 / RATE) / 8000.0)
    bent = np.tile(np.fft.irfft(np.fft.rfft(signal.samples) * pole, RATE), 5)
    for output, expected in ((played, lambda hz: 0.0), (bent, lambda hz: -10.0 * np.log10(1.0 + (hz / 8000.0) ** 2))):
        _, summary = _metered(output, played_dbfs=signal.played_dbfs, tone_hz=3150.0)
        assert [tone.nominal_hz for tone in summary.tones] == list(signal.played_dbfs)
        for tone in summary.tones:
            assert tone.response_db[0] == pytest.approx(expected(tone.nominal_hz) - expected(1000.0), abs=0.05)
        assert summary.nominal_hz == 3150.0


def test_silence_is_read_as_noise() -> None:
    _, summary = _metered(np.column_stack([_noise(6 * RATE, seed=seed, rms=2e-4) for seed in (1, 2)]))
    assert summary.silent_noise is not None
    assert summary.silent_noise.level_dbfs == pytest.approx((-74.0, -74.0), abs=0.1)
    assert summary.noise is None
    assert summary.nominal_hz is None
    assert "no tone: the level is below -60 dBFS" in summary.notes[0]


def test_silence_that_is_played_is_no_complaint() -> None:
    _, summary = _metered(_noise(3 * RATE, seed=1, rms=2e-3), played_dbfs={})
    assert summary.notes == ()
    assert summary.silent_noise is not None


def test_nothing_at_all_is_read_without_an_error() -> None:
    _, summary = _metered(np.zeros((3 * RATE, 2)))
    assert summary.levels.peak_dbfs == (-np.inf, -np.inf)
    assert summary.azimuth is None


@pytest.mark.parametrize(
    ("samples", "settings", "text"),
    [
        (_noise(3 * RATE, seed=1, rms=0.1), {}, "no tone: the power is spread"),
        (_tone(1000.0, duration_s=3.0), {}, "the strongest tone is at 1000.0 Hz"),
        (_tone(2600.0, duration_s=3.0), {"tone_hz": 3150.0}, "(-17.5 %, more than 10 %)"),
        (np.clip(8.0 * _tone(3150.0, duration_s=3.0), -1.0, 1.0), {}, "channel 1 clips"),
        (_tone(3150.0, duration_s=3.0), {}, "one channel: no azimuth"),
        (
            np.column_stack([_tone(3150.0, duration_s=3.0), np.zeros(3 * RATE)]),
            {},
            "channel 2 is more than 40 dB below",
        ),
    ],
)
def test_what_is_wrong_is_told(samples: np.ndarray, settings: dict[str, float], text: str) -> None:
    readings, summary = _metered(samples, **settings)
    assert text in " ".join(summary.notes)
    assert text in " ".join(readings[-1].notes)


def test_a_tone_that_stops_ends_the_run_and_keeps_its_figures() -> None:
    tape = np.concatenate([_tone(3150.0, duration_s=8.0), np.zeros(2 * RATE), _tone(3000.0, duration_s=3.0)])
    readings, summary = _metered(tape + _noise(len(tape), seed=3))
    assert summary.nominal_hz == 3150.0
    assert summary.flutter is not None
    assert summary.flutter.duration_s == pytest.approx(6.0, abs=0.6)
    assert readings[-1].nominal_hz == 3000.0


@pytest.mark.parametrize(("rate", "n_channels", "tone_hz"), [(8000, 1, None), (44100, 0, None), (44100, 1, 20000.0)])
def test_a_meter_that_cannot_be(rate: int, n_channels: int, tone_hz: float | None) -> None:
    with pytest.raises(ParameterError):
        LiveMeter(sample_rate=rate, n_channels=n_channels, tone_hz=tone_hz)


def test_harmonics_are_no_tones_of_their_own() -> None:
    bent = _tone(1000.0, duration_s=1.0) + _tone(3000.0, duration_s=1.0, amplitude=0.01)
    assert [round(tone.frequency_hz) for tone in find_tones(bent[:, np.newaxis], sample_rate=RATE)] == [1000]


def test_too_little_signal_is_refused() -> None:
    with pytest.raises(SignalError, match=r"at least 0\.5 s"):
        find_tones(np.zeros((100, 1)), sample_rate=RATE)
    with pytest.raises(SignalError, match="beside a tone"):
        measure_background(np.zeros(30000), sample_rate=RATE, tones_hz=[3150.0])


def test_a_tone_far_from_all_is_none_of_them() -> None:
    assert nominal_hz(2600.0, expected_hz=(3150.0,)) is None
