"""Compiled loops of the programme tracker: normal equations, the prior's precision, covariances, the best path."""

import numba
import numpy as np

from tapemeasure.arrays import FloatArray, IntArray

SECOND_DIFFERENCE = (1.0, -2.0, 1.0)


@numba.njit(cache=True, fastmath=True, nogil=True)
def add_normal_equations(
    slope: FloatArray, error: FloatArray, curve: FloatArray, model: FloatArray, first: int, hop: int, sums: FloatArray
) -> None:
    """Add samples to the normal equations of knots `hop` samples apart; sample 0 is sample `first` of the file.

    `sums` is (6, n_knots): gradient, diagonal, the diagonal beside it (knot k with k + 1), observed curvature, the
    energy of the model, and the gradient's variance as the errors beside it tell. A sample between two knots speaks for
    both, in proportion to its nearness.
    """
    last = sums.shape[1] - 1
    for n in range(slope.shape[0]):
        position = first + n
        if position < 0:
            continue
        knot = position // hop
        if knot >= last:
            break
        right = (position - knot * hop) / hop
        left = 1.0 - right
        s = float(slope[n])
        pull = s * error[n]
        power = s * s
        bend = power + float(error[n]) * curve[n]
        energy = float(model[n]) * model[n]
        sums[0, knot] += left * pull
        sums[0, knot + 1] += right * pull
        sums[1, knot] += left * left * power
        sums[1, knot + 1] += right * right * power
        sums[2, knot] += left * right * power
        sums[3, knot] += left * bend
        sums[3, knot + 1] += right * bend
        sums[4, knot] += left * energy
        sums[4, knot + 1] += right * energy
        scatter = pull * pull
        sums[5, knot] += left * left * scatter
        sums[5, knot + 1] += right * right * scatter


@numba.njit(cache=True, nogil=True)
def prior_precision(rows: FloatArray, n_knots: int) -> FloatArray:
    """Lower bands of the precision of delays whose acceleration is autoregressive.

    Row m of `rows`, (order + 1, order + 3), holds the coefficients of the innovation of order m, divided by its
    standard deviation, from the latest knot back: the acceleration at the start of the file has no longer past.
    """
    order = rows.shape[0] - 1
    width = rows.shape[1]
    bands = np.zeros((width, n_knots))
    inner = np.zeros(width)
    for i in range(width):
        for j in range(i + 1):
            inner[i - j] += rows[order, i] * rows[order, j]
    # away from the ends all innovations that hold a knot are of the full order
    first = min(n_knots, 2 * order + 4)
    behind = max(first, n_knots - width)
    for lag in range(width):
        bands[lag, first:behind] = inner[lag]
    for newest in range(2, n_knots):
        if first + width <= newest < behind:
            continue
        m = min(newest - 2, order)
        for i in range(m + 3):
            if first <= newest - i < behind:
                continue
            a = rows[m, i]
            for j in range(i + 1):
                # knots newest - i <= newest - j
                bands[i - j, newest - i] += a * rows[m, j]
    return bands


@numba.njit(cache=True, fastmath=True, nogil=True)
def banded_inverse(factor: FloatArray) -> FloatArray:
    """Entries of A^-1 inside the band, as lower bands, for A = L L^T as scipy's ``cholesky_banded(lower=True)`` has L.

    Takahashi's recurrence, from the last row up.
    """
    bands, n = factor.shape
    below = np.ascontiguousarray(factor.T)
    found = np.zeros((n, bands))
    # covariances of the knots behind, knot k in row and column k modulo their number: long rows of one length are quick
    size = max(1, bands - 1)
    width = 8 * ((size + 7) // 8)
    behind = np.zeros((size, width))
    weights, row = np.zeros(size), np.zeros(width)
    for i in range(n - 1, -1, -1):
        scale = 1.0 / below[i, 0]
        reach = min(bands - 1, n - 1 - i)
        slot = place = i % size
        for j in range(1, reach + 1):
            place = place + 1 if place + 1 < size else 0
            weights[place] = below[i, j] * scale
        row[:] = 0.0
        for j in range(size):
            weight = weights[j]
            for k in range(width):
                row[k] -= weight * behind[j, k]
        own, place = scale * scale, slot
        for j in range(1, reach + 1):
            place = place + 1 if place + 1 < size else 0
            own -= weights[place] * row[place]
            found[i, j] = row[place]
        found[i, 0] = own
        for k in range(size):
            behind[k, slot] = behind[slot, k] = row[k]
        behind[slot, slot] = own
    return np.ascontiguousarray(found.T)


@numba.njit(cache=True, nogil=True)
def best_columns(reward: FloatArray, max_step: int, move_cost: float, jump_cost: float) -> IntArray:
    """Columns, one a row, that collect the most reward while moving by at most `max_step` columns a row (Viterbi).

    Or while jumping to anywhere at the price of `jump_cost`, which may be infinite.
    """
    n_rows, n_columns = reward.shape
    total = reward[0].astype(np.float64)
    fresh = np.empty(n_columns)
    origin = np.zeros((n_rows, n_columns), dtype=np.int16)
    for row in range(1, n_rows):
        top = int(np.argmax(total))
        for column in range(n_columns):
            best = total[column]
            move = 0
            for step in range(-max_step, max_step + 1):
                source = column + step
                if 0 <= source < n_columns:
                    value = total[source] - move_cost * abs(step)
                    if value > best:
                        best = value
                        move = step
            if total[top] - jump_cost > best:
                best = total[top] - jump_cost
                move = top - column
            origin[row, column] = move
            fresh[column] = best + reward[row, column]
        total[:] = fresh
    path = np.empty(n_rows, dtype=np.int64)
    path[-1] = np.argmax(total)
    for row in range(n_rows - 1, 0, -1):
        path[row - 1] = path[row] + origin[row, path[row]]
    return path


@numba.njit(cache=True, nogil=True)
def bend_products(bend: FloatArray, covariance: FloatArray, known: FloatArray, order: int) -> FloatArray:
    """Expected products of the second differences of an uncertain delay, summed over the file, at lags 0..`order`.

    `bend` holds the second differences of the mean, `covariance` the lower bands of the knots' covariance, `known` one
    where a second difference counts and zero elsewhere. The sums are those of one random sequence, so that they are an
    autocovariance whatever is left out.
    """
    n = bend.shape[0]
    last = covariance.shape[0] - 1
    sums = np.zeros(order + 1)
    for k in range(n):
        if known[k] == 0.0:
            continue
        for lag in range(min(order, n - 1 - k) + 1):
            if known[k + lag] == 0.0:
                continue
            total = bend[k] * bend[k + lag]
            for i in range(3):
                for j in range(3):
                    a, b = k + i, k + lag + j
                    if abs(a - b) <= last:
                        weight = SECOND_DIFFERENCE[i] * SECOND_DIFFERENCE[j]
                        total += weight * covariance[abs(a - b), min(a, b)]
            sums[lag] += total
    return sums


@numba.njit(cache=True, nogil=True)
def energies_through(factor: FloatArray, shape: FloatArray, settled: int) -> FloatArray:
    """Energy of L^-1 v for v = `shape` centred on every knot, L as scipy's ``cholesky_banded(lower=True)`` has it.

    The answer is followed for `settled` knots behind the shape; infinite where the shape does not fit in.
    """
    bands, n = factor.shape
    half = shape.shape[0] // 2
    energies = np.full(n, np.inf)
    answer = np.zeros(shape.shape[0] + settled)
    for centre in range(half, n - half):
        first = centre - half
        count = min(answer.shape[0], n - first)
        energy = 0.0
        for i in range(count):
            value = shape[i] if i < shape.shape[0] else 0.0
            for j in range(1, min(bands, i + 1)):
                value -= factor[j, first + i - j] * answer[i - j]
            answer[i] = value / factor[0, first + i]
            energy += answer[i] ** 2
        energies[centre] = energy
    return energies
