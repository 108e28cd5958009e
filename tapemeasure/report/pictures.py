"""Draw every picture that the results allow, as SVG files, with a text for those who cannot see them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure import plotting
from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.dsp.spectra import octave_grid, power_spectrum, smooth_octaves
from tapemeasure.io import read_audio, refuse_overwrite
from tapemeasure.plotting import Curve
from tapemeasure.report.gather import DeviceResults, Results, TakeResults, Values
from tapemeasure.report.machines import Comparison
from tapemeasure.report.metrics import MODELS, error_of, number
from tapemeasure.report.words import (
    MODEL_NAMES,
    delay_sentence,
    figure_text,
    hertz_text,
    intermodulation_sentence,
    loop_sentence,
    maximum_output_sentence,
    model_verdict,
    noise_sentence,
    response_sentence,
)

WINDOW_S = 0.1
SMOOTHING_OCTAVES = 1.0 / 12.0
LOWEST_DENSITY_DB = -200.0
Draw = Callable[[Path], None]


@dataclass(frozen=True)
class Picture:
    """One picture of the page.

    Parameters
    ----------
    device : str or None
        Whose it is; None where it has several machines side by side.
    take : str or None
        Of which take; None for the model's pictures.
    heading : str
        What it shows.
    caption : str
        Its key numbers in a sentence, and how to read it.
    path : Path
        The SVG file.
    """

    device: str | None
    take: str | None
    heading: str
    caption: str
    path: Path

    @property
    def alt(self) -> str:
        """Text in place of the picture."""
        if self.device is None:
            return f"{self.heading} of the machines side by side. {self.caption}"
        where = self.device if self.take is None else f"{self.device}, {self.take}"
        return f"{self.heading} of {where}. {self.caption}"


@dataclass(frozen=True)
class _Plan:
    """A picture that the results allow: its texts, and the function that draws it into a file."""

    kind: str
    heading: str
    caption: str
    draw: Draw


def draw_pictures(
    results: Results,
    folder: Path,
    *,
    comparison: Comparison | None = None,
    force: bool = True,
    progress: Progress = no_progress,
) -> tuple[Picture, ...]:
    """Draw all pictures of all devices into a folder, those of the machines side by side first.

    Raises
    ------
    UsageError
        If a picture exists and `force` is false.
    OutputError
        If one cannot be written.
    """
    plans: list[tuple[str | None, str | None, _Plan]] = [(None, None, plan) for plan in _shared_plans(comparison)]
    plans += [
        (device.name, take_name, plan)
        for device in results.devices
        for take_name, of_it in (
            *((take.name, _take_plans(take)) for take in device.takes),
            (None, _model_plans(device)),
        )
        for plan in of_it
    ]
    pictures = [
        Picture(device, take, plan.heading, plan.caption, folder / _file_name(device, take, plan.kind))
        for device, take, plan in plans
    ]
    for picture in pictures:
        refuse_overwrite(picture.path, force=force)
    for index, (picture, (_, _, plan)) in enumerate(zip(pictures, plans, strict=True)):
        plan.draw(picture.path)
        progress((index + 1) / len(plans))
    return tuple(pictures)


def _file_name(device: str | None, take: str | None, kind: str) -> str:
    names = ("side-by-side" if device is None else device, take, kind)
    parts = (re.sub(r"[^A-Za-z0-9.-]+", "-", name) for name in names if name is not None)
    return "_".join(parts) + ".svg"


def _shared_plans(comparison: Comparison | None) -> list[_Plan]:
    if comparison is None:
        return []
    speed = "How strongly the speed wavers at which rate. Peaks are rotating parts; the ground between them is random."
    response = "Each relative to its own gain at 1 kHz, with a band of one standard uncertainty."
    hiss = "Where the input is silent. The lowest bands hold the hum."
    shared: list[tuple[str, str, str, Sequence[Curve], Callable[..., None]]] = [
        ("speed", "Spectrum of the speed deviation", speed, comparison.speed, plotting.plot_speed_density),
        ("response", "Frequency response", response, comparison.response, plotting.plot_response),
        ("hiss", "Noise in third octaves", hiss, comparison.hiss, plotting.plot_third_octaves),
    ]
    return [
        _curves_plan(kind, heading, f"{', '.join(curve.label for curve in curves)}. {caption}", curves, plot)
        for kind, heading, caption, curves, plot in shared
        if len(curves) > 1
    ]


def _take_plans(take: TakeResults) -> list[_Plan]:
    plans = []
    if take.trajectory is not None:
        caption = delay_sentence(take) + " Above: the delay around its mean; below: how fast the speed wavers."
        draw = partial(_draw_trajectory, take)
        plans.append(_Plan("delay", "Delay and speed", caption, draw))
    measurement = take.measurement or {}
    responses = measurement.get("sweep_response") or [r for r in [measurement.get("response")] if r]
    if responses:
        curves = [_response_curve(response) for response in responses]
        several = " One curve a level: where they part, the machine is no longer linear." if len(curves) > 1 else ""
        caption = response_sentence(take) + several
        plans.append(_curves_plan("response", "Frequency response", caption, curves, plotting.plot_response))
    plans += _distortion_plans(measurement)
    noise = measurement.get("noise") or (take.hiss or {}).get("noise")
    if noise:
        # an exact zero between the pieces of a computed machine's silence is no level to draw
        density_db = np.maximum(_array(noise.get("density_dbfs_per_hz")), LOWEST_DENSITY_DB)
        curve = Curve("", _array(noise.get("frequency_hz")), density_db)
        caption = noise_sentence(take) + " Narrow peaks are hum, the rest is hiss."
        plans.append(_curves_plan("noise", "Noise spectrum", caption, [curve], plotting.plot_spectrum))
    return plans


def _draw_trajectory(take: TakeResults, path: Path) -> None:
    if take.trajectory is not None:
        plotting.plot_trajectory(take.trajectory, path, force=True)


def _curves_plan(kind: str, heading: str, caption: str, curves: Sequence[Curve], plot: Callable[..., None]) -> _Plan:
    def draw(path: Path) -> None:
        plot(curves, path, force=True)

    return _Plan(kind, heading, caption, draw)


def _distortion_plans(measurement: Values) -> list[_Plan]:
    plans = []
    harmonics = measurement.get("harmonic_response") or []
    if harmonics:
        level_dbfs = max(float(row["level_dbfs"]) for row in harmonics)
        loudest = [row for row in harmonics if row["level_dbfs"] == level_dbfs]
        curves = [
            Curve(f"{_ordinal(row['order'])}", _array(row["frequency_hz"]), _array(row["magnitude_db"]))
            for row in loudest
        ]
        caption = (
            f"Sweep at {_level_text(level_dbfs)}: each harmonic against the frequency of its "
            "fundamental. Gaps are where it hides in the noise."
        )
        plans.append(_curves_plan("harmonics", "Harmonics", caption, curves, plotting.plot_harmonics))
    steps = measurement.get("thd_vs_level") or []
    if steps:
        thd = [Curve(_hertz(row), _array(row["level_dbfs"]), _array(row["thd_pct"])) for row in steps]
        gain = [Curve(_hertz(row), _array(row["level_dbfs"]), _array(row["gain_db"])) for row in steps]
        caption = "Each point is a steady tone. " + _loudest_thd(steps)
        plans.append(_curves_plan("thd", "Distortion against level", caption, thd, plotting.plot_thd_against_level))
        caption = "Where the curve bends down, the tape compresses: louder in no longer means as much louder out."
        plans.append(_curves_plan("gain", "Gain against level", caption, gain, plotting.plot_gain_against_level))
    return plans + _level_plans(measurement)


def _level_plans(measurement: Values) -> list[_Plan]:
    """What the machine does to levels: compression with its limits, loops, intermodulation."""
    plans = []
    if curves := measurement.get("compression"):
        limits = [limit for key in ("maximum_output", "saturation_output") if (limit := measurement.get(key))]
        caption = maximum_output_sentence(measurement) + " The thin lines are what a machine without limits would give."
        draw = partial(plotting.plot_compression, curves, limits=limits, force=True)
        plans.append(_Plan("compression", "Output against input level", caption, draw))
    if loops := measurement.get("hysteresis"):
        caption = (
            f"{loop_sentence(loops)} Output over input, the linear response undone. A straight line is a machine that "
            "changes nothing; the bend at the ends is saturation, the open middle what the tape remembers."
        )
        plans.append(_Plan("loops", "Hysteresis", caption, partial(plotting.plot_loops, loops, force=True)))
    if pairs := measurement.get("intermodulation"):
        caption = (
            f"{intermodulation_sentence(pairs)} What comes back at sums and differences of two tones. An empty bar is "
            "as high as what noise alone reads."
        )
        draw = partial(plotting.plot_intermodulation, pairs, force=True)
        plans.append(_Plan("intermodulation", "Intermodulation", caption, draw))
    return plans


def _loudest_thd(steps: Sequence[Values]) -> str:
    """The distortion of every frequency at the highest level at which it was measured."""
    parts = []
    for row in steps:
        levels, thd = _array(row["level_dbfs"]), _array(row["thd_pct"])
        known = np.flatnonzero(np.isfinite(thd))
        if known.size:
            level, value = float(levels[known[-1]]), float(thd[known[-1]])
            text = f"{figure_text(value, digits=3)} % at {_hertz(row)} and {_level_text(level)}"
            parts.append(text)
    return f"Distortion: {'; '.join(parts)}." if parts else "All distortion hides in the noise."


def _model_plans(device: DeviceResults) -> list[_Plan]:
    plans = []
    errors = {MODEL_NAMES[model]: error_of(device, model) for model in MODELS}
    if any(error is not None for error in errors.values()):
        caption = model_verdict(device) + " Every 10 dB to the left is ten times less error."

        def draw_errors(path: Path) -> None:
            plotting.plot_model_errors(errors, path, force=True)

        plans.append(_Plan("models", "Errors of the models", caption, draw_errors))
    epochs = (device.training or {}).get("epochs") or []
    if epochs:
        best = number(device.training, "best_epoch")
        caption = "How the network learned" + ("." if best is None else f"; epoch {best:g} was the best and is kept.")
        plans.append(_Plan("training", "Training", caption, partial(_draw_training, epochs, best)))
    if {"target", "residual"} <= set(device.excerpts):
        caption = "What the network gets wrong, beside what it should give: the gap between the curves is the accuracy."
        plans.append(_Plan("residual", "Spectrum of the residual", caption, partial(_draw_residual, device)))
    return plans


def _draw_training(epochs: Sequence[Values], best: float | None, path: Path) -> None:
    plotting.plot_training(
        _array([row.get("epoch") for row in epochs]),
        train_loss=_array([row.get("train_loss") for row in epochs]),
        validation_esr=_array([row.get("validation_esr") for row in epochs]),
        best_epoch=None if best is None else int(best),
        path=path,
        force=True,
    )


def _draw_residual(device: DeviceResults, path: Path) -> None:
    curves = [_audio_spectrum(name, device.excerpts[name]) for name in ("target", "residual")]
    plotting.plot_spectrum(curves, path, force=True)


def _audio_spectrum(label: str, path: Path) -> Curve:
    """Power density of an excerpt's first channel, smoothed over a twelfth of an octave."""
    samples, sample_rate = read_audio(path)
    window_samples = min(len(samples), round(WINDOW_S * sample_rate))
    spectrum = power_spectrum([samples[:, 0]], sample_rate=sample_rate, window_samples=window_samples)
    frequency_hz = octave_grid(low_hz=20.0, high_hz=min(20000.0, 0.49 * sample_rate), per_octave=24)
    density = smooth_octaves(
        spectrum.density_per_hz, bin_hz=spectrum.bin_hz, at_hz=frequency_hz, octaves=SMOOTHING_OCTAVES
    )
    with np.errstate(divide="ignore"):
        return Curve(label, frequency_hz, 10.0 * np.log10(density))


def _response_curve(response: Values) -> Curve:
    level_dbfs = number(response, "level_dbfs")
    label = "programme" if level_dbfs is None else _level_text(level_dbfs)
    sigma = _array(response["sigma_db"]) if response.get("sigma_db") else None
    return Curve(label, _array(response["frequency_hz"]), _array(response["magnitude_db"]), sigma)


def _level_text(level_dbfs: float) -> str:
    return f"{level_dbfs:g} dBFS".replace("-", "−")


def _hertz(row: Values) -> str:
    return hertz_text(number(row, "frequency_hz") or 0.0)


def _ordinal(order: int) -> str:
    return f"{order}{ {2: 'nd', 3: 'rd'}.get(order, 'th') }"


def _array(values: Any) -> FloatArray:
    """List of numbers, None as NaN."""
    return np.array([np.nan if value is None else value for value in values or []], dtype=np.float64)
