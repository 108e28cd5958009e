"""A recorded test tape without an input: wow and flutter, speed, level, dropouts, modulation noise of one tone."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tapemeasure.analysis.azimuth import Azimuth, measure_azimuth
from tapemeasure.analysis.demodulation import demodulate_tone, tone_frequency_hz, tone_trajectory
from tapemeasure.analysis.din45500 import DinFigures, DinRow, Figure, din45500_table
from tapemeasure.analysis.dropouts import ToneDropouts, measure_dropouts
from tapemeasure.analysis.erasure import Erasure, measure_erasure
from tapemeasure.analysis.modulation_noise import ModulationNoise, measure_modulation_noise
from tapemeasure.analysis.spread import mean_of_blocks
from tapemeasure.analysis.tone_check import clipped_samples
from tapemeasure.analysis.transport import Transport
from tapemeasure.analysis.wow_flutter import WowFlutter, measure_wow_flutter
from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.units import db_from_amplitude

TEST_TONES_HZ = (3000.0, 3150.0)
SUSPICIOUS = 0.025
"""A tone so far off that is nearer to another test tone's frequency is told of."""

SOFT_DBFS = -50.0
LEVEL_BLOCK_S = 0.25
BOTH_DB = 40.0
"""A second track holds the tone too if it is no softer than this."""

Found = TypeVar("Found")
Given = ParamSpec("Given")


@dataclass(frozen=True)
class ToneTake:
    """What a recorded tone tells; None where it does not allow a measure (see `not_measured`).

    Parameters
    ----------
    sample_rate : int
        Hz.
    duration_s : float
        Length of the recording.
    channel : int
        Measured channel, from 0.
    nominal_hz : float
        What was recorded.
    frequency_hz, frequency_sigma_hz : float
        Mean frequency as it was played.
    level_dbfs, level_sigma_db : float
        Peak level of the tone.
    wow_flutter, modulation_noise, dropouts, azimuth, erasure
        As in their own classes; the modulation noise holds the hiss of its band too.
    din45500 : tuple of DinRow
        What a tone can tell of the requirements.
    not_measured, warnings : tuple of str
        Why something is missing; what the reader should know.
    """

    sample_rate: int
    duration_s: float
    channel: int
    nominal_hz: float
    frequency_hz: float
    frequency_sigma_hz: float
    level_dbfs: float
    level_sigma_db: float
    wow_flutter: WowFlutter | None
    modulation_noise: ModulationNoise | None
    dropouts: ToneDropouts | None
    azimuth: Azimuth | None
    erasure: Erasure | None
    din45500: tuple[DinRow, ...]
    not_measured: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_tone(
    samples: FloatArray,
    *,
    sample_rate: int,
    nominal_hz: float = 3150.0,
    channel: int = 0,
    transport: Transport | None = None,
    erased: FloatArray | None = None,
) -> ToneTake:
    """Wow and flutter and more of a recorded tone, as far as it allows them; units in the fields' names.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,) or (n_samples, n_channels)
        The test tape as it was played, full scale 1.0. No input is needed: the tone is its own clock.
    sample_rate : int
        Hz.
    nominal_hz : float
        Frequency that was recorded; up to 10 % beside it the tone is found.
    channel : int
        Measured channel, from 0. The tone on another one gives the azimuth.
    transport : Transport, optional
        What is known of the machine.
    erased : ndarray, optional
        The same stretch of tape, played after it was erased; gives the erasure.

    Raises
    ------
    SignalError
        If the channel is missing, holds no such tone, or is too short for anything.
    """
    tracks = as_channels(samples)
    if not 0 <= channel < tracks.shape[1]:
        raise SignalError(f"the recording has {tracks.shape[1]} channel(s), channel {channel + 1} was asked for")
    track, known = tracks[:, channel], Transport() if transport is None else transport
    frequency_hz = tone_frequency_hz(track, sample_rate=sample_rate, nominal_hz=nominal_hz)
    trajectory = tone_trajectory(track, sample_rate=sample_rate, nominal_hz=nominal_hz)
    tone = demodulate_tone(track, sample_rate=sample_rate, frequency_hz=frequency_hz)
    level = np.abs(tone.inner())
    blocks = np.array_split(level, max(2, round(len(level) / tone.rate_hz / LEVEL_BLOCK_S)))
    peak = mean_of_blocks(np.array([float(np.mean(block)) for block in blocks]))
    level_dbfs = db_from_amplitude(peak.value)
    reasons: list[str] = []

    def attempt(name: str, function: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs) -> Found | None:
        try:
            return function(*args, **kwargs)
        except (SignalError, MismatchError) as error:
            reasons.append(f"{name}: {error}")
            return None

    flutter = attempt(
        "wow and flutter",
        measure_wow_flutter,
        trajectory,
        head_delay_s=known.head_delay_s,
        parts=known.parts,
        speed_ips=known.speed_ips,
    )
    remainder = None
    if erased is not None:
        remainder = attempt(
            "erasure",
            measure_erasure,
            track,
            as_channels(erased)[:, channel],
            sample_rate=sample_rate,
            frequency_hz=nominal_hz,
        )
    speed_sigma = 0.0 if flutter is None else 0.01 * flutter.speed_error_sigma_pct
    return ToneTake(
        sample_rate=sample_rate,
        duration_s=len(track) / sample_rate,
        channel=channel,
        nominal_hz=nominal_hz,
        frequency_hz=frequency_hz if flutter is None else nominal_hz * (1.0 + 0.01 * flutter.speed_error_pct),
        frequency_sigma_hz=nominal_hz * speed_sigma if flutter is not None else float("nan"),
        level_dbfs=level_dbfs,
        level_sigma_db=20.0 / float(np.log(10.0)) * peak.sigma / peak.value,
        wow_flutter=flutter,
        modulation_noise=attempt(
            "modulation noise", measure_modulation_noise, track, sample_rate=sample_rate, frequency_hz=nominal_hz
        ),
        dropouts=attempt("dropouts", measure_dropouts, track, sample_rate=sample_rate, frequency_hz=nominal_hz),
        azimuth=_azimuth(tracks, known, sample_rate=sample_rate, attempt=attempt),
        erasure=remainder,
        din45500=_verdict(flutter, remainder),
        not_measured=tuple(dict.fromkeys(reasons)),
        warnings=_warnings(track, nominal_hz=nominal_hz, frequency_hz=frequency_hz, level_dbfs=level_dbfs),
    )


def _azimuth(
    tracks: FloatArray, known: Transport, *, sample_rate: int, attempt: Callable[..., Azimuth | None]
) -> Azimuth | None:
    """Only where two tracks hold about the same level."""
    power = np.mean(np.square(tracks[:, :2]), axis=0)
    if len(power) < 2 or float(np.min(power)) < 10.0 ** (-BOTH_DB / 10.0) * float(np.max(power)):
        return None
    return attempt(
        "azimuth",
        measure_azimuth,
        tracks[:, 0],
        tracks[:, 1],
        sample_rate=sample_rate,
        speed_ips=known.speed_ips,
        track_distance_mm=known.track_distance_mm,
    )


def _warnings(track: FloatArray, *, nominal_hz: float, frequency_hz: float, level_dbfs: float) -> tuple[str, ...]:
    found = []
    if clipped := clipped_samples(track):
        found.append(f"clipped: {clipped} samples at full scale; play it softer, its level and dropouts are wrong")
    if level_dbfs < SOFT_DBFS:
        found.append(
            f"the tone peaks at {level_dbfs:.1f} dBFS; play it louder, the converter's noise counts as flutter"
        )
    off = abs(frequency_hz / nominal_hz - 1.0)
    for other_hz in TEST_TONES_HZ:
        if off > SUSPICIOUS and abs(frequency_hz / other_hz - 1.0) < off:
            found.append(
                f"the tone is at {frequency_hz:.1f} Hz, {100 * (frequency_hz / nominal_hz - 1.0):+.1f} % off "
                f"{nominal_hz:g} Hz; is it a test tape of {other_hz:g} Hz?"
            )
    return tuple(found)


def _verdict(flutter: WowFlutter | None, erasure: Erasure | None) -> tuple[DinRow, ...]:
    def figure(value: float | None, sigma: float | None) -> Figure | None:
        if value is None or sigma is None or not np.isfinite([value, sigma]).all():
            return None
        return Figure(value, sigma)

    return din45500_table(
        DinFigures(
            speed_error_pct=None if flutter is None else figure(flutter.speed_error_pct, flutter.speed_error_sigma_pct),
            wow_flutter_pct=None
            if flutter is None
            else figure(flutter.weighted_2sigma_pct, flutter.weighted_2sigma_sigma_pct),
            erasure_db=None if erasure is None else figure(erasure.erasure_db, erasure.sigma_db),
        )
    )
