"""Stage train_delay@device: generators of delay, compared on delay that none of them learned from; one is kept."""

import sys

import numpy as np

from stages.common import DATA, device_argument, device_folder, run_stage, takes_of
from tapemeasure.cli.common import progress_bar
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import MeasuredDelay, measured_delay
from tapemeasure.generators.choose import BASELINES, Fit, GeneratorTrial, closest, generator_trials
from tapemeasure.generators.store import save_delay_generator
from tapemeasure.io import write_json
from tapemeasure.models.delay_diffusion import DiffusionDelay, save_diffusion_delay
from tapemeasure.params import TrainDelayParams, load_params
from tapemeasure.training.delay_diffusion import fit_diffusion
from tapemeasure.training.diffusion_results import DiffusionSettings
from tapemeasure.trajectory import load_trajectory


def main(device: str) -> None:
    """Learn the delay of a device; one without takes, or with too little delay, has no generator, and the reason."""
    settings = load_params().train_delay
    folder = device_folder("generators/delay", device)
    takes = takes_of(device)
    if not takes:
        write_json(folder / "delay.json", {"reason": "no takes", "generator": None, "trials": []})
        return
    trajectories = [load_trajectory(DATA / "delays" / device / f"{take.name}.npz") for take in takes]
    try:
        measured = measured_delay(trajectories)
        trials, reason = _trials(measured, settings, device)
        name = settings.generator if settings.generator != "closest" else closest(trials) if trials else "lines"
    except SignalError as error:
        # too little delay is a fact about the takes, not a failure of the pipeline
        write_json(folder / "delay.json", {"reason": str(error), "generator": None, "trials": []})
        return
    facts = {"device": device, "generator": name, "learned_from_s": round(measured.total_s, 3)}
    file = folder / "delay.safetensors"
    if name == "diffusion":
        save_diffusion_delay(_diffusion(measured, settings, device, "final"), file, facts=facts)
    else:
        save_delay_generator(BASELINES[name](measured), file, facts=facts)
    rows = [{"name": trial.name, "copied": trial.copied, **trial.comparison.as_dict()} for trial in trials]
    write_json(folder / "delay.json", {"reason": reason, **facts, "trials": rows})


def _trials(
    measured: MeasuredDelay, settings: TrainDelayParams, device: str
) -> tuple[tuple[GeneratorTrial, ...], str | None]:
    """All generators in comparison; or none, and why."""
    if measured.still:
        return (), "the machine has no wow and flutter: there is nothing to compare"
    fits: dict[str, Fit] = dict(BASELINES)
    if settings.diffusion_updates:
        fits["diffusion"] = lambda learned: _diffusion(learned, settings, device, "trial")
    try:
        generator = np.random.default_rng(settings.seed)
        return generator_trials(
            measured, fits, generator=generator, log=lambda text: print(text, file=sys.stderr)
        ), None
    except SignalError as error:
        if settings.generator == "closest":
            raise
        return (), str(error)


def _diffusion(measured: MeasuredDelay, settings: TrainDelayParams, device: str, run: str) -> DiffusionDelay:
    """A trained diffusion model; its checkpoint lies outside the outs, so that a killed training resumes."""
    checkpoint = DATA / "checkpoints" / f"{device}_delay_{run}.pt"
    diffusion = DiffusionSettings(n_updates=settings.diffusion_updates, seed=settings.seed, threads=settings.threads)
    with progress_bar(f"train_delay {device} (diffusion, {run})") as progress:
        model = fit_diffusion(measured, settings=diffusion, checkpoint=checkpoint, progress=progress)
    checkpoint.unlink(missing_ok=True)
    return model


if __name__ == "__main__":
    arguments = device_argument(__doc__)
    run_stage(f"train_delay {arguments.device}", lambda: main(arguments.device))
