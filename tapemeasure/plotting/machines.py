"""Several machines in one picture: the spectrum of the speed deviation, hiss in third octaves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.signal import detrend, welch

from tapemeasure.arrays import FloatArray
from tapemeasure.plotting.canvas import (
    finite_limits,
    frequency_axis,
    legend,
    percent_axis,
    picture,
    say_empty,
)
from tapemeasure.plotting.curves import Curve, drawn_style
from tapemeasure.trajectory import DelayTrajectory

SEGMENT_S = 5.0
MIN_POINTS = 64
MIN_VALID = 0.5
LOWEST_HZ, HIGHEST_HZ = 0.4, 40.0


def speed_density(
    trajectories: Sequence[DelayTrajectory], *, segment_s: float = SEGMENT_S
) -> tuple[FloatArray, FloatArray]:
    """Amplitude density of the speed deviation of a machine, per cent rms per root hertz.

    Parameters
    ----------
    trajectories : sequence of DelayTrajectory
        Of takes of one machine; those of which less than half is valid are left out.
    segment_s : float
        Length of the windows; a take that is shorter is one window. Equal windows make lines comparable.

    Returns
    -------
    frequency_hz, density : ndarray, shape (n_frequencies,)
        From two windows' bins up to 0.4 of the lowest rate of points; empty without a trajectory that is long enough.

    Notes
    -----
    Welch's method on the delay (Hann, trend removed), times 2 pi f, mean power over the takes. The square, integrated
    over a band, is the mean square of the speed deviation in it.
    """
    usable = [t for t in trajectories if len(t.delay_s) >= MIN_POINTS and float(np.mean(t.valid)) >= MIN_VALID]
    if not usable:
        return np.empty(0), np.empty(0)
    spectra = []
    for trajectory in usable:
        n_segment = min(len(trajectory.delay_s), max(MIN_POINTS, round(segment_s * trajectory.rate_hz)))
        frequency_hz, power = welch(
            trajectory.delay_s, fs=trajectory.rate_hz, nperseg=n_segment, detrend=detrend, scaling="density"
        )
        spectra.append((frequency_hz, power * (200.0 * np.pi * frequency_hz) ** 2))
    grid = spectra[0][0]
    top_hz = 0.4 * min(trajectory.rate_hz for trajectory in usable)
    # the first two bins hold what the removed trend and the window leave
    grid = grid[2:][grid[2:] <= top_hz]
    mean = np.mean([np.interp(grid, frequency_hz, power) for frequency_hz, power in spectra], axis=0)
    return np.asarray(grid, dtype=np.float64), np.sqrt(mean)


def plot_speed_density(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw amplitude densities of speed deviations, one curve a machine.

    Parameters
    ----------
    curves : sequence of Curve
        Hz, and per cent per root hertz, as `speed_density` gives them.
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
        draw_speed_density(axes, curves)
        legend(axes)


def draw_speed_density(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw the curves of `plot_speed_density` into axes, from 0.4 to 40 Hz."""
    seen = []
    for index, curve in enumerate(curves):
        shown = np.where(np.isfinite(curve.y) & (curve.y > 0.0), curve.y, np.nan)
        axes.plot(curve.x, shown, **drawn_style(curve, index))
        seen.append(shown[(curve.x >= LOWEST_HZ) & (curve.x <= HIGHEST_HZ)])
    limits = finite_limits(np.log10(np.concatenate([np.empty(0), *seen])), smallest_span=1.0)
    if limits is None:
        say_empty(axes)
    else:
        percent_axis(axes)
        # a constant delay has no spectrum but rounding: four decades below the highest are enough
        axes.set_ylim(10.0 ** max(limits[0], limits[1] - 4.0), 10.0 ** limits[1])
    frequency_axis(axes, low_hz=LOWEST_HZ, high_hz=HIGHEST_HZ)
    axes.set_xlabel("frequency of the speed deviation / Hz")
    axes.set_ylabel("speed deviation / % per √Hz")


def plot_third_octaves(curves: Sequence[Curve], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw levels in third octaves, one curve a machine.

    Parameters
    ----------
    curves : sequence of Curve
        Hz of the bands' centres, and dBFS (rms, full scale = 1.0 rms).
    path, title, force
        As in `plot_speed_density`, with the same errors.
    """
    with picture(path, title=title, force=force) as (axes,):
        for index, curve in enumerate(curves):
            shown = np.where(np.isfinite(curve.y), curve.y, np.nan)
            axes.plot(curve.x, shown, marker="os^Dv"[index % 5], markersize=3.5, **drawn_style(curve, index))
        limits = finite_limits(np.concatenate([np.empty(0), *(curve.y for curve in curves)]), smallest_span=20.0)
        if limits is None:
            say_empty(axes)
        else:
            axes.set_ylim(*limits)
        frequency_axis(axes)
        axes.set_ylabel("level in a third octave / dBFS")
        legend(axes)
