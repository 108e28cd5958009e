"""A wire: what goes in comes out, with a delay of exactly zero."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, checked_stimulus
from tapemeasure.trajectory import DelayTrajectory

TRUTH_RATE_HZ = 1000.0


@dataclass(frozen=True)
class IdentityDevice:
    """A wire, to show what the measuring chain itself adds."""

    @property
    def name(self) -> str:
        """Kind of device."""
        return "identity"

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Give a copy of a stimulus of shape (n_samples, n_channels) back.

        Raises
        ------
        SignalError
            If the stimulus is empty or holds NaN or infinite samples.
        """
        samples = checked_stimulus(stimulus).copy()
        n_points = int(len(samples) / sample_rate * TRUTH_RATE_HZ) + 2
        truth = DelayTrajectory(
            start_s=0.0,
            rate_hz=TRUTH_RATE_HZ,
            delay_s=np.zeros(n_points),
            sigma_s=np.zeros(n_points),
            valid=np.ones(n_points, dtype=np.bool_),
        )
        progress(1.0)
        return Capture(samples=samples, sample_rate=sample_rate, device=self.name, settings={}, truth=truth)
