"""Compiled playing of a recording path, sample by sample: a recurrent cell, and the linear filter behind it.

All of a model stands in one flat float32 array and all that a channel remembers in another, because handing an array
over costs as much as ten samples of a small network. A cell of ``16 * len(sixteens)`` units is compiled for just that
size; what the tuple holds does not matter. Nothing that is computed for a sample depends on where a block begins or
ends: blocks of any length give the same bits.

A model, with n units and 3 or 4 gates: rows of the gates (one for every unit, one each for the sample, its change and
the bias; the GRU's candidate has only its hidden part there); rows of the units (sample, change and bias into the
candidate; readout); bias of the output and skip gain; the packed filter. A memory: the cell's state, its second state
(LSTM), the last sample, the memory of the filter.
"""

import numba
import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray, IntArray
from tapemeasure.dsp.fast_tanh import fast_tanh
from tapemeasure.replica.fir_kernels import filter_block

TINY = np.float32(1e-20)
"""What is smaller is zero: denormal numbers would take many times as long."""
HALF, ZERO = np.float32(0.5), np.float32(0.0)


@numba.njit(inline="always")
def _sixteen_of(state, k):  # type: ignore[no-untyped-def]
    """Sixteen values of the state, from unit k on, in two eights."""
    return (
        (state[k], state[k + 1], state[k + 2], state[k + 3], state[k + 4], state[k + 5], state[k + 6], state[k + 7]),
        (
            state[k + 8],
            state[k + 9],
            state[k + 10],
            state[k + 11],
            state[k + 12],
            state[k + 13],
            state[k + 14],
            state[k + 15],
        ),
    )


@numba.njit(inline="always")
def _share(W, k, g, values):  # type: ignore[no-untyped-def]
    """What sixteen units, the first in row k of the weights, add to gate g."""
    a, b = values
    first = ((W[k, g] * a[0] + W[k + 1, g] * a[1]) + (W[k + 2, g] * a[2] + W[k + 3, g] * a[3])) + (
        (W[k + 4, g] * a[4] + W[k + 5, g] * a[5]) + (W[k + 6, g] * a[6] + W[k + 7, g] * a[7])
    )
    second = ((W[k + 8, g] * b[0] + W[k + 9, g] * b[1]) + (W[k + 10, g] * b[2] + W[k + 11, g] * b[3])) + (
        (W[k + 12, g] * b[4] + W[k + 13, g] * b[5]) + (W[k + 14, g] * b[6] + W[k + 15, g] * b[7])
    )
    return first + second


@numba.njit(inline="always")
def _fill_gates(gates, weights, n, state, sample, change):  # type: ignore[no-untyped-def]
    """All gates of n units before their nonlinearity: what the sample, its change, the bias and every unit add."""
    n_rows = gates.shape[0]
    values = _sixteen_of(state, 0)
    for g in range(n_rows):
        fed = weights[n, g] * sample + weights[n + 1, g] * change + weights[n + 2, g]
        gates[g] = fed + _share(weights, 0, g, values)
    for k in range(16, n, 16):
        values = _sixteen_of(state, k)
        for g in range(n_rows):
            gates[g] += _share(weights, k, g, values)


@numba.njit(inline="always")
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return HALF + HALF * fast_tanh(HALF * x)


@numba.njit(inline="always")
def _without_denormals(x):  # type: ignore[no-untyped-def]
    return x if abs(x) > TINY else ZERO


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _take(signal: FloatArray, channel: int, samples: Float32Array) -> None:
    for t in range(signal.shape[0]):
        samples[t] = _without_denormals(np.float32(signal[t, channel]))


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _give(
    packed: Float32Array,
    memory: Float32Array,
    places: IntArray,
    samples: Float32Array,
    output: FloatArray,
    channel: int,
) -> None:
    """Filter a channel, where there is a filter, and put it into the output."""
    if packed.shape[0] > 0:
        filter_block(packed, memory, places, samples)
    for t in range(output.shape[0]):
        output[t, channel] = samples[t]


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def play_gru(
    sixteens: tuple[int, ...],
    model: Float32Array,
    memories: Float32Array,
    places: IntArray,
    signal: FloatArray,
    output: FloatArray,
) -> None:
    """Fill `output` (n_samples, n_channels) from `signal`, with `memories` and `places` (n_channels, ...) going on."""
    n = 16 * len(sixteens)
    of_gates, of_units = (n + 3) * 3 * n, 4 * n
    weights = model[:of_gates].reshape(n + 3, 3 * n)
    units = model[of_gates : of_gates + of_units].reshape(4, n)
    bias, skip = model[of_gates + of_units], model[of_gates + of_units + 1]
    packed = model[of_gates + of_units + 2 :]
    gates = np.empty(3 * n, np.float32)
    samples = np.empty(signal.shape[0], np.float32)
    for channel in range(signal.shape[1]):
        state = memories[channel, :n]
        last = memories[channel, 2 * n]
        _take(signal, channel, samples)
        for t in range(signal.shape[0]):
            sample = samples[t]
            change = sample - last
            last = sample
            _fill_gates(gates, weights, n, state, sample, change)
            total = bias + skip * sample
            for u in range(n):
                reset, update = _sigmoid(gates[u]), _sigmoid(gates[n + u])
                fed = units[0, u] * sample + units[1, u] * change + units[2, u]
                new = fast_tanh(fed + reset * gates[2 * n + u])
                value = _without_denormals(new + update * (state[u] - new))
                state[u] = value
                total += units[3, u] * value
            samples[t] = total
        memories[channel, 2 * n] = last
        _give(packed, memories[channel, 2 * n + 1 :], places[channel], samples, output, channel)


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def play_lstm(
    sixteens: tuple[int, ...],
    model: Float32Array,
    memories: Float32Array,
    places: IntArray,
    signal: FloatArray,
    output: FloatArray,
) -> None:
    """As `play_gru` for a long short-term memory: gates input, forget, candidate, output."""
    n = 16 * len(sixteens)
    of_gates, of_units = (n + 3) * 4 * n, 4 * n
    weights = model[:of_gates].reshape(n + 3, 4 * n)
    readout = model[of_gates + 3 * n : of_gates + of_units]
    bias, skip = model[of_gates + of_units], model[of_gates + of_units + 1]
    packed = model[of_gates + of_units + 2 :]
    gates = np.empty(4 * n, np.float32)
    samples = np.empty(signal.shape[0], np.float32)
    for channel in range(signal.shape[1]):
        state, cell = memories[channel, :n], memories[channel, n : 2 * n]
        last = memories[channel, 2 * n]
        _take(signal, channel, samples)
        for t in range(signal.shape[0]):
            sample = samples[t]
            change = sample - last
            last = sample
            _fill_gates(gates, weights, n, state, sample, change)
            total = bias + skip * sample
            for u in range(n):
                kept = _sigmoid(gates[n + u]) * cell[u] + _sigmoid(gates[u]) * fast_tanh(gates[2 * n + u])
                cell[u] = _without_denormals(kept)
                value = _without_denormals(_sigmoid(gates[3 * n + u]) * fast_tanh(kept))
                state[u] = value
                total += readout[u] * value
            samples[t] = total
        memories[channel, 2 * n] = last
        _give(packed, memories[channel, 2 * n + 1 :], places[channel], samples, output, channel)
