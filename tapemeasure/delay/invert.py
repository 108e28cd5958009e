"""The other direction of a delay: when a moment of the input comes out."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayTrajectory


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


def require_forward(trajectory: DelayTrajectory) -> None:
    """Raise SignalError if time would stand still or run backwards: the delay grows by 1 s per second or more."""
    growth = np.diff(trajectory.delay_s - trajectory.stepped(trajectory.time_s)) * trajectory.rate_hz
    if len(growth) and growth.max() >= 1.0:
        at_s = trajectory.time_s[int(np.argmax(growth))]
        raise SignalError(
            f"delay trajectory: at {at_s:.3f} s the delay grows by {growth.max():.2f} s per second; "
            "below 1 is needed for time to run forward; check the trajectory"
        )
