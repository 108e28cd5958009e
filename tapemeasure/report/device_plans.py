"""Pictures of a device's trained model, and of machines or takes on the same axes."""

from functools import partial
from pathlib import Path

import numpy as np

from tapemeasure import plotting
from tapemeasure.dsp.spectra import octave_grid, power_spectrum, smooth_octaves
from tapemeasure.io import read_audio
from tapemeasure.plotting import Curve
from tapemeasure.report.figures import as_array, number
from tapemeasure.report.gather import DeviceResults
from tapemeasure.report.machines import Comparison
from tapemeasure.report.metrics import error_of, models_of
from tapemeasure.report.plan import (
    DENSITY_AXES,
    HISS_AXES,
    RESPONSE_AXES,
    SPEED_AXES,
    Axes,
    Plan,
    curves_plan,
)
from tapemeasure.report.words import model_name, model_verdict

WINDOW_S = 0.1
SMOOTHING_OCTAVES = 1.0 / 12.0
ESR_AXES = Axes("epoch", "error-to-signal ratio / %", log_y=True)


def shared_plans(comparison: Comparison | None) -> list[Plan]:
    """Plans of the pictures that show machines, or takes, on the same axes; none where there is nothing to compare."""
    if comparison is None:
        return []
    speed = "How strongly the speed wavers at which rate. Peaks are rotating parts; the ground between them is random."
    response = "Each relative to its own gain at 1 kHz, with a band of one standard uncertainty."
    hiss = "Where the input is silent. The lowest bands hold the hum."
    shared = [
        ("speed", "Spectrum of the speed deviation", speed, comparison.speed, plotting.plot_speed_density, SPEED_AXES),
        ("response", "Frequency response", response, comparison.response, plotting.plot_response, RESPONSE_AXES),
        ("hiss", "Noise in third octaves", hiss, comparison.hiss, plotting.plot_third_octaves, HISS_AXES),
    ]
    return [
        curves_plan(kind, heading, f"{', '.join(curve.label for curve in curves)}. {caption}", curves, plot, axes)
        for kind, heading, caption, curves, plot, axes in shared
        if len(curves) > 1
    ]


def model_plans(device: DeviceResults) -> list[Plan]:
    """Plans of the pictures that a device's trained model allows."""
    plans = []
    errors = {model_name(model): error_of(device, model) for model in models_of(device)}
    if any(error is not None for error in errors.values()):
        caption = model_verdict(device) + " Every 10 dB to the left is ten times less error."

        def draw_errors(path: Path) -> None:
            plotting.plot_model_errors(errors, path, force=True)

        plans.append(Plan("models", "Errors of the models", caption, draw_errors))
    epochs = (device.training or {}).get("epochs") or []
    if epochs:
        best = number(device.training, "best_epoch")
        caption = "How the network learned" + ("." if best is None else f"; epoch {best:g} was the best and is kept.")
        columns = (as_array([row.get(key) for row in epochs]) for key in ("epoch", "train_loss", "validation_esr"))
        numbers, loss, esr = columns
        curves = (Curve("training", numbers, 100.0 * loss), Curve("validation", numbers, 100.0 * esr))
        draw = partial(
            plotting.plot_training, numbers, train_loss=loss, validation_esr=esr,
            best_epoch=None if best is None else int(best), force=True,
        )  # fmt: skip
        plans.append(Plan("training", "Training", caption, draw, ESR_AXES, curves))
    if {"target", "residual"} <= set(device.excerpts):
        caption = "What the network gets wrong, beside what it should give: the gap between the curves is the accuracy."
        spectra = [_audio_spectrum(name, device.excerpts[name]) for name in ("target", "residual")]
        heading = "Spectrum of the residual"
        plans.append(curves_plan("residual", heading, caption, spectra, plotting.plot_spectrum, DENSITY_AXES))
    return plans


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
