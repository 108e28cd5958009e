"""The delay trajectory: how late the output is, at every moment of the output.

``y(t) = f(x)(t - d(t))``: delay in seconds at OUTPUT time on a uniform grid, with a standard uncertainty and a
validity mask for every point. A positive delay means that the output is late; the speed deviation is ``-d'(t)``.
"""

import io as stdio
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.errors import SignalError, UsageError
from tapemeasure.io import write_bytes, write_text

CSV_HEADER = "time_s,delay_s,sigma_s,valid"
MAX_TIME_ERROR = 0.01
"""How far a time of a CSV may lie beside the uniform grid, in steps."""


@dataclass(frozen=True)
class DelayTrajectory:
    """Delay of an output behind its input, on a uniform grid of output time.

    Parameters
    ----------
    start_s : float
        Output time of the first point, seconds.
    rate_hz : float
        Points per second.
    delay_s : ndarray, shape (n_points,)
        Delay, seconds; bridged (interpolated) where `valid` is false.
    sigma_s : ndarray, shape (n_points,)
        Standard uncertainty of each delay, seconds; ``inf`` where there is no evidence.
    valid : ndarray of bool, shape (n_points,)
        Whether there was evidence at that point.

    Raises
    ------
    SignalError
        If there is no point, the lengths differ, a delay is not finite, or the grid does not rise.
    """

    start_s: float
    rate_hz: float
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray

    def __post_init__(self) -> None:
        n_points = len(self.delay_s)
        if n_points == 0 or len(self.sigma_s) != n_points or len(self.valid) != n_points:
            raise SignalError(
                f"delay trajectory: {n_points} delays, {len(self.sigma_s)} sigmas, {len(self.valid)} flags; "
                "all three need the same length of at least 1"
            )
        if not (np.isfinite(self.start_s) and 0.0 < self.rate_hz < np.inf):
            raise SignalError(
                f"delay trajectory: {self.rate_hz:g} points a second from {self.start_s:g} s; time must rise"
            )
        if not np.isfinite(self.delay_s).all():
            raise SignalError("delay trajectory: a delay is not finite; mark the point invalid and bridge it")

    @property
    def time_s(self) -> FloatArray:
        """Output time of every point, seconds."""
        time: FloatArray = self.start_s + np.arange(len(self.delay_s)) / self.rate_hz
        return time

    @property
    def end_s(self) -> float:
        """Output time of the last point, seconds."""
        return self.start_s + (len(self.delay_s) - 1) / self.rate_hz

    def at(self, time_s: FloatArray) -> FloatArray:
        """Delay at any output time (cubic spline inside the grid, held constant outside), seconds."""
        from scipy.interpolate import CubicSpline

        inside = np.clip(time_s, self.start_s, self.end_s)
        if len(self.delay_s) < 4:
            return np.interp(inside, self.time_s, self.delay_s)
        return np.asarray(CubicSpline(self.time_s, self.delay_s)(inside), dtype=np.float64)

    def speed_deviation(self) -> FloatArray:
        """Relative speed deviation ``-d'(t)`` at every point (0.01 = 1 % fast); zeros for a single point."""
        if len(self.delay_s) < 2:
            return np.zeros(1)
        return np.asarray(-np.gradient(self.delay_s) * self.rate_hz, dtype=np.float64)

    def save(self, path: Path | str, *, force: bool = True) -> None:
        """Write ``.csv`` (header ``time_s,delay_s,sigma_s,valid``) or ``.npz``, by the name's ending.

        Raises
        ------
        UsageError
            If the name ends otherwise, or the file exists and `force` is false.
        OutputError
            If it cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".csv":
            write_text(path, self._csv(), force=force)
        elif suffix == ".npz":
            buffer = stdio.BytesIO()
            np.savez(
                buffer,
                start_s=np.float64(self.start_s),
                rate_hz=np.float64(self.rate_hz),
                delay_s=self.delay_s,
                sigma_s=self.sigma_s,
                valid=self.valid,
            )
            write_bytes(path, buffer.getvalue(), force=force)
        else:
            raise UsageError(f"{path}: a delay trajectory is saved as .csv or .npz; change the name's ending")

    def _csv(self) -> str:
        rows = (
            f"{t:.9f},{d:.12f},{s:.4g},{int(v)}"
            for t, d, s, v in zip(self.time_s, self.delay_s, self.sigma_s, self.valid, strict=True)
        )
        return "\n".join([CSV_HEADER, *rows]) + "\n"


def load_trajectory(path: Path | str) -> DelayTrajectory:
    """Read a trajectory that `DelayTrajectory.save` wrote (``.csv`` or ``.npz``; nothing is unpickled).

    Raises
    ------
    UsageError
        If there is no such file or its ending is unknown.
    SignalError
        If its content is no delay trajectory.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the name")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".npz"):
        raise UsageError(f"{path}: a delay trajectory ends in .csv or .npz; give one of those")
    try:
        return _load_csv(path) if suffix == ".csv" else _load_npz(path)
    except (ValueError, KeyError, IndexError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, SignalError):
            raise
        raise SignalError(f"{path}: not a delay trajectory ({error}); make it with `tapemeasure track`") from error


def _load_npz(path: Path) -> DelayTrajectory:
    with np.load(path, allow_pickle=False) as file:
        return DelayTrajectory(
            start_s=float(file["start_s"]),
            rate_hz=float(file["rate_hz"]),
            delay_s=np.asarray(file["delay_s"], dtype=np.float64),
            sigma_s=np.asarray(file["sigma_s"], dtype=np.float64),
            valid=np.asarray(file["valid"], dtype=np.bool_),
        )


def _load_csv(path: Path) -> DelayTrajectory:
    with path.open(encoding="utf-8") as file:
        header = file.readline().strip()
        if header != CSV_HEADER:
            raise SignalError(f"{path}: the header is {header!r}; a delay trajectory has {CSV_HEADER!r}")
        rows = [line for line in file if line.strip()]
    if not rows:
        raise SignalError(f"{path}: no rows below the header; make it again with `tapemeasure track`")
    table = np.loadtxt(rows, delimiter=",", ndmin=2)
    time = table[:, 0]
    # the span, not one step, because times are rounded in the file
    span_s = float(time[-1] - time[0])
    rate_hz = (len(time) - 1) / span_s if span_s > 0.0 else 1.0
    if not np.allclose(time, time[0] + np.arange(len(time)) / rate_hz, rtol=0.0, atol=MAX_TIME_ERROR / rate_hz):
        raise SignalError(f"{path}: time_s does not rise in equal steps; put the delays on a uniform grid")
    return DelayTrajectory(
        start_s=float(time[0]),
        rate_hz=float(rate_hz),
        delay_s=table[:, 1],
        sigma_s=table[:, 2],
        valid=table[:, 3] > 0.5,
    )
