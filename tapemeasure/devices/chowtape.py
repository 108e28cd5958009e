"""The CHOWTape plug-in (VST3), hosted through pedalboard."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.devices.base import Capture, checked_stimulus
from tapemeasure.devices.chowtape_latency import Latency, advance, measure_latency
from tapemeasure.devices.chowtape_parameters import (
    MOVING,
    STILL,
    Plugin,
    Value,
    in_force,
    is_on,
    parameter_warnings,
    set_parameters,
    wanted_parameters,
)
from tapemeasure.devices.chowtape_pilot import pilot_tone, pilot_trajectory
from tapemeasure.devices.chowtape_render import Renderer
from tapemeasure.errors import DeviceError, MissingDependencyError, NoMatchError
from tapemeasure.params import ChowtapeSettings
from tapemeasure.trajectory import DelayTrajectory

PLUGIN_VARIABLE = "TAPEMEASURE_CHOWTAPE"
STILL_S = 1
"""Length of the pilot without wow and flutter, from which its phase is taken."""

STEADY_STEP_SAMPLES = 512
DEFAULT_HINT = "or use `--device tape`, the built-in model of the same machine, which needs nothing"


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
    A render starts from a known state (`chowtape_parameters.NEUTRAL`), over which the user's parameters lie, and is
    reset, because only then the host compensates the latency that the plug-in reports. What remains of the latency is
    measured with the same oversampling and losses while wow and flutter are off, and removed; 0.5 s of zeros before
    the stimulus are cut off again. Where wow and flutter are on and the stimulus has one channel, a pilot on the other
    tells the truth about the delay. Renders are bit-identical as long as the plug-in's wow variance and drift are 0.
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
            If the plug-in lacks parameters or does not take a value.
        DeviceError
            If the plug-in cannot be loaded, refuses the format, or returns something else than audio of the same shape.
        """
        samples = checked_stimulus(stimulus)
        if samples.shape[1] > 2:
            raise DeviceError(f"chowtape: the stimulus has {samples.shape[1]} channels, the plug-in takes 1 or 2")
        path = self._plugin_path()
        neutral = self.settings.start == "neutral"
        renderer = Renderer(self.load(str(path)), sample_rate)
        wanted = wanted_parameters(renderer.plugin, self.settings.parameters, neutral=neutral)
        latency, problem = _measured_latency(renderer, wanted)
        progress(0.1)
        set_parameters(renderer.plugin, wanted)
        parameters = in_force(renderer.plugin)
        output, delay = self._render(renderer, samples, wanted, moving=is_on(parameters, MOVING))
        removed = self._removed_samples(latency)
        reported = renderer.reported_latency_samples
        warnings = parameter_warnings(self.settings.parameters, parameters, neutral=neutral)
        progress(1.0)
        return Capture(
            samples=renderer.cut(advance(output, by_samples=removed)),
            sample_rate=sample_rate,
            device=self.name,
            settings={**self.settings.model_dump(), "plugin": path.name, "parameters": parameters},
            latency_samples=reported + removed,
            truth=_truth(delay, latency, removed_samples=removed, sample_rate=sample_rate),
            warnings=(*warnings, *problem),
            details={
                "reported_latency_samples": reported,
                "measured_latency_samples": None if latency is None else reported + latency.samples,
            },
        )

    def _render(
        self, renderer: Renderer, samples: FloatArray, wanted: Mapping[str, Value], *, moving: bool
    ) -> tuple[FloatArray, DelayTrajectory | None]:
        """Padded output, and the delay of wow and flutter where it is known."""
        padded = renderer.padded(samples)
        if not moving:
            n_points = len(samples) // STEADY_STEP_SAMPLES + 2
            rate_hz = renderer.sample_rate / STEADY_STEP_SAMPLES
            steady = np.zeros(n_points)
            return renderer.render(padded), DelayTrajectory(0.0, rate_hz, steady, steady, steady == 0.0)
        frequency_hz = self.settings.pilot_hz
        if samples.shape[1] == 2 or frequency_hz is None:
            return renderer.render(padded), None
        rate = renderer.sample_rate
        tone = pilot_tone(len(padded), sample_rate=rate, frequency_hz=frequency_hz)
        output = renderer.render(np.concatenate([padded, tone[:, np.newaxis]], axis=1))
        set_parameters(renderer.plugin, {MOVING: False})
        tone = pilot_tone(STILL_S * rate, sample_rate=rate, frequency_hz=frequency_hz)
        still = renderer.render(tone[:, np.newaxis])
        set_parameters(renderer.plugin, wanted)
        delay = pilot_trajectory(
            output[:, 1],
            still[:, 0],
            sample_rate=rate,
            frequency_hz=frequency_hz,
            lead_in_samples=renderer.margin_samples,
        )
        return output[:, :1], delay

    def _removed_samples(self, latency: Latency | None) -> float:
        """Samples that are removed beyond those that the host compensates."""
        if latency is None or self.settings.latency == "reported":
            return 0.0
        return latency.samples if self.settings.latency == "exact" else float(round(latency.samples))

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


def _measured_latency(renderer: Renderer, wanted: Mapping[str, Value]) -> tuple[Latency | None, tuple[str, ...]]:
    """What the host's compensation leaves of the latency, or why it cannot be told; the parameters are as before."""
    plugin = renderer.plugin
    still = {name: value for name, value in STILL.items() if name in plugin.parameters}
    loaded = in_force(plugin, still)
    set_parameters(plugin, {**wanted, **still})

    def render(samples: FloatArray) -> FloatArray:
        return renderer.cut(renderer.render(renderer.padded(samples[:, np.newaxis])))[:, 0]

    try:
        return measure_latency(render, sample_rate=renderer.sample_rate), ()
    except NoMatchError as error:
        return None, (f"the latency could not be measured ({error}); the reported one is removed",)
    finally:
        # what the user did not name is as it was loaded
        set_parameters(plugin, loaded)


def _truth(
    delay: DelayTrajectory | None, latency: Latency | None, *, removed_samples: float, sample_rate: int
) -> DelayTrajectory | None:
    """Delay of the capture: that of wow and flutter, and what is left of the latency."""
    if delay is None or latency is None:
        return None
    left_s = (latency.samples - removed_samples) / sample_rate
    return replace(delay, start_s=-removed_samples / sample_rate, delay_s=delay.delay_s + left_s)
