"""The tape machine as a device: record gain, hysteresis, transport, replay losses, output gain, hum and hiss."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, checked_stimulus
from tapemeasure.devices.tape.hysteresis import INPUT_LIMIT, Hysteresis
from tapemeasure.devices.tape.loss import LossFilter
from tapemeasure.devices.tape.noise import Noise
from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import moves, transport_trajectory
from tapemeasure.errors import DeviceError
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db, db_from_amplitude

BLOCK_SAMPLES = 1024
SAMPLE_RATES_HZ = (8000, 192000)


@dataclass(frozen=True)
class TapeDevice:
    """The built-in tape machine: hysteresis, transport and losses after the CHOWTape model, plus hum and hiss.

    Parameters
    ----------
    settings : TapeSettings
        Knobs and levels.
    seed : int
        Of wow, hiss and hum. Equal settings, seeds and stimuli give equal captures.

    Notes
    -----
    Follows the plug-in to an error-to-signal ratio below -72 dB where losses, wow and flutter are off, and to -62 dB
    with the losses of a worn head. The model's own filter delay is removed, also its fraction of a sample; what remains
    is the transport's delay, told as the truth. That truth does not contain the dispersion of the DC blockers (35 Hz,
    with wow or flutter also 15 Hz) and of the head bump. The delayed signal is read through a 64-tap windowed sinc and
    not through the plug-in's cubic, so that the moving delay adds no treble loss of its own and the truth holds up to
    0.45 of the sample rate.
    """

    settings: TapeSettings
    seed: int = field(kw_only=True)

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
        lowest, highest = SAMPLE_RATES_HZ
        if not lowest <= sample_rate <= highest:
            raise DeviceError(
                f"tape: sample_rate is {sample_rate} Hz, the model runs at {lowest}..{highest}; resample the stimulus"
            )
        n_samples, n_channels = samples.shape
        transport_rng, noise_rng = np.random.default_rng(self.seed).spawn(2)
        truth = transport_trajectory(self.settings, duration_s=n_samples / sample_rate, generator=transport_rng)
        chain = TapeChain(self.settings, sample_rate, n_channels, truth)
        noise = Noise(self.settings, sample_rate, n_channels, noise_rng)
        output = np.empty((n_samples, n_channels))
        for start in range(0, n_samples + chain.look_ahead_samples, BLOCK_SAMPLES):
            block = chain.process(_padded(samples, start))
            first = start - chain.look_ahead_samples
            begin, end = max(first, 0), min(first + BLOCK_SAMPLES, n_samples)
            if end > begin:
                output[begin:end] = block[begin - first : end - first] + noise.block(begin, end - begin)
                progress(end / n_samples)
        return Capture(
            samples=output,
            sample_rate=sample_rate,
            device=self.name,
            settings=self.settings.model_dump(),
            seed=self.seed,
            latency_samples=chain.latency_samples,
            truth=truth,
            warnings=tuple(self._warnings(samples)),
        )

    def _warnings(self, samples: FloatArray) -> Iterator[str]:
        limit = INPUT_LIMIT[self.settings.solver]
        clipped = int(np.count_nonzero(np.abs(samples) * amplitude_from_db(self.settings.input_gain_db) > limit))
        if clipped:
            yield (
                f"{clipped} samples were clipped at the model's input limit of {limit:g} "
                f"({db_from_amplitude(limit):.1f} dBFS); lower the stimulus or input_gain_db"
            )


def _padded(samples: FloatArray, start: int) -> FloatArray:
    """Block of BLOCK_SAMPLES from `start`, zeros behind the end."""
    block = samples[start : start + BLOCK_SAMPLES]
    missing = BLOCK_SAMPLES - len(block)
    return np.pad(block, ((0, missing), (0, 0))) if missing else block


@dataclass(frozen=True)
class TapeChain:
    """Everything of the machine that has a memory, fed block after block; the result does not depend on the blocks.

    Parameters
    ----------
    settings : TapeSettings
        Knobs.
    sample_rate : int
        Hz.
    n_channels : int
        Channels of the stimulus.
    trajectory : DelayTrajectory
        Delay of the transport.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    trajectory: DelayTrajectory
    _magnetics: list[Hysteresis] = field(init=False)
    _losses: list[LossFilter] = field(init=False)
    _transport: Transport = field(init=False)

    def __post_init__(self) -> None:
        channels = range(self.n_channels)
        magnetics = [Hysteresis(self.settings, self.sample_rate) for _ in channels]
        losses = [LossFilter(self.settings, self.sample_rate) for _ in channels] if self.settings.loss else []
        transport = Transport(
            self.trajectory,
            self.sample_rate,
            self.n_channels,
            magnetics[0].latency_samples,
            high_pass=moves(self.settings),
        )
        object.__setattr__(self, "_magnetics", magnetics)
        object.__setattr__(self, "_losses", losses)
        object.__setattr__(self, "_transport", transport)

    @property
    def latency_samples(self) -> float:
        """Delay of the model's own filters, samples; it is removed."""
        return self._magnetics[0].latency_samples + self._loss_latency_samples

    @property
    def look_ahead_samples(self) -> int:
        """Samples by which the blocks that come out are behind those that go in, on the output's own time axis."""
        return self._transport.look_ahead_samples + self._loss_latency_samples

    @property
    def _loss_latency_samples(self) -> int:
        return self._losses[0].latency_samples if self._losses else 0

    def process(self, block: FloatArray) -> FloatArray:
        """Output that ends `look_ahead_samples` before the end of `block`, shape (n_samples, n_channels) as `block`."""
        gain = amplitude_from_db(self.settings.input_gain_db)
        recorded = [part.process(gain * block[:, channel]) for channel, part in enumerate(self._magnetics)]
        played = self._transport.process(np.stack(recorded, axis=1))
        if self._losses:
            replayed = [part.process(played[:, channel].copy()) for channel, part in enumerate(self._losses)]
            played = np.stack(replayed, axis=1)
        return amplitude_from_db(self.settings.output_gain_db) * played
