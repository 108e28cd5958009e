"""The pair of files for NAM's trainer: which take, its checks, the four files."""

import shutil
from pathlib import Path
from typing import Any

from tapemeasure.cli.common import check_output, warn
from tapemeasure.cli.pair import require_channel
from tapemeasure.errors import MismatchError, SignalError, UsageError
from tapemeasure.export.nam_pair import LARGEST_REPLICATE_ESR, NamPair, nam_pair
from tapemeasure.io import atomic_path, provenance, read_audio, read_json, write_json

NAMES = ("input.wav", "output.wav", "nam_data.json", "pair.json")


def write_pair(
    model: Path,
    folder: Path | None,
    *,
    input_file: Path | None,
    aligned_file: Path | None,
    take: str | None,
    channel: int,
    force: bool,
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Write ``input.wav``, ``output.wav``, the trainer's configuration and what is known, and tell it.

    Parameters
    ----------
    model : path
        A model or its folder: the device whose take is meant, where the files are not given.
    folder : path or None
        Where to write; by default ``<device>_nam``.
    input_file, aligned_file : path or None
        The take; both or none.
    take : str or None
        Name of the device's take; the first by default.
    channel : int
        Of the programme, from 1.
    force : bool
        Whether files may be replaced, and a pair that fails a check be written.
    """
    device = (model if model.suffix != ".safetensors" else model.parent).absolute()
    if (input_file is None) != (aligned_file is None):
        raise UsageError("--input and --aligned belong together; give both")
    if input_file is None or aligned_file is None:
        input_file, aligned_file = take_files(device, take=take)
    elif take is not None:
        raise UsageError(f"--take {take}: the files are given by --input and --aligned; leave it out")
    folder = folder or Path(f"{device.name}_nam")
    paths = [folder / name for name in NAMES]
    for path in paths:
        check_output(path, endings=(path.suffix,), force=force, inputs=[input_file, aligned_file])
    pair, source_rate = _pair(input_file, aligned_file, channel=channel)
    if not pair.accepted and not force:
        raise SignalError(
            f"{aligned_file}: the passage that comes twice differs by an ESR of {pair.replicate_esr:.4g}, NAM accepts "
            f"{LARGEST_REPLICATE_ESR:g}; check the delay with `tapemeasure track`, or give --force to write it anyhow"
        )
    for text in _warnings(pair, input_file):
        warn(text)
    input_path, output_path, config_path, facts_path = paths
    if is_ready(input_file):
        # the simple trainer knows its own test signals by their bytes
        with atomic_path(input_path, force=force) as temporary:
            shutil.copyfile(input_file, temporary)
    else:
        _write_24_bits(input_path, pair.input, pair.sample_rate, force=force)
    _write_24_bits(output_path, pair.output, pair.sample_rate, force=force)
    write_json(config_path, pair.data_config(input_name=input_path.name, output_name=output_path.name), force=force)
    facts = {
        "device": device.name,
        "source_sample_rate": source_rate,
        "alignment": _alignment(aligned_file),
        **pair.checks(),
        "accepted": pair.accepted,
        "provenance": provenance(inputs={"input": input_file, "aligned": aligned_file}),
    }
    write_json(facts_path, facts, force=force)
    result = {"exported": folder, "to": "pair", "files": paths, **facts}
    return result, _rows(result)


def take_files(device: Path, *, take: str | None) -> tuple[Path, Path]:
    """Input and aligned output of a take in the pipeline's folders, beside that of the device's model.

    Raises
    ------
    UsageError
        If there are none.
    """
    data = device.parent.parent
    record = data / "captures" / device.name / "takes.json"
    advice = "give --input FILE and --aligned FILE"
    if not record.is_file():
        raise UsageError(f"{record}: no such file, so the takes of {device.name} are not known; {advice}")
    takes = read_json(record).get("takes", [])
    chosen = next((entry for entry in takes if take in (None, entry["name"])), None)
    if chosen is None:
        names = ", ".join(entry["name"] for entry in takes) or "none"
        raise UsageError(f"{device.name} has no take{'' if take is None else ' ' + take}; there are: {names}; {advice}")
    aligned = data / "aligned" / device.name / f"{chosen['name']}.wav"
    # paths in the record are those of the pipeline's root, which is where `data` lies
    played = data.parent / chosen["input"]
    for path in (played, aligned):
        if not path.is_file():
            raise UsageError(f"{path}: no such file; run the pipeline as far as align, or {advice}")
    return played, aligned


def _pair(input_file: Path, aligned_file: Path, *, channel: int) -> tuple[NamPair, int]:
    played, sample_rate = read_audio(input_file)
    aligned, aligned_rate = read_audio(aligned_file)
    if aligned_rate != sample_rate:
        raise MismatchError(
            f"{aligned_file} is {aligned_rate} Hz, {input_file} is {sample_rate} Hz; resample one of them"
        )
    require_channel(played, channel, path=input_file)
    require_channel(aligned, channel, path=aligned_file)
    return nam_pair(played[:, channel - 1], aligned[:, channel - 1], sample_rate=sample_rate), sample_rate


def is_ready(path: Path) -> bool:
    """Whether a file is as the trainer wants it already: mono PCM at 48 kHz."""
    import soundfile

    from tapemeasure.export.nam_pair import SAMPLE_RATE

    facts = soundfile.info(path)
    known = (facts.format, facts.channels, facts.samplerate) == ("WAV", 1, SAMPLE_RATE)
    return known and facts.subtype in ("PCM_16", "PCM_24")


def _write_24_bits(path: Path, samples: Any, sample_rate: int, *, force: bool) -> None:
    import soundfile

    with atomic_path(path, force=force) as temporary:
        soundfile.write(temporary, samples, sample_rate, subtype="PCM_24", format="WAV")


def _alignment(aligned_file: Path) -> Any:
    """What `align` wrote beside the file in the pipeline, if it did."""
    sidecar = aligned_file.with_suffix(".json")
    return read_json(sidecar) if sidecar.is_file() else None


def _warnings(pair: NamPair, input_file: Path) -> list[str]:
    texts = []
    if pair.replicate_esr is None:
        texts.append(f"{input_file}: no passage stands at both ends of it, so that NAM's replicate check says nothing")
    elif not pair.accepted:
        texts.append(f"replicate ESR {pair.replicate_esr:.4g} is above NAM's limit; written because of --force")
    if not pair.silence_before_validation:
        texts.append(f"{input_file}: no silence of 0.4 s to begin the validation behind; nam_data.json asks for none")
    if pair.input_gain_db < 0.0:
        texts.append(
            f"the input was turned down by {-pair.input_gain_db:.2f} dB to end at full scale; nam_data.json undoes it"
        )
    if pair.output_gain_db < 0.0:
        texts.append(f"the output was turned down by {-pair.output_gain_db:.2f} dB to stay below full scale")
    return texts


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    replicate = result["replicate_esr"]
    told = "not measurable" if replicate is None else f"{replicate:.3g} (NAM accepts {LARGEST_REPLICATE_ESR:g})"
    rate = f"{result['sample_rate']} Hz"
    if result["source_sample_rate"] != result["sample_rate"]:
        rate += f", resampled from {result['source_sample_rate']} Hz"
    return [
        ("exported", str(result["exported"])),
        ("length", f"{result['n_samples']} samples, mono, 24 bit, {rate}"),
        ("replicate ESR", told),
        ("validation from", f"{result['validation_start_samples'] / result['sample_rate']:.2f} s"),
    ]
