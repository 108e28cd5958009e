"""Training losses: the error-to-signal ratio of a block, plain or behind the DC blocker, with state between blocks."""

from typing import Literal

import torch
from torch import Tensor

from tapemeasure.analysis.signal_errors import DC_BLOCKER_POLE

LossKind = Literal["esr", "dc_blocked_esr"]

QUIET_POWER = 1e-4
"""Mean square (-40 dBFS) added to the target's, so that a silent batch has a finite and small loss."""


def esr_loss(output: Tensor, target: Tensor) -> Tensor:
    """Error-to-signal ratio over a whole batch, an energy ratio, as a scalar that can be differentiated.

    Parameters
    ----------
    output, target : Tensor, shape (batch, 1, n_samples)

    Notes
    -----
    ``sum((target - output)**2) / (sum(target**2) + 1e-4 n)``: a ratio of sums, not a mean of the segments' ratios, in
    which one nearly silent segment would outweigh all others.
    """
    return (target - output).square().sum() / (target.square().sum() + QUIET_POWER * target.numel())


class DcBlocker:
    """First-order high-pass ``(1 - z^-1) / (1 - 0.995 z^-1)`` on consecutive blocks; gradients stay in the block."""

    def __init__(self) -> None:
        self._carry: Tensor | None = None

    def __call__(self, samples: Tensor) -> Tensor:
        """Filter the next block, shape (..., n_samples)."""
        n_samples = samples.shape[-1]
        steps = torch.arange(n_samples, dtype=samples.dtype)
        decay = DC_BLOCKER_POLE**steps
        impulse_response = (DC_BLOCKER_POLE - 1.0) * DC_BLOCKER_POLE ** (steps - 1.0)
        impulse_response[0] = 1.0
        spectrum = torch.fft.rfft(samples, 2 * n_samples) * torch.fft.rfft(impulse_response, 2 * n_samples)
        filtered: Tensor = torch.fft.irfft(spectrum, 2 * n_samples)[..., :n_samples]
        if self._carry is not None:
            filtered = filtered + self._carry * decay
        # what the last samples of this block add to the next block's first
        self._carry = (DC_BLOCKER_POLE * filtered[..., -1:] - samples[..., -1:]).detach()
        return filtered


class BlockLoss:
    """Loss on consecutive blocks of one batch; make a new one for the next batch.

    Parameters
    ----------
    kind : str
        ``esr`` or ``dc_blocked_esr``.
    """

    def __init__(self, kind: LossKind) -> None:
        self._blockers = (DcBlocker(), DcBlocker()) if kind == "dc_blocked_esr" else None

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of the next block, shapes (batch, 1, n_samples)."""
        if self._blockers is None:
            return esr_loss(output, target)
        of_error, of_target = self._blockers
        error, blocked = of_error(target - output), of_target(target)
        return esr_loss(blocked - error, blocked)
