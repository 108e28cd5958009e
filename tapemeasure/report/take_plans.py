"""Pictures of one take: speed, response, distortion, noise."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tapemeasure import plotting
from tapemeasure.plotting import Curve, plot_gain_against_level, plot_response, plot_thd_against_level
from tapemeasure.report.figures import as_array, number
from tapemeasure.report.gather import TakeResults, Values
from tapemeasure.report.plan import (
    DENSITY_AXES,
    LOOP_AXES,
    RESPONSE_AXES,
    Axes,
    Plan,
    curves_plan,
    hertz_of,
    level_text,
    ordinal,
)
from tapemeasure.report.words import (
    delay_sentence,
    deviation_sentence,
    figure_text,
    flutter_sentence,
    intermodulation_sentence,
    loop_sentence,
    maximum_output_sentence,
    noise_sentence,
    response_sentence,
)
from tapemeasure.trajectory import DelayTrajectory

LOWEST_DENSITY_DB = -200.0
INPUT_LEVEL = "level of the input / dBFS"
FLUTTER_AXES = Axes("frequency of the speed deviation / Hz", "speed deviation / % rms", log_x=True, log_y=True)
DELAY_AXES = Axes("time of the output / s", "delay − mean / µs")
HARMONIC_AXES = Axes("frequency of the fundamental / Hz", "harmonic / dB re fundamental", log_x=True)
THD_AXES = Axes(INPUT_LEVEL, "total harmonic distortion / %", log_y=True)
COMPRESSION_AXES = Axes(INPUT_LEVEL, "level of the output / dBFS")
DEVIATION_AXES = Axes("frequency / Hz", "response − curve / dB", log_x=True)
GAIN_AXES = Axes(INPUT_LEVEL, "gain / dB")


def take_plans(take: TakeResults) -> list[Plan]:
    """Plans of all pictures that a take allows, what an owner asks for first in front."""
    plans = []
    measurement = take.measurement or {}
    flutter = measurement.get("wow_flutter") or {}
    if flutter.get("frequency_hz"):
        draw = partial(plotting.plot_wow_flutter, flutter, force=True)
        curve = Curve("", as_array(flutter["frequency_hz"]), as_array(flutter["deviation_pct"]))
        plans.append(Plan("flutter", "Wow and flutter", flutter_sentence(take), draw, FLUTTER_AXES, (curve,)))
    if take.trajectory is not None:
        caption = delay_sentence(take) + " Above: the delay around its mean; below: how fast the speed wavers."
        draw = partial(_draw_trajectory, take)
        plans.append(Plan("delay", "Delay and speed", caption, draw, DELAY_AXES, (_delay_curve(take.trajectory),)))
    responses = measurement.get("sweep_response") or [r for r in [measurement.get("response")] if r]
    if responses:
        curves = [_response_curve(response) for response in responses]
        several = " One curve a level: where they part, the machine is no longer linear." if len(curves) > 1 else ""
        caption = response_sentence(take) + several
        plans.append(curves_plan("response", "Frequency response", caption, curves, plot_response, RESPONSE_AXES))
    plans += [*_curve_plans(measurement), *_distortion_plans(measurement)]
    noise = measurement.get("noise") or (take.hiss or {}).get("noise")
    if noise:
        # an exact zero between the pieces of a computed machine's silence is no level to draw
        density_db = np.maximum(as_array(noise.get("density_dbfs_per_hz")), LOWEST_DENSITY_DB)
        curve = Curve("", as_array(noise.get("frequency_hz")), density_db)
        caption = noise_sentence(take) + " Narrow peaks are hum, the rest is hiss."
        plans.append(curves_plan("noise", "Noise spectrum", caption, [curve], plotting.plot_spectrum, DENSITY_AXES))
    return plans


def _draw_trajectory(take: TakeResults, path: Path) -> None:
    if take.trajectory is not None:
        plotting.plot_trajectory(take.trajectory, path, force=True)


def _delay_curve(trajectory: DelayTrajectory) -> Curve:
    """Deviation of the delay from its mean where there is evidence, microseconds."""
    delay_s = np.where(trajectory.valid, trajectory.delay_s, np.nan)
    mean_s = float(np.nanmean(delay_s)) if trajectory.valid.any() else 0.0
    return Curve("delay", trajectory.time_s, 1e6 * (delay_s - mean_s))


def _curve_plans(measurement: Values) -> list[Plan]:
    """Distance from the curve of a standard; from a flat one it would be the response once more."""
    deviation = measurement.get("equalisation")
    if not deviation or not np.any(as_array(deviation.get("curve_db"))):
        return []
    caption = deviation_sentence(deviation) + " The band is two standard uncertainties wide to each side."
    draw = partial(plotting.plot_deviation, {"": deviation}, force=True)
    frequency_hz, values, sigma = (as_array(deviation[key]) for key in ("frequency_hz", "deviation_db", "sigma_db"))
    curve = Curve("", frequency_hz, values, sigma)
    return [Plan("deviation", "Distance from the wanted curve", caption, draw, DEVIATION_AXES, (curve,))]


def _distortion_plans(measurement: Values) -> list[Plan]:
    plans = []
    harmonics = measurement.get("harmonic_response") or []
    if harmonics:
        level_dbfs = max(float(row["level_dbfs"]) for row in harmonics)
        loudest = [row for row in harmonics if row["level_dbfs"] == level_dbfs]
        curves = [
            Curve(ordinal(row["order"]), as_array(row["frequency_hz"]), as_array(row["magnitude_db"]))
            for row in loudest
        ]
        caption = (
            f"Sweep at {level_text(level_dbfs)}: each harmonic against the frequency of its "
            "fundamental. Gaps are where it hides in the noise."
        )
        plans.append(curves_plan("harmonics", "Harmonics", caption, curves, plotting.plot_harmonics, HARMONIC_AXES))
    steps = measurement.get("thd_vs_level") or []
    if steps:
        thd = [Curve(hertz_of(row), as_array(row["level_dbfs"]), as_array(row["thd_pct"])) for row in steps]
        gain = [Curve(hertz_of(row), as_array(row["level_dbfs"]), as_array(row["gain_db"])) for row in steps]
        caption = "Each point is a steady tone. " + _loudest_thd(steps)
        plans.append(curves_plan("thd", "Distortion against level", caption, thd, plot_thd_against_level, THD_AXES))
        caption = "Where the curve bends down, the tape compresses: louder in no longer means as much louder out."
        plans.append(curves_plan("gain", "Gain against level", caption, gain, plot_gain_against_level, GAIN_AXES))
    return plans + _level_plans(measurement)


def _level_plans(measurement: Values) -> list[Plan]:
    """What the machine does to levels: compression with its limits, loops, intermodulation."""
    plans = []
    if curves := measurement.get("compression"):
        limits = [limit for key in ("maximum_output", "saturation_output") if (limit := measurement.get(key))]
        caption = maximum_output_sentence(measurement) + " The thin lines are what a machine without limits would give."
        draw = partial(plotting.plot_compression, curves, limits=limits, force=True)
        shown = tuple(Curve(hertz_of(row), as_array(row["level_dbfs"]), as_array(row["output_dbfs"])) for row in curves)
        plans.append(Plan("compression", "Output against input level", caption, draw, COMPRESSION_AXES, shown))
    if loops := measurement.get("hysteresis"):
        caption = (
            f"{loop_sentence(loops)} Output over input, the linear response undone. A straight line is a machine that "
            "changes nothing; the bend at the ends is saturation, the open middle what the tape remembers."
        )
        drawn = [plotting.loop_curve(loop) for loop in loops]
        plans.append(curves_plan("loops", "Hysteresis", caption, drawn, plotting.plot_loops, LOOP_AXES))
    if pairs := measurement.get("intermodulation"):
        caption = (
            f"{intermodulation_sentence(pairs)} What comes back at sums and differences of two tones. An empty bar is "
            "as high as what noise alone reads."
        )
        draw = partial(plotting.plot_intermodulation, pairs, force=True)
        plans.append(Plan("intermodulation", "Intermodulation", caption, draw))
    return plans


def _loudest_thd(steps: Sequence[Values]) -> str:
    """The distortion of every frequency at the highest level at which it was measured."""
    parts = []
    for row in steps:
        levels, thd = as_array(row["level_dbfs"]), as_array(row["thd_pct"])
        known = np.flatnonzero(np.isfinite(thd))
        if known.size:
            level, value = float(levels[known[-1]]), float(thd[known[-1]])
            text = f"{figure_text(value, digits=3)} % at {hertz_of(row)} and {level_text(level)}"
            parts.append(text)
    return f"Distortion: {'; '.join(parts)}." if parts else "All distortion hides in the noise."


def _response_curve(response: Values) -> Curve:
    level_dbfs = number(response, "level_dbfs")
    label = "programme" if level_dbfs is None else level_text(level_dbfs)
    sigma = as_array(response["sigma_db"]) if response.get("sigma_db") else None
    return Curve(label, as_array(response["frequency_hz"]), as_array(response["magnitude_db"]), sigma)
