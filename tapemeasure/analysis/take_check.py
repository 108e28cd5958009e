"""The check of a take: what is wrong with it, by how much, and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.noise import measure_noise
from tapemeasure.analysis.slips import Slip, Slips, find_slips, lasting_change_s
from tapemeasure.analysis.speed_step import SpeedStep, find_speed_step
from tapemeasure.analysis.take_gain import (
    AROUND_S,
    FRAME_S,
    ChannelGain,
    Dip,
    channel_gain,
    find_dips,
    gone_from_s,
    rms_dbfs,
)
from tapemeasure.arrays import BoolArray, FloatArray, runs_of
from tapemeasure.signals.timeline import Timeline
from tapemeasure.trajectory import DelayTrajectory

DEAD_DBFS = -80.0
DEAD_DB = -60.0
PILOT_EXTRA_DB = 18.0
"""Pulses are wide in band and come back softer than the programme."""

STEADY_S = 30.0
LEAST_DROPOUT_S = 0.015
LOST_DROPOUT_S = 0.06
QUIET_S = 0.5
GUARD_S = 0.25
POLARITY_S = 20.0
POLARITY_REACH_S = 0.5e-3
CLEAR_CORRELATION = 0.3
CLEARLY_MORE = 1.3
PERCENT = 100.0
BESIDE_S = 0.1
ABOUT_S = 1.5


@dataclass(frozen=True)
class Limits:
    """What still passes.

    Parameters
    ----------
    gain_tolerance_db : float
        How far the output may lie from the level that was played.
    max_speed_error_pct : float
        Largest mean difference in speed.
    max_hum_dbfs : float
        Largest hum, rms.
    head_delay_ms : float or None
        Delay that the machine should have; None: any.
    """

    gain_tolerance_db: float = 12.0
    max_speed_error_pct: float = 2.0
    max_hum_dbfs: float = -50.0
    head_delay_ms: float | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    name : str
        ``lost_samples``, ``dead_channel``, ``wrong_level``, ``dropout``, ``no_signal``, ``inverted_polarity``, ``hum``,
        ``wrong_speed``, ``clipping``, ``xruns``, ``not_recognised``.
    text : str
        What it is, by how much, and what to do.
    channel : int or None
        From 1.
    time_s : float or None
        Where, on the output's time axis.
    amount : float or None
        How much, in `unit`.
    unit : str
        Of the amount.
    """

    name: str
    text: str
    channel: int | None = None
    time_s: float | None = None
    amount: float | None = None
    unit: str = ""


def check_signals(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    trajectory: DelayTrajectory | None,
    timeline: Timeline | None = None,
    pilot_channel: int | None = None,
    limits: Limits = Limits(),
) -> tuple[Finding, ...]:
    """What is wrong with a take by its signals; empty: nothing.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
        What was played and what came back, full scale 1.0; channel n of the one belongs to channel n of the other.
    sample_rate : int
        Hz.
    trajectory : DelayTrajectory or None
        Tracked delay; None where the tracker recognised nothing: then only levels and hum are looked at.
    timeline : Timeline, optional
        Of the stimulus: levels are compared where it plays programme.
    pilot_channel : int, optional
        Channel of the pilot, from 0.
    limits : Limits
        What still passes.

    Notes
    -----
    Thresholds are set so that a good take of a machine with 0.2 % of wow and flutter, a response that falls by 20 dB at
    the edges and hiss of -60 dBFS has no finding. Positions: lost samples 10 ms, dropouts 10 ms.
    """
    n_channels = min(stimulus.shape[1], output.shape[1])
    stimulus, output = stimulus[:, :n_channels], output[:, :n_channels]
    dead = list(_dead_channels(stimulus, output))
    findings = [*dead, *_hum(stimulus, output, sample_rate=sample_rate, trajectory=trajectory, limits=limits)]
    if trajectory is None:
        return tuple(findings)
    slips = find_slips(stimulus, output, sample_rate=sample_rate, trajectory=trajectory)
    gains = tuple(
        channel_gain(
            stimulus[:, channel], output[:, channel], channel=channel + 1, sample_rate=sample_rate,
            trajectory=slips.trajectory,
        )
        for channel in range(n_channels)
    )  # fmt: skip
    step = find_speed_step(stimulus, output, sample_rate=sample_rate, slips=slips)
    silent = {finding.channel for finding in dead}
    gone_s = gone_from_s(tuple(gain for gain in gains if gain.channel not in silent))
    if gone_s is not None:
        findings.append(_gone(gone_s))
    for channel, gain in enumerate(gains):
        if channel + 1 not in silent:
            is_pilot = channel == pilot_channel
            findings += _level(gain, limits=limits, is_pilot=is_pilot, until_s=gone_s)
            where = None if is_pilot else _programme_frames(gain, timeline, slips.trajectory)
            around_s = STEADY_S if is_pilot else AROUND_S
            dips = find_dips(gain, where=where, around_s=around_s)
            dips = tuple(dip for dip in dips if step is None or not _passing(dip, step))
            findings += _dropouts(gain.channel, dips, slips, until_s=gone_s)
            findings += _polarity(stimulus, output, channel, sample_rate=sample_rate, trajectory=slips.trajectory)
    if step is not None:
        findings.append(_speed_step(step))
    else:
        lost = [slip for slip in slips.slips if _before(slip.time_s, gone_s)]
        findings += [_lost(slip.time_s, slip.samples, sample_rate) for slip in lost]
    if not slips.slips and gone_s is None:
        findings += _speed(stimulus, output, sample_rate=sample_rate, trajectory=trajectory, limits=limits)
    return tuple(sorted(findings, key=lambda finding: (finding.time_s or 0.0, finding.name)))


def _before(time_s: float, gone_s: float | None) -> bool:
    return gone_s is None or time_s < gone_s - 0.1


def _dead_channels(stimulus: FloatArray, output: FloatArray) -> Iterator[Finding]:
    for channel in range(stimulus.shape[1]):
        level, played = rms_dbfs(output[:, channel]), rms_dbfs(stimulus[:, channel])
        if played > DEAD_DBFS and level < max(DEAD_DBFS, played + DEAD_DB):
            told = "digital silence" if not np.isfinite(level) else f"{level:.0f} dBFS rms"
            text = f"channel {channel + 1} is dead ({told}): check its cable, the channel map and the machine's input"
            yield Finding("dead_channel", text, channel + 1, None, level if np.isfinite(level) else None, "dBFS")


def _gone(gone_s: float) -> Finding:
    text = (
        f"nothing came back from {gone_s:.2f} s to the end, while the stimulus played on: the machine was disconnected "
        "or switched off, or its tape ended; record again"
    )
    return Finding("no_signal", text, None, gone_s)


def _level(gain: ChannelGain, *, limits: Limits, is_pilot: bool, until_s: float | None) -> Iterator[Finding]:
    median = gain.median_db(until_s)
    tolerance = limits.gain_tolerance_db + (PILOT_EXTRA_DB if is_pilot else 0.0)
    if median is None or abs(median) <= tolerance:
        return
    knob = "raise" if median < 0.0 else "lower"
    text = (
        f"channel {gain.channel} came back at {median:+.1f} dB against what was played ({tolerance:g} dB are allowed, "
        f"gain_tolerance_db): {knob} the machine's output or the card's input by {abs(median):.0f} dB"
    )
    yield Finding("wrong_level", text, gain.channel, None, median, "dB")


def _programme_frames(gain: ChannelGain, timeline: Timeline | None, trajectory: DelayTrajectory) -> BoolArray | None:
    """Frames in which the timeline plays programme; None without a timeline, all."""
    if timeline is None:
        return None
    time_s: FloatArray = (np.arange(len(gain.gain_db), dtype=np.float64) + 0.5) * FRAME_S
    played_s = time_s - trajectory.at(time_s)
    inside = np.zeros(len(time_s), dtype=np.bool_)
    for segment in timeline.of_kind("programme"):
        start_s, stop_s = (
            position / timeline.sample_rate for position in (segment.start_samples, segment.stop_samples)
        )
        inside |= (played_s > start_s + 0.05) & (played_s < stop_s - 0.05)
    return inside


def _dropouts(channel: int, dips: Sequence[Dip], slips: Slips, *, until_s: float | None) -> Iterator[Finding]:
    for dip in dips:
        middle_s = dip.start_s + 0.5 * dip.length_s
        near_slip = any(abs(slip.time_s - middle_s) < 0.05 + dip.length_s for slip in slips.slips)
        if dip.length_s < (LOST_DROPOUT_S if near_slip else LEAST_DROPOUT_S) or not _before(dip.start_s, until_s):
            continue
        text = (
            f"channel {channel} drops out at {dip.start_s:.2f} s for {1e3 * dip.length_s:.0f} ms by "
            f"{dip.depth_db:.0f} dB: clean the heads, take another stretch of tape, or check the cable"
        )
        yield Finding("dropout", text, channel, dip.start_s, dip.depth_db, "dB")


def _polarity(
    stimulus: FloatArray, output: FloatArray, channel: int, *, sample_rate: int, trajectory: DelayTrajectory
) -> Iterator[Finding]:
    """Sign of the strongest correlation within half a millisecond of the tracked delay."""
    time = np.arange(0, len(output), max(1, len(output) // round(POLARITY_S * sample_rate)))
    where = np.round(time - sample_rate * trajectory.at(time / sample_rate)).astype(np.int64)
    reach = round(POLARITY_REACH_S * sample_rate)
    found = np.zeros(2 * reach + 1)
    for offset in range(-reach, reach + 1):
        index = where + offset
        inside = (index >= 0) & (index < len(stimulus))
        played, heard = stimulus[index[inside], channel], output[time[inside], channel]
        energy = float(np.sqrt(np.sum(played**2) * np.sum(heard**2)))
        found[offset + reach] = float(np.sum(played * heard)) / energy if energy > 0.0 else 0.0
    best = float(found.min())
    if best < -CLEAR_CORRELATION and -best > CLEARLY_MORE * float(found.max()):
        text = (
            f"channel {channel + 1} is inverted (correlation {best:.2f}): swap the wires of one cable, or note it and "
            "invert the channel afterwards"
        )
        yield Finding("inverted_polarity", text, channel + 1, None, best, "")


def _hum(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    trajectory: DelayTrajectory | None,
    limits: Limits,
) -> Iterator[Finding]:
    """Mains hum in the longest stretch in which nothing is played."""
    delay_s = 0.0 if trajectory is None else float(np.median(trajectory.delay_s))
    for channel in range(output.shape[1]):
        stretch = _quiet_stretch(stimulus[:, channel], output[:, channel], delay_s, sample_rate)
        if stretch is None:
            continue
        noise = measure_noise([stretch], sample_rate=sample_rate)
        for mains_hz, level in ((50, noise.hum_50hz_dbfs), (60, noise.hum_60hz_dbfs)):
            if level is not None and level > limits.max_hum_dbfs:
                text = (
                    f"channel {channel + 1} hums: {mains_hz} Hz and its multiples at {level:.0f} dBFS rms "
                    f"({limits.max_hum_dbfs:g} dBFS are allowed, max_hum_dbfs): check earth loops and shields"
                )
                yield Finding("hum", text, channel + 1, None, level, "dBFS")


def _quiet_stretch(stimulus: FloatArray, output: FloatArray, delay_s: float, sample_rate: int) -> FloatArray | None:
    """Output of the longest stretch with nothing played, guards taken off; None where it is short or empty."""
    silent = np.ones(len(output) + 1, dtype=np.bool_)
    late = round(delay_s * sample_rate)
    loud = np.flatnonzero(np.abs(stimulus) > 1e-5) + late
    loud = loud[(loud >= 0) & (loud < len(silent))]
    silent[loud] = False
    guard = round(GUARD_S * sample_rate)
    first, stop = max(runs_of(silent), key=lambda run: run[1] - run[0], default=(0, 0))
    part = output[first + guard : stop - guard]
    return part if len(part) > QUIET_S * sample_rate and np.any(part != 0.0) else None


def _lost(time_s: float, samples: int, sample_rate: int) -> Finding:
    what = "lost" if samples < 0 else "doubled"
    text = (
        f"{abs(samples)} samples ({1e3 * abs(samples) / sample_rate:.1f} ms) were {what} at {time_s:.3f} s: enlarge "
        "the card's buffer, close other programs, and record again"
    )
    return Finding("lost_samples", text, None, time_s, float(samples), "samples")


def _passing(dip: Dip, step: SpeedStep) -> bool:
    """Whether a dip lies where the speed changed: what passes at the wrong pitch has no level to compare with."""
    begin_s, end_s = step.time_s - BESIDE_S, step.time_s + step.passage_s + BESIDE_S
    return dip.start_s < end_s and dip.start_s + dip.length_s > begin_s


def _speed_step(step: SpeedStep) -> Finding:
    change_pct = PERCENT * (step.ratio - 1.0)
    text = (
        f"the tape's speed is wrong from {step.time_s:.2f} s on: {change_pct:+.1f} % ({step.ratio:.3f} times), and the "
        f"delay changes by {1e3 * step.change_s:+.1f} ms for good: check the speed switch, the reels and the capstan"
    )
    return Finding("wrong_speed", text, None, step.time_s, change_pct, "%")


def _half_way_s(trajectory: DelayTrajectory, *, moment_s: float, change_s: float) -> float:
    """When a delay that changes about a moment has done half of it."""
    near = np.abs(trajectory.time_s - moment_s) < ABOUT_S
    delay_s = trajectory.delay_s[near]
    before_s = float(np.median(delay_s[: max(1, len(delay_s) // 5)]))
    return float(trajectory.time_s[near][np.argmin(np.abs(delay_s - before_s - 0.5 * change_s))])


def _speed(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, trajectory: DelayTrajectory, limits: Limits
) -> Iterator[Finding]:
    known = trajectory.valid
    if known.sum() < 10:
        return
    slope = float(np.polyfit(trajectory.time_s[known], trajectory.delay_s[known], 1)[0])
    change = lasting_change_s(trajectory)
    delay_ms = 1e3 * float(np.median(trajectory.delay_s[known]))
    if abs(slope) * PERCENT > limits.max_speed_error_pct:
        yield wrong_speed(-slope * PERCENT, limits=limits)
    elif change is not None:
        half_way_s = _half_way_s(trajectory, moment_s=change[0], change_s=change[1])
        seen = Slips((Slip(half_way_s, round(change[1] * sample_rate)),), trajectory)
        step = find_speed_step(stimulus, output, sample_rate=sample_rate, slips=seen)
        if step is not None:
            yield _speed_step(step)
            return
        text = (
            f"the tape's speed is wrong from {change[0]:.1f} s on: the delay changes by {1e3 * change[1]:+.1f} ms for "
            "good: check the speed switch, the reels and the capstan"
        )
        yield Finding("wrong_speed", text, None, change[0], 1e3 * change[1], "ms")
    elif limits.head_delay_ms is not None and abs(delay_ms / limits.head_delay_ms - 1.0) > 0.1:
        text = (
            f"the delay is {delay_ms:.1f} ms, the profile's head_delay_ms is {limits.head_delay_ms:g} ms: is the speed "
            "switch right?"
        )
        yield Finding("wrong_speed", text, None, None, delay_ms, "ms")


def wrong_speed(speed_error_pct: float, *, limits: Limits) -> Finding:
    """What to say of a tape that is played at another speed than it was recorded with."""
    how = "fast" if speed_error_pct > 0.0 else "slow"
    text = (
        f"the tape was played {abs(speed_error_pct):.2f} % too {how} ({limits.max_speed_error_pct:g} % are allowed, "
        "max_speed_error_pct): check the speed switch and the machine's speed"
    )
    return Finding("wrong_speed", text, None, None, speed_error_pct, "%")


def summary(findings: Sequence[Finding], *, longest: int = 8) -> tuple[str, ...]:
    """Sentences for a person: all kinds, at most a few of each."""
    texts: list[str] = []
    for name in dict.fromkeys(finding.name for finding in findings):
        of_kind = [finding.text for finding in findings if finding.name == name]
        texts += of_kind[:longest]
        if len(of_kind) > longest:
            texts.append(f"{len(of_kind) - longest} more of {name}, see the sidecar")
    return tuple(texts)
