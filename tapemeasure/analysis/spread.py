"""Uncertainty of a figure from the spread of its blocks; two standard uncertainties cover 95 % for few blocks too."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError

MIN_BLOCKS = 3


@dataclass(frozen=True)
class Figure:
    """A value and its standard uncertainty, in the same unit; NaN where the uncertainty is not known."""

    value: float
    sigma: float


def student_factor(n_blocks: int) -> float:
    """By how much a standard deviation from few blocks is enlarged so that twice it covers 95 %.

    Examples
    --------
    >>> round(student_factor(4), 2), round(student_factor(100), 2)
    (1.62, 1.01)
    """
    from scipy.special import stdtrit

    if n_blocks < 2:
        return float("nan")
    return float(stdtrit(n_blocks - 1, 0.975)) / 1.96


def mean_of_blocks(values: FloatArray) -> Figure:
    """Mean of one value a block, and its uncertainty from their spread.

    Raises
    ------
    SignalError
        If there is no block.
    """
    if len(values) == 0:
        raise SignalError("no block to take a mean of; give a longer signal")
    if len(values) < 2:
        return Figure(float(np.mean(values)), float("nan"))
    sigma = float(np.std(values, ddof=1)) / np.sqrt(len(values)) * student_factor(len(values))
    return Figure(float(np.mean(values)), float(sigma))


def rms_figure(samples: FloatArray, *, block_samples: int) -> Figure:
    """Root mean square of a signal without its mean; the uncertainty is that of the mean power of its blocks.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Stationary.
    block_samples : int
        Length of a block, longer than the signal remembers. With fewer than three blocks the uncertainty comes from
        the spectrum of the signal, taken as Gaussian.
    """
    power = np.square(samples - np.mean(samples))
    value = float(np.sqrt(np.mean(power)))
    blocks = len(samples) // block_samples if block_samples > 0 else 0
    if value == 0.0 or blocks < MIN_BLOCKS:
        return Figure(value, value * gaussian_share(samples))
    means = np.array([np.mean(part) for part in np.array_split(power, blocks)])
    return Figure(value, 0.5 * mean_of_blocks(means).sigma / value)


def gaussian_share(samples: FloatArray) -> float:
    """Relative standard deviation of the rms of a Gaussian signal with this spectrum: 1 over twice its root of freedom.

    Notes
    -----
    The variance of a mean power is the integral of the squared density over the time; half of the squared periodogram
    is the squared density.
    """
    power = np.abs(np.fft.rfft(samples - np.mean(samples)))[1:] ** 2
    total = float(np.sum(power))
    return 0.5 * float(np.sqrt(0.5 * np.sum(power**2))) / total if total > 0.0 else 0.0


def quantile_figure(values: FloatArray, *, share: float, block_samples: int) -> Figure:
    """Value that a share (0..1) of all values stays below; the uncertainty is that of the share among the blocks.

    Parameters are those of `rms_figure`; with fewer than three blocks the uncertainty is NaN.
    """
    value = float(np.quantile(values, share))
    blocks = len(values) // block_samples if block_samples > 0 else 0
    if blocks < MIN_BLOCKS:
        return Figure(value, float("nan"))
    below = np.array([np.mean(part <= value) for part in np.array_split(values, blocks)])
    error = mean_of_blocks(below).sigma
    low, high = np.quantile(values, [max(share - error, 0.0), min(share + error, 1.0)])
    return Figure(value, 0.5 * float(high - low))
