"""Two delays one after the other, as of a copy of a copy."""

import numpy as np

from tapemeasure.delay.invert import arrival_time
from tapemeasure.trajectory import DelayStep, DelayTrajectory


def compose_delays(first: DelayTrajectory, second: DelayTrajectory) -> DelayTrajectory:
    """Delay of a signal that went through `first` and then through `second`, seconds at the last output's time.

    Parameters
    ----------
    first, second : DelayTrajectory
        Each at its own output time.

    Returns
    -------
    DelayTrajectory
        ``d2(t) + d1(t - d2(t))`` over the time of `second`, with the higher of the two rates; uncertainties are added
        as independent ones, and a point is valid where both are.

    Raises
    ------
    SignalError
        If the delay of `second` grows by 1 s per second or more.
    """
    on_grid = second if second.rate_hz >= first.rate_hz else second.resampled(first.rate_hz)
    between_s = on_grid.time_s - on_grid.delay_s
    sigma_s, valid = first.evidence_at(between_s)
    steps = [DelayStep(float(t), step.delay_s) for t, step in zip(_heard(first, second), first.steps, strict=True)]
    for step in second.steps:
        after_s = step.time_s - float(second.at(np.array([step.time_s]))[0])
        before_s = after_s + step.delay_s
        # the second one's step moves the place that is read of the first
        moved = first.at(np.array([after_s])) - first.at(np.array([before_s]))
        steps.append(DelayStep(step.time_s, step.delay_s + float(moved[0])))
    return DelayTrajectory(
        start_s=on_grid.start_s,
        rate_hz=on_grid.rate_hz,
        delay_s=on_grid.delay_s + first.at(between_s),
        sigma_s=np.hypot(on_grid.sigma_s, sigma_s),
        valid=on_grid.valid & valid,
        steps=tuple(sorted(steps, key=lambda step: step.time_s)),
    )


def _heard(first: DelayTrajectory, second: DelayTrajectory) -> list[float]:
    """When the steps of `first` come out of `second`, seconds."""
    if not first.steps:
        return []
    return [float(time) for time in arrival_time(first.step_time_s, second)]
