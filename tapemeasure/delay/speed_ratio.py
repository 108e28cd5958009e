"""How much faster an output runs than its input, whatever its delay: the shift between their spectra in log frequency.

A machine at a wrong speed, or a file exported at a wrong sample rate, moves every frequency by one factor. Trackers
follow speeds within about one per cent; what is further off is stretched by that factor first.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.long import Source
from tapemeasure.dsp.fractional import read_at

LOOKED_AT_S = 240.0
LOWEST_HZ, HIGHEST_HZ = 200.0, 12000.0
STEP = 5e-4
"""Resolution of the logarithmic frequency axis."""
SMEARS = (1, 8)
"""Steps that are taken together: steady speeds show in single ones, wow spreads each line over several."""
MEAN_STEPS = 60
LARGEST_RATIO = 2.2
MIN_AGREEMENT = 0.12
"""Correlation of the spectra: 0.3 and more where they belong together, up to 0.3 by chance (music in one key)."""
CANDIDATES = 3
HALF_TAPS = 32


@dataclass(frozen=True)
class SpeedRatio:
    """Speed of the output relative to that of the input (1.05 = 5 % fast), and the correlation of the spectra there."""

    ratio: float
    agreement: float


def find_speed_ratios(stimulus: FloatArray, output: FloatArray, *, sample_rate: float) -> list[SpeedRatio]:
    """Ratios between the speeds of output and input that their spectra suggest, the most likely first.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each, with much in common; their delay does not matter.
    sample_rate : float
        Hz.

    Returns
    -------
    list of SpeedRatio
        Up to three, between 1/2.2 and 2.2, at least 0.3 % apart; empty where nothing stands out.

    Notes
    -----
    Power over logarithmic frequency, relative to its mean over 3 %, correlated: a factor in speed is a shift
    (Fourier-Mellin transform). Accuracy: 0.05 %, where the speed wanders a few tenths of a per cent.
    """
    highest_hz = min(HIGHEST_HZ, 0.45 * sample_rate)
    if highest_hz <= 2.0 * LOWEST_HZ:
        return []
    edges_hz = np.exp(np.arange(np.log(LOWEST_HZ), np.log(highest_hz), STEP))
    sides = [_log_power(samples, edges_hz, sample_rate) for samples in (stimulus, output)]
    reach = round(np.log(LARGEST_RATIO) / STEP)
    found: list[SpeedRatio] = []
    for smear in SMEARS:
        found += _peaks(*(_fine(side, smear) for side in sides), reach=reach, smear=smear)
    best: list[SpeedRatio] = []
    for candidate in sorted(found, key=lambda each: -each.agreement):
        if all(abs(candidate.ratio / other.ratio - 1.0) > 3e-3 for other in best):
            best.append(candidate)
    return best[:CANDIDATES]


def _log_power(samples: FloatArray, edges_hz: FloatArray, sample_rate: float) -> FloatArray:
    """Power of the whole signal between neighbouring frequencies, on the logarithmic axis."""
    from scipy import fft

    centred = samples - samples.mean()
    length = fft.next_fast_len(len(centred), real=True)
    power = np.abs(fft.rfft(centred * np.hanning(len(centred)), length)) ** 2
    below = np.concatenate([[0.0], np.cumsum(power)])
    between = np.diff(np.interp(edges_hz * length / sample_rate + 0.5, np.arange(len(below)), below))
    return np.asarray(np.maximum(between, 1e-12 * power.max(initial=1e-300)), dtype=np.float64)


def _fine(power: FloatArray, smear: int) -> FloatArray:
    """What stands out of the power's own surroundings: of a mean of zero, with EQ and tilt taken away."""
    from scipy.ndimage import uniform_filter1d

    level = np.log(uniform_filter1d(power, smear))
    fine = level - uniform_filter1d(level, max(MEAN_STEPS, 8 * smear))
    return np.asarray(np.clip(fine, -3.0, 3.0), dtype=np.float64)


def _peaks(x: FloatArray, y: FloatArray, *, reach: int, smear: int) -> list[SpeedRatio]:
    from scipy.signal import correlate

    together = correlate(y, x, mode="full", method="fft")
    # every shift compares another part of the two axes
    ones = np.ones(len(x))
    sizes = [correlate(y**2, ones, mode="full", method="fft"), correlate(ones, x**2, mode="full", method="fft")]
    size = np.sqrt(np.maximum(sizes[0], 1e-9) * np.maximum(sizes[1], 1e-9))
    middle = len(x) - 1
    score = (together / np.maximum(size, 1e-9))[middle - reach : middle + reach + 1]
    result = []
    for _ in range(CANDIDATES):
        peak = int(np.argmax(score))
        if score[peak] < MIN_AGREEMENT:
            break
        result.append(SpeedRatio(float(np.exp((peak - reach) * STEP)), float(score[peak])))
        score[max(0, peak - 6 * smear) : peak + 6 * smear + 1] = -1.0
    return result


@dataclass(frozen=True)
class StretchedSource:
    """An input as it would sound `ratio` times faster, read by parts."""

    source: Source
    ratio: float

    @property
    def sample_rate(self) -> float:
        """Hz."""
        return self.source.sample_rate

    @property
    def n_samples(self) -> int:
        """Length."""
        return int((self.source.n_samples - 1) / self.ratio) + 1

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return self.source.n_channels

    def read(self, first: int, stop: int) -> FloatArray:
        """Samples from `first` to before `stop`, (n_samples, n_channels)."""
        where: FloatArray = np.arange(first, min(stop, self.n_samples), dtype=np.float64) * self.ratio
        if not len(where):
            return np.zeros((0, self.n_channels))
        low = max(0, int(where[0]) - HALF_TAPS)
        part = self.source.read(low, min(int(where[-1]) + HALF_TAPS + 2, self.source.n_samples))
        return read_at(part, where - low, half_taps=HALF_TAPS)
