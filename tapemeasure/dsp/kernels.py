"""Compiled loops: reading between samples, a piecewise polynomial and its inverse map, a banded inverse's diagonal.

And a filter that is only evaluated where it is wanted, and a detector of peaks.
"""

import numba
import numpy as np

from tapemeasure.arrays import FloatArray

MAX_SOLVER_STEPS = 100
SOLVED_S = 1e-10
"""A last step of Newton's follows, so that what is left is rounding."""


@numba.njit(cache=True, fastmath=True, nogil=True)
def read_between_samples(samples: FloatArray, positions: FloatArray, table: FloatArray) -> FloatArray:
    """Weighted sums of the samples around every position; zero is read outside the signal.

    `samples` is (n_channels, n_samples), the result (n_positions, n_channels). `table` holds the interpolating kernel
    as (phases + 1, taps): row p belongs to the fraction p / phases, and two rows are interpolated linearly.
    """
    n_channels, n_samples = samples.shape
    n_taps = table.shape[1]
    phases = table.shape[0] - 1
    out = np.zeros((positions.shape[0], n_channels))
    weights = np.empty(n_taps)
    edge = np.zeros(n_taps)
    for n in range(positions.shape[0]):
        whole = np.floor(positions[n])
        scaled = (positions[n] - whole) * phases
        row = min(int(scaled), phases - 1)
        share = scaled - row
        low, high = table[row], table[row + 1]
        for k in range(n_taps):
            weights[k] = low[k] + share * (high[k] - low[k])
        first = int(whole) - n_taps // 2 + 1
        for channel in range(n_channels):
            if first >= 0 and first + n_taps <= n_samples:
                around = samples[channel, first : first + n_taps]
            else:
                edge[:] = 0.0
                for k in range(max(0, -first), min(n_taps, n_samples - first)):
                    edge[k] = samples[channel, first + k]
                around = edge
            # one loop for inside and edge, so that equal samples give equal bits wherever a block was cut
            total = 0.0
            for k in range(n_taps):
                total += weights[k] * around[k]
            out[n, channel] = total
    return out


@numba.njit(cache=True, nogil=True)
def evaluate_pieces(pieces: FloatArray, places: FloatArray) -> FloatArray:
    """Piecewise polynomial at `places`, in steps of its grid and clipped to it; row i of `pieces` rises in power."""
    n_pieces, n_powers = pieces.shape
    out = np.empty(places.shape[0])
    for n in range(places.shape[0]):
        place = min(max(places[n], 0.0), float(n_pieces))
        i = min(int(place), n_pieces - 1)
        x = place - i
        value = 0.0
        for power in range(n_powers - 1, -1, -1):
            value = value * x + pieces[i, power]
        out[n] = value
    return out


@numba.njit(cache=True, nogil=True)
def solve_arrival(
    leaving_s: FloatArray,
    pieces: FloatArray,
    start_s: float,
    rate_hz: float,
    step_time_s: FloatArray,
    step_total_s: FloatArray,
) -> FloatArray:
    """The t of ``t - d(t) = u`` for every u of `leaving_s`: Newton's steps inside a bracket that only shrinks.

    d is the piecewise polynomial of `evaluate_pieces` on the grid of `start_s` and `rate_hz`, held outside it, and from
    ``step_time_s[j]`` on ``step_total_s[j]`` more. It must grow by less than 1 s per second between the steps. Where a
    step repeats what came before, the earlier t is given; where it skips something, the moment of the step.
    """
    n_pieces, n_powers = pieces.shape
    n_steps = step_time_s.shape[0]
    out = np.empty(leaving_s.shape[0])
    passed = 0
    time = 0.0
    slope = 1.0
    last = -np.inf
    for n in range(leaving_s.shape[0]):
        u = leaving_s[n]
        if u < last or not np.isfinite(last):
            # the first one, or they do not rise: begin anew
            passed = 0
            time = u + pieces[0, 0]
        else:
            time += (u - last) / slope
        last = u
        while True:
            extra = step_total_s[passed - 1] if passed > 0 else 0.0
            low, high = -np.inf, np.inf
            for _ in range(MAX_SOLVER_STEPS):
                place = (time - start_s) * rate_hz
                inside = min(max(place, 0.0), float(n_pieces))
                i = min(int(inside), n_pieces - 1)
                x = inside - i
                delay = 0.0
                growth = 0.0
                for power in range(n_powers - 1, -1, -1):
                    growth = growth * x + delay
                    delay = delay * x + pieces[i, power]
                slope = 1.0 - growth * rate_hz if place == inside else 1.0
                error = u - (time - delay - extra)
                if abs(error) < SOLVED_S:
                    time += error / slope
                    break
                if error > 0.0:
                    low = time
                else:
                    high = time
                time += error / slope
                if not low < time < high:
                    time = 0.5 * (low + high)
            if passed < n_steps and time >= step_time_s[passed]:
                passed += 1
                continue
            break
        if passed > 0 and time < step_time_s[passed - 1]:
            time = step_time_s[passed - 1]
        out[n] = time
    return out


@numba.njit(cache=True, nogil=True)
def attack_and_decay(values: FloatArray, attack: float, decay: float, level: float = 0.0) -> FloatArray:
    """Follow values from `level`: of the distance to the next one `attack` is taken upwards, `decay` downwards."""
    out = np.empty(values.shape[0])
    for n in range(values.shape[0]):
        distance = values[n] - level
        level += (attack if distance > 0.0 else decay) * distance
        out[n] = level
    return out


@numba.njit(cache=True, fastmath=True, nogil=True)
def filter_at(samples: FloatArray, taps: FloatArray, step: int, n_points: int) -> FloatArray:
    """Complex filter at samples 0, step, 2 step...: (n_points, 2), real and imaginary part.

    `taps` is (3, n_taps): real and imaginary part, and the low-pass that both were made of. The middle tap stands on
    the sample. Beyond the ends of the file taps are left out, and the rest counts for more.
    """
    n_samples, n_taps = samples.shape[0], taps.shape[1]
    half = n_taps // 2
    real_taps, imag_taps, lowpass = taps[0], taps[1], taps[2]
    whole = lowpass.sum()
    out = np.zeros((n_points, 2))
    for point in range(n_points):
        start = point * step - half
        low, high = max(0, -start), min(n_taps, n_samples - start)
        if high <= low:
            continue
        around = samples[start + low : start + high]
        real = 0.0
        imag = 0.0
        for k in range(high - low):
            real += around[k] * real_taps[low + k]
            imag += around[k] * imag_taps[low + k]
        scale = 1.0 if high - low == n_taps else whole / max(lowpass[low:high].sum(), 0.1 * whole)
        out[point, 0] = real * scale
        out[point, 1] = imag * scale
    return out
