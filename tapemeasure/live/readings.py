"""What a meter tells: the reading of a moment, and the summary of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tapemeasure.live.flutter import FlutterReading
from tapemeasure.live.speed import BAND_CENTRES_HZ, SpeedReading, SpeedSpectrum, band_deviations_pct


@dataclass(frozen=True)
class Levels:
    """Levels of each channel over a quarter of a second, full scale 1.0 (rms: 1.0 rms)."""

    peak_dbfs: tuple[float, ...]
    rms_dbfs: tuple[float, ...]
    held_peak_dbfs: tuple[float, ...]
    clipped_samples: tuple[int, ...]


@dataclass(frozen=True)
class ToneLevel:
    """One tone of the response.

    Parameters
    ----------
    nominal_hz, found_hz : float
        What was recorded, and where it was last found.
    level_dbfs : tuple of float
        Rms level in each channel, when it was last heard.
    response_db : tuple of float
        The same against the reference tone, and against what was played where that is known.
    phase_deg : float or None
        Of the second channel against the first.
    """

    nominal_hz: float
    found_hz: float
    level_dbfs: tuple[float, ...]
    response_db: tuple[float, ...]
    phase_deg: float | None


@dataclass(frozen=True)
class AzimuthReading:
    """Delay of the second channel behind the first, microseconds, and what it is in degrees at the strongest tone."""

    static_us: float
    dynamic_us: float
    phase_deg: float | None
    tone_hz: float | None


@dataclass(frozen=True)
class NoiseReading:
    """Hum and noise of each channel, dBFS rms; None where no hum stands out.

    Parameters
    ----------
    beside_tones : bool
        Whether tones were taken out first.
    level_dbfs, level_a_dbfs, level_468_quasi_peak_dbfs : tuple of float
        Unweighted, A-weighted, and the reading of an ITU-R 468 meter (NaN: too short for it).
    hum_50hz_dbfs, hum_60hz_dbfs : tuple of float or None
        Lines of both combs.
    """

    beside_tones: bool
    level_dbfs: tuple[float, ...]
    level_a_dbfs: tuple[float, ...]
    level_468_quasi_peak_dbfs: tuple[float, ...]
    hum_50hz_dbfs: tuple[float | None, ...]
    hum_60hz_dbfs: tuple[float | None, ...]


@dataclass(frozen=True)
class Reading:
    """Everything that a meter shows at a moment; None is what is not there.

    Parameters
    ----------
    time_s : float
        Since the first sample.
    levels : Levels
        Of the last quarter of a second.
    nominal_hz, found_hz : float or None
        The tone that the speed is read from.
    speed_pct : float or None
        Speed error over the last second.
    needle, run : FlutterReading or None
        Weighted wow and flutter: of the last 5 s, and of the whole run.
    held : mapping
        Largest readings of the needle so far, by field.
    slow : SpeedReading or None
        Mean speed error and drift of the run.
    spectrum : SpeedSpectrum or None
        Of the speed's deviation.
    tones : tuple of ToneLevel
        Response so far, by rising frequency.
    reference_hz : float or None
        The tone that the response counts from.
    azimuth : AzimuthReading or None
        Of the last second.
    noise : NoiseReading or None
        Of the last 2 s.
    notes : tuple of str
        What is wrong, or not measured, and why.
    """

    time_s: float
    levels: Levels
    nominal_hz: float | None
    found_hz: float | None
    speed_pct: float | None
    needle: FlutterReading | None
    run: FlutterReading | None
    held: Mapping[str, float]
    slow: SpeedReading | None
    spectrum: SpeedSpectrum | None
    tones: tuple[ToneLevel, ...]
    reference_hz: float | None
    azimuth: AzimuthReading | None
    noise: NoiseReading | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What a meter has found when it ends.

    Parameters
    ----------
    duration_s : float
        Time that was listened to.
    levels : Levels
        The whole time: largest peak, rms of all.
    nominal_hz, found_hz : float or None
        The tone of the longest run.
    flutter : FlutterReading or None
        Weighted wow and flutter of that run.
    held : mapping
        Largest readings of the needle, by field.
    speed : SpeedReading or None
        Mean speed error and drift of that run.
    spectrum : SpeedSpectrum or None
        Of the speed in that run.
    tones : tuple of ToneLevel
        Response.
    reference_hz : float or None
        The tone that the response counts from.
    azimuth : AzimuthReading or None
        Mean, and rms about it.
    noise, silent_noise : NoiseReading or None
        Beside tones, and where there were none; mean powers.
    notes : tuple of str
        Everything that was told at any time, once, with its time.
    """

    duration_s: float
    levels: Levels
    nominal_hz: float | None
    found_hz: float | None
    flutter: FlutterReading | None
    held: Mapping[str, float]
    speed: SpeedReading | None
    spectrum: SpeedSpectrum | None
    tones: tuple[ToneLevel, ...]
    reference_hz: float | None
    azimuth: AzimuthReading | None
    noise: NoiseReading | None
    silent_noise: NoiseReading | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys; the spectrum as third octaves and lines."""
        values = asdict(self)
        if self.spectrum is not None:
            values["spectrum"] = {
                "band_hz": BAND_CENTRES_HZ,
                "band_deviation_pct": band_deviations_pct(self.spectrum),
                "lines": values["spectrum"]["lines"],
            }
        return values
