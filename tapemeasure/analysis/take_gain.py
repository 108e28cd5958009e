"""Gain of a take from moment to moment: its level, channels that are dead, dropouts, where it goes silent."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, runs_of
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import db_from_power

FRAME_S = 0.01
BAND_HZ = (150.0, 5000.0)
ACTIVE_DB = 40.0
"""A frame of the input counts from this far below the loudest."""

LEAST_DBFS = -70.0
AROUND_S = 1.0
DIP_DB = 12.0
JOIN_S = 0.06
GONE_S = 0.3


@dataclass(frozen=True)
class Dip:
    """A stretch in which one channel is too soft.

    Parameters
    ----------
    channel : int
        From 1.
    start_s, length_s : float
        On the output's time axis.
    depth_db : float
        Below what lies around it, at its deepest.
    """

    channel: int
    start_s: float
    length_s: float
    depth_db: float


@dataclass(frozen=True)
class ChannelGain:
    """Gain of one channel, frame by frame of 10 ms.

    Parameters
    ----------
    channel : int
        From 1.
    gain_db : ndarray, shape (n_frames,)
        Output by input; NaN where the input is silent.
    zero : ndarray of bool, shape (n_frames,)
        Whether the output is digital silence there.
    """

    channel: int
    gain_db: FloatArray
    zero: BoolArray

    def median_db(self, until_s: float | None = None) -> float | None:
        """Gain of the take up to a moment, dB; None where the input is silent throughout."""
        part = self.gain_db if until_s is None else self.gain_db[: round(until_s / FRAME_S)]
        known = part[np.isfinite(part)]
        return float(np.median(known)) if len(known) else None


def channel_gain(
    stimulus: FloatArray, output: FloatArray, *, channel: int, sample_rate: int, trajectory: DelayTrajectory
) -> ChannelGain:
    """Gain of one channel of a take, dB, in frames of 10 ms of output time.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The channel of the input and of the output, full scale 1.0.
    channel : int
        Its number, from 1.
    sample_rate : int
        Hz.
    trajectory : DelayTrajectory
        Delay of the output.

    Notes
    -----
    Of both, the band from 150 to 5000 Hz. The power of the input's frame is taken at the delay of the frame's middle;
    frames more than 40 dB below the loudest do not count. Good to 1 dB where the signal is steady over the frame.
    """
    length = round(FRAME_S * sample_rate)
    n_frames = len(output) // length
    starts = np.arange(n_frames) * length
    delay = trajectory.at((starts + length / 2) / sample_rate) * sample_rate
    zero = _power(output, starts, length) == 0.0
    stimulus, output = _in_band(stimulus, sample_rate), _in_band(output, sample_rate)
    played = _power(stimulus, np.round(starts - delay).astype(np.int64), length)
    recorded = _power(output, starts, length)
    floor = max(10.0 ** (LEAST_DBFS / 10.0), float(played.max(initial=0.0)) * 10.0 ** (-ACTIVE_DB / 10.0))
    gain_db = np.full(n_frames, np.nan)
    active = played > floor
    gain_db[active] = 10.0 * np.log10(np.maximum(recorded[active], 1e-30) / played[active])
    return ChannelGain(channel, gain_db, zero)


def _in_band(samples: FloatArray, sample_rate: int) -> FloatArray:
    """What every machine plays: no subsonic part, which none does, and no extreme treble."""
    from scipy.signal import butter, sosfilt

    high_hz = min(BAND_HZ[1], 0.4 * sample_rate)
    sections = butter(2, (BAND_HZ[0], high_hz), "band", fs=sample_rate, output="sos")
    return np.asarray(sosfilt(sections, samples), dtype=np.float64)


def _power(samples: FloatArray, starts: np.ndarray, length: int) -> FloatArray:
    """Mean square of frames; zeros outside the signal."""
    summed = np.concatenate([[0.0], np.cumsum(np.square(samples))])
    first = np.clip(starts, 0, len(samples))
    last = np.clip(starts + length, 0, len(samples))
    return np.asarray(np.maximum(summed[last] - summed[first], 0.0) / length, dtype=np.float64)


def find_dips(gain: ChannelGain, *, where: BoolArray | None = None, around_s: float = AROUND_S) -> tuple[Dip, ...]:
    """Stretches that are 12 dB or more softer than what lies around them.

    Parameters
    ----------
    gain : ChannelGain
        Of one channel.
    where : ndarray of bool, optional
        Frames that count; by default all.
    around_s : float
        How far the median reaches to either side; a steady signal can be compared over minutes.
    """
    known = np.isfinite(gain.gain_db)
    if where is not None:
        known &= where
    index = np.flatnonzero(known)
    if len(index) < 3:
        return ()
    values = gain.gain_db[index]
    around = round(around_s / FRAME_S)
    level = np.empty(len(values))
    for position in range(len(values)):
        low = np.searchsorted(index, index[position] - around)
        high = np.searchsorted(index, index[position] + around, side="right")
        level[position] = np.median(values[low:high])
    deep = np.zeros(len(gain.gain_db), dtype=np.bool_)
    deep[index] = values < level - DIP_DB
    depth = np.zeros(len(gain.gain_db))
    depth[index] = level - values
    return tuple(
        Dip(gain.channel, first * FRAME_S, (stop - first) * FRAME_S, float(depth[first:stop].max()))
        for first, stop in _joined(runs_of(deep), round(JOIN_S / FRAME_S))
    )


def _joined(runs: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, stop in runs:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((first, stop))
    return joined


def gone_from_s(gains: tuple[ChannelGain, ...]) -> float | None:
    """When all channels become digital silence for good though the input plays on, seconds; None: they do not."""
    if not gains:
        return None
    zero = np.all([gain.zero for gain in gains], axis=0)
    if not len(zero) or not zero[-1]:
        return None
    start = len(zero) - int(np.argmin(zero[::-1])) if not zero.all() else 0
    played = np.any([np.isfinite(gain.gain_db[start:]) for gain in gains], axis=0)
    return start * FRAME_S if played.sum() * FRAME_S > GONE_S else None


def rms_dbfs(samples: FloatArray) -> float:
    """Level of a channel, dBFS rms."""
    return db_from_power(float(np.mean(np.square(samples)))) if len(samples) else -np.inf
