"""Stage measure@device: response, distortion, noise, wow and flutter and delay of every aligned take (JSON)."""

from pathlib import Path

from stages.common import DATA, Take, device_argument, device_folder, run_stage, takes_of
from tapemeasure.analysis.take import measure_take
from tapemeasure.analysis.transport import equalisation_of, transport_of
from tapemeasure.io import read_json, write_json
from tapemeasure.params import Params, load_params
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Measure all takes of a device."""
    params = load_params()
    folder = device_folder("measurements", device)
    for take in takes_of(device):
        _measure(take, folder, params)


def _measure(take: Take, folder: Path, params: Params) -> None:
    stimulus, aligned, sample_rate = take.read_aligned_tracks()
    _, captured, _ = take.read()
    machine = params.device(take.device).machine
    measured = measure_take(
        stimulus,
        aligned,
        sample_rate=sample_rate,
        timeline=take.timeline,
        harmonics=params.measure.harmonics,
        smoothing_octaves=params.measure.smoothing_octaves,
        silence_dbfs=params.hiss.silence_dbfs,
        guard_s=params.hiss.guard_s,
        min_length_s=params.hiss.min_length_s,
        trajectory=load_trajectory(DATA / "delays" / take.device / f"{take.name}.npz"),
        captured=captured,
        transport=transport_of(machine),
        equalisation=equalisation_of(machine),
    )
    delay = read_json(DATA / "delays" / take.device / f"{take.name}.json")
    write_json(folder / f"{take.name}.json", measured.as_dict(delay=delay))


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"measure {arguments.device}", lambda: main(arguments.device))
