"""Compiled inner loops of the tape machine; every one carries its state, so that blocks join without a seam.

No kernel uses fast-math: every output sample is summed in the same order whatever the length of the block, and the
result does not depend on how a signal is cut into blocks. What has decayed below 1e-30 is set to zero, so that
silence never runs into denormal numbers.
"""

import math

import numba
import numpy as np

from tapemeasure.arrays import FloatArray

ALPHA = 1.6e-3
"""Mean-field coupling of the magnetic domains."""

PINNING = 0.47875
"""Coercive pinning k."""

DIFFERENTIATOR = 0.75
IMPLICIT_STEP = 1.9
"""The implicit rule weighs both ends by T / 1.9, not T / 2."""

NEWTON_TOLERANCE = 1e-5
MAGNETISATION_LIMIT = 20.0
TINY = 1e-30
TINY_RATE = 1e-18


@numba.njit(cache=True, nogil=True)
def langevin(q: float) -> tuple[float, float, float]:
    """Langevin function ``coth q - 1/q`` with its first and second derivative.

    Written with r = L/q and s = (1/r - 3)/q^2, in which no derivative cancels near zero. Below 1.5, r and s come from
    the continued fraction L = q/(3 + q^2/(5 + q^2/(7 + ...))), cut behind 17: relative error below 2e-12.
    """
    x = q * q
    if x < 2.25:
        top = 328185.0 + x * (8580.0 + x * 39.0)
        bottom = 2297295.0 + x * (96525.0 + x * (858.0 + x))
        second = 5.0 * bottom + x * top
        first = 3.0 * second + x * bottom
        inverse = 1.0 / (second * first)
        r = second * second * inverse
        s = bottom * first * inverse
    else:
        size = abs(q)
        decay = math.exp(-2.0 * size)
        r = ((1.0 + decay) / (1.0 - decay) - 1.0 / size) / size
        s = (1.0 / r - 3.0) / x
    slope = 1.0 - x * r * r - 2.0 * r
    return q * r, slope, 2.0 * q * r * (r - s - slope)


@numba.njit(cache=True, nogil=True)
def susceptibility(
    m: float, h: float, rising: bool, saturation: float, shape: float, reversible: float
) -> tuple[float, float]:
    """Jiles-Atherton dM/dH at a point, and its derivative by M.

    The time derivatives are these values times dH/dt.
    """
    curve, slope, bend = langevin((h + ALPHA * m) / shape)
    gain = saturation / shape
    distance = saturation * curve - m
    irreversible = 0.0
    irreversible_by_m = 0.0
    if (distance > 0.0) == rising and distance != 0.0:
        pinning = (1.0 - reversible) * (PINNING if rising else -PINNING) - ALPHA * distance
        inverse = 1.0 / pinning
        distance_by_m = ALPHA * gain * slope - 1.0
        irreversible = (1.0 - reversible) * distance * inverse
        irreversible_by_m = (1.0 - reversible) * distance_by_m * inverse * (1.0 + ALPHA * distance * inverse)
    feedback = 1.0 / (1.0 - ALPHA * reversible * gain * slope)
    bend_by_m = ALPHA * reversible * gain / shape * bend
    value = (irreversible + reversible * gain * slope) * feedback
    return value, (irreversible_by_m + bend_by_m + value * ALPHA * bend_by_m) * feedback


@numba.njit(cache=True, nogil=True)
def field_rate(h: float, h_before: float, rate_before: float, period: float) -> float:
    """dH/dt by the alpha transform with 0.75."""
    rate = (1.0 + DIFFERENTIATOR) / period * (h - h_before) - DIFFERENTIATOR * rate_before
    return rate if abs(rate) > TINY_RATE else 0.0


@numba.njit(cache=True, nogil=True)
def hysteresis_newton(
    field: FloatArray,
    state: FloatArray,
    saturation: float,
    shape: float,
    reversible: float,
    period: float,
    max_steps: int,
) -> None:
    """Replace a field by its magnetisation: implicit rule, Newton's method from a linear prediction.

    A step is repeated while it moves M by more than 1e-5, at least once more where dH/dt changed sign, and `max_steps`
    times at most; the last step carries dM/dt on by linearisation. `state` holds M, H, dH/dt, dM/dt, dM/dH.
    """
    m, h_before, rate_before, f_before, gain = state
    weight = period / IMPLICIT_STEP
    for i in range(field.shape[0]):
        h = field[i]
        rate = field_rate(h, h_before, rate_before, period)
        start = m + weight * f_before
        f = 0.0
        m_next = start
        if rate != 0.0:
            rising = rate >= 0.0
            turned = rising != (rate_before >= 0.0)
            m_next = start + weight * rate * gain
            for step in range(max_steps):
                gain, gain_by_m = susceptibility(m_next, h, rising, saturation, shape, reversible)
                f = rate * gain
                f_by_m = rate * gain_by_m
                correction = (m_next - start - weight * f) / (1.0 - weight * f_by_m)
                m_next -= correction
                f -= f_by_m * correction
                if abs(correction) <= NEWTON_TOLERANCE and (step > 0 or not turned):
                    break
        if not abs(m_next) <= MAGNETISATION_LIMIT:
            m_next = 0.0
            rate = 0.0
            f = 0.0
            gain = 0.0
        m, h_before, rate_before, f_before = m_next, h, rate, f
        field[i] = m
    state[0], state[1], state[2], state[3], state[4] = m, h_before, rate_before, f_before, gain


@numba.njit(cache=True, nogil=True)
def hysteresis_runge_kutta(
    field: FloatArray,
    state: FloatArray,
    saturation: float,
    shape: float,
    reversible: float,
    period: float,
    order: int,
) -> None:
    """Replace a field by its magnetisation: midpoint rule (`order` 2) or the classic fourth-order rule (4).

    H and dH/dt at the half step are the means of both ends. `state` is that of `hysteresis_newton`.
    """
    m, h_before, rate_before = state[0], state[1], state[2]
    for i in range(field.shape[0]):
        h = field[i]
        rate = field_rate(h, h_before, rate_before, period)
        h_half, rate_half = 0.5 * (h + h_before), 0.5 * (rate + rate_before)
        half_rises = rate_half >= 0.0
        k1 = _slope(m, h_before, rate_before, rate_before >= 0.0, saturation, shape, reversible)
        k2 = _slope(m + 0.5 * period * k1, h_half, rate_half, half_rises, saturation, shape, reversible)
        if order == 2:
            m += period * k2
        else:
            k3 = _slope(m + 0.5 * period * k2, h_half, rate_half, half_rises, saturation, shape, reversible)
            k4 = _slope(m + period * k3, h, rate, rate >= 0.0, saturation, shape, reversible)
            m += period * (k1 + 2.0 * (k2 + k3) + k4) / 6.0
        if not abs(m) <= MAGNETISATION_LIMIT:
            m = 0.0
            rate = 0.0
        h_before, rate_before = h, rate
        field[i] = m
    state[0], state[1], state[2] = m, h_before, rate_before


@numba.njit(cache=True, nogil=True)
def _slope(m: float, h: float, rate: float, rising: bool, saturation: float, shape: float, reversible: float) -> float:
    """dM/dt."""
    if rate == 0.0:
        return 0.0
    return rate * susceptibility(m, h, rising, saturation, shape, reversible)[0]


@numba.njit(cache=True, nogil=True)
def symmetric_fir(padded: FloatArray, taps: FloatArray, n_samples: int) -> FloatArray:
    """Convolution with an even number of symmetric taps; `padded` begins with the last taps - 1 samples."""
    out = np.zeros(n_samples)
    n_taps = taps.shape[0]
    for j in range(n_taps // 2):
        tap = taps[j]
        for i in range(n_samples):
            out[i] += tap * (padded[i + j] + padded[i + n_taps - 1 - j])
    return out


@numba.njit(cache=True, nogil=True)
def halfband_up(block: FloatArray, taps: FloatArray, history: FloatArray) -> FloatArray:
    """Double the rate through a half-band FIR; `taps` are those beside the centre, `history` taps - 1 old samples."""
    n_samples = block.shape[0]
    padded = np.concatenate((history, block))
    filtered = symmetric_fir(padded, taps, n_samples)
    centre = taps.shape[0] // 2
    out = np.empty(2 * n_samples)
    for i in range(n_samples):
        out[2 * i] = 2.0 * filtered[i]
        out[2 * i + 1] = padded[i + centre]
    history[:] = padded[n_samples:]
    return out


@numba.njit(cache=True, nogil=True)
def halfband_down(block: FloatArray, taps: FloatArray, history: FloatArray, odd_history: FloatArray) -> FloatArray:
    """Halve the rate through a half-band FIR; `odd_history` holds taps / 2 old samples of the odd phase."""
    n_samples = block.shape[0] // 2
    even = np.concatenate((history, block[0::2]))
    odd = np.concatenate((odd_history, block[1::2]))
    out = symmetric_fir(even, taps, n_samples)
    for i in range(n_samples):
        out[i] += 0.5 * odd[i]
    history[:] = even[n_samples:]
    odd_history[:] = odd[n_samples:]
    return out


@numba.njit(cache=True, nogil=True)
def allpass_cascade(samples: FloatArray, coefficients: FloatArray, state: FloatArray) -> None:
    """Filter in place through sections y = a x + x[-1] - a y[-1]; `state` is (n_sections, 2): x[-1], y[-1]."""
    for section in range(coefficients.shape[0]):
        a = coefficients[section]
        x_before, y_before = state[section, 0], state[section, 1]
        for i in range(samples.shape[0]):
            x = samples[i]
            y = a * (x - y_before) + x_before
            y_before = y if abs(y) > TINY else 0.0
            x_before = x
            samples[i] = y_before
        state[section, 0], state[section, 1] = x_before, y_before


@numba.njit(cache=True, nogil=True)
def fir(block: FloatArray, taps: FloatArray, history: FloatArray) -> FloatArray:
    """Convolution with any taps; `history` holds taps - 1 old samples."""
    n_samples = block.shape[0]
    n_taps = taps.shape[0]
    padded = np.concatenate((history, block))
    out = np.zeros(n_samples)
    for j in range(n_taps):
        tap = taps[j]
        for i in range(n_samples):
            out[i] += tap * padded[i + n_taps - 1 - j]
    history[:] = padded[n_samples:]
    return out


@numba.njit(cache=True, nogil=True)
def second_order_sections(samples: FloatArray, sections: FloatArray, state: FloatArray) -> None:
    """Filter in place through biquads (rows b0 b1 b2 1 a1 a2), transposed form II; `state` is (n_sections, 2)."""
    for section in range(sections.shape[0]):
        b0, b1, b2 = sections[section, 0], sections[section, 1], sections[section, 2]
        a1, a2 = sections[section, 4], sections[section, 5]
        first, second = state[section, 0], state[section, 1]
        for i in range(samples.shape[0]):
            x = samples[i]
            y = b0 * x + first
            first = b1 * x - a1 * y + second
            second = b2 * x - a2 * y
            if abs(first) + abs(second) < TINY:
                first = 0.0
                second = 0.0
            samples[i] = y
        state[section, 0], state[section, 1] = first, second
