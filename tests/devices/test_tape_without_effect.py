"""Settings of the tape machine that are on and change nothing."""

import numpy as np
import pytest

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.without_effect import without_effect
from tapemeasure.params import TapeProfile, TapeSettings, tape_presets

RATE = 8000


def said(changes, *, n_channels=2):
    return without_effect(TapeSettings(**changes), sample_rate=RATE, n_channels=n_channels)


IDLE = [
    ({"recording": "off_tape", "wow_pct": 0.1}, "head_delay_ms is 0", {"head_delay_ms": 160.0}),
    ({"recording": "off_tape", "wow_depth": 0.3}, "head_delay_ms is 0", {"head_delay_ms": 160.0}),
    (
        {"recording": "off_tape", "head_delay_ms": 160.0, "speed_error_pct": 1.0},
        "speed_error_pct",
        {"recording": "rewind"},
    ),
    ({"chowtape_compatible": True}, "chowtape_compatible", {"flutter_depth": 0.1}),
    ({"wow_variance": 0.5}, "wow_depth is 0", {"wow_depth": 0.1}),
    ({"wow_drift": 0.5}, "wow_depth is 0", {"wow_depth": 0.1}),
    ({"record_boost_db": 12.0}, "loss is off", {"loss": True}),
    ({"hum_dbfs": -60.0, "hum_hz": 4000.0}, "4000 Hz", {"hum_hz": 60.0}),
]


@pytest.mark.parametrize(("idle", "words", "cure"), IDLE)
def test_is_told_and_cured(idle, words, cure):
    """One sentence, that ends with what it advises."""
    sentences = said(idle)
    assert len(sentences) == 1
    assert words in sentences[0]
    assert said({**idle, **cure}) == []


@pytest.mark.parametrize("idle", [idle for idle, _, _ in IDLE])
def test_it_is_true(idle):
    """The output is that without the settings (a head delay is a delay all the same)."""
    noise = 0.1 * np.random.default_rng(1).standard_normal((2000, 2))
    fast = {"oversampling": 1}
    others = {key: value for key, value in idle.items() if key == "head_delay_ms"}
    with_them = TapeDevice(TapeSettings(**fast, **idle), seed=1).run(noise, sample_rate=RATE)
    without = TapeDevice(TapeSettings(**fast, **others), seed=1).run(noise, sample_rate=RATE)
    # the plug-in's wow has its high-pass even where it does not move
    if "wow_depth" not in idle:
        np.testing.assert_allclose(with_them.samples, without.samples, rtol=0, atol=1e-12)
    assert np.ptp(with_them.truth.delay_s) < 1e-12
    assert len(with_them.warnings) == 1


def test_a_single_channel_has_no_neighbour():
    """Neither azimuth nor crosstalk is told as truth; the azimuth is warned of."""
    settings = TapeSettings(oversampling=1, azimuth_urad=300.0, crosstalk_db=-40.0)
    capture = TapeDevice(settings, seed=1).run(np.zeros((100, 1)), sample_rate=RATE)
    assert capture.truths == {}
    assert capture.details == {}
    assert "azimuth_urad" in capture.warnings[0]
    stereo = TapeDevice(settings, seed=1).run(np.zeros((100, 2)), sample_rate=RATE)
    assert set(stereo.truths) == {"azimuth"}
    assert stereo.details["truth"] == {"crosstalk_db": -40.0}
    assert stereo.warnings == ()


@pytest.mark.parametrize("name", sorted(tape_presets()))
def test_presets_have_nothing_idle(name):
    """At every number of channels, and at the lowest rate."""
    settings = TapeProfile(kind="tape", preset=name).settings
    assert without_effect(settings, sample_rate=8000, n_channels=1) == []
