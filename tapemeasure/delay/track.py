"""The delay of an output behind its input, by whatever the input offers: pulses, a tone, or the programme itself."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, as_channels, no_progress
from tapemeasure.delay.any_speed import at_own_speed, track_any_speed
from tapemeasure.delay.checks import check_channel
from tapemeasure.delay.join import core_events, core_points, join_stretches
from tapemeasure.delay.long import Source, Stretch
from tapemeasure.delay.lost_samples import LostSamples
from tapemeasure.delay.part import TrackSettings
from tapemeasure.delay.points import Method
from tapemeasure.delay.telling import compared, evidence_texts, lost_texts, middle_delay, reason_of, warnings_of
from tapemeasure.dsp.dropouts import Dropout
from tapemeasure.errors import NoMatchError, ParameterError, SignalError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayTrajectory

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PILOTS = ("auto", "none", "pulses", "tone", "inband", "fused")


@dataclass(frozen=True)
class TrackResult:
    """Delay trajectory, and how it was found.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Delay at output time.
    method : str
        ``pulses``, ``tone``, ``inband``, ``fused`` or ``correlation``.
    pulses_expected, pulses_found : int or None
        Pulses that should stand in the output, and those that do; None without pulses.
    inverted_polarity : bool
        Whether the output is inverted.
    bulk_delay_s : float
        Median delay, seconds.
    match : float or None
        Correlation of the programme with the input, 0..1; None without a programme.
    reason : str
        Why it was tracked by that method.
    lost_samples : tuple of LostSamples
        Where the recording lost or doubled samples; the trajectory has steps there.
    dropouts : tuple of Dropout
        Where the pilot's level falls for a moment.
    warnings : tuple of str
        What the user should know.
    speed_ratio : float
        Speed of the output against the input's where that is so far off that it was taken away for tracking, else 1.
    lost_seen : float or None
        Part of the output in which the programme would show a single lost sample, 0..1; None where a pilot shows them,
        or where none was looked for.
    """

    trajectory: DelayTrajectory
    method: Method
    pulses_expected: int | None
    pulses_found: int | None
    inverted_polarity: bool
    bulk_delay_s: float
    match: float | None
    reason: str
    lost_samples: tuple[LostSamples, ...] = ()
    dropouts: tuple[Dropout, ...] = ()
    warnings: tuple[str, ...] = ()
    speed_ratio: float = 1.0
    lost_seen: float | None = None


def track_delay(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: float,
    pilot: str = "auto",
    programme_channel: int = 0,
    pilot_channel: int | None = None,
    rate_hz: float = 100.0,
    max_delay_s: float = 30.0,
    known_pilot: Pilot | None = None,
    fast: bool = False,
    threads: int = 1,
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
        ``pulses``, ``tone``, ``inband`` and ``none`` are forced; ``fused`` is a pilot beside the programme, moved to
        the programme's track by the slow difference between the two.
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
    fast : bool
        Whether the programme is tracked ten times faster and a few times less accurately.
    threads : int
        Stretches of a file beyond 4 minutes that are tracked at the same time; changes nothing of the result.
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
    return track_sources(
        ArraySource(as_channels(stimulus), sample_rate, "input"),
        ArraySource(as_channels(output), sample_rate, "output"),
        pilot=pilot,
        programme_channel=programme_channel,
        pilot_channel=pilot_channel,
        rate_hz=rate_hz,
        max_delay_s=max_delay_s,
        known_pilot=known_pilot,
        fast=fast,
        threads=threads,
        progress=progress,
    )


@dataclass(frozen=True)
class ArraySource:
    """Audio in memory, (n_samples, n_channels), that is read by parts."""

    samples: FloatArray
    sample_rate: float
    name: str

    @property
    def n_samples(self) -> int:
        """Length."""
        return len(self.samples)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[1])

    def read(self, first: int, stop: int) -> FloatArray:
        """Samples from `first` to before `stop`; SignalError if one is not finite."""
        part = self.samples[first:stop]
        if not np.isfinite(part).all():
            raise SignalError(f"the {self.name} holds NaN or infinite samples; export the file again")
        return part


def track_sources(
    stimulus: Source,
    output: Source,
    *,
    pilot: str = "auto",
    programme_channel: int = 0,
    pilot_channel: int | None = None,
    rate_hz: float = 100.0,
    max_delay_s: float = 30.0,
    known_pilot: Pilot | None = None,
    fast: bool = False,
    threads: int = 1,
    progress: Progress = no_progress,
) -> TrackResult:
    """`track_delay` of files that are read by parts: an hour in the memory of some minutes.

    `stimulus` and `output` are of one sample rate; all else as `track_delay`, which says what is raised.
    """
    settings = TrackSettings(pilot, programme_channel, pilot_channel, rate_hz, max_delay_s, known_pilot, fast)
    _check_settings(pilot, rate_hz, max_delay_s)
    for source, name in ((stimulus, "input"), (output, "output")):
        check_channel(np.zeros((0, source.n_channels)), programme_channel, name=name)
    try:
        tracked = track_any_speed(stimulus, output, settings, threads=threads, progress=progress)
    except NoMatchError as error:
        raise NoMatchError(f"{error}; {compared(stimulus, output, settings)}") from error
    sample_rate = output.sample_rate
    stretches = at_own_speed(tracked.stretches, tracked.speed_ratio)
    parts = [stretch.part for stretch in stretches]
    method = parts[0].points.method
    trajectory = join_stretches(stretches, rate_hz=rate_hz, sample_rate=sample_rate, n_samples=output.n_samples)
    inverted = sum(part.polarity for part in parts) < 0
    time_s, valid = core_points(stretches, sample_rate=sample_rate)
    events = core_events(stretches, sample_rate=sample_rate)
    matches = [part.match for part in parts if part.match is not None]
    return TrackResult(
        trajectory=trajectory,
        method=method,
        pulses_expected=len(valid) if method == "pulses" else None,
        pulses_found=int(valid.sum()) if method == "pulses" else None,
        inverted_polarity=inverted,
        bulk_delay_s=_median_delay(trajectory),
        match=float(np.median(matches)) if matches else None,
        reason=reason_of(
            parts[0].found, asked=pilot, of_timeline=known_pilot is not None, speed_ratio=tracked.speed_ratio
        ),
        lost_samples=events.lost_samples,
        dropouts=events.dropouts,
        warnings=(
            *dict.fromkeys(text for part in parts for text in part.warnings),
            *warnings_of(
                tracked.stretches,
                inverted=inverted,
                bulk_delay_s=middle_delay(tracked.stretches),
                missing_s=tracked.missing_s,
                speed_ratio=tracked.measured_ratio(),
            ),
            *evidence_texts(trajectory.valid),
            *lost_texts(method, time_s=time_s, valid=valid),
        ),
        speed_ratio=tracked.measured_ratio(),
        lost_seen=_lost_seen(stretches),
    )


def _lost_seen(stretches: list[Stretch]) -> float | None:
    seen = [
        (stretch.part.points.clear_share, stretch.core[1] - stretch.core[0])
        for stretch in stretches
        if stretch.part.points.clear_share is not None
    ]
    return sum(share * length for share, length in seen) / sum(length for _, length in seen) if seen else None


def track_summary(result: TrackResult, statistics: "DataclassInstance") -> dict[str, Any]:
    """Figures of a tracked take as every JSON names them, those of `delay_statistics` included."""
    figures = asdict(statistics)
    return {
        "method": result.method,
        "reason": result.reason,
        **figures,
        "pulses_expected": result.pulses_expected,
        "pulses_found": result.pulses_found,
        "inverted_polarity": result.inverted_polarity,
        "bulk_delay_s": result.bulk_delay_s,
        "match": result.match,
        "speed_ratio": result.speed_ratio,
        "median_sigma_s": float(np.median(result.trajectory.sigma_s)),
        "lost_samples": [asdict(event) for event in result.lost_samples],
        "lost_samples_seen_pct": None if result.lost_seen is None else 100.0 * result.lost_seen,
        "dropouts": [asdict(event) for event in result.dropouts],
        "warnings": list(result.warnings),
    }


def _median_delay(trajectory: DelayTrajectory) -> float:
    known = trajectory.valid if trajectory.valid.any() else slice(None)
    return float(np.median(trajectory.delay_s[known]))


def _check_settings(pilot: str, rate_hz: float, max_delay_s: float) -> None:
    if pilot not in PILOTS:
        raise ParameterError(f"pilot is {pilot!r}; choose one of {', '.join(PILOTS)}")
    if not 1.0 <= rate_hz <= 2000.0:
        raise ParameterError(f"rate_hz is {rate_hz:g} Hz; give 1 to 2000 Hz")
    if not 0.0 < max_delay_s <= 120.0:
        raise ParameterError(f"max_delay_s is {max_delay_s:g} s; give 0 to 120 s")
