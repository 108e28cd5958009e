"""The card of a replica: what it is, what it is good for and how good it is, in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

WITHOUT_NETWORK = ("input", "gain", "fir")
"""Rows of the evaluation that a replica has to beat."""


def replica_card(
    device: str,
    *,
    sample_rate: int,
    recording_path: Mapping[str, Any],
    errors: Sequence[Mapping[str, Any]],
    alignment: str | None,
    delay: Mapping[str, Any],
    hiss: Mapping[str, Any],
) -> str:
    """Markdown text that lies beside a replica's files.

    Parameters
    ----------
    device : str
        Name of the machine's profile.
    sample_rate : int
        Hz.
    recording_path : mapping
        Facts of the network, as its training wrote them.
    errors : sequence of mapping
        Rows of the evaluation: `model` and `esr` of every model on the test set.
    alignment : str or None
        How the targets of those errors were aligned.
    delay, hiss : mapping
        What the stages train_delay and train_hiss wrote.
    """
    lines = [
        f"# Replica of {device}",
        "",
        f"Made by tapemeasure. It plays signals of {sample_rate} Hz, every channel by itself:",
        "`tapemeasure emulate in.wav out.wav --model <this folder> --delay generated --hiss generated`.",
        "",
        "## Recording path (model.safetensors)",
        "",
        *_recording_path(recording_path, errors, alignment),
        "",
        "## Delay (delay.safetensors)",
        "",
        *_delay(delay),
        "",
        "## Hiss (hiss.safetensors)",
        "",
        *_hiss(hiss),
    ]
    return "\n".join(lines) + "\n"


def _recording_path(facts: Mapping[str, Any], errors: Sequence[Mapping[str, Any]], alignment: str | None) -> list[str]:
    lines = []
    scheme = facts.get("scheme")
    if scheme:
        lines.append(f"- trained by the scheme {scheme}")
    if alignment:
        lines.append(f"- targets aligned: {alignment}")
    if errors:
        scores = ", ".join(f"{row['model']} {row['esr']:.4g}" for row in errors if row["esr"] is not None)
        lines.append(f"- error-to-signal ratio on the test set, less is better: {scores}")
        known = {row["model"]: row["esr"] for row in errors if row["esr"] is not None}
        best = min((esr for name, esr in known.items() if name in WITHOUT_NETWORK), default=None)
        own = min((esr for name, esr in known.items() if name not in WITHOUT_NETWORK), default=None)
        if own is not None and best is not None and own > best:
            lines.append("- a linear filter alone does better on this machine: use the network with care")
    return lines or ["- no evaluation"]


def _delay(facts: Mapping[str, Any]) -> list[str]:
    if facts.get("generator") is None:
        return [f"- none: {facts.get('reason') or 'unknown reason'}"]
    lines = [f"- kind: {facts['generator']}, learned from {facts['learned_from_s']:.0f} s"]
    by_name = {trial["name"]: trial for trial in facts.get("trials", [])}
    if facts["generator"] in by_name and "real" in by_name:
        distance, floor = (by_name[name]["log_spectral_distance_db"] for name in (facts["generator"], "real"))
        lines.append(
            f"- distance of its spectra to held-out delay {distance:.2f} dB; the machine's own takes {floor:.2f} dB"
        )
    elif facts.get("reason"):
        lines.append(f"- {facts['reason']}")
    return lines


def _hiss(facts: Mapping[str, Any]) -> list[str]:
    if facts.get("comparison") is None:
        return [f"- none: {facts.get('reason') or 'unknown reason'}"]
    worst = facts["comparison"]["worst_band_db"]
    return [
        f"- learned from {facts['learned_from_s']:.1f} s of silence",
        f"- worst third octave {worst:.1f} dB beside the machine's own",
    ]
