"""The other direction of a delay: when a moment of the input comes out, and the trajectory seen from the input."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayStep, DelayTrajectory


def arrival_time(input_time_s: FloatArray, trajectory: DelayTrajectory) -> FloatArray:
    """Output time at which moments of the input come out: the t of ``t - d(t) = input_time_s``, seconds.

    Parameters
    ----------
    input_time_s : ndarray, shape (n_moments,)
        Seconds; fastest in rising order.
    trajectory : DelayTrajectory
        Delay at output time, held constant outside its grid.

    Raises
    ------
    SignalError
        If the delay grows by 1 s per second or more, so that time would stand still.

    Notes
    -----
    Newton's method from the neighbour's solution, to 1e-10 s and one step beyond, which leaves rounding. At a lost
    sample, whose moment never came out, the time of the loss is given; at a doubled one its first time.
    """
    from tapemeasure.dsp.kernels import solve_arrival

    require_forward(trajectory)
    moments = np.ascontiguousarray(input_time_s, dtype=np.float64)
    return np.asarray(
        solve_arrival(
            moments,
            trajectory.pieces,
            trajectory.start_s,
            trajectory.rate_hz,
            trajectory.step_time_s,
            trajectory.step_total_s,
        ),
        dtype=np.float64,
    )


def inverse_delay(trajectory: DelayTrajectory) -> DelayTrajectory:
    """Delay of the input behind the output: what undoes a trajectory when it is applied, seconds at INPUT time.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay at output time.

    Returns
    -------
    DelayTrajectory
        ``-d(t)`` at the input times ``t - d(t)``, from the first to the last that the trajectory covers; its
        uncertainty is that of the delay times the ratio of the speeds.

    Raises
    ------
    SignalError
        If the delay grows by 1 s per second or more.

    Notes
    -----
    A step stays one; where something was lost the moments that never came out are as short as the step itself.
    """
    ends = np.array([trajectory.start_s, trajectory.end_s])
    first_s, last_s = ends - trajectory.at(ends)
    n_points = max(1, int(np.floor((last_s - first_s) * trajectory.rate_hz + 1e-6)) + 1)
    leaving = first_s + np.arange(n_points) / trajectory.rate_hz
    time = arrival_time(leaving, trajectory)
    sigma, valid = trajectory.evidence_at(time)
    growth = -trajectory.speed_deviation()
    if len(growth) > 1:
        sigma = sigma / np.maximum(1.0 - np.interp(time, trajectory.time_s, growth), 0.1)
    steps = []
    for step in trajectory.steps:
        before_s = step.time_s - float(trajectory.at(np.array([step.time_s]))[0]) + step.delay_s
        steps.append(DelayStep(before_s, -step.delay_s))
    return DelayTrajectory(float(first_s), trajectory.rate_hz, leaving - time, sigma, valid, tuple(steps))


def require_forward(trajectory: DelayTrajectory) -> None:
    """Raise SignalError if time would stand still or run backwards: the delay grows by 1 s per second or more."""
    growth = np.diff(trajectory.delay_s - trajectory.stepped(trajectory.time_s)) * trajectory.rate_hz
    if len(growth) and growth.max() >= 1.0:
        at_s = trajectory.time_s[int(np.argmax(growth))]
        raise SignalError(
            f"delay trajectory: at {at_s:.3f} s the delay grows by {growth.max():.2f} s per second; "
            "below 1 is needed for time to run forward; check the trajectory"
        )
