"""A machine and its replica on the same axes: spectra of their delays with spread, and the delays themselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import detrend

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import frames_of, hann
from tapemeasure.plotting.canvas import finite_limits, frequency_axis, picture, say_empty
from tapemeasure.plotting.curves import Curve, draw_against_frequency, drawn_style
from tapemeasure.trajectory import DelayTrajectory

WINDOW_S = 5.12
"""Windows of the published spectra."""

MIN_WINDOWS = 2
MIN_VALID = 0.9
SMALLEST_US = 1e-9
STILL_US = 1e-3
"""A delay that moves by less than a nanosecond is constant: what its spectrum shows is rounding."""

LOWEST_HZ, HIGHEST_HZ = 0.4, 40.0


def delay_spread(
    trajectories: Sequence[DelayTrajectory], *, window_s: float = WINDOW_S
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Level of the delay's amplitude density over windows, dB re 1 µs rms per root hertz: mean and spread.

    Parameters
    ----------
    trajectories : sequence of DelayTrajectory
        Of takes of one machine. Their steps are no movement of the tape and are taken out.
    window_s : float
        Length of the windows, which overlap by half; those in which less than nine tenths are valid are left out.

    Returns
    -------
    frequency_hz, mean_db, spread_db : ndarray, shape (n_frequencies,)
        Mean and standard deviation of the windows' levels, from two bins up to 0.4 of the lowest rate of points; empty
        where fewer than two windows are left, or the delay is constant.

    Notes
    -----
    Hann windows, linear trend removed. The mean of levels of noise lies 2.5 dB below the level of the mean power, alike
    for all noise: what is compared is not moved by it.
    """
    found = [_levels(trajectory, window_s=window_s) for trajectory in trajectories]
    found = [(grid, levels) for grid, levels in found if len(levels)]
    if sum(len(levels) for _, levels in found) < MIN_WINDOWS:
        return np.empty(0), np.empty(0), np.empty(0)
    grid = min((grid for grid, _ in found), key=lambda one: float(one[-1]))
    levels_db = np.concatenate([[np.interp(grid, own, row) for row in levels] for own, levels in found])
    return grid, np.mean(levels_db, axis=0), np.std(levels_db, axis=0, ddof=1)


def _levels(trajectory: DelayTrajectory, *, window_s: float) -> tuple[FloatArray, FloatArray]:
    """Frequencies, and one row of levels a window."""
    n_window = 2 * round(0.5 * window_s * trajectory.rate_hz)
    nothing = np.empty(0), np.empty((0, 0))
    smooth_us = 1e6 * (trajectory.delay_s - trajectory.stepped(trajectory.time_s))
    if len(smooth_us) < n_window or np.ptp(smooth_us) < STILL_US:
        return nothing
    hop = n_window // 2
    share = np.mean(frames_of(trajectory.valid.astype(np.float64), length_samples=n_window, hop_samples=hop), axis=1)
    frames = frames_of(smooth_us, length_samples=n_window, hop_samples=hop)[share >= MIN_VALID]
    window = hann(n_window)
    power = 2.0 * np.abs(np.fft.rfft(detrend(frames) * window)) ** 2 / (trajectory.rate_hz * np.sum(window**2))
    frequency_hz = np.linspace(0.0, 0.5, power.shape[1]) * trajectory.rate_hz
    # the first two bins hold what the removed trend and the window leave
    shown = slice(2, int(np.searchsorted(frequency_hz, 0.4 * trajectory.rate_hz, side="right")))
    amplitude_us = np.sqrt(power[:, shown])
    return frequency_hz[shown], 20.0 * np.log10(np.maximum(amplitude_us, SMALLEST_US))


def plot_delay_spread(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw spectra of delays, mean level and a band of one standard deviation over the windows to each side.

    Parameters
    ----------
    curves : sequence of Curve
        Hz, and dB re 1 µs rms per root hertz, as `delay_spread` gives them.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    title : str
        Printed above the picture.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the name ends otherwise, or the file exists and `force` is false.
    OutputError
        If it cannot be written.
    """
    with picture(path, title=title, force=force) as (axes,):
        draw_against_frequency(axes, curves)
        frequency_axis(axes, low_hz=LOWEST_HZ, high_hz=HIGHEST_HZ)
        axes.set_xlabel("frequency of the delay's movement / Hz")
        axes.set_ylabel("delay / dB re 1 µs per √Hz")
        seen = [curve.y[(curve.x >= LOWEST_HZ) & (curve.x <= HIGHEST_HZ)] for curve in curves]
        limits = finite_limits(np.concatenate([np.empty(0), *seen]), smallest_span=20.0, margin=0.15)
        if limits is not None:
            axes.set_ylim(*limits)


def plot_delays(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw delays against time, one below the other, all on the same axes.

    Parameters
    ----------
    curves : sequence of Curve
        Seconds, and microseconds around the mean.
    path, title, force
        As in `plot_delay_spread`, with the same errors.
    """
    rows = max(1, len(curves))
    with picture(path, title=title, force=force, n_rows=rows, height_in=1.0 + 1.6 * rows) as all_axes:
        limits = finite_limits(np.concatenate([np.empty(0), *(curve.y for curve in curves)]), smallest_span=1.0)
        for axes, (place, curve) in zip(all_axes, enumerate(curves), strict=False):
            axes.plot(curve.x, curve.y, **drawn_style(curve, place))
            axes.set_ylabel("delay − mean / µs")
            if limits is not None:
                axes.set_ylim(*limits)
            axes.set_xlim(min(float(one.x[0]) for one in curves), max(float(one.x[-1]) for one in curves))
        if limits is None:
            say_empty(all_axes[0])
        all_axes[-1].set_xlabel("time / s")
        # each row names its own curve
        for axes in all_axes[: len(curves)]:
            axes.legend(loc="upper right", frameon=True, framealpha=0.8)
