"""The aligned pairs of a device, by the set that they belong to: what is trained on and what is tested with."""

from stages.common import takes_of
from tapemeasure.signals.timeline import SPLITS, Split
from tapemeasure.training.datasets import AlignedPair
from tapemeasure.training.splits import programme_ranges


def aligned_pairs(device: str) -> dict[Split, list[AlignedPair]]:
    """Aligned programme of all takes of a device; empty sets where there is no take."""
    pairs: dict[Split, list[AlignedPair]] = {split: [] for split in SPLITS}
    for take in takes_of(device):
        stimulus, aligned, sample_rate = take.read_aligned()
        ranges = programme_ranges(len(stimulus), timeline=take.timeline, split=take.split)
        for split in SPLITS:
            for part in ranges[split]:
                cut = part.as_slice()
                pairs[split].append(AlignedPair(f"{take.name} {split}", stimulus[cut], aligned[cut], sample_rate))
    return pairs
