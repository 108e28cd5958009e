"""Read what the stages wrote below one folder into one frozen structure; what is missing is None, never an error.

The folder holds, all of it optional::

    captures/<device>/takes.json            kind, reason (why there is no take), takes: name, input, output, ...
    delays/<device>/<take>.npz, .json       the trajectory, and the figures of `tapemeasure track --json`
    aligned/<device>/<take>.wav, .json      the output on the input's time axis, the residual before and after
    hiss/<device>/<take>/hiss.json, *.wav   segments in which the input is silent
    measurements/<device>/<take>.json       schema in `tapemeasure.analysis.take`
    models/<device>/training.json           epochs, best_epoch
    evaluation/<device>.json                rows: model, esr, dc_blocked_esr, mr_stft
    evaluation/<device>/*.wav               excerpts: input, target, model, residual
    emulated/<device>/take.wav, delay.npz   what the replica made of the test signals, and the delay that it made up
    replica_measurements/<device>/replica.json   its measurement, as those of the takes
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tapemeasure.errors import AudioFileError, UsageError
from tapemeasure.io import read_json, sha256_of_file
from tapemeasure.trajectory import DelayTrajectory, load_trajectory

Values = Mapping[str, Any]
REPLICA = "replica"
FOLDERS = ("captures", "delays", "aligned", "hiss", "measurements", "models", "evaluation", "replica_measurements")


@dataclass(frozen=True)
class TakeResults:
    """All that is known of one take; None where a stage wrote nothing."""

    name: str
    split: str | None = None
    input: Path | None = None
    output: Path | None = None
    aligned: Path | None = None
    timeline: Path | None = None
    sidecar: Values | None = None
    trajectory: DelayTrajectory | None = None
    delay: Values | None = None
    alignment: Values | None = None
    hiss: Values | None = None
    hiss_audio: tuple[Path, ...] = ()
    measurement: Values | None = None


@dataclass(frozen=True)
class DeviceResults:
    """All that is known of one device.

    Parameters
    ----------
    name : str
        Profile, as in params.yaml.
    kind : str or None
        Kind of device: ``tape``, ``chowtape``, ``hardware``, ``identity``.
    reason : str or None
        Why there is no take.
    takes : tuple of TakeResults
        In the order of takes.json.
    training, evaluation : mapping or None
        What training.json and the evaluation's JSON hold.
    excerpts : mapping of str to Path
        Short audio of the evaluation, by what it is.
    replica : TakeResults or None
        What the replica made of the test signals, read like a take of the machine.
    """

    name: str
    kind: str | None = None
    reason: str | None = None
    takes: tuple[TakeResults, ...] = ()
    training: Values | None = None
    evaluation: Values | None = None
    excerpts: Mapping[str, Path] = field(default_factory=dict)
    replica: TakeResults | None = None


@dataclass(frozen=True)
class Results:
    """All devices, those with takes first, of these the real ones; SHA-256 of the files read, by their path."""

    devices: tuple[DeviceResults, ...]
    sha256: Mapping[str, str]


def gather(folder: Path) -> Results:
    """Read every result below a folder.

    Raises
    ------
    UsageError
        If there is no such folder, or no result in it.
    AudioFileError
        If a JSON file there is damaged.
    SignalError
        If a delay trajectory there is damaged.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the folder of the stages' results with --data")
    reader = _Reader(folder)
    devices = sorted(
        (reader.device(name) for name in _device_names(folder)),
        key=lambda d: (not d.takes, d.kind != "hardware", d.name),
    )
    if not devices:
        raise UsageError(f"{folder}: no results of any device in {', '.join(FOLDERS)}; run `dvc repro` first")
    return Results(devices=tuple(devices), sha256=dict(sorted(reader.sha256.items())))


def gather_all(folders: Sequence[Path]) -> Results:
    """Read several folders into one structure, so that their machines stand side by side.

    A device that more than one folder has is named after its folder too. Errors are those of `gather`.

    Raises
    ------
    UsageError
        If no folder, or one folder twice, was given.
    """
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"{', '.join(map(str, folders)) or 'no folder'}: give every folder of results once")
    if len(folders) == 1:
        return gather(folders[0])
    found = [(_folder_name(folder, folders), gather(folder)) for folder in folders]
    names = [device.name for _, results in found for device in results.devices]
    devices = [
        replace(device, name=f"{device.name} ({name})" if names.count(device.name) > 1 else device.name)
        for name, results in found
        for device in results.devices
    ]
    sha256 = {f"{name}/{path}": digest for name, results in found for path, digest in results.sha256.items()}
    return Results(
        devices=tuple(sorted(devices, key=lambda device: (not device.takes, device.kind != "hardware"))), sha256=sha256
    )


def _rank(device: DeviceResults) -> tuple[bool, bool, str]:
    """What an owner wants to see first: measured machines, and of these the real ones."""
    return not device.takes, device.kind != "hardware", device.name


def _folder_name(folder: Path, folders: Sequence[Path]) -> str:
    """Shortest ending of a folder's path that tells it from the others: `data` alone names none of two checkouts."""
    parts = folder.resolve().parts
    for length in range(1, len(parts)):
        ending = parts[-length:]
        if sum(other.resolve().parts[-length:] == ending for other in folders) == 1:
            return "/".join(ending)
    return str(folder)


def _device_names(folder: Path) -> list[str]:
    found = {path.name for stage in FOLDERS for path in _children(folder / stage) if path.is_dir()}
    found |= {path.stem for path in _children(folder / "evaluation") if path.suffix == ".json"}
    return sorted(found)


def _children(folder: Path) -> Iterable[Path]:
    """Entries of a folder by name, hidden ones left out; none where there is no such folder."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


class _Reader:
    """Reads files below one folder and remembers their hashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sha256: dict[str, str] = {}

    def device(self, name: str) -> DeviceResults:
        captures_file = self.folder / "captures" / name / "takes.json"
        captures = self._json(captures_file) or {}
        try:
            listed = {str(take["name"]): take for take in captures.get("takes") or []}
        except (TypeError, KeyError) as error:
            raise AudioFileError(f"{captures_file}: a take has no name; run the stage `simulate` again") from error
        names = [*listed, *(found for found in self._take_names(name) if found not in listed)]
        excerpts = {p.stem: p for p in _children(self.folder / "evaluation" / name) if p.suffix == ".wav"}
        takes = tuple(self._take(name, take, listed.get(take, {})) for take in names)
        return DeviceResults(
            name=name,
            kind=captures.get("kind"),
            reason=captures.get("reason"),
            takes=takes,
            training=self._json(self.folder / "models" / name / "training.json"),
            evaluation=self._json(self.folder / "evaluation" / f"{name}.json"),
            excerpts=excerpts,
            replica=self._replica(name, timeline=takes[0].timeline if takes else None),
        )

    def _replica(self, device: str, *, timeline: Path | None) -> TakeResults | None:
        measurement = self._json(self.folder / "replica_measurements" / device / "replica.json")
        if measurement is None:
            return None
        played = self.folder / "emulated" / device
        return TakeResults(
            name=REPLICA,
            output=self._existing(played / "take.wav"),
            timeline=timeline,
            trajectory=self._trajectory(played / "delay.npz"),
            delay=measurement.get("delay"),
            measurement=measurement,
        )

    def _take_names(self, device: str) -> list[str]:
        files = [p for stage in ("delays", "aligned", "measurements") for p in _children(self.folder / stage / device)]
        found = {path.stem for path in files if path.suffix in (".json", ".npz", ".wav")}
        return sorted(found | {path.name for path in _children(self.folder / "hiss" / device) if path.is_dir()})

    def _take(self, device: str, name: str, listed: Values) -> TakeResults:
        delays, aligned = self.folder / "delays" / device, self.folder / "aligned" / device
        hiss = self.folder / "hiss" / device / name
        sidecar = self._existing(listed.get("sidecar"))
        return TakeResults(
            name=name,
            split=listed.get("split"),
            input=self._existing(listed.get("input")),
            output=self._existing(listed.get("output")),
            aligned=self._existing(aligned / f"{name}.wav"),
            timeline=self._existing(listed.get("timeline")),
            sidecar=None if sidecar is None else self._json(sidecar),
            trajectory=self._trajectory(delays / f"{name}.npz"),
            delay=self._json(delays / f"{name}.json"),
            alignment=self._json(aligned / f"{name}.json"),
            hiss=self._json(hiss / "hiss.json"),
            hiss_audio=tuple(path for path in _children(hiss) if path.suffix == ".wav"),
            measurement=self._json(self.folder / "measurements" / device / f"{name}.json"),
        )

    def _json(self, path: Path) -> Values | None:
        if not path.is_file():
            return None
        values = read_json(path)
        if not isinstance(values, dict):
            raise AudioFileError(f"{path}: holds no JSON object; make it again with its stage")
        self._remember(path)
        return values

    def _trajectory(self, path: Path) -> DelayTrajectory | None:
        if not path.is_file():
            return None
        self._remember(path)
        return load_trajectory(path)

    def _remember(self, path: Path) -> None:
        name = path.relative_to(self.folder) if path.is_relative_to(self.folder) else path
        self.sha256[name.as_posix()] = sha256_of_file(path)

    def _existing(self, path: Path | str | None) -> Path | None:
        """Path of a file that is there, as it is told or beside the folder of results; else None."""
        if path is None:
            return None
        return next((place for place in (Path(path), self.folder.parent / path) if place.is_file()), None)
