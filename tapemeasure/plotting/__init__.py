"""Figures from results (matplotlib, no display): every function writes one .png, .svg or .pdf file."""

from tapemeasure.plotting.curves import (
    Curve,
    Look,
    plot_gain_against_level,
    plot_harmonic_levels,
    plot_harmonics,
    plot_response,
    plot_spectrum,
    plot_thd_against_level,
)
from tapemeasure.plotting.deviation import plot_deviation
from tapemeasure.plotting.flutter import plot_wow_flutter
from tapemeasure.plotting.machines import plot_speed_density, plot_third_octaves, speed_density
from tapemeasure.plotting.models import plot_model_errors, plot_training
from tapemeasure.plotting.nonlinearity import loop_curve, plot_compression, plot_intermodulation, plot_loops
from tapemeasure.plotting.replicas import WINDOW_S, delay_spread, plot_delay_spread, plot_delays
from tapemeasure.plotting.trajectory import plot_trajectory, speed_spectrum

__all__ = [
    "WINDOW_S",
    "Curve",
    "Look",
    "delay_spread",
    "loop_curve",
    "plot_compression",
    "plot_delay_spread",
    "plot_delays",
    "plot_deviation",
    "plot_gain_against_level",
    "plot_harmonic_levels",
    "plot_harmonics",
    "plot_intermodulation",
    "plot_loops",
    "plot_model_errors",
    "plot_response",
    "plot_spectrum",
    "plot_speed_density",
    "plot_thd_against_level",
    "plot_third_octaves",
    "plot_training",
    "plot_trajectory",
    "plot_wow_flutter",
    "speed_density",
    "speed_spectrum",
]
