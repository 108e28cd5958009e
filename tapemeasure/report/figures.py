"""The figures of a take: one list that fills metrics.json, the tables of the page and the CSV alike."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.report.gather import DeviceResults, TakeResults, Values
from tapemeasure.units import db_from_power

SIGNIFICANT_DIGITS = 6
STEP_HZ, STEP_DBFS, LINEAR_DBFS = 1000.0, -6.0, -30.0
IEC_FLUTTER = "IEC 60386, AES6-2008"
RESPONSE, LEVELS, TAPE, DELAY = "Frequency response", "Distortion and level", "Channels and tape", "Delay"

Read = Callable[[TakeResults], float | None]


def _no_sigma(_: TakeResults) -> float | None:
    return None


def _never(_: TakeResults) -> bool:
    return False


def _response_known(take: TakeResults) -> bool:
    return number(take.measurement, "response", "gain_db") is not None


@dataclass(frozen=True)
class Figure:
    """One scalar of a take.

    Parameters
    ----------
    key : str
        Name in metrics.json, unit included.
    label, unit : str
        What the page calls it.
    group : str
        Heading that it stands under.
    read : callable
        Takes a `TakeResults`, gives the value or None where it was not measured.
    sigma : callable
        The same for its standard uncertainty, in the same unit.
    standard : str
        The standard whose definition it follows; empty where there is none.
    key_figure : bool
        Whether the summary at the top of the page shows it.
    digits : int
        Significant digits on the page where no uncertainty is known.
    out_of_range : callable
        Takes a `TakeResults`, tells whether a missing value means that it lies outside what was measured.
    """

    key: str
    label: str
    unit: str
    group: str
    read: Read
    sigma: Read = _no_sigma
    standard: str = ""
    key_figure: bool = False
    digits: int = 3
    out_of_range: Callable[[TakeResults], bool] = _never


def number(values: Any, *keys: str) -> float | None:
    """Finite number at a path of keys; None where there is none.

    Examples
    --------
    >>> number({"noise": {"level_a_dbfs": -69.2}}, "noise", "level_a_dbfs")
    -69.2
    >>> number({"noise": None}, "noise", "level_a_dbfs") is None
    True
    """
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    if isinstance(values, bool) or not isinstance(values, int | float) or not math.isfinite(values):
        return None
    return values


def as_array(values: Any) -> FloatArray:
    """List of numbers, None as NaN."""
    return np.array([np.nan if value is None else value for value in values or []], dtype=np.float64)


def typical(device: DeviceResults, figure: Figure) -> float | None:
    """Median of a figure over the takes in which it was measured."""
    known = [value for take in device.takes if (value := figure.read(take)) is not None]
    return median(known) if known else None


def rounded(value: float | None) -> float | None:
    """A figure to the digits of metrics.json."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _tracked(key: str, scale: float = 1.0) -> Read:
    """A figure of the delay."""

    def read(take: TakeResults) -> float | None:
        value = number(take.delay, key)
        return value if value is None or scale == 1.0 else value * scale

    return read


def _measured(*keys: str) -> Read:
    return lambda take: number(take.measurement, *keys)


def _hiss_level(take: TakeResults) -> float | None:
    """Mean power of the hiss segments, each weighted by its length, above 200 Hz, dBFS."""
    energy, length_s = 0.0, 0.0
    for segment in (take.hiss or {}).get("segments") or []:
        level, start, end = (number(segment, key) for key in ("level_above_200hz_dbfs", "start_s", "end_s"))
        if level is not None and start is not None and end is not None:
            energy += (end - start) * 10.0 ** (level / 10.0)
            length_s += end - start
    return db_from_power(energy / length_s) if energy > 0.0 and length_s > 0.0 else None


def _din_rows(verdict: str) -> Read:
    """How many requirements of DIN 45 500 got a verdict; None where none could be told at all."""

    def read(take: TakeResults) -> float | None:
        verdicts = [row.get("verdict") for row in (take.measurement or {}).get("din45500") or []]
        return verdicts.count(verdict) if set(verdicts) - {"not measured"} else None

    return read


def _hiss_count(take: TakeResults) -> float | None:
    return None if take.hiss is None else len(take.hiss.get("segments") or [])


def _thd(take: TakeResults) -> float | None:
    return _at_level(_steps(take), "thd_pct", STEP_DBFS)


def _thd_sigma(take: TakeResults) -> float | None:
    return _at_level(_steps(take), "thd_sigma_pct", STEP_DBFS)


def _compression(take: TakeResults) -> float | None:
    """Gain that is lost from -30 to 0 dBFS, dB."""
    quiet, loud = (_at_level(_steps(take), "gain_db", level) for level in (LINEAR_DBFS, 0.0))
    return None if quiet is None or loud is None else quiet - loud


def _compression_sigma(take: TakeResults) -> float | None:
    quiet, loud = (_at_level(_steps(take), "gain_sigma_db", level) for level in (LINEAR_DBFS, 0.0))
    return None if quiet is None or loud is None else math.hypot(quiet, loud)


def _steps(take: TakeResults) -> Values | None:
    rows: Sequence[Values] = (take.measurement or {}).get("thd_vs_level") or []
    return next((row for row in rows if abs((number(row, "frequency_hz") or 0.0) - STEP_HZ) < 1.0), None)


def _at_level(row: Values | None, key: str, level_dbfs: float) -> float | None:
    if row is None:
        return None
    pairs = zip(row.get("level_dbfs") or [], row.get(key) or [], strict=False)
    value = next((value for level, value in pairs if level is not None and abs(level - level_dbfs) < 0.1), None)
    return number({"value": value}, "value")


def _flutter(name: str, label: str, standard: str = "", *, key: str | None = None, top: bool = False) -> Figure:
    """One of the readings of a wow-and-flutter meter, per cent."""
    read, sigma = _measured("wow_flutter", f"{name}_pct"), _measured("wow_flutter", f"{name}_sigma_pct")
    return Figure(f"wow_flutter_{name}_pct" if key is None else key, label, "%", "Speed", read, sigma, standard, top)


def _noise(name: str, label: str, standard: str = "", *, key: str, top: bool = False) -> Figure:
    """One of the levels of the noise, dBFS."""
    read, sigma = _measured("noise", f"{name}_dbfs"), _measured("noise", f"{name}_sigma_db")
    return Figure(key, label, "dBFS", "Noise", read, sigma, standard, top)


def _ratio(name: str, label: str, *, key: str, top: bool = False) -> Figure:
    read, sigma = _measured("signal_to_noise", f"{name}_db"), _measured("signal_to_noise", f"{name}_sigma_db")
    return Figure(key, label, "dB", "Noise", read, sigma, "", top)


def _other(key: str, label: str, unit: str, group: str, path: tuple[str, str], sigma: str, top: bool = False) -> Figure:
    """A figure of one object of the measurement, whose uncertainty stands beside it."""
    return Figure(key, label, unit, group, _measured(*path), _measured(path[0], sigma), "", top)


def _edge(name: str, label: str) -> Figure:
    read, sigma = (_measured("response", f"{name}_3db_{end}") for end in ("hz", "sigma_hz"))
    return Figure(f"{name}_3db_hz", label, "Hz", RESPONSE, read, sigma, "", True, out_of_range=_response_known)


FIGURES: tuple[Figure, ...] = (
    _flutter("weighted_2sigma", "Wow and flutter, weighted, two-sigma", IEC_FLUTTER, top=True),
    _flutter("quasi_peak", "Wow and flutter, weighted, quasi-peak", "DIN 45507"),
    _flutter("weighted_rms", "Wow and flutter, weighted, rms (WRMS)", "weighting of IEC 60386"),
    _flutter("unweighted_rms", "Wow and flutter, unweighted, rms"),
    _flutter("drift", "Drift, 0.05–0.5 Hz, rms"),
    _flutter("wow", "Wow, 0.5–6 Hz, rms"),
    _flutter("flutter", "Flutter, 6–100 Hz, rms"),
    _flutter("scrape", "Scrape flutter, above 100 Hz, rms"),
    _flutter("speed_error", "Speed error; positive is too fast", key="speed_error_pct", top=True),
    _edge("low", "Lower −3 dB point"),
    _edge("high", "Upper −3 dB point"),
    _other("gain_1khz_db", "Gain at 1 kHz", "dB", RESPONSE, ("response", "gain_db"), "gain_sigma_db"),
    _other("head_bump_db", "Head bump, height", "dB", RESPONSE, ("head_bump", "height_db"), "sigma_db"),
    _other("head_bump_hz", "Head bump, frequency", "Hz", RESPONSE, ("head_bump", "frequency_hz"), "frequency_sigma_hz"),
    _other("curve_deviation_rms_db", "Distance from the wanted curve, rms", "dB", RESPONSE,
           ("equalisation", "rms_db"), "rms_sigma_db"),
    Figure("thd_1khz_minus_6dbfs_pct", "Distortion (THD) at 1 kHz, −6 dBFS in", "%", LEVELS, _thd, _thd_sigma,
           key_figure=True),
    Figure("compression_1khz_db", "Compression at 1 kHz, −30 to 0 dBFS in", "dB", LEVELS, _compression,
           _compression_sigma),
    _other("mol3_dbfs", "Output at 3 % third harmonic (MOL)", "dBFS", LEVELS, ("maximum_output", "output_dbfs"),
           "sigma_db"),
    _other("sol_dbfs", "Largest output at high frequency (SOL)", "dBFS", LEVELS,
           ("saturation_output", "output_dbfs"), "sigma_db"),
    _ratio("a", "Signal (3 % third harmonic) to noise, A-weighted", key="signal_to_noise_a_db", top=True),
    _ratio("itu468_quasi_peak", "Signal to noise, ITU-R 468 quasi-peak", key="signal_to_noise_468_db"),
    _ratio("unweighted", "Signal to noise, unweighted", key="signal_to_noise_unweighted_db"),
    _noise("level", "Noise", key="noise_dbfs"),
    _noise("level_above_200hz", "Noise above 200 Hz", key="noise_above_200hz_dbfs"),
    _noise("level_a", "Noise, A-weighted", "curve of IEC 61672", key="noise_a_dbfs", top=True),
    _noise("level_468", "Noise, ITU-R 468 curve, rms", "curve of ITU-R BS.468-4", key="noise_468_dbfs"),
    _noise("level_468_quasi_peak", "Noise, ITU-R 468, quasi-peak", "ITU-R BS.468-4", key="noise_468_quasi_peak_dbfs"),
    _noise("hum_50hz", "Hum of 50 Hz mains", key="hum_50hz_dbfs"),
    _noise("hum_60hz", "Hum of 60 Hz mains", key="hum_60hz_dbfs"),
    Figure("hiss_above_200hz_dbfs", "Hiss segments, above 200 Hz", "dBFS", "Noise", _hiss_level),
    Figure("hiss_segments", "Hiss segments", "", "Noise", _hiss_count),
    _other("modulation_noise_db", "Modulation noise against its tone", "dB", "Noise", ("modulation_noise", "level_db"),
           "sigma_db"),
    _other("azimuth_us", "Second track behind the first", "µs", TAPE, ("azimuth", "static_us"), "static_sigma_us"),
    _other("channel_balance_db", "Second channel over the first, 1 kHz", "dB", TAPE,
           ("channel_balance", "at_1khz_db"), "at_1khz_sigma_db"),
    _other("crosstalk_db", "Crosstalk of the pilot's track", "dB", TAPE, ("crosstalk", "overall_db"),
           "overall_sigma_db"),
    _other("dropouts_per_minute", "Dropouts a minute", "", TAPE, ("dropouts", "per_minute"), "per_minute_sigma"),
    Figure("mean_delay_ms", "Mean delay", "ms", DELAY, _tracked("mean_delay_s", 1e3),
           _tracked("mean_delay_sigma_s", 1e3), key_figure=True, digits=6),
    Figure("delay_std_us", "Delay, standard deviation", "µs", DELAY, _tracked("delay_std_s", 1e6),
           _tracked("delay_std_sigma_s", 1e6), digits=4),
    Figure("delay_peak_to_peak_us", "Delay, peak to peak", "µs", DELAY, _tracked("delay_peak_to_peak_s", 1e6),
           _tracked("delay_peak_to_peak_sigma_s", 1e6), digits=4),
    Figure("speed_deviation_rms_pct", "Speed deviation, rms", "%", DELAY, _tracked("speed_deviation_rms_pct"),
           _tracked("speed_deviation_sigma_pct")),
    Figure("drift_ppm", "Steady speed error", "ppm", DELAY, _tracked("drift_ppm"), _tracked("drift_sigma_ppm")),
    Figure("pulses_found", "Pilot pulses found", "", DELAY, _tracked("pulses_found"), digits=9),
    Figure("pulses_expected", "Pilot pulses expected", "", DELAY, _tracked("pulses_expected"), digits=9),
    Figure("truth_error_us_rms", "Error of the tracked delay, rms", "µs", DELAY, _tracked("truth_error_us_rms")),
    Figure("din45500_passed", "Requirements met", "", "DIN 45 500", _din_rows("pass"), standard="DIN 45 500"),
    Figure("din45500_failed", "Requirements not met", "", "DIN 45 500", _din_rows("fail"), standard="DIN 45 500"),
    Figure("din45500_undecided", "Too uncertain to tell", "", "DIN 45 500", _din_rows("undecided"),
           standard="DIN 45 500"),
)  # fmt: skip
