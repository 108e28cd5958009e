"""A tape whose speed changes between two heads: what is between them comes at the wrong pitch, then the delay is new.

Around it the delay is steady, so that it looks like a lost or doubled block with a hole; it is none where the stretch
between plays the input at another speed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.slips import Slips
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.fractional import read_at

RATE_HZ = 5500.0
PRE_EMPHASIS = 0.95
MOST_SLIPS = 4
"""The finder of lost blocks may tell one change of speed in some parts; more of them are blocks."""

TOGETHER_S = 1.0
BESIDE_S = 0.25
LEAST_PASSAGE_S = 0.03
LEAST_DELAY_S = 0.005
DELAY_STEP_S = 0.001
LARGEST_RATIO = 2.1
PLACES = (-0.5, -0.25, 0.0, 0.25, 0.5)
"""Middles of the part that is looked for, in lengths of the passage from where the slip was placed."""

PART = 0.5
CLEAR = 0.4
"""Bands differ when a speed does, so that even a perfect passage at half speed correlates by 0.6 only."""

CLEARLY_MORE = 1.3
HALF_TAPS = 8

_Reader = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class SpeedStep:
    """A lasting change of a tape's speed.

    Parameters
    ----------
    time_s : float
        Output time at which it began.
    ratio : float
        New speed by the old one.
    change_s : float
        Change of the delay.
    match : float
        Mean correlation, over the channels, of the stretch with the input at that speed.
    """

    time_s: float
    ratio: float
    change_s: float
    match: float

    @property
    def passage_s(self) -> float:
        """How long what lay between the heads took to pass."""
        return self.change_s / (1.0 - self.ratio)


def find_speed_step(stimulus: FloatArray, output: FloatArray, *, sample_rate: int, slips: Slips) -> SpeedStep | None:
    """Whether what looks like slips is one change of the tape's speed, 0.48 to 2.1 times; None where it is not.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        Input and output, full scale 1.0.
    sample_rate : int
        Hz.
    slips : Slips
        What `tapemeasure.analysis.slips.find_slips` found.

    Notes
    -----
    With a delay h between the heads and a speed ratio r the delay goes from h to h / r in a time of h / r, so that the
    change of the delay and h alone give the ratio. Every h up to the delay itself is tried: part of the input, at that
    ratio, is looked for in the output by correlation, which also tells the moment. It is a change of speed where the
    whole passage correlates with that by 0.4 and by a third more than with the input at the delays before and behind.
    Ratio within 1 % where a wide-band signal plays during the passage.
    """
    found = slips.slips
    if not 1 <= len(found) <= MOST_SLIPS or found[-1].time_s - found[0].time_s > TOGETHER_S:
        return None
    factor = max(1, int(sample_rate // RATE_HZ))
    rate_hz = sample_rate / factor
    change_s = sum(slip.samples for slip in found) / sample_rate
    middle_s = 0.5 * (found[0].time_s + found[-1].time_s)
    times_s, delays_s = slips.trajectory.time_s, slips.trajectory.delay_s
    before = np.flatnonzero(times_s < found[0].time_s - BESIDE_S)
    if not len(before):
        return None
    delay_s = float(np.median(delays_s[before[-20:]]))
    reach_s = 2.0 * delay_s + abs(change_s) + 1.0
    origin = max(0, round((middle_s - reach_s) * sample_rate)) // factor * factor
    start = max(0, origin - round((delay_s + reach_s) * sample_rate)) // factor * factor
    stop = round((middle_s + reach_s) * sample_rate)
    played, heard = _low(stimulus[start:stop], factor), _low(output[origin:stop], factor)
    # all times from here on are those of the cut output
    begin_s = origin / sample_rate
    search = _Search(
        played, heard, rate_hz, ahead_s=begin_s - start / sample_rate, delay_s=delay_s, change_s=change_s,
        slip_s=middle_s - begin_s,
    )  # fmt: skip
    best = None
    for head_delay_s in np.arange(LEAST_DELAY_S, delay_s + DELAY_STEP_S, DELAY_STEP_S):
        step = search.at(float(head_delay_s))
        if step is not None and (best is None or step.match > best.match):
            best = step
    if best is None or best.match < max(CLEAR, CLEARLY_MORE * search.slip_match(best)):
        return None
    return SpeedStep(best.time_s + begin_s, best.ratio, best.change_s, best.match)


def _low(samples: FloatArray, factor: int) -> FloatArray:
    """Signal at the low rate with its bass taken down."""
    from scipy.signal import resample_poly

    low = resample_poly(samples, 1, factor, axis=0) if factor > 1 else samples
    return np.asarray(low - PRE_EMPHASIS * np.pad(low, ((1, 0), (0, 0)))[:-1])


@dataclass(frozen=True)
class _Search:
    """Both signals around a slip at the low rate; `played` begins `ahead_s` before `heard`."""

    played: FloatArray
    heard: FloatArray
    rate_hz: float
    ahead_s: float
    delay_s: float
    change_s: float
    slip_s: float

    def at(self, head_delay_s: float) -> SpeedStep | None:
        """The best passage for one delay between the heads; None where it is too short or would leave the signals."""
        passage_s = head_delay_s + self.change_s
        if (
            passage_s < LEAST_PASSAGE_S
            or not 1.0 / LARGEST_RATIO <= (ratio := head_delay_s / passage_s) <= LARGEST_RATIO
        ):
            return None
        best = None
        for place in PLACES:
            start_s = self._start(self.slip_s + place * passage_s, passage_s, ratio)
            if start_s is not None:
                match = self._match(start_s, start_s + passage_s, self._passing(start_s, ratio))
                if best is None or match > best.match:
                    best = SpeedStep(start_s, ratio, self.change_s, match)
        return best

    def slip_match(self, step: SpeedStep) -> float:
        """How well the passage agrees with the input at the delay before up to the slip, and at the one behind it."""
        stop_s = step.time_s + step.passage_s
        return max(
            self._match(step.time_s, stop_s, self._constant(self.delay_s)),
            self._match(step.time_s, stop_s, self._constant(self.delay_s + self.change_s)),
            self._match(step.time_s, stop_s, self._jumping()),
        )

    def _start(self, middle_s: float, passage_s: float, ratio: float) -> float | None:
        """When the passage began, if the part of the output around a moment belongs to it."""
        from scipy.signal import correlate

        length = round(PART * passage_s * self.rate_hz)
        first = round(middle_s * self.rate_hz) - length // 2
        part = self.heard[max(0, first) : first + length]
        if first < 0 or len(part) < length:
            return None
        # what may be heard there: the passage begins at most its own length before and behind
        reach = round(passage_s * self.rate_hz)
        around = (np.arange(-reach, length + reach) + first) / self.rate_hz
        candidate = self._read(ratio * (around - middle_s) + middle_s - self.delay_s)
        total = np.zeros(2 * reach + 1)
        for channel in range(part.shape[1]):
            own = part[:, channel]
            lags = correlate(candidate[:, channel], own, mode="valid", method="fft")
            power = np.convolve(candidate[:, channel] ** 2, np.ones(length), mode="valid")
            scale = np.sqrt(power * np.sum(own**2)) + 1e-12
            total += np.abs(lags) / scale
        shift_s = (int(np.argmax(total)) - reach) / self.rate_hz
        # ratio * shift = (1 - ratio) * (start - middle), by which the input is read elsewhere
        start_s = middle_s + ratio * shift_s / (1.0 - ratio)
        inside = start_s <= middle_s <= start_s + passage_s
        return start_s if inside else None

    def _passing(self, start_s: float, ratio: float) -> _Reader:
        return lambda time_s: ratio * (time_s - start_s) + start_s - self.delay_s

    def _constant(self, delay_s: float) -> _Reader:
        return lambda time_s: time_s - delay_s

    def _jumping(self) -> _Reader:
        return lambda time_s: time_s - self.delay_s - np.where(time_s < self.slip_s, 0.0, self.change_s)

    def _match(self, start_s: float, stop_s: float, reader: _Reader) -> float:
        """Mean of the channels' correlations of the output with the input read elsewhere, over a stretch."""
        first, stop = max(0, round(start_s * self.rate_hz)), round(stop_s * self.rate_hz)
        heard = self.heard[first:stop]
        if len(heard) < 2:
            return 0.0
        played = self._read(reader((first + np.arange(len(heard))) / self.rate_hz))
        scale = np.sqrt(np.sum(played**2, axis=0) * np.sum(heard**2, axis=0))
        known = scale > 0.0
        return float(np.mean(np.abs(np.sum(played * heard, axis=0))[known] / scale[known])) if known.any() else 0.0

    def _read(self, time_s: FloatArray) -> FloatArray:
        return read_at(self.played, (time_s + self.ahead_s) * self.rate_hz, half_taps=HALF_TAPS)
