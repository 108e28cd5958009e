"""How much of an error is timing: the best constant lag of an output against its target, and what is left behind it.

A target that was aligned without a pilot lies some microseconds beside one that was aligned by it, and a model learns
that along. An error-to-signal ratio shows such a lag as error, although nobody hears it; this tells the two apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.signal_errors import SILENT_TARGET
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, SignalError

REACH_S = 1e-3
WINDOW_S = 0.1
HEARD_POWER = 1e-3
"""Windows whose slope has less than this share of the strongest window's energy tell no lag."""


@dataclass(frozen=True)
class LagErrors:
    """What timing has to do with an error.

    Parameters
    ----------
    best_lag_esr : float
        Error-to-signal ratio once the constant lag is undone, an energy ratio.
    lag_us : float
        That lag, microseconds; positive = the output is late.
    residual_lag_rms_us : float or None
        Root mean square of the lag of windows of 0.1 s behind that, microseconds; None for less than a window.
    """

    best_lag_esr: float
    lag_us: float
    residual_lag_rms_us: float | None


def lag_errors(outputs: Sequence[FloatArray], targets: Sequence[FloatArray], *, sample_rate: float) -> LagErrors:
    """Constant lag of outputs against their targets, the error without it, and the lag that moves.

    Parameters
    ----------
    outputs, targets : sequence of ndarray, each of shape (n_samples,)
        Stretches that belong together: one lag for all of them.
    sample_rate : float
        Hz.

    Raises
    ------
    SignalError
        If all targets are silent, or a signal is not finite.
    MismatchError
        If the numbers of stretches or the lengths of a pair differ.

    Notes
    -----
    Lags up to 1 ms are looked for: the peak of the summed cross-correlation on whole samples, then between them, to a
    thousandth of a sample. The lag of a window is the projection of its error on the output's slope; noise of 40 dB
    below the signal shows as 1 to 3 us in it.

    Examples
    --------
    >>> fade, turn = np.hanning(9000), 0.1 * np.arange(9000)
    >>> found = lag_errors([fade * np.sin(turn - 0.02)], [fade * np.sin(turn)], sample_rate=10000)
    >>> round(found.lag_us, 1)
    20.0
    """
    if len(outputs) != len(targets) or not targets:
        raise MismatchError(f"lag: {len(outputs)} outputs, {len(targets)} targets; give one output a target")
    for output, target in zip(outputs, targets, strict=True):
        if output.shape != target.shape or output.ndim != 1:
            raise MismatchError(f"lag: shapes {output.shape} and {target.shape}; give one channel each, equally long")
        if not (np.isfinite(output).all() and np.isfinite(target).all()):
            raise SignalError("lag: a signal holds NaN or infinite samples; make it again")
    energy = sum(float(target @ target) for target in targets)
    if energy == 0.0:
        raise SignalError(SILENT_TARGET)
    lag_samples = _best_lag(outputs, targets, reach_samples=int(REACH_S * sample_rate))
    moved = [_earlier(output, lag_samples) for output in outputs]
    error = sum(float(np.sum(np.square(o - t))) for o, t in zip(moved, targets, strict=True))
    left = _residual_rms_samples(moved, targets, window_samples=round(WINDOW_S * sample_rate))
    to_us = 1e6 / sample_rate
    return LagErrors(error / energy, lag_samples * to_us, None if left is None else left * to_us)


def _best_lag(outputs: Sequence[FloatArray], targets: Sequence[FloatArray], *, reach_samples: int) -> float:
    """Lag of the peak of the cross-correlation, samples."""
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.optimize import minimize_scalar

    length = next_fast_len(max(len(target) for target in targets) + reach_samples + 1, real=True)
    cross = sum(
        (rfft(o, length) * np.conj(rfft(t, length)) for o, t in zip(outputs, targets, strict=True)),
        np.zeros(length // 2 + 1, np.complex128),
    )
    lags = np.arange(-reach_samples, reach_samples + 1)
    near = int(lags[np.argmax(irfft(cross, length)[lags])])
    turns = 2j * np.pi * np.arange(len(cross)) / length

    def height(lag: float) -> float:
        return -float(np.sum((cross * np.exp(turns * lag)).real))

    found = minimize_scalar(height, bounds=(near - 1.0, near + 1.0), method="bounded", options={"xatol": 1e-4})
    return float(found.x)


def _earlier(samples: FloatArray, lag_samples: float) -> FloatArray:
    """A signal that much earlier, with silence around it."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(len(samples) + 2 * int(abs(lag_samples)) + 64, real=True)
    turns = np.exp(2j * np.pi * np.arange(length // 2 + 1) * lag_samples / length)
    return np.asarray(irfft(rfft(samples, length) * turns, length)[: len(samples)], dtype=np.float64)


def _residual_rms_samples(
    outputs: Sequence[FloatArray], targets: Sequence[FloatArray], *, window_samples: int
) -> float | None:
    """Root mean square of the lags of single windows, each counted by its energy's being there or not."""
    tops, energies = [np.zeros(0)], [np.zeros(0)]
    for output, target in zip(outputs, targets, strict=True):
        n = len(output) // window_samples * window_samples
        if n == 0:
            continue
        slope = np.gradient(output)[:n].reshape(-1, window_samples)
        tops.append(np.sum((target - output)[:n].reshape(-1, window_samples) * slope, axis=1))
        energies.append(np.sum(np.square(slope), axis=1))
    top, energy = np.concatenate(tops), np.concatenate(energies)
    heard = energy > HEARD_POWER * energy.max(initial=0.0)
    if not heard.any():
        return None
    return float(np.sqrt(np.mean(np.square(top[heard] / energy[heard]))))
