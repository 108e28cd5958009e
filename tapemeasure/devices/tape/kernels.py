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

MAGNETISATION_LIMIT = 20.0
TINY = 1e-30
TINY_STEP = 1e-25
NEAR = 3e-4
"""How far, in units of the field scale, the Langevin function is extrapolated: its slope is then within 1e-8."""

TILE = 512
"""Samples that a filter works on at a time, so that they stay in the fastest memory."""

STATE_SIZE = 7


@numba.njit(cache=True, nogil=True, error_model="numpy")
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
def field_step(h: float, h_before: float, step_before: float) -> float:
    """T dH/dt by the alpha transform with 0.75."""
    step = (1.0 + DIFFERENTIATOR) * (h - h_before) - DIFFERENTIATOR * step_before
    return step if abs(step) > TINY_STEP else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def hysteresis_newton(
    field: FloatArray,
    state: FloatArray,
    saturation: float,
    shape: float,
    reversible: float,
    tolerance: float,
    max_steps: int,
) -> None:
    """Replace a field by its magnetisation: implicit rule, Newton's method from a linear prediction.

    A step is repeated while it moves M by more than `tolerance` or over the kink at D = 0, `max_steps` times at most.
    `state` holds M, M before, H, T dH/dt, T/1.9 dM/dt, and dM/dH where the field last rose and fell. Everything that
    does not need M itself is computed for the last but one M, and the Langevin function is carried on from there by
    its derivatives: the processor can begin a sample before it knows the one before.

    Notes
    -----
    Residual and slope of the Newton step are multiplied by E^2, E = (1-c) delta k - alpha D, so that one division is
    left. In the slope, terms in alpha L'' are left out; they cost no accuracy of the result. 1/(1 - e), e = alpha c
    (M_s/a) L' < 0.01, is the product (1 + e)(1 + e^2)(1 + e^4).
    """
    m, m_before, h_before, step_before, moved, rising_gain, falling_gain = state
    inverse_shape = 1.0 / shape
    reversible_gain = reversible * saturation * inverse_shape
    irreversible = 1.0 - reversible
    by_m = ALPHA * inverse_shape
    for i in range(field.shape[0]):
        h = field[i]
        step = field_step(h, h_before, step_before)
        u = step / IMPLICIT_STEP
        start = m + moved
        m_next = start
        moved = 0.0
        if step != 0.0:
            curve_0, slope_0, bend_0 = langevin((h + ALPHA * m_before) * inverse_shape)
            rising = step > 0.0
            m_next = start + u * (rising_gain if rising else falling_gain)
            pinning = irreversible * (PINNING if rising else -PINNING)
            for iteration in range(max_steps):
                ahead = (m_next - m_before) * by_m
                if iteration == 0 and abs(ahead) < NEAR:
                    curve = curve_0 + ahead * (slope_0 + 0.5 * ahead * bend_0)
                    slope = slope_0 + ahead * bend_0
                else:
                    curve, slope, _ = langevin((h + ALPHA * m_next) * inverse_shape)
                distance = saturation * curve - m_next
                driving = distance if (distance > 0.0) == rising else 0.0
                free = irreversible if (distance > 0.0) == rising else 0.0
                below = pinning - ALPHA * driving
                e = ALPHA * reversible_gain * slope
                fed_back = u * (1.0 + e) * (1.0 + e * e) * (1.0 + e * e * e * e)
                residual = (
                    (m_next - start) * below - fed_back * (irreversible * driving + reversible_gain * slope * below)
                ) * below
                by_newton = below * below - fed_back * free * (by_m * saturation * slope - 1.0) * pinning
                correction = residual / by_newton
                m_next -= correction
                if abs(correction) <= tolerance and (distance > 0.0) == (distance + correction > 0.0):
                    break
            moved = m_next - start
            if rising:
                rising_gain = moved / u
            else:
                falling_gain = moved / u
        if not abs(m_next) <= MAGNETISATION_LIMIT:
            m_next = step = moved = rising_gain = falling_gain = 0.0
        m_before = m
        m, h_before, step_before = m_next, h, step
        field[i] = m
    state[0], state[1], state[2], state[3] = m, m_before, h_before, step_before
    state[4], state[5], state[6] = moved, rising_gain, falling_gain


@numba.njit(cache=True, nogil=True, error_model="numpy")
def hysteresis_runge_kutta(
    field: FloatArray, state: FloatArray, saturation: float, shape: float, reversible: float, order: int
) -> None:
    """Replace a field by its magnetisation: midpoint rule (`order` 2) or the classic fourth-order rule (4).

    H and dH/dt at the half step are the means of both ends. `state` holds M, M before, H, T dH/dt, and M once more
    before; the last two numbers are not used.
    """
    m, m_before, h_before, step_before = state[0], state[1], state[2], state[3]
    tape = (saturation, shape, reversible)
    at_start = _expanded(h_before, state[4], shape)
    for i in range(field.shape[0]):
        h = field[i]
        step = field_step(h, h_before, step_before)
        half_step = 0.5 * (step + step_before)
        at_half = _expanded(0.5 * (h + h_before), m_before, shape)
        at_end = _expanded(h, m_before, shape)
        k1 = _rise(m, step_before, at_start, tape)
        k2 = _rise(m + 0.5 * k1, half_step, at_half, tape)
        if order == 2:
            m_next = m + k2
        else:
            k3 = _rise(m + 0.5 * k2, half_step, at_half, tape)
            k4 = _rise(m + k3, step, at_end, tape)
            m_next = m + (k1 + 2.0 * (k2 + k3) + k4) / 6.0
        if not abs(m_next) <= MAGNETISATION_LIMIT:
            m_next = step = 0.0
        m_before = m
        m, h_before, step_before, at_start = m_next, h, step, at_end
        field[i] = m
    state[0], state[1], state[2], state[3], state[4] = m, m_before, h_before, step_before, at_start[1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _expanded(h: float, m: float, shape: float) -> tuple[float, float, float, float, float]:
    """Field, magnetisation, and the Langevin function with its derivatives there."""
    curve, slope, bend = langevin((h + ALPHA * m) / shape)
    return h, m, curve, slope, bend


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rise(
    m: float, step: float, near: tuple[float, float, float, float, float], tape: tuple[float, float, float]
) -> float:
    """T dM/dt; `near` is the Langevin function at the same field and a magnetisation nearby."""
    if step == 0.0:
        return 0.0
    saturation, shape, reversible = tape
    h, m_near, curve, slope, bend = near
    ahead = (m - m_near) * ALPHA / shape
    if abs(ahead) < NEAR:
        curve += ahead * (slope + 0.5 * ahead * bend)
        slope += ahead * bend
    else:
        curve, slope, _ = langevin((h + ALPHA * m) / shape)
    distance = saturation * curve - m
    reversible_rise = reversible * saturation / shape * slope
    rising = step > 0.0
    driving = distance if (distance > 0.0) == rising else 0.0
    below = (1.0 - reversible) * (PINNING if rising else -PINNING) - ALPHA * driving
    e = ALPHA * reversible_rise
    fed_back = (1.0 + e) * (1.0 + e * e) * (1.0 + e * e * e * e)
    return step * fed_back * ((1.0 - reversible) * driving / below + reversible_rise)


@numba.njit(cache=True, nogil=True)
def symmetric_fir(padded: FloatArray, taps: FloatArray, n_samples: int) -> FloatArray:
    """Convolution with an even number of symmetric taps; `padded` begins with the last taps - 1 samples."""
    out = np.zeros(n_samples)
    n_taps = taps.shape[0]
    for begin in range(0, n_samples, TILE):
        tile = out[begin : begin + TILE]
        for j in range(n_taps // 2):
            tap = taps[j]
            early = padded[begin + j :]
            late = padded[begin + n_taps - 1 - j :]
            for i in range(tile.shape[0]):
                tile[i] += tap * (early[i] + late[i])
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
    """Filter in place through sections y = a x + x[-1] - a y[-1]; `state` is (n_sections, 2): x[-1], y[-1].

    All sections work on a sample before the next one: the processor overlaps a section with the one before.
    """
    for i in range(samples.shape[0]):
        x = samples[i]
        for section in range(coefficients.shape[0]):
            y = coefficients[section] * (x - state[section, 1]) + state[section, 0]
            state[section, 0] = x
            x = y if abs(y) > TINY else 0.0
            state[section, 1] = x
        samples[i] = x


@numba.njit(cache=True, nogil=True)
def fir(block: FloatArray, taps: FloatArray, history: FloatArray) -> FloatArray:
    """Convolution with any taps; `history` holds taps - 1 old samples."""
    n_samples = block.shape[0]
    n_taps = taps.shape[0]
    padded = np.concatenate((history, block))
    out = np.zeros(n_samples)
    for begin in range(0, n_samples, TILE):
        tile = out[begin : begin + TILE]
        for j in range(n_taps):
            tap = taps[j]
            source = padded[begin + n_taps - 1 - j :]
            for i in range(tile.shape[0]):
                tile[i] += tap * source[i]
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
