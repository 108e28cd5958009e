"""Tracking whatever the speed: an output that runs too fast or slow is tracked against the input at that speed."""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress, no_progress
from tapemeasure.delay.checks import is_silent
from tapemeasure.delay.long import Source, Stretch, track_stretches
from tapemeasure.delay.loudness import loudness_agreement
from tapemeasure.delay.part import TrackSettings
from tapemeasure.delay.points import DISTORTED, Points
from tapemeasure.delay.speed_ratio import LOOKED_AT_S, SpeedRatio, StretchedSource, find_speed_ratios
from tapemeasure.errors import NoMatchError, SignalError
from tapemeasure.signals.timeline import Pilot

FOLLOWED = 0.01
"""Difference in speed up to which the trackers follow by themselves."""
MOST = 0.2
"""Largest difference that is stretched away; further off, the sound is told to be another one."""
LEAST_VALID, LEAST_FOLLOWED = 0.3, 0.05
"""Fraction of the points that must be valid at another speed; and where the waveform cannot be followed."""
SURE = 0.35
"""Correlation of the spectra above which a ratio is told though nothing could be tracked."""
SAME_LOUDNESS = 0.6


@dataclass(frozen=True)
class Tracked:
    """Stretches, and the speed of the output against the input that had to be taken away first (1.0: none)."""

    stretches: list[Stretch]
    speed_ratio: float
    missing_s: float

    def measured_ratio(self) -> float:
        """Speed of the output against the input as it was tracked; 1.0 where nothing was taken away."""
        return 1.0 if self.speed_ratio == 1.0 else 1.0 - _slope(at_own_speed(self.stretches, self.speed_ratio))


def track_any_speed(
    stimulus: Source, output: Source, settings: TrackSettings, *, threads: int = 1, progress: Progress = no_progress
) -> Tracked:
    """Stretches of an output as `track_stretches` gives them, whose speed may be wrong by up to 20 %.

    Raises
    ------
    NoMatchError, SignalError
        As `track_stretches`; the text tells what else was noticed about the two files.
    """

    def at(ratio: float) -> Tracked:
        played = stimulus if ratio == 1.0 else StretchedSource(stimulus, ratio)
        asked = replace(settings, known_pilot=_faster(settings.known_pilot, ratio))
        stretches = track_stretches(played, output, asked, threads=threads, progress=progress)
        return Tracked(stretches, ratio, (played.n_samples - output.n_samples) / output.sample_rate)

    def attempt(ratio: float) -> Tracked | None:
        try:
            tracked = at(ratio)
        except (NoMatchError, SignalError):
            return None
        # steady tones fit a little at many speeds
        wrong = _distorted(tracked.stretches) or _valid(tracked.stretches).mean() < LEAST_VALID
        return None if wrong else tracked

    try:
        found = at(1.0)
    except NoMatchError as error:
        heads = _heads(stimulus, output, settings)
        ratios = [] if heads is None else find_speed_ratios(*heads, sample_rate=output.sample_rate)
        for candidate in ratios:
            if FOLLOWED < abs(candidate.ratio - 1.0) < MOST and (rescued := attempt(candidate.ratio)) is not None:
                return rescued
        told = "" if heads is None else _noticed(*heads, ratios, output.sample_rate, settings.max_delay_s)
        raise NoMatchError(f"{error}{told}") from error
    _require_evidence(found.stretches)
    ratio = 1.0 - _slope(found.stretches)
    if abs(ratio - 1.0) > FOLLOWED:
        heads = _heads(stimulus, output, settings)
        ratios = [] if heads is None else find_speed_ratios(*heads, sample_rate=output.sample_rate)
        # the delays of a speed that can hardly be followed tell it badly
        near = [each.ratio for each in ratios if abs(each.ratio - ratio) < FOLLOWED]
        again = attempt(near[0] if near else ratio)
        if again is not None and _valid(again.stretches).sum() >= _valid(found.stretches).sum():
            return again
    return found


def at_own_speed(stretches: list[Stretch], ratio: float) -> list[Stretch]:
    """Stretches with the delays against the input as it is, of those against the input `ratio` times faster."""
    if ratio == 1.0:
        return stretches
    return [
        replace(stretch, part=replace(stretch.part, points=_own_speed(stretch.part.points, ratio)))
        for stretch in stretches
    ]


def _own_speed(points: Points, ratio: float) -> Points:
    # y(t) = x(ratio (t - d)) = x(t - D)
    return replace(
        points,
        delay_s=(1.0 - ratio) * points.time_s + ratio * points.delay_s,
        sigma_s=ratio * points.sigma_s,
        steps=tuple(replace(step, delay_s=ratio * step.delay_s) for step in points.steps),
        ambiguous_s=None if points.ambiguous_s is None else ratio * points.ambiguous_s,
    )


def _faster(pilot: Pilot | None, ratio: float) -> Pilot | None:
    """The pilot as it sounds `ratio` times faster."""
    if pilot is None or pilot.frequency_hz is None:
        return pilot
    return replace(pilot, frequency_hz=ratio * pilot.frequency_hz, first_samples=round(pilot.first_samples / ratio))


def _heads(stimulus: Source, output: Source, settings: TrackSettings) -> tuple[FloatArray, FloatArray] | None:
    """The first minutes of the programme channels; None where one is silent."""
    length = round(LOOKED_AT_S * output.sample_rate)
    heads = [
        np.ascontiguousarray(source.read(0, min(length, source.n_samples))[:, settings.programme_channel])
        for source in (stimulus, output)
    ]
    return None if any(is_silent(head) for head in heads) else (heads[0], heads[1])


def _noticed(
    stimulus: FloatArray, output: FloatArray, ratios: list[SpeedRatio], sample_rate: float, max_delay_s: float
) -> str:
    """What the two files have in common though they could not be tracked."""
    if ratios and ratios[0].agreement > SURE and abs(ratios[0].ratio - 1.0) > FOLLOWED:
        return (
            f"; the output's spectrum is that of the input at {ratios[0].ratio:.3f} times its speed: "
            "check the machine's speed and the files' sample rates"
        )
    same = loudness_agreement(stimulus, output, sample_rate=sample_rate, max_delay_s=max_delay_s)
    if same.agreement > SAME_LOUDNESS:
        return (
            f"; the loudness of both rises and falls together (correlation {same.agreement:.2f} at a delay of "
            f"{same.delay_s:.2f} s), so they may belong together, but the speed wanders by more than a per cent or the "
            "machine distorts too much for the waveform to be followed: record a pilot beside it"
        )
    return ""


def _slope(stretches: list[Stretch]) -> float:
    """Seconds that the delay grows in a second, by the median of distant pairs."""
    valid = [stretch.part.points.valid for stretch in stretches]
    time_s = np.concatenate([stretch.part.points.time_s[good] for stretch, good in zip(stretches, valid, strict=True)])
    delay = np.concatenate([stretch.part.points.delay_s[good] for stretch, good in zip(stretches, valid, strict=True)])
    half = len(time_s) // 2
    if half < 2:
        return 0.0
    apart_s = time_s[-half:] - time_s[:half]
    far = apart_s > 0.25 * (time_s[-1] - time_s[0])
    return float(np.median((delay[-half:] - delay[:half])[far] / apart_s[far])) if far.any() else 0.0


def _valid(stretches: list[Stretch]) -> BoolArray:
    return np.concatenate([stretch.part.points.valid for stretch in stretches])


def _distorted(stretches: list[Stretch]) -> bool:
    return any(DISTORTED in stretch.part.warnings for stretch in stretches)


def _require_evidence(stretches: list[Stretch]) -> None:
    valid = _valid(stretches)
    if _distorted(stretches) and valid.mean() < LEAST_FOLLOWED:
        raise NoMatchError(
            f"no matching audio that can be followed: {100 * valid.mean():.1f} % of the output agrees with the input, "
            "and no waveform does; steady tones and chords leave the delay open: use a pilot"
        )
