"""Flutter that is too quick for the points of a trajectory: it folds back or averages out, and nothing shows it."""

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray

BAND = 0.36
TAPS = 101
"""Flutter above this part of the points' rate foretells what lies above half of it."""


def unseen_flutter(delay_s: FloatArray, sigma_s: FloatArray, known: BoolArray) -> float:
    """Rms of the error that flutter above half the points' rate is expected to make, seconds.

    Parameters
    ----------
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay at points of one distance, and its standard uncertainty.
    known : ndarray of bool, shape (n_points,)
        Where there is evidence.

    Notes
    -----
    Where flutter reaches the highest frequencies that are seen it is taken to go on above them with the same power:
    what is not seen is missing, and what folds back is too much. 0 for less than 203 points.
    """
    from scipy.signal import firwin, oaconvolve

    if len(delay_s) <= 2 * TAPS:
        return 0.0
    # 120 dB of stop band, because wow is that much larger
    taps = firwin(TAPS, BAND, fs=1.0, pass_zero=False, window=("kaiser", 12.3))
    half = TAPS // 2
    quick = oaconvolve(delay_s - np.mean(delay_s), taps, mode="valid")[known[half:-half]]
    seen = float(np.median(np.abs(quick))) * 1.4826 if len(quick) else 0.0
    noise = float(np.median(sigma_s[known])) * float(np.sqrt(np.sum(taps**2))) if len(quick) else 0.0
    return float(np.sqrt(2.0 * max(seen**2 - noise**2, 0.0)))
