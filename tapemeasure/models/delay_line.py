"""A delay line that can be differentiated, in the audio and in the delay.

The output at n is read `delay[n]` samples before n, between the samples by Lagrange's polynomial of degree 5 through
the six around the place. One read costs six multiplications whatever the delay is.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tapemeasure.models.delay_kernels import delay_backward, delay_forward

N_TAPS = 6
LAGRANGE_LEAD_SAMPLES = 2
"""Samples that the polynomial reads behind the place; a causal line cannot delay by less."""


def lagrange_taps(fraction: Tensor) -> Tensor:
    """Taps that delay a signal by ``2 + fraction`` samples, shape (..., 6).

    Parameters
    ----------
    fraction : Tensor, any shape
        0 to 1, samples.

    Notes
    -----
    Error of the amplitude below 0.1 % up to 0.2 of the sample rate; worst at a fraction of 1/2.

    References
    ----------
    T. I. Laakso, V. Valimaki, M. Karjalainen, U. K. Laine, "Splitting the unit delay", IEEE SP Magazine 13, 1996.
    """
    place = fraction + LAGRANGE_LEAD_SAMPLES
    taps = []
    for k in range(N_TAPS):
        tap = torch.ones_like(place)
        for j in range(N_TAPS):
            if j != k:
                tap = tap * (place - j) / (k - j)
        taps.append(tap)
    return torch.stack(taps, dim=-1)


def delay_line(samples: Tensor, delay_samples: Tensor) -> Tensor:
    """Signal as it comes out late, ``y[n] = x(n - d[n])``.

    Parameters
    ----------
    samples : Tensor, shape (batch, 1, n_samples)
        Zeros are read outside it.
    delay_samples : Tensor, shape (batch, 1, n_outputs)
        Samples, of any sign and size; n counts from the first sample. `n_outputs` may differ from `n_samples`.

    Returns
    -------
    Tensor, shape (batch, 1, n_outputs)

    Notes
    -----
    Gradients of audio and delay are exact but where the delay crosses a whole number of samples (there Lagrange's
    polynomials join continuously, with a kink). Compiled on the CPU; `delay_line_reference` elsewhere.
    """
    if samples.device.type != "cpu":
        return delay_line_reference(samples, delay_samples)
    output: Tensor = _DelayLine.apply(samples, delay_samples)  # type: ignore[no-untyped-call]
    return output


def delay_line_reference(samples: Tensor, delay_samples: Tensor) -> Tensor:
    """`delay_line` in torch's own operations, on any device."""
    n_samples, n_outputs = samples.shape[-1], delay_samples.shape[-1]
    place = torch.arange(n_outputs, dtype=delay_samples.dtype, device=delay_samples.device) - delay_samples
    whole = torch.floor(place.detach())
    # the tap k of a delay of 2 + f reads at whole + 3 - k, where f = 1 - (place - whole)
    taps = lagrange_taps(1.0 - (place - whole)).to(samples.dtype)
    output = torch.zeros_like(place, dtype=samples.dtype)
    for k in range(N_TAPS):
        index = whole.long() + 1 + LAGRANGE_LEAD_SAMPLES - k
        inside = (index >= 0) & (index < n_samples)
        read = torch.gather(samples, -1, index.clamp(0, n_samples - 1))
        output = output + taps[..., k] * torch.where(inside, read, torch.zeros_like(read))
    return output


class _DelayLine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, samples: Tensor, delay_samples: Tensor) -> Tensor:
        audio = np.ascontiguousarray(samples.detach().numpy()[:, 0])
        delay = np.ascontiguousarray(delay_samples.detach().numpy()[:, 0], dtype=np.float64)
        ctx.needed = (audio, delay)
        ctx.kinds = (samples.dtype, delay_samples.dtype)
        return torch.from_numpy(delay_forward(audio, delay))[:, None]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        audio, delay = ctx.needed
        of_output = np.ascontiguousarray(gradients[0].detach().numpy()[:, 0], dtype=audio.dtype)
        of_audio, of_delay = delay_backward(audio, delay, of_output)
        found = (of_audio, of_delay)
        return tuple(
            torch.from_numpy(gradient)[:, None].to(kind) if needed else None
            for gradient, kind, needed in zip(found, ctx.kinds, ctx.needs_input_grad, strict=True)
        )
