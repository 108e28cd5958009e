"""A diffusion model of a machine's delay, learned from measured delay."""

from pathlib import Path

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.generators.base import MeasuredDelay, speed_of
from tapemeasure.generators.drift import fit_drift
from tapemeasure.models.delay_diffusion import DiffusionDelay
from tapemeasure.models.whitening import fit_whitening
from tapemeasure.training.diffusion_data import parted
from tapemeasure.training.diffusion_loop import Log, train_diffusion
from tapemeasure.training.diffusion_results import DiffusionResult, DiffusionSettings


def fit_diffusion(
    measured: MeasuredDelay,
    *,
    settings: DiffusionSettings | None = None,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> DiffusionDelay:
    """Generator of delay by diffusion; see `learn_delay` for what it takes and raises."""
    generator, _ = learn_delay(measured, settings=settings, checkpoint=checkpoint, progress=progress, log=log)
    return generator


def learn_delay(
    measured: MeasuredDelay,
    *,
    settings: DiffusionSettings | None = None,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> tuple[DiffusionDelay, DiffusionResult]:
    """Generator of delay by diffusion, and the losses of its training.

    Parameters
    ----------
    measured : MeasuredDelay
        Six windows of the settings (a minute) at the very least, in pieces longer than a window; a tenth, from the
        end, decides which weights are the best.
    settings : DiffusionSettings, optional
        Lengths, rates, seed.
    checkpoint : path, optional
        Written after every round; an interrupted training goes on from it.
    progress, log : callable
        Told the completed fraction; told one line a round with its losses and the time left.

    Raises
    ------
    SignalError
        If there is too little delay in pieces that are long enough, or it does not move.
    TrainingError
        If no round gave a finite loss.

    Notes
    -----
    The speed is whitened by its coarse spectrum, so that a network that has learned nothing gives Gaussian noise of
    that spectrum. What is slower than 0.15 Hz is left to the drift, as a window shows nothing of it.
    """
    settings = settings or DiffusionSettings()
    rate_hz = measured.rate_hz
    speeds = [speed_of(piece, rate_hz=rate_hz) for piece in measured.pieces]
    speeds = [speed - speed.mean() for speed in speeds]
    whitening = fit_whitening(speeds, rate_hz=rate_hz)
    training, validation = parted(
        [whitening.whitened(speed) for speed in speeds],
        window=settings.network.window,
        points_per_s=rate_hz,
        what="whitened delay",
    )
    result = train_diffusion(training, validation, settings, checkpoint=checkpoint, progress=progress, log=log)
    generator = DiffusionDelay(
        network=result.network,
        context=settings.context,
        taps=whitening.delay_taps(),
        drift=fit_drift(measured),
        rate_hz=rate_hz,
        mean_delay_s=measured.mean_delay_s,
    )
    return generator, result
