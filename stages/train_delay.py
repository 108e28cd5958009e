"""Stage train_delay@device: generators of delay, compared on delay that none of them learned from; one is kept.

On several processes: `torchrun --nproc-per-node=N -m stages.train_delay --device NAME` shares the diffusion's updates.
"""

import sys
from pathlib import Path
from typing import Any

from stages.common import DATA, device_argument, device_folder, run_stage, takes_of
from tapemeasure.cli.common import progress_bar
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import measured_delay
from tapemeasure.generators.store import generator_file_name
from tapemeasure.io import write_json
from tapemeasure.models.delay_generators import save_any_delay
from tapemeasure.params import load_params
from tapemeasure.training.checkpoints import remove_checkpoints
from tapemeasure.training.delay_choice import DelayChoice, choose_delay
from tapemeasure.training.distribution import leads
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Learn the delay of a device; one without takes, or with too little delay, has no generator, and the reason."""
    checkpoint = DATA / "checkpoints" / f"{device}_delay.pt"
    try:
        choice = _choice(device, checkpoint)
    except SignalError as error:
        # too little delay is a fact about the takes, not a failure of the pipeline
        if leads():
            missing: dict[str, Any] = {"reason": str(error), "generator": None, "trials": []}
            write_json(device_folder("generators/delay", device) / "delay.json", missing)
        return
    if not leads():
        return
    remove_checkpoints(checkpoint)
    folder = device_folder("generators/delay", device)
    for name, model in choice.models.items():
        facts = {"device": device, "generator": name, "learned_from_s": round(choice.learned_s[name], 3)}
        for file in (name, None) if name == choice.kept else (name,):
            save_any_delay(model, folder / generator_file_name("delay", file), facts=facts)
    write_json(folder / "delay.json", {"device": device, **choice.as_dict()})


def _choice(device: str, checkpoint: Path) -> DelayChoice:
    takes = takes_of(device)
    if not takes:
        raise SignalError("no takes")
    measured = measured_delay([load_trajectory(DATA / "delays" / device / f"{take.name}.npz") for take in takes])
    with progress_bar(f"train_delay {device} (diffusion)") as progress:
        return choose_delay(measured, load_params().train_delay, checkpoint=checkpoint, progress=progress, log=_tell)


def _tell(text: str) -> None:
    if leads():
        print(text, file=sys.stderr)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_delay {arguments.device}", lambda: main(arguments.device))
