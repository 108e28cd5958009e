"""The best a linear machine could do: the gain and the FIR filter that turn inputs into targets with least error.

They are the baselines that a trained model must beat on signals it was not fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, ParameterError, SignalError

REGULARISATION = 1e-8
"""Added to the input's energy (lag 0 of its autocorrelation), relative: -80 dB of white noise."""


@dataclass(frozen=True)
class LinearFilter:
    """An FIR filter that may look a few samples ahead.

    Parameters
    ----------
    taps : ndarray, shape (n_taps,)
        Impulse response, from `lookahead_samples` before time zero.
    lookahead_samples : int
        Index of the tap at time zero.
    """

    taps: FloatArray
    lookahead_samples: int

    def apply(self, samples: FloatArray) -> FloatArray:
        """Filter a signal of shape (n_samples,); the output has the same length and time axis."""
        from scipy.signal import fftconvolve

        full = np.asarray(fftconvolve(samples, self.taps), dtype=np.float64)
        return full[self.lookahead_samples : self.lookahead_samples + len(samples)]


def fit_gain(inputs: Sequence[FloatArray], targets: Sequence[FloatArray]) -> float:
    """Gain (a factor) that brings the inputs nearest to the targets in the least-squares sense.

    Parameters
    ----------
    inputs, targets : sequence of ndarray, each of shape (n_samples,)
        Stretches that belong together, aligned.

    Raises
    ------
    SignalError
        If a stretch is empty or not finite, or all inputs are silent.
    MismatchError
        If the numbers or the lengths of the stretches differ.

    Examples
    --------
    >>> fit_gain([np.array([1.0, -2.0])], [np.array([0.5, -1.0])])
    0.5
    """
    _check(inputs, targets)
    energy = sum(float(x @ x) for x in inputs)
    return sum(float(x @ y) for x, y in zip(inputs, targets, strict=True)) / energy


def fit_fir(
    inputs: Sequence[FloatArray], targets: Sequence[FloatArray], *, taps: int, lookahead_samples: int = 32
) -> LinearFilter:
    """Least-squares FIR filter from inputs to targets.

    Parameters
    ----------
    inputs, targets : sequence of ndarray, each of shape (n_samples,)
        Stretches that belong together, aligned; they may have different lengths.
    taps : int
        Length of the filter, at least 1 and at most the longest stretch.
    lookahead_samples : int
        How many taps lie before time zero, 0 to `taps` - 1 (cut to that): alignment leaves fractions of a sample,
        whose sinc reaches to both sides.

    Raises
    ------
    ParameterError
        If `taps` or `lookahead_samples` is out of range.
    SignalError
        If a stretch is empty or not finite, or all inputs are silent.
    MismatchError
        If the numbers or the lengths of the stretches differ.

    Notes
    -----
    Normal equations with the auto- and cross-correlations summed over the stretches (each padded with zeros, so that
    nothing wraps), regularised by -80 dB of white noise, solved by Levinson's recursion: O(taps^2). For a stretch much
    longer than the filter the estimate is unbiased; noise of energy N in the target leaves an ESR of about
    ``N taps / n_samples`` more than the best possible on new signals.

    References
    ----------
    G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., 4.7 (Toeplitz systems).
    """
    from scipy.linalg import solve_toeplitz

    _check(inputs, targets)
    longest = max(len(x) for x in inputs)
    if not 1 <= taps <= longest:
        raise ParameterError(f"FIR fit: {taps} taps; give 1 to {longest}, the samples of the longest stretch")
    if lookahead_samples < 0:
        raise ParameterError(f"FIR fit: look-ahead of {lookahead_samples} samples; give 0 or more")
    ahead = min(lookahead_samples, taps - 1)
    auto, cross = np.zeros(taps), np.zeros(taps)
    for x, y in zip(inputs, targets, strict=True):
        of_input, with_target = _correlations(x, y, taps=taps, ahead=ahead)
        auto += of_input
        cross += with_target
    auto[0] *= 1.0 + REGULARISATION
    return LinearFilter(taps=np.asarray(solve_toeplitz(auto, cross), dtype=np.float64), lookahead_samples=ahead)


def _correlations(x: FloatArray, y: FloatArray, *, taps: int, ahead: int) -> tuple[FloatArray, FloatArray]:
    """Autocorrelation at lags 0..taps-1, cross-correlation at lags -ahead..taps-1-ahead."""
    from scipy import fft

    length = fft.next_fast_len(len(x) + taps, real=True)
    spectrum = fft.rfft(x, length)
    auto = fft.irfft(np.abs(spectrum) ** 2, length)[:taps]
    cross = np.roll(fft.irfft(fft.rfft(y, length) * np.conj(spectrum), length), ahead)[:taps]
    return np.asarray(auto, dtype=np.float64), np.asarray(cross, dtype=np.float64)


def _check(inputs: Sequence[FloatArray], targets: Sequence[FloatArray]) -> None:
    if len(inputs) != len(targets) or not inputs:
        raise MismatchError(f"linear fit: {len(inputs)} inputs, {len(targets)} targets; give one target an input")
    for x, y in zip(inputs, targets, strict=True):
        if x.ndim != 1 or x.shape != y.shape:
            raise MismatchError(
                f"linear fit: an input has the shape {x.shape}, its target {y.shape}; give one channel of equal length"
            )
        if x.size == 0:
            raise SignalError("linear fit: a stretch is empty (0 samples); leave it out")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise SignalError("linear fit: a stretch holds NaN or infinite samples; make it again")
    if not any(np.any(x) for x in inputs):
        raise SignalError("linear fit: all inputs are silent, so no gain or filter can be fitted; give programme")
