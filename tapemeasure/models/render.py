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


def render(model: RecordingPath, samples: FloatArray, *, run_in_samples: int, streams: int = STREAMS) -> FloatArray:
    """Output of a recording path for a whole signal, full scale 1.0.

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
    padded = np.concatenate([np.zeros(run_in_samples), samples, np.zeros(length * streams - len(samples))])
    stretches = np.lib.stride_tricks.sliding_window_view(padded, run_in_samples + length)[::length]
    output = np.empty(stretches.shape)
    state = None
    with torch.inference_mode():
        for start in range(0, stretches.shape[1], BLOCK_SAMPLES):
            block = stretches[:, start : start + BLOCK_SAMPLES].astype(np.float32)
            played, state = model(torch.from_numpy(block)[:, None, :], state)
            output[:, start : start + BLOCK_SAMPLES] = played[:, 0].numpy()
    return output[:, run_in_samples:].reshape(-1)[: len(samples)]
