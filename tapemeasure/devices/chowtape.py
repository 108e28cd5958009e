"""The CHOWTape plug-in (VST3), hosted through pedalboard."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, checked_stimulus
from tapemeasure.errors import DeviceError, MissingDependencyError, ParameterError
from tapemeasure.params import ChowtapeSettings

PLUGIN_VARIABLE = "TAPEMEASURE_CHOWTAPE"
LEAD_IN_S = 0.5
READ_BACK_TOLERANCE = 0.01
DEFAULT_HINT = "or use `--device tape`, the built-in model of the same machine, which needs nothing"

Value = float | int | bool | str


class Plugin(Protocol):
    """What this device uses of a pedalboard plug-in."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by name; each is set and read as an attribute of the plug-in."""

    def reset(self) -> None:
        """Forget all state, so that the reported latency is compensated again."""

    def process(self, input_array: Any, sample_rate: float) -> Any:
        """Process float32 audio of shape (n_channels, n_samples)."""


def load_plugin(path: str) -> Plugin:
    """Plug-in from its file, through pedalboard.

    Raises
    ------
    MissingDependencyError
        If pedalboard is not installed.
    DeviceError
        If the file is no plug-in that can be loaded.
    """
    try:
        import pedalboard
    except ImportError as error:
        raise MissingDependencyError(
            f'chowtape: pedalboard is not installed; run `pip install "tapemeasure[vst]"`, {DEFAULT_HINT}'
        ) from error
    try:
        plugin = pedalboard.VST3Plugin(path)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise DeviceError(
            f"chowtape: {path}: cannot be loaded as a plug-in ({error}); install its VST3 again"
        ) from error
    return cast(Plugin, plugin)


@dataclass(frozen=True)
class ChowtapeDevice:
    """The real plug-in as a device; without it the built-in model is the default.

    Parameters
    ----------
    settings : ChowtapeSettings
        Path of the VST3 (else the environment variable TAPEMEASURE_CHOWTAPE) and the plug-in's parameters by its names.
    load : callable
        Loads a plug-in from a path.

    Notes
    -----
    Every render resets the plug-in, because only then the host compensates the reported latency, and begins with 0.5 s
    of zeros that are cut off again. The plug-in's own state is not random only while its wow variance and drift are 0;
    the delay of its wow and flutter is not part of its latency and is not known: put a pilot on channel 2.
    """

    settings: ChowtapeSettings
    load: Callable[[str], Plugin] = load_plugin

    @property
    def name(self) -> str:
        """Kind of device."""
        return "chowtape"

    def run(self, stimulus: FloatArray, *, sample_rate: int, progress: Progress = no_progress) -> Capture:
        """Render a stimulus of shape (n_samples, n_channels); the capture is as long.

        Raises
        ------
        SignalError
            If the stimulus is empty or holds NaN or infinite samples.
        MissingDependencyError
            If pedalboard or the plug-in is missing.
        ParameterError
            If the plug-in has no parameter of that name or does not take the value.
        DeviceError
            If the plug-in cannot be loaded, refuses the format, or returns something else than audio of the same shape.
        """
        samples = checked_stimulus(stimulus)
        if samples.shape[1] > 2:
            raise DeviceError(f"chowtape: the stimulus has {samples.shape[1]} channels, the plug-in takes 1 or 2")
        path = self._plugin_path()
        plugin = self.load(str(path))
        for name, value in self.settings.parameters.items():
            _set_parameter(plugin, name, value)
        in_force = {name: _plain(getattr(plugin, name)) for name in plugin.parameters}
        output = _render(plugin, samples, sample_rate=sample_rate)
        progress(1.0)
        latency = getattr(plugin, "reported_latency_samples", 0)
        return Capture(
            samples=output,
            sample_rate=sample_rate,
            device=self.name,
            settings={"plugin": path.name, "parameters": in_force},
            latency_samples=float(latency),
            warnings=() if self.settings.parameters else (_AS_LOADED,),
        )

    def _plugin_path(self) -> Path:
        given = self.settings.plugin or os.environ.get(PLUGIN_VARIABLE)
        how = (
            "give its path with `--plugin PATH`, `devices.<name>.settings.plugin` in params.yaml or the environment "
            f"variable {PLUGIN_VARIABLE}, {DEFAULT_HINT}"
        )
        if not given:
            raise MissingDependencyError(
                f"chowtape: no plug-in named; install CHOWTape's VST3 from its author's site, {how}"
            )
        if not Path(given).exists():
            raise MissingDependencyError(
                f"chowtape: {given}: there is no plug-in; install CHOWTape's VST3 from its author's site, {how}"
            )
        return Path(given)


_AS_LOADED = "no parameter was set: the plug-in is as it loads, with loss, tone, wow and flutter on"


def _set_parameter(plugin: Plugin, name: str, value: Value) -> None:
    """Set one parameter and read it back."""
    if name not in plugin.parameters:
        raise ParameterError(f"chowtape: the plug-in has no parameter {name!r}; it has {', '.join(plugin.parameters)}")
    try:
        setattr(plugin, name, value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ParameterError(f"chowtape: {name} = {value!r} was refused by the plug-in ({error})") from error
    found = _plain(getattr(plugin, name))
    if not _same(found, value):
        raise ParameterError(
            f"chowtape: {name} was set to {value!r} and reads back as {found!r}; give a value it can take"
        )


def _same(found: Value, wanted: Value) -> bool:
    numbers = (int, float)
    if isinstance(found, numbers) and isinstance(wanted, numbers):
        return abs(float(found) - float(wanted)) <= READ_BACK_TOLERANCE * max(1.0, abs(float(wanted)))
    return str(found).strip().lower() == str(wanted).strip().lower()


def _plain(value: Any) -> Value:
    """Value without the host's own wrapper type."""
    if isinstance(value, bool) or type(value).__name__ == "WrappedBool":
        return bool(value)
    return float(value) if isinstance(value, int | float) else str(value)


def _render(plugin: Plugin, samples: FloatArray, *, sample_rate: int) -> FloatArray:
    """Output of a plug-in that was reset, between zeros before and behind that are cut off again."""
    margin = round(LEAD_IN_S * sample_rate)
    padded = np.ascontiguousarray(np.pad(samples, ((margin, margin), (0, 0))).T, dtype=np.float32)
    plugin.reset()
    try:
        output = np.asarray(plugin.process(padded, float(sample_rate)), dtype=np.float64)
    except (ValueError, RuntimeError, TypeError) as error:
        raise DeviceError(
            f"chowtape: the plug-in failed at {sample_rate} Hz ({error}); try another sample rate"
        ) from error
    n_channels, end = samples.shape[1], margin + len(samples)
    if output.ndim != 2 or output.shape[0] != n_channels or output.shape[1] < end:
        raise DeviceError(
            f"chowtape: the plug-in returned audio of shape {output.shape}; {n_channels} channels of at least {end} "
            "samples were expected; load it anew"
        )
    if not np.isfinite(output).all():
        raise DeviceError("chowtape: the plug-in returned NaN or infinite samples; check its parameters")
    return np.ascontiguousarray(output[:, margin:end].T)
