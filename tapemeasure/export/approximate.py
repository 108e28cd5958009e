"""A replica without its linear filter, for formats that have no place for it, and what that costs."""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.analysis.signal_errors import esr
from tapemeasure.replica.model import Replica
from tapemeasure.replica.player import ReplicaPlayer

NOISE_S = 4.0
NOISE_RMS = 0.1


@dataclass(frozen=True)
class Approximation:
    """A replica without a filter, and its error.

    Parameters
    ----------
    replica : Replica
        With the best gain in place of the filter.
    esr : float
        Error-to-signal ratio against the whole replica, on pink noise at -20 dBFS, with the best lag.
    lag_samples : int
        By how much the filter delayed.
    """

    replica: Replica
    esr: float
    lag_samples: int


def without_filter(replica: Replica) -> Approximation:
    """A gain in place of the linear filter.

    Parameters
    ----------
    replica : Replica
        With a filter.

    Notes
    -----
    Gain and lag fit the filter's output best for pink noise, whose spectrum is that of ordinary programme.
    """
    noise = _pink_noise(round(NOISE_S * replica.sample_rate))[:, np.newaxis]
    bare = replace(replica, taps=np.zeros(0))
    through = ReplicaPlayer(replica, n_channels=1).play(noise)[:, 0]
    around = ReplicaPlayer(bare, n_channels=1).play(noise)[:, 0]
    n_lags = len(replica.taps)
    length = len(noise) - n_lags
    products = [float(np.dot(around[:length], through[lag : lag + length])) for lag in range(n_lags)]
    lag = int(np.argmax(np.abs(products)))
    gain = products[lag] / float(np.dot(around[:length], around[:length]))
    simple = replace(
        bare,
        readout=(gain * replica.readout).astype(np.float32),
        bias=gain * replica.bias,
        skip_gain=gain * replica.skip_gain,
        latency_samples=max(replica.latency_samples - lag, 0),
    )
    error = esr(gain * around[:length], through[lag : lag + length])
    return Approximation(simple, error, lag)


def _pink_noise(n_samples: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(NOISE_RMS * noise / noise.std(), dtype=np.float64)
