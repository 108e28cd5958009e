"""One training on several processes that torch's launcher started: who takes part, and how they keep together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from tapemeasure.errors import ParameterError, UsageError

Device = Literal["cpu", "cuda", "auto"]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """The processes of one training; a single process is a team of one.

    Parameters
    ----------
    rank, size : int
        Number of this process, from 0, and of all of them.
    device : torch.device
        Where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """Rows of a batch of all processes that are this one's: every so many."""
        return batch[self.rank :: self.size]

    def joined(self, network: nn.Module) -> nn.Module:
        """The network with gradients that are the mean over all processes."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network, device_ids=[self.device] if self.device.type == "cuda" else None)

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a number over all processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return total / self.size

    def from_leader(self, value: Value) -> Value:
        """What the first process has."""
        if self.size == 1:
            return value
        holder: list[Any] = [value]
        torch.distributed.broadcast_object_list(holder, src=0, device=self.device)
        received: Value = holder[0]
        return received


@contextmanager
def team(device: Device) -> Iterator[Team]:
    """The processes that ``torchrun`` started this one with; without it, this process alone.

    Parameters
    ----------
    device : {"cpu", "cuda", "auto"}
        ``auto`` is a GPU where there is one; every process of a computer takes its own.

    Raises
    ------
    ParameterError
        If a GPU is asked for that is not there.
    UsageError
        If the other processes cannot be reached.

    Notes
    -----
    The processes speak to each other through gloo on the CPU and through nccl on GPUs.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1 or torch.distributed.is_initialized():
        yield Team(rank, size, place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    try:
        torch.distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"process {rank} of {size}: cannot reach the others ({str(error).splitlines()[0]}); start all of them "
            "with torchrun"
        ) from error
    try:
        yield Team(rank, size, place)
    finally:
        torch.distributed.destroy_process_group()


def leads() -> bool:
    """Whether this process is the one of its team that writes files."""
    return os.environ.get("RANK", "0") == "0"


def _device(wanted: Device, local_rank: int) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ParameterError("diffusion: device = cuda, but torch finds no GPU; give cpu or auto")
    return torch.device("cuda", local_rank) if there and wanted != "cpu" else torch.device("cpu")
