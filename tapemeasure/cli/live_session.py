"""``tapemeasure live``: the replica that plays, and the threads that make delay and hiss ahead of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.emulate_noise import Wobble, hiss_source
from tapemeasure.cli.emulate_options import Wanted
from tapemeasure.generators.ahead import Ahead, ReadyNoise
from tapemeasure.generators.play import HissSource, delay_range
from tapemeasure.generators.tape_motion import SplineMotion, TapeMotion, TrajectoryMotion, spline_chunks
from tapemeasure.generators.whole_replica import WholeReplica
from tapemeasure.replica.model import Replica
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db

PIECES_AHEAD = 8
HISS_CHUNK_SAMPLES = 8192
HISS_AHEAD = 16
WARM_UP_BLOCKS = (1, 256, 4096)


@dataclass(frozen=True)
class Session:
    """What plays: the whole replica, and what is made ahead for it."""

    whole: WholeReplica
    put_on: Wobble
    motion: TapeMotion | None
    noise: ReadyNoise | None
    hiss_file: Path | None
    makers: tuple[Ahead, ...]

    @property
    def files(self) -> dict[str, Path]:
        """Files that were read, by what they are."""
        files = {"delay": self.put_on.file, "hiss": self.hiss_file}
        return {name: file for name, file in files.items() if file is not None}

    @property
    def held_samples(self) -> int:
        """Samples for which no delay was ready."""
        return self.motion.held_samples if isinstance(self.motion, SplineMotion) else 0

    @property
    def silent_samples(self) -> int:
        """Samples for which no hiss was ready."""
        return 0 if self.noise is None else self.noise.missed_samples

    def failure(self) -> str | None:
        """Why nothing is made any more; None while all goes well."""
        error = next((maker.error for maker in self.makers if maker.error is not None), None)
        return None if error is None else f"delay or hiss could not be made ({error})"


def open_session(
    wanted: Wanted, put_on: Wobble, replica: Replica, *, n_tracks: int, head_delay: bool, threads: ExitStack
) -> Session:
    """The whole replica; what makes delay and hiss ahead runs from here on until `threads` is left.

    Raises
    ------
    TapeMeasureError
        As `hiss_source`.
    """
    source, hiss_file = hiss_source(wanted, n_channels=n_tracks, sample_rate=replica.sample_rate)
    makers: list[Ahead] = []

    def ahead(chunks: Iterator[FloatArray], depth: int) -> Ahead:
        maker = Ahead(chunks, depth=depth)
        threads.callback(maker.close)
        maker.fill()
        makers.append(maker)
        return maker

    motion: TapeMotion | None = None if put_on.trajectory is None else TrajectoryMotion(put_on.trajectory)
    if put_on.generator is not None:
        pieces = ahead(spline_chunks(put_on.chunks()), PIECES_AHEAD)
        limits = delay_range(put_on.generator, put_on.amounts)
        motion = SplineMotion(pieces.take, rate_hz=put_on.generator.rate_hz, limits=limits)
    noise = None if source is None else ReadyNoise(ahead(_chunks(source), HISS_AHEAD), n_channels=n_tracks)
    _warm_up(replica, n_tracks, moving=motion is not None)
    whole = WholeReplica(
        replica,
        n_channels=n_tracks,
        motion=motion,
        noise=None if noise is None else noise.read,
        gain=amplitude_from_db(wanted.saturation_db),
        whole_start=head_delay,
    )
    for maker in makers:
        maker.fill()
    return Session(whole, put_on, motion, noise, hiss_file, tuple(makers))


def _chunks(noise: HissSource) -> Iterator[FloatArray]:
    while True:
        yield noise.read(HISS_CHUNK_SAMPLES)


def _warm_up(replica: Replica, n_tracks: int, *, moving: bool) -> None:
    """Compile everything before the first block waits for it."""
    still = DelayTrajectory(0.0, 100.0, np.zeros(600), np.zeros(600), np.ones(600, dtype=np.bool_))
    whole = WholeReplica(replica, n_channels=n_tracks, motion=TrajectoryMotion(still) if moving else None)
    for n_samples in WARM_UP_BLOCKS:
        whole.process(np.zeros((n_samples, n_tracks)))
