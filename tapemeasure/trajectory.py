"""The delay trajectory: how late the output is, at every moment of the output.

``y(t) = f(x)(t - d(t))``: delay in seconds at OUTPUT time on a uniform grid, with a standard uncertainty and a
validity mask for every point. A positive delay means that the output is late; the speed deviation is ``-d'(t)``.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.dsp.uniform import lowpass_values, slope_values, spline_pieces
from tapemeasure.errors import ParameterError, SignalError, UsageError
from tapemeasure.io import atomic_path

CSV_HEADER = "time_s,delay_s,sigma_s,valid"
CSV_STEP = "# step_time_s,step_delay_s: "
"""Begins a line below the table for every step of the delay; readers of CSV skip what follows a ``#``."""
MAX_TIME_ERROR = 0.01
"""How far a time of a CSV may lie beside the uniform grid, in steps."""


@dataclass(frozen=True)
class DelayStep:
    """A jump of the delay: from the output time `time_s` on it is `delay_s` more (a lost sample: less), seconds."""

    time_s: float
    delay_s: float


def steps_until(steps: tuple[DelayStep, ...], time_s: FloatArray) -> FloatArray:
    """Sum of the steps (in the order of time) up to and at every time, seconds."""
    total = np.concatenate([[0.0], np.cumsum([step.delay_s for step in steps])])
    place = np.searchsorted([step.time_s for step in steps], time_s, side="right")
    return np.asarray(total[place], dtype=np.float64)


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
    steps : tuple of DelayStep
        Jumps that `delay_s` holds, in the order of time: between points it is interpolated on each side of them alone.

    Raises
    ------
    SignalError
        If there is no point, the lengths differ, a delay or a step is not finite, or the grid does not rise.
    """

    start_s: float
    rate_hz: float
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray
    steps: tuple[DelayStep, ...] = ()

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
        step_times = [step.time_s for step in self.steps]
        if not np.isfinite([(step.time_s, step.delay_s) for step in self.steps]).all():
            raise SignalError("delay trajectory: a step is not finite; leave it out")
        if step_times != sorted(step_times):
            raise SignalError("delay trajectory: the steps are not in the order of time; sort them")

    @property
    def time_s(self) -> FloatArray:
        """Output time of every point, seconds."""
        time: FloatArray = self.start_s + np.arange(len(self.delay_s)) / self.rate_hz
        return time

    @property
    def end_s(self) -> float:
        """Output time of the last point, seconds."""
        return self.start_s + (len(self.delay_s) - 1) / self.rate_hz

    @property
    def step_time_s(self) -> FloatArray:
        """Output time of every step, seconds."""
        return np.array([step.time_s for step in self.steps], dtype=np.float64)

    @property
    def step_total_s(self) -> FloatArray:
        """Sum of the steps up to and with each, seconds."""
        return np.cumsum([step.delay_s for step in self.steps], dtype=np.float64)

    def stepped(self, time_s: FloatArray) -> FloatArray:
        """What the steps have added to the delay at any output time, seconds."""
        return steps_until(self.steps, time_s)

    @cached_property
    def pieces(self) -> FloatArray:
        """Delay without its steps, as `spline_pieces` gives it, seconds."""
        smooth = self.delay_s - self.stepped(self.time_s) if self.steps else self.delay_s
        return spline_pieces(smooth)

    def at(self, time_s: FloatArray) -> FloatArray:
        """Delay at any output time (quintic spline between steps, held constant outside the grid), seconds."""
        from tapemeasure.dsp.kernels import evaluate_pieces

        places = np.ascontiguousarray((np.asarray(time_s, dtype=np.float64) - self.start_s) * self.rate_hz)
        smooth = np.asarray(evaluate_pieces(self.pieces, places.ravel()), dtype=np.float64).reshape(places.shape)
        return smooth + self.stepped(time_s) if self.steps else smooth

    def speed_deviation(self, *, bandwidth_hz: float | None = None) -> FloatArray:
        """Relative speed deviation ``-d'(t)`` at every point (0.01 = 1 % fast); zeros for a single point.

        Parameters
        ----------
        bandwidth_hz : float, optional
            Highest frequency of the speed; by default, and at most, 0.4 of the trajectory's rate. Differentiation
            multiplies the delay's noise by its frequency: no more bandwidth than is wanted.

        Raises
        ------
        ParameterError
            If the bandwidth is not above 0 Hz.

        Notes
        -----
        Low-pass and derivative are one FIR filter (`tapemeasure.dsp.uniform.slope_values`): a drift is exact, a sine is
        within 0.5 % up to 0.7 of the bandwidth. Steps have no speed and are left out.
        """
        limit_hz = 0.4 * self.rate_hz if bandwidth_hz is None else min(bandwidth_hz, 0.4 * self.rate_hz)
        if len(self.delay_s) < 2:
            return np.zeros(1)
        return -slope_values(self.delay_s - self.stepped(self.time_s), rate_hz=self.rate_hz, limit_hz=limit_hz)

    def resampled(self, rate_hz: float) -> "DelayTrajectory":
        """Trajectory with another number of points per second, over the same time.

        Parameters
        ----------
        rate_hz : float
            Points per second, above 0.

        Raises
        ------
        ParameterError
            If the rate is not above 0.

        Notes
        -----
        A lower rate is low-passed at 0.45 of it first, steps apart; above that the spline is evaluated. A point's
        uncertainty is the larger of its two neighbours', as averaging cannot make less of errors that belong together,
        and it is valid where both are.
        """
        if not 0.0 < rate_hz < np.inf:
            raise ParameterError(f"rate_hz is {rate_hz:g} Hz; give more than 0 Hz")
        source = self
        if rate_hz < self.rate_hz and len(self.delay_s) > 1:
            stepped = self.stepped(self.time_s)
            smooth = lowpass_values(self.delay_s - stepped, rate_hz=self.rate_hz, limit_hz=0.45 * rate_hz)
            source = replace(self, delay_s=smooth + stepped)
        # a hair more, because a whole number of steps may come out a rounding error short
        n_points = int((self.end_s - self.start_s) * rate_hz + 1e-6) + 1
        time_s = self.start_s + np.arange(n_points) / rate_hz
        sigma_s, valid = self.evidence_at(time_s)
        return DelayTrajectory(self.start_s, rate_hz, source.at(time_s), sigma_s, valid, self.steps)

    def evidence_at(self, time_s: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Standard uncertainty (seconds) and validity at any output time: the worse of the two nearest points."""
        place = np.clip((time_s - self.start_s) * self.rate_hz, 0.0, len(self.delay_s) - 1.0)
        # a point that is met but for rounding speaks for itself
        left, right = np.floor(place + 1e-6).astype(np.int64), np.ceil(place - 1e-6).astype(np.int64)
        return np.maximum(self.sigma_s[left], self.sigma_s[right]), self.valid[left] & self.valid[right]

    def save(self, path: Path | str, *, force: bool = True) -> None:
        """Write ``.csv`` (header ``time_s,delay_s,sigma_s,valid``, steps below) or ``.npz``, by the name's ending.

        Raises
        ------
        UsageError
            If the name ends otherwise, or the file exists and `force` is false.
        OutputError
            If it cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".csv":
            # row by row: an hour has millions of them
            with atomic_path(path, force=force) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                file.writelines(f"{row}\n" for row in self._csv_rows())
        elif suffix == ".npz":
            steps = {"step_time_s": self.step_time_s, "step_delay_s": np.array([step.delay_s for step in self.steps])}
            with atomic_path(path, force=force) as temporary, temporary.open("wb") as binary:
                np.savez(
                    binary,
                    allow_pickle=False,
                    **(steps if self.steps else {}),
                    start_s=np.float64(self.start_s),
                    rate_hz=np.float64(self.rate_hz),
                    delay_s=self.delay_s,
                    sigma_s=self.sigma_s,
                    valid=self.valid,
                )
        else:
            raise UsageError(f"{path}: a delay trajectory is saved as .csv or .npz; change the name's ending")

    def _csv_rows(self) -> Iterator[str]:
        yield CSV_HEADER
        for t, d, s, v in zip(self.time_s, self.delay_s, self.sigma_s, self.valid, strict=True):
            yield f"{t:.9f},{d:.12f},{s:.4g},{int(v)}"
        for step in self.steps:
            yield f"{CSV_STEP}{step.time_s:.9f},{step.delay_s:.12f}"


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
    if not zipfile.is_zipfile(path):
        raise SignalError(f"{path}: is no npz archive, or a part of one; make it again with `tapemeasure track`")
    with np.load(path, allow_pickle=False) as file:
        return DelayTrajectory(
            start_s=float(file["start_s"]),
            rate_hz=float(file["rate_hz"]),
            delay_s=np.asarray(file["delay_s"], dtype=np.float64),
            sigma_s=np.asarray(file["sigma_s"], dtype=np.float64),
            valid=np.asarray(file["valid"], dtype=np.bool_),
            steps=_steps(file["step_time_s"], file["step_delay_s"]) if "step_time_s" in file else (),
        )


def _steps(time_s: FloatArray, delay_s: FloatArray) -> tuple[DelayStep, ...]:
    return tuple(DelayStep(float(t), float(d)) for t, d in zip(time_s, delay_s, strict=True))


def _load_csv(path: Path) -> DelayTrajectory:
    with path.open(encoding="utf-8") as file:
        header = file.readline().strip()
        if header != CSV_HEADER:
            raise SignalError(f"{path}: the header is {header!r}; a delay trajectory has {CSV_HEADER!r}")
        lines = [line for line in file if line.strip()]
    rows = [line for line in lines if not line.startswith("#")]
    steps = [line.removeprefix(CSV_STEP).split(",") for line in lines if line.startswith(CSV_STEP)]
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
        steps=tuple(DelayStep(float(time_s), float(delay_s)) for time_s, delay_s in steps),
    )
