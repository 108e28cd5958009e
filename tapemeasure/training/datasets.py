"""Aligned pairs of input and output, and their cut into segments of equal length for training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, ParameterError, SignalError


@dataclass(frozen=True)
class AlignedPair:
    """One channel of a machine's input, and of its output with the delay undone.

    Parameters
    ----------
    name : str
        Take or segment, for messages.
    input, target : ndarray, shape (n_samples,)
        Full scale 1.0, on the same time axis.
    sample_rate : int
        Hz.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If a signal is empty, not finite, or not of one channel.
    """

    name: str
    input: FloatArray
    target: FloatArray
    sample_rate: int

    def __post_init__(self) -> None:
        if self.input.ndim != 1 or self.target.ndim != 1:
            raise SignalError(f"pair {self.name}: shape {self.input.shape}, {self.target.shape}; give one channel each")
        if len(self.input) != len(self.target):
            raise MismatchError(
                f"pair {self.name}: the input has {len(self.input)} samples, the target {len(self.target)}; cut both "
                "alike"
            )
        if len(self.input) == 0:
            raise SignalError(f"pair {self.name}: empty (0 samples); leave it out")
        if not (np.isfinite(self.input).all() and np.isfinite(self.target).all()):
            raise SignalError(f"pair {self.name}: holds NaN or infinite samples; make it again")


@dataclass(frozen=True)
class Segments:
    """Segments of equal length from all pairs.

    Parameters
    ----------
    inputs, targets : Tensor, shape (n_segments, 1, n_samples)
        float32, full scale 1.0.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, *, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every segment once, in a new order, in batches of nearly equal size, none above `batch_size`."""
        order = torch.randperm(len(self), generator=generator)
        for chosen in torch.tensor_split(order, math.ceil(len(self) / batch_size)):
            yield self.inputs[chosen], self.targets[chosen]


def cut_segments(pairs: Sequence[AlignedPair], *, length_samples: int) -> Segments:
    """Cut pairs into segments of `length_samples`, so that every sample of every pair is in at least one.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        At one sample rate.
    length_samples : int
        At least 1.

    Raises
    ------
    MismatchError
        If the sample rates differ.
    SignalError
        If there is no pair, or all targets are silent.

    Notes
    -----
    The last segment of a pair ends with the pair and overlaps the one before; a pair shorter than a segment gets
    silence in front of it.
    """
    common_sample_rate(pairs)
    if length_samples < 1:
        raise ParameterError(f"segments of {length_samples} samples; give at least 1")
    inputs = np.concatenate([_cut(pair.input, length_samples) for pair in pairs])
    targets = np.concatenate([_cut(pair.target, length_samples) for pair in pairs])
    if not targets.any():
        raise SignalError("training: all targets are silent; check the capture and its levels")
    return Segments(inputs=as_tensor(inputs), targets=as_tensor(targets))


def _cut(samples: FloatArray, length_samples: int) -> FloatArray:
    """Segments of one signal, shape (n_segments, length_samples)."""
    if len(samples) < length_samples:
        samples = np.concatenate([np.zeros(length_samples - len(samples)), samples])
    last = len(samples) - length_samples
    starts = [*range(0, last, length_samples), last]
    return np.stack([samples[start : start + length_samples] for start in starts])


def as_tensor(signals: FloatArray) -> Tensor:
    """float64 signals of shape (batch, n_samples) as a float32 tensor of shape (batch, 1, n_samples)."""
    return torch.from_numpy(signals.astype(np.float32))[:, None, :]


def common_sample_rate(pairs: Sequence[AlignedPair]) -> int:
    """The sample rate of all pairs, Hz.

    Raises
    ------
    MismatchError
        If they differ.
    SignalError
        If there is no pair.
    """
    if not pairs:
        raise SignalError("training: no aligned pair; give at least one take with its output")
    rates = sorted({pair.sample_rate for pair in pairs})
    if len(rates) > 1:
        raise MismatchError(f"training: the pairs have sample rates of {rates} Hz; resample them to one")
    return rates[0]
