"""Stage track@device: the delay trajectory of every take, as npz, CSV and a table of figures (JSON)."""

from pathlib import Path

from stages.common import Take, device_argument, device_folder, run_stage, takes_of
from tapemeasure.analysis.delay_statistics import delay_statistics, trajectory_error_us_rms
from tapemeasure.cli.common import progress_bar
from tapemeasure.delay.track import track_delay, track_summary
from tapemeasure.io import write_json
from tapemeasure.params import Params, load_params
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Track all takes of a device."""
    params = load_params()
    folder = device_folder("delays", device)
    for take in takes_of(device):
        _track(take, folder, params)


def _track(take: Take, folder: Path, params: Params) -> None:
    stimulus, output, sample_rate = take.read()
    with progress_bar(f"track {take.device} {take.name}") as progress:
        result = track_delay(
            stimulus,
            output,
            sample_rate=sample_rate,
            pilot=params.track.pilot,
            rate_hz=params.track.rate_hz,
            max_delay_s=params.track.max_delay_s,
            known_pilot=take.pilot,
            threads=params.track.threads,
            progress=progress,
        )
    result.trajectory.save(folder / f"{take.name}.npz")
    result.trajectory.save(folder / f"{take.name}.csv")
    summary = track_summary(result, delay_statistics(result.trajectory))
    if take.truth is not None:
        summary["truth_error_us_rms"] = trajectory_error_us_rms(result.trajectory, load_trajectory(take.truth))
    write_json(folder / f"{take.name}.json", summary)


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"track {arguments.device}", lambda: main(arguments.device))
