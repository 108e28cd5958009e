"""Rendering through a plug-in so that every render begins in the same state and has the length of its input."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.chowtape_parameters import Plugin
from tapemeasure.errors import DeviceError

LEAD_IN_S = 0.5


@dataclass(frozen=True)
class Renderer:
    """Renders audio through a plug-in at one sample rate.

    Parameters
    ----------
    plugin : Plugin
        As the host has it.
    sample_rate : int
        Hz.
    """

    plugin: Plugin
    sample_rate: int

    @property
    def margin_samples(self) -> int:
        """Samples before and behind the audio, 0.5 s: filters settle, late samples still come out."""
        return round(LEAD_IN_S * self.sample_rate)

    @property
    def reported_latency_samples(self) -> float:
        """Latency that the plug-in tells its host, which compensates it; 0 where it tells none."""
        return float(getattr(self.plugin, "reported_latency_samples", 0))

    def padded(self, samples: FloatArray) -> FloatArray:
        """Audio of shape (n_samples, n_channels) between the two margins of zeros."""
        return np.pad(samples, ((self.margin_samples, self.margin_samples), (0, 0)))

    def cut(self, padded: FloatArray) -> FloatArray:
        """Audio without its margins."""
        return padded[self.margin_samples : len(padded) - self.margin_samples]

    def render(self, padded: FloatArray) -> FloatArray:
        """Output of the plug-in that was reset before, float32 as float64, shape (n_samples, n_channels) as `padded`.

        Raises
        ------
        DeviceError
            If the plug-in fails, or returns something else than finite audio of the same shape.
        """
        audio = np.ascontiguousarray(padded.T, dtype=np.float32)
        # without it the host compensates the reported latency on the first call only, and wow goes on where it was
        self.plugin.reset()
        try:
            output = np.asarray(self.plugin.process(audio, float(self.sample_rate)), dtype=np.float64)
        except (ValueError, RuntimeError, TypeError) as error:
            raise DeviceError(
                f"chowtape: the plug-in failed at {self.sample_rate} Hz ({error}); try another sample rate"
            ) from error
        if output.shape != audio.shape:
            raise DeviceError(
                f"chowtape: the plug-in returned audio of shape {output.shape}; (channels, samples) of {audio.shape} "
                "were expected; load it anew"
            )
        if not np.isfinite(output).all():
            raise DeviceError("chowtape: the plug-in returned NaN or infinite samples; check its parameters")
        return np.ascontiguousarray(output.T)
