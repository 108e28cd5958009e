import numpy as np
import pytest

from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.take import measure_take
from tapemeasure.analysis.transport import Transport
from tapemeasure.signals.timeline import Pilot, Segment, Timeline
from tapemeasure.signals.tones import multitone_frequencies_hz, multitone_samples, tone_samples
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100
LEVELS_DBFS = (-36.0, -30.0, -24.0, -18.0, -12.0, -6.0, 0.0)


@pytest.fixture(scope="module")
def take() -> tuple[np.ndarray, np.ndarray, Timeline]:
    """Silence, steps of 1 kHz; a tone on the other track that leaks at -40 dB and drops out once; a cubic; hiss."""
    parts, segments, position = [np.zeros(3 * RATE)], [Segment("silence", "silence", 0, 3 * RATE)], 3 * RATE
    for level_dbfs in LEVELS_DBFS:
        samples = tone_samples(frequency_hz=1000.0, duration_s=0.6, sample_rate=RATE, level_dbfs=level_dbfs)
        segments.append(Segment(f"step_{level_dbfs:g}dBFS", "step", position, len(samples), level_dbfs, (1000.0,)))
        parts.append(samples)
        position += len(samples)
    played = np.concatenate(parts)
    pilot = 0.3 * np.sin(2 * np.pi * 3150.0 * np.arange(len(played)) / RATE)
    heard = pilot.copy()
    heard[4 * RATE : 4 * RATE + 2000] *= 0.1
    hiss = 10 ** (-70 / 20) * np.random.default_rng(1).standard_normal((len(played), 2))
    output = np.stack([played - 0.2 * played**3 + 0.01 * heard, heard], axis=1) + hiss
    timeline = Timeline(RATE, len(played), tuple(segments), Pilot("tone", 1, -10.0, 3150.0))
    return np.stack([played, pilot], axis=1), output, timeline


def trajectory(length_s: float) -> DelayTrajectory:
    time_s = np.arange(round(200 * length_s)) / 200.0
    delay_s = 0.16 + 1e-5 * np.sin(2 * np.pi * 10.106 * time_s)
    return DelayTrajectory(0.0, 200.0, delay_s, np.full(len(delay_s), 1e-9), np.ones(len(delay_s), dtype=bool))


def test_a_take_tells_its_tape(take) -> None:
    stimulus, output, timeline = take
    transport = Transport(speed_ips=7.5, parts=(RotatingPart("capstan", 6.0),))
    found = measure_take(
        stimulus, output, sample_rate=RATE, timeline=timeline, trajectory=trajectory(7.0), transport=transport
    ).details
    assert found.wow_flutter is not None
    assert found.wow_flutter.lines[0].part == "capstan"
    assert found.dropouts is not None
    assert [event.start_s for event in found.dropouts.events] == pytest.approx([4.0], abs=2e-3)
    assert found.crosstalk is not None
    assert found.crosstalk.overall_db == pytest.approx(-40.0, abs=0.1)
    # third harmonic of x - 0.2 x^3: 0.05 a^3 against a - 0.15 a^3 is 3 % at a = 0.742
    assert found.maximum_output is not None
    assert found.maximum_output.input_dbfs == pytest.approx(20 * np.log10(0.742), abs=0.2)
    assert found.signal_to_noise is not None
    assert found.signal_to_noise.reference_dbfs == pytest.approx(found.maximum_output.output_dbfs - 3.01, abs=0.01)
    assert len(found.compression) == 1
    assert len(found.thd_noise) == len(LEVELS_DBFS)
    verdicts = {row.requirement: row.verdict for row in found.din45500}
    assert verdicts["wow and flutter, weighted"] == "pass"
    # nothing is on both tracks, and there is no marker
    assert found.azimuth is None
    assert found.print_through is None


def test_what_is_missing_is_none_and_said(take) -> None:
    stimulus, output, timeline = take
    found = measure_take(stimulus[:, 0], output[:, 0], sample_rate=RATE, timeline=timeline).details
    assert found.wow_flutter is found.dropouts is found.crosstalk is found.azimuth is None
    short = measure_take(stimulus, output, sample_rate=RATE, timeline=timeline, trajectory=trajectory(0.5)).details
    assert short.wow_flutter is None
    assert any("wow and flutter" in reason for reason in short.not_measured)


def test_the_same_programme_on_both_tracks_tells_the_azimuth() -> None:
    rng = np.random.default_rng(2)
    programme = 0.1 * rng.standard_normal(3 * RATE)
    late = np.fft.irfft(
        np.fft.rfft(programme) * np.exp(-2j * np.pi * np.fft.rfftfreq(len(programme), 1 / RATE) * 10e-6)
    )
    found = measure_take(
        np.stack([programme, programme], axis=1), np.stack([programme, late], axis=1), sample_rate=RATE
    ).details
    assert found.azimuth is not None
    assert found.azimuth.static_us == pytest.approx(10.0, abs=0.05)


def test_a_multitone_on_both_tracks_tells_response_and_balance() -> None:
    tones_hz = multitone_frequencies_hz(tones_per_octave=3, sample_rate=RATE)
    samples = multitone_samples(frequencies_hz=tones_hz, duration_s=2.0, sample_rate=RATE, level_dbfs=-12.0)
    segment = Segment("multitone", "multitone", 0, len(samples), -12.0, tones_hz)
    asked = {"sample_rate": RATE, "timeline": Timeline(RATE, len(samples), (segment,), None), "channel": 1}
    both = np.stack([samples, samples], axis=1)
    found = measure_take(both, both * [0.5, 1.0], **asked).details
    assert found.multitone_response is not None
    np.testing.assert_allclose(found.multitone_response.magnitude_db, 0.0, atol=1e-6)
    assert found.channel_balance is not None
    assert found.channel_balance.at_1khz_db == pytest.approx(6.02, abs=0.01)
    # another signal on the other track has no balance
    other = np.stack([np.roll(samples, 1000), samples], axis=1)
    alone = measure_take(other, other, **asked).details
    assert alone.channel_balance is None
    assert alone.multitone_response is not None
