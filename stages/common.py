"""What the stage scripts share: errors as one last line on stderr, the list of takes of a device."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapemeasure.errors import TapeMeasureError
from tapemeasure.io import read_json

DATA = Path("data")


def run_stage(name: str, function: Callable[[], None]) -> None:
    """Run a stage; a failure prints its reason last on stderr and exits 1 or 2."""
    try:
        function()
    except TapeMeasureError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; what was finished is kept, nothing is half-written", file=sys.stderr)
        sys.exit(1)


def takes_of(device: str) -> list[dict[str, Any]]:
    """Takes that the simulate stage listed for a device; empty where there is no capture."""
    takes: list[dict[str, Any]] = read_json(DATA / "captures" / device / "takes.json")["takes"]
    return takes
