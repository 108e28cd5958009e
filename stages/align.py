"""Stage align@device: every output with its delay undone, on the input's time axis, and what that was worth."""

from stages.common import DATA, device_argument, device_folder, run_stage, takes_of
from tapemeasure.analysis.alignment import alignment_quality
from tapemeasure.delay.apply import covered_samples, undo_delay
from tapemeasure.io import write_audio, write_json
from tapemeasure.params import load_params
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Align all takes of a device."""
    half_taps = load_params().align.half_taps
    folder = device_folder("aligned", device)
    for take in takes_of(device):
        stimulus, output, sample_rate = take.read()
        trajectory = load_trajectory(DATA / "delays" / device / f"{take.name}.npz")
        aligned = undo_delay(
            output, trajectory, sample_rate=sample_rate, length_samples=len(stimulus), half_taps=half_taps
        )
        write_audio(folder / f"{take.name}.wav", aligned, sample_rate=sample_rate)
        quality = alignment_quality(stimulus[:, 0], output[:, 0], aligned[:, 0], sample_rate=sample_rate)
        covered = covered_samples(
            trajectory, sample_rate=sample_rate, output_samples=len(output), length_samples=len(stimulus)
        )
        write_json(folder / f"{take.name}.json", {**quality.as_dict(), "covered_samples": covered})


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"align {arguments.device}", lambda: main(arguments.device))
