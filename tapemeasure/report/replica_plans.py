"""Pictures of a machine and its replica on the same axes: loops, response with harmonics, delay, hiss."""

from dataclasses import replace

import numpy as np

from tapemeasure import plotting
from tapemeasure.dsp.spectra import octave_grid, smooth_octaves
from tapemeasure.plotting import Curve, Look, loop_curve
from tapemeasure.report.figures import as_array
from tapemeasure.report.gather import DeviceResults, TakeResults
from tapemeasure.report.plan import DENSITY_AXES, LOOP_AXES, Axes, Plan, curves_plan, ordinal
from tapemeasure.report.replica import delay_curves, harmonic_curves, loop_pairs, replica_metrics
from tapemeasure.report.words import figure_text
from tapemeasure.trajectory import DelayTrajectory

SOLID, DASHED = 0, 1
GREY = 7
SHOWN_S = 10.0
LOWEST_DENSITY_DB = -200.0
SILENT_DENSITY_DB = -190.0
SMOOTHING_OCTAVES = 1.0 / 24.0
HARMONIC_AXES = Axes("frequency of the fundamental / Hz", "harmonic / dB relative to the input", log_x=True)
SPREAD_AXES = Axes("frequency of the delay's movement / Hz", "delay / dB re 1 µs per √Hz", log_x=True)
DELAY_AXES = Axes("time / s", "delay − mean / µs")
PAIRED = " Solid lines are the machine, dashed ones its replica."


def replica_plans(device: DeviceResults) -> list[Plan]:
    """Plans of the pictures that show a machine and its replica; none where there is no replica."""
    if device.replica is None:
        return []
    distances = replica_metrics(device)
    return [*_loops(device, distances), *_harmonics(device, distances), *_delays(device, distances), *_hiss(device)]


def _loops(device: DeviceResults, distances: dict[str, float | None]) -> list[Plan]:
    found = loop_pairs(device)
    if not found:
        return []
    curves = []
    for place, (machine, replica) in enumerate(found):
        curves.append(loop_curve(machine, look=Look(place, SOLID)))
        curves.append(loop_curve(replica, look=Look(place, DASHED, in_legend=False), name="replica,"))
    distance = figure_text(distances["loop_distance_rms_pct"], digits=2, unit="%")
    caption = (
        f"Output over input, the linear response undone. They differ by {distance} of the peak rms at most.{PAIRED}"
    )
    return [curves_plan("loops", "Hysteresis", caption, [*curves, _dashed()], plotting.plot_loops, LOOP_AXES)]


def _harmonics(device: DeviceResults, distances: dict[str, float | None]) -> list[Plan]:
    found = harmonic_curves(device)
    if not found:
        return []
    curves = []
    for order, (machine, replica) in found.items():
        name = "response" if order == 1 else ordinal(order)
        curves.append(replace(machine, label=name, look=Look(order - 1, SOLID)))
        curves.append(replace(replica, label=f"replica, {name}", look=Look(order - 1, DASHED, in_legend=False)))
    distance = figure_text(distances["response_distance_rms_db"], digits=2, unit="dB")
    caption = (
        f"From the loudest sweep: the response, {distance} rms apart, and each harmonic over the frequency of its "
        f"fundamental. Gaps are where it hides in the noise.{PAIRED}"
    )
    heading = "Response and harmonics"
    curves.append(_dashed())
    return [curves_plan("harmonics", heading, caption, curves, plotting.plot_harmonic_levels, HARMONIC_AXES)]


def _delays(device: DeviceResults, distances: dict[str, float | None]) -> list[Plan]:
    plans = []
    spectra = [curve for curve in delay_curves(device) if curve is not None]
    if len(spectra) == 2:
        distance = figure_text(distances["delay_spectrum_distance_rms_db"], digits=2, unit="dB")
        caption = (
            "How much the delay moves at which rate. The bands are one standard deviation over windows of "
            f"{plotting.WINDOW_S:g} s. From 0.5 to 25 Hz the means are {distance} rms apart."
        )
        plans.append(
            curves_plan("delay-spectrum", "Spectrum of the delay", caption, spectra, plotting.plot_delay_spread,
                        SPREAD_AXES)
        )  # fmt: skip
    tracked = next((take.trajectory for take in device.takes if take.trajectory is not None), None)
    made = None if device.replica is None else device.replica.trajectory
    if tracked is not None and made is not None and len(spectra) == 2:
        curves = [_stretch("machine", tracked), _stretch("replica", made)]
        caption = (
            f"{SHOWN_S:g} s of the machine's delay and of what the replica made up: another course, the same character."
        )
        plans.append(curves_plan("delay", "Delay", caption, curves, plotting.plot_delays, DELAY_AXES))
    return plans


def _stretch(name: str, trajectory: DelayTrajectory) -> Curve:
    """The first ten seconds after a tenth of a take, where it has them, around their mean, microseconds."""
    n_points = round(SHOWN_S * trajectory.rate_hz)
    first = max(0, min(len(trajectory.delay_s) // 10, len(trajectory.delay_s) - n_points))
    shown = slice(first, first + n_points)
    delay_us = 1e6 * np.where(trajectory.valid, trajectory.delay_s, np.nan)[shown]
    mean_us = float(np.nanmean(delay_us)) if np.isfinite(delay_us).any() else 0.0
    return Curve(name, np.arange(len(delay_us)) / trajectory.rate_hz, delay_us - mean_us)


def _hiss(device: DeviceResults) -> list[Plan]:
    machine = next((take for take in device.takes if (take.measurement or {}).get("noise")), None)
    if machine is None or device.replica is None or not (device.replica.measurement or {}).get("noise"):
        return []
    curves = [_density("machine", machine), _density("replica", device.replica)]
    if max(float(np.max(curve.y)) for curve in curves) < SILENT_DENSITY_DB:
        return []
    caption = "Where the input is silent. Narrow peaks are hum, the rest is hiss."
    return [curves_plan("hiss", "Noise spectrum", caption, curves, plotting.plot_spectrum, DENSITY_AXES)]


def _density(name: str, take: TakeResults) -> Curve:
    """Density of the noise, smoothed over a 24th of an octave so that two curves can be told apart."""
    noise = (take.measurement or {})["noise"]
    bins_hz = as_array(noise["frequency_hz"])
    # an exact zero of a computed machine is no level to draw
    density_db = np.maximum(as_array(noise["density_dbfs_per_hz"]), LOWEST_DENSITY_DB)
    at_hz = octave_grid(low_hz=20.0, high_hz=min(20000.0, float(bins_hz[-1])), per_octave=48)
    power = smooth_octaves(
        10.0 ** (density_db / 10.0), bin_hz=float(bins_hz[1]), at_hz=at_hz, octaves=SMOOTHING_OCTAVES
    )
    return Curve(name, at_hz, 10.0 * np.log10(power))


def _dashed() -> Curve:
    """The entry of the legend that tells what dashes mean; nothing is drawn."""
    return Curve("replica", np.full(1, np.nan), np.full(1, np.nan), look=Look(GREY, DASHED))
