"""Running average of a network's weights: what is validated and kept, while the optimiser goes on with its own."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class RunningAverage(Generic[Network]):
    """Exponential average of a network's weights.

    Parameters
    ----------
    model : Module
        Whose weights are averaged.
    updates : float
        About how many updates count; 0 for none, then the average is the network itself.

    Notes
    -----
    The share of the newest weights is ``1 / min(n / 10 + 1, updates + 1)`` at the nth update: it follows at the start
    and averages later, so that the first weights are soon forgotten.

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control 30, 1992.
    """

    def __init__(self, model: Network, *, updates: float) -> None:
        self._live = model
        self._updates = updates
        self._count = 0
        self.model = copy.deepcopy(model) if updates > 0.0 else model

    def update(self) -> None:
        """Take the network's weights in, after an update of them."""
        if self.model is self._live:
            return
        self._count += 1
        share = 1.0 / min(self._count / 10.0 + 1.0, self._updates + 1.0)
        with torch.no_grad():
            for mean, live in zip(self.model.parameters(), self._live.parameters(), strict=True):
                mean.lerp_(live, share)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {"count": self._count, "model": copy.deepcopy(self.model.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._count = state["count"]
        if self.model is not self._live:
            self.model.load_state_dict(state["model"])
