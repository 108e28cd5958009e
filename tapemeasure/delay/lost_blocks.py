"""Blocks of samples that an output lost or doubled, found by correlation, before the waveform is followed.

Where some hundred microseconds to some ten milliseconds are missing, the path through the correlations jumps. Every
jump counts only if each side of it fits its own delay clearly better than that of the other side, and is placed where
the waveform changes from the one to the other.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, IntArray
from tapemeasure.delay.bulk import BulkDelay
from tapemeasure.delay.gcc import (
    COARSE_FRAME_S,
    COARSE_HOP_S,
    GOOD_QUALITY,
    MAX_SPEED,
    FrameDelays,
    best_path,
    coarse_correlations,
    coarse_hop,
    coarse_path,
    track_frames,
)
from tapemeasure.delay.lost_place import Jump, Knots, joined
from tapemeasure.delay.lost_samples import LostSamples, repair_output, to_repaired
from tapemeasure.delay.resolution import SlowPair, warp

DIP, DIP_S = 0.75, 0.03
"""A block takes at least this part of their correlation from the frames that hold it, as long as this."""

GUIDE_REACH_S = 0.0225
"""Frames are compared around three delays, so far beside each: windows that lie far apart share little."""

JUMP_COST = 0.5
"""Correlated frames that a path gives up for a jump: false ones are taken away later."""

LEAST_S = 250e-6
"""Jumps below it are left to the waveform."""

NEAR_ROWS = 4
"""Jumps with no more rows between them are one."""

PLACED_S = 0.05
"""How far from where the path jumps the block may be."""

SIDE_S = (0.04, 0.15)
BESIDE_ROWS, SIDE_ROWS, LEAST_ROWS = 2, 20, 4
HEALED_S, HEALED = 0.25, 1.0
"""Within what time beside a block how many frames more must correlate once it is taken away."""

LEAST_MATCH = 0.35
"""Correlation of all frames below which jumps are a matter of chance."""

FITS = 0.7
CONTRAST = 0.25
"""How much better than the delay of the other side its own must fit each side of a jump, on average over its rows, as a
part of how well the file fits: notes fit at other periods, too, but hardly worse."""


@dataclass(frozen=True)
class Blocks:
    """Blocks, and the delay frame by frame of the output without them."""

    lost: tuple[LostSamples, ...]
    frames: FrameDelays


def lost_blocks(stimulus: FloatArray, output: FloatArray, frames: FrameDelays, *, sample_rate: float) -> Blocks:
    """Lost and doubled blocks of a quarter of a millisecond to 45 ms; their counts are good to some samples.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        Programme channel; the output with its polarity put right.
    frames : FrameDelays
        Delay of the output as it is, as well as it could be followed.
    sample_rate : float
        Hz.

    Notes
    -----
    A Viterbi path that may jump at the price of half a frame, through correlations at 11 kHz up to 67 ms beside the
    usual delay, to which all blocks of a file together must keep. Frames that all correlate need no path. Places are
    good to some milliseconds; that of a doubled block is open by its own length, because any part of that length can be
    the one too many.
    """
    if not _dips(frames, sample_rate=sample_rate):
        return Blocks((), frames)
    usual = usual_delay(frames, sample_rate)
    path = _jumping_path(SlowPair.of(stimulus, output, sample_rate=sample_rate), usual)
    jumps = path.jumps()
    sure = [jump for jump in jumps if path.tells(jump, jumps)]
    if not sure:
        return Blocks((), frames)
    found = tuple(LostSamples(jump.time_s, round(jump.delay_s * sample_rate), COARSE_HOP_S, 0.0) for jump in sure)
    search = _Search(stimulus, output, sample_rate, path.delay_s)
    known = search.followed(found, whole=len(sure) == len(jumps))
    found = search.placed(found, known)
    healed = search.followed(found, whole=len(sure) == len(jumps))
    lost = tuple(event for event in found if search.healed(event, found, frames, healed))
    if not lost or healed.match() < LEAST_MATCH:
        return Blocks((), frames)
    return Blocks(lost, healed if len(lost) == len(jumps) else search.followed(lost, whole=False))


@dataclass(frozen=True)
class _Jump:
    """A jump of the path by `delay_s` at a time, between rows."""

    time_s: float
    delay_s: float
    rows: tuple[int, int]


@dataclass(frozen=True)
class _Path:
    """Delay every 25 ms of the output, seconds; how well every lag fits, and which the path takes, row by row."""

    delay_s: FloatArray
    reward: FloatArray
    column: IntArray
    hop_s: float
    rate: float

    def jumps(self) -> list[_Jump]:
        """Where the path jumps; jumps beside each other as one."""
        change = np.diff(self.column)
        quick = np.flatnonzero(np.abs(change) > MAX_SPEED * self.hop_s * self.rate + 1.0)
        found = []
        for run in np.split(quick, np.flatnonzero(np.diff(quick) > NEAR_ROWS) + 1) if len(quick) else ():
            total_s = float(change[run].sum()) / self.rate
            if abs(total_s) > LEAST_S:
                place = float(np.average(run, weights=np.abs(change[run]))) + 0.5
                found.append(_Jump(place * self.hop_s, total_s, (int(run[0]), int(run[-1]) + 1)))
        return found

    def tells(self, jump: _Jump, jumps: list[_Jump]) -> bool:
        """Whether a jump is more than another period of a note, or what the speed has done in a pause."""
        pause_s = max(0.0, self.gap_s(jump) - COARSE_FRAME_S)
        return abs(jump.delay_s) > MAX_SPEED * pause_s and self.contrast(jump, jumps) > CONTRAST

    def gap_s(self, jump: _Jump) -> float:
        """How long the path does not fit around a jump, seconds."""
        fit = self.reward[np.arange(len(self.column)), self.column]
        fits = np.flatnonzero(fit > FITS * np.median(fit))
        before, behind = fits[fits <= jump.rows[0]], fits[fits >= jump.rows[1]]
        return self.hop_s * float(behind[0] - before[-1]) if len(before) and len(behind) else np.inf

    def contrast(self, jump: _Jump, jumps: list[_Jump]) -> float:
        """How much worse, over the file's usual fit, the worse side of a jump would fit at the other's delay."""
        usual = float(np.median(self.reward[np.arange(len(self.column)), self.column]))
        others = [other.rows for other in jumps if other is not jump]
        first = max([jump.rows[0] - SIDE_ROWS, 0, *(stop for _, stop in others if stop <= jump.rows[0])])
        last = min(
            [jump.rows[1] + SIDE_ROWS, len(self.column), *(start for start, _ in others if start >= jump.rows[1])]
        )
        worst = np.inf
        for rows, sign in (
            (np.arange(first, jump.rows[0] - BESIDE_ROWS + 1), 1),
            (np.arange(jump.rows[1] + BESIDE_ROWS, last), -1),
        ):
            own = self.column[rows]
            other = own + sign * round(jump.delay_s * self.rate)
            inside = (other >= 0) & (other < self.reward.shape[1])
            gain = self.reward[rows[inside], own[inside]] - self.reward[rows[inside], other[inside]]
            worst = min(worst, float(gain.mean()) if len(gain) >= LEAST_ROWS else 0.0)
        return worst / max(usual, 1e-9)


@dataclass(frozen=True)
class _Search:
    """Input, output, and its delay every 25 ms, seconds, with jumps."""

    stimulus: FloatArray
    output: FloatArray
    sample_rate: float
    path_s: FloatArray

    def followed(self, lost: tuple[LostSamples, ...], *, whole: bool) -> FrameDelays:
        """Delay of the output without its lost samples; `whole` if the path has no other jumps."""
        time_s = np.arange(len(self.path_s), dtype=np.float64) * COARSE_HOP_S
        whole_s = to_repaired(time_s, lost, sample_rate=self.sample_rate)
        repaired = repair_output(self.output, lost, sample_rate=self.sample_rate)
        path_s = self.path_s + whole_s - time_s
        if whole:
            grid = np.arange(0.0, len(repaired) / self.sample_rate + COARSE_HOP_S, COARSE_HOP_S)
            path_s = np.interp(grid, whole_s, path_s)
        else:
            pair = SlowPair.of(self.stimulus, repaired, sample_rate=self.sample_rate)
            path_s, _ = coarse_path(pair, BulkDelay(whole_s, path_s), polarity=1)
        return track_frames(self.stimulus, repaired, path_s, sample_rate=self.sample_rate)

    def placed(self, lost: tuple[LostSamples, ...], known: FrameDelays) -> tuple[LostSamples, ...]:
        """Lost samples where the waveform places them."""
        delay, jumps = known.delay_s * self.sample_rate, []
        hop_s = known.hop_samples / self.sample_rate
        time_s = np.arange(len(delay)) * hop_s
        near_s, far_s = SIDE_S
        for event_s in to_repaired(np.array([event.time_s for event in lost]), lost, sample_rate=self.sample_rate):
            away_s = time_s - event_s
            side = (np.abs(away_s) > near_s) & (np.abs(away_s) < far_s)
            within = np.abs(away_s) <= near_s
            if side.sum() < 20 or not 0.25 < np.mean(away_s[side] > 0.0) < 0.75:
                continue
            design = np.stack([away_s**0, away_s, away_s**2, away_s**3], axis=1)
            delay[within] = design[within] @ np.linalg.lstsq(design[side], delay[side], rcond=None)[0]
            jumps.append(Jump(float(event_s), 0.0, PLACED_S, bridged=True))
        knots = Knots(known.hop_samples, delay)
        return joined(lost, jumps, self.output, knots, self._plays, sample_rate=self.sample_rate)

    def _plays(self, delay_samples: FloatArray, first: int) -> FloatArray:
        return warp(self.stimulus, (delay_samples - first) / self.sample_rate, sample_rate=self.sample_rate)

    def healed(
        self, event: LostSamples, lost: tuple[LostSamples, ...], before: FrameDelays, after: FrameDelays
    ) -> bool:
        """Whether frames around a block correlate once it is taken away that did not before."""
        reach = round(HEALED_S * self.sample_rate / after.hop_samples)
        time_s = np.array([event.time_s])
        totals = []
        for frames, when_s in ((before, time_s), (after, to_repaired(time_s, lost, sample_rate=self.sample_rate))):
            place = round(float(when_s[0]) * self.sample_rate / frames.hop_samples)
            where = np.clip(np.arange(place - reach, place + reach), 0, len(frames.quality) - 1)
            totals.append(float(np.sum(np.where(frames.loud[where], frames.quality[where], 0.0))))
        return totals[1] - totals[0] > HEALED * max(before.match(), after.match())


def _dips(frames: FrameDelays, *, sample_rate: float) -> bool:
    """Whether there is a stretch in which frames do not correlate."""
    from scipy.ndimage import binary_opening

    long = max(2, round(DIP_S * sample_rate / frames.hop_samples))
    dull: BoolArray = frames.loud & (frames.quality < DIP * frames.match())
    return bool(binary_opening(dull, np.ones(long, dtype=np.bool_)).any())


def usual_delay(frames: FrameDelays, sample_rate: float) -> BulkDelay:
    """What the frames that correlate say of the delay as a whole."""
    good = frames.loud & (frames.quality > GOOD_QUALITY)
    chosen = np.flatnonzero(good if good.any() else frames.loud)
    return BulkDelay(chosen * frames.hop_samples / sample_rate, frames.delay_s[chosen])


def _jumping_path(pair: SlowPair, usual: BulkDelay) -> _Path:
    """Path through the correlations that may jump."""
    rate = pair.sample_rate
    hop, reach = coarse_hop(rate), round(GUIDE_REACH_S * rate)
    usual_s = usual.at(np.arange(len(pair.output)) / rate)
    rewards = []
    for guide in (-2 * reach, 0, 2 * reach):
        warped = warp(pair.stimulus, usual_s + guide / rate, sample_rate=rate, half_taps=16)
        found = coarse_correlations(warped, pair.output, rate=rate, reach=reach)
        # the last lag of one guide is the first of the next
        rewards.append(found[:, : 2 * reach])
    reward: FloatArray = np.concatenate(rewards, axis=1, dtype=np.float32)  # half the memory
    price = JUMP_COST * float(np.median(reward.max(axis=1)))
    column = best_path(reward, max_step=max(1, round(MAX_SPEED * hop)), jump_cost=price)
    rows = np.arange(len(column))
    delay_s = usual_s[np.minimum(rows * hop, len(usual_s) - 1)] + (column - 3 * reach) / rate
    # the hop is a whole number of samples, so its time is not exactly 25 ms; between two rows a jump would be none
    nearest = np.minimum(np.round(rows * COARSE_HOP_S * rate / hop).astype(np.int64), len(rows) - 1)
    return _Path(delay_s[nearest], reward, column, hop / rate, rate)
