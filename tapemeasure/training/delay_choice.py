"""All generators of a machine's delay, and the one that is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import DelayGenerator, MeasuredDelay
from tapemeasure.generators.choose import BASELINES, Fit, GeneratorTrial, closest, generator_trials
from tapemeasure.params import TrainDelayParams
from tapemeasure.training.delay_diffusion import fit_diffusion
from tapemeasure.training.diffusion_loop import Log
from tapemeasure.training.diffusion_results import DiffusionSettings

DIFFUSION = "diffusion"


@dataclass(frozen=True)
class DelayChoice:
    """Generators of delay that were learned from one machine.

    Parameters
    ----------
    models : dict of str to DelayGenerator
        By name.
    learned_s : dict of str to float
        Seconds that each learned from: the diffusion model two thirds, as it is trained once and kept as compared.
    kept : str
        Name of the one that the replica wobbles with.
    trials : tuple of GeneratorTrial
        All of them on delay that none had learned from; empty where that was not possible.
    reason : str or None
        Why there are no trials.
    """

    models: dict[str, DelayGenerator]
    learned_s: dict[str, float]
    kept: str
    trials: tuple[GeneratorTrial, ...]
    reason: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        rows = [{"name": trial.name, "copied": trial.copied, **trial.comparison.as_dict()} for trial in self.trials]
        return {
            "reason": self.reason,
            "generator": self.kept,
            "learned_from_s": round(self.learned_s[self.kept], 3),
            "trials": rows,
        }


def choose_delay(
    measured: MeasuredDelay,
    params: TrainDelayParams,
    *,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> DelayChoice:
    """Learn every generator of a machine's delay, compare them, and name the one to keep.

    Parameters
    ----------
    measured : MeasuredDelay
        Delay of the machine.
    params : TrainDelayParams
        Which one is wanted, and how the diffusion model is trained.
    checkpoint : path, optional
        Of the diffusion's training.
    progress, log : callable
        Told the completed fraction of the diffusion's training; told which generator could not be learned, and why.

    Raises
    ------
    SignalError
        If there is too little delay for what is asked.
    """
    fits: dict[str, Fit] = dict(BASELINES)

    def diffusion(learned: MeasuredDelay) -> DelayGenerator:
        settings = _diffusion_settings(params)
        return fit_diffusion(learned, settings=settings, checkpoint=checkpoint, progress=progress, log=log)

    if params.diffusion_updates:
        fits[DIFFUSION] = diffusion
    trials, reason = _trials(measured, fits, params, log)
    kept = params.generator if params.generator != "closest" else closest(trials) if trials else "lines"
    models: dict[str, DelayGenerator] = {
        name: fit(measured) for name, fit in BASELINES.items() if trials or name == kept
    }
    learned_s = dict.fromkeys(models, measured.total_s)
    for trial in trials:
        if trial.model is not None and trial.name not in models:
            models[trial.name], learned_s[trial.name] = trial.model, trial.learned_s
    if kept not in models:
        models[kept], learned_s[kept] = diffusion(measured), measured.total_s
    return DelayChoice(models, learned_s, kept, trials, reason)


def _trials(
    measured: MeasuredDelay, fits: dict[str, Fit], params: TrainDelayParams, log: Log
) -> tuple[tuple[GeneratorTrial, ...], str | None]:
    """All generators in comparison; or none, and why."""
    if measured.still:
        return (), "the machine has no wow and flutter: there is nothing to compare"
    try:
        return generator_trials(measured, fits, generator=np.random.default_rng(params.seed), log=log), None
    except SignalError as error:
        if params.generator == "closest":
            raise
        return (), str(error)


def _diffusion_settings(params: TrainDelayParams) -> DiffusionSettings:
    return DiffusionSettings(
        n_updates=params.diffusion_updates,
        batch_size=params.diffusion_batch,
        seed=params.seed,
        threads=params.threads,
        device=params.compute,
    )
