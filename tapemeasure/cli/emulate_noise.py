"""``tapemeasure emulate``: which delay and which hiss are put on."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tapemeasure.cli.common import warn
from tapemeasure.errors import MismatchError, UsageError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.trajectory import DelayTrajectory

if TYPE_CHECKING:
    from tapemeasure.generators.play import HissSource

DELAY_FILE, HISS_FILE = "delay.safetensors", "hiss.safetensors"


@dataclass(frozen=True)
class Wobble:
    """The delay that is put on: where it came from, its file, and the trajectory (None: none)."""

    source: str
    file: Path | None
    trajectory: DelayTrajectory | None


def folder_of(model: Path) -> Path:
    """Folder of a replica: the given one, or that of the given file."""
    return (model if model.is_dir() else model.parent).absolute()


def generator_file(model: Path, *, kind: str) -> Path:
    """Generator of a replica: in its own folder, or where the pipeline keeps it (data/generators/<kind>/<device>).

    Raises
    ------
    UsageError
        If there is none.
    """
    name = DELAY_FILE if kind == "delay" else HISS_FILE
    folder = folder_of(model)
    places = [folder / name, folder.parent.parent / "generators" / kind / folder.name / name]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(
        f"{model}: has no generator of {kind} ({' or '.join(map(str, places))}); run the stage train_{kind}, or "
        f"give --{kind} none"
    )


def measured_file(model: Path, *, take: str | None) -> Path:
    """Tracked delay of the first, or the named, take of the model's device.

    Raises
    ------
    UsageError
        If the device has no tracked takes, or not that one.
    """
    device = folder_of(model)
    folder = device.parent.parent / "delays" / device.name
    takes = sorted(path.stem for path in folder.glob("*.npz")) if folder.is_dir() else []
    if not takes:
        raise UsageError(f"--delay measured: no tracked delay in {folder}; give --delay FILE that `track` wrote")
    if take is not None and take not in takes:
        raise UsageError(f"--take {take}: no such take in {folder}; there are {', '.join(takes)}")
    return folder / f"{take or takes[0]}.npz"


def wobble(delay: str, model: Path, *, take: str | None, amounts: Amounts, seed: int, duration_s: float) -> Wobble:
    """The delay that ``--delay`` means.

    Raises
    ------
    UsageError
        If there is no such delay, or an amount was given for one that is not generated.
    """
    if take is not None and delay != "measured":
        raise UsageError(f"--take {take}: chooses what --delay measured means; add that")
    if delay != "generated" and amounts != Amounts():
        raise UsageError("--wow, --flutter and --drift scale a generated delay; add --delay generated")
    if delay == "none":
        return Wobble("none", None, None)
    if delay == "generated":
        from tapemeasure.generators.play import generated_delay
        from tapemeasure.models.delay_generators import load_any_delay

        file = generator_file(model, kind="delay")
        generator, facts = load_any_delay(file)
        trajectory = generated_delay(
            generator, duration_s=duration_s, generator=np.random.default_rng([seed, 0]), amounts=amounts
        )
        return Wobble(f"generated ({facts.get('generator', 'unknown kind')}, seed {seed})", file, trajectory)
    from tapemeasure.cli.pair import load_delays

    file = measured_file(model, take=take) if delay == "measured" else Path(delay)
    trajectory = load_delays([file]).trajectory
    if trajectory.end_s < duration_s:
        warn(f"{file}: ends at {trajectory.end_s:.1f} s of {duration_s:.1f} s; its last delay is held from there on")
    return Wobble(str(file), file, trajectory)


def hiss_source(
    hiss: str, model: Path, *, n_channels: int, sample_rate: int, seed: int, hiss_db: float, hum_db: float
) -> "tuple[HissSource, Path] | tuple[None, None]":
    """The hiss that ``--hiss`` means, and its file; None and None for none.

    Raises
    ------
    UsageError
        If the replica has no generator of hiss, or a level was given for none.
    MismatchError
        If it was learned at another sample rate.
    """
    if hiss == "none":
        if hiss_db or hum_db:
            raise UsageError("--hiss-db and --hum-db set the level of generated hiss; add --hiss generated")
        return None, None
    from tapemeasure.generators.play import HissSource
    from tapemeasure.generators.store import load_hiss_generator

    for name, level_db in (("--hiss-db", hiss_db), ("--hum-db", hum_db)):
        if math.isnan(level_db) or level_db == math.inf:
            raise UsageError(f"{name} {level_db:g}: give decibels against the machine's own level; -inf for none")
    file = generator_file(model, kind="hiss")
    generator, _ = load_hiss_generator(file)
    if generator.sample_rate != sample_rate:
        raise MismatchError(
            f"{file}: hiss learned at {generator.sample_rate} Hz, the input is {sample_rate} Hz; resample the input"
        )
    source = HissSource(
        generator,
        n_channels=n_channels,
        generator=np.random.default_rng([seed, 1]),
        hiss_db=hiss_db,
        hum_db=hum_db,
    )
    return source, file
