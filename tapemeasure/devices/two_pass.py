"""Machines with two heads: the test signals are printed onto the tape between two markers and found again by them.

The tape is played at another speed than it was recorded with, by another clock perhaps; what lies between the markers
is read so that its length is right again.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.played import Played
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import NoMatchError
from tapemeasure.signals.marker import MARKER_DURATION_S, marker_burst

LEAD_S = 1.0
GAP_S = 0.5
MARKER_DBFS = -12.0
SEARCH_S = 15.0
MAX_SPEED_ERROR = 0.06
SPEED_STEP = 0.005
LEAST_MATCH = 0.45
CLEAR_MATCH = 0.85
NEARLY = 0.65
"""Of the best match: between two samples a marker matches less well than on one."""
HALF_TAPS = 32
FINE = 16
LISTEN_S = 4.0
AFTER_S = 2.5

END_HEARD = "the end marker was heard"
BLOCK_SAMPLES = 65536

Cut = Callable[[int, int], FloatArray]
"""Samples from the first to the second position, shape (n_samples, n_channels); fewer at the end of the recording."""


@dataclass(frozen=True)
class Frame:
    """Where the printed signal lies in a recording.

    Parameters
    ----------
    start_samples : float
        Of the printed signal's first sample.
    ratio : float
        Length in the recording by length as it was printed; above 1: the tape was played too slowly.
    match : tuple of float
        Correlation of the two markers, 0..1.
    """

    start_samples: float
    ratio: float
    match: tuple[float, float]

    @property
    def speed_error_pct(self) -> float:
        """How much faster the tape was played than recorded, percent."""
        return 100.0 * (1.0 / self.ratio - 1.0)


@dataclass(frozen=True)
class _Hit:
    position: float
    match: float
    ratio: float
    channel: int


def framed(played: Played, *, level_db: float) -> Played:
    """A signal between two markers on all channels, with a second of silence before.

    Parameters
    ----------
    played : Played
        The test signals, already at their level.
    level_db : float
        What the markers' -12 dBFS are changed by.
    """
    rate = played.sample_rate
    burst = marker_burst(sample_rate=rate, level_dbfs=MARKER_DBFS + level_db)
    lead, gap = np.zeros(round(LEAD_S * rate)), np.zeros(round(GAP_S * rate))
    head, tail = np.concatenate([lead, burst, gap]), np.concatenate([gap, burst, gap])
    return played.after(_on_all(head, played.n_channels)).followed_by(_on_all(tail, played.n_channels))


def _on_all(samples: FloatArray, n_channels: int) -> FloatArray:
    return np.repeat(samples[:, np.newaxis], n_channels, axis=1)


def framed_length_samples(n_samples: int, *, sample_rate: int) -> int:
    """Length of `n_samples` with what `framed` puts around them."""
    marker = round(MARKER_DURATION_S * sample_rate)
    return n_samples + round(LEAD_S * sample_rate) + 2 * marker + 3 * round(GAP_S * sample_rate)


def find_frame(cut: Cut, *, length_samples: int, n_samples: int, sample_rate: int) -> Frame:
    """Where a printed signal lies in a recording, and how fast it was played.

    Parameters
    ----------
    cut : callable
        Gives parts of the recording.
    length_samples : int
        Of the recording.
    n_samples : int
        Of the printed signal, without its frame.
    sample_rate : int
        Hz.

    Raises
    ------
    NoMatchError
        If a marker is not found.

    Notes
    -----
    Matched filter for speeds up to 6 % off (and half or twice the speed), refined by the distance of the markers. The
    ratio is good to 0.1 samples in the whole length, but for the wow of the two moments.
    """
    first = _first_marker(cut, length_samples=length_samples, sample_rate=sample_rate)
    if first is None:
        raise NoMatchError(
            "the marker at the start was not found in the recording: was the tape played from before the start of the "
            "print, at the right speed, and is the level right? Play it again with --pass capture"
        )
    distance = _distance(n_samples, sample_rate)
    last = _last_marker(cut, first, distance=distance, length_samples=length_samples, sample_rate=sample_rate)
    if last is None and (problem := _too_slow(first, sample_rate)) is not None:
        raise NoMatchError(problem)
    if last is None:
        raise NoMatchError(
            f"the marker at the end was not found: the start lies at {first.position / sample_rate:.2f} s, the end was "
            f"to be near {(first.position + first.ratio * distance) / sample_rate:.2f} s of "
            f"{length_samples / sample_rate:.2f} s; let the tape play to its end with --pass capture"
        )
    ratio = (last.position - first.position) / distance
    for _ in range(2):
        first = _near(cut, first, first.position, ratio, sample_rate)
        last = _near(cut, last, last.position, ratio, sample_rate)
        ratio = (last.position - first.position) / distance
    offset = round(MARKER_DURATION_S * sample_rate) + round(GAP_S * sample_rate)
    return Frame(first.position + ratio * offset, ratio, (first.match, last.match))


def _distance(n_samples: int, sample_rate: int) -> int:
    """Samples from the one marker to the other, as they were printed."""
    return n_samples + 2 * round(GAP_S * sample_rate) + round(MARKER_DURATION_S * sample_rate)


def _too_slow(first: _Hit, sample_rate: int) -> str | None:
    """What to say of a tape so slow that the recording ends before it; None: it is not."""
    if first.ratio <= 1.0 + MAX_SPEED_ERROR:
        return None
    return (
        f"the tape is played at about half the speed it was printed with (ratio {1.0 / first.ratio:.3f}, "
        f"{100.0 * (1.0 / first.ratio - 1.0):+.0f} %; first marker at {first.position / sample_rate:.2f} s): set the "
        "speed switch as it was while printing, rewind, and play it again with --pass capture --force"
    )


class EndOfPrint:
    """Listens to a recording that grows for the end of the print.

    Parameters
    ----------
    n_samples : int
        Of the printed signal, without its frame.
    sample_rate : int
        Hz.
    after_s : float
        What is recorded behind the end marker, for the tail of the take.
    """

    def __init__(self, *, n_samples: int, sample_rate: int, after_s: float = AFTER_S) -> None:
        self._after = round(after_s * sample_rate)
        self._distance = _distance(n_samples, sample_rate)
        self._sample_rate = sample_rate
        self._first: _Hit | None = None
        self._searched = 0

    def reason(self, cut: Cut, *, length_samples: int) -> str | None:
        """Why the recording may end: the end marker was heard, or the tape is far too slow; None: it goes on."""
        rate = self._sample_rate
        if self._first is None:
            step = round(LISTEN_S * rate)
            if length_samples - self._searched < step:
                return None
            # the pieces overlap, so that no marker is cut in two
            part = cut(self._searched, length_samples)
            hit = _best_hit(part, _speeds(), sample_rate=rate)
            if hit is not None:
                self._first = _Hit(hit.position + self._searched, hit.match, hit.ratio, hit.channel)
            self._searched = max(0, length_samples - round(3.0 * MARKER_DURATION_S * rate))
            return None if self._first is None else _too_slow(self._first, rate)
        last_samples = self._first.position + self._first.ratio * self._distance
        if length_samples < last_samples - SPEED_STEP * self._distance:
            return None
        last = _last_marker(cut, self._first, distance=self._distance, length_samples=length_samples, sample_rate=rate)
        if last is None or length_samples < last.position + self._after:
            return None
        return END_HEARD


def _first_marker(cut: Cut, *, length_samples: int, sample_rate: int) -> _Hit | None:
    step = round(SEARCH_S * sample_rate)
    reach = 2 * round(MARKER_DURATION_S * sample_rate) + 2
    for start in range(0, length_samples, step):
        part = cut(start, min(start + step + reach, length_samples))
        hit = _best_hit(part, _speeds(), sample_rate=sample_rate)
        if hit is not None:
            return _Hit(hit.position + start, hit.match, hit.ratio, hit.channel)
    return None


def _speeds() -> list[float]:
    """Ratios that are tried, the likely ones first."""
    steps = round(MAX_SPEED_ERROR / SPEED_STEP)
    near = sorted((1.0 + SPEED_STEP * step for step in range(-steps, steps + 1)), key=lambda ratio: abs(ratio - 1.0))
    others = (wrong * ratio for wrong in (2.0, 0.5) for ratio in near if abs(ratio - 1.0) <= MAX_SPEED_ERROR / 2.0)
    return [*near, *others]


def _last_marker(cut: Cut, first: _Hit, *, distance: int, length_samples: int, sample_rate: int) -> _Hit | None:
    margin = round(SPEED_STEP * distance + 0.3 * sample_rate)
    centre = first.position + first.ratio * distance
    start = max(0, round(centre) - margin)
    stop = min(length_samples, round(centre) + margin + 2 * round(MARKER_DURATION_S * sample_rate))
    if stop - start < round(MARKER_DURATION_S * sample_rate):
        return None
    hit = _best_hit(cut(start, stop), [first.ratio], sample_rate=sample_rate)
    return None if hit is None else _Hit(hit.position + start, hit.match, hit.ratio, hit.channel)


def _near(cut: Cut, hit: _Hit, position: float, ratio: float, sample_rate: int) -> _Hit:
    """The same marker again, looked for with the ratio that is known by now."""
    margin = round(0.02 * sample_rate)
    start = max(0, math.floor(position) - margin)
    part = cut(start, start + 2 * margin + 3 * round(MARKER_DURATION_S * sample_rate))
    found = _best_hit(part, [ratio], sample_rate=sample_rate, least=0.0)
    return hit if found is None else _Hit(found.position + start, found.match, ratio, found.channel)


def _best_hit(part: FloatArray, ratios: list[float], *, sample_rate: int, least: float = LEAST_MATCH) -> _Hit | None:
    """Strongest marker of a part; a clear one ends the search."""
    best: _Hit | None = None
    for ratio in ratios:
        for channel in range(part.shape[1]):
            position, match = _match(part[:, channel], ratio, sample_rate=sample_rate)
            if match >= least and (best is None or match > best.match):
                best = _Hit(position, match, ratio, channel)
        if best is not None and best.match >= CLEAR_MATCH:
            break
    return best


def _match(samples: FloatArray, ratio: float, *, sample_rate: int) -> tuple[float, float]:
    """Position and normalised correlation of the marker, played `ratio` times as long."""
    from scipy.signal import fftconvolve

    burst = marker_burst(sample_rate=sample_rate, level_dbfs=0.0)
    n_taps = round(len(burst) * ratio)
    template = read_at(burst, np.arange(n_taps) / ratio, half_taps=HALF_TAPS)
    if len(samples) < n_taps:
        return 0.0, 0.0
    product = fftconvolve(samples, template[::-1], mode="valid")
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    local = np.maximum(energy[n_taps:] - energy[:-n_taps], 1e-12 * max(float(energy[-1]), 1e-30))
    match = np.abs(product) / np.sqrt(local * np.sum(template**2))
    # of several the first: the marker at the end is as strong as that at the start
    early = int(np.argmax(match >= NEARLY * match.max()))
    peak = early + int(np.argmax(match[early : early + n_taps]))
    return peak + _between_samples(product, peak), float(min(match[peak], 1.0))


def _between_samples(product: FloatArray, peak: int) -> float:
    """Where the correlation is largest, by the windowed sinc and a parabola, in samples from the peak."""
    offsets = np.linspace(-1.0, 1.0, 2 * FINE + 1)
    values = np.abs(read_at(product, peak + offsets, half_taps=HALF_TAPS))
    best = int(np.clip(np.argmax(values), 1, 2 * FINE - 1))
    left, centre, right = (float(value) for value in values[best - 1 : best + 2])
    curvature = left - 2.0 * centre + right
    within = float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature < 0.0 else 0.0
    return float(offsets[best]) + within / FINE


def with_right_clock(cut: Cut, frame: Frame, *, n_samples: int) -> Iterator[FloatArray]:
    """The printed signal as it was printed: from its start, at its own rate, in blocks.

    Parameters
    ----------
    cut : callable
        Gives parts of the recording.
    frame : Frame
        What `find_frame` returned.
    n_samples : int
        How many samples to give.
    """
    for start in range(0, n_samples, BLOCK_SAMPLES):
        where = frame.start_samples + frame.ratio * np.arange(start, min(start + BLOCK_SAMPLES, n_samples))
        origin = max(0, math.floor(where[0]) - HALF_TAPS)
        part = cut(origin, math.ceil(where[-1]) + HALF_TAPS + 1)
        yield read_at(part, where - origin, half_taps=HALF_TAPS)
