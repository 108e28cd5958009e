"""Stage train_hiss@device: the generator of hiss and hum, from the machine's silences without what is no hiss."""

from dataclasses import asdict
from typing import Any

import numpy as np

from stages.common import DATA, Take, device_argument, device_folder, run_stage, takes_of
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.generators.compare_hiss import compare_hiss
from tapemeasure.generators.hiss import HissModel, fit_hiss
from tapemeasure.generators.hiss_cleaning import CleanHiss, clean_hiss
from tapemeasure.generators.store import save_hiss_generator
from tapemeasure.io import read_audio, read_json, write_json
from tapemeasure.params import load_params

COMPARED_S = 60.0


def main(device: str) -> None:
    """Learn the hiss of a device; one without takes or without silences has no generator, and the reason."""
    seed = load_params().train_hiss.seed
    folder = device_folder("generators/hiss", device)
    cuts = [_cuts(take) for take in takes_of(device)]
    stretches = [stretch for found, _, _ in cuts for stretch in found]
    pilots = [pilot for _, found, _ in cuts for pilot in found]
    if not stretches:
        write_json(folder / "hiss.json", {"reason": "no silence in any take", "cleaning": None, "comparison": None})
        return
    sample_rate = cuts[0][2]
    try:
        clean = clean_hiss(stretches, sample_rate=sample_rate, pilots=pilots or None)
        model = fit_hiss(clean.stretches, sample_rate=sample_rate)
    except SignalError as error:
        # a machine without hiss is a fact about the machine, not a failure of the pipeline
        write_json(folder / "hiss.json", {"reason": str(error), "cleaning": None, "comparison": None})
        return
    facts = {"device": device, "learned_from_s": round(clean.kept_s, 3)}
    save_hiss_generator(model, folder / "hiss.safetensors", facts=facts)
    comparison = compare_hiss([_played(model, seed)], clean.stretches, sample_rate=sample_rate)
    write_json(
        folder / "hiss.json",
        {"reason": None, **facts, "cleaning": _cleaning(clean), "comparison": comparison.as_dict()},
    )


def _cuts(take: Take) -> tuple[list[FloatArray], list[FloatArray], int]:
    """The silences of a take: the programme's track, the pilot's where there is one, and the sample rate."""
    output, sample_rate = read_audio(take.output)
    segments = read_json(DATA / "hiss" / take.device / take.name / "hiss.json")["segments"]
    places = [slice(segment["start_samples"], segment["stop_samples"]) for segment in segments]
    second = output.shape[1] > 1
    return [output[place, 0] for place in places], [output[place, 1] for place in places if second], sample_rate


def _played(model: HissModel, seed: int) -> FloatArray:
    stream = model.stream(np.random.default_rng(seed))
    n_samples = round(COMPARED_S * model.sample_rate)
    return stream.read(n_samples) + stream.read_hum(n_samples)


def _cleaning(clean: CleanHiss) -> dict[str, Any]:
    return {key: value for key, value in asdict(clean).items() if key != "stretches"}


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_hiss {arguments.device}", lambda: main(arguments.device))
