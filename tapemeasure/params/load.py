"""Reading params.yaml: a wrong key, type or range is an error that names file, key, value and limit."""

import difflib
import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from tapemeasure.errors import ParameterError
from tapemeasure.params.base import ParamsModel
from tapemeasure.params.devices import DeviceProfile
from tapemeasure.params.stages import (
    AlignParams,
    EmulateParams,
    EvaluateParams,
    HissParams,
    MeasureParams,
    ReportParams,
    SimulateParams,
    StimuliParams,
    TrackParams,
    TrainDelayParams,
    TrainHissParams,
    TrainNonlinearityParams,
)

Model = TypeVar("Model", bound=ParamsModel)

DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


class Params(ParamsModel):
    """All of params.yaml."""

    stimuli: StimuliParams = StimuliParams()
    simulate: SimulateParams = SimulateParams()
    track: TrackParams = TrackParams()
    align: AlignParams = AlignParams()
    hiss: HissParams = HissParams()
    train_nonlinearity: TrainNonlinearityParams = TrainNonlinearityParams()
    evaluate: EvaluateParams = EvaluateParams()
    train_delay: TrainDelayParams = TrainDelayParams()
    train_hiss: TrainHissParams = TrainHissParams()
    emulate: EmulateParams = EmulateParams()
    measure: MeasureParams = MeasureParams()
    report: ReportParams = ReportParams()
    devices: dict[DeviceName, DeviceProfile] = Field(default_factory=dict)

    def device(self, name: str) -> DeviceProfile:
        """Profile of that name.

        Raises
        ------
        ParameterError
            If there is none; the message lists those there are.
        """
        if name not in self.devices:
            raise ParameterError(f"devices.{name}: no such profile; there are {', '.join(self.devices) or 'none'}")
        return self.devices[name]

    def training_of(self, device: str) -> TrainNonlinearityParams:
        """Settings of a device's training: the common ones, and over them those that its profile names.

        Raises
        ------
        ParameterError
            If there is no such profile.
        """
        named = self.device(device).train_nonlinearity
        return self.train_nonlinearity.model_copy(update={key: getattr(named, key) for key in named.model_fields_set})


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a params file.

    Raises
    ------
    ParameterError
        If the file is missing, no YAML, or a setting is wrong.
    """
    return validated(Params, read_yaml(Path(path)), where=str(path))


def lay_over(settings: MutableMapping[str, Any], overlay: Mapping[str, Any]) -> None:
    """Change nested settings in place (so that a YAML document keeps its comments): the overlay's values win.

    A null removes the mapping that it lies over: ``devices: {akai_model: null}`` leaves that device out.

    Examples
    --------
    >>> settings = {"a": {"b": 1, "c": 2}, "d": {"e": 4}}
    >>> lay_over(settings, {"a": {"c": 3}, "d": None})
    >>> settings
    {'a': {'b': 1, 'c': 3}}
    """
    for key, value in overlay.items():
        below = settings.get(key)
        if isinstance(value, Mapping) and isinstance(below, MutableMapping):
            lay_over(below, value)
        elif value is None and isinstance(below, MutableMapping):
            del settings[key]
        else:
            settings[key] = value


def updated_settings(settings: Model, assignments: Iterable[str], *, where: str = "--set") -> Model:
    """Settings changed by ``key=value`` texts (the value is read as YAML; ``a.b=1`` reaches into a mapping).

    Raises
    ------
    ParameterError
        If a text is no assignment, or the result is not valid.
    """
    values: dict[str, Any] = settings.model_dump(mode="json")
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise ParameterError(f"{where} {assignment}: write it as key=value, for example drive=0.7")
        try:
            value: Any = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ParameterError(f"{where} {assignment}: the value is no YAML ({error})") from error
        if isinstance(value, str) and EXPONENT.fullmatch(value):
            # YAML wants a point in 1.0e-6
            value = float(value)
        for part in reversed(key.split(".")):
            value = {part: value}
        lay_over(values, value)
    return validated(type(settings), values, where=where)


def validated(model: type[Model], values: Any, *, where: str) -> Model:
    """Model made of plain values; every wrong setting is one line of a ParameterError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, dict(problem)) for problem in error.errors()]
        raise ParameterError("\n".join(f"{where}: {line}" for line in lines)) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Content of a YAML file that holds a mapping.

    Raises
    ------
    ParameterError
        If the file is missing, no YAML, no mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such file; run from the project's root or give --params FILE") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read ({error})") from error
    try:
        values = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParameterError(f"{path}: no valid YAML ({error})") from error
    if not isinstance(values, dict):
        raise ParameterError(f"{path}: holds {type(values).__name__}, a params file is a mapping of stages")
    return values


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, which would keep the last of two equal keys without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} stands here a second time; remove one", key.start_mark
                )
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return super().construct_mapping(node, deep)


def _explain(model: type[ParamsModel], problem: dict[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    kinds = {"tape", "chowtape", "hardware", "identity", "neural"}
    # pydantic puts the union's tag into the path: devices.akai.hardware.match
    if len(location) > 2 and location[0] == "devices" and location[2] in kinds:
        del location[2]
    key = ".".join(location) or "(the whole file)"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(model, location)}; remove it or correct its name"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{key} = {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _suggestion(model: type[ParamsModel], location: list[str]) -> str:
    """', did you mean …?' from the keys that stand beside the wrong one."""
    current: Any = model
    for part in location[:-1]:
        field = getattr(current, "model_fields", {}).get(part)
        current = field.annotation if field is not None else None
    known = list(getattr(current, "model_fields", {}))
    near = difflib.get_close_matches(location[-1], known, n=1)
    return f", did you mean {near[0]}?" if near else ""
