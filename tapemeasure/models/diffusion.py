"""Diffusion of signals of unit power: noise as an angle, the velocity that a network learns, and its loss.

With data of standard deviation 1, the preconditioning of Karras et al. for a noise level ``sigma = tan(angle)`` reads
``noisy = cos(angle) clean + sin(angle) noise``, ``denoised = cos(angle) noisy + sin(angle) output``. The output is then
the negative of the speed at which the noisy signal turns with the angle, so that 0 is exact for white Gaussian data:
the network learns nothing but what distinguishes the data from that.

References
----------
T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of diffusion-based generative models", NeurIPS
2022. T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

ALL_NOISE = 0.5 * math.pi
"""Angle of a signal that is nothing but noise."""


class Denoiser(Protocol):
    """What a network of diffusion is called with; see `UNet1d.forward`."""

    def __call__(self, noisy: Tensor, angle: Tensor, known: Tensor, is_known: Tensor) -> Tensor:
        """Output, shape (batch, window)."""
        ...


def noisy_of(clean: Tensor, noise: Tensor, angle: Tensor) -> Tensor:
    """Windows (batch, window) mixed with noise of the same power, at angles (batch,)."""
    return torch.cos(angle).unsqueeze(-1) * clean + torch.sin(angle).unsqueeze(-1) * noise


def diffusion_loss(network: Denoiser, clean: Tensor, noise: Tensor, angle: Tensor, is_known: Tensor) -> Tensor:
    """Mean squared error of the network's output over the unknown points.

    Parameters
    ----------
    network : Denoiser
        A U-net.
    clean, noise : Tensor, shape (batch, window)
        Data, and white Gaussian noise; both of unit power.
    angle : Tensor, shape (batch,)
        Noise levels; evenly distributed, they are a broad bell over the logarithm of sigma about sigma = 1.
    is_known : Tensor, shape (batch, window)
        1 where the clean points are given to the network.

    Notes
    -----
    The weight of every noise level is that of Karras et al.: the effective target has unit power everywhere.
    """
    target = torch.sin(angle).unsqueeze(-1) * clean - torch.cos(angle).unsqueeze(-1) * noise
    unknown = 1.0 - is_known
    error = network(noisy_of(clean, noise, angle) * unknown, angle, clean * is_known, is_known) - target
    return torch.sum((error * unknown) ** 2) / torch.sum(unknown)
