"""The delay of an output against time, and the spectrum of its speed deviation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.signal import detrend, welch

from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.plotting.canvas import (
    COLOURS,
    finite_limits,
    frequency_axis,
    legend,
    percent_axis,
    picture,
    say_empty,
)
from tapemeasure.trajectory import DelayTrajectory

SEGMENT_S = 10.0
MAX_BINS = 800
MIN_SPECTRUM_POINTS = 64
ROUNDING_S = 1e-12


def plot_trajectory(
    trajectory: DelayTrajectory,
    path: Path,
    *,
    title: str = "",
    lost_samples_s: Sequence[float] = (),
    force: bool = False,
) -> None:
    """Draw a delay trajectory: deviation from its mean against time, and its speed deviation's spectrum.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay, seconds; a band of one standard uncertainty to each side is drawn, and stretches without evidence
        are shaded.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    title : str
        Printed above the picture.
    lost_samples_s : sequence of float
        Output times at which samples were lost or doubled, seconds; the trajectory's own steps are marked anyhow.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the name ends otherwise, or the file exists and `force` is false.
    OutputError
        If it cannot be written.
    """
    with picture(path, title=title, force=force, height_in=5.4, n_rows=2) as (above, below):
        _draw_delay(above, trajectory, sorted({*lost_samples_s, *(step.time_s for step in trajectory.steps)}))
        _draw_speed_spectrum(below, trajectory)


def speed_spectrum(trajectory: DelayTrajectory) -> tuple[FloatArray, FloatArray]:
    """Amplitude spectrum of the speed deviation, per cent rms.

    Returns
    -------
    frequency_hz, amplitude_pct : ndarray, shape (n_frequencies,)
        Above 0 Hz; both empty where the trajectory has fewer than 64 points.

    Notes
    -----
    Welch's method on the delay (Hann window, segments of 10 s, linear trend removed), times (2 pi f)^2: exact
    differentiation, where differences between neighbours would droop towards half the rate. A steady sine reads
    its rms value at its line; noise reads what falls into one bin. Steps are no speed and are taken out.
    """
    n_points = len(trajectory.delay_s)
    if n_points < MIN_SPECTRUM_POINTS:
        return np.empty(0), np.empty(0)
    n_segment = min(n_points, max(MIN_SPECTRUM_POINTS, round(SEGMENT_S * trajectory.rate_hz)))
    smooth_s = trajectory.delay_s - trajectory.stepped(trajectory.time_s)
    frequency_hz, power = welch(smooth_s, fs=trajectory.rate_hz, nperseg=n_segment, detrend=detrend, scaling="spectrum")
    amplitude_pct = 100.0 * 2.0 * np.pi * frequency_hz * np.sqrt(power)
    # the last bin is half the rate itself, the first two hold what the removed trend and the window leave
    return frequency_hz[2:-1], amplitude_pct[2:-1]


def _draw_delay(axes: Axes, trajectory: DelayTrajectory, events_s: list[float]) -> None:
    delay_s, valid = trajectory.delay_s, trajectory.valid
    mean_s = float(np.mean(delay_s[valid])) if valid.any() else float(np.mean(delay_s))
    scale, unit = (1e6, "µs") if np.ptp(delay_s) < 2e-3 else (1e3, "ms")
    deviation = np.where(valid, delay_s - mean_s, np.nan) * scale
    sigma = np.where(np.isfinite(trajectory.sigma_s) & valid, trajectory.sigma_s, np.nan) * scale
    time_s, lower, upper = _thinned(trajectory.time_s, deviation - sigma, deviation + sigma)
    axes.fill_between(time_s, lower, upper, color=COLOURS[5], alpha=0.45, linewidth=0, label="± 1 σ")
    time_s, lower, upper = _thinned(trajectory.time_s, deviation, deviation)
    # lowest and highest of each bin one after the other: a dense curve keeps its envelope
    axes.plot(
        np.repeat(time_s, 2), np.column_stack([lower, upper]).ravel(), color=COLOURS[0], linewidth=1.0, label="delay"
    )
    _shade_invalid(axes, trajectory)
    for time in events_s:
        axes.axvline(time, color=COLOURS[3], linestyle=":", linewidth=1.2, label="lost sample")
    limits = finite_limits((delay_s - mean_s) * scale, smallest_span=max(1e-6 * scale, 4.0 * _typical(sigma)))
    if limits is not None:
        axes.set_ylim(*limits)
    axes.margins(x=0.0)
    axes.set_xlabel("time of the output / s")
    axes.set_ylabel(f"delay − mean / {unit}")
    note = f"mean {1e3 * mean_s:.3f} ms" if valid.any() else "no evidence anywhere"
    axes.text(0.99, 1.02, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=9)
    legend(axes)


def _typical(sigma: FloatArray) -> float:
    finite = sigma[np.isfinite(sigma)]
    return float(np.median(finite)) if finite.size else 0.0


def _thinned(x: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """At most 800 bins: the first abscissa, the lowest and the highest ordinate of each; NaN where a bin has none."""
    n_bin = max(1, -(-len(x) // MAX_BINS))
    starts = np.arange(0, len(x), n_bin)
    with np.errstate(invalid="ignore"):
        return x[starts], np.fmin.reduceat(lower, starts), np.fmax.reduceat(upper, starts)


def _shade_invalid(axes: Axes, trajectory: DelayTrajectory) -> None:
    half_s = 0.5 / trajectory.rate_hz
    for first, stop in runs_of(~trajectory.valid):
        start_s = trajectory.start_s + first / trajectory.rate_hz - half_s
        stop_s = trajectory.start_s + (stop - 1) / trajectory.rate_hz + half_s
        axes.axvspan(start_s, stop_s, color="#888888", alpha=0.25, linewidth=0, label="no evidence")


def _draw_speed_spectrum(axes: Axes, trajectory: DelayTrajectory) -> None:
    frequency_hz, amplitude_pct = speed_spectrum(trajectory)
    axes.set_ylabel("speed deviation / % rms")
    if frequency_hz.size == 0:
        say_empty(axes, "too short for a spectrum")
        axes.set_xlabel("frequency / Hz")
        return
    if np.ptp(trajectory.delay_s) < ROUNDING_S:
        say_empty(axes, "no speed deviation: the delay is constant")
    else:
        axes.plot(frequency_hz, np.where(amplitude_pct > 0.0, amplitude_pct, np.nan), color=COLOURS[1], linewidth=1.0)
        percent_axis(axes)
    frequency_axis(axes, low_hz=float(frequency_hz[0]), high_hz=float(frequency_hz[-1]))
    resolution_hz = float(frequency_hz[1] - frequency_hz[0])
    axes.set_xlabel(f"frequency of the speed deviation / Hz (bins of {resolution_hz:.2g} Hz)")
