"""What a virtual deck knows of itself: the exact delay of what it played, where sounds began, what went wrong."""

from dataclasses import replace
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.deck.transport import Deck
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 1000.0


def deck_trajectories(deck: Deck) -> dict[str, DelayTrajectory]:
    """Delay of a deck's output behind its input since its tape began to move, seconds at output time.

    Parameters
    ----------
    deck : Deck
        With a tape that moved. One that plays what it recorded before is late against the tape's own time axis, whose
        zero is the start of recording.

    Returns
    -------
    dict
        ``delay`` of channel 1, and ``azimuth``, the delay of channel 2 behind it, where the tape has any.

    Notes
    -----
    The machine's latency, its transport, samples that got lost and wrong speeds are in it; the sound card's own delay
    is not.
    """
    rate = deck.sample_rate
    time_s = np.arange(max(2, int(deck.position / rate * RATE_HZ) + 1)) / RATE_HZ
    played_s = time_s.copy()
    if deck.slip is not None:
        played_s -= deck.slip.delay_samples(time_s * rate) / rate
    machine = deck.machine
    if machine is None:
        return {"delay": _trajectory(time_s - played_s)}
    played_s -= machine.latency_samples / rate
    recorded_s = played_s if machine.truth is None else played_s - machine.truth.at(played_s)
    if deck.moved == "playing":
        recorded_s = deck.reel.position_samples(recorded_s)
    further = {name: _trajectory(truth.at(played_s)) for name, truth in machine.truths.items()}
    return {"delay": _trajectory(time_s - recorded_s), **further}


def _trajectory(delay_s: FloatArray) -> DelayTrajectory:
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=RATE_HZ,
        delay_s=delay_s,
        sigma_s=np.zeros(len(delay_s)),
        valid=np.ones(len(delay_s), dtype=np.bool_),
    )


def for_take(truth: DelayTrajectory, *, sound_s: float, first_sound_s: float) -> DelayTrajectory:
    """A deck's trajectory on the time axis of a take, but for the sound card's constant delay.

    Parameters
    ----------
    truth : DelayTrajectory
        One of what `deck_trajectories` gave.
    sound_s : float
        When the take's sound began, seconds on the deck's time axis (one of ``sounds_s``).
    first_sound_s : float
        Where the first sample that is not zero lies in the take's input, seconds.
    """
    return replace(truth, start_s=truth.start_s - sound_s + first_sound_s)


def deck_facts(deck: Deck) -> dict[str, Any]:
    """What stands beside the trajectory: plain values, seconds since the tape began to move."""
    latency_samples = 0 if deck.machine is None else deck.machine.latency_samples
    return {
        "sample_rate": deck.sample_rate,
        "n_channels": deck.n_channels,
        "latency_samples": latency_samples + deck.reserve_samples,
        "played_samples": deck.position,
        "sounds_s": [sound / deck.sample_rate for sound in deck.sounds],
        "events": list(deck.log),
    }
