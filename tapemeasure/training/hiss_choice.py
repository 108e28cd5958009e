"""All generators of a machine's hiss, and the one that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, as_channels, no_progress
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import HissGenerator
from tapemeasure.generators.choose_hiss import DIFFUSION, NOISE, HissFit, HissTrial, closest_hiss, hiss_trials
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.params import TrainHissParams
from tapemeasure.training.diffusion_loop import Log
from tapemeasure.training.hiss_diffusion import hiss_settings, learn_hiss


@dataclass(frozen=True)
class HissChoice:
    """Generators of hiss that were learned from one machine.

    Parameters
    ----------
    models : dict of str to HissGenerator
        By name; the diffusion model learned from the first two thirds, as it is trained once and kept as compared.
    kept : str
        Name of the one that the replica hisses with.
    trials : tuple of HissTrial
        All of them on hiss that none had learned from; empty where that was not possible.
    reason : str or None
        Why there are no trials.
    """

    models: dict[str, HissGenerator]
    kept: str
    trials: tuple[HissTrial, ...]
    reason: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        found = (trial.comparison.as_dict() for trial in self.trials if trial.name == self.kept)
        return {
            "reason": self.reason,
            "generator": self.kept,
            "comparison": next(found, None),
            "trials": [trial.as_dict() for trial in self.trials],
        }


def choose_hiss(
    stretches: Sequence[FloatArray],
    params: TrainHissParams,
    *,
    sample_rate: int,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> HissChoice:
    """Learn every generator of a machine's hiss, compare them, and name the one to keep.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        Hiss alone, full scale 1.0.
    params : TrainHissParams
        Which one is wanted, and how the diffusion model is trained.
    sample_rate : int
        Hz.
    checkpoint : path, optional
        Of the diffusion's training.
    progress, log : callable
        Told the completed fraction of the diffusion's training; told which generator could not be learned, and why.

    Raises
    ------
    SignalError
        If there is too little hiss for what is asked.
    """

    def diffusion(learned: Sequence[FloatArray]) -> HissGenerator:
        settings = hiss_settings(
            as_channels(learned[0]).shape[1],
            n_updates=params.diffusion_updates,
            batch_size=params.diffusion_batch,
            seed=params.seed,
            threads=params.threads,
            device=params.compute,
        )
        model, _ = learn_hiss(
            learned, sample_rate=sample_rate, settings=settings, checkpoint=checkpoint, progress=progress, log=log
        )
        return model

    fits: dict[str, HissFit] = {NOISE: lambda learned: fit_hiss(learned, sample_rate=sample_rate)}
    if params.diffusion_updates:
        fits[DIFFUSION] = diffusion
    trials: tuple[HissTrial, ...] = ()
    reason = None
    try:
        generator = np.random.default_rng(params.seed)
        trials = hiss_trials(stretches, fits, sample_rate=sample_rate, generator=generator, log=log)
    except SignalError as error:
        reason = str(error)
    kept = params.generator if params.generator != "closest" else closest_hiss(trials)
    models: dict[str, HissGenerator] = {NOISE: fit_hiss(stretches, sample_rate=sample_rate)}
    models |= {trial.name: trial.model for trial in trials if trial.name == DIFFUSION and trial.model is not None}
    if kept not in models:
        models[kept] = diffusion(stretches)
    return HissChoice(models, kept, trials, reason)
