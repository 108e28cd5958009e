"""What the commands on a pair of files share: opening input and output, getting the delay between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapemeasure.arrays import FloatArray
from tapemeasure.audio_stream import AudioSource, open_audio
from tapemeasure.cli.common import progress_bar, warn
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.timeline import Pilot
from tapemeasure.trajectory import DelayTrajectory, load_trajectory

if TYPE_CHECKING:
    from tapemeasure.delay.track import TrackResult


def require_channel(samples: FloatArray, channel: int, *, path: Path | str) -> None:
    """Raise SignalError if a file does not have a channel (counted from 1)."""
    _require(samples.shape[1], channel, path)


def _require(n_channels: int, channel: int, path: Path | str) -> None:
    if channel > n_channels:
        raise SignalError(f"{path} has {n_channels} channel(s), channel {channel} was asked for; choose another")


def open_pair(input_path: Path, output_path: Path, *, channel: int) -> tuple[AudioSource, AudioSource]:
    """Input and output of a take, ready to be read by parts.

    Raises
    ------
    MismatchError
        If their sample rates differ; SignalError if one has no such channel (from 1); else as `open_audio`.
    """
    stimulus, output = open_audio(input_path), open_audio(output_path)
    require_rate(output, like=stimulus)
    for source in (stimulus, output):
        _require(source.n_channels, channel, source.path)
    return stimulus, output


def require_rate(source: AudioSource, *, like: AudioSource) -> None:
    """Raise MismatchError if two files have different sample rates."""
    if source.sample_rate != like.sample_rate:
        raise MismatchError(
            f"{source.path} is {source.sample_rate} Hz, {like.path} is {like.sample_rate} Hz; resample one of them"
        )


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


def load_delays(paths: Sequence[Path | str]) -> PairDelay:
    """Delay that ``track`` saved; of several files that of one copy after the other, from input to output."""
    from tapemeasure.delay.compose import compose_delays

    trajectory = load_trajectory(paths[0])
    for path in paths[1:]:
        trajectory = compose_delays(trajectory, load_trajectory(path))
    return PairDelay(trajectory, "file", None, ())


def tracked_delay(result: "TrackResult") -> PairDelay:
    """Delay that was tracked now; the tracker's warnings go to stderr."""
    for text in result.warnings:
        warn(text)
    return PairDelay(result.trajectory, result.method, result.inverted_polarity, result.warnings)


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
    threads: int = 1,
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
    threads : int
        Cores that track a long file at the same time; the result is the same for any number.
    """
    if trajectory_file is not None:
        return load_delays([trajectory_file])
    from tapemeasure.delay.track import track_delay

    with progress_bar(label) as progress:
        result = track_delay(
            stimulus,
            output,
            sample_rate=sample_rate,
            pilot=pilot,
            programme_channel=channel - 1,
            known_pilot=known_pilot,
            threads=threads,
            progress=progress,
        )
    return tracked_delay(result)
