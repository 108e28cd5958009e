"""Stage emulate@device: the replica as one folder, and the test signals played through all of it."""

import shutil
from pathlib import Path

import numpy as np

from stages.common import DATA, device_argument, device_folder, run_stage, takes_of
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.apply import apply_delay
from tapemeasure.generators.play import HissSource, generated_delay
from tapemeasure.generators.store import DELAY_FILE, HISS_FILE
from tapemeasure.io import read_audio, read_json, sha256_of_file, write_audio, write_json, write_text
from tapemeasure.models.delay_generators import load_any_delay
from tapemeasure.models.hiss_generators import load_any_hiss
from tapemeasure.params import EmulateParams, load_params
from tapemeasure.replica.card import replica_card
from tapemeasure.replica.model import MODEL_FILE, Replica, read_replica
from tapemeasure.replica.player import played_blocks


def main(device: str) -> None:
    """Join a device's models and play its first take's input through them; without takes both folders are empty."""
    settings = load_params().emulate
    folder, played = device_folder("replicas", device), device_folder("emulated", device)
    takes = takes_of(device)
    if not takes:
        return
    _join(device, folder)
    stimulus, sample_rate = read_audio(takes[0].input)
    _play(read_replica(folder), stimulus[:, :1], sample_rate, folder, played, settings)
    write_json(played / "take.json", {"input": takes[0].input.as_posix(), "seed": settings.seed})


def _join(device: str, folder: Path) -> None:
    """One folder with recording path, generators, and the card that tells of them."""
    generators = DATA / "generators"
    sources = [DATA / "models" / device / MODEL_FILE]
    for kind in ("delay", "hiss"):
        sources += sorted((generators / kind / device).glob(f"{kind}*.safetensors"))
    for source in sources:
        shutil.copyfile(source, folder / source.name)
    replica, evaluation = read_replica(folder), read_json(DATA / "evaluation" / f"{device}.json")
    card = replica_card(
        device,
        sample_rate=replica.sample_rate,
        latency_samples=replica.latency_samples,
        recording_path=replica.facts,
        errors=evaluation["rows"],
        alignment=evaluation["alignment"],
        delay=read_json(generators / "delay" / device / "delay.json"),
        hiss=read_json(generators / "hiss" / device / "hiss.json"),
        origin=read_json(DATA / "captures" / device / "takes.json"),
        files={source.name: sha256_of_file(folder / source.name) for source in sources},
    )
    write_text(folder / "card.md", card)


def _play(
    replica: Replica, stimulus: FloatArray, sample_rate: int, folder: Path, played: Path, settings: EmulateParams
) -> None:
    """The signal through recording path, delay and hiss; the delay is kept as the truth of this take."""
    output = np.concatenate(list(played_blocks(replica, [stimulus], n_channels=1)))
    if (folder / DELAY_FILE).is_file():
        model, _ = load_any_delay(folder / DELAY_FILE)
        truth = generated_delay(
            model, duration_s=len(output) / sample_rate, generator=np.random.default_rng([settings.seed, 0])
        )
        output = apply_delay(output, truth, sample_rate=sample_rate)
        truth.save(played / "delay.npz")
    if (folder / HISS_FILE).is_file():
        noise, _ = load_any_hiss(folder / HISS_FILE)
        generator = np.random.default_rng([settings.seed, 1])
        output += HissSource(noise, n_channels=1, sample_rate=sample_rate, generator=generator).read(len(output))
    write_audio(played / "take.wav", output, sample_rate=sample_rate)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"emulate {arguments.device}", lambda: main(arguments.device))
