"""Figures in words: numbers as people write them, and the sentences under pictures and tables."""

import math
from collections.abc import Sequence

from tapemeasure.report.figures import number
from tapemeasure.report.gather import DeviceResults, TakeResults, Values
from tapemeasure.report.metrics import best_network, error_of, improvement_db

NOT_MEASURED = "not measured"
MODEL_NAMES = {
    "input": "input as it is",
    "gain": "input times the best gain",
    "fir": "best linear filter (FIR)",
    "gru": "neural network (GRU)",
}
MOST_PLACES = 6


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
        rounded = float(f"{value:.{digits - 1}e}")
        places = digits - 1 - (math.floor(math.log10(abs(rounded))) if rounded else 0)
        text = f"{rounded:.{max(0, places)}f}"
    return f"{text} {unit}".strip().replace("-", "−", 1)


def measured_text(value: float | None, sigma: float | None = None, *, digits: int = 3, unit: str = "") -> str:
    """Number ± standard uncertainty to the place of the uncertainty's second digit, with its unit.

    Without an uncertainty the number has `digits` significant digits; nothing is told beyond the sixth decimal.

    Examples
    --------
    >>> measured_text(0.228767, 0.001707, unit="%")
    '0.2288 ± 0.0017 %'
    >>> measured_text(-66.4321, unit="dBFS"), measured_text(4.8e-10, unit="%")
    ('−66.4 dBFS', 'below 0.000001 %')
    """
    if value is None or not math.isfinite(value):
        return NOT_MEASURED
    if 0.0 < abs(value) < 10.0**-MOST_PLACES and not (sigma and sigma >= 10.0**-MOST_PLACES):
        return f"below 0.000001 {unit}".strip()
    if sigma is None or not math.isfinite(sigma) or sigma < 10.0**-MOST_PLACES:
        return figure_text(value, digits=digits, unit=unit)
    places = min(MOST_PLACES, max(0, 1 - math.floor(math.log10(sigma))))
    # adding zero takes the sign from what rounds to it
    text = f"{round(value, places) + 0.0:.{places}f}".replace("-", "−", 1)
    return f"{text} ± {sigma:.{places}f} {unit}".strip()


def signed_text(value: float | None, sigma: float | None = None, *, digits: int = 3) -> str:
    """Difference as `measured_text` writes a figure, but with its sign and without its uncertainty.

    Examples
    --------
    >>> signed_text(0.01234, 0.0021), signed_text(-3.0, None), signed_text(0.0, 1.0)
    ('+0.0123', '−3.00', '0.0')
    """
    text = measured_text(value, sigma, digits=digits).split(" ±")[0]
    return f"+{text}" if value is not None and value > 0.0 and text.strip("0.") and text[:1].isdigit() else text


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


def flutter_sentence(take: TakeResults) -> str:
    """What the wow and flutter of a take says, and where it comes from."""
    flutter = (take.measurement or {}).get("wow_flutter") or {}
    weighted = measured_text(
        number(flutter, "weighted_2sigma_pct"), number(flutter, "weighted_2sigma_sigma_pct"), unit="%"
    )
    parts = [f"Weighted, two-sigma: {weighted}."]
    lines = [line for line in flutter.get("lines") or [] if number(line, "frequency_hz") is not None][:3]
    if lines:
        told = (f"{hertz_text(line['frequency_hz'])}{_part_text(line)}" for line in lines)
        parts.append(f"The strongest lines, at {', '.join(told)}, are turning parts.")
    if flutter.get("blind_bands_hz"):
        parts.append("In the shaded bands two heads hide the speed.")
    return " ".join(parts)


def _part_text(line: Values) -> str:
    return f" ({line['part']})" if line.get("part") else ""


def deviation_sentence(deviation: Values) -> str:
    """How far a response lies from the curve that it should follow."""
    rms = measured_text(number(deviation, "rms_db"), number(deviation, "rms_sigma_db"), unit="dB")
    largest = measured_text(number(deviation, "largest_db"), number(deviation, "largest_sigma_db"), unit="dB")
    where = hertz_text(number(deviation, "largest_hz") or 0.0)
    low, high = (hertz_text(number(deviation, key) or 0.0) for key in ("low_hz", "high_hz"))
    return f"From {low} to {high} the response is {rms} rms from its curve, at most {largest} at {where}."


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


def model_name(model: str) -> str:
    """What the page calls a model; its own name where it is none of ours."""
    return MODEL_NAMES.get(model, model)


def model_verdict(device: DeviceResults) -> str:
    """Whether the network beats the best linear filter, in plain words."""
    network = best_network(device)
    fir, error = error_of(device, "fir"), None if network is None else error_of(device, network)
    if fir is None or error is None:
        return "Whether a network beats the best linear filter was not measured."
    gained_db = improvement_db(device)
    figures = (
        f"the network leaves {figure_text(100 * error, digits=3)} % of the target's energy as error, "
        f"the filter {figure_text(100 * fir, digits=3)} %"
    )
    if error < fir:
        less = "" if gained_db is None else f" ({figure_text(gained_db, digits=3)} dB less)"
        return f"Yes, the network beats the best linear filter: {figures}{less}."
    return f"No, the network does not beat the best linear filter: {figures}."
