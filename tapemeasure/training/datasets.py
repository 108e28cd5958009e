"""Pairs of input and output, aligned or as recorded, and their cut into segments of equal length for training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tapemeasure.arrays import FloatArray, IntArray
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
    conditions : mapping of str to float
        Settings of the machine that a network may be told, each in its own unit.

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
    conditions: Mapping[str, float] = field(default_factory=dict)

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
class RecordedPair(AlignedPair):
    """One channel of a machine's input, and of its output as it was recorded.

    Parameters
    ----------
    delay_samples : ndarray, shape (n_samples,)
        Delay of every sample of the target behind the input: ``target[n] = machine(input)(n - delay[n])``.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the delay is not finite.
    """

    delay_samples: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delay_samples.shape != self.target.shape:
            raise MismatchError(
                f"pair {self.name}: {self.delay_samples.shape} delays, {self.target.shape} samples; give one a sample"
            )
        if not np.isfinite(self.delay_samples).all():
            raise SignalError(f"pair {self.name}: its delay holds NaN or infinite values; track it again")


@dataclass(frozen=True)
class Batch:
    """Segments that are trained on at the same time; n_segments in front of every shape.

    Parameters
    ----------
    inputs, targets : Tensor, shape (n_segments, 1, n_samples)
        float32, full scale 1.0.
    delays : Tensor, shape (n_segments, 1, n_samples), or None
        float64, samples; where the targets are as recorded.
    conditions : Tensor, shape (n_segments, n_conditions), or None
    pairs, starts : Tensor, shape (n_segments,)
        Which pair a segment comes from, and the first of its samples in the pair's target.
    """

    inputs: Tensor
    targets: Tensor
    delays: Tensor | None
    conditions: Tensor | None
    pairs: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def chosen(self, order: Tensor) -> "Batch":
        """The segments at the indices `order`."""
        return Batch(
            self.inputs[order],
            self.targets[order],
            None if self.delays is None else self.delays[order],
            None if self.conditions is None else self.conditions[order],
            self.pairs[order],
            self.starts[order],
        )


class Segments(Batch):
    """Segments of equal length from all pairs."""

    def batches(self, *, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Every segment once, in a new order, in batches of nearly equal size, none above `batch_size`."""
        order = torch.randperm(len(self), generator=generator)
        for indices in torch.tensor_split(order, math.ceil(len(self) / batch_size)):
            yield self.chosen(indices)


def cut_segments(
    pairs: Sequence[AlignedPair],
    *,
    length_samples: int,
    margin_samples: int = 0,
    condition_names: Sequence[str] = (),
) -> Segments:
    """Cut pairs into segments of `length_samples`, so that every sample of every pair is in at least one.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        At one sample rate; all aligned, or all `RecordedPair`.
    length_samples : int
        At least 1.
    margin_samples : int
        Least delay that a segment of a `RecordedPair` keeps: its input is cut that much earlier or later.
    condition_names : sequence of str
        Conditions that every pair must have.

    Raises
    ------
    MismatchError
        If the sample rates differ, a pair lacks a condition, or only some pairs have a delay.
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
    recorded = [isinstance(pair, RecordedPair) for pair in pairs]
    if any(recorded) != all(recorded):
        raise MismatchError("training: some pairs are aligned and some as recorded; give all of one kind")
    cuts = [_cut(pair, length_samples, margin_samples) for pair in pairs]
    inputs, targets, delays, starts = (np.concatenate(part) for part in zip(*cuts, strict=True))
    if not targets.any():
        raise SignalError("training: all targets are silent; check the capture and its levels")
    owners = np.repeat(np.arange(len(pairs)), [len(cut[3]) for cut in cuts])
    conditions = np.array([condition_values(pair, condition_names) for pair in pairs], dtype=np.float32)[owners]
    return Segments(
        inputs=as_tensor(inputs),
        targets=as_tensor(targets),
        delays=torch.from_numpy(delays)[:, None] if all(recorded) else None,
        conditions=torch.from_numpy(conditions) if condition_names else None,
        pairs=torch.from_numpy(owners),
        starts=torch.from_numpy(starts),
    )


def condition_values(pair: AlignedPair, names: Sequence[str]) -> tuple[float, ...]:
    """The conditions of a pair in the order of `names`; MismatchError if it lacks one."""
    missing = [name for name in names if name not in pair.conditions]
    if missing:
        raise MismatchError(f"pair {pair.name}: no value of {', '.join(missing)}; tell it in the take's sidecar")
    return tuple(float(pair.conditions[name]) for name in names)


def _cut(pair: AlignedPair, length: int, margin: int) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Inputs, targets and delays of a pair's segments, (n_segments, length), and where they start."""
    lacking = max(0, length - len(pair.input))
    source, target = np.pad(pair.input, (lacking, 0)), np.pad(pair.target, (lacking, 0))
    last = len(source) - length
    starts = np.array([*range(0, last, length), last])
    targets = np.stack([target[start : start + length] for start in starts])
    if not isinstance(pair, RecordedPair):
        return np.stack([source[start : start + length] for start in starts]), targets, np.zeros_like(targets), starts
    delay = np.pad(pair.delay_samples, (lacking, 0), mode="edge")
    delays = np.stack([delay[start : start + length] for start in starts])
    shifts = np.floor(delays.min(axis=1)).astype(int) - margin
    room = int(np.abs(shifts).max())
    around = np.pad(source, room)
    inputs = np.stack([around[room + s - d : room + s - d + length] for s, d in zip(starts, shifts, strict=True)])
    return inputs, targets, delays - shifts[:, np.newaxis], starts - lacking


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


def recorded_pair(
    name: str,
    source: FloatArray,
    output: FloatArray,
    delay_s: FloatArray,
    *,
    sample_rate: int,
    start_samples: int,
    stop_samples: int,
    conditions: Mapping[str, float] | None = None,
) -> RecordedPair:
    """What a stretch of the input came out as, as recorded, with its delay.

    Parameters
    ----------
    name : str
        Take or segment, for messages.
    source, output : ndarray, shape (any,)
        The whole input and output of a take, one channel each.
    delay_s : ndarray, shape as `output`
        Delay at each sample of the output, seconds.
    sample_rate : int
        Hz.
    start_samples, stop_samples : int
        The stretch of the input.
    conditions : mapping of str to float, optional
        Settings of the machine.

    Raises
    ------
    SignalError
        If the stretch had not come out when the recording ended.
    """
    delay = delay_s * sample_rate
    leaving = np.arange(len(output)) - delay
    inside = np.flatnonzero((leaving >= start_samples) & (leaving < stop_samples))
    if inside.size == 0:
        raise SignalError(f"pair {name}: the recording ends before this stretch came out; record the take again")
    first, last = int(inside[0]), int(inside[-1]) + 1
    bulk = int(np.floor(delay[first:last].min()))
    room = last - first + abs(bulk)
    begin = first - bulk + room
    heard = np.pad(source[:stop_samples], room)[begin : begin + last - first]
    return RecordedPair(name, heard, output[first:last], sample_rate, dict(conditions or {}), delay[first:last] - bulk)
