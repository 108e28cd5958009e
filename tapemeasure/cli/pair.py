"""What the commands on a pair of files share: reading input and output, getting the delay between them."""

from pathlib import Path

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import progress_bar, warn
from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayTrajectory, load_trajectory


def require_channel(samples: FloatArray, channel: int, *, path: Path | str) -> None:
    """Raise SignalError if a file does not have a channel (counted from 1)."""
    if channel > samples.shape[1]:
        raise SignalError(f"{path} has {samples.shape[1]} channel(s), channel {channel} was asked for; choose another")


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
) -> tuple[DelayTrajectory, str]:
    """Delay of the output behind the input, read from a file or tracked now, and the method's name.

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
        return load_trajectory(trajectory_file), "file"
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
    return result.trajectory, result.method
