"""The whole number of samples by which a take as a whole is late: what aligns it by hand in an editor."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.long import Source
from tapemeasure.trajectory import DelayTrajectory

LONGEST_S, MOST_SAMPLES = 600.0, 3e7
"""Longer takes are left out: one transform holds all of a take, and its speed drifts anyway."""

PIECE_SAMPLES = 1_000_000
BESIDE_S = 0.01
FLOOR = 1e-9
"""Least magnitude that is whitened, relative to the largest: below lies what rounding leaves."""


def whole_take_delay_samples(
    stimulus: Source, output: Source, *, channel: int, trajectory: DelayTrajectory
) -> int | None:
    """Integer lag, in samples, at which output and input as a whole correlate best; None if there is no such figure.

    Parameters
    ----------
    stimulus, output : Source
        Of one sample rate.
    channel : int
        Channel of the programme, from 0.
    trajectory : DelayTrajectory
        As tracked; lags from 10 ms below its smallest to 10 ms above its largest delay are looked at.

    Returns
    -------
    int or None
        Positive where the output is late. None beyond 10 minutes or 30 million samples, and where one is silent.

    Notes
    -----
    Peak of the cross-correlation with all magnitudes set to one (PHAT), its sign left aside, over the whole of both
    files at once. Every frequency and every moment has the same weight, so that it differs from the mean of the
    trajectory by the phase of the machine and by its wow.

    References
    ----------
    .. [1] C. H. Knapp, G. C. Carter, "The generalized correlation method for estimation of time delay", 1976.
    """
    from scipy import fft

    rate = output.sample_rate
    longest = max(stimulus.n_samples, output.n_samples)
    if longest > min(LONGEST_S * rate, MOST_SAMPLES):
        return None
    known_s = trajectory.delay_s[trajectory.valid] if trajectory.valid.any() else trajectory.delay_s
    low = int(np.floor((float(known_s.min()) - BESIDE_S) * rate))
    high = int(np.ceil((float(known_s.max()) + BESIDE_S) * rate))
    # lags beyond those looked at may wrap
    length = fft.next_fast_len(longest + max(abs(low), abs(high)) + 1, real=True)
    cross = fft.rfft(_channel(output, channel), length) * np.conj(fft.rfft(_channel(stimulus, channel), length))
    magnitude = np.abs(cross)
    floor = FLOOR * float(magnitude.max())
    if not floor > 0.0:
        return None
    correlation = fft.irfft(cross / np.maximum(magnitude, floor), length)
    lags = np.arange(low, high + 1)
    return int(lags[np.argmax(np.abs(correlation[lags % length]))])


def _channel(source: Source, channel: int) -> FloatArray:
    """One channel as 32-bit floats, without its mean."""
    samples = np.empty(source.n_samples, dtype=np.float32)
    for first in range(0, source.n_samples, PIECE_SAMPLES):
        stop = min(first + PIECE_SAMPLES, source.n_samples)
        samples[first:stop] = source.read(first, stop)[:, channel]
    return np.asarray(samples - samples.mean(dtype=np.float64), dtype=np.float32)
