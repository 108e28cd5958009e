"""Dropouts of a tone: how many, how deep, how long."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.demodulation import demodulate_tone, edge_points, tone_frequency_hz
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.dropouts import Dropout, find_dropouts, usual_level
from tapemeasure.errors import ParameterError

THRESHOLD_DB = 6.0
HOLD_S = 2e-3
"""Two dips that are closer than this are one dropout."""


@dataclass(frozen=True)
class ToneDropout:
    """One dropout.

    Parameters
    ----------
    start_s : float
        Where the level falls below the threshold, time of the output.
    length_s, length_sigma_s : float
        Time below the threshold, and its standard uncertainty, from the distance of the points.
    depth_db : float
        Lowest level against the usual one, positive.
    depth_sigma_db : float
        Its standard uncertainty, from the tone's noise.
    """

    start_s: float
    length_s: float
    length_sigma_s: float
    depth_db: float
    depth_sigma_db: float


@dataclass(frozen=True)
class ToneDropouts:
    """Dropouts of a take.

    Parameters
    ----------
    events : tuple of ToneDropout
        In the order of time.
    per_minute, per_minute_sigma : float
        Rate, and the uncertainty of a count of rare events.
    longest_s, longest_sigma_s, deepest_db, deepest_sigma_db : float
        Of all events, with standard uncertainties; 0 where there is none.
    threshold_db : float
        Fall of the level from which it counts.
    duration_s : float
        Evaluated time.
    """

    events: tuple[ToneDropout, ...]
    per_minute: float
    per_minute_sigma: float
    longest_s: float
    longest_sigma_s: float
    deepest_db: float
    deepest_sigma_db: float
    threshold_db: float
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_dropouts(
    samples: FloatArray, *, sample_rate: float, frequency_hz: float, threshold_db: float = THRESHOLD_DB
) -> ToneDropouts:
    """Dropouts of a steady tone that a machine played: start, length (s) and depth (dB) of each.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        The tone as it came back, full scale 1.0.
    sample_rate : float
        Hz.
    frequency_hz : float
        Nominal frequency; up to 10 % beside it the tone is found. It bounds what is resolved: 0.4 of it, at most
        1000 Hz, so 1 ms at 2.5 kHz and above.
    threshold_db : float
        A level that falls by more counts, above 0.

    Raises
    ------
    SignalError
        If there is no such tone, or it is too short.
    ParameterError
        If the threshold is not above 0 dB.

    Notes
    -----
    The tone's amplitude against what is usual around it, as the trackers find the dropouts of a pilot. A dropout
    shorter than the band resolves reads less deep than it is. The uncertainty of the rate is that of a Poisson count,
    with one event more.
    """
    if not threshold_db > 0.0:
        raise ParameterError(f"threshold_db is {threshold_db:g} dB; give more than 0 dB")
    mean_hz = tone_frequency_hz(samples, sample_rate=sample_rate, nominal_hz=frequency_hz)
    tone = demodulate_tone(samples, sample_rate=sample_rate, frequency_hz=mean_hz)
    level = np.abs(tone.inner())
    usual = usual_level(level, rate_hz=tone.rate_hz)
    relative = level / np.maximum(usual, 1e-300)
    noise = 1.4826 * float(np.median(np.abs(relative - np.median(relative))))
    found = find_dropouts(
        level,
        usual,
        np.ones(len(level), dtype=np.bool_),
        time_s=(edge_points(tone) + np.arange(len(level))) / tone.rate_hz,
        threshold_db=threshold_db,
        shortest_s=0.0,
        hold_s=HOLD_S,
    )
    events = tuple(_event(dropout, noise=noise, step_s=1.0 / tone.rate_hz) for dropout in found)
    minutes = len(level) / tone.rate_hz / 60.0
    return ToneDropouts(
        events=events,
        per_minute=len(events) / minutes,
        per_minute_sigma=float(np.sqrt(len(events) + 1)) / minutes,
        longest_s=max((event.length_s for event in events), default=0.0),
        longest_sigma_s=max((event.length_sigma_s for event in events), default=0.0),
        deepest_db=max((event.depth_db for event in events), default=0.0),
        deepest_sigma_db=max(((event.depth_db, event.depth_sigma_db) for event in events), default=(0.0, 0.0))[1],
        threshold_db=threshold_db,
        duration_s=60.0 * minutes,
    )


def _event(dropout: Dropout, *, noise: float, step_s: float) -> ToneDropout:
    lowest = 10.0 ** (dropout.depth_db / 20.0)
    return ToneDropout(
        start_s=dropout.start_s,
        length_s=dropout.length_s,
        length_sigma_s=step_s / float(np.sqrt(6.0)),
        depth_db=-dropout.depth_db,
        depth_sigma_db=20.0 / float(np.log(10.0)) * min(noise / lowest, 1.0),
    )
