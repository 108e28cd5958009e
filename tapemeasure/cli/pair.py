"""What the commands on a pair of files share: reading input and output, getting the delay between them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import progress_bar, warn
from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayTrajectory, load_trajectory


def require_channel(samples: FloatArray, channel: int, *, path: Path | str) -> None:
    """Raise SignalError if a file does not have a channel (counted from 1)."""
    if channel > samples.shape[1]:
        raise SignalError(f"{path} has {samples.shape[1]} channel(s), channel {channel} was asked for; choose another")


@dataclass(frozen=True)
class PairDelay:
    """Delay of a pair, how it was found (``file`` where it was read), and what the tracker had to say."""

    trajectory: DelayTrajectory
    method: str
    inverted_polarity: bool | None
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What the JSON of a command tells of it."""
        return {
            "delay_method": self.method,
            "inverted_polarity": self.inverted_polarity,
            "delay_warnings": list(self.warnings),
        }


def pair_trajectory(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    channel: int,
    pilot: str,
    trajectory_file: Path | str | None,
    label: str,
    known_pilot: Pilot | None = None,
) -> PairDelay:
    """Delay of the output behind the input, read from a file or tracked now; the tracker's warnings go to stderr.

    Parameters
    ----------
    channel : int
        Programme channel, from 1.
    pilot : str
        As ``--pilot``.
    trajectory_file : path or None
        What ``track`` saved; None tracks now.
    label : str
        Of the progress bar.
    known_pilot : Pilot, optional
        Pilot of the input's timeline.
    """
    if trajectory_file is not None:
        return PairDelay(load_trajectory(trajectory_file), "file", None, ())
    from tapemeasure.delay.track import track_delay

    with progress_bar(label) as progress:
        result = track_delay(
            stimulus,
            output,
            sample_rate=sample_rate,
            pilot=pilot,
            programme_channel=channel - 1,
            known_pilot=known_pilot,
            progress=progress,
        )
    for text in result.warnings:
        warn(text)
    return PairDelay(result.trajectory, result.method, result.inverted_polarity, result.warnings)
