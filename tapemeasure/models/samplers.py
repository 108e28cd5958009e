"""From noise to signal: Heun's method along the angle of the noise."""

import torch
from torch import Tensor

from tapemeasure.errors import ParameterError
from tapemeasure.models.diffusion import ALL_NOISE, Denoiser


def heun_sample(network: Denoiser, noise: Tensor, known: Tensor, is_known: Tensor, *, n_steps: int) -> Tensor:
    """Signals that a trained network makes of noise, around the points that are known.

    Parameters
    ----------
    network : Denoiser
        A trained U-net.
    noise : Tensor, shape (batch, window)
        White Gaussian, of power 1; it decides the result.
    known, is_known : Tensor, shape (batch, window)
        Clean points, and 1 where they are known; these are returned as they are.
    n_steps : int
        At least 1; two evaluations of the network a step, one in the last.

    Returns
    -------
    Tensor, shape (batch, window)

    Raises
    ------
    ParameterError
        If there is no step.

    Notes
    -----
    Steps of equal angle: for white Gaussian data any number of them is exact, so that few steps cost only what the
    network adds to that. The last step is Euler's, as the output at angle 0 tells nothing.

    References
    ----------
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022, algorithm 1.
    """
    if n_steps < 1:
        raise ParameterError(f"sampler: {n_steps} steps; give at least 1")
    known = known * is_known
    unknown = 1.0 - is_known
    step = ALL_NOISE / n_steps
    points = noise * unknown

    def output(at: Tensor, angle: float) -> Tensor:
        return network(at, at.new_full((len(at),), angle), known, is_known) * unknown

    with torch.no_grad():
        for index in range(n_steps):
            angle = ALL_NOISE - index * step
            first = output(points, angle)
            ahead = points + step * first
            if index < n_steps - 1:
                ahead = points + 0.5 * step * (first + output(ahead, angle - step))
            points = ahead
    return points + known
