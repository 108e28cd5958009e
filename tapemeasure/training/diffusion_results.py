"""How a diffusion model is trained, and what its training tells."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.models.unet1d import UNet1d, UNet1dConfig


@dataclass(frozen=True)
class DiffusionSettings:
    """How a diffusion model is trained.

    Parameters
    ----------
    n_updates, round_updates, batch_size : int
        Updates in all, between two validations, and windows of one update; at least 1.
    learning_rate : float
        Of Adam at the start of the cosine, above 0.
    ema_updates : float
        About how many updates the running average of the weights counts.
    context : int
        Known points at the beginning of a window.
    n_channels : int
        Channels that are interleaved in the windows; they divide window and context.
    seed, threads : int
        Of all randomness; of torch on the CPU.
    device : {"cpu", "cuda", "auto"}
        Where the updates run; ``auto`` is the GPU where there is one. Weights depend on it in their last digits.
    network : UNet1dConfig
        Size.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """

    n_updates: int = 4000
    round_updates: int = 250
    batch_size: int = 16
    learning_rate: float = 3e-3
    ema_updates: float = 500.0
    context: int = 512
    n_channels: int = 1
    seed: int = 1
    threads: int = 1
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    network: UNet1dConfig = field(default_factory=UNet1dConfig)

    def __post_init__(self) -> None:
        for name in ("n_updates", "round_updates", "batch_size", "threads", "n_channels"):
            if getattr(self, name) < 1:
                raise ParameterError(f"diffusion: {name} = {getattr(self, name)}; give at least 1")
        if not 0.0 < self.learning_rate < math.inf:
            raise ParameterError(f"diffusion: learning_rate = {self.learning_rate}; give more than 0")
        if not 0 < self.context < self.network.window:
            raise ParameterError(
                f"diffusion: context = {self.context} points of a window of {self.network.window}; "
                f"give 1 to {self.network.window - 1}"
            )
        if self.network.window % self.n_channels or self.context % self.n_channels:
            raise ParameterError(
                f"diffusion: a window of {self.network.window} points and a context of {self.context} for "
                f"{self.n_channels} channels; give multiples of that"
            )


@dataclass(frozen=True)
class DiffusionRound:
    """Mean losses of one round; 1 is white noise that cannot be predicted (in the validation, exactly)."""

    updates: int
    train_loss: float
    validation_loss: float

    @property
    def finite(self) -> bool:
        """Whether both losses are numbers."""
        return math.isfinite(self.train_loss + self.validation_loss)


@dataclass(frozen=True)
class DiffusionResult:
    """The best round's averaged network, and how it came about.

    Parameters
    ----------
    network : UNet1d
        On the CPU.
    rounds : tuple of DiffusionRound
        In order.
    best_round : int
        From 1.
    recoveries : int
        How often a value that was not finite was recovered from.
    """

    network: UNet1d
    rounds: tuple[DiffusionRound, ...]
    best_round: int
    recoveries: int


def fingerprint_of(settings: DiffusionSettings, pieces: Sequence[FloatArray]) -> str:
    """SHA-256 of everything that decides the course of a training."""
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for piece in pieces:
        digest.update(f"{len(piece)}".encode())
        digest.update(np.asarray(piece, dtype=np.float64).tobytes())
    return digest.hexdigest()
