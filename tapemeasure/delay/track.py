"""The delay of an output behind its input, by whatever the input offers: pulses, a tone, or the programme itself."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, as_channels, no_progress
from tapemeasure.delay.checks import check_channel, clipped_runs, is_silent, lost_stretches, require_signal
from tapemeasure.delay.loudness import match_periods
from tapemeasure.delay.pilot import FoundPilot, choose_pilot
from tapemeasure.delay.points import Guide, Method, Points, track_points
from tapemeasure.delay.polarity import waveform_polarity
from tapemeasure.delay.programme import Programme, match_programme
from tapemeasure.delay.resolution import to_grid
from tapemeasure.errors import NoMatchError, ParameterError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayTrajectory

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PILOTS = ("auto", "none", "pulses", "tone", "inband")
LOST_S = 0.1
"""A pilot that is missing for longer is told."""

LOUDNESS_ONLY = "tracked by the pilot; the machine distorts the programme so much that only its loudness was recognised"
NOT_RECOGNISED = "tracked by the pilot alone; the programme was not recognised in the output, check its channel"

MAX_LOST_TOLD = 5


@dataclass(frozen=True)
class TrackResult:
    """Delay trajectory, and how it was found.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay at output time.
    method : str
        ``pulses``, ``tone``, ``inband`` or ``correlation``.
    pulses_expected, pulses_found : int or None
        Pulses that should stand in the output, and those that do; None without pulses.
    inverted_polarity : bool
        Whether the output is inverted.
    bulk_delay_s : float
        Median delay, seconds.
    match : float or None
        Correlation of the programme with the input, 0..1; None without a programme.
    warnings : tuple of str
        What the user should know.
    """

    trajectory: DelayTrajectory
    method: Method
    pulses_expected: int | None
    pulses_found: int | None
    inverted_polarity: bool
    bulk_delay_s: float
    match: float | None
    warnings: tuple[str, ...] = ()


def track_delay(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: float,
    pilot: str = "auto",
    programme_channel: int = 0,
    pilot_channel: int | None = None,
    rate_hz: float = 100.0,
    max_delay_s: float = 10.0,
    known_pilot: Pilot | None = None,
    progress: Progress = no_progress,
) -> TrackResult:
    """Delay of an output behind its input at every moment, seconds, with its standard uncertainty.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Input and output, full scale 1.0; lengths may differ.
    sample_rate : float
        Of both, Hz.
    pilot : str
        ``auto`` takes pulses or a tone where the input has them on a channel beside the programme, else the programme;
        ``pulses``, ``tone``, ``inband`` and ``none`` are forced.
    programme_channel : int
        Channel to track, from 0.
    pilot_channel : int, optional
        Channel of the pilot, from 0; by default all others are looked through.
    rate_hz : float
        Points per second, 1..2000. What the delay does above half of it is not followed.
    max_delay_s : float
        Largest delay that is looked for, late or early, seconds.
    known_pilot : Pilot, optional
        Pilot of the stimulus' timeline; names channel and frequency where `pilot` is ``auto``.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    SignalError
        If a signal is silent, too short or not finite, or the pilot that was asked for is not in the input.
    NoMatchError
        If the output does not contain the input.
    ParameterError
        If a setting is out of range.

    Notes
    -----
    Accuracy (rms, constant removed; 44.1 kHz, hiss -60 dBFS): pulses 0.1 us, tone of 3150 Hz at -12 dBFS 0.03 us,
    15 kHz at -40 dBFS in the programme 0.4 us, music 1 us. The machine's own group delay is part of the mean.

    References
    ----------
    .. [1] C. H. Knapp, G. C. Carter, "The generalized correlation method for estimation of time delay", 1976.
    """
    x, y = as_channels(stimulus), as_channels(output)
    _check_settings(pilot, rate_hz, max_delay_s)
    for samples, name in ((x, "input"), (y, "output")):
        check_channel(samples, programme_channel, name=name)
        require_signal(samples, name=name, sample_rate=sample_rate)
    found, warnings = choose_pilot(
        x,
        y,
        sample_rate=sample_rate,
        pilot=pilot,
        programme_channel=programme_channel,
        pilot_channel=pilot_channel,
        known_pilot=known_pilot,
    )
    missing_s = (len(x) - len(y)) / sample_rate
    if missing_s > LOST_S:
        warnings = (
            *warnings,
            f"the output is {missing_s:.2f} s shorter than the input; nothing is known behind its end",
        )
    progress(0.05)
    points, programme, told = _points(x, y, found, programme_channel, sample_rate, rate_hz, max_delay_s, progress)
    n_points = max(1, int(np.floor((len(y) - 1) / sample_rate * rate_hz)) + 1)
    trajectory = to_grid(
        points.time_s,
        points.delay_s,
        points.sigma_s,
        points.valid,
        rate_hz=rate_hz,
        n_points=n_points,
        reach_s=points.reach_s,
    )
    of_pilot = found is not None and found.channel == programme_channel
    one_x, one_y = x[:, programme_channel], y[:, programme_channel]
    of_waveform = None if of_pilot else waveform_polarity(one_x, one_y, trajectory, sample_rate=sample_rate)
    inverted = (points.polarity if of_waveform is None else of_waveform) < 0
    is_pulses = points.method == "pulses"
    progress(1.0)
    bulk_delay_s = float(np.median(points.delay_s[points.valid])) if points.valid.any() else float(points.delay_s[0])
    return TrackResult(
        trajectory=trajectory,
        method=points.method,
        pulses_expected=len(points.valid) if is_pulses else None,
        pulses_found=int(points.valid.sum()) if is_pulses else None,
        inverted_polarity=inverted,
        bulk_delay_s=bulk_delay_s,
        match=None if programme is None else programme.match,
        warnings=(*warnings, *told, *_warnings(one_y, points, inverted, bulk_delay_s)),
    )


def track_summary(result: TrackResult, statistics: "DataclassInstance") -> dict[str, Any]:
    """Figures of a tracked take as every JSON names them, those of `delay_statistics` included."""
    figures = asdict(statistics)
    return {
        "method": result.method,
        **figures,
        "pulses_expected": result.pulses_expected,
        "pulses_found": result.pulses_found,
        "inverted_polarity": result.inverted_polarity,
        "bulk_delay_s": result.bulk_delay_s,
        "match": result.match,
        "median_sigma_s": float(np.median(result.trajectory.sigma_s)),
        "warnings": list(result.warnings),
    }


def _check_settings(pilot: str, rate_hz: float, max_delay_s: float) -> None:
    if pilot not in PILOTS:
        raise ParameterError(f"pilot is {pilot!r}; choose one of {', '.join(PILOTS)}")
    if not 1.0 <= rate_hz <= 2000.0:
        raise ParameterError(f"rate_hz is {rate_hz:g} Hz; give 1 to 2000 Hz")
    if not 0.0 < max_delay_s <= 120.0:
        raise ParameterError(f"max_delay_s is {max_delay_s:g} s; give 0 to 120 s")


def _points(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    channel: int,
    sample_rate: float,
    rate_hz: float,
    max_delay_s: float,
    progress: Progress,
) -> tuple[Points, Programme | None, tuple[str, ...]]:
    """Raw delays, the programme where it was recognised in the output, and what to tell where it was not."""
    follow = partial(
        track_points,
        x,
        y,
        pilot=found,
        programme_channel=channel,
        sample_rate=sample_rate,
        rate_hz=rate_hz,
        progress=lambda fraction: progress(0.4 + 0.55 * fraction),
    )
    try:
        programme = _programme(x, y, found, channel, sample_rate, max_delay_s, progress)
    except NoMatchError as unmatched:
        # a machine may distort the programme beyond recognition; a pilot of its own channel then speaks for itself
        if found is None or found.channel is None:
            raise
        try:
            points = follow(guide=None, programme=None)
        except NoMatchError:
            # neither programme nor pilot is there: the output has nothing of the input
            raise unmatched from None
        guide = _loudness_guide(x, y, found, points, channel, sample_rate, max_delay_s)
        if guide is not None:
            return follow(guide=guide, programme=None), None, (LOUDNESS_ONLY,)
        if points.ambiguous_s is not None:
            raise
        return points, None, (NOT_RECOGNISED,)
    return follow(guide=_guide(programme), programme=programme), programme, ()


def _programme(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    channel: int,
    sample_rate: float,
    max_delay_s: float,
    progress: Progress,
) -> Programme | None:
    """Find the programme in the output; None where the pilot is all there is."""
    if found is not None and found.channel is not None:
        alone = found.channel == channel or is_silent(x[:, channel])
        if alone or is_silent(y[:, channel]):
            return None
    for samples, name in ((x, "input"), (y, "output")):
        require_signal(samples[:, channel : channel + 1], name=f"{name} channel {channel + 1}", sample_rate=sample_rate)
    return match_programme(
        x[:, channel],
        y[:, channel],
        sample_rate=sample_rate,
        max_delay_s=max_delay_s,
        progress=lambda fraction: progress(0.05 + 0.35 * fraction),
    )


def _guide(programme: Programme | None) -> Guide | None:
    if programme is None:
        return None
    return Guide(programme.time_s[programme.good], programme.frames.delay_s[programme.good])


def _loudness_guide(
    x: FloatArray,
    y: FloatArray,
    found: FoundPilot | None,
    points: Points,
    channel: int,
    sample_rate: float,
    max_delay_s: float,
) -> Guide | None:
    """The pulses' own delay, its period chosen by the programme's loudness; None where that is not clear."""
    if found is None or found.train is None or not points.valid.any():
        return None
    period_s = found.train.period_samples / sample_rate
    matched = match_periods(
        x[:, channel],
        y[:, channel],
        time_s=points.time_s,
        delay_s=points.delay_s,
        period_s=period_s,
        sample_rate=sample_rate,
        max_delay_s=max_delay_s,
    )
    if not matched.clear:
        return None
    shift_s = matched.periods * period_s
    return Guide(points.time_s[points.valid], points.delay_s[points.valid] + shift_s)


def _warnings(channel: FloatArray, points: Points, inverted: bool, bulk_delay_s: float) -> list[str]:
    texts = []
    if inverted:
        texts.append("the output's polarity is inverted")
    if points.ambiguous_s is not None:
        texts.append(
            f"the delay is known modulo {1e3 * points.ambiguous_s:.3f} ms only: the pilot runs through both files from "
            "end to end, and there is no programme to tell its periods apart"
        )
    if bulk_delay_s < -1e-3:
        texts.append(f"the output is {-bulk_delay_s:.3f} s early; were input and output swapped?")
    runs = clipped_runs(channel)
    if runs:
        texts.append(f"the output is clipped in {runs} places; lower the recording level")
    time, valid = points.time_s, points.valid
    if points.method == "pulses":
        # pulses that should stand at the ends are missed as well
        time, valid = np.pad(time, 1, mode="edge"), np.pad(valid, 1, constant_values=True)
    lost = lost_stretches(time, valid, longest_s=LOST_S)
    what = {"pulses": "the pilot is lost", "tone": "the pilot is lost", "inband": "the in-band tone is lost"}
    for first, last in lost[:MAX_LOST_TOLD]:
        reason = what.get(points.method, "the programme says nothing about the delay")
        texts.append(f"{reason} from {first:.2f} s to {last:.2f} s; bridged and marked as not valid")
    if len(lost) > MAX_LOST_TOLD:
        texts.append(f"{len(lost) - MAX_LOST_TOLD} more such stretches")
    return texts
