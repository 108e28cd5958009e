"""Response and harmonics of the sweeps of a take."""

import numpy as np

from tapemeasure.analysis.harmonics import HarmonicResponse, harmonic_responses
from tapemeasure.analysis.response import Response, sweep_response
from tapemeasure.analysis.sweep import SweepImpulses, deconvolve_sweep
from tapemeasure.analysis.sweep_check import require_sweep
from tapemeasure.analysis.sweep_timing import (
    LOWEST_CARRIER_HZ,
    SLOWEST_PER_L,
    WIDEST_BAND_HZ,
    SteadiedSweep,
    steadied_sweep,
)
from tapemeasure.analysis.timing_error import SweepTiming, TimingError, with_timing
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep, sweep_of_segment
from tapemeasure.signals.timeline import Segment, Timeline
from tapemeasure.units import db_from_amplitude

PREFERRED_LEVEL_DBFS = -20.0
SWEEP_TAIL_S = 0.5


def sweeps_of(
    played: FloatArray,
    heard: FloatArray,
    timeline: Timeline | None,
    sweeps: list[Segment],
    *,
    harmonics: int,
    smoothing_octaves: float,
    speed_deviation_pct: float,
    timing: TimingError,
    warnings: list[str],
) -> tuple[list[Response], list[HarmonicResponse], dict[str, SweepTiming]]:
    """Response, harmonics and timing of every sweep, by rising level; `warnings` tells what cannot be measured."""
    timings: dict[str, SweepTiming] = {}
    responses: list[Response] = []
    orders: list[HarmonicResponse] = []
    if timeline is None:
        return responses, orders, timings
    for segment in sweeps:
        level_dbfs = db_from_amplitude(float(np.max(np.abs(segment.cut(played)))))
        try:
            impulses, steadied = _impulses(played, heard, segment, timeline)
            response = sweep_response(
                impulses,
                smoothing_octaves=smoothing_octaves,
                speed_deviation_pct=speed_deviation_pct,
                name=segment.name,
                level_dbfs=level_dbfs,
            )
            behind = _timing(steadied, impulses.sweep, timing, octaves=smoothing_octaves)
            magnitude, phase = behind.sigma_nepers(response.frequency_hz)
            response = with_timing(response, magnitude_nepers=magnitude, phase_rad=phase)
        except SignalError as error:
            warnings.append(f"{segment.name}: {error}")
            continue
        responses.append(response)
        timings[segment.name] = behind
        orders += harmonic_responses(
            impulses,
            harmonics=harmonics,
            smoothing_octaves=smoothing_octaves,
            name=segment.name,
            level_dbfs=level_dbfs,
        )
    responses.sort(key=lambda found: found.level_dbfs or 0.0)
    orders.sort(key=lambda found: (found.level_dbfs, found.order))
    return responses, orders, timings


def _timing(steadied: SteadiedSweep, sweep: SynchronisedSweep, error: TimingError, *, octaves: float) -> SweepTiming:
    """Error of the delay behind a sweep that was steadied."""
    slowest_hz = SLOWEST_PER_L / sweep.time_constant_s
    if 2.0 * slowest_hz < WIDEST_BAND_HZ:
        carrier_hz, fast_s = 2.0 * LOWEST_CARRIER_HZ, 1e-6 * steadied.rms_us
    else:
        # too fast a sweep cannot be steadied
        carrier_hz, fast_s = float("inf"), 0.0
        slowest_hz = error.bandwidth_hz
    return SweepTiming(error, sweep.time_constant_s, slowest_hz, carrier_hz, fast_s, octaves)


def preferred(responses: list[Response]) -> Response | None:
    """The response to draw first: that of the sweep whose level is nearest to -20 dBFS."""
    return min(responses, key=lambda found: abs((found.level_dbfs or 0.0) - PREFERRED_LEVEL_DBFS), default=None)


def _impulses(
    played: FloatArray, heard: FloatArray, segment: Segment, timeline: Timeline
) -> tuple[SweepImpulses, SteadiedSweep]:
    """Deconvolved sweep with as much of the pause behind it as there is, at most half a second; what was steadied."""
    later = [other.start_samples for other in timeline.segments if other.start_samples >= segment.stop_samples]
    stop = min([segment.stop_samples + round(SWEEP_TAIL_S * timeline.sample_rate), len(played), *later])
    cut = slice(segment.start_samples, stop)
    sweep = sweep_of_segment(segment, sample_rate=timeline.sample_rate)
    require_sweep(heard[cut], sample_rate=timeline.sample_rate, sweep=sweep)
    steadied = steadied_sweep(heard[cut], sample_rate=timeline.sample_rate, sweep=sweep)
    impulses = deconvolve_sweep(played[cut], steadied.output, sample_rate=timeline.sample_rate, sweep=sweep)
    return impulses, steadied
