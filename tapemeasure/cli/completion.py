"""Names that the shell completes behind ``--device``, ``--preset`` and ``--profile``."""

from collections.abc import Iterable
from pathlib import Path

import click

from tapemeasure.errors import TapeMeasureError
from tapemeasure.params import load_params, tape_presets

SIMULATED = ("tape", "chowtape", "identity", "neural")


def simulated_devices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Profiles of the params file that can be computed, and the bare kinds."""
    return _beginning([*_profiles(ctx), *SIMULATED], incomplete)


def presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Presets of the device tape."""
    return _beginning(tape_presets(), incomplete)


def overlays(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Files of the folder ``profiles`` beside the params file."""
    return _beginning((path.stem for path in (_params_file(ctx).parent / "profiles").glob("*.yaml")), incomplete)


def _params_file(ctx: click.Context) -> Path:
    return Path(ctx.params.get("params_file") or "params.yaml")


def _profiles(ctx: click.Context) -> list[str]:
    path = _params_file(ctx)
    try:
        devices = load_params(path).devices if path.is_file() else {}
    except TapeMeasureError:
        # a shell that completes shows no errors; the command itself will tell
        return []
    return [name for name, profile in devices.items() if profile.kind != "hardware"]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
