"""The tape machine as a device: block after block through the chain, with constant memory, over several threads."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, Playback, checked_stimulus
from tapemeasure.devices.tape.chain import TapeChain
from tapemeasure.devices.tape.hysteresis import INPUT_LIMIT
from tapemeasure.devices.tape.without_effect import without_effect
from tapemeasure.errors import DeviceError, SignalError
from tapemeasure.params import TapeSettings
from tapemeasure.units import db_from_amplitude

BLOCK_SAMPLES = 1024
"""Longer blocks are cut: at 16 x oversampling a channel then stays in the processor's cache."""

SAMPLE_RATES_HZ = (8000, 192000)


@dataclass(frozen=True)
class TapeDevice:
    """The built-in tape machine: hysteresis, transport and losses after the CHOWTape model, and a machine's faults.

    Parameters
    ----------
    settings : TapeSettings
        Knobs and levels.
    seed : int
        Of everything random. Equal settings, seeds and stimuli give equal captures.
    threads : int
        Channels that are computed at the same time; the result is the same for any number.

    Notes
    -----
    Follows the plug-in to an error-to-signal ratio below -72 dB where losses, wow and flutter are off, and to -62 dB
    with the losses of a worn head. The model's own filter delay is removed, also its fraction of a sample (-95 dB up to
    0.4992 of the sample rate; half the rate itself cannot be shifted by a fraction: white noise is so within -52 dB);
    what remains is the transport's delay, told as the truth. That truth does not contain the dispersion of the DC
    blockers (35 Hz, with the plug-in's wow or flutter also 15 Hz) and of the head bump. Memory grows with the length by
    the trajectories alone, about 20 bytes a point (1000 or 2000 points a second).
    """

    settings: TapeSettings
    seed: int = field(kw_only=True)
    threads: int = field(kw_only=True, default=1)

    @property
    def name(self) -> str:
        """Kind of device."""
        return "tape"

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Record a stimulus of shape (n_samples, n_channels) and play it back; the capture is as long.

        Parameters
        ----------
        stimulus : ndarray, shape (n_samples,) or (n_samples, n_channels)
            Full scale 1.0. All channels share the transport, each has its own hysteresis and hiss.
        sample_rate : int
            8000..192000 Hz.
        progress : callable
            Receives the completed fraction.

        Raises
        ------
        SignalError
            If the stimulus is empty or holds NaN or infinite samples.
        DeviceError
            If the sample rate is out of range.
        """
        samples = checked_stimulus(stimulus)
        n_samples, n_channels = samples.shape
        return self.stream(
            [samples], n_samples=n_samples, n_channels=n_channels, sample_rate=sample_rate, progress=progress
        ).capture()

    def stream(
        self,
        blocks: Iterable[FloatArray],
        *,
        n_samples: int,
        n_channels: int,
        sample_rate: int,
        progress: Progress = no_progress,
    ) -> Playback:
        """Record a stimulus that comes in blocks and play it back in blocks; memory does not grow with its length.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (any, n_channels)
            The stimulus, full scale 1.0. The result does not depend on where it is cut.
        n_samples, n_channels : int
            Size of the whole stimulus, at least 1 each.
        sample_rate : int
            8000..192000 Hz.
        progress : callable
            Receives the completed fraction.

        Raises
        ------
        DeviceError
            If the sample rate is out of range.
        SignalError
            If `n_samples` or `n_channels` is below 1; while the blocks are taken, if they hold NaN or infinite samples,
            have another number of channels, or are more or fewer samples than `n_samples`.
        """
        lowest, highest = SAMPLE_RATES_HZ
        if not lowest <= sample_rate <= highest:
            raise DeviceError(
                f"tape: sample_rate is {sample_rate} Hz, the model runs at {lowest}..{highest}; resample the stimulus"
            )
        if n_samples < 1 or n_channels < 1:
            raise SignalError(f"stimulus: {n_samples} samples in {n_channels} channels; give at least one of each")
        chain = TapeChain(self.settings, sample_rate, n_channels, n_samples, self.seed)
        warnings = without_effect(self.settings, sample_rate=sample_rate, n_channels=n_channels)
        stimulus = _checked(blocks, n_samples=n_samples, n_channels=n_channels)
        return Playback(
            blocks=self._play(chain, stimulus, warnings=warnings, progress=progress),
            n_samples=n_samples,
            n_channels=n_channels,
            sample_rate=sample_rate,
            device=self.name,
            settings=self.settings.model_dump(),
            seed=self.seed,
            latency_samples=chain.latency_samples,
            truth=chain.truth,
            warnings=warnings,
            details=chain.details,
            truths=chain.truths,
        )

    def _play(
        self, chain: TapeChain, stimulus: Iterator[FloatArray], *, warnings: list[str], progress: Progress
    ) -> Iterator[FloatArray]:
        done = 0
        workers = min(self.threads, chain.n_channels)
        # the compiled loops release Python's lock
        with ThreadPoolExecutor(workers) if workers > 1 else nullcontext() as chain.executor:
            for block in _followed_by_silence(stimulus, n_channels=chain.n_channels):
                played = chain.process(block)[: chain.n_samples - done]
                done += len(played)
                if len(played):
                    progress(done / chain.n_samples)
                    yield played
                if done == chain.n_samples:
                    break
        if chain.clipped_samples:
            limit = INPUT_LIMIT[self.settings.solver]
            warnings.append(
                f"{chain.clipped_samples} samples were clipped at the model's input limit of {limit:g} "
                f"({db_from_amplitude(limit):.1f} dBFS); lower the stimulus or input_gain_db"
            )


def _checked(blocks: Iterable[FloatArray], *, n_samples: int, n_channels: int) -> Iterator[FloatArray]:
    """Pieces of at most BLOCK_SAMPLES; SignalError where the stimulus is not what it was said to be."""
    position = 0
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != n_channels:
            raise SignalError(f"stimulus: a block of shape {block.shape}, {n_channels} channels were announced")
        bad = ~np.isfinite(block)
        if bad.any():
            first, channel = (int(index) for index in np.argwhere(bad)[0])
            raise SignalError(
                f"stimulus: sample {position + first} of channel {channel + 1} is NaN or infinite; make it again"
            )
        if position + len(block) > n_samples:
            raise SignalError(f"stimulus: more than the {n_samples} samples that were announced")
        position += len(block)
        for start in range(0, len(block), BLOCK_SAMPLES):
            yield block[start : start + BLOCK_SAMPLES]
    if position < n_samples:
        raise SignalError(f"stimulus: it ended after {position} of {n_samples} samples")


def _followed_by_silence(blocks: Iterator[FloatArray], *, n_channels: int) -> Iterator[FloatArray]:
    yield from blocks
    while True:
        yield np.zeros((BLOCK_SAMPLES, n_channels))
