"""Stage train_nonlinearity@device: a recurrent network on the aligned pairs (Supervised 1), the best epoch exported."""

import sys

from stages.common import DATA, device_argument, device_folder, run_stage
from stages.pairs import aligned_pairs
from tapemeasure.cli.common import progress_bar
from tapemeasure.io import write_json
from tapemeasure.params import load_params
from tapemeasure.training.loop import train_supervised1
from tapemeasure.training.results import export_best


def main(device: str) -> None:
    """Train on all takes of a device; a device without takes gets an empty folder."""
    settings = load_params().train_nonlinearity
    folder = device_folder("models", device)
    pairs = aligned_pairs(device)
    if not pairs["train"]:
        return
    checkpoint = DATA / "checkpoints" / f"{device}.pt"
    with progress_bar(f"train {device}") as progress:
        result = train_supervised1(
            pairs["train"],
            pairs["validation"],
            settings,
            checkpoint=checkpoint,
            progress=progress,
            log=lambda text: print(f"train {device}: {text}", file=sys.stderr, flush=True),
        )
    export_best(result, folder / "model.safetensors", validation=pairs["validation"], facts={"device": device})
    write_json(folder / "training.json", result.as_dict())
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_nonlinearity {arguments.device}", lambda: main(arguments.device))
