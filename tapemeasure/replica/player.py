"""Play a signal through a replica: any number of channels, blocks of any length, state exact."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.replica.model import DIFFERENCE_GAIN, GATES, Replica

WIDTH = 16
"""Units are played in sixteens; those that a model does not have stay at zero."""


class ReplicaPlayer:
    """A replica with a state for every channel.

    Parameters
    ----------
    replica : Replica
        What is played.
    n_channels : int
        At least 1.

    Raises
    ------
    SignalError
        If there is no channel.

    Notes
    -----
    Single precision: within 1e-5 of full scale of the network that was trained. Nothing in it depends on the length of
    the blocks, so that every cut gives the same bits. Each sample needs only itself and those before it;
    `Replica.latency_samples` is how much later the output is than what it stands for.
    """

    def __init__(self, replica: Replica, *, n_channels: int) -> None:
        from tapemeasure.replica.fir_kernels import memory_floats, packed_filter
        from tapemeasure.replica.kernels import play_gru, play_lstm

        if n_channels < 1:
            raise SignalError(f"a replica was asked to play {n_channels} channels; give at least one")
        packed = packed_filter(replica.taps)
        n_sixteens = -(-replica.n_units // WIDTH)
        self.replica = replica
        self._play: Callable[..., None] = play_gru if replica.cell == "gru" else play_lstm
        self._sixteens = (0,) * n_sixteens
        self._model = np.concatenate([_packed_cell(replica, WIDTH * n_sixteens), packed]).astype(np.float32)
        self._memories = np.zeros((n_channels, 2 * WIDTH * n_sixteens + 1 + memory_floats(len(packed))), np.float32)
        self._places = np.zeros((n_channels, 2), np.int64)

    def play(self, block: FloatArray) -> FloatArray:
        """Output for the next block, shape (n_samples, n_channels), full scale 1.0; finite samples, C order."""
        output = np.empty(block.shape)
        self._play(self._sixteens, self._model, self._memories, self._places, block, output)
        return output

    def reset(self) -> None:
        """Forget all that was played, as if silence had been there for ever."""
        self._memories[:] = 0.0
        self._places[:] = 0


def played_blocks(replica: Replica, blocks: Iterable[FloatArray], *, n_channels: int) -> Iterator[FloatArray]:
    """Output of a replica block by block, its latency taken out: as many samples as come in, in constant memory.

    Parameters
    ----------
    replica : Replica
        In the sample rate of the signal.
    blocks : iterable of ndarray, shape (any, n_channels)
        Finite, full scale 1.0.
    n_channels : int
        Each has its own state.
    """
    player = ReplicaPlayer(replica, n_channels=n_channels)
    skipped = 0
    for block in _with_tail(blocks, replica.latency_samples, n_channels):
        output = player.play(np.ascontiguousarray(block, dtype=np.float64))
        missing = min(replica.latency_samples - skipped, len(output))
        skipped += missing
        if len(output) > missing:
            yield output[missing:]


def _with_tail(blocks: Iterable[FloatArray], tail_samples: int, n_channels: int) -> Iterator[FloatArray]:
    yield from blocks
    if tail_samples:
        yield np.zeros((tail_samples, n_channels))


def _packed_cell(replica: Replica, n_units: int) -> Float32Array:
    """All but the filter, as the kernels take it, with zeros for units beyond the model's own."""
    n_gates, own = GATES[replica.cell], replica.n_units
    features = replica.input_weight * np.array([1.0, DIFFERENCE_GAIN])
    bias = replica.input_bias + replica.hidden_bias
    units = np.zeros((4, n_units))
    if replica.cell == "gru":
        candidate = slice(2 * own, 3 * own)
        units[:3, :own] = np.vstack([features[candidate].T, replica.input_bias[candidate]])
        features[candidate] = 0.0
        bias[candidate] = replica.hidden_bias[candidate]
    units[3, :own] = replica.readout
    rows = np.zeros((n_units + 3, n_gates, n_units))
    rows[:own, :, :own] = replica.hidden_weight.T.reshape(own, n_gates, own)
    rows[n_units:, :, :own] = np.vstack([features.T, bias]).reshape(3, n_gates, own)
    ends = [replica.bias, replica.skip_gain]
    return np.concatenate([rows.ravel(), units.ravel(), ends]).astype(np.float32)
