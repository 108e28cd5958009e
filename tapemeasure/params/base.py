"""What all parameter models share: frozen, strict types, unknown keys refused."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ParamsModel(BaseModel):
    """A frozen group of settings; a wrong key, type or range is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Knob = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Threads = Annotated[int, Field(ge=1, le=256)]
FrequencyHz = Annotated[float, Field(gt=0.0, le=96000.0)]
LevelDbfs = Annotated[float, Field(ge=-140.0, le=20.0)]
Seconds = Annotated[float, Field(gt=0.0, le=36000.0)]
Levels = Annotated[tuple[LevelDbfs, ...], Field(strict=False, min_length=1, max_length=100)]
Frequencies = Annotated[tuple[FrequencyHz, ...], Field(strict=False, min_length=1, max_length=100)]
