"""What `tapemeasure emulate` and `tapemeasure live` share: which replica, which delay and hiss, how much of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tapemeasure.cli.common import Function
from tapemeasure.errors import UsageError
from tapemeasure.generators.amounts import Amounts
from tapemeasure.replica.model import MODEL_FILE

NAMED_PLACES = (Path("data/replicas"), Path("data/models"))
DELAY_NAMES = {
    "sinusoids": "lines", "lines": "lines", "random_phase": "random_phase", "bootstrap": "bootstrap",
    "diffusion": "diffusion",
}  # fmt: skip
"""What generators of delay are called on the command line, and in the names of their files."""

HISS_NAMES = ("noise", "diffusion")

_OPTIONS: tuple[Callable[[Function], Function], ...] = (
    click.option("--model", "model", metavar="M", required=True, type=click.Path(path_type=Path),
                 help="A trained model: its file, a folder such as data/replicas/akai, or only that folder's name."),
    click.option("--set", "assignments", metavar="NAME=VALUE", multiple=True,
                 help="A setting of the machine, for a model that was trained on several. May be repeated."),
    click.option("--delay", metavar="none|generated|measured|KIND|FILE", default="none", show_default=True,
                 help="Delay to put on: none; a new one like the machine's, from the generator that was kept or the "
                 "one of a KIND (sinusoids, random_phase, bootstrap, diffusion); that of a take of the model's device "
                 "(data/delays/<device>); or a file that `track` wrote."),
    click.option("--take", metavar="NAME",
                 help="Take whose delay is meant by --delay measured; the first by default."),
    click.option("--wow", metavar="FACTOR", type=float, default=1.0, show_default=True,
                 help="Generated delay from 0.2 to 6 Hz against the machine's own; 0 for none."),
    click.option("--flutter", metavar="FACTOR", type=float, default=1.0, show_default=True,
                 help="The same above 6 Hz."),
    click.option("--drift", metavar="FACTOR", type=float, default=1.0, show_default=True,
                 help="The same below 0.2 Hz."),
    click.option("--hiss", type=click.Choice(["none", "generated", *HISS_NAMES]), default="none", show_default=True,
                 help="Hiss and hum to put on: none, or new ones like the machine's, from the generator that was kept "
                 "or the one named."),
    click.option("--hiss-db", metavar="DB", type=float, default=0.0, show_default=True,
                 help="Level of the hiss against the machine's own; -inf for none."),
    click.option("--hum-db", metavar="DB", type=float, default=0.0, show_default=True, help="The same for the hum."),
    click.option("--saturation-db", metavar="DB", type=click.FloatRange(-40.0, 40.0), default=0.0, show_default=True,
                 help="Drive the tape harder by so much; the output is lowered by the same."),
    click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True,
                 help="Decides delay and hiss."),
)  # fmt: skip


def replica_options(function: Function) -> Function:
    """Options that say which replica plays, and how."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class Wanted:
    """Values of `replica_options`."""

    model: Path
    assignments: Sequence[str]
    delay: str
    take: str | None
    wow: float
    flutter: float
    drift: float
    hiss: str
    hiss_db: float
    hum_db: float
    saturation_db: float
    seed: int

    @property
    def folder(self) -> Path:
        """The model as it was given, or the folder of that name under data/replicas or data/models."""
        places = [self.model, *(place / self.model for place in NAMED_PLACES)]
        return next((place for place in places if place.is_file() or (place / MODEL_FILE).is_file()), self.model)

    @property
    def amounts(self) -> Amounts:
        """Amounts of wow, flutter and drift.

        Raises
        ------
        ParameterError
            If one is negative or not finite.
        """
        return Amounts(drift=self.drift, wow=self.wow, flutter=self.flutter)

    @property
    def conditions(self) -> dict[str, float]:
        """Settings of ``--set``; errors as in `conditions_of_options`."""
        return conditions_of_options(self.assignments)


def conditions_of_options(assignments: Sequence[str]) -> dict[str, float]:
    """Settings of ``--set NAME=VALUE``.

    Raises
    ------
    UsageError
        If one is not a name, an equals sign and a number.
    """
    found = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            separator = ""
        if not (name and separator):
            raise UsageError(f"--set {assignment}: give a name and a number, such as speed_ips=7.5")
    return found


def taken(options: dict[str, Any]) -> Wanted:
    """Take the values of `replica_options` out of a command's parameters."""
    return Wanted(**{name: options.pop(name) for name in Wanted.__dataclass_fields__})
