"""Compiled gated recurrent unit: a batch through time and back, the batch in the vector lanes of the processor.

Layout, all float32 and C-contiguous: `states` (n_samples + 1, n_units + n_inputs + 1, batch) holds in its rows the
hidden state, the inputs and a row of ones, so that one matrix (rows: reset gate, update gate, hidden part of the
candidate; columns as the rows of `states`) gives all pre-activations of a step. `into_candidate` (n_units,
n_inputs + 1) is the input part of the candidate, which the reset gate does not touch.

Matrix products go to BLAS; everything between them is one loop over n_units * batch elements.
"""

import numba
import numpy as np

from tapemeasure.arrays import Float32Array
from tapemeasure.dsp.fast_tanh import fast_tanh

ONE, HALF = np.float32(1.0), np.float32(0.5)

STEPS_PER_PRODUCT = 16
"""Steps whose weight gradients are summed in one matrix product."""


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _gates(gates: Float32Array, candidate: Float32Array, before: Float32Array, after: Float32Array) -> None:
    """Pre-activations of one step to gates (in place), and the state behind it; all flattened."""
    n = before.shape[0]
    for i in range(n):
        reset = HALF + HALF * fast_tanh(HALF * gates[i])
        update = HALF + HALF * fast_tanh(HALF * gates[n + i])
        new = fast_tanh(candidate[i] + reset * gates[2 * n + i])
        gates[i] = reset
        gates[n + i] = update
        candidate[i] = new
        after[i] = new + update * (before[i] - new)


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _read_out(readout: Float32Array, state: Float32Array, output: Float32Array) -> None:
    """Weighted sum of the units, `readout` (n_units,), into `output` (batch,)."""
    batch = output.shape[0]
    for b in range(batch):
        output[b] = np.float32(0.0)
    for unit in range(readout.shape[0]):
        weight = readout[unit]
        for b in range(batch):
            output[b] += weight * state[unit, b]


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _read_out_back(
    readout: Float32Array,
    state: Float32Array,
    of_output: Float32Array,
    of_state: Float32Array,
    of_readout: Float32Array,
) -> None:
    """Add the gradients of one step of `_read_out`."""
    for unit in range(readout.shape[0]):
        weight = readout[unit]
        total = np.float32(0.0)
        for b in range(of_output.shape[0]):
            of_state[unit, b] += weight * of_output[b]
            total += state[unit, b] * of_output[b]
        of_readout[unit] += total


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def gru_forward(
    weights: Float32Array,
    into_candidate: Float32Array,
    readout: Float32Array,
    states: Float32Array,
    gates: Float32Array,
    candidates: Float32Array,
    outputs: Float32Array,
) -> None:
    """Fill `states`, `outputs`, and for the way back `gates` (reset, update, hidden part) and `candidates`.

    `readout` is (n_units,), `outputs` (n_samples, batch), `gates` (n_samples, 3 n_units, batch), `candidates`
    (n_samples, n_units, batch).
    """
    n_samples, n_units, batch = candidates.shape
    size = n_units * batch
    for t in range(n_samples):
        np.dot(weights, states[t], gates[t])
        np.dot(into_candidate, states[t, n_units:], candidates[t])
        _gates(
            gates[t].reshape(3 * size),
            candidates[t].reshape(size),
            states[t, :n_units].reshape(size),
            states[t + 1, :n_units].reshape(size),
        )
        _read_out(readout, states[t + 1], outputs[t])


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _add(total: Float32Array, rows: Float32Array) -> None:
    """Add the first rows of `rows` to `total`."""
    for i in range(total.shape[0]):
        for b in range(total.shape[1]):
            total[i, b] += rows[i, b]


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _gates_back(
    gates: Float32Array,
    candidate: Float32Array,
    before: Float32Array,
    of_state: Float32Array,
    of_gates: Float32Array,
) -> None:
    """Gradients of the pre-activations (reset, update, hidden part, candidate) of one step, all flattened.

    `of_state` comes in as the gradient of the state behind the step, and goes out as the part of the gradient of the
    state before it that the update gate lets through.
    """
    n = before.shape[0]
    for i in range(n):
        reset, update, hidden, new = gates[i], gates[n + i], gates[2 * n + i], candidate[i]
        total = of_state[i]
        of_new = total * (ONE - update) * (ONE - new * new)
        of_gates[i] = of_new * hidden * reset * (ONE - reset)
        of_gates[n + i] = total * (before[i] - new) * update * (ONE - update)
        of_gates[2 * n + i] = of_new * reset
        of_gates[3 * n + i] = of_new
        of_state[i] = total * update


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def gru_backward(
    from_hidden: Float32Array,
    into_candidate: Float32Array,
    readout: Float32Array,
    states: Float32Array,
    gates: Float32Array,
    candidates: Float32Array,
    of_outputs: Float32Array,
    of_state: Float32Array,
    of_features: Float32Array,
) -> tuple[Float32Array, Float32Array]:
    """Gradients of a run of `gru_forward`.

    `from_hidden` is (n_units + n_inputs, 3 n_units): the transposed weights without the columns of the ones;
    `into_candidate` (n_inputs, n_units), transposed; `of_outputs` (n_samples, batch). `of_state` comes in as the
    gradient of the last state and goes out as that of the first. `of_features` (n_samples, n_inputs, batch) is filled,
    unless it has no samples. Returned: (4 n_units, n_units + n_inputs + 1), the gradient of the weights and, in the
    last n_units rows and the columns behind n_units, of `into_candidate`; and (n_units,), that of the readout.
    """
    n_samples, n_units, batch = candidates.shape
    n_rows = states.shape[1]
    n_inputs = n_rows - n_units - 1
    size = n_units * batch
    width = STEPS_PER_PRODUCT * batch
    of_gates = np.empty((4 * n_units, batch), np.float32)
    back = np.empty((from_hidden.shape[0], batch), np.float32)
    left = np.zeros((4 * n_units, width), np.float32)
    right = np.zeros((width, n_rows), np.float32)
    of_weights = np.zeros((4 * n_units, n_rows), np.float32)
    of_readout = np.zeros(n_units, np.float32)
    filled = 0
    for t in range(n_samples - 1, -1, -1):
        _read_out_back(readout, states[t + 1], of_outputs[t], of_state, of_readout)
        _gates_back(
            gates[t].reshape(3 * size),
            candidates[t].reshape(size),
            states[t, :n_units].reshape(size),
            of_state.reshape(size),
            of_gates.reshape(4 * size),
        )
        np.dot(from_hidden, of_gates[: 3 * n_units], back)
        _add(of_state, back)
        if of_features.shape[0] > 0:
            of_features[t] = back[n_units : n_units + n_inputs] + np.dot(into_candidate, of_gates[3 * n_units :])
        left[:, filled : filled + batch] = of_gates
        right[filled : filled + batch] = states[t].T
        filled += batch
        if filled == width or t == 0:
            left[:, filled:] = np.float32(0.0)
            of_weights += np.dot(left, right)
            filled = 0
    return of_weights, of_readout
