"""The card of a replica: what it is, how it is played, how good it is and where it comes from, in plain words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WITHOUT_NETWORK = ("input", "gain", "fir")
"""Rows of the evaluation that a replica has to beat."""

ROW_WORDS = {
    "input": "nothing: the input as it is",
    "gain": "a gain",
    "fir": "a linear filter",
}


def replica_card(
    device: str,
    *,
    sample_rate: int,
    latency_samples: int,
    recording_path: Mapping[str, Any],
    errors: Sequence[Mapping[str, Any]],
    alignment: str | None,
    delay: Mapping[str, Any],
    hiss: Mapping[str, Any],
    origin: Mapping[str, Any],
    files: Mapping[str, str],
) -> str:
    """Markdown text that lies beside a replica's files.

    Parameters
    ----------
    device : str
        Name of the machine's profile.
    sample_rate : int
        Hz.
    latency_samples : int
        Look-ahead of the recording path.
    recording_path : mapping
        Facts of the network, as its training wrote them.
    errors : sequence of mapping
        Rows of the evaluation: `model` and `esr` of every model on the test set.
    alignment : str or None
        How the targets of those errors were aligned.
    delay, hiss : mapping
        What the stages train_delay and train_hiss wrote.
    origin : mapping
        What is known of the takes: `kind` of the device, `takes` (a list of mappings with `name`, `input`, `output`).
    files : mapping of str to str
        SHA-256 of every file that belongs to the replica, by its name.
    """
    sections = (
        (f"# Replica of {device}", _what(device, origin)),
        ("## How to play it", _playing(device, sample_rate, latency_samples, delay, hiss)),
        ("## Recording path (model.safetensors)", _recording_path(recording_path, errors, alignment)),
        ("## Delay (delay.safetensors)", _delay(delay)),
        ("## Hiss (hiss.safetensors)", _hiss(hiss)),
        ("## Where it comes from", _origin(origin, files)),
    )
    return "\n\n".join("\n".join([head, "", *lines]) for head, lines in sections) + "\n"


def _what(device: str, origin: Mapping[str, Any]) -> list[str]:
    kind = origin.get("kind")
    of = f"the machine `{device}`"
    if kind is not None and kind != "hardware":
        of = f"`{device}`, which is itself a computed machine (kind {kind}), no real one"
    return [
        f"It sounds like {of}:",
        "its tape, heads and amplifiers (recording path), its wow, flutter and drift (delay), its noise and hum",
        "(hiss). Every channel is played by itself; the tracks share the delay, each has its own hiss.",
    ]


def _playing(
    device: str, sample_rate: int, latency_samples: int, delay: Mapping[str, Any], hiss: Mapping[str, Any]
) -> list[str]:
    options = ("" if delay.get("generator") is None else " --delay generated") + (
        "" if hiss.get("comparison") is None else " --hiss generated"
    )
    return [
        f"- signals of {sample_rate} Hz; look-ahead of the recording path {latency_samples} samples, "
        f"{1e3 * latency_samples / sample_rate:.1f} ms",
        f"- a file: `tapemeasure emulate in.wav out.wav --model {device}{options} --seed 1`",
        f"- in real time: `tapemeasure live --model {device} --device NAME{options}`",
        f"- in other programs: `tapemeasure export {device} --to onnx` (the recording path alone)",
        "- more or less of it: `--wow --flutter --drift` (factors), `--hiss-db --hum-db --saturation-db`",
    ]


def _recording_path(facts: Mapping[str, Any], errors: Sequence[Mapping[str, Any]], alignment: str | None) -> list[str]:
    lines = []
    if facts.get("scheme"):
        lines.append(f"- trained by the scheme {facts['scheme']}")
    if alignment:
        lines.append(f"- targets aligned: {alignment}")
    if facts.get("input_peak_dbfs") is not None:
        lines.append(f"- learned up to a peak of {facts['input_peak_dbfs']:.1f} dBFS; above that it is guessing")
    known = {row["model"]: row["esr"] for row in errors if row["esr"] is not None}
    if not known:
        return lines or ["- no evaluation"]
    lines += ["- what is left on the test set (error to signal, less is better):", ""]
    lines += ["| what stands in for the machine | error to signal | in dB |", "|---|---|---|"]
    lines += [f"| {ROW_WORDS.get(name, f'this replica ({name})')} | {esr:.4g} | {_db(esr)} |" for name, esr in
              known.items()]  # fmt: skip
    best = min((esr for name, esr in known.items() if name in WITHOUT_NETWORK), default=None)
    own = min((esr for name, esr in known.items() if name not in WITHOUT_NETWORK), default=None)
    if own is not None and best is not None:
        verdict = "does better" if own > best else "does not do better"
        care = ": use the network with care" if own > best else ""
        lines += ["", f"A linear filter alone {verdict} on this machine{care}."]
    return lines


def _db(esr: float) -> str:
    return f"{10.0 * math.log10(esr):.1f}" if esr > 0.0 else "-inf"


def _delay(facts: Mapping[str, Any]) -> list[str]:
    if facts.get("generator") is None:
        return [f"- none: {facts.get('reason') or 'unknown reason'}"]
    name = facts["generator"]
    lines = [f"- kind: {name}, learned from {facts['learned_from_s']:.0f} s"]
    trials = {trial["name"]: trial for trial in facts.get("trials", [])}
    if name not in trials or "real" not in trials:
        return [*lines, f"- {facts['reason']}"] if facts.get("reason") else lines
    trial = trials[name]
    ours, held_out = trial["figures"], trial["other_figures"]
    lines += [
        "- against delay of the machine that it did not learn from:",
        "",
        "| | generated | the machine, held out |",
        "|---|---|---|",
        f"| distance of the spectra / dB | {trial['log_spectral_distance_db']:.2f} | "
        f"{trials['real']['log_spectral_distance_db']:.2f} (its own takes) |",
        f"| standard deviation / us | {1e6 * ours['std_s']:.1f} | {1e6 * held_out['std_s']:.1f} |",
        f"| weighted wow and flutter, two-sigma / % | {ours['weighted_2sigma_pct']:.3f} | "
        f"{held_out['weighted_2sigma_pct']:.3f} |",
        f"| kurtosis | {ours['kurtosis']:.2f} | {held_out['kurtosis']:.2f} |",
        "",
    ]
    if trial["copied"] is not None:
        lines += [
            f"- distance to the nearest stretch it learned from: {trial['copied']:.2f} of that between the "
            "machine's own takes (far below 1 would be a copy)"
        ]
    others = ", ".join(
        f"{other} {row['log_spectral_distance_db']:.2f}" for other, row in trials.items() if other not in (name, "real")
    )
    return [*lines, f"- other kinds, distance of the spectra in dB: {others}"] if others else lines


def _hiss(facts: Mapping[str, Any]) -> list[str]:
    comparison = facts.get("comparison")
    if comparison is None:
        return [f"- none: {facts.get('reason') or 'unknown reason'}"]
    return [
        f"- kind: {facts.get('generator') or 'noise'}, learned from {facts['learned_from_s']:.1f} s of silence",
        f"- beside the machine's own: level {comparison['level_db']:+.2f} dB, A-weighted "
        f"{comparison['a_level_db']:+.2f} dB, ITU-R 468 {comparison['itu468_level_db']:+.2f} dB",
        f"- worst third octave {comparison['worst_band_db']:.1f} dB beside the machine's own",
    ]


def _origin(origin: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    takes = origin.get("takes") or []
    lines = [f"- learned from the take {take['name']} ({take['input']} -> {take['output']})" for take in takes]
    lines += [
        "- no audio of the takes is in these files: they hold weights, filters and statistics",
        "- made by tapemeasure (MIT licence); whether the replica may be given away, the owner of the takes decides",
    ]
    return [*lines, *(f"- {name}: sha256 {value}" for name, value in sorted(files.items()))]
