"""A seeded composer: chords, arpeggios, bass lines, melodies and drum patterns as timed notes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 1, 4), (1, 4, 0, 5), (0, 3, 4, 3), (0, 2, 3, 4), (0, 6, 5, 4))
MELODY_RHYTHMS = ((2, 1, 1, 2, 2), (3, 1, 2, 2), (1, 1, 1, 1, 4), (4, 2, 2), (3, 3, 2), (2, 2, 1, 1, 1, 1))  # eighths
COMP_RHYTHMS = ((0, 6, 10), (0, 4, 8, 12), (2, 6, 10, 14), (0, 3, 6, 10, 12))  # sixteenths
BASS_RHYTHMS = ((0, 8), (0, 4, 8, 12), (0, 3, 8, 11, 14), (0, 2, 4, 6, 8, 10, 12, 14), (0, 6, 8, 14))
DRUM_PATTERNS = (
    {"kick": (0, 8, 10), "snare": (4, 12), "closed_hat": (0, 2, 4, 6, 8, 10, 12), "open_hat": (14,)},
    {"kick": (0, 6, 10), "snare": (4, 12), "closed_hat": tuple(range(16))},
    {"kick": (0, 4, 8, 12), "snare": (4, 12), "open_hat": (2, 6, 10, 14), "shaker": tuple(range(16))},
    {"kick": (0, 3, 8), "snare": (4, 12, 15), "shaker": (0, 2, 4, 6, 8, 10, 12, 14)},
)
FILL = {"kick": (0,), "snare": (8, 9, 12, 13), "high_tom": (4, 5, 10, 11), "low_tom": (6, 7, 14, 15)}


@dataclass(frozen=True)
class Note:
    """One event: when (seconds), who, how hard (0..1), which pitch (MIDI number; ignored by drums)."""

    start_s: float
    length_s: float
    instrument: str
    velocity: float
    pitch: int = 60


@dataclass(frozen=True)
class Style:
    """An arrangement: tempo range and which instrument plays which part (None: nobody)."""

    tempo_bpm: tuple[float, float]
    pad: str | None = None
    comp: str | None = None
    arpeggio: str | None = None
    bass: str | None = None
    lead: str | None = None
    drums: bool = False
    swing: float = 0.0


STYLES = (
    Style((104, 128), comp="guitar", bass="bass", lead="brass", drums=True),
    Style((62, 78), pad="strings", arpeggio="piano", lead="flute"),
    Style((92, 108), comp="organ", bass="bass", lead="guitar", drums=True, swing=0.12),
    Style((80, 96), pad="strings", arpeggio="guitar", bass="bass", lead="bell"),
    Style((116, 138), pad="brass", comp="piano", bass="bass", lead="strings", drums=True),
)


@dataclass(frozen=True)
class _Bar:
    """What every part needs to know of one bar."""

    start_s: float
    sixteenth_s: float
    key: int
    scale: tuple[int, ...]
    degree: int
    swing: float

    def time_s(self, sixteenth: int) -> float:
        """Start of a sixteenth; every second eighth comes late by the swing."""
        late = self.swing * 4.0 if sixteenth % 4 == 2 else 0.0
        return self.start_s + (sixteenth + late) * self.sixteenth_s

    def pitch(self, degree: int) -> int:
        """MIDI number of a degree of the scale, 0 being the key's tonic."""
        octave, step = divmod(degree, len(self.scale))
        return self.key + 12 * octave + self.scale[step]

    def chord(self, centre: int, *, voices: int = 3) -> list[int]:
        """The chord's pitches, each in the octave around `centre`."""
        raw = [self.pitch(self.degree + 2 * voice) for voice in range(voices)]
        return sorted(centre - 6 + (pitch - centre + 6) % 12 for pitch in raw)


def compose(style: Style, *, length_s: float, generator: np.random.Generator) -> list[Note]:
    """Notes of one piece of music, no longer than the given length.

    Parameters
    ----------
    style : Style
        Who plays.
    length_s : float
        Seconds to fill; the last bar may break off.
    generator : numpy.random.Generator
        Chooses key, scale, tempo, chords, rhythms, melody, touch.

    Returns
    -------
    list of Note
        In no particular order.
    """
    sixteenth_s = 60.0 / generator.uniform(*style.tempo_bpm) / 4.0
    key = int(generator.integers(55, 67))
    scale = SCALES[str(generator.choice(list(SCALES)))]
    progression = PROGRESSIONS[generator.integers(len(PROGRESSIONS))]
    parts = _parts(style, generator)
    notes: list[Note] = []
    for index in range(int(np.ceil(length_s / (16 * sixteenth_s)))):
        degree = progression[index % len(progression)]
        bar = _Bar(index * 16 * sixteenth_s, sixteenth_s, key, scale, degree, style.swing)
        for part in parts:
            notes += part(bar, index, generator)
    return [_with_touch(note, generator) for note in notes if note.start_s < length_s]


_Part = Callable[[_Bar, int, np.random.Generator], list[Note]]


def _parts(style: Style, generator: np.random.Generator) -> list[_Part]:
    """One function for each part that somebody plays, with the rhythm chosen for the whole piece."""
    parts: list[_Part] = []
    if style.pad:
        parts.append(_pad(style.pad))
    if style.comp:
        parts.append(_comp(style.comp, COMP_RHYTHMS[generator.integers(len(COMP_RHYTHMS))]))
    if style.arpeggio:
        parts.append(_arpeggio(style.arpeggio, step=int(generator.choice([1, 2]))))
    if style.bass:
        parts.append(_bass(style.bass, BASS_RHYTHMS[generator.integers(len(BASS_RHYTHMS))]))
    if style.lead:
        parts.append(_melody(style.lead))
    if style.drums:
        parts.append(_drums(DRUM_PATTERNS[generator.integers(len(DRUM_PATTERNS))]))
    return parts


def _pad(instrument: str) -> _Part:
    def play(bar: _Bar, _index: int, _generator: np.random.Generator) -> list[Note]:
        length_s = 16 * bar.sixteenth_s
        return [Note(bar.start_s, length_s, instrument, 0.4, pitch) for pitch in bar.chord(62, voices=4)]

    return play


def _comp(instrument: str, rhythm: tuple[int, ...]) -> _Part:
    def play(bar: _Bar, _index: int, generator: np.random.Generator) -> list[Note]:
        voices = int(generator.choice([3, 4]))
        return [
            Note(bar.time_s(step), 2.5 * bar.sixteenth_s, instrument, 0.55, pitch)
            for step in rhythm
            for pitch in bar.chord(60, voices=voices)
        ]

    return play


def _arpeggio(instrument: str, *, step: int) -> _Part:
    def play(bar: _Bar, _index: int, generator: np.random.Generator) -> list[Note]:
        chord = bar.chord(62)
        ladder = [*chord, chord[0] + 12, chord[1] + 12, chord[0] + 12, *chord[:0:-1]]
        first = int(generator.integers(len(ladder)))
        return [
            Note(
                bar.time_s(at), 3 * step * bar.sixteenth_s, instrument, 0.6, ladder[(first + at // step) % len(ladder)]
            )
            for at in range(0, 16, step)
        ]

    return play


def _bass(instrument: str, rhythm: tuple[int, ...]) -> _Part:
    def play(bar: _Bar, _index: int, generator: np.random.Generator) -> list[Note]:
        # from E1 (41 Hz) upwards
        root = 28 + (bar.pitch(bar.degree) - 28) % 12
        lengths = np.diff([*rhythm, 16])
        notes = []
        for step, length in zip(rhythm, lengths, strict=True):
            jump = 0 if step == 0 else int(generator.choice([0, 0, 7, 12]))
            notes.append(Note(bar.time_s(step), 0.9 * length * bar.sixteenth_s, instrument, 0.9, root + jump))
        return notes

    return play


def _melody(instrument: str) -> _Part:
    degree = 7

    def play(bar: _Bar, index: int, generator: np.random.Generator) -> list[Note]:
        nonlocal degree
        if index % 4 == 3 and generator.random() < 0.4:
            return []  # breathe
        notes = []
        step = 0
        for eighths in MELODY_RHYTHMS[generator.integers(len(MELODY_RHYTHMS))]:
            degree = int(np.clip(degree + generator.choice([-2, -1, -1, 0, 1, 1, 2, 4]), 3, 15))
            if step % 8 == 0:
                degree += (bar.degree - degree) % 2  # lean towards the chord's own thirds on strong beats
            if generator.random() > 0.12:
                length_s = 2 * eighths * bar.sixteenth_s * 0.92
                notes.append(Note(bar.time_s(step), length_s, instrument, 0.8, bar.pitch(degree)))
            step += 2 * eighths
        return notes

    return play


def _drums(pattern: dict[str, tuple[int, ...]]) -> _Part:
    accents = {"kick": 1.0, "snare": 0.85, "closed_hat": 0.35, "open_hat": 0.4, "shaker": 0.25}

    def play(bar: _Bar, index: int, _generator: np.random.Generator) -> list[Note]:
        hits = FILL if index % 4 == 3 else pattern
        notes = [
            Note(bar.time_s(step), 0.0, drum, accents.get(drum, 0.8) * (1.0 if step % 4 == 0 else 0.75))
            for drum, steps in hits.items()
            for step in steps
        ]
        if index % 4 == 0:
            notes.append(Note(bar.start_s, 0.0, "crash", 0.55))
        return notes

    return play


def _with_touch(note: Note, generator: np.random.Generator) -> Note:
    """A player's small unevenness: 6 ms in time, 15 % in force."""
    start_s = max(0.0, note.start_s + 0.006 * generator.standard_normal())
    velocity = note.velocity * generator.uniform(0.85, 1.0)
    return Note(start_s, note.length_s, note.instrument, velocity, note.pitch)
