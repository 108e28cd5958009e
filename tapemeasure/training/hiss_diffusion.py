"""A diffusion model of a machine's hiss, learned from what its spectra and hum do not tell."""

from collections.abc import Sequence
from pathlib import Path

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.hiss_whitening import whitened_hiss
from tapemeasure.models.hiss_diffusion import DiffusionHiss
from tapemeasure.models.unet1d import UNet1dConfig
from tapemeasure.training.diffusion_data import parted
from tapemeasure.training.diffusion_loop import Log, train_diffusion
from tapemeasure.training.diffusion_results import DiffusionResult, DiffusionSettings
from tapemeasure.training.distribution import Device

WINDOW_SAMPLES, CONTEXT_SAMPLES = 16384, 4096
"""0.37 s at 44.1 kHz, of which 0.09 s are known: what changes more slowly than this is not learned."""

FOLD_SAMPLES = 16
CHANNELS = (32, 32, 32, 40, 40, 48, 48)


def hiss_settings(
    n_channels: int,
    *,
    n_updates: int,
    batch_size: int = 8,
    seed: int = 1,
    threads: int = 1,
    device: Device = "cpu",
) -> DiffusionSettings:
    """Settings of a training for hiss of so many channels; see `DiffusionSettings`."""
    network = UNet1dConfig(
        window=WINDOW_SAMPLES * n_channels,
        fold=FOLD_SAMPLES * n_channels,
        channels=CHANNELS,
        embedding=32,
        gated=True,
    )
    return DiffusionSettings(
        n_updates=n_updates,
        round_updates=100,
        batch_size=batch_size,
        learning_rate=2e-3,
        ema_updates=200.0,
        context=CONTEXT_SAMPLES * n_channels,
        n_channels=n_channels,
        seed=seed,
        threads=threads,
        device=device,
        network=network,
    )


def learn_hiss(
    stretches: Sequence[FloatArray],
    *,
    sample_rate: int,
    settings: DiffusionSettings,
    checkpoint: Path | str | None = None,
    progress: Progress = no_progress,
    log: Log = lambda text: None,
) -> tuple[DiffusionHiss, DiffusionResult]:
    """Generator of hiss by diffusion, and the losses of its training.

    Parameters
    ----------
    stretches : sequence of ndarray, each of shape (n_samples, n_channels)
        Hiss alone (clicks, speech and pilots cut out before), full scale 1.0; at least six windows of the settings in
        stretches longer than a window and the filters (0.2 s). A tenth, from the end, decides which weights are the
        best.
    sample_rate : int
        Hz.
    settings : DiffusionSettings
        As `hiss_settings` gives them, for as many channels.
    checkpoint : path, optional
        Written after every round; an interrupted training goes on from it.
    progress, log : callable
        Told the completed fraction; told one line a round with its losses and the time left.

    Raises
    ------
    SignalError
        If there is too little hiss, or none at all.
    TrainingError
        If no round gave a finite loss.

    Notes
    -----
    Spectra, coherence and hum are those of the filtered noise, and the network begins as that: it learns only what the
    whitened hiss has beyond white Gaussian noise. Its validation loss tells how much that is; 1 is nothing.
    """
    noise = fit_hiss(stretches, sample_rate=sample_rate)
    n_channels = noise.n_channels
    training, validation = parted(
        [piece.reshape(-1) for piece in whitened_hiss(stretches, noise)],
        window=settings.network.window,
        points_per_s=float(sample_rate * n_channels),
        what="whitened hiss",
        n_channels=n_channels,
    )
    result = train_diffusion(training, validation, settings, checkpoint=checkpoint, progress=progress, log=log)
    return DiffusionHiss(noise, result.network, settings.context), result
