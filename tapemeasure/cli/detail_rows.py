"""Rows of ``tapemeasure measure`` on speed, tape, distortion and verdict; values with their standard uncertainties."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN_LINES = 5
_FLUTTER_ROWS = (
    ("wow and flutter, weighted, two-sigma", "weighted_2sigma"),
    ("  unweighted, two-sigma", "unweighted_2sigma"),
    ("  quasi-peak", "quasi_peak"),
    ("  weighted rms", "weighted_rms"),
    ("  unweighted rms", "unweighted_rms"),
    ("  weighted peak", "weighted_peak"),
    ("  drift, 0.05-0.5 Hz", "drift"),
    ("  wow, 0.5-6 Hz", "wow"),
    ("  flutter, 6-100 Hz", "flutter"),
    ("  scrape, above 100 Hz", "scrape"),
    ("speed error", "speed_error"),
)
_NOISE_RATIOS = (
    ("signal to noise, A-weighted", "a"),
    ("signal to noise, unweighted", "unweighted"),
    ("signal to noise, 468 quasi-peak", "itu468_quasi_peak"),
)


def flutter_rows(flutter: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Rows on wow and flutter: the values of `WowFlutter.as_dict`."""
    if flutter is None:
        return []
    rows = []
    for label, key in _FLUTTER_ROWS:
        if known(flutter[f"{key}_pct"]):
            rows.append((label, with_sigma(flutter[f"{key}_pct"], flutter[f"{key}_sigma_pct"], "%")))
    for line in flutter["lines"][:SHOWN_LINES]:
        part = "" if line["part"] is None else f", {line['part']}"
        text = with_sigma(line["deviation_pct"], line["sigma_pct"], "% rms")
        rows.append((f"  line at {line['frequency_hz']:.2f} Hz", f"{text}{part}"))
    return rows + [("  note", text) for text in flutter["notes"]]


def detail_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows on what the take tells of tape and distortion, the verdict, and what is missing and why."""
    rows = [*_response_rows(take), *_level_rows(take), *_distortion_rows(take), *tape_rows(take)]
    rows += din_rows(take["din45500"])
    return rows + [("not measured", text) for text in take["not_measured"]]


def tape_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows on modulation noise, crosstalk, azimuth, balance, dropouts, print-through and erasure, as far as known."""
    rows = []
    if (noise := take.get("modulation_noise")) is not None:
        text = with_sigma(noise["level_db"], noise["sigma_db"], "dB") if known(noise["level_db"]) else "hidden in noise"
        rows.append((f"modulation noise within {noise['high_hz']:.0f} Hz", text))
    if (leak := take.get("crosstalk")) is not None:
        rows.append(("crosstalk of the pilot", _or_hidden(leak["overall_db"], leak["overall_sigma_db"], "dB")))
    if (azimuth := take.get("azimuth")) is not None:
        rows.append(("azimuth, static", with_sigma(azimuth["static_us"], azimuth["static_sigma_us"], "us")))
        rows.append(("azimuth, dynamic", with_sigma(azimuth["dynamic_us"], azimuth["dynamic_sigma_us"], "us rms")))
        if azimuth["static_urad"] is not None:
            rows.append(("  angle", with_sigma(azimuth["static_urad"], azimuth["static_sigma_urad"], "urad")))
    if (balance := take.get("channel_balance")) is not None:
        text = with_sigma(balance["at_1khz_db"], balance["at_1khz_sigma_db"], "dB")
        rows.append(("second channel over the first, 1 kHz", text))
    if (dropouts := take.get("dropouts")) is not None:
        rows.append(("dropouts", with_sigma(dropouts["per_minute"], dropouts["per_minute_sigma"], "a minute")))
        if dropouts["events"]:
            text = with_sigma(1e3 * dropouts["longest_s"], 1e3 * dropouts["longest_sigma_s"], "ms")
            rows.append(("  longest", text))
            rows.append(("  deepest", with_sigma(dropouts["deepest_db"], dropouts["deepest_sigma_db"], "dB")))
    for side, echo in (take.get("print_through") or {}).items():
        if echo is not None:
            text = f"below {echo['floor_db']:.1f} dB"
            if known(echo["level_db"]):
                text = with_sigma(echo["level_db"], echo["sigma_db"], "dB")
            rows.append((f"print-through, {side}", text))
    if (erasure := take.get("erasure")) is not None:
        text = f"at least {erasure['at_least_db']:.1f} dB"
        if known(erasure["erasure_db"]):
            text = with_sigma(erasure["erasure_db"], erasure["sigma_db"], "dB")
        rows.append((f"erasure, {erasure['frequency_hz']:.0f} Hz", text))
    return rows


def din_rows(requirements: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Rows of the verdict, requirement by requirement."""
    rows = []
    for row in requirements:
        limit = f"{'at most' if row['at_most'] else 'at least'} {row['limit']:g} {row['unit']}"
        text = f"{row['verdict']} ({limit})"
        if row["value"] is not None:
            text = f"{row['verdict']} ({with_sigma(row['value'], row['sigma'], row['unit'])}, {limit})"
        rows.append((f"DIN 45 500: {row['requirement']}", text))
    return rows


def _response_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if (bump := take["head_bump"]) is not None:
        text = with_sigma(bump["height_db"], bump["sigma_db"], "dB")
        rows.append(("head bump", f"{text} at {with_sigma(bump['frequency_hz'], bump['frequency_sigma_hz'], 'Hz')}"))
    if (delay := take["group_delay"]) is not None and (spread := _middle(delay)) is not None:
        rows.append(("group delay, 250 Hz - 6.3 kHz", f"{spread:.1f} us peak to peak"))
    if (deviation := take["equalisation"]) is not None:
        text = with_sigma(deviation["rms_db"], deviation["rms_sigma_db"], "dB rms")
        largest = with_sigma(deviation["largest_db"], deviation["largest_sigma_db"], "dB")
        label = f"response against the curve, {deviation['low_hz']:g} Hz - {1e-3 * deviation['high_hz']:g} kHz"
        rows.append((label, f"{text}, at most {largest} at {deviation['largest_hz']:.0f} Hz"))
    for label, key in (("multitone response", "multitone_response"), ("programme response", "programme_response")):
        if (response := take[key]) is not None and known(response["gain_db"]):
            edges = [
                "not found" if response[f"{end}_3db_hz"] is None else f"{response[f'{end}_3db_hz']:.0f} Hz"
                for end in ("low", "high")
            ]
            gain = with_sigma(response["gain_db"], response["gain_sigma_db"], "dB")
            rows.append((label, f"{gain} at 1 kHz, -3 dB at {' and '.join(edges)}"))
    return rows


def _middle(delay: Mapping[str, Sequence[float]]) -> float | None:
    """How far the group delay spreads where every machine plays, microseconds."""
    pairs = zip(delay["frequency_hz"], delay["delay_us"], strict=True)
    values = [value for frequency, value in pairs if 250.0 <= frequency <= 6300.0 and known(value)]
    return max(values) - min(values) if values else None


def _level_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for label, key in (("output at 3 % third harmonic", "maximum_output"), ("saturated output", "saturation_output")):
        if (figure := take[key]) is not None:
            text = with_sigma(figure["output_dbfs"], figure["sigma_db"], "dBFS")
            at_least = "at least " if figure["kind"] == "sol" and not figure["saturated"] else ""
            rows.append((f"{label}, {figure['frequency_hz']:g} Hz", f"{at_least}{text}"))
    ratio = take["signal_to_noise"]
    for label, key in _NOISE_RATIOS if ratio is not None else ():
        if known(ratio[f"{key}_db"]):
            rows.append((label, with_sigma(ratio[f"{key}_db"], ratio[f"{key}_sigma_db"], "dB")))
    for curve in take["compression"]:
        for drop in (1, 3):
            if curve[f"level_{drop}db_dbfs"] is not None:
                text = with_sigma(curve[f"level_{drop}db_dbfs"], curve[f"level_{drop}db_sigma_db"], "dBFS in")
                rows.append((f"compressed by {drop} dB, {curve['frequency_hz']:g} Hz", text))
    return rows


def _distortion_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for figure in take["thd_noise"]:
        label = f"THD+N {figure['frequency_hz']:g} Hz at {figure['level_dbfs']:.1f} dBFS"
        rows.append((label, with_sigma(figure["thd_n_pct"], figure["thd_n_sigma_pct"], "%")))
    for pair in take["intermodulation"]:
        text = ", ".join(
            f"order {order} {with_sigma(pair[f'{name}_order_pct'], pair[f'{name}_sigma_pct'], '%')}"
            for order, name in ((2, "second"), (3, "third"))
            if known(pair[f"{name}_order_pct"])
        )
        rows.append((f"intermodulation, {pair['lower_hz']:g} + {pair['upper_hz']:g} Hz", text or "hidden in noise"))
    for loop in take["hysteresis"]:
        remanence = with_sigma(loop["remanence"], loop["remanence_sigma"], "of the peak")
        coercive = with_sigma(loop["coercive_level"], loop["coercive_sigma"], "of full scale")
        label = f"loop {loop['frequency_hz']:g} Hz at {loop['level_dbfs']:.1f} dBFS"
        rows.append((label, f"remanence {remanence}, coercive input {coercive}"))
    return rows


def known(value: float | None) -> bool:
    """Whether a figure was measured: neither None nor NaN."""
    return value is not None and math.isfinite(value)


def _or_hidden(value: float | None, sigma: float | None, unit: str) -> str:
    return "hidden in noise" if value is None or not known(value) else with_sigma(value, sigma, unit)


def with_sigma(value: float, sigma: float | None, unit: str) -> str:
    """Value and uncertainty to the place of the uncertainty's second digit."""
    if sigma is None or not math.isfinite(sigma) or sigma <= 0.0:
        return f"{value:.3g} {unit}"
    places = min(6, max(0, 1 - math.floor(math.log10(sigma))))
    return f"{value:.{places}f} +- {sigma:.{places}f} {unit}"
