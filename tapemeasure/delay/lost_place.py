"""Where in the output a step of the delay stands: before it the one delay fits the waveform, behind it the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import FloatArray, IntArray
from tapemeasure.delay.lost_samples import LostSamples, from_repaired, repair_output, to_repaired

BESIDE_S = 0.01
"""How far beyond its reach a step's surroundings are not to be trusted."""

HEARD_HZ, HEARD_S = 300.0, 0.02
"""What is compared: no bass, which one sample hardly moves, and so much to either side for the filter to settle."""

ALIKE = 4.0
"""Errors of so many samples beside each other tell as much as one: they are not white."""

AROUND_S = 0.5
APART_S = 0.02
"""Steps nearer than this are one."""

Model = Callable[[FloatArray, int], FloatArray]
"""What stands in the repaired output from a sample on, given its delay there in samples."""


@dataclass(frozen=True)
class Jump:
    """A step of the delay by `samples`, within `reach_s` of a time in the repaired output, known to `sigma_s`.

    `bridged`: the knots lead up to it from both sides, else they are not to be trusted within its reach.
    """

    time_s: float
    samples: float
    reach_s: float
    sigma_s: float = np.inf
    bridged: bool = False


@dataclass(frozen=True)
class Knots:
    """Delay of the repaired output in samples, every `hop` samples."""

    hop: int
    delay: FloatArray


def joined(
    lost: tuple[LostSamples, ...],
    jumps: Sequence[Jump],
    output: FloatArray,
    knots: Knots,
    model: Model,
    *,
    sample_rate: float,
) -> tuple[LostSamples, ...]:
    """Lost samples in the order of time, those known corrected by the jumps beside them, the other jumps added.

    Parameters
    ----------
    lost : tuple of LostSamples
        By which the output was repaired when the jumps were found.
    jumps : sequence of Jump
        What is left of steps there.
    output : ndarray, shape (n_samples,)
        As it is, its polarity put right.
    knots : Knots
        Delay of the repaired output, right but for the jumps and what is within their reach.
    model : callable
        Plays the input.
    sample_rate : float
        Hz.
    """
    events = {event.time_s: event for event in lost}
    for jump in jumps:
        when_s = float(from_repaired(np.array([jump.time_s]), lost, sample_rate=sample_rate)[0][0])
        beside = [event for event in lost if abs(event.time_s - when_s) < APART_S + jump.reach_s]
        old = min(beside, key=lambda event: abs(event.time_s - when_s)) if beside else None
        size = round(jump.samples) + (old.samples if old else 0)
        if old is not None:
            events.pop(old.time_s, None)
        if size:
            time_s = _place(jump, old, size, lost, output, knots, model, sample_rate)
            events[time_s] = LostSamples(time_s, size, knots.hop / sample_rate, 0.0)
    return _merged([events[time_s] for time_s in sorted(events)])


def _merged(events: list[LostSamples]) -> tuple[LostSamples, ...]:
    """Events in the order of time, those beside each other as one, where the larger is."""
    kept: list[LostSamples] = []
    for event in events:
        if not kept or event.time_s - kept[-1].time_s > APART_S:
            kept.append(event)
            continue
        last = kept.pop()
        main = max(last, event, key=lambda each: abs(each.samples))
        if total := last.samples + event.samples:
            kept.append(replace(main, samples=total))
    return tuple(kept)


def _place(
    jump: Jump,
    old: LostSamples | None,
    size: int,
    lost: tuple[LostSamples, ...],
    output: FloatArray,
    knots: Knots,
    model: Model,
    sample_rate: float,
) -> float:
    """Time in the output of a step by `size` samples, of which the repair by `old` has left a jump."""
    others = tuple(event for event in lost if event is not old)
    raw_s = from_repaired(np.array([jump.time_s]), lost, sample_rate=sample_rate)[0]
    centre_s = float(to_repaired(raw_s, others, sample_rate=sample_rate)[0])
    centre, reach = round(centre_s * sample_rate), round(jump.reach_s * sample_rate)
    heard = repair_output(output, others, sample_rate=sample_rate)
    beside = round(HEARD_S * sample_rate)
    where = np.arange(max(centre - reach - beside, 0), min(centre + reach + beside, len(heard)))
    first, stop = int(where[0]) - abs(size), int(where[-1]) + 1 + abs(size)
    played = model(_smooth(jump, knots, np.arange(first, stop), sample_rate), first)
    target, before, behind = _without_bass(
        np.stack([heard[where], played[where - first], played[where - first - size]]), sample_rate=sample_rate
    )
    gain = float(np.std(target)) / max(float(np.std(before)), 1e-30)
    change = (target - gain * before) ** 2 - (target - gain * behind) ** 2
    searched = slice(max(0, centre - reach - int(where[0])), max(1, centre + reach - int(where[0])))
    noise = float(np.mean(np.minimum((target - gain * before) ** 2, (target - gain * behind) ** 2)))
    cost = np.concatenate([[0.0], np.cumsum(change[searched])]) / max(ALIKE * noise, 1e-300)
    cost += (
        (np.arange(len(cost)) + where[searched.start] - centre_s * sample_rate) / (jump.sigma_s * sample_rate)
    ) ** 2
    place_s = (int(where[searched.start]) + int(np.argmin(cost))) / sample_rate
    return float(from_repaired(np.array([place_s]), others, sample_rate=sample_rate)[0][0])


def _without_bass(signals: FloatArray, *, sample_rate: float) -> FloatArray:
    from scipy.signal import butter, sosfiltfilt

    high = butter(2, HEARD_HZ, "highpass", fs=sample_rate, output="sos")
    return np.asarray(sosfiltfilt(high, signals, axis=1), dtype=np.float64)


def _smooth(jump: Jump, knots: Knots, where: IntArray, sample_rate: float) -> FloatArray:
    """Delay at samples of the output from which the jump is taken away, across it as its surroundings lead."""
    from scipy.interpolate import CubicSpline

    place = np.arange(len(knots.delay)) * float(knots.hop)
    distance_s = place / sample_rate - jump.time_s
    apart_s = knots.hop / sample_rate if jump.bridged else jump.reach_s + BESIDE_S
    known = (np.abs(distance_s) >= apart_s) & (np.abs(distance_s) < apart_s + AROUND_S)
    behind = np.where(distance_s > 0.0, jump.samples, 0.0)[known]
    places, delays = place[known] - behind, knots.delay[known] - behind
    if len(places) < 4 or not (np.diff(places) > 0.0).all():
        return np.full(len(where), float(np.median(knots.delay)))
    return np.asarray(CubicSpline(places, delays)(np.clip(where, places[0], places[-1])), dtype=np.float64)
