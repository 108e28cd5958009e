"""Device profiles: the entries under ``devices`` in params.yaml, told apart by ``kind``."""

from typing import Annotated, Literal

from pydantic import Field

from tapemeasure.params.base import FrequencyHz, Knob, LevelDbfs, ParamsModel, Seed

NO_CAPTURE = "raw/none"


class TapeSettings(ParamsModel):
    """Knobs of the built-in tape machine; amplitudes in physical units.

    Notes
    -----
    ``drive``, ``saturation`` and ``bias`` are the knobs of the Jiles-Atherton model (0..1). Depths and rates of wow
    and flutter are knobs too (0..1); their delays are those of the plug-in at 44.1 kHz, in seconds at any rate.
    ``None`` switches hiss, hum or the loss filter off.
    """

    input_gain_db: Annotated[float, Field(ge=-60.0, le=60.0)] = 0.0
    output_gain_db: Annotated[float, Field(ge=-60.0, le=60.0)] = 0.0
    drive: Knob = 0.5
    saturation: Knob = 0.5
    bias: Knob = 0.5
    solver: Literal["RK2", "RK4", "NR4", "NR8"] = "NR8"
    oversampling: Literal[1, 2, 4, 8, 16] = 16
    oversampling_mode: Literal["linear_phase", "minimum_phase"] = "linear_phase"
    loss: bool = False
    speed_ips: Annotated[float, Field(ge=0.9, le=60.0)] = 7.5
    spacing_um: Annotated[float, Field(ge=0.0, le=100.0)] = 0.1
    thickness_um: Annotated[float, Field(gt=0.0, le=100.0)] = 0.1
    gap_um: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    wow_depth: Knob = 0.0
    wow_rate: Knob = 0.25
    wow_variance: Knob = 0.0
    wow_drift: Knob = 0.0
    flutter_depth: Knob = 0.0
    flutter_rate: Knob = 0.3
    head_delay_ms: Annotated[float, Field(ge=0.0, le=5000.0)] = 0.0
    hiss_dbfs: LevelDbfs | None = None
    hum_dbfs: LevelDbfs | None = None
    hum_hz: FrequencyHz = 50.0


class ChowtapeSettings(ParamsModel):
    """The plug-in's own parameters, by the names that the plug-in gives them."""

    plugin: str | None = None
    parameters: dict[str, float | int | bool | str] = Field(default_factory=dict)


class HardwareSettings(ParamsModel):
    """How a real machine is connected."""

    match: Annotated[str, Field(min_length=1)] = "default"
    host_api: str | None = None
    sample_rate: Annotated[int, Field(ge=8000, le=384000)] = 44100
    input_channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)] = (1, 2)
    output_channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)] = (1, 2)
    level_db: Annotated[float, Field(ge=-80.0, le=0.0)] = -6.0
    tail_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.0


class _Profile(ParamsModel):
    capture: Annotated[str, Field(min_length=1)] = NO_CAPTURE
    """Folder of takes from outside (``<name>_input.wav`` + ``<name>_output.wav``); ``raw/none``: there are none."""


class TapeProfile(_Profile):
    """The built-in physical model."""

    kind: Literal["tape"]
    seed: Seed = 1
    settings: TapeSettings = TapeSettings()


class ChowtapeProfile(_Profile):
    """The CHOWTape plug-in through pedalboard."""

    kind: Literal["chowtape"]
    settings: ChowtapeSettings = ChowtapeSettings()


class HardwareProfile(_Profile):
    """A real machine through sounddevice, and the captures that were made of it."""

    kind: Literal["hardware"]
    settings: HardwareSettings = HardwareSettings()


class IdentityProfile(_Profile):
    """A wire: what goes in comes out."""

    kind: Literal["identity"]


DeviceProfile = Annotated[
    TapeProfile | ChowtapeProfile | HardwareProfile | IdentityProfile, Field(discriminator="kind")
]
