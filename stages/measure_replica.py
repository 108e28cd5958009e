"""Stage measure_replica@device: the figures of `measure`, of the replica instead of the machine (JSON)."""

from dataclasses import asdict

from stages.common import DATA, device_argument, device_folder, run_stage, takes_of
from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.take import measure_take
from tapemeasure.analysis.transport import equalisation_of, transport_of
from tapemeasure.delay.apply import undo_delay
from tapemeasure.io import read_audio, read_json, write_json
from tapemeasure.params import load_params
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Measure what the replica of a device played, its own exact delay undone; nothing without takes."""
    params = load_params()
    folder = device_folder("replica_measurements", device)
    played = DATA / "emulated" / device
    takes = takes_of(device)
    if not takes:
        return
    stimulus, sample_rate = read_audio(read_json(played / "take.json")["input"])
    captured, _ = read_audio(played / "take.wav")
    aligned, trajectory = captured, None
    if (played / "delay.npz").is_file():
        trajectory = load_trajectory(played / "delay.npz")
        aligned = undo_delay(captured, trajectory, sample_rate=sample_rate, length_samples=len(stimulus))
    machine = params.device(device).machine
    measured = measure_take(
        stimulus[:, :1],
        aligned,
        sample_rate=sample_rate,
        timeline=takes[0].timeline,
        harmonics=params.measure.harmonics,
        smoothing_octaves=params.measure.smoothing_octaves,
        silence_dbfs=params.hiss.silence_dbfs,
        guard_s=params.hiss.guard_s,
        min_length_s=params.hiss.min_length_s,
        trajectory=trajectory,
        captured=captured,
        transport=transport_of(machine),
        equalisation=equalisation_of(machine),
    )
    delay = None if trajectory is None else asdict(delay_statistics(trajectory))
    write_json(folder / "replica.json", measured.as_dict(delay=delay))


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"measure_replica {arguments.device}", lambda: main(arguments.device))
