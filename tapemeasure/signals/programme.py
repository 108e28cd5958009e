"""The built-in programme: seeded music with several instruments and drums, quiet and loud passages, true silences."""

from itertools import pairwise

import numpy as np

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.signals.drums import DRUMS, play_drum
from tapemeasure.signals.fades import faded
from tapemeasure.signals.instruments import INSTRUMENTS, play_note
from tapemeasure.signals.score import STYLES, Note, Style, compose
from tapemeasure.units import amplitude_from_db

PIECE_S = 20.0
SHORTEST_S = 0.05
SILENCE_S = (0.8, 1.3)
ENDING_S = 0.4
PHRASE_LEVELS_DB = (-24.0, -13.0, -6.0, 0.0)
PHRASE_RAMP_S = 0.4
DENSITY = 1.6
REVERB_DECAY_S = 0.3
REVERB_GAIN_DB = -14.0

BALANCE = {
    "piano": 0.5, "guitar": 0.45, "bass": 0.8, "bell": 0.35, "organ": 0.25, "strings": 0.35, "brass": 0.35,
    "flute": 0.6, "kick": 1.0, "snare": 0.8, "low_tom": 0.8, "high_tom": 0.7, "closed_hat": 0.5, "open_hat": 0.5,
    "shaker": 0.5, "crash": 0.6,
}  # fmt: skip


def synthesize_programme(
    *,
    length_samples: int,
    sample_rate: int,
    peak_dbfs: float,
    generator: np.random.Generator,
    progress: Progress = no_progress,
) -> FloatArray:
    """Music of a given length and peak level.

    Parameters
    ----------
    length_samples : int
        Below 50 ms there is no music, only zeros.
    sample_rate : int
        Hz.
    peak_dbfs : float
        Level of the largest sample; 0 dBFS is an amplitude of 1.0.
    generator : numpy.random.Generator
        Equal generators give equal samples. The notes are the same at every sample rate.
    progress : callable
        Told the completed fraction.

    Returns
    -------
    ndarray, shape (length_samples,)
        Pieces of about 20 s in changing styles; each runs through phrases from -24 dB to 0 dB and ends in at
        least 0.8 s of exact zeros (a fifth of the piece where it is shorter than 4 s).
    """
    if length_samples < SHORTEST_S * sample_rate:
        return np.zeros(length_samples)
    count = max(1, round(length_samples / sample_rate / PIECE_S))
    edges = np.round(np.linspace(0, length_samples, count + 1)).astype(np.int64)
    order = generator.permutation(len(STYLES))
    programme = np.zeros(length_samples)
    for index, (start, stop) in enumerate(pairwise(edges)):
        score_generator, sound_generator = generator.spawn(2)
        programme[start:stop] = _piece(
            STYLES[order[index % len(order)]],
            length_samples=int(stop - start),
            sample_rate=sample_rate,
            score_generator=score_generator,
            sound_generator=sound_generator,
        )
        progress((index + 1) / count)
    return amplitude_from_db(peak_dbfs) * _normalised(programme)


def _piece(
    style: Style,
    *,
    length_samples: int,
    sample_rate: int,
    score_generator: np.random.Generator,
    sound_generator: np.random.Generator,
) -> FloatArray:
    """One piece with a peak of 1, and the silence behind it."""
    length_s = length_samples / sample_rate
    silence_s = min(float(score_generator.uniform(*SILENCE_S)), 0.2 * length_s)
    n_music = length_samples - int(np.ceil(silence_s * sample_rate))
    notes = compose(style, length_s=n_music / sample_rate, generator=score_generator)
    levels_db = score_generator.permutation(PHRASE_LEVELS_DB) if length_s > 6.0 else np.array([0.0])
    music = _render(notes, length_samples=n_music, sample_rate=sample_rate, generator=sound_generator)
    music = _with_room(music, sample_rate=sample_rate, generator=sound_generator)
    # a master's limiter: more density below the same peak
    music = np.tanh(DENSITY * _normalised(music))
    music *= _phrase_gains(levels_db, length_samples=n_music, sample_rate=sample_rate)
    music = faded(music, fade_in_samples=round(0.002 * sample_rate), fade_out_samples=round(ENDING_S * sample_rate))
    piece = np.zeros(length_samples)
    piece[:n_music] = _normalised(music)
    return piece


def _render(notes: list[Note], *, length_samples: int, sample_rate: int, generator: np.random.Generator) -> FloatArray:
    """All notes mixed; equal notes are computed once."""
    mix = np.zeros(length_samples)
    kit = {name: play_drum(drum, sample_rate=sample_rate, generator=generator) for name, drum in DRUMS.items()}
    known: dict[tuple[str, int, int], FloatArray] = {}
    for note in notes:
        if note.instrument in kit:
            sound = kit[note.instrument]
        else:
            key = (note.instrument, note.pitch, round(note.length_s * 1000.0))
            if key not in known:
                known[key] = play_note(
                    INSTRUMENTS[note.instrument], pitch=note.pitch, length_s=key[2] / 1000.0, sample_rate=sample_rate
                )
            sound = known[key]
        start = round(note.start_s * sample_rate)
        part = sound[: max(length_samples - start, 0)]
        mix[start : start + len(part)] += BALANCE[note.instrument] * note.velocity * part
    return mix


def _with_room(samples: FloatArray, *, sample_rate: int, generator: np.random.Generator) -> FloatArray:
    """Signal with the tail of a small room, an exponentially decaying noise."""
    from scipy.signal import oaconvolve

    time_s = np.arange(round(4.0 * REVERB_DECAY_S * sample_rate)) / sample_rate
    tail = generator.standard_normal(len(time_s)) * np.exp(-time_s / REVERB_DECAY_S)
    tail *= amplitude_from_db(REVERB_GAIN_DB) / np.sqrt(np.sum(np.square(tail)))
    wet: FloatArray = oaconvolve(samples, tail)[: len(samples)]
    return samples + wet


def _normalised(samples: FloatArray) -> FloatArray:
    """Signal with a peak of 1; silence stays silence."""
    return samples / max(float(np.max(np.abs(samples))), 1e-12)


def _phrase_gains(levels_db: FloatArray, *, length_samples: int, sample_rate: int) -> FloatArray:
    """Gain over time: phrases of equal length, with ramps between them."""
    phrase_samples = length_samples / len(levels_db)
    half_ramp = min(0.5 * PHRASE_RAMP_S * sample_rate, 0.4 * phrase_samples)
    borders = np.arange(1, len(levels_db)) * phrase_samples
    knots = np.stack([borders - half_ramp, borders + half_ramp], axis=1).ravel()
    result: FloatArray = 10.0 ** (
        np.interp(np.arange(length_samples), [0.0, *knots], np.repeat(levels_db, 2)[:-1]) / 20.0
    )
    return result
