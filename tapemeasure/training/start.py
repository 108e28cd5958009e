"""The recording path that a training starts from: seeded weights, and a linear part by least squares."""

from collections.abc import Sequence

import numpy as np
import torch

from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, common_sample_rate, condition_values
from tapemeasure.training.linear_start import fit_linear_part

START_DRIVE = 1.2
"""Rms that the network's input weights start for: programme at -20 dBFS would otherwise leave every unit linear, and
the training stays long where only the linear part is learned."""

MAX_START_GAIN = 100.0


def start_model(pairs: Sequence[AlignedPair], params: TrainNonlinearityParams) -> RecordingPath:
    """A recording path before its first update.

    Parameters
    ----------
    pairs : sequence of AlignedPair
        The training set; its conditions become inputs, and its linear part is fitted.
    params : TrainNonlinearityParams
        Size, seed.

    Raises
    ------
    MismatchError
        If the sample rates differ, or a pair lacks a condition that another has.
    ParameterError
        If the linear part has more taps than the longest pair has samples.
    """
    names = tuple(sorted({name for pair in pairs for name in pair.conditions}))
    values = np.array([condition_values(pair, names) for pair in pairs])
    centres, spreads = values.mean(axis=0), values.std(axis=0)
    config = RecordingPathConfig(
        hidden_size=params.hidden_size,
        skip=params.skip,
        sample_rate=common_sample_rate(pairs),
        cell=params.cell,
        fir_taps=params.fir_taps,
        lead_samples=params.filter_lead_samples,
        static_delay=params.static_delay,
        condition_names=names,
        condition_centres=tuple(centres.tolist()),
        condition_scales=tuple(np.where(spreads > 0.0, spreads, 1.0).tolist()),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        model = RecordingPath(config)
    rms = np.sqrt(np.mean(np.concatenate([pair.input for pair in pairs]) ** 2))
    with torch.no_grad():
        weights = dict(model.cell.named_parameters())["weight_ih_l0"]
        weights[:, :2] *= float(np.clip(START_DRIVE / max(rms, 1e-9), 1.0, MAX_START_GAIN))
    if model.fir is not None:
        response = fit_linear_part(pairs, taps=params.fir_taps, lead_samples=params.filter_lead_samples)
        with torch.no_grad():
            model.fir[0] = torch.from_numpy(response)
    return model
