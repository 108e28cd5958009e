"""The delay of a stretch that fits into memory: what is tracked, by what, and what the user should know of it."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.delay.checks import clipped_runs, is_silent, require_signal
from tapemeasure.delay.direction import input_noise_excess_db
from tapemeasure.delay.loudness import match_periods
from tapemeasure.delay.pilot import FoundPilot, choose_pilot
from tapemeasure.delay.points import Guide, Points, track_points
from tapemeasure.delay.polarity import waveform_polarity
from tapemeasure.delay.programme import Programme, match_programme
from tapemeasure.delay.resolution import to_grid
from tapemeasure.errors import NoMatchError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayStep, DelayTrajectory

LOUDNESS_ONLY = "tracked by the pilot; the machine distorts the programme so much that only its loudness was recognised"
NOT_RECOGNISED = "tracked by the pilot alone; the programme was not recognised in the output, check its channel"


@dataclass(frozen=True)
class TrackSettings:
    """What `tapemeasure.delay.track.track_delay` was asked for; channels from 0."""

    pilot: str
    programme_channel: int
    pilot_channel: int | None
    rate_hz: float
    max_delay_s: float
    known_pilot: Pilot | None
    fast: bool = False


@dataclass(frozen=True)
class Part:
    """Delays of a stretch, at times that count from the output's first sample in it.

    Parameters
    ----------
    points : Points
        Delays at output times.
    found : FoundPilot or None
        Pilot that they were tracked by.
    match : float or None
        Correlation of the programme with the input, 0..1; None without a programme.
    polarity : int
        1, or -1 if the output is inverted.
    clipped : int
        Places where the output is clipped.
    warnings : tuple of str
        What the user should know.
    input_noise_db : float or None
        How much noisier the input is in its soft moments than the output; None where that cannot be told.
    """

    points: Points
    found: FoundPilot | None
    match: float | None
    polarity: int
    clipped: int
    warnings: tuple[str, ...]
    input_noise_db: float | None = None


def track_part(
    x: FloatArray,
    y: FloatArray,
    settings: TrackSettings,
    *,
    sample_rate: float,
    continues: bool = False,
    progress: Progress = no_progress,
) -> Part:
    """Delay of the output `y` behind the input `x`, seconds.

    Parameters
    ----------
    x, y : ndarray, shape (n_samples, n_channels)
        Input and output.
    settings : TrackSettings
        Largest delay, pilot, channels.
    sample_rate : float
        Hz.
    continues : bool
        Whether this is a cut out of something longer that tells the periods of a pilot apart.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    SignalError
        If a signal is silent or too short, or the pilot that was asked for is not in the input.
    NoMatchError
        If the output does not contain the input.
    """
    for samples, name in ((x, "input"), (y, "output")):
        require_signal(samples, name=name, sample_rate=sample_rate)
    channel = settings.programme_channel
    found, warnings = choose_pilot(
        x,
        y,
        sample_rate=sample_rate,
        pilot=settings.pilot,
        programme_channel=channel,
        pilot_channel=settings.pilot_channel,
        known_pilot=settings.known_pilot,
    )
    progress(0.05)
    points, programme, told = _points(x, y, found, settings, sample_rate, continues, progress)
    of_pilot = found is not None and found.channel == channel
    of_waveform = noise_db = None
    if not of_pilot:
        local = trajectory_of(points, rate_hz=settings.rate_hz, duration_s=(len(y) - 1) / sample_rate)
        of_waveform = waveform_polarity(x[:, channel], y[:, channel], local, sample_rate=sample_rate)
        noise_db = input_noise_excess_db(x[:, channel], y[:, channel], local, sample_rate=sample_rate)
    progress(1.0)
    return Part(
        points=points,
        found=found,
        match=None if programme is None else programme.match,
        polarity=points.polarity if of_waveform is None else of_waveform,
        clipped=clipped_runs(y[:, channel]),
        warnings=(*warnings, *told, *points.told),
        input_noise_db=noise_db,
    )


def trajectory_of(points: Points, *, rate_hz: float, duration_s: float, first_s: float = 0.0) -> DelayTrajectory:
    """Delays on a uniform grid whose first point stands at the points' time `first_s`; it is the new time 0."""
    return to_grid(
        points.time_s - first_s,
        points.delay_s,
        points.sigma_s,
        points.valid,
        rate_hz=rate_hz,
        n_points=max(1, int(np.floor((duration_s - first_s) * rate_hz + 1e-9)) + 1),
        reach_s=points.reach_s,
        steps=tuple(DelayStep(step.time_s - first_s, step.delay_s) for step in points.steps),
    )


def _points(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    settings: TrackSettings,
    sample_rate: float,
    continues: bool,
    progress: Progress,
) -> tuple[Points, Programme | None, tuple[str, ...]]:
    """Raw delays, the programme where it was recognised in the output, and what to tell where it was not."""
    follow = partial(
        track_points,
        x,
        y,
        pilot=found,
        programme_channel=settings.programme_channel,
        sample_rate=sample_rate,
        rate_hz=settings.rate_hz,
        progress=lambda fraction: progress(0.4 + 0.55 * fraction),
    )
    try:
        programme = _programme(x, y, found, settings, sample_rate, progress)
    except NoMatchError as unmatched:
        # a machine may distort the programme beyond recognition; a pilot of its own channel then speaks for itself
        if found is None or found.channel is None:
            raise
        try:
            points = follow(guide=None, programme=None)
        except NoMatchError:
            # neither programme nor pilot is there: the output has nothing of the input
            raise unmatched from None
        if continues:
            return points, None, ()
        guide = _loudness_guide(x, y, found, points, settings, sample_rate)
        if guide is not None:
            return follow(guide=guide, programme=None), None, (LOUDNESS_ONLY,)
        if points.ambiguous_s is not None:
            raise
        return points, None, (NOT_RECOGNISED,)
    alone = found is None or found.channel is None
    told = (programme.repeats,) if alone and programme is not None and programme.repeats else ()
    return follow(guide=_guide(programme), programme=programme), programme, told


def _programme(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    settings: TrackSettings,
    sample_rate: float,
    progress: Progress,
) -> Programme | None:
    """Find the programme in the output; None where the pilot is all there is."""
    channel = settings.programme_channel
    if found is not None and found.channel is not None:
        alone = found.channel == channel or is_silent(x[:, channel])
        if alone or is_silent(y[:, channel]):
            return None
    for samples, name in ((x, "input"), (y, "output")):
        require_signal(samples[:, channel : channel + 1], name=f"{name} channel {channel + 1}", sample_rate=sample_rate)
    match = partial(
        match_programme,
        x[:, channel],
        y[:, channel],
        sample_rate=sample_rate,
        max_delay_s=settings.max_delay_s,
        progress=lambda fraction: progress(0.05 + 0.35 * fraction),
    )
    if found is None or found.channel is None:
        return match(fast=settings.fast)
    try:
        # beside a pilot the programme need only tell its periods apart
        return match(fast=True)
    except NoMatchError:
        return match(fast=False)


def _guide(programme: Programme | None) -> Guide | None:
    if programme is None:
        return None
    return Guide(programme.time_s[programme.good], programme.frames.delay_s[programme.good])


def _loudness_guide(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    points: Points,
    settings: TrackSettings,
    sample_rate: float,
) -> Guide | None:
    """The pulses' own delay, its period chosen by the programme's loudness; None where that is not clear."""
    if found is None or found.train is None or not points.valid.any():
        return None
    period_s = found.train.period_samples / sample_rate
    matched = match_periods(
        x[:, settings.programme_channel],
        y[:, settings.programme_channel],
        time_s=points.time_s,
        delay_s=points.delay_s,
        period_s=period_s,
        sample_rate=sample_rate,
        max_delay_s=settings.max_delay_s,
    )
    if not matched.clear:
        return None
    shift_s = matched.periods * period_s
    return Guide(points.time_s[points.valid], points.delay_s[points.valid] + shift_s)
