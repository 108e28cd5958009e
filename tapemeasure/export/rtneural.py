"""A replica as JSON for RTNeural, and for players that know one recurrent layer only (AIDA-X and its kin).

Layers follow Keras: weights as (inputs, outputs); gates of a GRU z, r, h with a row of biases each for input and state
(reset after), of an LSTM i, f, c, o with one row. RTNeural's layers stand in a row, so that what goes past the cell
goes through it: one more unit, whose gates stand open, carries the sample, made so small that tanh leaves it alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import UsageError
from tapemeasure.export.facts import check_signal, require_equal
from tapemeasure.replica.model import DIFFERENCE_GAIN, GATES, Replica

CARRIED = 2.0**-10
"""Size of the sample in the unit that carries it; tanh changes it by a millionth of full scale squared."""
OPEN, SHUT = 30.0, -30.0
"""Pre-activations of gates that stand open or shut."""
ORDER = {"gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}
"""Gates of Keras (z r h; i f c o) in the order of torch's (r z n; i f g o)."""


def rtneural_model(replica: Replica, *, facts: dict[str, Any], plain: bool = False) -> tuple[dict[str, Any], float]:
    """The JSON object, checked by an evaluation of its own, and its largest difference to the replica.

    Parameters
    ----------
    replica : Replica
    facts : dict
        JSON values for its metadata.
    plain : bool
        One recurrent layer that is fed the sample alone, and a dense one behind it.

    Raises
    ------
    UsageError
        If a plain model cannot say what the replica does.
    TrainingError
        If what the JSON says is not what the replica plays.
    """
    layers = _plain_layers(replica) if plain else _layers(replica)
    model = {"in_shape": [None, None, 1], "in_skip": 0, "layers": layers, "metadata": facts}
    signal, expected = check_signal(replica)
    return model, require_equal(play_layers(layers, signal), expected, what="RTNeural JSON")


def _layers(replica: Replica) -> list[dict[str, Any]]:
    """All of a replica: difference, cell, readout, filter."""
    kernel = np.array([[[0.0, -DIFFERENCE_GAIN]], [[1.0, DIFFERENCE_GAIN]]])
    carried = np.array([CARRIED, 0.0])
    layers = [
        _conv1d(kernel),
        _cell(replica, replica.input_weight.astype(np.float64), carried, np.zeros((0,))),
        _dense(replica),
    ]
    return [*layers, _conv1d(replica.taps[::-1, np.newaxis, np.newaxis])] if len(replica.taps) else layers


def _plain_layers(replica: Replica) -> list[dict[str, Any]]:
    if len(replica.taps) > 0:
        raise UsageError(
            f"--plain: the format has no place for the linear filter of {len(replica.taps)} taps; leave --plain out, "
            "give --without-filter, or train with fir_taps: 0"
        )
    if replica.cell == "gru":
        raise UsageError(
            "--plain: a GRU that is fed the sample alone cannot know the sample before it as this model does (its "
            "reset gate stands in the way); train with cell: lstm, or leave --plain out"
        )
    of_sample, of_change = replica.input_weight.astype(np.float64).T
    now = (of_sample + DIFFERENCE_GAIN * of_change)[:, np.newaxis]
    before = -DIFFERENCE_GAIN * of_change / CARRIED
    return [_cell(replica, now, np.array([CARRIED]), before), _dense(replica)]


def _cell(replica: Replica, kernel: FloatArray, carried: FloatArray, from_carried: FloatArray) -> dict[str, Any]:
    """Recurrent layer with one more unit that carries the sample; the others hear it by `from_carried`, if given."""
    n_gates, own = GATES[replica.cell], replica.n_units
    wide = own + 1
    into = np.zeros((n_gates, wide, len(carried)))
    state = np.zeros((n_gates, wide, wide))
    biases = np.zeros((2, n_gates, wide))
    into[:, :own] = kernel.reshape(n_gates, own, -1)
    state[:, :own, :own] = replica.hidden_weight.reshape(n_gates, own, own)
    biases[0, :, :own] = replica.input_bias.reshape(n_gates, own)
    biases[1, :, :own] = replica.hidden_bias.reshape(n_gates, own)
    if len(from_carried):
        state[:, :own, own] = from_carried.reshape(n_gates, own)
    into[2, own] = carried
    # torch's order: reset, update, new; or input, forget, candidate, output
    biases[0, :, own] = [0.0, SHUT, 0.0] if replica.cell == "gru" else [OPEN, SHUT, 0.0, OPEN]
    order = list(ORDER[replica.cell])
    rows = biases[:, order].reshape(2, -1)
    return {
        "type": replica.cell,
        "activation": "",
        "shape": [None, None, wide],
        "weights": [
            _numbers(into[order].reshape(n_gates * wide, -1).T),
            _numbers(state[order].reshape(n_gates * wide, -1).T),
            _numbers(rows if replica.cell == "gru" else rows.sum(axis=0)),
        ],
    }


def _dense(replica: Replica) -> dict[str, Any]:
    readout = np.append(replica.readout.astype(np.float64), replica.skip_gain / CARRIED)
    return {
        "type": "dense",
        "activation": "",
        "shape": [None, None, 1],
        "weights": [_numbers(readout[:, np.newaxis]), [replica.bias]],
    }


def _conv1d(kernel: FloatArray) -> dict[str, Any]:
    """Causal convolution, kernel (time, inputs, outputs) with the newest sample last."""
    return {
        "type": "conv1d",
        "activation": "",
        "shape": [None, None, kernel.shape[2]],
        "kernel_size": [kernel.shape[0]],
        "dilation": [1],
        "groups": 1,
        "weights": [_numbers(kernel), [0.0] * kernel.shape[2]],
    }


def _numbers(array: FloatArray) -> Any:
    return array.astype(np.float32).astype(np.float64).tolist()


def play_layers(layers: list[dict[str, Any]], signal: FloatArray) -> FloatArray:
    """Output of the JSON's layers for a signal of shape (n_samples,), evaluated by the rules of Keras in float64."""
    values = np.asarray(signal, dtype=np.float64)[:, np.newaxis]
    for layer in layers:
        values = _PLAYERS[layer["type"]](values, *(np.asarray(weight) for weight in layer["weights"]))
    return values[:, 0]


def _play_conv1d(values: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    padded = np.vstack([np.zeros((len(kernel) - 1, values.shape[1])), values])
    length = len(values)
    return sum((padded[k : k + length] @ weight for k, weight in enumerate(kernel)), start=bias)


def _play_dense(values: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    return np.asarray(values @ kernel + bias)


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))


def _play_gru(values: FloatArray, kernel: FloatArray, recurrent: FloatArray, bias: FloatArray) -> FloatArray:
    state = np.zeros(len(recurrent))
    states = np.empty((len(values), len(state)))
    fed = values @ kernel + bias[0]
    for n, row in enumerate(fed):
        z, r, h = np.split(row, 3)
        of_z, of_r, of_h = np.split(state @ recurrent + bias[1], 3)
        update, reset = _sigmoid(z + of_z), _sigmoid(r + of_r)
        state = update * state + (1.0 - update) * np.tanh(h + reset * of_h)
        states[n] = state
    return states


def _play_lstm(values: FloatArray, kernel: FloatArray, recurrent: FloatArray, bias: FloatArray) -> FloatArray:
    state, cell = np.zeros(len(recurrent)), np.zeros(len(recurrent))
    states = np.empty((len(values), len(state)))
    fed = values @ kernel + bias
    for n, row in enumerate(fed):
        i, f, c, o = np.split(row + state @ recurrent, 4)
        cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(c)
        state = _sigmoid(o) * np.tanh(cell)
        states[n] = state
    return states


_PLAYERS: dict[str, Callable[..., FloatArray]] = {
    "conv1d": _play_conv1d,
    "dense": _play_dense,
    "gru": _play_gru,
    "lstm": _play_lstm,
}
