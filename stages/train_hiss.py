"""Stage train_hiss@device: generators of hiss and hum, from the machine's silences without what is no hiss.

On several processes: `torchrun --nproc-per-node=N -m stages.train_hiss --device NAME` shares the diffusion's updates.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.common import DATA, Take, device_argument, device_folder, run_stage, takes_of
from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import progress_bar
from tapemeasure.errors import SignalError
from tapemeasure.generators.hiss_cleaning import CleanHiss, clean_hiss
from tapemeasure.generators.store import generator_file_name
from tapemeasure.io import read_audio, read_json, write_json
from tapemeasure.models.hiss_generators import save_any_hiss
from tapemeasure.params import load_params
from tapemeasure.training.checkpoints import remove_checkpoints
from tapemeasure.training.distribution import leads
from tapemeasure.training.hiss_choice import HissChoice, choose_hiss


def main(device: str) -> None:
    """Learn the hiss of a device; one without takes or without silences has no generator, and the reason."""
    checkpoint = DATA / "checkpoints" / f"{device}_hiss.pt"
    try:
        clean, choice = _choice(device, checkpoint)
    except SignalError as error:
        # a machine without hiss is a fact about the machine, not a failure of the pipeline
        if leads():
            missing: dict[str, Any] = dict.fromkeys(("generator", "cleaning", "comparison"))
            missing |= {"reason": str(error), "trials": []}
            write_json(device_folder("generators/hiss", device) / "hiss.json", missing)
        return
    if not leads():
        return
    remove_checkpoints(checkpoint)
    folder = device_folder("generators/hiss", device)
    facts = {"device": device, "learned_from_s": round(clean.kept_s, 3)}
    for name, model in choice.models.items():
        for file in (name, None) if name == choice.kept else (name,):
            save_any_hiss(model, folder / generator_file_name("hiss", file), facts={**facts, "generator": name})
    cleaning = {key: value for key, value in asdict(clean).items() if key != "stretches"}
    write_json(folder / "hiss.json", {**facts, "cleaning": cleaning, **choice.as_dict()})


def _choice(device: str, checkpoint: Path) -> tuple[CleanHiss, HissChoice]:
    cuts = [_cuts(take) for take in takes_of(device)]
    stretches = [stretch for found, _, _ in cuts for stretch in found]
    pilots = [pilot for _, found, _ in cuts for pilot in found]
    if not stretches:
        raise SignalError("no silence in any take")
    sample_rate = cuts[0][2]
    clean = clean_hiss(stretches, sample_rate=sample_rate, pilots=pilots or None)
    params = load_params().train_hiss
    with progress_bar(f"train_hiss {device} (diffusion)") as progress:
        return clean, choose_hiss(
            clean.stretches, params, sample_rate=sample_rate, checkpoint=checkpoint, progress=progress, log=_tell
        )


def _tell(text: str) -> None:
    if leads():
        print(text, file=sys.stderr)


def _cuts(take: Take) -> tuple[list[FloatArray], list[FloatArray], int]:
    """The silences of a take: the programme's track, the pilot's where there is one, and the sample rate."""
    output, sample_rate = read_audio(take.output)
    segments = read_json(DATA / "hiss" / take.device / take.name / "hiss.json")["segments"]
    places = [slice(segment["start_samples"], segment["stop_samples"]) for segment in segments]
    second = output.shape[1] > 1
    return [output[place, 0] for place in places], [output[place, 1] for place in places if second], sample_rate


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_hiss {arguments.device}", lambda: main(arguments.device))
