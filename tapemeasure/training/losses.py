"""Training losses on consecutive blocks: error-to-signal ratio, plain, filtered, or with a distance of spectra."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from tapemeasure.analysis.signal_errors import DC_BLOCKER_POLE, POWER_FLOOR, STFT_RESOLUTIONS

LossKind = Literal["esr", "dc_blocked_esr", "pre_emphasised_esr", "esr_mr_stft"]

QUIET_POWER = 1e-4
"""Mean square (-40 dBFS) added to the target's, so that a silent batch has a finite and small loss."""

PRE_EMPHASIS = 0.85
MR_STFT_WEIGHT = 0.01
"""Share of the MR-STFT distance beside the ESR: near 1e-3 of ESR both then pull alike."""


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


def mr_stft_loss(output: Tensor, target: Tensor) -> Tensor:
    """Multi-resolution STFT distance of a batch, as `tapemeasure.analysis.signal_errors.mr_stft`, differentiable.

    Parameters
    ----------
    output, target : Tensor, shape (batch, 1, n_samples)
        More than 1024 samples.

    References
    ----------
    R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020; C. J. Steinmetz, J. D. Reiss, "auraloss", DMRN+15 2020.
    """
    total = output.new_zeros(())
    for sizes in STFT_RESOLUTIONS:
        of_output, of_target = _magnitudes(output, *sizes), _magnitudes(target, *sizes)
        convergence = torch.linalg.norm(of_target - of_output) / torch.linalg.norm(of_target)
        total = total + convergence + (of_output.log() - of_target.log()).abs().mean()
    return total / len(STFT_RESOLUTIONS)


def _magnitudes(samples: Tensor, fft_size: int, hop: int, window_size: int) -> Tensor:
    window = torch.hann_window(window_size, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(samples[:, 0], fft_size, hop, window_size, window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).clamp_min(POWER_FLOOR).sqrt()


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


class PreEmphasis:
    """First-order high-pass ``1 - 0.85 z^-1`` on consecutive blocks, which weighs treble as the ear does.

    References
    ----------
    A. Wright, V. Valimaki, "Perceptual loss function for neural modelling of audio systems", ICASSP 2020.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def __call__(self, samples: Tensor) -> Tensor:
        """Filter the next block, shape (..., n_samples)."""
        last = torch.zeros_like(samples[..., :1]) if self._last is None else self._last
        self._last = samples[..., -1:].detach()
        return samples - PRE_EMPHASIS * torch.cat([last, samples[..., :-1]], dim=-1)


class BlockLoss:
    """Loss on consecutive blocks of one batch; make a new one for the next batch.

    Parameters
    ----------
    kind : str
        ``esr``, ``dc_blocked_esr``, ``pre_emphasised_esr``, or ``esr_mr_stft``: ESR and a small share of MR-STFT.
    """

    def __init__(self, kind: LossKind) -> None:
        make: dict[str, Callable[[], DcBlocker | PreEmphasis]] = {
            "dc_blocked_esr": DcBlocker,
            "pre_emphasised_esr": PreEmphasis,
        }
        self._filters = (make[kind](), make[kind]()) if kind in make else None
        self._spectral = kind == "esr_mr_stft"

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of the next block, shapes (batch, 1, n_samples)."""
        if self._filters is not None:
            of_error, of_target = self._filters
            error, filtered = of_error(target - output), of_target(target)
            return esr_loss(filtered - error, filtered)
        loss = esr_loss(output, target)
        return loss + MR_STFT_WEIGHT * mr_stft_loss(output, target) if self._spectral else loss
