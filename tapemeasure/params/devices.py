"""Device profiles: the entries under ``devices`` in params.yaml, told apart by ``kind``."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializationInfo, field_serializer, model_validator

from tapemeasure.errors import ParameterError
from tapemeasure.params.base import ParamsModel, Seed, Threads
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.params.tape import TapeSettings, preset_settings

NO_CAPTURE = "raw/none"


class ChowtapeSettings(ParamsModel):
    """The plug-in's own parameters, by the names that the plug-in gives them, and how it is hosted."""

    plugin: str | None = None
    parameters: dict[str, float | int | bool | str] = Field(default_factory=dict)
    start: Literal["neutral", "as_loaded"] = "neutral"
    """What `parameters` lie over: tape alone with its knobs in the middle, or what the plug-in loads with."""
    latency: Literal["exact", "whole_samples", "reported"] = "exact"
    """What is removed: the measured latency, the same in whole samples, or the one that the plug-in tells."""
    pilot_hz: Annotated[float, Field(ge=500.0, le=5000.0)] | None = 1000.0
    """Tone on the free channel of a mono stimulus, which tells the delay of wow and flutter; null: none."""


class HardwareSettings(ParamsModel):
    """How a real machine is connected."""

    match: Annotated[str, Field(min_length=1)] = "default"
    host_api: str | None = None
    sample_rate: Annotated[int, Field(ge=8000, le=384000)] = 44100
    input_channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)] = (1, 2)
    output_channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)] = (1, 2)
    level_db: Annotated[float, Field(ge=-80.0, le=0.0)] = -6.0
    tail_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.0
    mode: Literal["three_head", "two_pass"] = "three_head"
    """Play and record at once; or print the test signals onto the tape, rewind, and capture."""
    pilot: Literal["auto", "none", "pulses", "tone", "inband"] = "auto"
    """What the check of a take is tracked by."""
    head_delay_ms: Annotated[float, Field(gt=0.0, le=5000.0)] | None = None
    """Delay that the machine should have, the card's included; the check tells where it is off by a tenth."""
    gain_tolerance_db: Annotated[float, Field(gt=0.0, le=80.0)] = 12.0
    """How far what comes back may lie from what was played."""
    max_speed_error_pct: Annotated[float, Field(gt=0.0, le=20.0)] = 2.0
    max_hum_dbfs: Annotated[float, Field(ge=-140.0, le=0.0)] = -50.0


class NeuralSettings(ParamsModel):
    """Which trained replica, and the machine's settings where it was trained on several."""

    model: str | None = None
    """``model.safetensors`` or its folder, such as ``data/models/akai``."""
    conditions: dict[str, float] = Field(default_factory=dict)


class MachineParams(ParamsModel):
    """What is known of a machine before it is measured."""

    head_delay_ms: Annotated[float, Field(gt=0.0, le=5000.0)] | None = None
    """Travel time between the heads, where takes came off the tape while it was recorded."""
    speed_ips: Annotated[float, Field(gt=0.0, le=120.0)] | None = None
    track_distance_mm: Annotated[float, Field(gt=0.0, le=100.0)] | None = None
    parts_mm: dict[str, Annotated[float, Field(gt=0.0, le=1000.0)]] = Field(default_factory=dict)
    """Diameters of rotating parts, which name the lines of the flutter."""
    equalisation: Literal["none", "iec", "nab", "iec_type_ii"] = "none"
    side: Literal["record", "replay"] = "record"

    @model_validator(mode="after")
    def _speed_is_known(self) -> "MachineParams":
        if self.speed_ips is None and (self.parts_mm or self.equalisation != "none"):
            raise ValueError("parts_mm and equalisation need speed_ips; give the tape's speed in inches per second")
        return self


class _Profile(ParamsModel):
    capture: Annotated[str, Field(min_length=1)] = NO_CAPTURE
    """Folder of takes from outside (``<name>_input.wav`` + ``<name>_output.wav``); ``raw/none``: there are none."""
    machine: MachineParams = MachineParams()
    """What the measures know of it: heads, speed, rotating parts, equalisation."""
    train_nonlinearity: TrainNonlinearityParams = TrainNonlinearityParams()
    """What this device's training does otherwise: the settings named here lie over the common ones."""

    @field_serializer("train_nonlinearity")
    def _named_settings(self, settings: TrainNonlinearityParams, info: SerializationInfo) -> dict[str, Any]:
        return settings.model_dump(mode=info.mode, exclude_unset=True)


class TapeProfile(_Profile):
    """The built-in physical model; `settings` lie over those of the preset, where one is named."""

    kind: Literal["tape"]
    seed: Seed = 1
    threads: Threads = 1
    """Channels that are computed at the same time; the result is the same for any number."""
    preset: str | None = None
    settings: TapeSettings = TapeSettings()

    @model_validator(mode="before")
    @classmethod
    def _over_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("preset"), str):
            return values
        settings = values.get("settings", {})
        if isinstance(settings, TapeSettings):
            return values
        try:
            return {**values, "settings": {**preset_settings(values["preset"]), **settings}}
        except ParameterError as error:
            raise ValueError(str(error)) from error


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


class NeuralProfile(_Profile):
    """A trained replica of a machine's recording path."""

    kind: Literal["neural"]
    settings: NeuralSettings = NeuralSettings()


DeviceProfile = Annotated[
    TapeProfile | ChowtapeProfile | HardwareProfile | IdentityProfile | NeuralProfile, Field(discriminator="kind")
]
