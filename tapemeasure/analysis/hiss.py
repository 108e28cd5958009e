"""Hiss segments: stretches of the output that were recorded while the input was silent."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.noise import Noise, measure_noise
from tapemeasure.analysis.silence import Silence, find_silences, no_silence_text
from tapemeasure.arrays import FloatArray, as_channels, runs_of
from tapemeasure.dsp.spectra import frames_of
from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import Timeline
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import db_from_power

TICK_FRAME_S = 0.01
LEAKAGE_TAPS = 17
LEAKAGE_MAX_S = 5.0
_TICK_MADS = 8.0
_TICK_MIN_DB = 2.0


@dataclass(frozen=True)
class HissSegment:
    """Hiss of the output while the input was silent.

    Parameters
    ----------
    start_s, end_s : float
        On the OUTPUT's time axis.
    input_start_s, input_end_s : float
        The silence of the input, guards removed.
    start_samples, stop_samples : int
        The same cut of the output in samples.
    level_dbfs, level_above_200hz_dbfs, level_a_dbfs, level_468_dbfs : float
        Rms levels: all of it, above 200 Hz, A-weighted, through the ITU-R 468 curve.
    dc_dbfs, hum_50hz_dbfs, hum_60hz_dbfs : float or None
        Mean value, and the lines of the mains combs that stand out.
    ticks : int
        Places where the level (10 ms) jumps out of the segment's own: more than 8 median deviations, at least 2 dB.
    leakage_dbfs : float or None
        Part that follows the other channel (a pilot's crosstalk); None where there is none to be seen.
    """

    start_s: float
    end_s: float
    input_start_s: float
    input_end_s: float
    start_samples: int
    stop_samples: int
    level_dbfs: float
    level_above_200hz_dbfs: float
    level_a_dbfs: float
    level_468_dbfs: float
    dc_dbfs: float | None
    hum_50hz_dbfs: float | None
    hum_60hz_dbfs: float | None
    ticks: int
    leakage_dbfs: float | None

    def cut(self, output: FloatArray) -> FloatArray:
        """The segment's samples of the output, untouched."""
        return output[self.start_samples : self.stop_samples]


@dataclass(frozen=True)
class Hiss:
    """All hiss segments of a take, and the noise of all of them together."""

    sample_rate: int
    segments: tuple[HissSegment, ...]
    noise: Noise

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_hiss(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    trajectory: DelayTrajectory | None = None,
    channel: int = 0,
    silence_dbfs: float = -60.0,
    guard_s: float = 0.15,
    min_length_s: float = 0.5,
    timeline: Timeline | None = None,
) -> Hiss:
    """Hiss segments of a take with their levels (dBFS rms), from the silences of its input.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,) or (n_samples, n_channels)
        What was played and what came back; the output as captured, or with its delay undone.
    sample_rate : int
        Hz.
    trajectory : DelayTrajectory, optional
        Delay of the output behind the input; None if the delay was undone.
    channel : int
        Measured channel, from 0. If there are two, the other one is looked for in the hiss (leakage).
    silence_dbfs, guard_s, min_length_s, timeline
        As in `tapemeasure.analysis.silence.find_silences`.

    Raises
    ------
    SignalError
        If the channel is missing, the input has no silence, or the output ends before the first one.
    ParameterError
        If a length is out of range.
    """
    played, heard = as_channels(stimulus), as_channels(output)
    for name, samples in (("input", played), ("output", heard)):
        if not 0 <= channel < samples.shape[1]:
            raise SignalError(f"{name} has {samples.shape[1]} channel(s), channel {channel + 1} was asked for")
    finding = {"silence_dbfs": silence_dbfs, "guard_s": guard_s, "min_length_s": min_length_s}
    silences = find_silences(played[:, channel], sample_rate=sample_rate, timeline=timeline, **finding)
    if not silences:
        raise SignalError(no_silence_text(played[:, channel], sample_rate=sample_rate, **finding))
    cuts = []
    for silence in silences:
        start, stop = (
            min(max(round(time_s * sample_rate), 0), len(heard))
            for time_s in (_output_time_s(edge, trajectory) for edge in (silence.start_s, silence.end_s))
        )
        if stop - start >= round(min_length_s * sample_rate) - 1:
            cuts.append((silence, start, stop))
    if not cuts:
        raise SignalError(
            f"the output ends at {len(heard) / sample_rate:.2f} s, before the input's first silence at "
            f"{silences[0].start_s:.2f} s reaches it; record longer"
        )
    other = 1 - channel if heard.shape[1] == 2 else None
    segments = tuple(
        _segment(heard, silence, (start, stop), sample_rate=sample_rate, channel=channel, other=other)
        for silence, start, stop in cuts
    )
    noise = measure_noise([segment.cut(heard[:, channel]) for segment in segments], sample_rate=sample_rate)
    return Hiss(sample_rate=sample_rate, segments=segments, noise=noise)


def _segment(
    heard: FloatArray, silence: Silence, cut: tuple[int, int], *, sample_rate: int, channel: int, other: int | None
) -> HissSegment:
    start, stop = cut
    samples = heard[start:stop, channel]
    noise = measure_noise([samples], sample_rate=sample_rate)
    leakage_dbfs = None if other is None else _leakage_dbfs(samples, heard[start:stop, other], sample_rate=sample_rate)
    return HissSegment(
        start_s=start / sample_rate,
        end_s=stop / sample_rate,
        input_start_s=silence.start_s,
        input_end_s=silence.end_s,
        start_samples=start,
        stop_samples=stop,
        level_dbfs=noise.level_dbfs,
        level_above_200hz_dbfs=noise.level_above_200hz_dbfs,
        level_a_dbfs=noise.level_a_dbfs,
        level_468_dbfs=noise.level_468_dbfs,
        dc_dbfs=noise.dc_dbfs,
        hum_50hz_dbfs=noise.hum_50hz_dbfs,
        hum_60hz_dbfs=noise.hum_60hz_dbfs,
        ticks=_count_ticks(samples, sample_rate=sample_rate),
        leakage_dbfs=leakage_dbfs,
    )


def _output_time_s(input_time_s: float, trajectory: DelayTrajectory | None) -> float:
    """Output time t with ``t - d(t)`` equal to a time of the input (the delay changes slowly: |d'| << 1)."""
    if trajectory is None:
        return input_time_s
    time_s = input_time_s
    for _ in range(8):
        time_s = input_time_s + float(trajectory.at(np.array([time_s]))[0])
    return time_s


def _count_ticks(samples: FloatArray, *, sample_rate: int) -> int:
    """Runs of 10 ms whose level, hum suppressed by a difference, jumps out of the segment's own levels."""
    length = round(TICK_FRAME_S * sample_rate)
    frames = frames_of(np.diff(samples), length_samples=length, hop_samples=length)
    power = np.mean(np.square(frames), axis=1)
    if len(power) < 8 or not np.all(power > 0.0):
        return 0
    levels_db = 10.0 * np.log10(power)
    centre = np.median(levels_db)
    deviation = np.median(np.abs(levels_db - centre))
    return len(runs_of(levels_db > centre + max(_TICK_MADS * deviation, _TICK_MIN_DB)))


def _leakage_dbfs(samples: FloatArray, other: FloatArray, *, sample_rate: int) -> float | None:
    """Level of what a short filter of the other channel explains; None where it explains no more than chance."""
    n = min(len(samples), round(LEAKAGE_MAX_S * sample_rate))
    # differences keep common hum from counting as leakage
    target, source = np.diff(samples[:n]), np.diff(other[:n])
    half = LEAKAGE_TAPS // 2
    lagged = np.lib.stride_tricks.sliding_window_view(source, LEAKAGE_TAPS)
    middle = target[half : half + len(lagged)]
    total = float(np.sum(np.square(middle)))
    if total == 0.0 or not np.any(source):
        return None
    taps = np.linalg.lstsq(lagged.T @ lagged, lagged.T @ middle, rcond=1e-9)[0]
    explained = 1.0 - float(np.sum(np.square(middle - lagged @ taps))) / total
    if explained < 4.0 * LEAKAGE_TAPS / len(middle):
        return None
    leak = np.lib.stride_tricks.sliding_window_view(other[:n] - np.mean(other[:n]), LEAKAGE_TAPS) @ taps
    return db_from_power(float(np.mean(np.square(leak))))
