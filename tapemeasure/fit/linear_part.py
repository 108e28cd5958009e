"""What the machine does linearly behind the fitted knobs: a gain and a delay, or a filter; found by least squares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tapemeasure.analysis.linear_fit import LinearFilter, fit_fir
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import SignalError
from tapemeasure.fit.pair import Stretch

Response = Literal["gain", "filter"]

FILTER_S = 0.0464
AHEAD_SHARE = 0.125
DELAY_STEPS = 8
DELAY_TOLERANCE_SAMPLES = 1e-6
LARGEST_DELAY_SAMPLES = 64.0
SLOPE_TAPS = (-1 / 280, 4 / 105, -1 / 5, 4 / 5, 0.0, -4 / 5, 1 / 5, -4 / 105, 1 / 280)
"""Central differences of eighth order: within 1 % up to 0.3 of the sample rate."""


@dataclass(frozen=True)
class LinearPart:
    """A gain with a delay, or a filter that holds both.

    Parameters
    ----------
    gain : float
        Factor; 1 where there is a filter.
    delay_samples : float
        Positive = late; 0 where there is a filter.
    filter : LinearFilter or None
        The filter.
    """

    gain: float = 1.0
    delay_samples: float = 0.0
    filter: LinearFilter | None = None

    def apply(self, samples: FloatArray) -> FloatArray:
        """Signal of shape (n_samples,) behind it."""
        if self.filter is not None:
            return self.filter.apply(samples)
        return self.gain * delayed(samples, self.delay_samples)


def delayed(samples: FloatArray, delay_samples: float) -> FloatArray:
    """Signal of shape (n_samples,), later by any number of samples."""
    if delay_samples == 0.0:
        return samples
    return read_at(samples, np.arange(len(samples), dtype=np.float64) - delay_samples)


def fit_linear(
    played: Sequence[FloatArray],
    targets: Sequence[FloatArray],
    stretches: Sequence[Stretch],
    *,
    response: Response,
    sample_rate: int,
    start_samples: float = 0.0,
) -> LinearPart:
    """Linear part that brings what the model played nearest to the targets.

    Parameters
    ----------
    played, targets : sequence of ndarray, each of shape (n_samples,)
        Stretches with their run-in.
    stretches : sequence of Stretch
        What of each is compared.
    response : str
        ``gain``: gain and delay; ``filter``: an FIR of 46 ms.
    sample_rate : int
        Hz.
    start_samples : float
        Where the search for the delay begins.

    Raises
    ------
    SignalError
        If what was played is silent.

    Notes
    -----
    The delay by Gauss-Newton steps: played and its slope are fitted to the target, their ratio is the correction. The
    filter is fitted to the run-in as well, so that its own run-in lies there.
    """
    if response == "filter":
        taps = round(FILTER_S * sample_rate)
        return LinearPart(filter=fit_fir(played, targets, taps=taps, lookahead_samples=round(AHEAD_SHARE * taps)))
    delay, gain = start_samples, 1.0
    for _ in range(DELAY_STEPS):
        normal, right = np.zeros((2, 2)), np.zeros(2)
        for samples, target, stretch in zip(played, targets, stretches, strict=True):
            late = delayed(samples, delay)
            both = np.stack((stretch.compared(late), -stretch.compared(np.convolve(late, SLOPE_TAPS, mode="same"))))
            normal += both @ both.T
            right += both @ stretch.compared(target)
        if not normal[0, 0] > 0.0:
            raise SignalError("fit: the model's output is silent here; give a stretch with programme")
        gain, by_delay = np.linalg.lstsq(normal, right, rcond=1e-12)[0].tolist()
        step = by_delay / gain if gain else 0.0
        delay = float(np.clip(delay + step, -LARGEST_DELAY_SAMPLES, LARGEST_DELAY_SAMPLES))
        if abs(step) < DELAY_TOLERANCE_SAMPLES:
            break
    return LinearPart(gain=float(gain), delay_samples=delay)
