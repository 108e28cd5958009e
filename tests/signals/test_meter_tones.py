"""What a meter plays: seamless, at the level that is named, with the tones that are told."""

import numpy as np
import pytest

from tapemeasure.errors import ParameterError
from tapemeasure.signals.meter_tones import RESPONSE_HZ, meter_signal


@pytest.mark.parametrize("kind", ["flutter", "response"])
@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_it_repeats_without_a_seam(kind: str, sample_rate: int) -> None:
    signal = meter_signal(kind, sample_rate=sample_rate, level_dbfs=-12.0)  # type: ignore[arg-type]
    assert len(signal.samples) == sample_rate
    # nothing between the whole numbers of hertz that are told: a seam would spread
    power = 2.0 * np.abs(np.fft.rfft(signal.samples) / sample_rate) ** 2
    told = [round(hz) for hz in signal.played_dbfs]
    for hz, level_dbfs in signal.played_dbfs.items():
        assert 10.0 * np.log10(power[round(hz)]) == pytest.approx(level_dbfs, abs=1e-6)
    assert np.sum(np.delete(power, told)) < 1e-18
    assert np.max(np.abs(signal.samples)) == pytest.approx(10.0 ** (-12.0 / 20.0), rel=0.03)


def test_silence_is_silent() -> None:
    signal = meter_signal("silence", sample_rate=44100, level_dbfs=-12.0)
    assert not np.any(signal.samples)
    assert signal.played_dbfs == {}


def test_tones_that_do_not_fit_are_left_out() -> None:
    signal = meter_signal("response", sample_rate=22050, level_dbfs=-12.0)
    assert list(signal.played_dbfs) == [hz for hz in RESPONSE_HZ if hz < 0.42 * 22050]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"flutter_hz": 3150.5}, "whole number"),
        ({"flutter_hz": 20000.0}, "below"),
        ({"level_dbfs": 1.0}, "at most 0 dBFS"),
        ({"kind": "noise"}, "there are flutter, response, silence"),
    ],
)
def test_signals_that_cannot_be(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        meter_signal(**{"kind": "flutter", "sample_rate": 44100, "level_dbfs": -12.0, **settings})  # type: ignore[arg-type]
