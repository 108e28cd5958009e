"""Rows beside the network: a Wiener-Hammerstein model, the fitted tape machine, another take of a computed machine."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stages.common import Take
from tapemeasure.analysis.linear_fit import fit_fir
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.create import create_device
from tapemeasure.fit.knobs import MAGNETIC
from tapemeasure.fit.linear_part import delayed
from tapemeasure.fit.machine import HELD_OUT_SHARE, FitPlan, fit_machine
from tapemeasure.fit.objective import play, still
from tapemeasure.models.filtering import fast_length
from tapemeasure.params.devices import TapeProfile
from tapemeasure.signals.timeline import Split
from tapemeasure.training.datasets import AlignedPair
from tapemeasure.training.splits import programme_ranges

FIRST_TAPS, DEGREE = 256, 7
N_STEPS = 30
LONGEST_S = 30.0
AROUND_S = 2.0


class WienerHammerstein:
    """FIR filter, polynomial of degree 7, FIR filter: all by least squares together (L-BFGS).

    It starts as the best single FIR filter: a pure 1 in front, the polynomial v = u.
    """

    def __init__(self, pairs: Sequence[AlignedPair], *, last_taps: int) -> None:
        self.last_taps = last_taps
        source = np.concatenate([pair.input for pair in pairs])
        target = np.concatenate([pair.target for pair in pairs])
        longest = round(LONGEST_S * pairs[0].sample_rate)
        source, target = source[:longest], target[:longest]
        self.scale = float(np.max(np.abs(source)))
        last = fit_fir([source], [target], taps=last_taps)
        self.lead = last_taps // 4
        reach = np.zeros(last_taps)
        reach[self.lead] = 1.0
        # what the fitted filter does to a click is its response, on the same time axis
        self.last = torch.from_numpy(last.apply(reach) * self.scale)
        self.first = torch.zeros(FIRST_TAPS, dtype=torch.float64)
        self.first[0] = 1.0
        self.powers = torch.zeros(DEGREE, dtype=torch.float64)
        self.powers[0] = 1.0
        self._fit(torch.from_numpy(source), torch.from_numpy(target))

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return FIRST_TAPS + DEGREE + self.last_taps

    def _fit(self, source: Tensor, target: Tensor) -> None:
        parts = [part.requires_grad_() for part in (self.first, self.powers, self.last)]
        optimizer = torch.optim.LBFGS(parts, max_iter=N_STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (self._played(source) - target).square().sum() / target.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    def _played(self, source: Tensor) -> Tensor:
        inside = _convolved(source / self.scale, self.first)[: len(source)]
        bent = sum(share * inside ** (k + 1) for k, share in enumerate(self.powers))
        return _convolved(bent, self.last)[self.lead : self.lead + len(source)]

    def apply(self, source: FloatArray) -> FloatArray:
        """Output for an input of shape (n_samples,)."""
        with torch.no_grad():
            return self._played(torch.from_numpy(source)).numpy()


class FittedMachine:
    """The built-in tape machine fitted to the training set (`tapemeasure fit`), a filter behind where that is needed.

    It knows nothing of the machine but what `tapemeasure fit` knows by default.
    """

    def __init__(self, pairs: Sequence[AlignedPair], *, fir_taps: int) -> None:
        self.sample_rate = pairs[0].sample_rate
        source = np.concatenate([pair.input for pair in pairs])
        target = np.concatenate([pair.target for pair in pairs])
        edge = round((1.0 - HELD_OUT_SHARE) * len(source))
        plan = FitPlan(names=(*MAGNETIC, "input_gain_db"), fit_parts=((0, edge),))
        fit = fit_machine(source, target, sample_rate=self.sample_rate, plan=plan)
        self.fit, self.filter = fit, None
        if fit.response == "filter":
            longest = round(LONGEST_S * self.sample_rate)
            self.filter = fit_fir([self._played(source[:longest])], [target[:longest]], taps=fir_taps)

    @property
    def response(self) -> str:
        """``gain`` or ``filter``: what stands behind the knobs."""
        return self.fit.response

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted: knobs, gain and delay, the filter."""
        return len(self.fit.knobs) + 2 + (0 if self.filter is None else self.filter.taps.size)

    def _played(self, source: FloatArray) -> FloatArray:
        late = play(still(self.fit.settings), source, sample_rate=self.sample_rate)
        return delayed(late, self.fit.delay_samples)

    def apply(self, source: FloatArray) -> FloatArray:
        """Output for an input of shape (n_samples,)."""
        played = self._played(source)
        return played if self.filter is None else self.filter.apply(played)


def _convolved(signal: Tensor, taps: Tensor) -> Tensor:
    length = fast_length(len(signal) + len(taps))
    return torch.fft.irfft(torch.fft.rfft(signal, length) * torch.fft.rfft(taps, length), length)


def replicate(take: Take, profile: TapeProfile, split: Split) -> list[FloatArray]:
    """What another take of the same computed machine, tracked and aligned alike, has in the parts of a split."""
    stimulus, _, sample_rate = take.read()
    around = round(AROUND_S * sample_rate)
    found = []
    for part in programme_ranges(len(stimulus), timeline=take.timeline, split=take.split)[split]:
        first = max(0, part.start_samples - around)
        heard = stimulus[first : part.stop_samples + around]
        output = create_device(profile, seed=profile.seed + 1000).run(heard, sample_rate=sample_rate).samples
        tracked = track_delay(heard, output, sample_rate=sample_rate, pilot="auto")
        aligned = undo_delay(
            output, tracked.trajectory, sample_rate=sample_rate, length_samples=len(heard), half_taps=32
        )
        inside = slice(part.start_samples - first, part.stop_samples - first)
        found.append(aligned[inside, 0])
    return found
