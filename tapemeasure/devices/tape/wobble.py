"""The transport's truth: the delay of a take, from the tape's travel past the record head and past the play head."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.compatible import compatible_delay
from tapemeasure.devices.tape.curve import PAD_POINTS, Grid, SmoothCurve
from tapemeasure.devices.tape.plugin_wobble import FLUTTER_HARMONICS, flutter_hz, moves, plugin_delay
from tapemeasure.devices.tape.speed import (
    RandomBand,
    has_speed_deviation,
    rotation_hz,
    tape_position,
    tape_speed_m_s,
)
from tapemeasure.errors import DeviceError
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory

CONTROL_RATE_HZ = 1000.0
"""Points per second of the trajectory. The delay between two points is DEFINED as the quintic spline through them."""

FAST_CONTROL_RATE_HZ = 2000.0
"""The same where the tape moves faster than FAST_HZ."""

FAST_HZ = 110.0
AZIMUTH_BAND_HZ = (0.5, 10.0)
AZIMUTH_RATE_HZ = 200.0
MARGIN_S = 0.1
MOST_DEVIATION = 0.9
"""The tape's speed must stay this side of standing still."""

MIN_POINTS = 8


@dataclass(frozen=True)
class TransportTruth:
    """What the transport of one take does, exactly.

    Parameters
    ----------
    delay : DelayTrajectory
        Delay of channel 1 at output time, seconds, without lost samples.
    azimuth : DelayTrajectory or None
        How much later channel 2 is than channel 1, seconds; channel n is n - 1 times as late. None without azimuth
        error.
    facts : mapping
        Plain values with units in their names, for the sidecar: the rotating parts' frequencies.
    """

    delay: DelayTrajectory
    azimuth: DelayTrajectory | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def transport_truth(
    settings: TapeSettings,
    *,
    duration_s: float,
    sample_rate: int,
    latency_samples: float,
    generator: np.random.Generator,
) -> TransportTruth:
    """Delay of a take at every moment of its output, seconds, and the azimuth's.

    Parameters
    ----------
    settings : TapeSettings
        How the tape moves and how the take is made.
    duration_s : float
        Length of the output; the trajectories cover it.
    sample_rate : int
        Hz; matters to `chowtape_compatible` alone, whose delays are in samples.
    latency_samples : float
        Delay of the filters before the transport; the clock of `chowtape_compatible` runs on by it.
    generator : numpy.random.Generator
        Source of all that is random; record pass, play pass and azimuth have a child each.

    Returns
    -------
    TransportTruth
        Of the delay 1000 points per second (2000 where the tape moves faster than 110 Hz), of the azimuth 200;
        uncertainty 0, all valid. Equal seeds give equal delays at every sample rate, save `chowtape_compatible`.

    Raises
    ------
    DeviceError
        If the speed deviations are so large that the tape comes to a stand, or the reel runs empty.

    Notes
    -----
    With w(t) how far the tape is ahead, and c the recording converter's clock against the playing one: the sample that
    is heard at the machine's time t was recorded at t - d(t), where the same piece of tape was at the record head.
    Rewound: ``d = D - e t - w_play(t) + w_rec(t - d)``, each pass with a realisation of its own, e the speed error and
    D the head delay; D grows by what is needed for no sample to be played before it was recorded (a speed error above 0
    apart, with which the end of the tape is early). Off the tape: ``d = D - w(t) + w(t - d)``, D the travel from head
    to head: the comb ``-D sinc(f D) S(f)`` of the speed deviation S. The plug-in's delay (`wow_depth`,
    `flutter_depth`) belongs to w_play. The converter's output time is (1 + c) t.
    """
    rate_hz = control_rate_hz(settings)
    n_points = max(math.ceil(duration_s * rate_hz) + 1, MIN_POINTS)
    clock = 1.0 + 1e-6 * settings.clock_drift_ppm
    play_rng, record_rng, azimuth_rng = generator.spawn(3)
    delay_s = _machine_delay(
        settings,
        rate_hz=rate_hz,
        # the machine's time is longer than the output's where the recording clock is slow
        n_points=n_points if clock == 1.0 else math.ceil(n_points / clock) + MIN_POINTS,
        sample_rate=sample_rate,
        latency_samples=latency_samples,
        play_rng=play_rng,
        record_rng=record_rng,
    )
    if clock != 1.0:
        machine_s = Grid(0.0, rate_hz, n_points).times_s()
        machine_s /= clock
        delay_s = SmoothCurve.through(delay_s, start_s=0.0, rate_hz=rate_hz).at(machine_s)
        machine_s *= clock - 1.0
        delay_s += machine_s
    return TransportTruth(
        delay=_exact(delay_s, rate_hz=rate_hz),
        azimuth=_azimuth(settings, duration_s=duration_s, generator=azimuth_rng),
        facts={
            f"{part}_hz": hz for part, hz in rotation_hz(settings).items() if getattr(settings, f"{part}_pct") > 0.0
        },
    )


def control_rate_hz(settings: TapeSettings) -> float:
    """Points per second of the trajectory: 1000, or 2000 where there is motion above 110 Hz."""
    lines_hz = [frequency_hz for frequency_hz, pct in settings.lines_pct if pct > 0.0]
    if settings.capstan_pct > 0.0:
        lines_hz.append(rotation_hz(settings)["capstan"])
    if settings.flutter_depth > 0.0:
        lines_hz.append(len(FLUTTER_HARMONICS) * flutter_hz(settings))
    fast = settings.scrape_pct > 0.0 or any(line_hz > FAST_HZ for line_hz in lines_hz)
    return FAST_CONTROL_RATE_HZ if fast else CONTROL_RATE_HZ


def _machine_delay(
    settings: TapeSettings,
    *,
    rate_hz: float,
    n_points: int,
    sample_rate: int,
    latency_samples: float,
    play_rng: np.random.Generator,
    record_rng: np.random.Generator,
) -> FloatArray:
    """Delay at the machine's own time from 0 on, seconds, shape (n_points,)."""
    off_tape = settings.recording == "off_tape"
    head_s, error = 1e-3 * settings.head_delay_ms, 0.0 if off_tape else 0.01 * settings.speed_error_pct
    if not has_speed_deviation(settings) and not moves(settings):
        return np.asarray(head_s - error * np.arange(n_points) / rate_hz, dtype=np.float64)
    # the record pass is wanted before 0 and, where the tape is played fast, beyond the end
    before = math.ceil((2.0 * head_s + MARGIN_S) * rate_hz)
    after = math.ceil(MARGIN_S * rate_hz + abs(error) * n_points)
    grid = Grid(-before / rate_hz, rate_hz, before + n_points + after)
    inside = slice(before, before + n_points)
    position_rng, plugin_rng = play_rng.spawn(2)
    played_s = tape_position(settings, grid, generator=position_rng)
    if moves(settings) and settings.chowtape_compatible:
        played_s -= compatible_delay(
            settings, grid, sample_rate=sample_rate, latency_samples=latency_samples, generator=plugin_rng
        )
    elif moves(settings):
        played_s -= plugin_delay(settings, grid, generator=plugin_rng)
    if off_tape:
        delay_s = head_s - played_s[inside]
        _follow_tape(delay_s, played_s, grid)
        return delay_s
    # in place: an hour has millions of points
    delay_s = np.subtract(head_s, played_s, out=played_s)[inside]
    recorded_s = tape_position(settings, grid, generator=record_rng)
    # later by what it takes that nothing is played before it was recorded
    delay_s += max(0.0, -float(np.min(delay_s + recorded_s[inside])))
    if error != 0.0:
        delay_s -= error * np.arange(n_points) / rate_hz
    if has_speed_deviation(settings):
        _follow_tape(delay_s, recorded_s, grid)
    return delay_s


def _follow_tape(base_s: FloatArray, recorded_s: FloatArray, grid: Grid) -> None:
    """Replace b(t), from 0 on, by the d of ``d = b(t) + w(t - d)`` with the w of `recorded_s` on `grid`, seconds."""
    from tapemeasure.devices.tape.transport_kernels import solve_delay

    steps_s = np.diff(recorded_s)
    if grid.rate_hz * max(float(steps_s.max()), -float(steps_s.min())) > MOST_DEVIATION:
        raise DeviceError(
            "tape: the speed deviations add up to a tape that nearly stands still or runs twice as fast; "
            "lower the settings that end in _pct, or wow_depth and flutter_depth"
        )
    del steps_s
    curve = SmoothCurve.through(recorded_s, start_s=grid.start_s, rate_hz=grid.rate_hz)
    solve_delay(base_s, curve.coefficients, PAD_POINTS - grid.start_s * grid.rate_hz, grid.rate_hz)


def _azimuth(settings: TapeSettings, *, duration_s: float, generator: np.random.Generator) -> DelayTrajectory | None:
    """Delay of channel 2 behind channel 1: the tilt times the tracks' distance over the tape's speed, seconds."""
    if settings.azimuth_urad == 0.0 and settings.azimuth_jitter_urad == 0.0:
        return None
    n_points = max(math.ceil(duration_s * AZIMUTH_RATE_HZ) + 1, MIN_POINTS)
    tilt_urad = np.full(n_points, settings.azimuth_urad)
    if settings.azimuth_jitter_urad > 0.0:
        band = RandomBand(AZIMUTH_BAND_HZ, settings.azimuth_jitter_urad, AZIMUTH_RATE_HZ, generator)
        tilt_urad += band(np.arange(n_points) / AZIMUTH_RATE_HZ)
    late_s = 1e-9 * settings.track_distance_mm / tape_speed_m_s(settings) * tilt_urad
    return _exact(np.asarray(late_s, dtype=np.float64), rate_hz=AZIMUTH_RATE_HZ)


def _exact(delay_s: FloatArray, *, rate_hz: float) -> DelayTrajectory:
    n_points = len(delay_s)
    return DelayTrajectory(0.0, rate_hz, delay_s, np.zeros(n_points), np.ones(n_points, dtype=np.bool_))
