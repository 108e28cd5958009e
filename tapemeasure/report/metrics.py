"""The figures: one list that fills metrics.json and the tables of the page alike."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tapemeasure.report.gather import DeviceResults, Results, TakeResults, Values
from tapemeasure.units import db_from_power

SIGNIFICANT_DIGITS = 6
STEP_HZ, STEP_DBFS, LINEAR_DBFS = 1000.0, -6.0, -30.0
MODELS = ("input", "gain", "fir", "gru")
ERRORS = ("esr", "dc_blocked_esr", "mr_stft")


@dataclass(frozen=True)
class Figure:
    """One scalar of a take.

    Parameters
    ----------
    key : str
        Name in metrics.json, unit included.
    label, unit : str
        What the page calls it.
    read : callable
        Takes a `TakeResults`, gives the value or None where it was not measured.
    key_figure : bool
        Whether the summary at the top of the page shows it.
    digits : int
        Significant digits on the page.
    """

    key: str
    label: str
    unit: str
    read: Callable[[TakeResults], float | None]
    key_figure: bool = False
    digits: int = 4


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


def metrics(results: Results) -> dict[str, dict[str, dict[str, float | None]]]:
    """Plain scalars, units in their keys: device, then take or ``model``, then figure.

    Every take has every key, None where it was not measured; order and digits are stable, and nothing depends on the
    day. A take that is itself called ``model`` becomes ``take model``.
    """
    return {device.name: _device_metrics(device) for device in results.devices}


def _device_metrics(device: DeviceResults) -> dict[str, dict[str, float | None]]:
    takes = {("take model" if take.name == "model" else take.name): take_metrics(take) for take in device.takes}
    has_model = device.training is not None or device.evaluation is not None
    return {**takes, "model": model_metrics(device)} if has_model else takes


def take_metrics(take: TakeResults) -> dict[str, float | None]:
    """Every figure of a take by its key."""
    return {figure.key: _rounded(figure.read(take)) for figure in FIGURES}


def model_metrics(device: DeviceResults) -> dict[str, float | None]:
    """Errors of every model on the test set, the epoch that was exported, the network's size."""
    values: dict[str, float | None] = {
        f"{model}_{error}": error_of(device, model, error) for model in MODELS for error in ERRORS
    }
    values["gru_better_than_fir_db"] = improvement_db(device)
    values["best_epoch"] = number(device.training, "best_epoch")
    values["parameters"] = number(device.training, "parameters")
    return {key: _rounded(value) for key, value in values.items()}


def error_of(device: DeviceResults, model: str, error: str = "esr") -> float | None:
    """One error (`ERRORS`) of one model's row; None where it was not measured."""
    rows = (device.evaluation or {}).get("rows") or []
    return next((number(row, error) for row in rows if row.get("model") == model), None)


def improvement_db(device: DeviceResults) -> float | None:
    """How much less error energy the network leaves than the best linear filter, dB; negative if it leaves more."""
    fir, gru = error_of(device, "fir"), error_of(device, "gru")
    return db_from_power(fir / gru) if fir and gru else None


def typical(device: DeviceResults, figure: Figure) -> float | None:
    """Median of a figure over the takes in which it was measured."""
    known = [value for take in device.takes if (value := figure.read(take)) is not None]
    return median(known) if known else None


def _rounded(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _scaled(source: str, key: str, scale: float = 1.0) -> Callable[[TakeResults], float | None]:
    def read(take: TakeResults) -> float | None:
        value = number(getattr(take, source), key)
        return value if value is None or scale == 1.0 else value * scale

    return read


def _measured(*keys: str) -> Callable[[TakeResults], float | None]:
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


def _din_rows(verdict: str) -> Callable[[TakeResults], float | None]:
    """How many requirements of DIN 45 500 got a verdict; None where none could be told at all."""

    def read(take: TakeResults) -> float | None:
        verdicts = [row.get("verdict") for row in (take.measurement or {}).get("din45500") or []]
        return verdicts.count(verdict) if set(verdicts) - {"not measured"} else None

    return read


def _hiss_count(take: TakeResults) -> float | None:
    return None if take.hiss is None else len(take.hiss.get("segments") or [])


def _thd(take: TakeResults) -> float | None:
    return _at_level(_steps(take), "thd_pct", STEP_DBFS)


def _compression(take: TakeResults) -> float | None:
    """Gain that is lost from -30 to 0 dBFS, dB."""
    quiet, loud = (_at_level(_steps(take), "gain_db", level) for level in (LINEAR_DBFS, 0.0))
    return None if quiet is None or loud is None else quiet - loud


def _steps(take: TakeResults) -> Values | None:
    rows: Sequence[Values] = (take.measurement or {}).get("thd_vs_level") or []
    return next((row for row in rows if abs((number(row, "frequency_hz") or 0.0) - STEP_HZ) < 1.0), None)


def _at_level(row: Values | None, key: str, level_dbfs: float) -> float | None:
    if row is None:
        return None
    pairs = zip(row.get("level_dbfs") or [], row.get(key) or [], strict=False)
    value = next((value for level, value in pairs if level is not None and abs(level - level_dbfs) < 0.1), None)
    return number({"value": value}, "value")


FIGURES: tuple[Figure, ...] = (
    Figure("mean_delay_ms", "Mean delay", "ms", _scaled("delay", "mean_delay_s", 1e3), True, 6),
    Figure("delay_std_us", "Delay, standard deviation", "µs", _scaled("delay", "delay_std_s", 1e6)),
    Figure("delay_peak_to_peak_us", "Delay, peak to peak", "µs", _scaled("delay", "delay_peak_to_peak_s", 1e6)),
    Figure("drift_ppm", "Speed drift", "ppm", _scaled("delay", "drift_ppm")),
    Figure(
        "speed_deviation_rms_pct", "Speed deviation, rms", "%", _scaled("delay", "speed_deviation_rms_pct"), True, 3
    ),
    Figure(
        "wow_flutter_weighted_2sigma_pct",
        "Wow and flutter, weighted, two-sigma",
        "%",
        _measured("wow_flutter", "weighted_2sigma_pct"),
        True,
        3,
    ),
    Figure(
        "wow_flutter_unweighted_rms_pct",
        "Wow and flutter, unweighted, rms",
        "%",
        _measured("wow_flutter", "unweighted_rms_pct"),
        digits=3,
    ),
    Figure("pulses_found", "Pilot pulses found", "", _scaled("delay", "pulses_found"), digits=9),
    Figure("pulses_expected", "Pilot pulses expected", "", _scaled("delay", "pulses_expected"), digits=9),
    Figure("truth_error_us_rms", "Delay, error against the truth", "µs rms", _scaled("delay", "truth_error_us_rms")),
    Figure("gain_1khz_db", "Gain at 1 kHz", "dB", _measured("response", "gain_db"), digits=3),
    Figure("low_3db_hz", "Response, lower −3 dB point", "Hz", _measured("response", "low_3db_hz"), True, 3),
    Figure("high_3db_hz", "Response, upper −3 dB point", "Hz", _measured("response", "high_3db_hz"), True, 3),
    Figure("thd_1khz_minus_6dbfs_pct", "Distortion (THD) at 1 kHz, −6 dBFS in", "%", _thd, True, 3),
    Figure("compression_1khz_db", "Compression at 1 kHz, −30 to 0 dBFS in", "dB", _compression, digits=3),
    Figure("mol3_dbfs", "Output at 3 % third harmonic", "dBFS", _measured("maximum_output", "output_dbfs"), digits=3),
    Figure("noise_dbfs", "Noise", "dBFS", _measured("noise", "level_dbfs"), digits=3),
    Figure(
        "noise_above_200hz_dbfs", "Noise above 200 Hz", "dBFS", _measured("noise", "level_above_200hz_dbfs"), True, 3
    ),
    Figure("noise_a_dbfs", "Noise, A-weighted", "dBFS", _measured("noise", "level_a_dbfs"), True, 3),
    Figure("noise_468_dbfs", "Noise, ITU-R 468 curve, rms", "dBFS", _measured("noise", "level_468_dbfs"), digits=3),
    Figure(
        "signal_to_noise_a_db",
        "Signal (3 % third harmonic) to noise, A-weighted",
        "dB",
        _measured("signal_to_noise", "a_db"),
        True,
        3,
    ),
    Figure("hum_50hz_dbfs", "Hum of 50 Hz mains", "dBFS", _measured("noise", "hum_50hz_dbfs"), digits=3),
    Figure("hum_60hz_dbfs", "Hum of 60 Hz mains", "dBFS", _measured("noise", "hum_60hz_dbfs"), digits=3),
    Figure("hiss_segments", "Hiss segments", "", _hiss_count),
    Figure("hiss_above_200hz_dbfs", "Hiss segments, above 200 Hz", "dBFS", _hiss_level, digits=3),
    Figure("din45500_passed", "DIN 45 500: requirements met", "", _din_rows("pass")),
    Figure("din45500_failed", "DIN 45 500: requirements not met", "", _din_rows("fail")),
    Figure("din45500_undecided", "DIN 45 500: too uncertain to tell", "", _din_rows("undecided")),
)
