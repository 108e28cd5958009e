"""``tapemeasure devices``: the profiles of params.yaml, the sound cards, and which belongs to which."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli.common import json_option, params_option, params_or_defaults, print_result, warn
from tapemeasure.errors import DeviceError, MissingDependencyError
from tapemeasure.io import provenance
from tapemeasure.params import DeviceProfile, tape_presets

if TYPE_CHECKING:
    from tapemeasure.devices.sound_cards import SoundCard


@click.command()
@params_option
@json_option
@click.pass_context
def command(ctx: click.Context, params_file: str, as_json: bool) -> None:
    """List the devices: profiles of the params file, presets of the device tape, and the sound cards.

    A hardware profile is listed with the sound card that it matches. `simulate --preset NAME` takes a preset.
    Computed devices (tape, chowtape, identity) need no sound card; without PortAudio they are listed all the same.

    \b
    Examples:
      tapemeasure devices
      tapemeasure devices --json
      tapemeasure devices --params profiles/mine.yaml
    """
    params = params_or_defaults(ctx, params_file)
    cards, problem = _sound_cards()
    if problem is not None:
        warn(problem)
    profiles = [_profile(name, profile, cards, problem) for name, profile in params.devices.items()]
    presets = [
        {"name": name, "about": preset["about"], "source": preset["source"]} for name, preset in tape_presets().items()
    ]
    result = {
        "profiles": profiles,
        "presets": presets,
        "sound_cards": [asdict(card) for card in cards],
        "sound_cards_problem": problem,
        "provenance": provenance(inputs={params_file: Path(params_file)} if Path(params_file).is_file() else {}),
    }
    print_result(result, as_json=as_json, rows=_rows(profiles, presets, cards))


def _sound_cards() -> tuple[list["SoundCard"], str | None]:
    """Sound cards, or why none can be listed."""
    from tapemeasure.devices.sound_cards import list_sound_cards

    try:
        return list_sound_cards(), None
    except (DeviceError, MissingDependencyError) as error:
        return [], str(error)


def _profile(
    name: str, profile: DeviceProfile, cards: Sequence["SoundCard"], cards_problem: str | None
) -> dict[str, Any]:
    """A profile with the cards that it plays and records through, or the reason why there are none."""
    from tapemeasure.devices.sound_cards import find_connection

    entry: dict[str, Any] = {"name": name, "kind": profile.kind, "capture": profile.capture}
    if profile.kind != "hardware":
        return entry
    entry |= {"output": None, "input": None, "problem": cards_problem}
    if cards_problem is not None:
        return entry
    try:
        found = find_connection(cards, match=profile.settings.match, host_api=profile.settings.host_api)
    except DeviceError as error:
        return entry | {"problem": str(error)}
    return entry | {"output": str(found.output), "input": str(found.input)}


def _rows(
    profiles: Sequence[dict[str, Any]], presets: Sequence[dict[str, str]], cards: Sequence["SoundCard"]
) -> list[tuple[str, str]]:
    rows = [("profile", f"{'kind':<9} {'capture':<20} sound card")]
    for entry in profiles:
        card = entry.get("output") or "-"
        if entry.get("problem"):
            card = f"none: {entry['problem'].splitlines()[0]}"
        elif entry.get("output") != entry.get("input"):
            card = f"plays {entry['output']}, records {entry['input']}"
        rows.append((entry["name"], f"{entry['kind']:<9} {entry['capture']:<20} {card}"))
    rows += [("", ""), ("tape preset", "about")]
    rows += [(preset["name"], preset["about"]) for preset in presets]
    rows += [("", ""), ("sound card", f"{'in':>3} {'out':>4} {'rate Hz':>8}  name (host API)")]
    for card in cards:
        default = ", default" if card.is_default_input or card.is_default_output else ""
        counts = f"{card.input_channels:>3} {card.output_channels:>4} {card.default_sample_rate:>8}"
        rows.append((str(card.index), f"{counts}  {card}{default}"))
    return rows if cards else [*rows, ("-", "none")]
