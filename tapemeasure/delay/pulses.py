"""The delay from a train of pulses (100 a second, as in the published tape recordings).

Every pulse of the output is fitted with the average pulse, to a fraction of a sample. Pulses are paired by following
the delay from pulse to pulse, never by counting, so a missing pulse stays missing. A train is ambiguous modulo its
period; the programme, or the place where the train begins or ends, decides.
"""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, IntArray
from tapemeasure.delay.resolution import bridge
from tapemeasure.delay.unseen import unseen_flutter
from tapemeasure.dsp.correlation import parabola_offset
from tapemeasure.dsp.dropouts import Dropout, find_dropouts, usual_level
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import NoMatchError

MIN_PULSES = 5
TEMPLATE_BEFORE_S = 0.7e-3
TEMPLATE_BEHIND_S = 1.5e-3
FITS = 6
MIN_SHAPE = 0.8
"""Correlation with the average pulse below which a peak is no pulse."""

SYSTEMATIC_SAMPLES = 0.0005
"""What the shape of a pulse depends on where it stands between two samples: part of every uncertainty."""

GROUP_DELAY_S = 18e-6
"""What a machine's filters hold a pulse back by, unknown: times the speed, part of every uncertainty."""

MAX_JUMP_S = 0.5e-3
"""Largest difference from the neighbouring delays: 5 % of speed over 10 ms."""


@dataclass(frozen=True)
class PulseTrain:
    """Pulses of an input: their samples, the period in samples, and whether the train runs on beyond the file."""

    positions: FloatArray
    period_samples: float
    runs_before: bool
    runs_behind: bool


@dataclass(frozen=True)
class PulseDelays:
    """Delay at every pulse.

    Parameters
    ----------
    time_s : ndarray, shape (n_expected,)
        Output time at which every pulse should stand.
    delay_s, sigma_s : ndarray, shape (n_expected,)
        Delay and standard uncertainty; bridged, and infinite, for a missing pulse.
    found : ndarray of bool, shape (n_expected,)
        Whether the pulse is there.
    polarity : int
        1, or -1 if the pulses are inverted.
    ambiguous : bool
        Whether the delay is known modulo the period only.
    agreed : bool
        Whether the guide and the place where the train begins or ends told the same period, each by itself.
    dropouts : tuple of Dropout
        Where the pulses are 6 dB and more below their usual height, or missing.
    aliased_s : float
        Rms that flutter above half the pulses' rate, which folds back, is expected to have; part of `sigma_s`.
    """

    time_s: FloatArray
    delay_s: FloatArray
    sigma_s: FloatArray
    found: BoolArray
    polarity: int
    ambiguous: bool
    agreed: bool = False
    dropouts: tuple[Dropout, ...] = ()
    aliased_s: float = 0.0


def _stand_between_samples(samples: FloatArray, peaks: IntArray) -> bool:
    """Whether pulses of one sample were moved by fractions: their neighbours are large, and of opposite signs."""
    inner = peaks[(peaks > 0) & (peaks < len(samples) - 1)]
    before, behind = samples[inner - 1] / samples[inner], samples[inner + 1] / samples[inner]
    return bool(np.median(np.abs(before) + np.abs(behind)) > 0.05 and np.mean(before * behind < 0.0) > 0.8)


def find_pulse_train(samples: FloatArray, *, sample_rate: float) -> PulseTrain | None:
    """Pulse train of an input channel, or None if the channel holds something else.

    A train is at least 5 peaks whose distances are equal to 2 samples (gaps of whole periods are allowed), 10..500 a
    second, with nine tenths of the channel's energy within 1 ms of them.
    """
    from scipy.signal import find_peaks

    height = float(np.abs(samples).max(initial=0.0))
    if height == 0.0:
        return None
    padded = np.pad(np.abs(samples), 1)
    peaks = find_peaks(padded, height=0.5 * height, distance=max(1, int(sample_rate / 600.0)))[0] - 1
    if len(peaks) < MIN_PULSES:
        return None
    period = float(np.median(np.diff(peaks)))
    index = np.round((peaks - peaks[0]) / period)
    # over a long train the median distance is too coarse, so the line through all peaks is taken
    for _ in range(3):
        period, first = np.polyfit(index, peaks, 1)
        index = np.round((peaks - first) / period)
    regular = np.abs(peaks - first - index * period) <= 2.0
    if not 10.0 <= sample_rate / period <= 500.0 or regular.mean() < 0.98:
        return None
    near = np.zeros(len(samples), dtype=np.bool_)
    for offset in range(-round(1e-3 * sample_rate), round(1e-3 * sample_rate) + 1):
        near[np.clip(peaks + offset, 0, len(samples) - 1)] = True
    if np.sum(samples[near] ** 2) < 0.9 * np.sum(samples**2):
        return None
    resampled = _stand_between_samples(samples, peaks)
    return PulseTrain(
        positions=first + index * period if resampled else peaks.astype(np.float64),
        period_samples=float(period),
        runs_before=bool(peaks[0] < period),
        runs_behind=bool(peaks[-1] > len(samples) - 1 - period),
    )


def track_pulses(
    train: PulseTrain,
    output: FloatArray,
    *,
    sample_rate: float,
    guide_time_s: FloatArray | None = None,
    guide_delay_s: FloatArray | None = None,
) -> PulseDelays:
    """Delay of every pulse of the output, seconds.

    Parameters
    ----------
    train : PulseTrain
        Of the input, from `find_pulse_train`.
    output : ndarray, shape (n_samples,)
        Pilot channel of the output.
    sample_rate : float
        Hz.
    guide_time_s, guide_delay_s : ndarray, optional
        Output times and delays, from the programme, that are good to half a period.

    Raises
    ------
    NoMatchError
        If fewer than 5 pulses are found.

    Notes
    -----
    Gauss-Newton on each pulse's position, gain and baseline against the average of all pulses; expected accuracy 0.1 us
    through a tape's response with hiss 60 dB below the pulses. Pulses that stand before the input's first one count as
    expected where the input was cut out of a running train and the output holds them.

    References
    ----------
    .. [1] O. Mikkonen et al., "Neural modeling of magnetic tape recorders", DAFx23.
    """
    coarse, polarity = _coarse_peaks(output, period=train.period_samples)
    where, sigma, shape, gain = _fit(polarity * output, coarse, sample_rate=sample_rate)
    whole = shape > MIN_SHAPE
    where, sigma, gain = where[whole], sigma[whole], gain[whole]
    if len(where) < MIN_PULSES:
        raise NoMatchError(
            f"no pulses: {len(where)} pulses of the pilot are in the output, {MIN_PULSES} are needed; "
            "check the pilot channel's cable and level, or track without it (--pilot none)"
        )
    index = np.concatenate([[0], np.cumsum(np.round(np.diff(where) / train.period_samples))]).astype(np.int64)
    # the first pulse on virgin tape may have another shape than all others; it counts for where the train begins
    ahead = np.round((where[0] - coarse) / train.period_samples)
    on_line = np.abs(where[0] - coarse - ahead * train.period_samples) < 0.1 * train.period_samples
    skipped = int(ahead[on_line].max(initial=0.0))
    offset, ambiguous = _own_offset(train, where, index, skipped, len(output))
    agreed = False
    if guide_time_s is not None and guide_delay_s is not None:
        expected = np.interp(where / sample_rate, guide_time_s, guide_delay_s) * sample_rate
        guided = _guided_offset(train, where, index, expected)
        offset, ambiguous, agreed = guided, False, not ambiguous and guided == offset
    index += offset
    keep = _consistent(where - _input_positions(train, index), index, limit=MAX_JUMP_S * sample_rate)
    pulses = _assemble(
        train, where[keep], sigma[keep], gain[keep], index[keep], polarity, ambiguous, sample_rate, len(output)
    )
    return _with_unseen(replace(pulses, agreed=agreed), period_s=train.period_samples / sample_rate)


def _coarse_peaks(output: FloatArray, *, period: float) -> tuple[IntArray, int]:
    """Integer positions of everything that may be a pulse, and the pulses' polarity."""
    from scipy.signal import find_peaks

    # the larger of both extremes is the pulse, the other one its undershoot
    block = max(2, int(2 * period))
    usable = output[: len(output) // block * block].reshape(-1, block) if len(output) >= block else output[None, :]
    high, low = float(np.median(usable.max(axis=1))), float(-np.median(usable.min(axis=1)))
    if max(high, low) <= 0.0:
        high, low = float(output.max()), float(-output.min())
    polarity = 1 if high >= low else -1
    signal = np.pad(polarity * output, 1)
    tall = max(high, low)
    peaks = find_peaks(signal, height=0.3 * tall, distance=max(1, int(0.6 * period)))[0] - 1
    return peaks.astype(np.int64), polarity


def _fit(
    signal: FloatArray, peaks: IntArray, *, sample_rate: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Position of every peak in samples, its uncertainty, its correlation with the average pulse, and its gain."""
    grid = np.arange(-round(TEMPLATE_BEFORE_S * sample_rate), round(TEMPLATE_BEHIND_S * sample_rate) + 1)
    where = peaks.astype(np.float64)
    if len(where) == 0:
        return where, where.copy(), where.copy(), where.copy()
    for _ in range(FITS):
        places = where[:, np.newaxis] + grid
        pulses = read_at(signal, places.ravel()).reshape(places.shape)
        inside = ((places >= 0.0) & (places <= len(signal) - 1.0)).astype(np.float64)
        # the mean of the tallest half, not of hiss that looked like a peak
        tall = pulses.max(axis=1)
        chosen = (tall >= np.median(tall)) & (inside.min(axis=1) > 0.0)
        template = np.median(pulses[chosen] if chosen.any() else pulses, axis=0)
        # pulse = gain * template - gain * shift * template' + level + tilt
        slope = np.gradient(read_at(template, np.arange(4 * len(grid)) / 4.0), 0.25)[::4]
        design = np.stack([template, slope, np.ones(len(grid)), grid / len(grid)])
        normal = np.einsum("it,nt,jt->nij", design, inside, design) + 1e-12 * np.eye(4)
        right = np.einsum("it,nt,nt->ni", design, inside, pulses)
        inverse = np.linalg.inv(normal)
        solution = np.einsum("nij,nj->ni", inverse, right)
        gain = np.where(np.abs(solution[:, 0]) > 1e-3, solution[:, 0], 1.0)
        where = where + np.clip(-solution[:, 1] / gain, -1.0, 1.0)
    residual = (pulses - solution @ design) * inside
    noise = np.sqrt(np.sum(residual**2, axis=1) / np.maximum(inside.sum(axis=1) - 4.0, 1.0))
    # the noise of one pulse is known badly, that of its neighbours helps
    noise = np.sqrt(0.5 * noise**2 + 0.5 * np.median(noise) ** 2)
    sigma = noise * np.sqrt(np.abs(inverse[:, 1, 1])) / np.abs(gain)
    sigma = np.hypot(sigma, SYSTEMATIC_SAMPLES)
    shape = np.sqrt(np.maximum(0.0, 1.0 - np.sum(residual**2, axis=1) / np.maximum(_energy(pulses * inside), 1e-300)))
    # the pulse's time is that of the template's maximum
    fine = read_at(template, np.arange(8 * len(grid)) / 8.0)
    peak = np.array([int(np.argmax(fine))])
    return where + grid[0] + (peak[0] + parabola_offset(fine[np.newaxis, :], peak)[0]) / 8.0, sigma, shape, gain


def _energy(pulses: FloatArray) -> FloatArray:
    return np.asarray(np.sum((pulses - pulses.mean(axis=1, keepdims=True)) ** 2, axis=1), dtype=np.float64)


def _guided_offset(train: PulseTrain, where: FloatArray, index: IntArray, expected: FloatArray) -> int:
    """Which pulse of the input the first found one is, by the delay in samples that is expected at every one."""
    modulo = where - train.positions[0] - index * train.period_samples
    return int(np.round(np.median(modulo - expected) / train.period_samples))


def _own_offset(
    train: PulseTrain, where: FloatArray, index: IntArray, skipped: int, n_samples: int
) -> tuple[int, bool]:
    """Which pulse of the input the first found one is, by the ends of the train, and whether that is a guess."""
    period = train.period_samples
    modulo = where - train.positions[0] - index * period
    last = round((train.positions[-1] - train.positions[0]) / period)
    # the train begins in the output: its first pulse there is its first pulse, at whatever delay
    if where[0] - skipped * period > 1.5 * period:
        return skipped, False
    if where[-1] < n_samples - 1.5 * period:
        return int(last - index[-1]), False
    # the smallest delay that is not negative
    return int(np.floor(np.median(modulo) / period)), True


def _input_positions(train: PulseTrain, index: IntArray) -> FloatArray:
    """Samples at which pulses stand in the input, on the train's own line where the input was cut."""
    known = np.round((train.positions - train.positions[0]) / train.period_samples).astype(np.int64)
    line = train.positions[0] + index * train.period_samples
    place = np.clip(np.searchsorted(known, index), 0, len(known) - 1)
    return np.where(known[place] == index, train.positions[place], line)


def _consistent(delay: FloatArray, index: IntArray, *, limit: float) -> BoolArray:
    """Pulses whose delay lies near the running median of their neighbours, one a number."""
    from scipy.ndimage import median_filter

    near = np.abs(delay - median_filter(delay, 11, mode="nearest")) < limit
    first = np.concatenate([[True], np.diff(index) > 0])
    return np.asarray(near & first)


def _assemble(
    train: PulseTrain,
    where: FloatArray,
    sigma: FloatArray,
    gain: FloatArray,
    index: IntArray,
    polarity: int,
    ambiguous: bool,
    sample_rate: float,
    n_samples: int,
) -> PulseDelays:
    """All pulses that should stand in the output, the missing ones marked."""
    last = round((train.positions[-1] - train.positions[0]) / train.period_samples)
    delay = where - _input_positions(train, index)
    begin = min(0, int(index[0])) if train.runs_before else 0
    end = max(last, int(index[-1])) if train.runs_behind else last
    numbers = np.arange(begin, end + 1)
    due = _input_positions(train, numbers) + np.interp(numbers, index, delay)
    # a pulse that is cut off by the file's end is not asked for
    numbers = numbers[(due >= 0.0) & (due <= n_samples - 1.0)]
    found = np.isin(numbers, index)
    delays, sigmas = np.zeros(len(numbers)), np.full(len(numbers), np.inf)
    chosen = np.isin(index, numbers)
    delays[found], sigmas[found] = delay[chosen], sigma[chosen]
    delays = bridge(delays, found)
    heights = np.zeros(len(numbers))
    heights[found] = gain[chosen]
    time = (_input_positions(train, numbers) + delays) / sample_rate
    inside = (np.cumsum(found) > 0) & (np.cumsum(found[::-1])[::-1] > 0)
    usual = usual_level(heights, rate_hz=sample_rate / train.period_samples)
    return PulseDelays(
        dropouts=find_dropouts(heights, usual, inside, time_s=time),
        time_s=time,
        delay_s=delays / sample_rate,
        sigma_s=sigmas / sample_rate,
        found=found,
        polarity=polarity,
        ambiguous=ambiguous,
    )


def _with_unseen(pulses: PulseDelays, *, period_s: float) -> PulseDelays:
    """Pulses whose uncertainty tells of flutter that they fold back, and of the machine's own delay."""
    known = pulses.found
    if len(known) < 2:
        return pulses
    speed = np.gradient(pulses.delay_s, pulses.time_s)
    aliased_s = unseen_flutter(pulses.delay_s, pulses.sigma_s, known)
    unseen = np.hypot(aliased_s, GROUP_DELAY_S * (speed - np.mean(speed)))
    return replace(pulses, sigma_s=np.hypot(pulses.sigma_s, unseen), aliased_s=aliased_s)
