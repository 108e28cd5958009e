"""The protocol of a device: stimulus in, capture out, and what is known about the way between."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

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
    truths : mapping of DelayTrajectory
        Further trajectories by name (``azimuth``: delay of channel 2 behind channel 1).
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
    truths: Mapping[str, DelayTrajectory] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What a sidecar tells of the capture: plain values, without the audio and the trajectories."""
        return self.playback().facts()

    def playback(self) -> "Playback":
        """The same as a stream of a single block."""
        n_samples, n_channels = self.samples.shape
        return Playback(
            blocks=iter((self.samples,)),
            n_samples=n_samples,
            n_channels=n_channels,
            sample_rate=self.sample_rate,
            device=self.device,
            settings=self.settings,
            seed=self.seed,
            latency_samples=self.latency_samples,
            truth=self.truth,
            warnings=self.warnings,
            details=self.details,
            truths=self.truths,
        )


@dataclass(frozen=True)
class Playback:
    """A capture in the making: its samples come block after block, the rest is known before.

    Parameters
    ----------
    blocks : iterator of ndarray, shape (any, n_channels)
        The output, `n_samples` in all; to be taken once.
    n_samples, n_channels : int
        Size of the whole output.
    sample_rate, device, settings, seed, latency_samples, truth, details, truths
        As in `Capture`.
    warnings : sequence of str
        Complete when all blocks have been taken.
    """

    blocks: Iterator[FloatArray]
    n_samples: int
    n_channels: int
    sample_rate: int
    device: str
    settings: Mapping[str, Any]
    seed: int | None
    latency_samples: float
    truth: DelayTrajectory | None
    warnings: Sequence[str]
    details: Mapping[str, Any]
    truths: Mapping[str, DelayTrajectory]

    def facts(self) -> dict[str, Any]:
        """What a sidecar tells, once all blocks have been taken."""
        return {
            "device": self.device,
            "settings": dict(self.settings),
            "seed": self.seed,
            "sample_rate": self.sample_rate,
            "n_samples": self.n_samples,
            "n_channels": self.n_channels,
            "latency_samples": self.latency_samples,
            "warnings": list(self.warnings),
            **({"details": dict(self.details)} if self.details else {}),
        }

    def capture(self) -> Capture:
        """Take all blocks and keep them in memory."""
        samples = np.empty((self.n_samples, self.n_channels))
        position = 0
        for block in self.blocks:
            samples[position : position + len(block)] = block
            position += len(block)
        return Capture(
            samples=samples,
            sample_rate=self.sample_rate,
            device=self.device,
            settings=self.settings,
            seed=self.seed,
            latency_samples=self.latency_samples,
            truth=self.truth,
            warnings=tuple(self.warnings),
            details=self.details,
            truths=self.truths,
        )


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


@runtime_checkable
class StreamingDevice(Device, Protocol):
    """A device that needs no more memory for an hour than for a second."""

    def stream(
        self,
        blocks: Iterable[FloatArray],
        *,
        n_samples: int,
        n_channels: int,
        sample_rate: int,
        progress: Progress = no_progress,
    ) -> Playback:
        """Play a stimulus that comes in blocks of any length; errors of the stimulus are raised where they come up."""


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
