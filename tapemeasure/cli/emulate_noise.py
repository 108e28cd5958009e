"""``tapemeasure emulate`` and ``live``: which delay and which hiss are put on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import warn
from tapemeasure.cli.emulate_options import DELAY_NAMES, Wanted
from tapemeasure.errors import MismatchError, UsageError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.model_file import facts_of
from tapemeasure.trajectory import DelayTrajectory

if TYPE_CHECKING:
    from tapemeasure.generators.base import DelayGenerator
    from tapemeasure.generators.play import HissSource

FIRST_KINDS = {"delay": "lines", "hiss": "noise"}
"""What a generator is whose file does not say it."""


@dataclass(frozen=True)
class Wobble:
    """The delay that is put on: where it came from, its file, and a trajectory or a generator (neither: none)."""

    source: str
    file: Path | None = None
    trajectory: DelayTrajectory | None = None
    generator: "DelayGenerator | None" = None
    amounts: Amounts = field(default_factory=Amounts)
    seed: int = 0

    def known(self, duration_s: float) -> DelayTrajectory | None:
        """The delay of an output of so many seconds; None for none."""
        if self.generator is None:
            return self.trajectory
        from tapemeasure.generators.play import generated_delay

        return generated_delay(self.generator, duration_s=duration_s, generator=self._random(), amounts=self.amounts)

    def chunks(self) -> Iterator[FloatArray]:
        """The generated delay without end."""
        from tapemeasure.generators.play import delay_chunks

        if self.generator is None:
            raise UsageError(f"{self.source}: is no generated delay")
        return delay_chunks(self.generator, generator=self._random(), amounts=self.amounts)

    def _random(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, 0])


def folder_of(model: Path) -> Path:
    """Folder of a replica: the given one, or that of the given file."""
    return (model if model.is_dir() else model.parent).absolute()


def generator_file(model: Path, *, kind: str, name: str | None = None) -> Path:
    """Generator of a replica: in its own folder, or where the pipeline keeps it (data/generators/<kind>/<device>).

    Parameters
    ----------
    model : path
        The replica.
    kind : str
        ``delay`` or ``hiss``.
    name : str, optional
        Which one; by default the one that was kept.

    Raises
    ------
    UsageError
        If there is none.
    """
    from tapemeasure.generators.store import generator_file_name

    folder = folder_of(model)
    places = [folder, folder.parent.parent / "generators" / kind / folder.name]
    kept = [place / generator_file_name(kind) for place in places]
    named = [place / generator_file_name(kind, name) for place in places]
    for file in named:
        if file.is_file():
            return file
    for file in kept:
        if file.is_file() and facts_of(file).get("generator", FIRST_KINDS[kind]) == name:
            return file
    there = sorted({file.name for place in places for file in place.glob(f"{kind}*.safetensors")})
    what = f"generator of {kind}" if name is None else f"{kind} generator of the kind {name}"
    found = f"there are {', '.join(there)}; " if there else ""
    raise UsageError(
        f"{model}: has no {what} ({' or '.join(map(str, named))}); {found}run the stage train_{kind}, or give "
        f"--{kind} none"
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


def wobble(wanted: Wanted, *, duration_s: float | None = None) -> Wobble:
    """The delay that ``--delay`` means; tells where a known one ends before `duration_s`, seconds.

    Raises
    ------
    UsageError
        If there is no such delay, or an amount was given for one that is not generated.
    ParameterError
        If an amount is out of range.
    SignalError
        If time stands still in it.
    """
    delay, take, amounts = wanted.delay, wanted.take, wanted.amounts
    generated = delay == "generated" or delay in DELAY_NAMES
    if take is not None and delay != "measured":
        raise UsageError(f"--take {take}: chooses what --delay measured means; add that")
    if not generated and amounts != Amounts():
        raise UsageError("--wow, --flutter and --drift scale a generated delay; add --delay generated")
    if delay == "none":
        return Wobble("none")
    if generated:
        from tapemeasure.models.delay_generators import load_any_delay

        file = generator_file(wanted.folder, kind="delay", name=DELAY_NAMES.get(delay))
        generator, facts = load_any_delay(file)
        name = facts.get("generator", "unknown kind")
        source = f"generated ({name}, seed {wanted.seed})"
        return Wobble(source, file, generator=generator, amounts=amounts, seed=wanted.seed)
    from tapemeasure.cli.pair import load_delays
    from tapemeasure.delay.invert import require_forward

    file = measured_file(wanted.folder, take=take) if delay == "measured" else Path(delay)
    trajectory = load_delays([file]).trajectory
    require_forward(trajectory)
    if duration_s is None or trajectory.end_s < duration_s:
        until = "" if duration_s is None else f" of {duration_s:.1f} s"
        warn(f"{file}: ends at {trajectory.end_s:.1f} s{until}; its last delay is held from there on")
    return Wobble(str(file), file, trajectory)


def hiss_source(wanted: Wanted, *, n_channels: int, sample_rate: int) -> "tuple[HissSource, Path] | tuple[None, None]":
    """The hiss that ``--hiss`` means, and its file; None and None for none.

    Raises
    ------
    UsageError
        If the replica has no such generator of hiss, or a level was given for none.
    MismatchError
        If it was learned at another sample rate.
    """
    hiss_db, hum_db = wanted.hiss_db, wanted.hum_db
    if wanted.hiss == "none":
        if hiss_db or hum_db:
            raise UsageError("--hiss-db and --hum-db set the level of generated hiss; add --hiss generated")
        return None, None
    from tapemeasure.generators.play import HissSource
    from tapemeasure.models.hiss_generators import load_any_hiss

    for name, level_db in (("--hiss-db", hiss_db), ("--hum-db", hum_db)):
        if math.isnan(level_db) or level_db == math.inf:
            raise UsageError(f"{name} {level_db:g}: give decibels against the machine's own level; -inf for none")
    file = generator_file(wanted.folder, kind="hiss", name=None if wanted.hiss == "generated" else wanted.hiss)
    generator, _ = load_any_hiss(file)
    try:
        source = HissSource(
            generator,
            n_channels=n_channels,
            sample_rate=sample_rate,
            generator=np.random.default_rng([wanted.seed, 1]),
            hiss_db=hiss_db,
            hum_db=hum_db,
        )
    except MismatchError as error:
        raise MismatchError(f"{file}: {error}") from error
    return source, file
