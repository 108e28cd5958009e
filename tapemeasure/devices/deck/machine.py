"""What stands inside a virtual deck: a wire, or the built-in tape machine, fed block after block."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.chain import TapeChain
from tapemeasure.errors import DeviceError
from tapemeasure.params import DeviceProfile, IdentityProfile, TapeProfile, TapeSettings
from tapemeasure.trajectory import DelayTrajectory

WARM_UP_SAMPLES = 8192


class Machine(Protocol):
    """A machine in real time: as many samples come out of a block as go in."""

    def process(self, block: FloatArray) -> FloatArray:
        """The output for the next samples of the input, both of shape (n_samples, n_channels)."""

    @property
    def latency_samples(self) -> int:
        """Samples of silence that came before the first sample of the output."""

    @property
    def truth(self) -> DelayTrajectory | None:
        """Delay of the machine at output time, its latency apart; None: it has none."""

    @property
    def truths(self) -> Mapping[str, DelayTrajectory]:
        """Further trajectories by name (``azimuth``: channel 2 behind channel 1), on the same time axis."""


@dataclass
class Wire:
    """What comes in goes out at once, bit for bit."""

    latency_samples: int = 0
    truth: DelayTrajectory | None = None
    truths: Mapping[str, DelayTrajectory] = field(default_factory=dict)

    def process(self, block: FloatArray) -> FloatArray:
        """The block itself."""
        return block


@dataclass
class TapeMachine:
    """The built-in tape machine; its own filters make the output late by `latency_samples`.

    Parameters
    ----------
    settings : TapeSettings
        Knobs and levels.
    sample_rate : int
        Hz.
    n_channels : int
        Channels.
    n_samples : int
        Length of its tape; silence comes out behind it.
    seed : int
        Of everything random.
    """

    settings: TapeSettings
    sample_rate: int
    n_channels: int
    n_samples: int
    seed: int
    latency_samples: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._chain = TapeChain(self.settings, self.sample_rate, self.n_channels, self.n_samples, self.seed)
        self._left = self.n_samples

    @property
    def truth(self) -> DelayTrajectory | None:
        """Delay of the transport at output time, seconds."""
        return self._chain.truth

    @property
    def truths(self) -> Mapping[str, DelayTrajectory]:
        """Azimuth, where the tape has any."""
        return self._chain.truths

    def process(self, block: FloatArray) -> FloatArray:
        """The next samples of the output; zeros while the filters fill, and behind the end of the tape."""
        output = np.zeros_like(block)
        played = self._chain.process(block)[: self._left] if self._left > 0 else block[:0]
        if self._left == self.n_samples:
            # nothing has been played yet: what is missing comes before it
            self.latency_samples += len(block) - len(played)
            output[len(block) - len(played) :] = played
        else:
            output[: len(played)] = played
        self._left -= len(played)
        return output


def new_machine(
    profile: DeviceProfile, *, sample_rate: int, n_channels: int, n_samples: int, seed: int | None = None
) -> Machine:
    """Machine of a computed device's profile, compiled and ready for real time.

    Parameters
    ----------
    profile : DeviceProfile
        Of kind tape or identity.
    sample_rate : int
        Hz.
    n_channels, n_samples : int
        Channels, and the length of the tape.
    seed : int, optional
        In place of the profile's own.

    Raises
    ------
    DeviceError
        If the profile is of another kind.
    """
    if isinstance(profile, IdentityProfile):
        return Wire()
    if not isinstance(profile, TapeProfile):
        raise DeviceError(f"a device of kind {profile.kind} cannot run as a deck; give one of kind tape or identity")
    seed = profile.seed if seed is None else seed
    # compiles the loops before the first real block
    TapeMachine(profile.settings, sample_rate, n_channels, WARM_UP_SAMPLES, seed).process(
        np.zeros((WARM_UP_SAMPLES, n_channels))
    )
    return TapeMachine(profile.settings, sample_rate, n_channels, n_samples, seed)
