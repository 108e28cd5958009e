"""The aligned pairs of a device, by the set that they belong to: what is trained on and what is tested with."""

import numpy as np

from stages.common import DATA, Take, takes_of
from tapemeasure.arrays import BoolArray
from tapemeasure.io import read_json
from tapemeasure.signals.timeline import SPLITS, Split
from tapemeasure.training.datasets import AlignedPair, RecordedPair, recorded_pair
from tapemeasure.training.splits import followed_ranges, followed_samples, programme_ranges
from tapemeasure.trajectory import load_trajectory


def aligned_pairs(device: str) -> dict[Split, list[AlignedPair]]:
    """Aligned programme of all takes of a device; empty sets where there is no take.

    All of it is tested with; what trains and validates leaves out where the delay was only bridged.
    """
    pairs: dict[Split, list[AlignedPair]] = {split: [] for split in SPLITS}
    for take in takes_of(device):
        stimulus, aligned, sample_rate = take.read_aligned()
        ranges = programme_ranges(len(stimulus), timeline=take.timeline, split=take.split)
        followed = _followed(take, len(stimulus), sample_rate)
        for split in SPLITS:
            known = (
                ranges[split] if split == "test" else followed_ranges(ranges[split], followed, sample_rate=sample_rate)
            )
            for part in known:
                cut = part.as_slice()
                name = f"{take.name} {split}"
                pairs[split].append(AlignedPair(name, stimulus[cut], aligned[cut], sample_rate, conditions_of(take)))
    return pairs


def recorded_pairs(device: str) -> list[RecordedPair]:
    """Training programme of all takes as recorded, with the tracked delay."""
    pairs = []
    for take in takes_of(device):
        stimulus, output, sample_rate = take.read()
        trajectory = load_trajectory(DATA / "delays" / device / f"{take.name}.npz")
        delay_s = trajectory.at(np.arange(len(output)) / sample_rate)
        length = len(take.read_aligned()[0])
        pairs += [
            recorded_pair(
                f"{take.name} train",
                stimulus[:, 0],
                output[:, 0],
                delay_s,
                sample_rate=sample_rate,
                start_samples=part.start_samples,
                stop_samples=part.stop_samples,
                conditions=conditions_of(take),
            )
            for part in followed_ranges(
                programme_ranges(length, timeline=take.timeline, split=take.split)["train"],
                _followed(take, length, sample_rate),
                sample_rate=sample_rate,
            )
        ]
    return pairs


def _followed(take: Take, length_samples: int, sample_rate: int) -> BoolArray:
    """Whether the delay of each sample of a take's input was followed."""
    trajectory = load_trajectory(DATA / "delays" / take.device / f"{take.name}.npz")
    return followed_samples(trajectory, length_samples, sample_rate=sample_rate)


def conditions_of(take: Take) -> dict[str, float]:
    """Settings of the machine that the sidecar of a take's output tells under `conditions`: one model for a grid."""
    sidecar = take.output.with_suffix(".json")
    if not sidecar.is_file():
        return {}
    conditions = read_json(sidecar).get("conditions") or {}
    return {str(name): float(value) for name, value in conditions.items()}


def alignment_of(device: str) -> str:
    """How the targets were aligned, from the methods that the tracker chose."""
    methods = {read_json(DATA / "delays" / device / f"{take.name}.json")["method"] for take in takes_of(device)}
    return f"delay tracked by {' and '.join(sorted(methods))}, undone by windowed sinc"
