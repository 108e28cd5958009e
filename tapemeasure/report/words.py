"""Figures in words: numbers as people write them, and the sentences under pictures and tables."""

import math
from collections.abc import Sequence

import numpy as np

from tapemeasure.report.gather import DeviceResults, TakeResults, Values
from tapemeasure.report.metrics import error_of, improvement_db, number

NOT_MEASURED = "not measured"
MODEL_NAMES = {
    "input": "input as it is",
    "gain": "input times the best gain",
    "fir": "best linear filter (FIR)",
    "gru": "neural network (GRU)",
}


def figure_text(value: float | None, *, digits: int = 4, unit: str = "") -> str:
    """Number with its unit, significant digits, no exponent, a true minus sign; or that it was not measured.

    Examples
    --------
    >>> figure_text(-66.4321, digits=3, unit="dBFS")
    '−66.4 dBFS'
    >>> figure_text(None)
    'not measured'
    """
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if isinstance(value, int):
        text = str(value)
    else:
        text = np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="k").rstrip(".")
    return f"{text} {unit}".strip().replace("-", "−", 1)


def hertz_text(frequency_hz: float, *, digits: int = 3) -> str:
    """Frequency in Hz, or in kHz from 1 kHz on; trailing zeros are left out.

    Examples
    --------
    >>> hertz_text(12000.0), hertz_text(31.5)
    ('12 kHz', '31.5 Hz')
    """
    scale, unit = (1e-3, "kHz") if frequency_hz >= 1000.0 else (1.0, "Hz")
    return f"{float(f'{frequency_hz * scale:.{digits}g}'):g} {unit}"


def delay_sentence(take: TakeResults) -> str:
    """What the delay figures of a take say."""
    mean_s = number(take.delay, "mean_delay_s")
    if mean_s is None:
        return "The delay was not measured."
    std_s, range_s = number(take.delay, "delay_std_s"), number(take.delay, "delay_peak_to_peak_s")
    speed_pct = number(take.delay, "speed_deviation_rms_pct")
    parts = [f"The output comes {figure_text(1e3 * mean_s, digits=6, unit='ms')} after the input"]
    if std_s is not None and range_s is not None:
        parts.append(
            f"; around this mean it moves by {figure_text(1e6 * std_s, digits=3, unit='µs')} rms, "
            f"{figure_text(1e6 * range_s, digits=3, unit='µs')} from lowest to highest"
        )
    parts.append(".")
    if speed_pct is not None:
        parts.append(f" The speed deviates by {figure_text(speed_pct, digits=3, unit='%')} rms.")
    return "".join(parts)


def response_sentence(take: TakeResults) -> str:
    """What the response of a take says."""
    gain_db = number(take.measurement, "response", "gain_db")
    low_hz, high_hz = (number(take.measurement, "response", key) for key in ("low_3db_hz", "high_3db_hz"))
    if gain_db is None:
        return "The gain at 1 kHz was not measured."
    low = "below the measured range" if low_hz is None else f"at {hertz_text(low_hz)}"
    high = "above it" if high_hz is None else f"at {hertz_text(high_hz)}"
    high = "above the measured range" if high_hz is None and low_hz is not None else high
    return f"Gain at 1 kHz {figure_text(gain_db, digits=3, unit='dB')}; the response falls by 3 dB {low} and {high}."


def noise_sentence(take: TakeResults) -> str:
    """What the noise of a take says."""
    level, level_a = (number(take.measurement, "noise", key) for key in ("level_above_200hz_dbfs", "level_a_dbfs"))
    if level is None:
        return "The level was not measured."
    weighted = "" if level_a is None else f", {figure_text(level_a, digits=3, unit='dBFS')} A-weighted"
    return (
        f"Where the input is silent, the noise above 200 Hz is {figure_text(level, digits=3, unit='dBFS')}{weighted}."
    )


def maximum_output_sentence(measurement: Values) -> str:
    """At what level the third harmonic reaches 3 %."""
    limit = measurement.get("maximum_output")
    level, sigma = number(limit, "output_dbfs"), number(limit, "sigma_db")
    if level is None:
        return "At no level that was played the third harmonic reaches 3 %."
    uncertainty = "" if sigma is None else f" (uncertain by {figure_text(sigma, digits=2, unit='dB')})"
    frequency = hertz_text(number(limit, "frequency_hz") or 0.0)
    return (
        f"At {frequency} the third harmonic reaches 3 % where the output is at "
        f"{figure_text(level, digits=3, unit='dBFS')}{uncertainty}."
    )


def loop_sentence(loops: Sequence[Values]) -> str:
    """What the loudest hysteresis loop keeps where the input is zero."""
    loudest = max(loops, key=lambda loop: number(loop, "level_dbfs") or 0.0)
    kept, frequency = number(loudest, "remanence"), hertz_text(number(loudest, "frequency_hz") or 0.0)
    level = figure_text(number(loudest, "level_dbfs"), digits=3, unit="dBFS")
    part = figure_text(None if kept is None else 100.0 * kept, digits=2, unit="%")
    return f"At {frequency} and {level}, where the input is zero, the output keeps {part} of its peak."


def intermodulation_sentence(pairs: Sequence[Values]) -> str:
    """Both orders of every pair together."""
    parts = []
    for pair in pairs:
        total = number(pair, "total_pct")
        text = "hidden in noise" if total is None else figure_text(total, digits=2, unit="%")
        first, second = (hertz_text(number(pair, key) or 0.0) for key in ("lower_hz", "upper_hz"))
        parts.append(f"{text} with {first} and {second}")
    return f"Intermodulation: {'; '.join(parts)}."


def model_verdict(device: DeviceResults) -> str:
    """Whether the network beats the best linear filter, in plain words."""
    fir, gru = error_of(device, "fir"), error_of(device, "gru")
    if fir is None or gru is None:
        return "Whether a network beats the best linear filter was not measured."
    gained_db = improvement_db(device)
    figures = (
        f"the network leaves {figure_text(100 * gru, digits=3)} % of the target's energy as error, "
        f"the filter {figure_text(100 * fir, digits=3)} %"
    )
    if gru < fir:
        less = "" if gained_db is None else f" ({figure_text(gained_db, digits=3)} dB less)"
        return f"Yes, the network beats the best linear filter: {figures}{less}."
    return f"No, the network does not beat the best linear filter: {figures}."
