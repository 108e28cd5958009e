"""Steps in a delay that wanders: a sample lost or doubled moves everything behind it at once, as no tape can.

The difference from point to point is flutter and noise, and at a step one impulse more. The optimal detector of an
impulse in coloured noise is a matched filter that divides by the noise's own spectrum, which is measured: lines of
flutter are notched out, whatever their frequency.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.resolution import bridge

THRESHOLD = 7.0
"""Steps below so many standard deviations are noise: none in ten minutes of 4000 points a second."""

WHOLE = 0.25
"""How far a step may be from a whole number of samples."""

MOST_BY_FILTER = 2.5
FEW_POINTS = 3
SHARED = 0.2
"""Part of a change that a neighbour must have to count."""

SHAPE_POINTS = 8
"""Points to each side of a step that must look as the filter shows a step between pulses."""

UNLIKE = 0.5
"""How far they may be from that, relative to the step: a speed that changes at once rings, and is no step."""

ROUNDS = 4
SEGMENT = 256
LOCAL_S = 2.0


@dataclass(frozen=True)
class Step:
    """A step: from point `index` on the delay is `quanta` whole quanta more, known to `sigma` of one."""

    index: int
    quanta: int
    sigma: float


def find_steps(
    delay_s: FloatArray,
    good: BoolArray,
    *,
    quantum_s: float,
    rate_hz: float,
    smear: FloatArray | None = None,
    margin: int = 2,
) -> tuple[Step, ...]:
    """Steps by whole quanta (a sample's length) in a delay on a uniform grid, in the order of time.

    Parameters
    ----------
    delay_s : ndarray, shape (n_points,)
        Delay, seconds.
    good : ndarray of bool, shape (n_points,)
        Where it is known.
    quantum_s : float
        What a step is a multiple of, seconds.
    rate_hz : float
        Points per second.
    smear : ndarray, optional
        Impulse response of the filter that the delay went through; none by default.
    margin : int
        Points on each side of a step, and of a gap, that are not to be trusted.

    Notes
    -----
    A step must stand 7 standard deviations out of the background and be a whole number of quanta within 0.25. What
    goes and comes back within twice the margin is a click and no step. Between pulses, a speed that changes at once is
    told from a step by its response to the filter; within 1.3 s of it only larger steps are found.
    """
    kernel = np.ones(1) if smear is None else smear / smear.sum()
    if good.sum() < 8 * margin or len(delay_s) < 16:
        return ()
    smooth = bridge(delay_s, good)
    known = _eroded(good, margin)
    steps: list[Step] = []
    for _ in range(ROUNDS):
        seen = known[1:] & known[:-1]
        height, sigma, shape = _heights(np.diff(smooth), seen, kernel, rate_hz=rate_hz)
        places = _peaks(np.where(seen, np.abs(height) / sigma, 0.0), distance=margin)
        if margin <= FEW_POINTS:
            places = _step_like(places, height, shape)
        fresh = [
            step
            for place in places
            if (step := _measured(smooth, place, height, sigma, quantum_s, margin, float(shape[1]))) is not None
        ]
        fresh = _without_clicks(fresh, reach=2 * margin)
        if not fresh:
            break
        for step in fresh:
            smooth[step.index :] -= step.quanta * quantum_s
        steps += fresh
    return _merged(steps)


def _heights(
    change: FloatArray, known: BoolArray, kernel: FloatArray, *, rate_hz: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Height of a step at every place, its standard deviation, and how much of it is seen 0, 1, 2... places beside."""
    from scipy.signal import oaconvolve, welch

    # a gap goes on as its edges do: zeros would be impulses where the speed is off
    change = bridge(change, known)
    segment = min(SEGMENT, max(8, len(change) // 8 * 2))
    power = welch(change, rate_hz, nperseg=segment, average="median", detrend=False)[1] * rate_hz / 2.0
    if not power.any():
        return np.zeros(len(change)), np.full(len(change), np.inf), np.eye(1, segment)[0]
    # no more than 60 dB is taken out of a notch
    power = np.maximum(power, 1e-6 * power.max())
    response = np.fft.rfft(kernel, segment)
    strength = np.abs(response) ** 2
    # nothing is taken from where the filter has left nothing
    used = np.where(strength > 0.1 * strength.max(), strength, 0.0)
    weight = used / power
    taps = np.fft.irfft(weight / np.maximum(strength, 1e-12) * np.abs(response), segment)
    seen = np.fft.irfft(weight, segment)
    taps = np.fft.fftshift(taps) / seen[0]
    beyond = _prediction(power, order=segment // 4)
    half = segment // 2
    longer = np.concatenate([_continued(change[::-1], beyond, half)[::-1], change, _continued(change, beyond, half)])
    height = oaconvolve(longer, taps, mode="full")[2 * half :][: len(change)]
    sigma = _local_scatter(height, known, window=max(16, round(LOCAL_S * rate_hz)))
    return height, sigma, np.asarray(seen / seen[0], dtype=np.float64)


def _step_like(places: list[int], height: FloatArray, shape: FloatArray) -> list[int]:
    """Peaks around which the heights are those of a step, which a pulse may share between two places.

    What stands beside a larger peak that is none is none either.
    """
    lags = np.arange(-SHAPE_POINTS, SHAPE_POINTS + 1)
    design = np.stack([shape[np.abs(lags - beside)] for beside in (-1, 0, 1)], axis=1)
    padded = np.pad(height, SHAPE_POINTS)
    alike: list[int] = []
    others: list[int] = []
    for place in sorted(places, key=lambda each: -abs(float(height[each]))):
        if any(abs(place - other) < len(shape) // 2 for other in others):
            continue
        around = padded[place : place + len(lags)]
        left = around - design @ np.linalg.lstsq(design, around, rcond=None)[0]
        (alike if np.linalg.norm(left) < UNLIKE * np.linalg.norm(around) else others).append(place)
    return sorted(alike)


def _prediction(power: FloatArray, *, order: int) -> FloatArray:
    """Coefficients that predict a value of this power spectrum from the `order` values before it, the latest first."""
    from scipy.linalg import solve_toeplitz

    covariance = np.fft.irfft(power)[: order + 1]
    covariance[0] *= 1.0 + 1e-9
    return np.asarray(solve_toeplitz(covariance[:-1], covariance[1:]), dtype=np.float64)


def _continued(values: FloatArray, prediction: FloatArray, count: int) -> FloatArray:
    """The next `count` values: a filter across the end of a file must find flutter there and no edge."""
    known = np.zeros(len(prediction) + count)
    last = values[-len(prediction) :]
    known[len(prediction) - len(last) : len(prediction)] = last
    backward = prediction[::-1]
    for place in range(len(prediction), len(known)):
        known[place] = known[place - len(prediction) : place] @ backward
    return known[len(prediction) :]


def _local_scatter(values: FloatArray, known: BoolArray, *, window: int) -> FloatArray:
    """Robust standard deviation of the values around every place."""
    edges = np.arange(0, max(len(values) - window // 2, 1), window)
    middles, scatter = [], []
    for first in edges:
        part = np.abs(values[first : first + window][known[first : first + window]])
        if len(part) >= 8:
            middles.append(first + 0.5 * window)
            scatter.append(1.4826 * float(np.median(part)))
    if not scatter:
        return np.full(len(values), np.inf)
    local = np.interp(np.arange(len(values)), middles, scatter)
    return np.asarray(np.maximum(local, 0.5 * np.median(scatter) + 1e-15), dtype=np.float64)


def _peaks(relative: FloatArray, *, distance: int) -> list[int]:
    from scipy.signal import find_peaks

    padded = np.pad(relative, 1)
    return [int(place) - 1 for place in find_peaks(padded, height=THRESHOLD, distance=max(1, distance))[0]]


def _measured(
    smooth: FloatArray,
    place: int,
    height: FloatArray,
    sigma: FloatArray,
    quantum_s: float,
    margin: int,
    beside: float,
) -> Step | None:
    """The step between `place` and the next point; None where it is no whole number of quanta."""
    quanta = height[place] / quantum_s
    if margin <= FEW_POINTS:
        quanta = _with_neighbour(height, place, beside) / quantum_s
    elif abs(quanta) > MOST_BY_FILTER:
        # the phase of a filtered tone does not follow a large step in proportion: what is before and behind counts
        quanta = _fitted(smooth, place, margin) / quantum_s
    if not _is_whole(quanta):
        return None
    return Step(place + 1, round(quanta), float(sigma[place]) / quantum_s)


def _is_whole(quanta: float) -> bool:
    return round(quanta) != 0 and abs(quanta - round(quanta)) <= WHOLE + 0.01 * abs(quanta)


def _with_neighbour(height: FloatArray, place: int, beside: float) -> float:
    """Height of a change that two places beside each other may share.

    A step that falls into a pulse has a part on each side of it; one pulse that is out of line goes and comes back.
    """
    parts = [
        ((height[place] - beside * height[other]), (height[other] - beside * height[place]))
        for other in (place - 1, place + 1)
        if 0 <= other < len(height)
    ]
    own, shared = max(parts, key=lambda part: abs(part[1]))
    if abs(shared) < SHARED * abs(own):
        return float(height[place])
    return float((own + shared) / (1.0 - beside**2))


def _fitted(smooth: FloatArray, place: int, margin: int) -> float:
    """Height of a step between two stretches of a parabola."""
    reach = 3 * margin
    first, middle = max(0, place + 1 - margin - reach), place + 1
    before = np.arange(first, max(first, middle - margin))
    behind = np.arange(min(len(smooth), middle + margin), min(len(smooth), middle + margin + reach))
    if len(before) < margin or len(behind) < margin:
        return 0.0
    where = np.concatenate([before, behind]) - place - 0.5
    design = np.stack([np.ones(len(where)), where, where**2, np.where(where > 0, 1.0, 0.0)], axis=1)
    values = smooth[np.concatenate([before, behind])]
    return float(np.linalg.lstsq(design, values - values[0], rcond=None)[0][3])


def _without_clicks(steps: list[Step], *, reach: int) -> list[Step]:
    """Steps without those that cancel each other within `reach` points."""
    kept: list[Step] = []
    for step in steps:
        if kept and step.index - kept[-1].index <= reach and step.quanta + kept[-1].quanta == 0:
            kept.pop()
        else:
            kept.append(step)
    return kept


def _merged(steps: list[Step]) -> tuple[Step, ...]:
    """Steps in the order of time, those at one place added up."""
    total: dict[int, Step] = {}
    for step in steps:
        old = total.get(step.index)
        total[step.index] = Step(step.index, step.quanta + (old.quanta if old else 0), step.sigma)
    return tuple(total[index] for index in sorted(total) if total[index].quanta != 0)


def _eroded(good: BoolArray, margin: int) -> BoolArray:
    from scipy.ndimage import binary_erosion

    return np.asarray(binary_erosion(good, np.ones(2 * margin + 1, dtype=np.bool_), border_value=1))
