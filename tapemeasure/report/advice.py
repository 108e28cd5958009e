"""What to do about a machine: each piece of advice with the figure that it follows from, the most urgent first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from tapemeasure.report.figures import number
from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.verdict import Verdict
from tapemeasure.report.words import figure_text, hertz_text

AZIMUTH_LIMIT_US = 12.5
"""An eighth of a period at 10 kHz: from here on the sum of both channels loses treble (0.7 dB there)."""

BALANCE_LIMIT_DB = 2.0
HUM_ABOVE_HISS_DB = 3.0
COVERAGE = 2.0
NEEDS = {
    "signal to weighted noise": "steps up to the level of 3 % third harmonic and silence: record the full test signal",
    "crosstalk": "a tone on one track and nothing on the other",
    "erasure": "a tone and the same stretch of tape erased: `tapemeasure measure --tone … --erased …`",
    "fall of the response": "a sweep over the whole range: record the full test signal",
    "wow and flutter": "at least 5 s of tracked delay",
    "speed error": "a tracked delay of a tape that was rewound between recording and playing",
}


@dataclass(frozen=True)
class Advice:
    """One thing to do: what was found, and the step that follows."""

    found: str
    step: str


def advise(device: DeviceResults, verdict: Verdict | None) -> tuple[Advice, ...]:
    """What to do about a device, the most urgent first; empty where nothing was found."""
    rows = {} if verdict is None else {row.name.lower(): row for row in verdict.rows if row.verdict == "fail"}
    rules: tuple[Callable[[], Iterable[Advice]], ...] = (
        lambda: _cables(device),
        lambda: _speed(device, failed="speed error" in rows),
        lambda: _flutter(device, failed=any(name.startswith("wow and flutter") for name in rows)),
        lambda: _response(device, failed=any(name.startswith("fall of the response") for name in rows)),
        lambda: _noise(device, failed="signal to weighted noise" in rows),
        lambda: _tracks(device),
        lambda: _erasure(failed=any(name.startswith("erasure") for name in rows)),
        lambda: _undecided(verdict),
    )
    return tuple(advice for rule in rules for advice in rule())


def missing(verdict: Verdict | None) -> tuple[Advice, ...]:
    """Requirements without a verdict, and what a take needs to tell them."""
    rows = () if verdict is None else tuple(row for row in verdict.rows if row.verdict == "not measured")
    return tuple(
        Advice(row.name, next((text for start, text in NEEDS.items() if row.name.lower().startswith(start)), ""))
        for row in rows
    )


def _typical(device: DeviceResults, read: Callable[[TakeResults], float | None]) -> float | None:
    known = [value for take in device.takes if (value := read(take)) is not None]
    return median(known) if known else None


def _measured(device: DeviceResults, *keys: str) -> float | None:
    return _typical(device, lambda take: number(take.measurement, *keys))


def _cables(device: DeviceResults) -> Iterable[Advice]:
    if any((take.delay or {}).get("inverted_polarity") for take in device.takes):
        yield Advice(
            "The polarity of the output is inverted.",
            "Look for a swapped pair of wires; without one it is the machine's own and harmless in mono.",
        )
    lost = [take.name for take in device.takes if (take.delay or {}).get("lost_samples")]
    if lost:
        yield Advice(
            f"Samples were lost while recording ({', '.join(lost)}).",
            "Record again with larger buffers, other programs closed; what was lost is no fault of the machine.",
        )


def _speed(device: DeviceResults, *, failed: bool) -> Iterable[Advice]:
    error_pct = _measured(device, "wow_flutter", "speed_error_pct")
    if failed and error_pct is not None:
        sense = "fast" if error_pct > 0.0 else "slow"
        yield Advice(
            f"The tape runs {figure_text(abs(error_pct), digits=2)} % too {sense}.",
            "Check speed selector and mains frequency, clean capstan and pinch roller, check belt and pinch pressure; "
            "then adjust the motor where it can be.",
        )


def _flutter(device: DeviceResults, *, failed: bool) -> Iterable[Advice]:
    if not failed:
        return
    line = _strongest_line(device)
    found, step = "The speed wavers more than the limit allows.", "Clean capstan, pinch roller and tape path first."
    if line is not None:
        rate_hz, part = number(line, "frequency_hz") or 0.0, line.get("part")
        found = f"The speed wavers more than the limit allows, most strongly at {hertz_text(rate_hz)}."
        step += (
            f" That is the rate of the {part}: look at it next."
            if part
            else " Then look for the part that turns at this rate; told the tape's speed and the parts' diameters, "
            "`tapemeasure measure --speed … --part …` names it."
        )
    yield Advice(found, step)


def _strongest_line(device: DeviceResults) -> Mapping[str, Any] | None:
    lines = [
        line
        for take in device.takes
        for line in ((take.measurement or {}).get("wow_flutter") or {}).get("lines") or []
        if number(line, "deviation_pct") is not None
    ]
    return max(lines, key=lambda line: line["deviation_pct"], default=None)


def _response(device: DeviceResults, *, failed: bool) -> Iterable[Advice]:
    if not failed:
        return
    low, high = (_measured(device, "response", key) for key in ("low_3db_hz", "high_3db_hz"))
    if high is not None and high < 12500.0:
        yield Advice(
            f"The treble falls by 3 dB at {hertz_text(high)} already.",
            "Clean and demagnetise the heads, then set the azimuth, then the bias (too much of it takes treble away); "
            "check that the equaliser is set to the tape's speed. If all is right, the heads may be worn.",
        )
    if low is not None and low > 40.0:
        yield Advice(
            f"The bass falls by 3 dB at {hertz_text(low)} already.",
            "Check the equaliser's setting and the coupling capacitors of the playback amplifier.",
        )
    if (high is None or high >= 12500.0) and (low is None or low <= 40.0):
        yield Advice(
            "The response is uneven by more than the limit allows.",
            "Check that recording and playback use the same equalisation, then set bias and level as the tape wants.",
        )


def _noise(device: DeviceResults, *, failed: bool) -> Iterable[Advice]:
    hiss = _measured(device, "noise", "level_above_200hz_dbfs")
    hum = {hertz: _measured(device, "noise", f"hum_{hertz}hz_dbfs") for hertz in (50, 60)}
    loudest, level = max(((hz, value) for hz, value in hum.items() if value is not None),
                         key=lambda pair: pair[1], default=(None, None))  # fmt: skip
    if loudest is not None and level is not None and hiss is not None and level > hiss + HUM_ABOVE_HISS_DB:
        yield Advice(
            f"Hum of {loudest} Hz mains ({figure_text(level, digits=3)} dBFS) is louder than the hiss "
            f"({figure_text(hiss, digits=3)} dBFS).",
            "Keep transformers away from heads and cables, join all devices at one earth, use shielded cables; "
            "what remains with the tape stopped is not on the tape.",
        )
    if failed:
        yield Advice(
            "The tape hisses more than the limit allows.",
            "Demagnetise heads and tape path, set bias and recording level as the tape wants, try a fresh tape.",
        )


def _tracks(device: DeviceResults) -> Iterable[Advice]:
    azimuth, sigma = (_measured(device, "azimuth", key) for key in ("static_us", "static_sigma_us"))
    if azimuth is not None and abs(azimuth) - COVERAGE * (sigma or 0.0) > AZIMUTH_LIMIT_US:
        yield Advice(
            f"The second track comes {figure_text(azimuth, digits=3)} µs after the first.",
            "Turn the azimuth screw of the playback head until both tracks agree; `tapemeasure meter` shows it live.",
        )
    balance = _measured(device, "channel_balance", "at_1khz_db")
    if balance is not None and abs(balance) > BALANCE_LIMIT_DB:
        yield Advice(
            f"The channels differ by {figure_text(abs(balance), digits=2)} dB at 1 kHz.",
            "Clean the heads, check tape guides and head height, then set the levels.",
        )
    rate = _measured(device, "dropouts", "per_minute")
    if rate is not None and rate >= 1.0:
        yield Advice(
            f"The level drops out {figure_text(rate, digits=2)} times a minute.",
            "Clean heads and guides and try another tape; what stays is head wear or a weak pressure.",
        )


def _erasure(*, failed: bool) -> Iterable[Advice]:
    if failed:
        yield Advice("The old recording is not erased enough.", "Clean the erase head and check the bias oscillator.")


def _undecided(verdict: Verdict | None) -> Iterable[Advice]:
    close = [] if verdict is None else [row for row in verdict.rows if row.verdict == "undecided"]
    for row in close:
        yield Advice(
            f"{row.name}: {row.value} is too close to the limit ({row.limit}) to tell.",
            "Record a longer take, or more of them: the uncertainty falls with the length.",
        )
