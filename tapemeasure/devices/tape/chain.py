"""The parts of the tape machine in their order, fed block after block; the result does not depend on the blocks."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.converter import Converter, LostSample, lost_samples, with_lost_samples
from tapemeasure.devices.tape.equaliser import RecordEqualiser, ReplayEqualiser
from tapemeasure.devices.tape.faults import TapeFaults
from tapemeasure.devices.tape.hysteresis import INPUT_LIMIT, Hysteresis
from tapemeasure.devices.tape.loss import LossFilter
from tapemeasure.devices.tape.noise import Noise
from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import transport_truth
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db


class ChannelPart(Protocol):
    """A part of the machine that there is one of for every channel."""

    def process(self, block: FloatArray) -> FloatArray:
        """The next samples of the channel, shape (n_samples,)."""


@dataclass
class TapeChain:
    """A machine with a tape in it, ready to play; everything random is drawn here or comes from `seed`.

    Parameters
    ----------
    settings : TapeSettings
        Knobs.
    sample_rate : int
        Hz.
    n_channels, n_samples : int
        Size of the whole stimulus.
    seed : int
        Of everything random.
    executor : Executor or None
        Computes the channels at the same time; None: in turn.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    n_samples: int
    seed: int
    executor: Executor | None = None
    truth: DelayTrajectory = field(init=False)
    truths: dict[str, DelayTrajectory] = field(init=False, default_factory=dict)
    details: dict[str, Any] = field(init=False, default_factory=dict)
    latency_samples: float = field(init=False)
    """Delay of the machine's own filters, samples; it is removed."""
    clipped_samples: int = field(init=False, default=0)
    """Samples so far that were beyond the model's input limit."""

    def __post_init__(self) -> None:
        settings, rate, count = self.settings, self.sample_rate, self.n_channels
        transport_rng, noise_rng, faults_rng, converter_rng = np.random.default_rng(self.seed).spawn(4)
        duration_s = self.n_samples / rate
        self._record_equaliser = RecordEqualiser(settings, rate, count)
        self._magnetics = [Hysteresis(settings, rate) for _ in range(count)]
        recorded_late = self._record_equaliser.latency_samples + self._magnetics[0].latency_samples
        moving = transport_truth(
            settings,
            duration_s=duration_s,
            sample_rate=rate,
            latency_samples=recorded_late,
            generator=transport_rng,
        )
        self._transport = Transport(settings, moving, rate, count, recorded_late)
        lead_samples = self._transport.look_ahead_samples
        self._faults = TapeFaults(settings, rate, count, self.n_samples, faults_rng, lead_samples)
        self._losses = [LossFilter(settings, rate) for _ in range(count)] if settings.loss else []
        self._replay_equaliser = ReplayEqualiser(settings, rate, count)
        self._noise = Noise(settings, rate, count, noise_rng)
        lost = lost_samples(settings, duration_s=duration_s, sample_rate=rate, generator=converter_rng)
        self._converter = Converter(lost, rate, count)
        replayed_late = self._replay_equaliser.latency_samples + (
            self._losses[0].latency_samples if self._losses else 0
        )
        self.latency_samples = recorded_late + replayed_late
        self._before_start = lead_samples + self._faults.latency_samples + replayed_late
        self._before_converted = self._converter.latency_samples
        self._replayed_samples = 0
        self.truth = with_lost_samples(moving.delay, lost, sample_rate=rate)
        self.truths = {"azimuth": moving.azimuth} if moving.azimuth is not None and count > 1 else {}
        self.details = self._details(moving.facts, lost)

    def _details(self, moving: Mapping[str, Any], lost: Sequence[LostSample]) -> dict[str, Any]:
        truth = {
            **({"transport": dict(moving)} if moving else {}),
            **self._faults.truth(),
            **self._noise.truth(),
            **({"lost_samples": [asdict(event) for event in lost]} if lost else {}),
        }
        return {"truth": truth} if truth else {}

    def process(self, block: FloatArray) -> FloatArray:
        """The next samples of the output, shape (any, n_channels); fewer than in `block` while the filters fill."""
        sent = self._record_equaliser.process(amplitude_from_db(self.settings.input_gain_db) * block)
        self.clipped_samples += int(np.count_nonzero(np.abs(sent) > INPUT_LIMIT[self.settings.solver]))
        played = self._transport.process(self._each_channel(self._magnetics, sent))
        played = self._faults.process(played)
        if self._losses:
            played = self._each_channel(self._losses, played)
        played = self._replay_equaliser.process(played)
        skipped = min(self._before_start, len(played))
        self._before_start -= skipped
        replayed = amplitude_from_db(self.settings.output_gain_db) * played[skipped:]
        if not len(replayed):
            return replayed
        replayed += self._noise.block(self._replayed_samples, len(replayed))
        self._replayed_samples += len(replayed)
        converted = self._converter.process(replayed)
        skipped = min(self._before_converted, len(converted))
        self._before_converted -= skipped
        return converted[skipped:]

    def _each_channel(self, parts: Sequence[ChannelPart], block: FloatArray) -> FloatArray:
        columns = [np.ascontiguousarray(column) for column in block.T]
        work = self.executor.map if self.executor is not None else map
        return np.stack(list(work(lambda part, column: part.process(column), parts, columns)), axis=1)
