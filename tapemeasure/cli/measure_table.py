"""The table that ``tapemeasure measure`` prints."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapemeasure.analysis.repeat_takes import stated_sigma
from tapemeasure.cli.detail_rows import detail_rows, flutter_rows, known, with_sigma

SHOWN_HZ = (50.0, 100.0, 300.0, 3000.0, 10000.0, 15000.0)
NOT_MEASURED = "not measured"
_NOISE_ROWS = (
    ("noise", "level_dbfs", "dBFS"),
    ("noise above 200 Hz", "level_above_200hz_dbfs", "dBFS"),
    ("noise, A-weighted", "level_a_dbfs", "dBFS(A)"),
    ("noise, 468 curve, rms", "level_468_dbfs", "dBFS"),
    ("noise, 468 quasi-peak", "level_468_quasi_peak_dbfs", "dBFS"),
    ("hum, 50 Hz comb", "hum_50hz_dbfs", "dBFS"),
    ("hum, 60 Hz comb", "hum_60hz_dbfs", "dBFS"),
    ("DC", "dc_dbfs", "dBFS"),
)
SPREAD_SHOWN = 40


def take_rows(take: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows (label, value with unit) of one take: the values of `TakeMeasurement.as_dict`, or its error."""
    rows = [("take", str(take["name"]))]
    if "error" in take:
        return [*rows, ("error", str(take["error"]))]
    rows.append(("length", f"{take['duration_s']:.2f} s at {take['sample_rate']} Hz, channel {take['channel'] + 1}"))
    return [
        *rows,
        *_delay_rows(take["delay"]),
        *flutter_rows(take["wow_flutter"]),
        *_response_rows(take),
        *_thd_rows(take),
        *_noise_rows(take["noise"]),
        *detail_rows(take),
    ]


def _delay_rows(delay: dict[str, Any] | None) -> list[tuple[str, str]]:
    if delay is None:
        return []
    if delay["mean_delay_s"] is None:
        return [("delay", NOT_MEASURED)]
    text = f"{1e3 * delay['mean_delay_s']:.3f} ms by {delay['method']}, std {1e6 * delay['delay_std_s']:.1f} us"
    rows = [("delay", text)]
    if delay.get("inverted_polarity") is not None:
        rows.append(("polarity", "inverted" if delay["inverted_polarity"] else "kept"))
    return rows


def _response_rows(take: dict[str, Any]) -> list[tuple[str, str]]:
    response = take["response"]
    if response is None:
        return [("response", NOT_MEASURED)]
    edges = ["not found" if response[key] is None else _hz(response[key]) for key in ("low_3db_hz", "high_3db_hz")]
    rows = [
        ("response from", str(response["name"])),
        ("gain at 1 kHz", _figure(response, "gain_db", "dB")),
        ("-3 dB points", " and ".join(edges)),
    ]
    frequency, magnitude = response["frequency_hz"], response["magnitude_db"]
    for shown in SHOWN_HZ:
        if response["gain_db"] is not None and frequency[0] <= shown <= frequency[-1]:
            relative_db = float(np.interp(shown, frequency, magnitude)) - response["gain_db"]
            rows.append((f"  at {_hz(shown)}, re 1 kHz", _value(relative_db, "dB", digits=2)))
    for harmonic in take["harmonic_response"]:
        at_1khz_db = float(np.interp(1000.0, harmonic["frequency_hz"], harmonic["magnitude_db"], np.nan, np.nan))
        label = f"  H{harmonic['order']} at 1 kHz, {harmonic['name']}"
        rows.append((label, _value(at_1khz_db, "dB", digits=1)))
    return rows


def _thd_rows(take: dict[str, Any]) -> list[tuple[str, str]]:
    if not take["thd_vs_level"]:
        return [("THD against level", NOT_MEASURED)]
    rows = []
    for curve in take["thd_vs_level"]:
        for level, gain, thd, floor in zip(
            *(_numbers(curve[key]) for key in ("level_dbfs", "gain_db", "thd_pct", "thd_floor_pct")), strict=True
        ):
            hidden = f"below {floor:.2g} %" if np.isfinite(floor) else NOT_MEASURED
            text = f"{thd:.2g} %" if np.isfinite(thd) else hidden
            label = f"THD {_hz(curve['frequency_hz'])} at {level:.1f} dBFS"
            rows.append((label, f"{text}, gain {_value(gain, 'dB', digits=2)}"))
    return rows


def _noise_rows(noise: dict[str, Any] | None) -> list[tuple[str, str]]:
    if noise is None:
        return [("noise", NOT_MEASURED)]
    rows = [(label, _figure(noise, key, unit)) for label, key, unit in _NOISE_ROWS]
    return rows + [
        (f"  line at {line['frequency_hz']:.4g} Hz", with_sigma(line["level_dbfs"], line["sigma_db"], "dBFS"))
        for line in noise["hum_lines"]
    ]


def spread_rows(spread: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Rows on repeat takes: mean and standard deviation from take to take; the first 40, all are in the JSON."""
    if not spread:
        return []
    rows = [("spread over takes", f"mean and standard deviation of {spread[0]['n_takes']} takes")]
    for figure in spread[:SPREAD_SHOWN]:
        label = f"  {figure['figure']}"
        rows.append((label, f"{figure['mean']:.5g}, from take to take {figure['spread']:.2g}"))
    if len(spread) > SPREAD_SHOWN:
        rows.append(("  more", f"{len(spread) - SPREAD_SHOWN} further figures in the JSON"))
    return rows


def _figure(item: dict[str, Any], key: str, unit: str) -> str:
    """A figure of an object with the uncertainty that the object states."""
    return with_sigma(item[key], stated_sigma(item, key), unit) if known(item[key]) else NOT_MEASURED


def _numbers(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values]


def _value(value: float | None, unit: str, *, digits: int) -> str:
    return NOT_MEASURED if value is None or not np.isfinite(value) else f"{value:.{digits}f} {unit}"


def _hz(frequency_hz: float) -> str:
    return f"{frequency_hz / 1000.0:.3g} kHz" if frequency_hz >= 1000.0 else f"{frequency_hz:.3g} Hz"
