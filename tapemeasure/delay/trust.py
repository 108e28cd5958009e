"""What of the evidence is to be believed, by how much, and where it tells nothing."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.machine_fit import SpectralSums, band_edges

CAPTURE_S = 20e-6
"""Uncertainty from which the waveform pulls the delay in: a quarter of a period at 12 kHz. It is the largest that
counts as evidence, too."""

MIN_STRENGTH = 60.0
"""Energy of the model over the noise within 0.1 s, below which a match is a matter of chance."""

GATE_S = 0.1
MIN_LINES = 5.0
"""Effective number of frequencies: a pure tone, windowed, has 2, and it fits at every one of its periods."""

LEAST_SPREAD = 0.1
"""All that sounds must not lie closer together than this, relative to its frequency: of a gliding tone time and
frequency are one, and a response would go along with any delay."""

MIN_LOCK = 0.5
"""Observed curvature over the expected one: 1 where output and model agree, 0 where they match by chance."""

CLEAR_HZ = 400.0
"""Delays that stand on lower frequencies have no vote on the machine's response."""

AROUND_S, LEAST_SHARE = 0.2, 0.03
"""What tells less than this share of what the surroundings tell is no model of how the delay moves."""

SCATTER_KNOTS, SCATTER = 5, (0.02, 1e6)
"""Knots over which the errors' power is averaged, and its range."""

BRIDGED, LEAST_LIMIT_S, BESIDE_S = 3.0, 4e-6, 0.05
"""A delay counts as bridged where its uncertainty is this many times that of the file's better quarter, if that is
above 4 us, and in the 25 ms beside: there the surroundings tell it, not the signal."""


@dataclass(frozen=True)
class Grid:
    """Samples between knots, and samples a second."""

    hop: int
    sample_rate: float

    @property
    def rate_hz(self) -> float:
        """Knots a second."""
        return self.sample_rate / self.hop

    def knots(self, seconds: float) -> int:
        """Number of knots in a time, at least 3."""
        return max(3, round(seconds * self.sample_rate / self.hop))


def believable(normal: FloatArray, spectra: SpectralSums, grid: Grid) -> BoolArray:
    """Where output and model agree in shape, are loud enough, and stand on more than a tone."""
    return alike(normal, grid) & rich(spectra, grid, normal.shape[1])


def rich(spectra: SpectralSums, grid: Grid, n_knots: int) -> BoolArray:
    """Where the evidence stands on more than a tone, and on more than one that glides."""
    knots = np.arange(n_knots) * grid.hop
    lines, spread = (np.interp(knots, spectra.centres, of_frames) for of_frames in (spectra.lines, spectra.spread))
    return np.asarray((lines > MIN_LINES) & (spread > LEAST_SPREAD))


def alike(normal: FloatArray, grid: Grid) -> BoolArray:
    """Where output and model agree in shape and are loud enough."""
    from scipy.ndimage import uniform_filter1d

    _, diagonal, beside, bend, energy, _ = normal
    window = grid.knots(GATE_S)
    expected, observed, strength = (
        window * uniform_filter1d(row, window, mode="nearest") for row in (diagonal + 2.0 * beside, bend, energy)
    )
    return np.asarray((observed > MIN_LOCK * expected) & (expected > 0.0) & (strength > MIN_STRENGTH))


def telling(normal: FloatArray, grid: Grid) -> BoolArray:
    """Knots that tell about the delay, compared with what is around them."""
    from scipy.ndimage import uniform_filter1d

    around = uniform_filter1d(normal[1], grid.knots(AROUND_S), mode="nearest")
    return np.asarray(uniform_filter1d(normal[1], 3, mode="nearest") > LEAST_SHARE * around)


def scatter(normal: FloatArray) -> FloatArray:
    """Power of the errors around every knot, where the slope is, in units of the assumed noise."""
    from scipy.ndimage import uniform_filter1d

    tiny = 1e-9 * float(normal[1].max(initial=0.0)) + 1e-30
    ratio = np.where(normal[1] > tiny, normal[5] / np.maximum(normal[1], tiny), 1.0)
    return np.asarray(np.clip(uniform_filter1d(ratio, SCATTER_KNOTS, mode="nearest"), *SCATTER), dtype=np.float64)


def voters(spectra: SpectralSums, sure: BoolArray, grid: Grid) -> BoolArray:
    """Knots that have a vote on the machine's response: those whose delay does not stand on the bass or a tone alone.

    Where it does, any delay would be explained by a response that goes along with it.
    """
    worth = np.asarray(spectra.worth, dtype=np.float64)
    high = spectra.frame * CLEAR_HZ / grid.sample_rate < band_edges(spectra.frame, grid.sample_rate)
    share = worth[:, high].sum(axis=1) / np.maximum(worth.sum(axis=1), 1e-30)
    knots = np.arange(len(sure)) * grid.hop
    clear = sure & (np.interp(knots, spectra.centres, share) > 0.5)
    clear &= np.interp(knots, spectra.centres, spectra.spread) > LEAST_SPREAD
    return clear if 4 * int(clear.sum()) > int(sure.sum()) else sure


def evident(sigma_s: FloatArray, known: BoolArray, grid: Grid) -> BoolArray:
    """Which of the known delays the signal tells, by their uncertainty (seconds), and not only what is around them."""
    from scipy.ndimage import maximum_filter1d

    if not known.any():
        return known
    limit_s = np.clip(BRIDGED * np.quantile(sigma_s[known], 0.25), LEAST_LIMIT_S, CAPTURE_S)
    doubt_s = np.where(known, sigma_s, CAPTURE_S)
    # outside of all that is known nothing is bridged
    doubt_s[: int(np.argmax(known))] = doubt_s[len(known) - int(np.argmax(known[::-1])) :] = 0.0
    worst_s = maximum_filter1d(doubt_s, round(BESIDE_S * grid.rate_hz) | 1, mode="nearest")
    return np.asarray(known & (worst_s < limit_s))
