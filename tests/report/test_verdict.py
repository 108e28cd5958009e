"""Is the machine in order, and what should be done."""

import pytest

from tapemeasure.report.advice import advise, missing
from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.verdict import judge
from tapemeasure.report.words import measured_text

FLUTTER, NOISE = "wow and flutter, weighted", "signal to weighted noise"


def din(verdict, value=None, *, requirement=FLUTTER, limit=0.2, at_most=True, unit="%"):
    sigma = None if value is None else 0.001
    return {
        "requirement": requirement,
        "value": value,
        "sigma": sigma,
        "limit": limit,
        "at_most": at_most,
        "unit": unit,
        "verdict": verdict,
    }


def deck(*takes, **measurement):
    found = [TakeResults(f"take{n}", measurement={"din45500": rows, **measurement}) for n, rows in enumerate(takes)]
    return DeviceResults("deck", kind="hardware", takes=tuple(found))


def test_without_requirements_there_is_no_verdict():
    assert judge(DeviceResults("deck", takes=(TakeResults("a"),))) is None
    assert advise(DeviceResults("deck"), None) == missing(None) == ()


@pytest.mark.parametrize(
    ("verdicts", "status", "start"),
    [
        (["pass", "pass"], "pass", "In order as far as it was measured: all 2"),
        (["pass", "not measured"], "pass", "In order as far as it was measured: the one"),
        (["pass", "undecided"], "undecided", "No fault found, but 1 of 2"),
        (["fail", "undecided", "pass"], "fail", "Not all in order: 1 of 3 measured requirements is not met"),
        (["not measured"], "not measured", "No verdict"),
    ],
)
def test_the_headline_follows_the_worst_requirement(verdicts, status, start):
    rows = [din(v, None if v == "not measured" else 0.1, requirement=str(n)) for n, v in enumerate(verdicts)]
    verdict = judge(deck(rows))
    assert verdict.status == status
    assert verdict.headline.startswith(start)
    order = ["fail", "undecided", "pass", "not measured"]
    assert [row.verdict for row in verdict.rows] == sorted(verdicts, key=order.index)


def test_of_several_takes_the_worst_counts():
    passed = [din("pass", 0.15)], [din("pass", 0.19)], [din("not measured")]
    [row] = judge(deck(*passed)).rows
    assert (row.verdict, row.take, row.value) == ("pass", "take1", "0.1900 ± 0.0010 %")
    [row] = judge(deck(*passed, [din("fail", 0.25)], [din("fail", 0.31)])).rows
    assert (row.verdict, row.take) == ("fail", "take4")
    loud, quiet = (
        din("fail", value, requirement=NOISE, limit=56.0, at_most=False, unit="dB") for value in (50.0, 54.0)
    )
    assert judge(deck([quiet], [loud])).rows[0].take == "take1"


def test_flutter_advice_names_rate_and_part():
    lines = [
        {"frequency_hz": 28.1, "deviation_pct": 0.07, "part": None},
        {"frequency_hz": 10.1, "deviation_pct": 0.2, "part": "capstan"},
    ]
    device = deck([din("fail", 0.3)], wow_flutter={"lines": lines})
    [advice] = advise(device, judge(device))
    assert "10.1 Hz" in advice.found
    assert "capstan: look at it next" in advice.step
    device = deck([din("fail", 0.3)], wow_flutter={"lines": lines[:1]})
    assert "--part" in advise(device, judge(device))[0].step


@pytest.mark.parametrize(("speed_pct", "sense"), [(2.0, "2.0 % too fast"), (-1.8, "1.8 % too slow")])
def test_speed_advice_has_the_right_sense(speed_pct, sense):
    device = deck([din("fail", abs(speed_pct), requirement="speed error")], wow_flutter={"speed_error_pct": speed_pct})
    assert sense in advise(device, judge(device))[0].found


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ({"low_3db_hz": 30.0, "high_3db_hz": 8000.0}, "treble falls by 3 dB at 8 kHz"),
        ({"low_3db_hz": 60.0, "high_3db_hz": None}, "bass falls by 3 dB at 60 Hz"),
        ({"low_3db_hz": None, "high_3db_hz": None}, "uneven"),
    ],
)
def test_response_advice_tells_which_end_falls(edges, words):
    row = din("fail", 9.0, requirement="fall of the response, 40 Hz - 12.5 kHz", limit=7.0, unit="dB")
    device = deck([row], response=edges)
    assert words in advise(device, judge(device))[0].found


@pytest.mark.parametrize(
    ("measurement", "words"),
    [
        ({"noise": {"level_above_200hz_dbfs": -70.0, "hum_50hz_dbfs": -60.0, "hum_60hz_dbfs": -90.0}}, "Hum of 50 Hz"),
        ({"azimuth": {"static_us": -20.0, "static_sigma_us": 1.0}}, "−20.0 µs"),
        ({"channel_balance": {"at_1khz_db": -3.0}}, "differ by 3.0 dB"),
        ({"dropouts": {"per_minute": 4.0}}, "4.0 times a minute"),
    ],
)
def test_what_no_requirement_names_is_told_too(measurement, words):
    device = deck([din("pass", 0.1)], **measurement)
    [advice] = advise(device, judge(device))
    assert words in advice.found


def test_a_good_machine_needs_nothing():
    quiet = {"level_above_200hz_dbfs": -70.0, "hum_50hz_dbfs": -75.0, "hum_60hz_dbfs": None}
    fine = {"azimuth": {"static_us": 3.0, "static_sigma_us": 1.0}, "channel_balance": {"at_1khz_db": 0.5}}
    device = deck([din("pass", 0.1)], noise=quiet, dropouts={"per_minute": 0.0}, **fine)
    assert advise(device, judge(device)) == ()


def test_polarity_and_lost_samples_come_first():
    delay = {"inverted_polarity": True, "lost_samples": [{"time_s": 1.0}]}
    device = DeviceResults("deck", takes=(TakeResults("a", delay=delay),))
    found = [advice.found for advice in advise(device, None)]
    assert "polarity" in found[0]
    assert "lost" in found[1]


def test_missing_requirements_tell_what_they_need():
    verdict = judge(deck([din("not measured", requirement=NOISE), din("not measured", requirement="erasure, 1 kHz")]))
    assert all(item.step for item in missing(verdict))


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (0.228767, 0.001707, "0.2288 ± 0.0017"),
        (-66.4321, 0.62, "−66.43 ± 0.62"),
        (-0.0001, 0.02, "0.000 ± 0.020"),
        (1234.5, 120.0, "1234 ± 120"),
        (0.5, None, "0.500"),
        (0.5, 1e-9, "0.500"),
        (4.8e-10, None, "below 0.000001"),
        (None, 0.1, "not measured"),
        (float("nan"), 0.1, "not measured"),
    ],
)
def test_uncertainty_sets_the_last_place(value, sigma, text):
    assert measured_text(value, sigma) == text
