"""Takes from outside: which files of a folder belong together, in either of two layouts.

Own takes and single recordings lie as ``<name>_input.wav`` and ``<name>_output.wav`` in the folder or one folder below
it; the published recordings as ``Train|Val|Test/input_<id>_*.wav`` and ``target_<id>_*.wav``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tapemeasure.errors import AudioFileError, MismatchError, UsageError
from tapemeasure.io import read_json, sha256_of_file
from tapemeasure.signals.timeline import Split

PAIR = re.compile(r"(?P<name>.+)_(?P<side>input|output)\.wav", re.IGNORECASE)
PUBLISHED = re.compile(r"(?P<side>input|target)_(?P<id>[^_.]+)(_.*)?\.wav", re.IGNORECASE)
SPLIT_FOLDERS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
ASIDE = (".partial.wav", ".xruns.wav", ".failed.wav", ".print.wav")


@dataclass(frozen=True)
class TakeFiles:
    """The files of one take.

    Parameters
    ----------
    name : str
        Unique in its folder; also a file name.
    input, output : path
        What was played, and what came back.
    split : str or None
        The set that the take belongs to, where the layout tells.
    timeline : path or None
        Segments of the input (``<name>_input.json``), where there are any.
    sidecar : path or None
        What `tapemeasure record` noted (``<name>.json``).
    """

    name: str
    input: Path
    output: Path
    split: Split | None = None
    timeline: Path | None = None
    sidecar: Path | None = None


def find_takes(folder: Path | str) -> list[TakeFiles]:
    """All takes of a folder, sorted by name, each of one sample rate.

    Arguments and result as in `list_takes`.

    Raises
    ------
    UsageError
        As in `list_takes`.
    MismatchError
        If the files of a pair have different sample rates, or a sidecar tells of other files.
    AudioFileError
        If a file is no audio.
    """
    takes = list_takes(folder)
    for take in takes:
        _refuse_other_rate(take)
        _refuse_other_sidecar(take)
    return takes


def list_takes(folder: Path | str) -> list[TakeFiles]:
    """All takes of a folder, sorted by name; no file is opened.

    Parameters
    ----------
    folder : path
        Takes in it or one folder below, in either layout. Interrupted takes (``.partial.wav``), those with lost samples
        (``.xruns.wav``), those that their check found bad (``.failed.wav``) and tapes that were not yet played
        (``.print.wav``) are left out.

    Returns
    -------
    list of TakeFiles
        Empty where the folder holds no audio.

    Raises
    ------
    UsageError
        If there is no such folder, a file has no partner or two, two takes have one name, or there is audio in the
        folder but no take.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the folder of the takes (raw/none where there are none)")
    takes = []
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for place in [folder, *below]:
        audio = _audio_files(place)
        split = SPLIT_FOLDERS.get(place.name.lower())
        if split is not None and any(PUBLISHED.fullmatch(path.name) for path in audio):
            takes += _published(audio, split)
        else:
            takes += _pairs(audio, prefix="" if place == folder else place.name)
    if not takes:
        _refuse_stray_audio(folder, below)
    _refuse_same_name(takes)
    return sorted(takes, key=lambda take: _natural_order(take.name))


def _audio_files(place: Path) -> list[Path]:
    files = (path for path in sorted(place.iterdir()) if path.is_file() and path.suffix.lower() == ".wav")
    return [path for path in files if not path.name.startswith(".") and not path.name.lower().endswith(ASIDE)]


def _pairs(audio: Iterable[Path], *, prefix: str) -> list[TakeFiles]:
    """Takes of ``<name>_input.wav`` and ``<name>_output.wav``; the folder's name is put before, if it adds any."""
    sides = _by_key(audio, PAIR, "name")
    takes = []
    for stem, files in sides.items():
        name = stem if prefix in ("", stem) else f"{prefix}_{stem}"
        source, output = _both(files, "input", "output")
        takes.append(
            TakeFiles(
                name=name,
                input=source,
                output=output,
                timeline=_existing(source.with_suffix(".json")),
                sidecar=_existing(source.with_name(f"{stem}.json")),
            )
        )
    return takes


def _published(audio: Iterable[Path], split: Split) -> list[TakeFiles]:
    """Takes of one set of the published layout, named ``<set>_<id>``."""
    takes = []
    for key, files in _by_key(audio, PUBLISHED, "id").items():
        source, target = _both(files, "input", "target")
        takes.append(TakeFiles(name=f"{split}_{key}", input=source, output=target, split=split))
    return takes


def _by_key(audio: Iterable[Path], pattern: re.Pattern[str], key: str) -> dict[str, dict[str, Path]]:
    """Files by the key in their name, then by their side; UsageError where one side is there twice."""
    found: dict[str, dict[str, Path]] = {}
    for path in audio:
        match = pattern.fullmatch(path.name)
        if match is None:
            continue
        sides = found.setdefault(match[key], {})
        side = match["side"].lower()
        if side in sides:
            raise UsageError(f"{path}: {sides[side].name} is the {side} of {match[key]} too; keep one of them")
        sides[side] = path
    return found


def _both(files: dict[str, Path], first: str, second: str) -> tuple[Path, Path]:
    for present, absent in ((first, second), (second, first)):
        if absent not in files:
            raise UsageError(
                f"{files[present]}: its partner, the {absent} file, is missing; add it or move this one away"
            )
    return files[first], files[second]


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _refuse_stray_audio(folder: Path, below: Iterable[Path]) -> None:
    strays = [path for place in (folder, *below) for path in sorted(place.glob("*.wav"))]
    if strays:
        raise UsageError(
            f"{folder}: {len(strays)} WAV files but no take, the first is {strays[0].name}; a take is "
            "<name>_input.wav with <name>_output.wav (names with .partial or .xruns are left out)"
        )


def _refuse_same_name(takes: Iterable[TakeFiles]) -> None:
    seen: dict[str, Path] = {}
    for take in takes:
        if take.name in seen:
            raise UsageError(f"{take.input} and {seen[take.name]} are both take {take.name}; rename one of them")
        seen[take.name] = take.input


def _refuse_other_rate(take: TakeFiles) -> None:
    input_rate, output_rate = _sample_rate(take.input), _sample_rate(take.output)
    if input_rate != output_rate:
        raise MismatchError(f"{take.output} is {output_rate} Hz, {take.input} is {input_rate} Hz; resample one of them")


def _refuse_other_sidecar(take: TakeFiles) -> None:
    """Compare the hashes that a sidecar tells with those of its files."""
    facts = read_json(take.sidecar) if take.sidecar is not None else None
    if not isinstance(facts, dict):
        return
    for key, path in (("sha256_input", take.input), ("sha256_output", take.output)):
        if facts.get(key) is not None and facts[key] != sha256_of_file(path):
            raise MismatchError(
                f"{take.sidecar} does not belong to {path} (the hash differs): the file was changed or replaced after "
                "the recording; copy the take again, or take the sidecar away"
            )


def _sample_rate(path: Path) -> int:
    import soundfile

    try:
        return int(soundfile.info(path).samplerate)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = getattr(error, "error_string", str(error))
        raise AudioFileError(f"{path}: not a readable audio file ({reason}); copy it again") from error


def _natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key by which ``io_2`` stands before ``io_10``."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name))
