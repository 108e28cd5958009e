"""The linear part of a recording path by least squares, before the training goes on with it.

Unlike the filter that a model is compared with (`tapemeasure.analysis.linear_fit`), this one knows that takes differ:
every band of every take counts by how well the filter explains it, and a prior holds the response down where no take
has anything to say. With few seconds of audio that halves the error on takes that were not heard.
"""

from collections.abc import Sequence

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.training.datasets import AlignedPair, common_sample_rate

ROUNDS = 4
BAND_OCTAVES = 1.0 / 3.0
"""Width of the bands in which a take's residual is measured."""

NARROWEST_HZ = 12.0
GAIN_SIGMA = 0.3
"""Prior of the response: a gain of 0 with this standard deviation, which only counts where the data are silent."""

LOWEST_HZ = 20.0
"""Below it the prior narrows by 12 dB an octave, down to `NARROWEST_PRIOR_HZ`: heads do not play a standing flux."""

NARROWEST_PRIOR_HZ = 10.0

SMALLEST_ERROR = 1e-10
"""Least residual that is counted with, as a share of the loudest target's power."""

TINY_POWER = 1e-30
FIRST_ERROR = 0.01
"""Share of a target's power that counts as residual before the first round."""


def fit_linear_part(pairs: Sequence[AlignedPair], *, taps: int, lead_samples: int) -> FloatArray:
    """Impulse response of the linear part, from `lead_samples` before time zero.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        At one sample rate.
    taps : int
        At least 1 and at most the samples of the longest pair.
    lead_samples : int
        Index of the tap at time zero, 0 to `taps` - 1.

    Returns
    -------
    ndarray, shape (taps,)

    Raises
    ------
    ParameterError
        If `taps` or `lead_samples` is out of range.
    MismatchError
        If the sample rates differ.
    SignalError
        If there is no pair.

    Notes
    -----
    Weighted normal equations in the frequency domain: the residual's spectrum of each take, smoothed over third
    octaves, is the noise that its equations are weighed with (iteratively reweighted, four rounds). They stay of
    Toeplitz form and are solved by Levinson's recursion: O(taps^2).

    References
    ----------
    L. Ljung, "System Identification", 2nd ed., 1999, 7.4 (noise of unknown colour), 9.4 (regularisation).
    """
    from scipy import fft
    from scipy.linalg import solve_toeplitz

    sample_rate = common_sample_rate(pairs)
    longest = max(len(pair.input) for pair in pairs)
    if not 1 <= taps <= longest:
        raise ParameterError(f"linear part: {taps} taps; give 1 to {longest}, the samples of the longest pair")
    if not 0 <= lead_samples < taps:
        raise ParameterError(f"linear part: a lead of {lead_samples} samples; give 0 to {taps - 1}")
    length = fft.next_fast_len(longest + taps, real=True)
    frequency_hz = fft.rfftfreq(length, 1.0 / sample_rate)
    spectra = [(fft.rfft(pair.input, length), fft.rfft(pair.target, length)) for pair in pairs]
    # a prior on each of `taps` bands, where the data have `length` of them
    prior = taps / GAIN_SIGMA**2 * (1.0 + (LOWEST_HZ / np.maximum(frequency_hz, NARROWEST_PRIOR_HZ)) ** 4)
    shift = np.exp(2j * np.pi * frequency_hz * lead_samples / sample_rate)
    floor = SMALLEST_ERROR * max(float(np.square(np.abs(of_target)).mean()) for _, of_target in spectra) + TINY_POWER
    residuals = [FIRST_ERROR * np.square(np.abs(of_target)) for _, of_target in spectra]
    for _ in range(ROUNDS):
        auto, cross = prior.astype(np.float64), np.zeros(len(frequency_hz), np.complex128)
        for (of_input, of_target), residual in zip(spectra, residuals, strict=True):
            weight = length / (_smoothed(residual, step_hz=sample_rate / length) + floor)
            auto = auto + weight * np.square(np.abs(of_input))
            cross = cross + weight * of_target * np.conj(of_input)
        lags = np.roll(fft.irfft(cross, length), lead_samples)[:taps]
        response = np.asarray(solve_toeplitz(fft.irfft(auto, length)[:taps], lags), dtype=np.float64)
        gain = fft.rfft(response, length) * shift
        residuals = [np.square(np.abs(of_target - gain * of_input)) for of_input, of_target in spectra]
    return response


def _smoothed(power: FloatArray, *, step_hz: float) -> FloatArray:
    """Power averaged over third octaves and at least 2 `NARROWEST_HZ`, on the same grid."""
    n = np.arange(len(power))
    least = NARROWEST_HZ / step_hz
    low = np.maximum(0, np.floor(n * 2 ** (-BAND_OCTAVES / 2) - least)).astype(int)
    high = np.minimum(len(power), np.ceil(n * 2 ** (BAND_OCTAVES / 2) + least) + 1).astype(int)
    total = np.concatenate([[0.0], np.cumsum(power)])
    return np.asarray((total[high] - total[low]) / (high - low), dtype=np.float64)
