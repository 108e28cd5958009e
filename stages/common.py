"""What the stage scripts share: errors as one last line on stderr, the takes of a device, their aligned pairs."""

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import TapeMeasureError
from tapemeasure.io import read_audio, read_json, read_pair, write_text
from tapemeasure.signals.timeline import Pilot, Split, Timeline, load_timeline

DATA = Path("data")


def run_stage(name: str, function: Callable[[], None]) -> None:
    """Run a stage; a failure prints its reason last on stderr and exits 1 or 2."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        function()
    except TapeMeasureError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; what was finished is kept, nothing is half-written", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        where = "a file" if error.filename is None else error.filename
        print(f"{name}: {where}: {error.strerror or error}; check the disk and the permissions", file=sys.stderr)
        sys.exit(1)


def device_argument(description: str | None) -> argparse.Namespace:
    """The one argument of the stages that run once a device."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", required=True, help="a profile of params.yaml")
    return parser.parse_args()


def device_folder(stage: str, device: str) -> Path:
    """Folder data/<stage>/<device>; it holds the device's name, because DVC warns of empty folders."""
    folder = DATA / stage / device
    write_text(folder / ".device", f"{device}\n")
    return folder


@dataclass(frozen=True)
class Take:
    """One entry of data/captures/<device>/takes.json."""

    device: str
    name: str
    input: Path
    output: Path
    timeline: Timeline | None
    split: Split | None
    truth: Path | None

    @property
    def pilot(self) -> Pilot | None:
        """The pilot that the timeline tells; None where there is no timeline."""
        return None if self.timeline is None else self.timeline.pilot

    def read(self) -> tuple[FloatArray, FloatArray, int]:
        """Input, output and their sample rate."""
        return read_pair(self.input, self.output)

    def read_aligned(self) -> tuple[FloatArray, FloatArray, int]:
        """Programme channel of the input and of the aligned output, equally long, and their sample rate."""
        stimulus, aligned, sample_rate = self.read_aligned_tracks()
        return stimulus[:, 0], aligned[:, 0], sample_rate

    def read_aligned_tracks(self) -> tuple[FloatArray, FloatArray, int]:
        """All channels of the input and of the aligned output, equally long, and their sample rate.

        Without a timeline both end where the output ended, because a late output lacks the input's last part; a
        stimulus of ours ends in silence for that.
        """
        stimulus, sample_rate = read_audio(self.input)
        aligned, _ = read_audio(DATA / "aligned" / self.device / f"{self.name}.wav")
        facts = read_json(DATA / "aligned" / self.device / f"{self.name}.json")
        stop = len(stimulus) if self.timeline is not None else int(facts["covered_samples"])
        return stimulus[:stop], aligned[:stop], sample_rate


def takes_of(device: str) -> list[Take]:
    """Takes that the simulate stage listed for a device; empty where there is no capture."""
    entries = read_json(DATA / "captures" / device / "takes.json")["takes"]
    return [_take(device, entry) for entry in entries]


def _take(device: str, entry: dict[str, Any]) -> Take:
    return Take(
        device=device,
        name=entry["name"],
        input=Path(entry["input"]),
        output=Path(entry["output"]),
        timeline=load_timeline(entry["timeline"]) if entry["timeline"] else None,
        split=entry["split"],
        truth=Path(entry["truth"]) if entry.get("truth") else None,
    )
