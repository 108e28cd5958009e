"""The plug-in's parameters: a known state to start from, and setting each one so that it is sure to be in force."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tapemeasure.errors import ParameterError

READ_BACK_TOLERANCE = 0.01

Value = float | int | bool | str

NEUTRAL: dict[str, Value] = {
    "tape_on_off": True,
    "tape_mode": "NR8",
    "oversampling_factor": 16,
    "oversampling_mode": "Linear Phase",
    "tape_drive": 0.5,
    "tape_saturation": 0.5,
    "tape_bias": 0.5,
    "output_gain": 0.0,
    "input_filters_on_off": False,
    "tone_on_off": False,
    "loss_on_off": False,
    "wow_flutter_on_off": False,
}
"""Tape alone, with the knobs in the middle: what a render starts from, because the plug-in loads with losses, tone, wow
and flutter on. A plug-in that lacks one of these is not CHOWTape 2.11 and is refused."""

NEUTRAL_WHERE_PRESENT: dict[str, Value] = {
    "compression_on_off": False,
    "chew_on_off": False,
    "degrade_on_off": False,
    "dry_wet": 100.0,
}
"""Sections that are switched off as well, where this version of the plug-in has them."""

STILL: dict[str, Value] = {
    "tape_drive": 0.5,
    "tape_saturation": 0.5,
    "tape_bias": 0.5,
    "input_filters_on_off": False,
    "tone_on_off": False,
    "wow_flutter_on_off": False,
    "compression_on_off": False,
    "chew_on_off": False,
    "degrade_on_off": False,
}
"""What is changed while the latency is measured: nothing moves, and what bends the phase is off."""

MOVING = "wow_flutter_on_off"
MOVING_PREFIXES = ("wow_", "flutter_")
RANDOM = ("wow_variance", "wow_drift")


class Plugin(Protocol):
    """What this device uses of a pedalboard plug-in."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by name; each is set and read as an attribute of the plug-in."""

    def reset(self) -> None:
        """Forget all state, so that the reported latency is compensated again."""

    def process(self, input_array: Any, sample_rate: float) -> Any:
        """Process float32 audio of shape (n_channels, n_samples)."""


def wanted_parameters(plugin: Plugin, given: Mapping[str, Value], *, neutral: bool) -> dict[str, Value]:
    """Parameters that a render needs, in the order in which they are set: the neutral state, then the user's.

    Parameters
    ----------
    plugin : Plugin
        Only its parameters' names are read.
    given : mapping
        The user's, by the plug-in's names; they win.
    neutral : bool
        Whether to start from `NEUTRAL`; otherwise from what the plug-in loads with.

    Raises
    ------
    ParameterError
        If the plug-in lacks any of them; the message lists all that are missing, and all that it has.
    """
    there = set(plugin.parameters)
    needed = {**NEUTRAL, **given} if neutral else dict(given)
    missing = [name for name in needed if name not in there]
    if missing:
        several = "these parameters" if len(missing) > 1 else "the parameter"
        raise ParameterError(
            f"chowtape: the plug-in lacks {several}: {', '.join(missing)}; it has: {', '.join(plugin.parameters)}; "
            "correct the names, install CHOWTape 2.11, or set start=as_loaded to set only your own"
        )
    optional = {name: value for name, value in NEUTRAL_WHERE_PRESENT.items() if neutral and name in there}
    return {**optional, **needed}


def set_parameters(plugin: Plugin, wanted: Mapping[str, Value]) -> None:
    """Set parameters one at a time and read each back, at once and again when all are set.

    Raises
    ------
    ParameterError
        If the plug-in refuses a value, changes it, or loses it when a later one is set.
    """
    for name, value in wanted.items():
        _set(plugin, name, value)
        _check(plugin, name, value, when="")
    for name, value in wanted.items():
        _check(plugin, name, value, when=" after the others were set")


def in_force(plugin: Plugin, names: Iterable[str] | None = None) -> dict[str, Value]:
    """Values that the plug-in tells of its parameters: of all, or of some."""
    return {name: _plain(getattr(plugin, name)) for name in (plugin.parameters if names is None else names)}


def is_on(parameters: Mapping[str, Value], name: str) -> bool:
    """Whether a switch is on; a plug-in without it has it off."""
    return bool(parameters.get(name, False))


def parameter_warnings(given: Mapping[str, Value], parameters: Mapping[str, Value], *, neutral: bool) -> list[str]:
    """What the user should know about the parameters of a render."""
    warnings = []
    if not neutral and not given:
        warnings.append("no parameter was set: the plug-in is as it loads, with loss, tone, wow and flutter on")
    moving = [name for name in given if name.startswith(MOVING_PREFIXES) and name != MOVING]
    if moving and not is_on(parameters, MOVING):
        warnings.append(f"{', '.join(moving)}: without effect, because {MOVING} is off; set it to true")
    random = [name for name in RANDOM if _number(parameters.get(name, 0.0)) not in (None, 0.0)]
    if random and is_on(parameters, MOVING):
        warnings.append(f"{', '.join(random)} is above 0: the plug-in has no seed, every render differs")
    return warnings


def _set(plugin: Plugin, name: str, value: Value) -> None:
    try:
        setattr(plugin, name, value)
    except (TypeError, ValueError, AttributeError) as error:
        number = _number(value)
        if isinstance(value, str) and number is not None:
            # "16x" for a factor that the host takes as a number
            _set(plugin, name, number)
            return
        raise ParameterError(f"chowtape: {name} = {value!r} was refused by the plug-in ({error})") from error


def _check(plugin: Plugin, name: str, value: Value, *, when: str) -> None:
    found = _plain(getattr(plugin, name))
    if not _same(found, value):
        raise ParameterError(
            f"chowtape: {name} was set to {value!r} and reads back as {found!r}{when}; give a value it can take"
        )


def _same(found: Value, wanted: Value) -> bool:
    numbers = _number(found), _number(wanted)
    if numbers[0] is not None and numbers[1] is not None:
        return abs(numbers[0] - numbers[1]) <= READ_BACK_TOLERANCE * max(1.0, abs(numbers[1]))
    return str(found).strip().lower() == str(wanted).strip().lower()


def _number(value: Value) -> float | None:
    """Number, also of a text such as ``16x``; None of other texts."""
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        return float(value.strip().lower().removesuffix("x"))
    except ValueError:
        return None


def _plain(value: Any) -> Value:
    """Value without the host's own wrapper type."""
    if isinstance(value, bool) or type(value).__name__ == "WrappedBool":
        return bool(value)
    return float(value) if isinstance(value, int | float) else str(value)
