"""Stage hiss@device: what the machine gives out where its input is silent, one WAV a segment and their levels."""

from pathlib import Path

from stages.common import DATA, Take, device_argument, device_folder, run_stage, takes_of
from tapemeasure.analysis.hiss import measure_hiss
from tapemeasure.errors import SignalError
from tapemeasure.io import write_audio, write_json
from tapemeasure.params import HissParams, load_params
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Cut the hiss of all takes of a device."""
    settings = load_params().hiss
    folder = device_folder("hiss", device)
    for take in takes_of(device):
        _cut(take, folder / take.name, settings)


def _cut(take: Take, folder: Path, settings: HissParams) -> None:
    stimulus, output, sample_rate = take.read()
    trajectory = load_trajectory(DATA / "delays" / take.device / f"{take.name}.npz")
    try:
        hiss = measure_hiss(
            stimulus,
            output,
            sample_rate=sample_rate,
            trajectory=trajectory,
            silence_dbfs=settings.silence_dbfs,
            guard_s=settings.guard_s,
            min_length_s=settings.min_length_s,
            timeline=take.timeline,
        )
    except SignalError as error:
        # a take without a silence is a fact about the take, not a failure of the pipeline
        write_json(folder / "hiss.json", {"reason": str(error), "segments": [], "noise": None})
        return
    for number, segment in enumerate(hiss.segments, start=1):
        write_audio(folder / f"segment_{number:03d}.wav", segment.cut(output[:, 0]), sample_rate=sample_rate)
    write_json(folder / "hiss.json", {"reason": None, **hiss.as_dict()})


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"hiss {arguments.device}", lambda: main(arguments.device))
