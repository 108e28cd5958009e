"""Faults on command: what goes wrong at a machine, its cables and its sound card, at a stated moment."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError
from tapemeasure.units import amplitude_from_db

FaultKind = Literal["dropout", "lost_block", "level", "dead", "inverted", "hum", "clip", "speed", "disconnect", "xrun"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
EVENTS: tuple[FaultKind, ...] = ("dropout", "lost_block", "disconnect", "xrun")
"""They happen at a moment; the others last until their end, or the deck's."""

DEFAULT_VALUES: dict[FaultKind, float] = {
    "dropout": 40.0,
    "lost_block": 256.0,
    "level": -30.0,
    "dead": 0.0,
    "inverted": 0.0,
    "hum": -30.0,
    "clip": 20.0,
    "speed": -3.0,
    "disconnect": 0.0,
    "xrun": 100.0,
}
LIMITS: dict[FaultKind, tuple[float, float]] = {
    "dropout": (0.1, 200.0),
    "lost_block": (-65536.0, 65536.0),
    "level": (-200.0, 60.0),
    "hum": (-140.0, 0.0),
    "clip": (0.0, 100.0),
    "speed": (-50.0, 50.0),
    "xrun": (1.0, 5000.0),
}
DROPOUT_S = 0.05
EDGE_S = 0.002
HUM_HZ = 50.0
PATTERN = re.compile(
    r"(?P<kind>[a-z_]+)(=(?P<value>[-+]?[0-9.]+))?(:(?P<channel>[0-9]+))?"
    r"(@(?P<start>[0-9.]+)(\+(?P<length>[0-9.]+))?)?"
)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    value : float
        dropout: depth, dB; lost_block: samples (negative: doubled); level: gain, dB; hum: rms level of 50 Hz, dBFS;
        clip: gain before full scale, dB; speed: deviation, percent; xrun: time that is slept, ms. Else without
        meaning.
    channel : int or None
        From 1; None: all.
    start_s : float or None
        Seconds after the sound began; None: at once.
    length_s : float or None
        Seconds; None: to the end.
    """

    kind: FaultKind
    value: float
    channel: int | None = None
    start_s: float | None = None
    length_s: float | None = None


def parse_fault(text: str) -> Fault:
    """Fault of a text ``KIND[=VALUE][:CHANNEL][@START[+LENGTH]]``, times in seconds.

    Raises
    ------
    ParameterError
        If it is none.

    Examples
    --------
    >>> parse_fault("dropout=20:2@3.5+0.1")
    Fault(kind='dropout', value=20.0, channel=2, start_s=3.5, length_s=0.1)
    """
    found = PATTERN.fullmatch(text.strip())
    kind = next((kind for kind in KINDS if found and found["kind"] == kind), None)
    if found is None or kind is None:
        raise ParameterError(
            f"fault {text}: write KIND[=VALUE][:CHANNEL][@START_S[+LENGTH_S]], for example dropout=40@12.5+0.05; "
            f"there are {', '.join(KINDS)}"
        )
    try:
        value = DEFAULT_VALUES[kind] if found["value"] is None else float(found["value"])
        start_s = None if found["start"] is None else float(found["start"])
        length_s = None if found["length"] is None else float(found["length"])
    except ValueError as error:
        raise ParameterError(f"fault {text}: {error}; give plain numbers") from error
    low, high = LIMITS.get(kind, (value, value))
    if not low <= value <= high or (kind == "lost_block" and value != round(value)):
        raise ParameterError(f"fault {text}: {value:g} is not in the range {low:g}..{high:g}")
    if length_s is None and kind == "dropout":
        length_s = DROPOUT_S
    channel = None if found["channel"] is None else int(found["channel"])
    if channel == 0:
        raise ParameterError(f"fault {text}: channels are counted from 1")
    return Fault(kind, value, channel, start_s, length_s)


def spoil(block: FloatArray, fault: Fault, *, age_s: FloatArray, sample_rate: int) -> FloatArray:
    """A block with one fault of level, polarity, hum or clipping in it.

    Parameters
    ----------
    block : ndarray, shape (n_samples, n_channels)
        Full scale 1.0.
    fault : Fault
        Of a kind that changes values and not time.
    age_s : ndarray, shape (n_samples,)
        Seconds since the fault began; negative before.
    sample_rate : int
        Hz.
    """
    on = _strength(fault, age_s, sample_rate=sample_rate)
    if not on.any():
        return block
    spoiled = block.copy()
    channels = slice(None) if fault.channel is None else slice(fault.channel - 1, fault.channel)
    part = spoiled[:, channels]
    weight = on[:, np.newaxis]
    match fault.kind:
        case "dropout":
            part *= amplitude_from_db(-fault.value) ** weight
        case "level":
            part *= np.where(weight > 0.0, amplitude_from_db(fault.value), 1.0)
        case "dead":
            part[on > 0.0] = 0.0
        case "inverted":
            part[on > 0.0] *= -1.0
        case "hum":
            wave = np.sqrt(2.0) * amplitude_from_db(fault.value) * np.sin(2.0 * np.pi * HUM_HZ * age_s)
            part += (on * wave)[:, np.newaxis]
        case "clip":
            driven = np.clip(part * amplitude_from_db(fault.value), -1.0, 1.0)
            part[on > 0.0] = driven[on > 0.0]
        case _:
            pass
    return spoiled


def _strength(fault: Fault, age_s: FloatArray, *, sample_rate: int) -> FloatArray:
    """0 where the fault is off, 1 where it is on; dropouts have soft edges."""
    length_s = np.inf if fault.length_s is None else fault.length_s
    inside = (age_s >= 0.0) & (age_s < length_s)
    if fault.kind != "dropout":
        return inside.astype(np.float64)
    edge_s = max(min(EDGE_S, length_s / 4.0), 1.0 / sample_rate)
    depth = np.clip(np.minimum(age_s, length_s - age_s) / edge_s, 0.0, 1.0)
    return np.asarray(np.where(inside, depth, 0.0), dtype=np.float64)
