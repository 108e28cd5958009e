"""The bulk delay of an output: loud passages of the one are searched for in the other.

Each passage gives a few candidate delays; the delay is what most passages agree on, so that music which repeats itself
cannot mislead it. Nothing is returned unless passages agree.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.resolution import SlowPair
from tapemeasure.dsp.correlation import WHITENING
from tapemeasure.errors import NoMatchError

PASSAGE_S = 1.0
PASSAGES = 8
ENOUGH = 4
"""Passages that need no more of them where they agree, and on nothing else."""

CANDIDATES = 3
AGREE_S = 0.012
"""Passages agree if their delays lie this close to one line: wow of a few ms, and the smear of a tonal peak."""

MAX_SLOPE = 0.02
"""Largest difference in mean speed that is followed, as a fraction."""

MIN_AGREEMENT = 0.35
"""Fraction of the passages that must agree; two always lie on some line."""

EQUAL = 0.75
"""Relative power of a peak, and relative score of a delay, that is as good as the best one."""

MOST_PEAKS = 24
FAR_S = 0.05
"""How far delays lie apart that are two and not one."""

SINGLE_PEAK_RATIO = 3.0
"""How far one passage alone must stand out of all other delays."""

CLEAR = 0.6
"""Largest relative power beside a single peak, 1.5 to 50 ms away: a note that is its own neighbour is no evidence."""


@dataclass(frozen=True)
class BulkDelay:
    """Delay at a few moments of the output.

    Parameters
    ----------
    time_s : ndarray, shape (n_anchors,)
        Output times of the passages that agree, rising.
    delay_s : ndarray, shape (n_anchors,)
        Their delays, good to a few milliseconds.
    others_s : tuple of float
        Other delays that fit as well, as in a loop; `delay_s` is the smallest of them.
    """

    time_s: FloatArray
    delay_s: FloatArray
    others_s: tuple[float, ...] = ()

    def at(self, time_s: FloatArray) -> FloatArray:
        """Delay on the straight line through the anchors, seconds."""
        if len(self.time_s) < 2 or np.ptp(self.time_s) == 0.0:
            return np.full(len(time_s), float(np.median(self.delay_s)))
        slope, offset = np.polyfit(self.time_s, self.delay_s, 1)
        # a few ms of wow over a few seconds are no drift
        if np.ptp(slope * self.time_s) < AGREE_S:
            return np.full(len(time_s), float(np.median(self.delay_s)))
        return np.asarray(offset + slope * np.asarray(time_s), dtype=np.float64)


@dataclass(frozen=True)
class _Candidate:
    passage: int
    time_s: float
    delay_s: float
    ratio: float
    clear: bool

    def of_output(self) -> "_Candidate":
        """Return what it says when a passage of the output was found in the input."""
        return replace(self, time_s=self.time_s - self.delay_s, delay_s=-self.delay_s)


def find_bulk_delay(pair: SlowPair, *, max_delay_s: float) -> BulkDelay:
    """Bulk delay of the output behind the input, seconds; the polarity does not matter.

    Parameters
    ----------
    pair : SlowPair
        Input and output, not silent; lengths may differ.
    max_delay_s : float
        Largest delay that is looked for, late or early, seconds.

    Raises
    ------
    NoMatchError
        If the passages do not agree on any delay.

    Notes
    -----
    Generalised cross-correlation (``|G|**-0.6``) of up to 8 loud passages of 1 s, at about 11 kHz; its power, smoothed
    over 1 ms, gives three candidates a passage. Where every second passage agrees with all others on one delay only,
    the rest are not asked. Accuracy: a few milliseconds where the speed wanders.
    """
    x, y, rate = pair.stimulus, pair.output, pair.sample_rate
    # passages of the shorter signal are searched for in the longer one, so that each of them can be there
    swapped = len(y) < len(x)
    searched, within = (y, x) if swapped else (x, y)
    starts = _loud_passages(searched, length=_passage_length(searched, rate))
    candidates: list[_Candidate] = []
    asked = 0
    for half in (starts[::2], starts[1::2]):
        candidates += [
            found.of_output() if swapped else found
            for index, start in enumerate(half, asked)
            for found in _search(searched, within, start=start, passage=index, rate=rate, max_delay_s=max_delay_s)
        ]
        asked += len(half)
        best, others_s = _largest_agreement(candidates)
        agreeing = len({candidate.passage for candidate in best})
        if agreeing == asked >= ENOUGH and not others_s:
            break
    needed = max(2, math.ceil(MIN_AGREEMENT * asked))
    alone = agreeing == 1 and best[0].ratio >= SINGLE_PEAK_RATIO and best[0].clear and asked <= 2
    if agreeing < needed and not alone and len(starts) == 1:
        raise NoMatchError(
            f"no matching audio: {len(searched) / rate:.2f} s hold one passage only, and within +-{max_delay_s:g} s it "
            "fits at more than one delay; give files of 2 s or more, or a smaller largest delay"
        )
    if agreeing < needed and not alone:
        raise NoMatchError(
            f"no matching audio: {agreeing} of {asked} loud passages agree on a delay within "
            f"+-{max_delay_s:g} s, {needed} are needed; check that the two files belong "
            "together, or raise the largest delay (steady tones and loops fit at many delays: use a pilot)"
        )
    order = sorted(best, key=lambda candidate: candidate.time_s)
    return BulkDelay(
        time_s=np.array([candidate.time_s for candidate in order]),
        delay_s=np.array([candidate.delay_s for candidate in order]),
        others_s=others_s,
    )


def _passage_length(x: FloatArray, rate: float) -> int:
    """Length of a passage in samples: 1 s, and all of a signal that is shorter than two of them."""
    return int(PASSAGE_S * rate) if len(x) >= 2 * PASSAGE_S * rate else len(x)


def _loud_passages(x: FloatArray, *, length: int) -> list[int]:
    """Starts of the most telling passage of each eighth of the signal, those 35 dB below the loudest left out.

    A passage tells much about time if it is loud and wide: a loud tone fits at every one of its periods.
    """
    starts = np.arange(0, max(1, len(x) - length + 1), max(1, length // 2))
    # differences: the bass says little about time
    sharp = np.concatenate([np.diff(x, prepend=x[:1]), np.zeros(length)])
    energy, width = np.zeros(len(starts)), np.zeros(len(starts))
    for index, start in enumerate(starts):
        magnitude = np.abs(np.fft.rfft(sharp[start : start + length] * np.hanning(length)))
        energy[index] = np.sum(magnitude**2)
        width[index] = np.sum(magnitude) ** 2 / max(float(energy[index]), 1e-300)
    score = np.where(energy > 10**-3.5 * energy.max(), width * np.sqrt(energy), 0.0)
    parts = np.array_split(np.arange(len(starts)), min(PASSAGES, len(starts)))
    best = [int(part[np.argmax(score[part])]) for part in parts]
    return [int(starts[index]) for index in best if score[index] > 0.0]


def _search(
    x: FloatArray, y: FloatArray, *, start: int, passage: int, rate: float, max_delay_s: float
) -> list[_Candidate]:
    """Find the delays at which one passage of the input stands out in the output."""
    length = _passage_length(x, rate)
    reach = int(max_delay_s * rate)
    piece = x[start : start + length] * np.hanning(min(length, len(x) - start))
    first = max(0, start - reach)
    part = y[first : start + length + reach]
    if len(part) < length // 4:
        return []
    lags = _long_correlation(piece, part)
    box = max(2, int(1e-3 * rate))
    power = np.convolve(lags**2, np.hanning(2 * box + 1), "same")
    far_samples = int(0.05 * rate)
    found: list[tuple[int, float]] = []
    left = power.copy()
    while len(found) <= CANDIDATES or (len(found) < MOST_PEAKS and found[-1][1] > EQUAL * found[0][1]):
        peak = int(np.argmax(left))
        found.append((peak, float(power[peak])))
        left[max(0, peak - far_samples) : peak + far_samples] = 0.0
    n_equal = sum(height > EQUAL * found[0][1] for _, height in found)
    result = []
    for rank, (peak, height) in enumerate(found[: max(CANDIDATES, n_equal)]):
        gap = int(1.5e-3 * rate)
        around = np.concatenate(
            [power[max(0, peak - far_samples) : max(0, peak - gap)], power[peak + gap : peak + far_samples]]
        )
        beside = float(around.max(initial=0.0))
        delay = (peak - (len(piece) - 1) + first - start) / rate
        result.append(
            _Candidate(
                passage=passage,
                time_s=start / rate + 0.5 * length / rate + delay,
                delay_s=delay,
                # how far it stands out of the strongest other peak
                ratio=height / max(found[1 if rank == 0 else 0][1], 1e-300),
                clear=beside < CLEAR * height,
            )
        )
    return result


def _long_correlation(piece: FloatArray, part: FloatArray) -> FloatArray:
    """Generalised correlation at all lags; element ``len(piece) - 1`` is lag zero."""
    from scipy import fft

    length = fft.next_fast_len(len(piece) + len(part), real=True)
    cross = fft.rfft(part, length) * np.conj(fft.rfft(piece, length))
    magnitude = np.abs(cross)
    lags = fft.irfft(cross / np.maximum(magnitude, 1e-9 * magnitude.max() + 1e-300) ** WHITENING, length)
    return np.concatenate([lags[length - (len(piece) - 1) :], lags[: len(part)]])


def _largest_agreement(candidates: list[_Candidate]) -> tuple[list[_Candidate], tuple[float, ...]]:
    """Candidates, one a passage, that lie on one line of delay over time; the flattest, most striking line wins.

    Of lines that are equally good, as those of a loop, it is the one nearest to no delay; the others' delays come with
    it.
    """
    if not candidates:
        return [], ()
    time = np.array([candidate.time_s for candidate in candidates])
    delay = np.array([candidate.delay_s for candidate in candidates])
    weight = np.log1p(np.array([candidate.ratio for candidate in candidates]))
    passage = np.array([candidate.passage for candidate in candidates])
    middle_s = float(time.mean())
    lines: list[tuple[float, float, list[int]]] = []
    for i in range(len(candidates)):
        span = time - time[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.where(np.abs(span) > PASSAGE_S, (delay - delay[i]) / span, np.nan)
        for slope in [0.0, *slopes[np.abs(slopes) < MAX_SLOPE]]:
            near = np.flatnonzero(np.abs(delay - delay[i] - slope * span) < AGREE_S)
            # the strongest candidate of each passage
            chosen = {int(passage[k]): int(k) for k in near[np.argsort(weight[near])]}
            score = float(weight[list(chosen.values())].sum()) - 10.0 * abs(slope)
            lines.append((score, float(delay[i] + slope * (middle_s - time[i])), list(chosen.values())))
    best = max(lines, key=lambda line: line[0])
    rivals = [line for line in lines if line[0] > EQUAL * best[0] and abs(line[1] - best[1]) > FAR_S]
    if rivals:
        best = min([best, *rivals], key=lambda line: abs(line[1]))
    others_s: list[float] = []
    for _, delay_s, _ in sorted(rivals, key=lambda line: abs(line[1])):
        if all(abs(delay_s - known_s) > FAR_S for known_s in (best[1], *others_s)):
            others_s.append(delay_s)
    return [candidates[index] for index in best[2]], tuple(others_s)
