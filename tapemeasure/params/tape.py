"""Settings of the built-in tape machine, by the part of the machine that they belong to; all lie on one level."""

from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from tapemeasure.errors import ParameterError
from tapemeasure.params.base import FrequencyHz, Knob, LevelDbfs, ParamsModel

Gain = Annotated[float, Field(ge=-60.0, le=60.0)]
Percent = Annotated[float, Field(ge=0.0, le=20.0)]
"""Relative speed deviation, percent rms."""

Millimetres = Annotated[float, Field(ge=0.5, le=500.0)]


def _rising(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    for (before, _), (after, _) in pairwise(points):
        if after <= before:
            raise ValueError(f"the point at {after:g} Hz follows the one at {before:g} Hz; let the frequencies rise")
    return points


Curve = Annotated[
    tuple[Annotated[tuple[FrequencyHz, Annotated[float, Field(ge=-100.0, le=40.0)]], Field(strict=False)], ...],
    Field(strict=False, min_length=2, max_length=200),
    AfterValidator(_rising),
]
"""Points (frequency in Hz, level in dB), frequencies rising."""

Phases = Annotated[
    tuple[Annotated[tuple[FrequencyHz, Annotated[float, Field(ge=-360.0, le=360.0)]], Field(strict=False)], ...],
    Field(strict=False, min_length=2, max_length=200),
    AfterValidator(_rising),
]
"""Points (frequency in Hz, phase in degrees, positive = early), frequencies rising."""

Lines = Annotated[
    tuple[Annotated[tuple[FrequencyHz, Percent], Field(strict=False)], ...], Field(strict=False, max_length=100)
]
"""Lines (frequency in Hz, percent rms)."""


TIME_CONSTANTS_US: dict[str, dict[float, tuple[float | None, float]]] = {
    "iec": {15.0: (None, 35.0), 7.5: (None, 70.0), 3.75: (3180.0, 90.0), 1.875: (3180.0, 120.0)},
    "nab": {15.0: (3180.0, 50.0), 7.5: (3180.0, 50.0), 3.75: (3180.0, 90.0), 1.875: (3180.0, 120.0)},
    "iec_type_ii": {1.875: (3180.0, 70.0)},
}
"""Bass (None: infinite) and treble time constant of the flux, by standard and speed in inches per second."""


def time_constants_us(equalisation: str, *, speed_ips: float) -> tuple[float | None, float] | None:
    """Bass (None: infinite) and treble time constant, microseconds; None without equalisation.

    Raises
    ------
    ParameterError
        If the standard has no curve for the speed; the message lists the speeds that it has.
    """
    if equalisation == "none":
        return None
    speeds = TIME_CONSTANTS_US[equalisation]
    if speed_ips not in speeds:
        listed = ", ".join(f"{speed:g}" for speed in speeds)
        raise ParameterError(
            f"equalisation {equalisation} is not defined for speed_ips {speed_ips:g}; choose one of {listed} in/s, "
            "or equalisation none"
        )
    return speeds[speed_ips]


class MagneticSettings(ParamsModel):
    """Gains, hysteresis and the way it is computed."""

    input_gain_db: Gain = 0.0
    output_gain_db: Gain = 0.0
    drive: Knob = 0.5
    saturation: Knob = 0.5
    bias: Knob = 0.5
    solver: Literal["RK2", "RK4", "NR4", "NR8"] = "NR8"
    newton_tolerance: Annotated[float, Field(ge=1e-15, le=1e-2)] = 1e-5
    oversampling: Literal[1, 2, 4, 8, 16] = 16
    oversampling_mode: Literal["linear_phase", "minimum_phase"] = "linear_phase"

    @field_validator("oversampling", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any) -> Any:
        # True equals 1, and a Literal compares by equality
        if isinstance(value, bool):
            raise ValueError("input should be 1, 2, 4, 8 or 16")
        return value


class ReplaySettings(ParamsModel):
    """Speed, replay head and equalisation."""

    speed_ips: Annotated[float, Field(ge=0.9, le=60.0)] = 7.5
    loss: bool = False
    spacing_um: Annotated[float, Field(ge=0.0, le=100.0)] = 0.1
    thickness_um: Annotated[float, Field(gt=0.0, le=100.0)] = 0.1
    gap_um: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    equalisation: Literal["none", "iec", "nab", "iec_type_ii"] = "none"
    """Standard of the flux on the tape, for some speeds only; `iec_type_ii`: cassettes of chrome and metal."""
    record_boost_db: Annotated[float, Field(ge=0.0, le=40.0)] = 0.0
    """The most by which the record amplifier makes up for the replay losses."""
    response_shape_db: Curve | None = None
    """What else the amplifiers do to the response, held beyond the first and the last point."""
    response_phase_deg: Phases | None = None
    """By how much the phase leads that of the least possible delay: what tape and heads do without changing levels."""

    @field_validator("equalisation")
    @classmethod
    def _has_time_constants(cls, equalisation: str, info: ValidationInfo) -> str:
        # a wrong speed has its own message
        if "speed_ips" in info.data:
            time_constants_us(equalisation, speed_ips=info.data["speed_ips"])
        return equalisation


class TransportSettings(ParamsModel):
    """How the tape moves, and how the take is made."""

    recording: Literal["rewind", "off_tape"] = "rewind"
    """Record, rewind and play; or record and play at once, `head_delay_ms` apart."""
    head_delay_ms: Annotated[float, Field(ge=0.0, le=5000.0)] = 0.0
    chowtape_compatible: bool = False
    """The plug-in's own wow and flutter: delays in samples, cubic reading, float32 phases, its start."""
    wow_depth: Knob = 0.0
    wow_rate: Knob = 0.25
    wow_variance: Knob = 0.0
    wow_drift: Knob = 0.0
    flutter_depth: Knob = 0.0
    flutter_rate: Knob = 0.3
    capstan_diameter_mm: Millimetres = 6.0
    capstan_pct: Percent = 0.0
    pinch_roller_diameter_mm: Millimetres = 30.0
    pinch_roller_pct: Percent = 0.0
    reel_diameter_mm: Millimetres = 150.0
    """Outer diameter of the supply reel's tape pack when the take begins; it shrinks as the reel empties."""
    tape_um: Annotated[float, Field(ge=5.0, le=100.0)] = 35.0
    """Thickness of the whole tape."""
    reel_pct: Percent = 0.0
    lines_pct: Lines = ()
    """Further lines of the speed: (frequency in Hz, at most 400; percent rms)."""
    drift_pct: Percent = 0.0
    """Random, 0.05 to 0.5 Hz."""
    wow_pct: Percent = 0.0
    """Random, 0.5 to 6 Hz."""
    flutter_pct: Percent = 0.0
    """Random, 6 to 100 Hz."""
    scrape_pct: Percent = 0.0
    """Random, 100 Hz to 400 Hz."""
    speed_error_pct: Annotated[float, Field(ge=-10.0, le=10.0)] = 0.0
    """Constant: how much faster the tape is played than it was recorded (only where it is rewound)."""
    clock_drift_ppm: Annotated[float, Field(ge=-1000.0, le=1000.0)] = 0.0
    """How much faster the recording converter runs than the playing one."""
    azimuth_urad: Annotated[float, Field(ge=-10000.0, le=10000.0)] = 0.0
    azimuth_jitter_urad: Annotated[float, Field(ge=0.0, le=10000.0)] = 0.0
    """Random tilt of the tape, rms; 0.5 to 10 Hz."""
    track_distance_mm: Annotated[float, Field(ge=0.1, le=50.0)] = 3.8
    lost_samples_per_minute: Annotated[float, Field(ge=0.0, le=6000.0)] = 0.0
    """Samples that the converters lose or double."""


class FaultSettings(ParamsModel):
    """What a tape and its machine add or take away; None: not there."""

    crosstalk_db: LevelDbfs | None = None
    print_through_db: LevelDbfs | None = None
    dropouts_per_minute: Annotated[float, Field(ge=0.0, le=6000.0)] = 0.0
    dropout_depth_db: Annotated[float, Field(ge=0.1, le=100.0)] = 12.0
    dropout_length_ms: Annotated[float, Field(ge=0.1, le=2000.0)] = 20.0
    modulation_noise_db: LevelDbfs | None = None
    """rms of the noise that follows the signal, against the signal's."""
    hiss_dbfs: LevelDbfs | None = None
    hiss_shape_db: Curve | None = None
    """Power density of the hiss against frequency, any reference; None: that of an Akai 4000D."""
    hum_dbfs: LevelDbfs | None = None
    hum_hz: FrequencyHz = 50.0


class TapeSettings(MagneticSettings, ReplaySettings, TransportSettings, FaultSettings):
    """All settings of the built-in tape machine; amplitudes in physical units.

    Notes
    -----
    ``drive``, ``saturation`` and ``bias`` are the knobs of the Jiles-Atherton model (0..1). Depths and rates of wow
    and flutter are knobs too (0..1); their delays are those of the plug-in at 44.1 kHz, in seconds at any rate.
    Everything that ends in ``_pct`` is a speed deviation in percent rms, that of one pass of the tape: rewound, the
    recording and the playing pass deviate each on their own, and what is random comes out sqrt(2) times as large; off
    the tape, the head gap's comb lies over it. ``None`` switches a fault off.
    """


@cache
def tape_presets() -> dict[str, dict[str, Any]]:
    """Presets of the tape machine by name: ``about`` in words, ``source``, and ``settings``."""
    folder = resources.files("tapemeasure.params") / "presets"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


def preset_settings(name: str) -> dict[str, Any]:
    """Settings of a preset, those that differ from the defaults.

    Parameters
    ----------
    name : str
        Of a preset that the package has, or a file that ends in .yaml, such as ``tapemeasure fit`` writes.

    Raises
    ------
    ParameterError
        If there is no such preset (the message lists those there are), or the file holds no settings.
    """
    if name.endswith((".yaml", ".yml")):
        return _settings_of_file(Path(name))
    presets = tape_presets()
    if name not in presets:
        raise ParameterError(f"{name}: no such preset of the tape machine; there are {', '.join(presets)}")
    settings: dict[str, Any] = presets[name]["settings"]
    return settings


def _settings_of_file(path: Path) -> dict[str, Any]:
    try:
        preset = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such preset file; check the name") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ParameterError(f"{path}: cannot be read as YAML ({error})") from error
    settings = preset.get("settings") if isinstance(preset, dict) else None
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ParameterError(f"{path}: has no settings; a preset file is a mapping with the key `settings`")
    return settings
