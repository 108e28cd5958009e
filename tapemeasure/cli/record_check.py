"""The level check before a take, and the check of a take by the tracker behind it."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tapemeasure.analysis.take_check import Finding, Limits, check_signals, summary, wrong_speed
from tapemeasure.arrays import Progress, no_progress
from tapemeasure.audio_stream import AudioSource, open_audio
from tapemeasure.errors import DeviceError, TapeMeasureError
from tapemeasure.io import read_audio
from tapemeasure.params import HardwareSettings
from tapemeasure.signals.timeline import Timeline, load_timeline
from tapemeasure.trajectory import DelayTrajectory

if TYPE_CHECKING:
    from tapemeasure.delay.lost_samples import LostSamples
    from tapemeasure.delay.track import TrackResult
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.level_check import LevelCheck
    from tapemeasure.devices.recording import Recording
    from tapemeasure.devices.sound_cards import Connection
    from tapemeasure.devices.takes import TakePaths

PIECE_S = 240.0
AHEAD_S = 4.0
NEAR_S = 0.03
SPEED_CHANGE_S = 3.0


def check_levels(device: "HardwareDevice", connection: "Connection") -> "LevelCheck":
    """Play the short soft signal and read the levels.

    Raises
    ------
    DeviceError
        If the stream cannot be opened or ends early.
    """
    from tapemeasure.devices.hardware import HardwareDevice
    from tapemeasure.devices.level_check import check_signal, read_levels

    soft = HardwareDevice(device.settings.model_copy(update={"tail_s": 0.0}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "levels.wav"
        recording = soft.record(check_signal(soft.settings), connection=connection, path=path)
        if recording.stopped_early is not None:
            raise DeviceError(f"level check: {recording.stopped_early}")
        recorded, _ = read_audio(path)
    return read_levels(recorded, soft.settings)


def level_rows(check: "LevelCheck", settings: HardwareSettings) -> list[tuple[str, str]]:
    """The level check as a table."""
    late = "nothing was heard" if check.latency_s is None else f"latency {1e3 * check.latency_s:.1f} ms by the marker"
    rows = [("level check", f"tones of {check.level_dbfs:.0f} dBFS; {late}")]
    for pair, source in enumerate(settings.input_channels[: len(settings.output_channels)]):
        heard = f"{check.gain_db[pair, pair]:+.1f} dB" if check.heard[pair, pair] else "not heard"
        sign = {1: "right way", -1: "inverted", 0: "unknown"}[int(check.polarity[pair, pair])]
        rows.append(
            (
                f"input {source}",
                f"{heard} from output {settings.output_channels[pair]}, peak {check.peak_dbfs[pair]:.1f} dBFS, noise "
                f"{check.noise_dbfs[pair]:.1f} dBFS, polarity {sign}",
            )
        )
    return rows


def limits_of(settings: HardwareSettings) -> Limits:
    """What passes, by the profile."""
    return Limits(
        gain_tolerance_db=settings.gain_tolerance_db,
        max_speed_error_pct=settings.max_speed_error_pct,
        max_hum_dbfs=settings.max_hum_dbfs,
        head_delay_ms=settings.head_delay_ms,
    )


def judge_take(
    settings: HardwareSettings, *, speed_error_pct: float | None = None, progress: Progress = no_progress
) -> Callable[["TakePaths", "Recording"], dict[str, Any]]:
    """Give the judge that looks at a complete take: by the card's flags, its levels, and the tracker.

    Parameters
    ----------
    settings : HardwareSettings
        Limits, and the pilot.
    speed_error_pct : float, optional
        Of a tape that was played in a pass of its own.
    progress : callable
        Told the completed fraction.
    """

    def judge(paths: "TakePaths", recording: "Recording") -> dict[str, Any]:
        timeline = load_timeline(paths.timeline) if paths.timeline.is_file() else None
        limits = limits_of(settings)
        findings = [*_flags(recording)]
        if speed_error_pct is not None and abs(speed_error_pct) > limits.max_speed_error_pct:
            findings.append(wrong_speed(speed_error_pct, limits=limits))
        stimulus, output = open_audio(paths.input), open_audio(paths.output)
        tracked, problem = _track(stimulus, output, settings, timeline, progress)
        found = _check_pieces(stimulus, output, tracked, timeline, limits)
        if tracked is None and not any(finding.name == "dead_channel" for finding in found):
            found.append(Finding("not_recognised", f"the stimulus was not recognised in the output: {problem}"))
        findings += found
        return {
            "good": not findings,
            "verdict": list(summary(findings)) or ["good: nothing lost, levels and speed as they should be"],
            "findings": [asdict(finding) for finding in findings],
            "tracked": _tracked_facts(tracked) if tracked is not None else None,
        }

    return judge


def _flags(recording: "Recording") -> list[Finding]:
    """What the card itself told."""
    findings = [
        Finding(
            "xruns",
            f"the card lost samples at {xrun.position_s:.3f} s ({', '.join(xrun.flags)}): enlarge its buffer, close "
            "other programs, and record again",
            None,
            xrun.position_s,
        )
        for xrun in recording.xruns
    ]
    if recording.clipped_runs_total:
        run = recording.clipped_runs[0]
        text = (
            f"the input clips {recording.clipped_runs_total} times, first in channel {run.channel} at "
            f"{run.start_samples / recording.sample_rate:.3f} s: lower the card's input or the machine's output"
        )
        count = float(recording.clipped_runs_total)
        findings.append(
            Finding("clipping", text, run.channel, run.start_samples / recording.sample_rate, count, "runs")
        )
    return findings


def _track(
    stimulus: AudioSource,
    output: AudioSource,
    settings: HardwareSettings,
    timeline: Timeline | None,
    progress: Progress,
) -> tuple["TrackResult | None", str]:
    from tapemeasure.delay.track import track_sources

    pilot = None if timeline is None else timeline.pilot
    try:
        result = track_sources(
            stimulus, output, pilot=settings.pilot, known_pilot=pilot if settings.pilot == "auto" else None,
            progress=progress,
        )  # fmt: skip
    except TapeMeasureError as error:
        return None, str(error)
    return result, ""


def _check_pieces(
    stimulus: AudioSource,
    output: AudioSource,
    tracked: "TrackResult | None",
    timeline: Timeline | None,
    limits: Limits,
) -> list[Finding]:
    """Look at the signals piece by piece, so that an hour needs no more memory than some minutes."""
    rate = output.sample_rate
    before_s = 1.0 + (0.0 if tracked is None else max(0.0, float(np.max(tracked.trajectory.delay_s))))
    findings: list[Finding] = []
    pilot_channel = None if timeline is None else timeline.pilot.channel
    length_s = output.n_samples / rate
    n_pieces = max(1, round(length_s / PIECE_S))
    for piece in range(n_pieces):
        begin_s, end_s = piece * length_s / n_pieces, (piece + 1) * length_s / n_pieces
        first, stop = max(0, round((begin_s - before_s) * rate)), round(end_s * rate)
        found = check_signals(
            # where many blocks got lost, the output is ahead of what was played
            _part(stimulus, first, stop + round(AHEAD_S * rate)),
            output.read(first, stop),
            sample_rate=rate,
            trajectory=None if tracked is None else _cut_trajectory(tracked.trajectory, first / rate, stop / rate),
            timeline=None if timeline is None else _cut_timeline(timeline, first, stop),
            pilot_channel=pilot_channel if timeline is not None and timeline.pilot.kind != "inband" else None,
            limits=limits,
        )
        for finding in found:
            if finding.time_s is None:
                if not any((other.name, other.channel) == (finding.name, finding.channel) for other in findings):
                    findings.append(finding)
            elif finding.time_s + first / rate >= begin_s:
                findings.append(replace(finding, time_s=finding.time_s + first / rate))
    if tracked is not None:
        has_tone = timeline is not None and timeline.pilot.kind == "tone"
        findings += _lost_by_tracker(tracked, findings, rate, has_tone=has_tone)
    return findings


def _part(source: AudioSource, first: int, stop: int) -> np.ndarray:
    """Samples of a file; zeros behind its end."""
    part = source.read(min(first, source.n_samples), min(stop, source.n_samples))
    return np.pad(part, ((0, stop - first - len(part)), (0, 0)))


def _cut_trajectory(trajectory: DelayTrajectory, start_s: float, stop_s: float) -> DelayTrajectory:
    """The trajectory from a moment on, on a time axis that begins there."""
    rate = trajectory.rate_hz
    first = max(0, round((start_s - trajectory.start_s) * rate))
    last = max(first + 1, round((stop_s - trajectory.start_s) * rate) + 1)
    return DelayTrajectory(
        start_s=trajectory.start_s + first / rate - start_s,
        rate_hz=rate,
        delay_s=trajectory.delay_s[first:last],
        sigma_s=trajectory.sigma_s[first:last],
        valid=trajectory.valid[first:last],
    )


def _cut_timeline(timeline: Timeline, first: int, stop: int) -> Timeline:
    """Segments between two samples, on a time axis that begins at the first."""
    segments = tuple(
        replace(segment, start_samples=low - first, length_samples=high - low)
        for segment in timeline.segments
        if (high := min(segment.stop_samples, stop)) > (low := max(segment.start_samples, first))
    )
    return Timeline(timeline.sample_rate, max(1, stop - first), segments, timeline.pilot)


def _lost_by_tracker(tracked: "TrackResult", known: list[Finding], rate: int, *, has_tone: bool) -> list[Finding]:
    """Lost samples that only the tracker saw: single ones, and those of a tone where nothing else plays."""
    lost_s = [finding.time_s or 0.0 for finding in known if finding.name == "lost_samples"]
    if lost_s and not has_tone:
        # behind lost blocks the next pulse may be taken for its own, and the delay creeps
        return []
    times = [finding.time_s or 0.0 for finding in known if finding.name == "dropout"]
    gone_s = next((finding.time_s for finding in known if finding.name == "no_signal"), None)
    # while a tape changes its speed its delay moves as fast as if samples got lost
    changed_s = [finding.time_s for finding in known if finding.name == "wrong_speed" and finding.time_s is not None]
    return [
        Finding(
            "lost_samples",
            f"{abs(event.samples)} samples were {'lost' if event.samples < 0 else 'doubled'} at {event.time_s:.3f} s: "
            "the card's clocks do not run together, or a driver loses samples; use one card for both directions",
            None,
            event.time_s,
            float(event.samples),
            "samples",
        )
        for event in _joined(tracked.lost_samples)
        if not any(abs(event.time_s - time_s) < NEAR_S for time_s in (*times, *lost_s))
        and not any(abs(event.time_s - time_s) < SPEED_CHANGE_S for time_s in changed_s)
        and (gone_s is None or event.time_s < gone_s - 0.1)
    ]


def _joined(events: "Sequence[LostSamples]") -> "list[LostSamples]":
    """Events that lie within 30 ms as one: the first, with the sum of their samples."""
    joined: list[LostSamples] = []
    for event in events:
        if joined and event.time_s - joined[-1].time_s < NEAR_S:
            joined[-1] = replace(joined[-1], samples=joined[-1].samples + event.samples)
        else:
            joined.append(event)
    return [event for event in joined if event.samples != 0]


def _tracked_facts(tracked: "TrackResult") -> dict[str, Any]:
    from tapemeasure.analysis.delay_statistics import delay_statistics
    from tapemeasure.delay.track import track_summary

    keys = ("method", "mean_delay_s", "drift_ppm", "valid_pct", "match", "pulses_expected", "pulses_found")
    figures = track_summary(tracked, delay_statistics(tracked.trajectory))
    return {key: figures.get(key) for key in keys}
