"""Generalised cross-correlation: how alike two signals are at every lag, with the spectrum partly whitened."""

import numpy as np

from tapemeasure.arrays import FloatArray, IntArray

WHITENING = 0.6
"""Exponent of the whitening: 0 is the plain correlation, which bass dominates; 1 is PHAT, which trusts mere hiss."""


def generalised_correlation(
    reference: FloatArray, signal: FloatArray, *, max_lag_samples: int, whitening: float = WHITENING
) -> FloatArray:
    """Cross-correlation of frames with the cross-spectrum weighted by ``|G|**-whitening``, between -1 and 1.

    Parameters
    ----------
    reference : ndarray, shape (n_frames, n_samples)
        Frames of the input.
    signal : ndarray, shape (n_frames, n_samples)
        Frames of the output.
    max_lag_samples : int
        Lags from minus to plus this many samples are returned; a positive lag means that `signal` is late.
    whitening : float
        0 (plain) to 1 (phase only).

    Returns
    -------
    ndarray, shape (n_frames, 2 * max_lag_samples + 1)
        1 means a pure delay; zeros where a frame is silent.

    Notes
    -----
    Frames are zero-padded by the largest lag, so no lag wraps round. Both frames should be windowed.

    References
    ----------
    .. [1] C. H. Knapp, G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE Trans.
       ASSP 24(4), 1976.
    """
    from scipy import fft

    length = fft.next_fast_len(reference.shape[1] + max_lag_samples, real=True)
    # two transforms of 32-bit floats: lags need no more, and it is twice as fast
    a = fft.rfft(reference.astype(np.float32), length, axis=1)
    b = fft.rfft(signal.astype(np.float32), length, axis=1)
    cross = b * np.conj(a)
    magnitude = np.abs(cross)
    # what lies 120 dB under the strongest line is rounding error
    floor = 1e-12 * magnitude.max(axis=1, keepdims=True) + np.finfo(np.float32).tiny
    weighted = cross / np.maximum(magnitude, floor) ** whitening
    scale = 2.0 * np.abs(weighted).sum(axis=1, keepdims=True) / length
    lags = fft.irfft(weighted, length, axis=1)
    near = np.concatenate([lags[:, -max_lag_samples:], lags[:, : max_lag_samples + 1]], axis=1)
    if max_lag_samples == 0:
        near = lags[:, :1]
    return np.asarray(near / np.maximum(scale, np.finfo(np.float32).tiny), dtype=np.float64)


def frames(samples: FloatArray, *, length: int, hop: int) -> FloatArray:
    """Overlapping frames, (n_frames, `length`); frame k is centred on sample k * `hop` (zeros outside the signal)."""
    half = length // 2
    padded = np.concatenate([np.zeros(half), samples, np.zeros(length + hop)])
    count = -(-len(samples) // hop)
    view = np.lib.stride_tricks.sliding_window_view(padded, length)
    return np.asarray(view[: count * hop : hop])


def frame_lags(
    reference: FloatArray, signal: FloatArray, *, length: int, hop: int, max_lag_samples: int
) -> tuple[FloatArray, FloatArray]:
    """Lag of `signal` behind `reference` in samples, frame by frame, and the correlation there.

    Parameters
    ----------
    reference, signal : ndarray, shape (n_samples,)
        Signals that are aligned to within `max_lag_samples`.
    length, hop : int
        Samples in a frame (Hann window) and between frames.
    max_lag_samples : int
        Largest lag that is looked for; a frame whose maximum lies there has correlation 0.

    Returns
    -------
    lag_samples, correlation : ndarray, shape (n_frames,)
    """
    window = np.hanning(length)
    a, b = frames(reference, length=length, hop=hop), frames(signal, length=length, hop=hop)
    lags, heights = [], []
    for first in range(0, min(len(a), len(b)), 1024):
        part = slice(first, first + 1024)
        values = generalised_correlation(
            a[part][: len(b[part])] * window, b[part][: len(a[part])] * window, max_lag_samples=max_lag_samples
        )
        peak = np.argmax(values, axis=1)
        lags.append(peak - max_lag_samples + parabola_offset(values, peak))
        inside = (peak > 0) & (peak < values.shape[1] - 1)
        heights.append(np.where(inside, values[np.arange(len(peak)), peak], 0.0))
    return np.concatenate(lags), np.concatenate(heights)


def rival_height(values: FloatArray, peak: IntArray, *, reach_samples: int) -> FloatArray:
    """Highest other maximum near each row's maximum, relative to it: 1 where a tone fits at every one of its periods.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
        Correlations.
    peak : ndarray of int, shape (n_rows,)
        Column of each maximum.
    reach_samples : int
        How far beside it another one is looked for; 0 is returned where there is none.
    """
    summit = np.zeros(values.shape, dtype=np.bool_)
    summit[:, 1:-1] = (values[:, 1:-1] > values[:, :-2]) & (values[:, 1:-1] >= values[:, 2:])
    beside = np.abs(np.arange(values.shape[1]) - peak[:, np.newaxis])
    others = np.where(summit & (beside > 1) & (beside <= reach_samples), values, 0.0).max(axis=1)
    height = values[np.arange(len(peak)), peak]
    return np.asarray(others / np.where(height > 0.0, height, 1.0), dtype=np.float64)


def parabola_offset(values: FloatArray, peak: IntArray) -> FloatArray:
    """Sub-sample offset (-0.5..0.5) of each row's maximum at the column `peak`, by a parabola through three points.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
        Correlations.
    peak : ndarray of int, shape (n_rows,)
        Column of each maximum; 0 is returned for one that lies on the border.
    """
    rows = np.arange(len(peak))
    middle = np.clip(peak, 1, values.shape[1] - 2)
    left, centre, right = values[rows, middle - 1], values[rows, middle], values[rows, middle + 1]
    curvature = left - 2.0 * centre + right
    offset = np.where(curvature < 0.0, 0.5 * (left - right) / np.where(curvature < 0.0, curvature, 1.0), 0.0)
    return np.where(middle == peak, np.clip(offset, -0.5, 0.5), 0.0)
