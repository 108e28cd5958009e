"""A trained replica of a tape machine's recording path as a device; torch is not needed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, Playback, checked_stimulus
from tapemeasure.errors import MismatchError, SignalError, UsageError
from tapemeasure.params import NeuralSettings
from tapemeasure.replica.model import Replica, model_path, read_replica
from tapemeasure.replica.player import played_blocks


@dataclass(frozen=True)
class NeuralDevice:
    """The recording path that was learned from a machine, without its delay and hiss.

    Parameters
    ----------
    model : path
        File of the model, or the folder that holds it.
    conditions : mapping of float
        Settings of the machine, for a model that was trained on several.

    Raises
    ------
    UsageError
        If there is no such model, or its conditions are not given.
    TrainingError
        If the file is no model that can be read.

    Notes
    -----
    Every channel is played by itself. The output is as long as the input and on its time axis: the look-ahead of the
    linear part is taken out and told as latency.
    """

    model: Path
    conditions: Mapping[str, float] = field(default_factory=dict)
    replica: Replica = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "replica", read_replica(self.model, conditions=self.conditions))

    @property
    def name(self) -> str:
        """Kind of device."""
        return "neural"

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Play a stimulus of shape (n_samples, n_channels).

        Raises
        ------
        SignalError
            If the stimulus is empty or holds NaN or infinite samples.
        MismatchError
            If the sample rate is not the model's.
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
        """Play a stimulus that comes in blocks, in constant memory; the cuts do not change a bit of the result.

        Raises
        ------
        MismatchError
            If the sample rate is not the model's.
        SignalError
            While the blocks are taken, if they hold NaN or infinite samples.
        """
        self.require_rate(sample_rate)
        return Playback(
            blocks=self._played(blocks, n_samples, n_channels, progress),
            n_samples=n_samples,
            n_channels=n_channels,
            sample_rate=sample_rate,
            device=self.name,
            settings={"model": str(self.model), "conditions": dict(self.replica.conditions)},
            seed=None,
            latency_samples=float(self.replica.latency_samples),
            truth=None,
            warnings=tuple(self.warnings()),
            details={"facts": dict(self.replica.facts)},
            truths={},
        )

    def require_rate(self, sample_rate: int) -> None:
        """Raise MismatchError if the rate of a signal, Hz, is not the model's."""
        if sample_rate != self.replica.sample_rate:
            raise MismatchError(
                f"{self.model} was trained at {self.replica.sample_rate} Hz, the signal has {sample_rate} Hz; resample "
                "the signal to that rate, or train a model at the signal's"
            )

    def warnings(self) -> list[str]:
        """What the user should know about the model."""
        if not self.replica.worse_than_filter:
            return []
        own, linear = (self.replica.facts[name] for name in ("validation_esr", "fir_validation_esr"))
        return [
            f"{self.model}: its error ({own:.4g} ESR) is not below that of a plain linear filter ({linear:.4g}); "
            "train it longer or on more audio"
        ]

    def _played(
        self, blocks: Iterable[FloatArray], n_samples: int, n_channels: int, progress: Progress
    ) -> Iterator[FloatArray]:
        done = 0
        for block in played_blocks(self.replica, _checked(blocks), n_channels=n_channels):
            done += len(block)
            progress(done / n_samples)
            yield block


def _checked(blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Refuse what would stay in the state for ever."""
    for block in blocks:
        if not np.isfinite(block).all():
            raise SignalError("stimulus: samples are NaN or infinite; make the stimulus again")
        yield block


def neural_device(settings: NeuralSettings) -> NeuralDevice:
    """Device of a profile of the kind ``neural``.

    Raises
    ------
    UsageError
        If the profile names no model; else as `NeuralDevice`.
    """
    if settings.model is None:
        raise UsageError("a device of the kind neural needs a trained model; give --set model=data/models/<device>")
    return NeuralDevice(model_path(settings.model), settings.conditions)
