"""Stage simulate@device: run the stimulus through a computed device, and list the takes that came from outside.

Every later stage goes through data/captures/<device>/takes.json; a device without takes has an empty list with the
reason, so that the pipeline passes without hardware.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.common import DATA, device_argument, run_stage
from tapemeasure.audio_stream import open_audio, write_blocks
from tapemeasure.cli.common import progress_bar
from tapemeasure.devices.captures import TakeFiles, find_takes
from tapemeasure.devices.create import create_device
from tapemeasure.devices.play_file import play_file
from tapemeasure.io import provenance, write_json
from tapemeasure.params import DeviceProfile, load_params

STIMULUS = DATA / "stimuli" / "stimulus.wav"


def main(device: str) -> None:
    """Make and list the takes of one device."""
    params = load_params()
    profile = params.device(device)
    folder = DATA / "captures" / device
    takes = [] if profile.kind == "hardware" else _computed(device, profile, folder, count=params.simulate.takes)
    takes += [asdict(take) for take in find_takes(Path(profile.capture))]
    reason = None if takes else f"devices.{device}.capture: {profile.capture} holds no takes"
    write_json(folder / "takes.json", {"device": device, "kind": profile.kind, "reason": reason, "takes": takes})


def _computed(name: str, profile: DeviceProfile, folder: Path, *, count: int) -> list[dict[str, Any]]:
    stimulus = open_audio(STIMULUS)
    timeline = STIMULUS.with_suffix(".json")
    takes = []
    for number in range(count):
        device = create_device(profile, seed=profile.seed + number if profile.kind == "tape" else None)
        output, sidecar = folder / f"take{number}.wav", folder / f"take{number}.json"
        with progress_bar(f"{name} take {number + 1} of {count}") as progress:
            capture = play_file(device, stimulus, progress=progress)
            write_blocks(
                output,
                capture.blocks,
                n_samples=capture.n_samples,
                n_channels=capture.n_channels,
                sample_rate=capture.sample_rate,
            )
        truth = folder / f"take{number}_truth.npz" if capture.truth is not None else None
        if capture.truth is not None and truth is not None:
            capture.truth.save(truth)
        for kind, trajectory in capture.truths.items():
            trajectory.save(folder / f"take{number}_truth_{kind}.npz")
        origin = provenance(inputs={"stimulus": STIMULUS, "timeline": timeline, "output": output}, commit=False)
        write_json(sidecar, {"profile": name, **capture.facts(), "provenance": origin})
        files = TakeFiles(f"take{number}", STIMULUS, output, split=None, timeline=timeline, sidecar=sidecar)
        takes.append(asdict(files) | {"truth": truth})
    return takes


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"simulate {arguments.device}", lambda: main(arguments.device))
