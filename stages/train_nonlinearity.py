"""Stage train_nonlinearity@device: a recording path on the pairs of a device, the best epoch exported."""

import sys

from stages.common import DATA, device_argument, device_folder, run_stage
from stages.pairs import aligned_pairs, alignment_of, recorded_pairs
from tapemeasure.cli.common import progress_bar
from tapemeasure.io import write_json
from tapemeasure.params import load_params
from tapemeasure.training.checkpoints import remove_checkpoints
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.results import export_best, linear_validation_esr


def main(device: str) -> None:
    """Train on all takes of a device; a device without takes gets an empty folder."""
    settings = load_params().training_of(device)
    folder = device_folder("models", device)
    pairs = aligned_pairs(device)
    if not pairs["train"]:
        return
    checkpoint = DATA / "checkpoints" / f"{device}.pt"
    with progress_bar(f"train {device}") as progress:
        result = train_recording_path(
            pairs["train"],
            pairs["validation"],
            settings,
            checkpoint=checkpoint,
            recorded=[] if settings.scheme == "supervised1" else recorded_pairs(device),
            progress=progress,
            log=lambda text: print(f"train {device}: {text}", file=sys.stderr, flush=True),
        )
    facts = {
        "device": device,
        "scheme": settings.scheme,
        "sample_rate": result.model.config.sample_rate,
        "alignment": alignment_of(device),
        "fir_validation_esr": linear_validation_esr(pairs["train"], pairs["validation"]),
    }
    export_best(result, folder / "model.safetensors", validation=pairs["validation"], facts=facts)
    write_json(folder / "training.json", result.as_dict())
    remove_checkpoints(checkpoint)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_nonlinearity {arguments.device}", lambda: main(arguments.device))
