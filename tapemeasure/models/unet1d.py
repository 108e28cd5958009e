"""A small 1-D U-net that hears a noisy window, the clean points that are known of it, and how noisy it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tapemeasure.errors import ParameterError

ANGLE_FEATURES = 8


@dataclass(frozen=True)
class UNet1dConfig:
    """Size of a U-net.

    Parameters
    ----------
    window : int
        Points of a window.
    fold : int
        Neighbouring points that the first layer takes together, as channels.
    channels : tuple of int
        Channels of every level; each level has half the points of the one above it.
    embedding : int
        Width of what tells every block the noise level.
    gated : bool
        The network also hears the squares of the noisy points, and its output has a part that is a factor of them:
        what a signal needs whose level changes and whose phases nobody can tell, such as modulated noise.

    Raises
    ------
    ParameterError
        If a window cannot be folded and halved so often.
    """

    window: int = 1024
    fold: int = 8
    channels: tuple[int, ...] = (32, 32, 32, 40, 40)
    embedding: int = 32
    gated: bool = False

    def __post_init__(self) -> None:
        needed = self.fold * 2 ** (len(self.channels) - 1) if self.channels else 0
        if min(self.fold, self.embedding, needed, *self.channels) < 1 or self.window % needed:
            raise ParameterError(
                f"U-net: a window of {self.window} points, fold {self.fold} and {len(self.channels)} levels; "
                f"give a window that is a multiple of {needed} points and sizes of at least 1"
            )


class _Block(nn.Module):
    """Two convolutions beside a straight way; the noise level scales and shifts what is between them."""

    def __init__(self, n_in: int, n_out: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(n_in, n_out, 3, padding=1)
        self.second = nn.Conv1d(n_out, n_out, 3, padding=1)
        self.tell = nn.Linear(embedding, 2 * n_out)
        self.past = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, points: Tensor, level: Tensor) -> Tensor:
        scale, shift = self.tell(level).unsqueeze(-1).chunk(2, dim=1)
        inner = self.first(functional.silu(points))
        inner = self.second(functional.silu(inner * (1.0 + scale) + shift))
        joined: Tensor = self.past(points) + inner
        return joined


class UNet1d(nn.Module):
    """U-net of one real signal with clean points beside the noisy ones.

    Parameters
    ----------
    config : UNet1dConfig
        Size.

    Notes
    -----
    Its last layer starts at zero: before any training the output is 0, which for white Gaussian signals is exact.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015. T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating
    the design space of diffusion-based generative models", NeurIPS 2022.
    """

    def __init__(self, config: UNet1dConfig) -> None:
        super().__init__()
        self.config = config
        sizes, width = config.channels, config.embedding
        self.tell = nn.Sequential(nn.Linear(2 * ANGLE_FEATURES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.enter = nn.Conv1d((4 if config.gated else 3) * config.fold, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(size, size, width) for size in sizes)
        self.shrink = nn.ModuleList(nn.Conv1d(small, large, 2, stride=2) for small, large in pairwise(sizes))
        self.grow = nn.ModuleList(nn.ConvTranspose1d(large, small, 2, stride=2) for small, large in pairwise(sizes))
        self.up = nn.ModuleList(_Block(2 * size, size, width) for size in sizes[:-1])
        self.leave = nn.Conv1d(sizes[0], (2 if config.gated else 1) * config.fold, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(torch.as_tensor(self.leave.bias))

    def forward(self, noisy: Tensor, angle: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
        """Output for windows of a batch.

        Parameters
        ----------
        noisy, known, is_known : Tensor, shape (batch, window)
            The noisy window, its clean points (0 where unknown), and 1 where they are known.
        angle : Tensor, shape (batch,)
            Noise level as an angle, 0 (clean) to pi / 2 (all noise).

        Returns
        -------
        Tensor, shape (batch, window)
        """
        fold = self.config.fold
        orders = torch.arange(1, ANGLE_FEATURES + 1, dtype=angle.dtype, device=angle.device)
        turns = angle.unsqueeze(-1) * orders
        level = self.tell(torch.cat([torch.cos(turns), torch.sin(turns)], dim=-1))
        heard = [noisy, known, is_known, noisy**2 - 1.0] if self.config.gated else [noisy, known, is_known]
        points = torch.stack(heard, dim=1)
        batch, n_in, window = points.shape
        points = points.reshape(batch, n_in, window // fold, fold).transpose(2, 3).reshape(batch, n_in * fold, -1)
        points = self.enter(points)
        beside: list[Tensor] = []
        for index, block in enumerate(self.down):
            points = block(points, level)
            if index < len(self.shrink):
                beside.append(points)
                points = self.shrink[index](points)
        for index in reversed(range(len(self.up))):
            points = torch.cat([self.grow[index](points), beside[index]], dim=1)
            points = self.up[index](points, level)
        left: Tensor = self.leave(functional.silu(points))
        if not self.config.gated:
            return left.transpose(1, 2).reshape(batch, window)
        added, factor = (half.transpose(1, 2).reshape(batch, window) for half in left.chunk(2, dim=1))
        return added + factor * noisy


def load_unet(sizes: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> UNet1d:
    """A trained U-net from the content of a model file.

    Parameters
    ----------
    sizes : mapping
        Fields of its `UNet1dConfig`, as plain values.
    tensors : mapping of str to ndarray
        Its weights, with names that begin with ``network.``; others are left alone.

    Raises
    ------
    ValueError
        If a weight is not finite.
    RuntimeError
        If weights are missing, too many, or of other shapes.
    """
    network = UNet1d(UNet1dConfig(**{**sizes, "channels": tuple(sizes["channels"])}))
    weights = {
        name.removeprefix("network."): torch.from_numpy(np.array(tensor))
        for name, tensor in tensors.items()
        if name.startswith("network.")
    }
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise ValueError("weights that are not finite")
    network.load_state_dict(weights)
    return network.eval()
