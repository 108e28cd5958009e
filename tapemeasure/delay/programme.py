"""The programme of the input found in the output: bulk delay, polarity, delay frame by frame, and the proof of it."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress, no_progress
from tapemeasure.delay.bulk import BulkDelay, find_bulk_delay
from tapemeasure.delay.fast import fast_delays
from tapemeasure.delay.gcc import COARSE_HOP_S, GOOD_QUALITY, FrameDelays, coarse_path, track_frames
from tapemeasure.delay.refine import RefinedDelays
from tapemeasure.delay.resolution import SlowPair
from tapemeasure.errors import NoMatchError

MIN_MATCH = 0.27
"""Median correlation of the frames: 0.4 to 0.95 where output and input belong together, 0.3 with hiss at -20 dBFS, up
to 0.23 elsewhere."""
MIN_FAST_MATCH = 0.35
"""The same for the short frames of the fast search: 0.37 and more where they belong together, up to 0.31 elsewhere."""
MOST_TOLD = 3


@dataclass(frozen=True)
class Programme:
    """Frame-wise delays of the programme at output times, those to rely on, the polarity, and the match (0..1).

    `refined` is there where a fast search has all that it will find; `repeats` tells of other delays that fit as well.
    """

    time_s: FloatArray
    frames: FrameDelays
    good: BoolArray
    polarity: int
    match: float
    refined: RefinedDelays | None = None
    repeats: str = ""


def match_programme(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: float,
    max_delay_s: float,
    fast: bool = False,
    progress: Progress = no_progress,
) -> Programme:
    """Find one channel of the input in the output.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each, not silent.
    sample_rate : float
        Hz.
    max_delay_s : float
        Largest delay that is looked for, seconds.
    fast : bool
        Whether to do without the waveform: ten times faster, a few times less accurate.

    Raises
    ------
    NoMatchError
        If the output does not contain the input; the text tells the correlation that was found.
    """
    pair = SlowPair.of(stimulus, output, sample_rate=sample_rate)
    bulk = find_bulk_delay(pair, max_delay_s=max_delay_s)
    path, polarity = coarse_path(pair, bulk)
    upright, refined = polarity * output, None
    if fast:
        refined, frames = fast_delays(stimulus, upright, path, guide_interval_s=COARSE_HOP_S, sample_rate=sample_rate)
    else:
        frames = track_frames(stimulus, upright, path, sample_rate=sample_rate, progress=progress)
    match, least = frames.match(), MIN_FAST_MATCH if fast else MIN_MATCH
    good = frames.loud & (frames.quality > max(GOOD_QUALITY, 0.5 * match))
    if match < least or not good.any():
        raise NoMatchError(
            f"no matching audio: the best delay within +-{max_delay_s:g} s gives a correlation of "
            f"{max(match, 0.0):.2f}, {least:g} is needed; check that the two files belong together, and the channel"
        )
    time = np.arange(len(frames.delay_s)) * frames.hop_samples / sample_rate
    return Programme(
        time_s=time,
        frames=frames,
        good=good,
        polarity=polarity,
        match=match,
        refined=refined,
        repeats=_repeats(bulk),
    )


def _repeats(bulk: BulkDelay) -> str:
    if not bulk.others_s:
        return ""
    others = ", ".join(f"{delay_s:.3f} s" for delay_s in bulk.others_s[:MOST_TOLD])
    return (
        f"the programme repeats itself: delays of {others} fit as well as {float(np.median(bulk.delay_s)):.3f} s, the "
        "smallest, which was taken; use a pilot, or give a smaller largest delay (--max-delay)"
    )
