"""Rows of ``tapemeasure measure`` on speed, tape, distortion and verdict; values with their standard uncertainties."""

import math
from collections.abc import Mapping
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
        if _known(flutter[f"{key}_pct"]):
            rows.append((label, _with_sigma(flutter[f"{key}_pct"], flutter[f"{key}_sigma_pct"], "%")))
    for line in flutter["lines"][:SHOWN_LINES]:
        part = "" if line["part"] is None else f", {line['part']}"
        rows.append((f"  line at {line['frequency_hz']:.2f} Hz", f"{line['deviation_pct']:.3g} % rms{part}"))
    return rows + [("  note", text) for text in flutter["notes"]]


def detail_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows on what the take tells of tape and distortion, and the verdict."""
    rows = []
    for label, key in (("output at 3 % third harmonic", "maximum_output"), ("saturated output", "saturation_output")):
        if take[key] is not None:
            figure = take[key]
            text = _with_sigma(figure["output_dbfs"], figure["sigma_db"], "dBFS")
            rows.append((f"{label}, {figure['frequency_hz']:g} Hz", text))
    ratio = take["signal_to_noise"]
    for label, key in _NOISE_RATIOS if ratio is not None else ():
        if _known(ratio[f"{key}_db"]):
            rows.append((label, _with_sigma(ratio[f"{key}_db"], ratio[f"{key}_sigma_db"], "dB")))
    if (noise := take["modulation_noise"]) is not None and _known(noise["level_db"]):
        text = _with_sigma(noise["level_db"], noise["sigma_db"], "dB")
        rows.append((f"modulation noise within {noise['high_hz']:.0f} Hz", text))
    if (leak := take["crosstalk"]) is not None and _known(leak["overall_db"]):
        rows.append(("crosstalk of the pilot", _with_sigma(leak["overall_db"], leak["overall_sigma_db"], "dB")))
    if (azimuth := take["azimuth"]) is not None:
        rows.append(("azimuth, static", _with_sigma(azimuth["static_us"], azimuth["static_sigma_us"], "us")))
        rows.append(("azimuth, dynamic", _with_sigma(azimuth["dynamic_us"], azimuth["dynamic_sigma_us"], "us rms")))
    if (balance := take["channel_balance"]) is not None:
        text = _with_sigma(balance["at_1khz_db"], balance["at_1khz_sigma_db"], "dB")
        rows.append(("second channel over the first, 1 kHz", text))
    if (dropouts := take["dropouts"]) is not None:
        rows.append(("dropouts", _with_sigma(dropouts["per_minute"], dropouts["per_minute_sigma"], "a minute")))
    for side, echo in (take["print_through"] or {}).items():
        if echo is not None and _known(echo["level_db"]):
            rows.append((f"print-through, {side}", _with_sigma(echo["level_db"], echo["sigma_db"], "dB")))
    for pair in take["intermodulation"]:
        text = ", ".join(
            f"order {order} {pair[f'{name}_order_pct']:.2g} %"
            for order, name in ((2, "second"), (3, "third"))
            if _known(pair[f"{name}_order_pct"])
        )
        rows.append((f"intermodulation, {pair['lower_hz']:g} + {pair['upper_hz']:g} Hz", text or "hidden in noise"))
    for row in take["din45500"]:
        if row["value"] is not None:
            limit = f"{'at most' if row['at_most'] else 'at least'} {row['limit']:g} {row['unit']}"
            text = f"{row['verdict']} ({row['value']:.3g} {row['unit']}, {limit})"
            rows.append((f"DIN 45 500: {row['requirement']}", text))
    return rows


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _with_sigma(value: float, sigma: float | None, unit: str) -> str:
    """Value and uncertainty to the place of the uncertainty's second digit."""
    if sigma is None or not math.isfinite(sigma) or sigma <= 0.0:
        return f"{value:.3g} {unit}"
    places = min(6, max(0, 1 - math.floor(math.log10(sigma))))
    return f"{value:.{places}f} +- {sigma:.{places}f} {unit}"
