"""Speed of a tape from a tone that it plays, while it plays: phase from moment to moment."""

import numpy as np

from tapemeasure.analysis.demodulation import MAX_BANDWIDTH_HZ, MAX_PART, TRANSITION
from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray
from tapemeasure.dsp.demodulation import lowpass_taps
from tapemeasure.errors import SignalError

LOST_RATIO = 10.0 ** (-10.0 / 20.0)
"""The phase of a tone that has fallen by 10 dB tells nothing."""

LEVEL_POINTS = 2000
"""Over so many points with a tone the usual level is taken."""

GROUPS_PER_S = 4
"""Points come out in groups, so that the size of the blocks changes nothing."""


class ToneFollower:
    """Relative speed deviation of a tape from a tone that was recorded at a known frequency.

    Parameters
    ----------
    nominal_hz : float
        What was recorded.
    found_hz : float
        Where it lies now; the band that is followed stands around it.
    sample_rate : float
        Hz.

    Raises
    ------
    SignalError
        If the tone does not fit below half the sample rate.

    Notes
    -----
    The tone is shifted to 0 Hz and low-passed as `tapemeasure.analysis.demodulation.tone_trajectory` does, so that both
    follow the same speeds; its phase, differentiated from point to point, is the speed. A dropout is bridged with the
    mean speed before it.
    """

    def __init__(self, *, nominal_hz: float, found_hz: float, sample_rate: float) -> None:
        room_hz = MAX_PART * min(found_hz, 0.5 * sample_rate - found_hz)
        if not room_hz > 0.0:
            raise SignalError(f"a tone of {found_hz:g} Hz does not fit below half of {sample_rate:g} Hz")
        self.bandwidth_hz = min(MAX_BANDWIDTH_HZ, room_hz)
        self.nominal_hz, self.found_hz = nominal_hz, found_hz
        self._step = max(1, int(sample_rate / (2.8 * self.bandwidth_hz)))
        self.rate_hz = sample_rate / self._step
        """Points of the deviation per second."""
        lowpass = lowpass_taps(self.bandwidth_hz, sample_rate, transition=TRANSITION)
        half = len(lowpass) // 2
        turn = np.exp(-2j * np.pi * found_hz / sample_rate * np.arange(-half, half + 1))
        self._taps = np.column_stack([(2.0 * lowpass * turn).real, (2.0 * lowpass * turn).imag])
        self._turn = np.exp(-2j * np.pi * (self._step * found_hz / sample_rate % 1.0))
        self._group = max(2, round(self.rate_hz / GROUPS_PER_S))
        self._samples = np.zeros(0)
        self._last: complex | None = None
        self._last_good = True
        self._levels = np.zeros(0)
        self._mean = found_hz / nominal_hz - 1.0

    def process(self, samples: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Follow the tone through a block of any size.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            Full scale 1.0.

        Returns
        -------
        deviation : ndarray, shape (n_points,)
            Relative speed deviation (0.01 = 1 % too fast) at `rate_hz`, the speed error included.
        valid : ndarray of bool, shape (n_points,)
            Where the tone was there.
        """
        self._samples = np.concatenate([self._samples, samples])
        count = (len(self._samples) - len(self._taps)) // self._step + 1
        count = max(count, 0) // self._group * self._group
        if count == 0:
            return np.zeros(0), np.zeros(0, dtype=bool)
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, len(self._taps))
        parts = windows[: (count - 1) * self._step + 1 : self._step] @ self._taps
        self._samples = self._samples[count * self._step :]
        made = [self._deviation(group) for group in np.split(parts[:, 0] + 1j * parts[:, 1], count // self._group)]
        return np.concatenate([deviation for deviation, _ in made]), np.concatenate([valid for _, valid in made])

    def _deviation(self, amplitude: ComplexArray) -> tuple[FloatArray, BoolArray]:
        level = np.abs(amplitude)
        usual = float(np.median(np.concatenate([self._levels, level])[-LEVEL_POINTS:]))
        good = level > LOST_RATIO * usual
        # a tone that is gone for long does not become the usual level
        self._levels = np.concatenate([self._levels, level[good]])[-LEVEL_POINTS:]
        first = self._last is None
        last = amplitude[0] if self._last is None else self._last
        turned = np.angle(amplitude * np.conj(np.concatenate([[last], amplitude[:-1]])) * self._turn)
        valid = np.asarray(good & np.concatenate([[self._last_good], good[:-1]]), dtype=np.bool_)
        if first:
            turned, valid = turned[1:], valid[1:]
        self._last, self._last_good = complex(amplitude[-1]), bool(good[-1])
        deviation = (turned * self.rate_hz / (2.0 * np.pi) + self.found_hz) / self.nominal_hz - 1.0
        if valid.any():
            recent = float(np.mean(deviation[valid]))
            self._mean += (recent - self._mean) * float(np.mean(valid))
        return np.where(valid, deviation, self._mean), valid
