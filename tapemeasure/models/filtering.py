"""A filter that is learned: blocks through FIR taps by fast convolution, gradients for signal and taps."""

import math

import torch
from torch import Tensor


def filter_block(samples: Tensor, taps: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """Output of an FIR filter for a block, and the past of the next block.

    Parameters
    ----------
    samples : Tensor, shape (batch, 1, n_samples)
        Full scale 1.0.
    taps : Tensor, shape (1 or batch, n_taps)
        One filter for all, or one a signal.
    past : Tensor, shape (batch, 1, n_taps - 1)
        What was filtered before; zeros at the start.

    Returns
    -------
    output : Tensor, shape (batch, 1, n_samples)
    past : Tensor, shape (batch, 1, n_taps - 1)

    Notes
    -----
    One circular convolution a block (overlap-save), in the precision of the signal: in float32 within 1e-6 of the
    block's peak.
    """
    n_past = past.shape[-1]
    if n_past == 0:
        return samples * taps[:, :, None], past
    joined = torch.cat([past, samples], dim=-1)
    length = fast_length(joined.shape[-1])
    spectrum = torch.fft.rfft(joined, length) * torch.fft.rfft(taps, length)[:, None]
    output: Tensor = torch.fft.irfft(spectrum, length)[..., n_past : joined.shape[-1]]
    return output, joined[..., -n_past:]


def fast_length(at_least: int) -> int:
    """The next length of the form 2^k, 3 2^k or 5 2^k, which Fourier transforms are quick at.

    Examples
    --------
    >>> fast_length(2559), fast_length(1025)
    (2560, 1280)
    """
    return min(factor << max(0, math.ceil(math.log2(at_least / factor))) for factor in (1, 3, 5))
