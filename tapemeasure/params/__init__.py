"""params.yaml as frozen typed models: one key a stage plus ``devices``."""

from tapemeasure.params.base import ParamsModel
from tapemeasure.params.devices import (
    ChowtapeProfile,
    ChowtapeSettings,
    DeviceProfile,
    HardwareProfile,
    HardwareSettings,
    IdentityProfile,
    TapeProfile,
)
from tapemeasure.params.load import Params, lay_over, load_params, read_yaml, updated_settings, validated
from tapemeasure.params.stages import (
    AlignParams,
    EvaluateParams,
    HissParams,
    MeasureParams,
    PilotParams,
    ReportParams,
    SimulateParams,
    StimuliParams,
    TrackParams,
    TrainNonlinearityParams,
)
from tapemeasure.params.tape import TapeSettings, preset_settings, tape_presets

__all__ = [
    "AlignParams",
    "ChowtapeProfile",
    "ChowtapeSettings",
    "DeviceProfile",
    "EvaluateParams",
    "HardwareProfile",
    "HardwareSettings",
    "HissParams",
    "IdentityProfile",
    "MeasureParams",
    "Params",
    "ParamsModel",
    "PilotParams",
    "ReportParams",
    "SimulateParams",
    "StimuliParams",
    "TapeProfile",
    "TapeSettings",
    "TrackParams",
    "TrainNonlinearityParams",
    "lay_over",
    "load_params",
    "preset_settings",
    "read_yaml",
    "tape_presets",
    "updated_settings",
    "validated",
]
