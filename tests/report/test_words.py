"""Numbers and sentences for people."""

import pytest

from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.words import (
    delay_sentence,
    figure_text,
    hertz_text,
    model_verdict,
    noise_sentence,
    response_sentence,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (160.7006, 6, "160.701"),
        (-66.4321, 3, "−66.4"),
        (3.0, 3, "3.00"),
        (-68.0, 3, "−68.0"),
        (12023.0, 3, "12000"),
        (0.0000123, 2, "0.000012"),
        (500, 2, "500"),
        (0.0, 3, "0.00"),
        (None, 3, "not measured"),
        (float("nan"), 3, "not measured"),
        (float("-inf"), 3, "not measured"),
    ],
)
def test_figures_have_significant_digits_and_no_exponent(value, digits, text):
    assert figure_text(value, digits=digits) == text


@pytest.mark.parametrize(("frequency_hz", "text"), [(31.5, "31.5 Hz"), (999.9, "1000 Hz"), (12023.0, "12 kHz")])
def test_frequencies(frequency_hz, text):
    assert hertz_text(frequency_hz) == text


def test_sentences_say_what_was_not_measured():
    take = TakeResults("a")
    for sentence in (delay_sentence(take), response_sentence(take), noise_sentence(take)):
        assert "not measured" in sentence


def test_delay_sentence_tells_the_figures():
    figures = {"mean_delay_s": 0.1607, "delay_std_s": 66.8e-6, "delay_peak_to_peak_s": 321e-6}
    text = delay_sentence(TakeResults("a", delay={**figures, "speed_deviation_rms_pct": 0.161}))
    for number in ("160.700 ms", "66.8 µs", "321 µs", "0.161 %"):
        assert number in text
    assert delay_sentence(TakeResults("a", delay={"mean_delay_s": 0.1})) == (
        "The output comes 100.000 ms after the input."
    )


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "text"),
    [
        (35.0, 12000.0, "at 35 Hz and at 12 kHz"),
        (None, 12000.0, "below the measured range and at 12 kHz"),
        (35.0, None, "at 35 Hz and above the measured range"),
        (None, None, "below the measured range and above it"),
    ],
)
def test_response_sentence_tells_where_it_falls(low_hz, high_hz, text):
    response = {"gain_db": -0.4, "low_3db_hz": low_hz, "high_3db_hz": high_hz}
    assert text in response_sentence(TakeResults("a", measurement={"response": response}))


@pytest.mark.parametrize(
    ("fir", "gru", "start"),
    [(0.1, 0.01, "Yes"), (0.01, 0.1, "No"), (0.1, 0.1, "No"), (0.1, 0.0, "Yes"), (None, 0.1, "Whether")],
)
def test_verdict_on_the_network(fir, gru, start):
    rows = [{"model": "fir", "esr": fir}, {"model": "gru", "esr": gru}]
    assert model_verdict(DeviceResults("deck", evaluation={"rows": rows})).startswith(start)
    assert model_verdict(DeviceResults("deck")).startswith("Whether")
