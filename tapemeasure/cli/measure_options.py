"""What ``tapemeasure measure`` was told of the machine, and how to measure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tapemeasure.errors import UsageError

if TYPE_CHECKING:
    from tapemeasure.analysis.rotating_parts import RotatingPart
    from tapemeasure.analysis.tape_equalisation import Equalisation
    from tapemeasure.analysis.transport import Transport
    from tapemeasure.params import MachineParams

STANDARDS = ("none", "iec", "nab", "iec_type_ii")
SIDES = ("record", "replay")


@dataclass(frozen=True)
class MeasureOptions:
    """The options of the command, named as they are; `machine` holds what params.yaml tells of the machine."""

    timeline: str | None
    trajectory: str | None
    aligned: bool
    pilot: str
    channel: int
    harmonics: int
    smoothing_octaves: float
    head_delay_ms: float | None
    speed_ips: float | None
    track_distance_mm: float | None
    part: tuple[str, ...]
    equalisation: str | None
    side: str | None
    tone: bool
    nominal_hz: float
    erased: str | None
    threads: int
    machine: "MachineParams"

    def check(self) -> None:
        """Refuse options that do not belong together; `UsageError`."""
        if self.erased is not None and not self.tone:
            raise UsageError("--erased belongs to a tone; give --tone, the recorded tone, and --erased, what is left")
        if self.tone and (self.timeline or self.trajectory or self.aligned):
            raise UsageError("--tone measures one recording alone; leave --timeline, --trajectory and --aligned out")
        self.transport()
        if self.wanted().standard != "none" and self.transport().speed_ips is None:
            raise UsageError("--equalisation depends on the tape's speed; give --speed too, e.g. --speed 7.5")

    def transport(self) -> "Transport":
        """What is known of the machine: from params.yaml, and from the options before it."""
        from tapemeasure.analysis.transport import Transport, transport_of

        known = transport_of(self.machine)
        chosen = Transport(
            head_delay_s=known.head_delay_s if self.head_delay_ms is None else 1e-3 * self.head_delay_ms,
            speed_ips=known.speed_ips if self.speed_ips is None else self.speed_ips,
            track_distance_mm=known.track_distance_mm if self.track_distance_mm is None else self.track_distance_mm,
            parts=tuple(_part(text) for text in self.part) or known.parts,
        )
        if chosen.parts and chosen.speed_ips is None:
            raise UsageError("--part names lines by the tape's speed; give --speed too")
        return chosen

    def wanted(self) -> "Equalisation":
        """Curve that the response is compared with."""
        from tapemeasure.analysis.tape_equalisation import Equalisation

        side = self.machine.side if self.side is None else self.side
        standard = self.machine.equalisation if self.equalisation is None else self.equalisation
        return Equalisation(standard, "replay" if side == "replay" else "record")


def _part(text: str) -> "RotatingPart":
    """A rotating part from NAME=DIAMETER."""
    from tapemeasure.analysis.rotating_parts import RotatingPart

    name, _, diameter = text.partition("=")
    try:
        return RotatingPart(name, float(diameter))
    except ValueError as error:
        raise UsageError(f"--part {text}: give a name and a diameter in mm above 0, e.g. capstan=6.0") from error
