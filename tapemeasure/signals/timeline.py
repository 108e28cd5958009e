"""The timeline: every segment of a stimulus by name, so that later stages address signals and not sample numbers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import AudioFileError, SignalError
from tapemeasure.io import read_json, write_json

SegmentKind = Literal["marker", "silence", "sweep", "step", "multitone", "two_tone", "programme"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
PilotKind = Literal["pulses", "tone", "inband", "none"]


@dataclass(frozen=True)
class Segment:
    """A named stretch of the stimulus.

    Parameters
    ----------
    name : str
        Unique in its timeline, e.g. ``sweep_-18dBFS``.
    kind : str
        What is played, one of `SegmentKind`.
    start_samples, length_samples : int
        Position in the stimulus.
    level_dbfs : float or None
        Peak level of the test signal; None for silence.
    frequencies_hz : tuple of float
        Start and stop of a sweep, the frequencies of tones; empty otherwise.
    split : str or None
        Set that a programme segment belongs to, one of `Split`.
    """

    name: str
    kind: SegmentKind
    start_samples: int
    length_samples: int
    level_dbfs: float | None = None
    frequencies_hz: tuple[float, ...] = ()
    split: Split | None = None

    @property
    def stop_samples(self) -> int:
        """First sample behind the segment."""
        return self.start_samples + self.length_samples

    def cut(self, samples: FloatArray) -> FloatArray:
        """The segment's part of a signal that lies on the stimulus' time axis."""
        return samples[self.start_samples : self.stop_samples]


@dataclass(frozen=True)
class Pilot:
    """The timing reference that the stimulus carries.

    Parameters
    ----------
    kind : str
        ``pulses`` or ``tone`` on a channel of their own, ``inband`` inside the programme, or ``none``.
    channel : int or None
        Index of the channel that carries it, from 0; None without a pilot.
    level_dbfs : float or None
        Its peak level.
    frequency_hz : float or None
        Pulses per second, or the tone's frequency.
    first_samples : int
        Sample of the first pulse, or where the tone begins with phase 0.
    """

    kind: PilotKind
    channel: int | None = None
    level_dbfs: float | None = None
    frequency_hz: float | None = None
    first_samples: int = 0


@dataclass(frozen=True)
class Timeline:
    """All segments of a stimulus, in order, and its pilot."""

    sample_rate: int
    length_samples: int
    segments: tuple[Segment, ...]
    pilot: Pilot

    def __post_init__(self) -> None:
        names = [segment.name for segment in self.segments]
        if len(set(names)) != len(names):
            raise SignalError("timeline: two segments have the same name; number them")
        for segment in self.segments:
            if segment.length_samples < 1 or segment.start_samples < 0 or segment.stop_samples > self.length_samples:
                raise SignalError(
                    f"timeline: segment {segment.name} ({segment.start_samples}..{segment.stop_samples}) lies outside "
                    f"the stimulus of {self.length_samples} samples"
                )

    def of_kind(self, kind: SegmentKind) -> list[Segment]:
        """Segments of one kind, in order."""
        return [segment for segment in self.segments if segment.kind == kind]

    def of_split(self, split: Split) -> list[Segment]:
        """Programme segments of one set, in order."""
        return [segment for segment in self.segments if segment.split == split]

    def save(self, path: Path | str) -> None:
        """Write as JSON; errors as in `tapemeasure.io.write_json`."""
        write_json(path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with each segment's start and length in seconds beside its samples."""
        values = asdict(self)
        for segment in values["segments"]:
            segment["start_s"] = segment["start_samples"] / self.sample_rate
            segment["length_s"] = segment["length_samples"] / self.sample_rate
        return values


def load_timeline(path: Path | str) -> Timeline:
    """Read a timeline that `Timeline.save` wrote.

    Raises
    ------
    UsageError
        If there is no such file.
    AudioFileError
        If it is no timeline.
    """
    return timeline_from_dict(read_json(path), where=str(path))


def timeline_from_dict(values: Any, *, where: str) -> Timeline:
    """Timeline of plain values as `Timeline.as_dict` gives them; AudioFileError if they are none."""
    try:
        segments = tuple(_segment(item) for item in values["segments"])
        return Timeline(
            sample_rate=int(values["sample_rate"]),
            length_samples=int(values["length_samples"]),
            segments=segments,
            pilot=Pilot(**values["pilot"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AudioFileError(f"{where}: not a timeline ({error}); make it with `tapemeasure synthesize`") from error


def _segment(values: dict[str, Any]) -> Segment:
    own = {key: value for key, value in values.items() if key not in ("start_s", "length_s")}
    own["frequencies_hz"] = tuple(own["frequencies_hz"])
    if own["kind"] not in get_args(SegmentKind):
        raise ValueError(f"unknown kind {own['kind']!r}")
    return Segment(**own)
