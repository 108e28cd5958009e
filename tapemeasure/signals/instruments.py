"""Pitched instruments: band-limited wavetables whose upper partials die sooner, vibrato, detuned voices."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.signals.fades import fade_in

HIGHEST_PARTIAL_HZ = 17000.0
MIDDLE_C_HZ = 261.63
_TABLE = 4096
# partials that decay together: 1..3, 4..10, above
_GROUP_EDGES = (1, 4, 11, 1 << 16)


@dataclass(frozen=True)
class Instrument:
    """A timbre.

    Parameters
    ----------
    roll_off : float
        Amplitude of partial k is k^-roll_off.
    pluck : float
        Where the string is struck (fraction of its length): partials with a node there are missing; 0 for none.
    partials : tuple of int
        The only partials that sound; empty for all.
    decay_s : tuple of three floats
        Time constants of the low, middle and high partials at middle C; infinite for a sustained tone.
    attack_s, release_s : float
        Raised-cosine rise, exponential fall behind the note's end.
    vibrato_hz, vibrato_cents : float
        Rate and peak depth.
    detune_cents : tuple of float
        One voice each.
    """

    roll_off: float
    decay_s: tuple[float, float, float]
    attack_s: float
    release_s: float
    pluck: float = 0.0
    partials: tuple[int, ...] = ()
    vibrato_hz: float = 0.0
    vibrato_cents: float = 0.0
    detune_cents: tuple[float, ...] = (0.0,)


_HELD = (np.inf, np.inf, np.inf)

INSTRUMENTS = {
    "piano": Instrument(1.2, (1.6, 0.7, 0.25), 0.003, 0.12, pluck=0.125, detune_cents=(-1.0, 1.0)),
    "guitar": Instrument(0.9, (1.0, 0.4, 0.12), 0.002, 0.08, pluck=0.21),
    "bass": Instrument(1.2, (0.9, 0.3, 0.08), 0.004, 0.06, pluck=0.15),
    "bell": Instrument(0.6, (1.8, 0.9, 0.4), 0.001, 0.5, partials=(1, 4, 7, 11, 13)),
    "organ": Instrument(0.7, _HELD, 0.008, 0.03, partials=(1, 2, 3, 4, 6, 8, 16), detune_cents=(0.0, 1.5)),
    "strings": Instrument(1.0, _HELD, 0.12, 0.2, vibrato_hz=5.1, vibrato_cents=7.0, detune_cents=(-7.0, 0.0, 6.0)),
    "brass": Instrument(0.75, (np.inf, 1.5, 0.6), 0.03, 0.08, vibrato_hz=4.6, vibrato_cents=5.0),
    "flute": Instrument(1.7, _HELD, 0.06, 0.1, vibrato_hz=5.6, vibrato_cents=14.0),
}


def play_note(instrument: Instrument, *, pitch: int, length_s: float, sample_rate: int) -> FloatArray:
    """Samples of one note with a peak near 1.

    Parameters
    ----------
    instrument : Instrument
        Who plays.
    pitch : int
        MIDI number; 69 is 440 Hz.
    length_s : float
        Seconds until the note is let go; the release sounds on behind.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_samples,)
        As long as the note and three time constants of its release.
    """
    frequency_hz = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    time_s = np.arange(round((length_s + 3.0 * instrument.release_s) * sample_rate)) / sample_rate
    groups = _partial_groups(instrument, frequency_hz, sample_rate)
    decay_scale = (MIDDLE_C_HZ / frequency_hz) ** 0.4
    envelopes = [np.exp(-time_s / (decay_s * decay_scale)) for decay_s in instrument.decay_s]
    total = np.zeros(len(time_s))
    for cents in instrument.detune_cents:
        phase = _phase_cycles(instrument, frequency_hz * 2.0 ** (cents / 1200.0), time_s)
        position = (phase - np.floor(phase)) * _TABLE
        index = position.astype(np.int64)
        fraction = position - index
        for table, envelope in zip(groups, envelopes, strict=True):
            if table is not None:
                below = table[index]
                total += envelope * (below + fraction * (table[index + 1] - below))
    total *= _envelope(instrument, time_s, length_s, sample_rate)
    return total / max(float(np.max(np.abs(total), initial=0.0)), 1e-9)


def _partial_groups(instrument: Instrument, frequency_hz: float, sample_rate: int) -> list[FloatArray | None]:
    """One cycle (and its first sample again) of each group of partials; None where a group is empty."""
    highest = int(min(HIGHEST_PARTIAL_HZ, 0.45 * sample_rate) / frequency_hz)
    order = np.arange(1, min(highest, _TABLE // 2 - 1) + 1)
    amplitude = order**-instrument.roll_off
    if instrument.pluck:
        amplitude = amplitude * np.abs(np.sin(np.pi * order * instrument.pluck))
    if instrument.partials:
        amplitude = amplitude * np.isin(order, instrument.partials)
    # scattered but fixed phases keep the crest of the cycle low
    phases = np.pi * order**2 / 7.0
    tables: list[FloatArray | None] = []
    for first, stop in pairwise(_GROUP_EDGES):
        chosen = (order >= first) & (order < stop) & (amplitude > 0.0)
        if not chosen.any():
            tables.append(None)
            continue
        spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
        spectrum[order[chosen]] = amplitude[chosen] * np.exp(1j * phases[chosen])
        cycle = np.fft.irfft(spectrum) * _TABLE / 2.0
        tables.append(np.append(cycle, cycle[0]))
    return tables


def _phase_cycles(instrument: Instrument, frequency_hz: float, time_s: FloatArray) -> FloatArray:
    phase = frequency_hz * time_s
    if instrument.vibrato_cents:
        depth = frequency_hz * (2.0 ** (instrument.vibrato_cents / 1200.0) - 1.0)
        rate = 2.0 * np.pi * instrument.vibrato_hz
        phase += depth / rate * (1.0 - np.cos(rate * time_s))
    return phase


def _envelope(instrument: Instrument, time_s: FloatArray, length_s: float, sample_rate: int) -> FloatArray:
    """Attack, hold, exponential release; the last sample falls to zero without a step."""
    envelope = np.ones(len(time_s))
    n_attack = min(round(instrument.attack_s * sample_rate), len(time_s))
    envelope[:n_attack] = fade_in(n_attack)
    n_held = round(length_s * sample_rate)
    released_s = time_s[n_held:] - length_s
    tail = np.linspace(1.0, 0.0, len(released_s))
    envelope[n_held:] *= np.exp(-np.maximum(released_s, 0.0) / instrument.release_s) * tail
    return envelope
