"""Pictures of a device's trained model, and of machines or takes on the same axes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tapemeasure import plotting
from tapemeasure.dsp.spectra import octave_grid, power_spectrum, smooth_octaves
from tapemeasure.io import read_audio
from tapemeasure.plotting import Curve
from tapemeasure.report.figures import number
from tapemeasure.report.gather import DeviceResults, Values
from tapemeasure.report.machines import Comparison
from tapemeasure.report.metrics import error_of, models_of
from tapemeasure.report.plan import HISS_AXES, RESPONSE_AXES, SPEED_AXES, Plan, as_array, curves_plan
from tapemeasure.report.words import model_name, model_verdict

WINDOW_S = 0.1
SMOOTHING_OCTAVES = 1.0 / 12.0


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
        plans.append(Plan("training", "Training", caption, partial(_draw_training, epochs, best)))
    if {"target", "residual"} <= set(device.excerpts):
        caption = "What the network gets wrong, beside what it should give: the gap between the curves is the accuracy."
        plans.append(Plan("residual", "Spectrum of the residual", caption, partial(_draw_residual, device)))
    return plans


def _draw_training(epochs: Sequence[Values], best: float | None, path: Path) -> None:
    plotting.plot_training(
        as_array([row.get("epoch") for row in epochs]),
        train_loss=as_array([row.get("train_loss") for row in epochs]),
        validation_esr=as_array([row.get("validation_esr") for row in epochs]),
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
