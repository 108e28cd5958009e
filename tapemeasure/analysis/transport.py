"""What is known of a machine before it is measured: heads, speed, rotating parts."""

from dataclasses import dataclass

from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.tape_equalisation import Equalisation
from tapemeasure.params import MachineParams


@dataclass(frozen=True)
class Transport:
    """What is known of the machine beforehand.

    Parameters
    ----------
    head_delay_s : float or None
        Travel time between the heads where the take came off the tape while it was recorded; None: rewound.
    speed_ips : float or None
        Tape speed, inches per second.
    track_distance_mm : float or None
        Distance of the tracks' middles.
    parts : tuple of RotatingPart
        Diameters, which name the lines of the flutter; they need `speed_ips`.
    """

    head_delay_s: float | None = None
    speed_ips: float | None = None
    track_distance_mm: float | None = None
    parts: tuple[RotatingPart, ...] = ()


def transport_of(machine: MachineParams) -> Transport:
    """Transport that the settings of a machine tell of."""
    return Transport(
        head_delay_s=None if machine.head_delay_ms is None else 1e-3 * machine.head_delay_ms,
        speed_ips=machine.speed_ips,
        track_distance_mm=machine.track_distance_mm,
        parts=tuple(RotatingPart(name, diameter_mm) for name, diameter_mm in machine.parts_mm.items()),
    )


def equalisation_of(machine: MachineParams) -> Equalisation:
    """Curve that the settings of a machine ask its response to be compared with."""
    return Equalisation(machine.equalisation, machine.side)
