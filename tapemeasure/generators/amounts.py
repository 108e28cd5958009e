"""More or less of a machine's wow, flutter and drift: one filter over any stream of delay."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.generators.base import DelayStream

WOW_FROM_HZ, FLUTTER_FROM_HZ = 0.2, 6.0
FILTER_S = 30.0
"""Length of the filter: it parts drift from wow within 0.1 Hz."""


@dataclass(frozen=True)
class Amounts:
    """Factors of the delay below 0.2 Hz (drift), from 0.2 to 6 Hz (wow) and above 6 Hz (flutter); 1: as measured.

    Parameters
    ----------
    drift, wow, flutter : float
        At least 0.

    Raises
    ------
    ParameterError
        If a factor is negative or not finite.
    """

    drift: float = 1.0
    wow: float = 1.0
    flutter: float = 1.0

    def __post_init__(self) -> None:
        for name, factor in (("drift", self.drift), ("wow", self.wow), ("flutter", self.flutter)):
            if not 0.0 <= factor < np.inf:
                raise ParameterError(f"amount of {name} is {factor:g}; give 0 (none), 1 (as measured) or more")

    def over(self, stream: DelayStream, *, rate_hz: float) -> DelayStream:
        """The stream with these amounts; itself where all are 1."""
        return stream if self == Amounts() else _AmountStream(stream, self, rate_hz)


class _AmountStream:
    """A stream through a filter of linear phase that began before the first point."""

    def __init__(self, stream: DelayStream, amounts: Amounts, rate_hz: float) -> None:
        self._stream = stream
        half = round(0.5 * FILTER_S * rate_hz)
        self._taps = _taps(amounts, half=half, rate_hz=rate_hz)
        self._past = stream.read(2 * half)

    def read(self, n_points: int) -> FloatArray:
        """The next points of the delay about its mean, seconds."""
        from scipy.signal import oaconvolve

        points = np.concatenate([self._past, self._stream.read(n_points)])
        self._past = points[len(points) - len(self._past) :]
        return np.asarray(oaconvolve(points, self._taps, mode="valid"), dtype=np.float64)


def _taps(amounts: Amounts, *, half: int, rate_hz: float) -> FloatArray:
    """Windowed filter of ``2 half + 1`` taps with the three factors in their bands."""
    place = np.arange(-half, half + 1)

    def low_pass(limit_hz: float) -> FloatArray:
        width = min(2.0 * limit_hz / rate_hz, 1.0)
        taps = width * np.sinc(width * place) * np.kaiser(len(place), 6.0)
        return np.asarray(taps / taps.sum(), dtype=np.float64)

    below_wow, below_flutter = low_pass(WOW_FROM_HZ), low_pass(FLUTTER_FROM_HZ)
    everything = (place == 0).astype(np.float64)
    taps = (
        amounts.drift * below_wow
        + amounts.wow * (below_flutter - below_wow)
        + amounts.flutter * (everything - below_flutter)
    )
    return np.asarray(taps, dtype=np.float64)
