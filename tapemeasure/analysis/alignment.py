"""What aligning was worth: lag, correlation and error-to-signal ratio between input and output, before and after."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.correlation import frame_lags

FRAME_S = 0.0464
HOP_S = 0.01
REACH_S = 1e-3
PART_S = 30.0
GOOD_CORRELATION = 0.3


@dataclass(frozen=True)
class AlignmentQuality:
    """How well an output lies on its input; None where there was nothing to compare.

    Parameters
    ----------
    correlation_before, correlation_after : float
        Normalised correlation at lag zero, -1..1.
    esr_before, esr_after : float
        Error-to-signal ratio after the best gain, ``1 - correlation**2``, the smallest a gain alone can reach.
    residual_lag_rms_us : float
        Root mean square of the lags that are left, about their mean, microseconds; lags to 1 ms are looked for.
    residual_lag_mean_us : float
        Their mean: the machine's own group delay, where its response was not undone.
    compared_pct : float
        Frames in which the lag could be told, per cent.
    """

    correlation_before: float
    correlation_after: float
    esr_before: float
    esr_after: float
    residual_lag_rms_us: float | None
    residual_lag_mean_us: float | None
    compared_pct: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def alignment_quality(
    stimulus: FloatArray, output: FloatArray, aligned: FloatArray, *, sample_rate: float
) -> AlignmentQuality:
    """Residual between an input and its output, before and after aligning.

    Parameters
    ----------
    stimulus : ndarray, shape (n_samples,)
        One channel of the input.
    output, aligned : ndarray, shape (any,), shape (n_samples,)
        The same channel of the output, as recorded and with its delay undone.
    sample_rate : float
        Hz.

    Notes
    -----
    The lag is the peak of the generalised cross-correlation of frames of 46 ms, good to 3..10 us itself: it judges a
    gross misalignment, not the last microsecond.
    """
    step = round(PART_S * sample_rate)
    parts = (
        (stimulus[n : n + step], output[n : n + step], aligned[n : n + step])
        for n in range(0, max(len(stimulus), 1), step)
    )
    return alignment_quality_of_parts(parts, sample_rate=sample_rate)


def alignment_quality_of_parts(
    parts: Iterable[tuple[FloatArray, FloatArray, FloatArray]], *, sample_rate: float
) -> AlignmentQuality:
    """`alignment_quality` of signals that come part by part, for what does not fit into memory.

    Parameters
    ----------
    parts : iterable of (stimulus, output, aligned)
        The same moments of the three, each of shape (any,); what a shorter one lacks is not compared. Frames do not
        reach over the border between two parts: some seconds each, at least.
    sample_rate : float
        Hz.
    """
    before, after = _Correlation(), _Correlation()
    lags, heights = [np.zeros(0)], [np.zeros(0)]
    for stimulus, output, aligned in parts:
        before.add(stimulus, output)
        correlation = after.add(stimulus, aligned)
        n = min(len(stimulus), len(aligned))
        if n == 0:
            continue
        lag, height = frame_lags(
            stimulus[:n],
            aligned[:n] if correlation >= 0.0 else -aligned[:n],
            length=round(FRAME_S * sample_rate / 2) * 2,
            hop=max(1, round(HOP_S * sample_rate)),
            max_lag_samples=max(2, round(REACH_S * sample_rate)),
        )
        lags.append(lag)
        heights.append(height)
    good = np.concatenate(heights) > GOOD_CORRELATION
    lag_us = 1e6 * np.concatenate(lags)[good] / sample_rate
    return AlignmentQuality(
        correlation_before=before.value(),
        correlation_after=after.value(),
        esr_before=1.0 - before.value() ** 2,
        esr_after=1.0 - after.value() ** 2,
        residual_lag_rms_us=float(np.std(lag_us)) if good.any() else None,
        residual_lag_mean_us=float(np.mean(lag_us)) if good.any() else None,
        compared_pct=100.0 * float(np.mean(good)) if good.size else 0.0,
    )


class _Correlation:
    """Normalised correlation of two signals at lag zero, summed up part by part."""

    def __init__(self) -> None:
        self.sums = np.zeros(3)

    def add(self, a: FloatArray, b: FloatArray) -> float:
        """Take in the next part; gives the correlation of this part alone."""
        n = min(len(a), len(b))
        sums = np.array([np.dot(a[:n], b[:n]), np.dot(a[:n], a[:n]), np.dot(b[:n], b[:n])])
        self.sums += sums
        return self._of(sums)

    def value(self) -> float:
        """Correlation of all parts, -1..1; 0 if either signal is silent."""
        return self._of(self.sums)

    @staticmethod
    def _of(sums: FloatArray) -> float:
        scale = float(np.sqrt(sums[1] * sums[2]))
        return float(np.clip(sums[0] / scale, -1.0, 1.0)) if scale > 0.0 else 0.0
