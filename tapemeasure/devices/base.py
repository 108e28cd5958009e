"""The protocol of a device: stimulus in, capture out, and what is known about the way between."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, as_channels, no_progress
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayTrajectory


@dataclass(frozen=True)
class Capture:
    """What came back from a device.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        The output, full scale 1.0.
    sample_rate : int
        Hz.
    device : str
        Kind of device (``tape``, ``chowtape``, ``hardware``, ``identity``).
    settings : mapping
        Every setting that was in force, plain values with units in their names.
    seed : int or None
        Seed of everything random; None where the device has no seed.
    latency_samples : float
        The device's own processing latency, already removed from `samples`.
    truth : DelayTrajectory or None
        The exact delay, where the device knows it.
    warnings : tuple of str
        What the user should know about this take.
    details : mapping
        Further facts for the sidecar (device name, host API, xruns, clipped runs, truths of the faults).
    """

    samples: FloatArray
    sample_rate: int
    device: str
    settings: Mapping[str, Any]
    seed: int | None = None
    latency_samples: float = 0.0
    truth: DelayTrajectory | None = None
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What a sidecar tells of the capture: plain values, without the audio and the truth."""
        n_samples, n_channels = self.samples.shape
        return {
            "device": self.device,
            "settings": dict(self.settings),
            "seed": self.seed,
            "sample_rate": self.sample_rate,
            "n_samples": n_samples,
            "n_channels": n_channels,
            "latency_samples": self.latency_samples,
            "warnings": list(self.warnings),
            **({"details": dict(self.details)} if self.details else {}),
        }


class Device(Protocol):
    """Anything that a signal can be run through."""

    @property
    def name(self) -> str:
        """Kind of device."""

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Play a stimulus of shape (n_samples, n_channels) and return what comes back.

        Raises
        ------
        SignalError
            If the stimulus holds NaN or infinite samples.
        DeviceError
            If the device is missing, refuses the format or fails.
        MissingDependencyError
            If an optional package or plug-in is needed and not there.
        """


def checked_stimulus(stimulus: FloatArray) -> FloatArray:
    """Stimulus as (n_samples, n_channels) float64.

    Raises
    ------
    SignalError
        If it has no samples, more than two dimensions, or NaN or infinite samples.
    """
    try:
        samples = as_channels(stimulus)
    except ValueError as error:
        raise SignalError(f"stimulus: {error}") from error
    if samples.size == 0:
        raise SignalError("stimulus: it holds 0 samples; give at least one")
    bad = ~np.isfinite(samples)
    if bad.any():
        first, channel = (int(index) for index in np.argwhere(bad)[0])
        raise SignalError(
            f"stimulus: {int(bad.sum())} samples are NaN or infinite, the first is sample {first} of channel "
            f"{channel + 1}; make the stimulus again"
        )
    return samples
