"""What aligning was worth: lag, correlation and error-to-signal ratio between input and output, before and after."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.correlation import correlation_coefficient, frame_lags

FRAME_S = 0.0464
HOP_S = 0.01
REACH_S = 1e-3
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
    n_before = min(len(stimulus), len(output))
    n = min(len(stimulus), len(aligned))
    before = correlation_coefficient(stimulus[:n_before], output[:n_before])
    after = correlation_coefficient(stimulus[:n], aligned[:n])
    sign = -1.0 if after < 0.0 else 1.0
    lag, height = frame_lags(
        stimulus[:n],
        sign * aligned[:n],
        length=round(FRAME_S * sample_rate / 2) * 2,
        hop=max(1, round(HOP_S * sample_rate)),
        max_lag_samples=max(2, round(REACH_S * sample_rate)),
    )
    good = height > GOOD_CORRELATION
    lag_us = 1e6 * lag[good] / sample_rate
    return AlignmentQuality(
        correlation_before=before,
        correlation_after=after,
        esr_before=1.0 - before**2,
        esr_after=1.0 - after**2,
        residual_lag_rms_us=float(np.std(lag_us)) if good.any() else None,
        residual_lag_mean_us=float(np.mean(lag_us)) if good.any() else None,
        compared_pct=100.0 * float(np.mean(good)),
    )
