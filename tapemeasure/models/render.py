"""Run a signal through a recording path: all its stretches at once, each with a run-in before it."""

import math

import numpy as np
import torch

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.models.recording_path import RecordingPath

STREAMS = 64
BLOCK_SAMPLES = 4096
"""Samples of every stretch that are computed at a time; this bounds the memory."""


def render(
    model: RecordingPath,
    samples: FloatArray,
    *,
    run_in_samples: int,
    streams: int = STREAMS,
    conditions: tuple[float, ...] = (),
) -> FloatArray:
    """Output of a recording path for a whole signal, full scale 1.0, on the signal's own time axis.

    Parameters
    ----------
    model : RecordingPath
        In the sample rate of the signal.
    samples : ndarray, shape (n_samples,)
        At least one sample.
    run_in_samples : int
        How much of the signal each stretch hears before its own first sample, starting from silence.
    streams : int
        Stretches that run side by side; 1 is plain streaming.
    conditions : tuple of float
        Settings of the machine, in the order of the model's `condition_names`.

    Returns
    -------
    ndarray, shape (n_samples,)
        float64; NaN where the network's output is.

    Raises
    ------
    SignalError
        If the signal is empty.

    Notes
    -----
    A recurrent network costs the same per step for 64 signals as for one. It forgets its start within its memory, so a
    run-in longer than that gives what plain streaming gives, up to rounding; see the tests.
    """
    if len(samples) == 0:
        raise SignalError("render: the signal is empty (0 samples); give at least one")
    length = math.ceil(len(samples) / streams)
    # the model is late by its latency: what it heard of the run-in counts less, and it hears as much behind the end
    latency = model.config.latency_samples
    before, after = run_in_samples, latency + length * streams - len(samples)
    padded = np.concatenate([np.zeros(before), samples, np.zeros(after)])
    stretches = np.lib.stride_tricks.sliding_window_view(padded, before + length + latency)[::length]
    output = np.empty(stretches.shape)
    state = None
    settings = torch.tensor([conditions], dtype=torch.float32).expand(len(stretches), -1) if conditions else None
    with torch.inference_mode():
        for start in range(0, stretches.shape[1], BLOCK_SAMPLES):
            block = stretches[:, start : start + BLOCK_SAMPLES].astype(np.float32)
            played, state = model(torch.from_numpy(block)[:, None, :], state, settings)
            output[:, start : start + BLOCK_SAMPLES] = played[:, 0].numpy()
    return output[:, before + latency :].reshape(-1)[: len(samples)]
