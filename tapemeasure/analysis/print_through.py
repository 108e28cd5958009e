"""Print-through: the echoes that a loud sound leaves on the neighbouring turns of the reel."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.units import db_from_amplitude

NEAREST_S, FARTHEST_S = 0.3, 5.0
"""Time that a turn of a reel takes: from a small hub at 15 in/s to a full one at 1.875 in/s."""

SURE = 5.0
"""An echo stands out of the correlation's floor by this factor."""

PITCH_STEPS = 8
MAX_TURNS = 2
"""An echo may slip by so many periods of its pitch over the sound, found in eighths of one."""


@dataclass(frozen=True)
class Echo:
    """One echo: distance from the sound, level against it, and its uncertainty; NaN where none stands out."""

    distance_s: float
    level_db: float
    sigma_db: float
    floor_db: float


@dataclass(frozen=True)
class PrintThrough:
    """Echoes before and after a sound; None where there is no silence to look into."""

    before: Echo | None
    after: Echo | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_print_through(
    output: FloatArray,
    *,
    sample_rate: float,
    start_s: float,
    stop_s: float,
    silent_from_s: float,
    silent_until_s: float,
    nearest_s: float = NEAREST_S,
    farthest_s: float = FARTHEST_S,
) -> PrintThrough:
    """Level of the echoes that a sound has printed onto the turns before and after it, dB against the sound.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        The take with its delay undone, full scale 1.0.
    sample_rate : float
        Hz.
    start_s, stop_s : float
        The loud sound, e.g. a burst of a second at 1 kHz.
    silent_from_s, silent_until_s : float
        Nothing else was played from the one to the other.
    nearest_s, farthest_s : float
        Where echoes are looked for, from start to start. The nearest is at least the sound's length.

    Raises
    ------
    ParameterError
        If the times do not follow each other.
    SignalError
        If the sound is silent.

    Notes
    -----
    Correlation of the silence with the sound itself, by its analytic signal; the echo may slip by two periods, because
    the reel shrinks. It counts from 5 times the correlation's floor on. Its level is that at the sound's own
    frequencies: print-through is strongest where the wavelength is 2 pi times the tape's thickness.
    """
    if not silent_from_s <= start_s < stop_s <= silent_until_s:
        raise ParameterError(
            f"print-through: the sound lasts from {start_s:g} to {stop_s:g} s, the silence from {silent_from_s:g} to "
            f"{silent_until_s:g} s; the sound lies within it"
        )
    first, stop = round(start_s * sample_rate), round(stop_s * sample_rate)
    sound = output[first:stop] - np.mean(output[first:stop])
    if len(sound) == 0 or not np.any(sound):
        raise SignalError("print-through: the sound is silent in the output; check the channel")
    near = max(round(nearest_s * sample_rate), len(sound))
    far = round(farthest_s * sample_rate)
    lowest = max(round(silent_from_s * sample_rate), first - far)
    highest = min(round(silent_until_s * sample_rate), len(output), stop + far)
    return PrintThrough(
        before=_echo(output[lowest : max(first - near + len(sound), 0)], sound, sample_rate, near, first - lowest, -1),
        after=_echo(output[first + near : highest], sound, sample_rate, near, near, 1),
    )


def _echo(
    silence: FloatArray, sound: FloatArray, sample_rate: float, near: int, offset: int, direction: int
) -> Echo | None:
    """The strongest echo of a sound in a silence whose first sample lies `offset` from the sound's start."""
    from scipy.signal import hilbert, oaconvolve

    if len(silence) < 2 * len(sound):
        return None
    pattern = np.asarray(hilbert(sound), dtype=np.complex128)
    energy = float(np.sum(np.square(sound)))
    gain = np.abs(np.asarray(oaconvolve(silence - np.mean(silence), np.conj(pattern)[::-1], "valid"))) / energy
    best = int(np.argmax(gain))
    # noise of a complex correlation: its magnitude is Rayleigh distributed
    floor = float(np.median(gain)) / float(np.sqrt(2.0 * np.log(2.0)))
    distance = (offset + best if direction > 0 else offset - best) / sample_rate
    sure = gain[best] > SURE * floor
    # the reel empties and its turns shorten: the echo is some parts in ten thousand off the sound's pitch
    product = silence[best : best + len(sound)] * np.conj(pattern)
    spectrum = np.abs(np.fft.fft(product, PITCH_STEPS * len(sound)))
    reach = MAX_TURNS * PITCH_STEPS
    level = float(max(np.max(spectrum[:reach]), np.max(spectrum[-reach:]))) / energy
    return Echo(
        distance_s=distance if sure else float("nan"),
        level_db=db_from_amplitude(level) if sure else float("nan"),
        sigma_db=20.0 / float(np.log(10.0)) * floor / level if sure else float("nan"),
        floor_db=db_from_amplitude(SURE * floor),
    )
