"""A slow correction of the tracked delay, learned together with the network that stands before the delay line."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tapemeasure.training.datasets import AlignedPair

PENALTY = 1e-5
"""Loss of a correction of one standard deviation everywhere, and of a bend of as much at every knot."""


class DelayCorrection(nn.Module):
    """Correction of every pair's delay in samples: knots on a slow grid, straight lines between them.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        What is trained on.
    rate_hz : float
        Knots a second.
    sigma_s : float
        Standard deviation of the correction, seconds: what the penalty measures with.

    Notes
    -----
    The penalty grows with the square of the correction and of its second difference; so a trajectory is only moved
    where the programme says so.
    """

    def __init__(self, pairs: Sequence[AlignedPair], *, rate_hz: float, sigma_s: float) -> None:
        super().__init__()
        sample_rate = pairs[0].sample_rate
        self.step_samples = sample_rate / rate_hz
        self.sigma_samples = sigma_s * sample_rate
        longest = max(len(pair.target) for pair in pairs)
        self.knots = nn.Parameter(torch.zeros(len(pairs), int(longest / self.step_samples) + 2, dtype=torch.float64))

    def forward(self, pairs: Tensor, starts: Tensor, n_samples: int) -> Tensor:
        """Correction behind the sample `starts` of the target of each of `pairs`, (batch, 1, n_samples)."""
        place = (starts[:, None] + torch.arange(n_samples)).clamp_min(0) / self.step_samples
        low = place.long()
        share = place - low
        rows = pairs[:, None]
        values = self.values()
        return (values[rows, low] * (1.0 - share) + values[rows, low + 1] * share)[:, None]

    def values(self) -> Tensor:
        """The knots, (n_pairs, n_knots), with a mean of 0: a constant delay belongs to the network."""
        return self.knots - self.knots.mean()

    def penalty(self) -> Tensor:
        """What the correction costs, added to the loss."""
        values = self.values()
        bends = torch.diff(values, n=2, dim=1)
        roughness = bends.square().mean() if bends.numel() else values.new_zeros(())
        return PENALTY * (values.square().mean() + roughness) / self.sigma_samples**2

    def rms_s(self, sample_rate: float) -> float:
        """Root mean square of the correction over all knots, seconds."""
        return float(self.values().detach().square().mean().sqrt()) / sample_rate
