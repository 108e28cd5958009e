"""A smooth curve on a uniform grid that may last for hours: one number a point, evaluated where it is needed."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.trajectory import DelayTrajectory

PAD_POINTS = 64
"""Points beyond each end; what is assumed behind them has faded by 0.43 a point."""

END_POINTS = 64
"""Points at each end that tell how the curve goes on."""


@dataclass(frozen=True)
class Grid:
    """Moments at equal distances.

    Parameters
    ----------
    start_s : float
        The first one, seconds; the take begins at 0.
    rate_hz : float
        Points per second.
    n_points : int
        How many.
    """

    start_s: float
    rate_hz: float
    n_points: int

    def times_s(self, first: int = 0, last: int | None = None) -> FloatArray:
        """Moments of the points from `first` to before `last`, seconds."""
        numbers = np.arange(first, self.n_points if last is None else min(last, self.n_points))
        return np.asarray(self.start_s + numbers / self.rate_hz, dtype=np.float64)


@dataclass(frozen=True)
class SmoothCurve:
    """Quintic spline through values on a uniform grid, the same that `DelayTrajectory.at` evaluates.

    Parameters
    ----------
    start_s : float
        Time of the first value, seconds.
    rate_hz : float
        Values per second.
    coefficients : ndarray, shape (n_points + 2 * PAD_POINTS,)
        Of the B-splines at the values and beyond both ends. The curve never leaves their range.

    Notes
    -----
    Holds one number a point and not the six of a piecewise polynomial: 29 MB for an hour of 1000 points a second.
    Within 1e-13 of the values' range everywhere, the ends included.
    """

    start_s: float
    rate_hz: float
    coefficients: FloatArray

    @classmethod
    def through(cls, values: FloatArray, *, start_s: float, rate_hz: float) -> "SmoothCurve":
        """Curve through `values`, shape (n_points,)."""
        from scipy.ndimage import spline_filter1d

        padded = np.concatenate((_beyond(values[:END_POINTS][::-1])[::-1], values, _beyond(values[-END_POINTS:])))
        spline_filter1d(padded, order=5, mode="mirror", output=padded)
        return cls(start_s, rate_hz, padded)

    @classmethod
    def of(cls, trajectory: DelayTrajectory) -> "SmoothCurve":
        """Curve of a delay that has no steps, seconds."""
        return cls.through(trajectory.delay_s, start_s=trajectory.start_s, rate_hz=trajectory.rate_hz)

    @property
    def n_points(self) -> int:
        """Values that the curve was laid through."""
        return len(self.coefficients) - 2 * PAD_POINTS

    @property
    def lowest(self) -> float:
        """A bound that no value of the curve lies below."""
        return float(self.coefficients[PAD_POINTS - 2 : PAD_POINTS + self.n_points + 2].min())

    @property
    def highest(self) -> float:
        """A bound that no value of the curve lies above."""
        return float(self.coefficients[PAD_POINTS - 2 : PAD_POINTS + self.n_points + 2].max())

    def at(self, time_s: FloatArray) -> FloatArray:
        """Values at any time, shape (n,); held constant outside the grid."""
        from tapemeasure.devices.tape.transport_kernels import spline_values

        values = spline_values(self.coefficients, time_s, self.start_s, self.rate_hz, PAD_POINTS)
        return np.asarray(values, dtype=np.float64)


def _beyond(values: FloatArray) -> FloatArray:
    """PAD_POINTS values that go on behind the last one, as the last polynomial of their spline does."""
    from scipy.interpolate import make_interp_spline

    n = len(values)
    degree = 5 if n > 5 else 3 if n > 3 else min(1, n - 1)
    if degree == 0:
        return np.full(PAD_POINTS, values[0])
    spline = make_interp_spline(np.arange(n, dtype=np.float64), values, k=degree)
    return np.asarray(spline(np.arange(n, n + PAD_POINTS, dtype=np.float64)), dtype=np.float64)
