"""What a diffusion model learns from, and what it is judged by while it learns."""

from collections.abc import Sequence

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError

VALIDATION_SHARE = 0.1
LEAST_WINDOWS = 6
"""Windows that a training needs at the very least: four to learn from, one to be judged by."""


def parted(
    pieces: Sequence[FloatArray], *, window: int, points_per_s: float, what: str, n_channels: int = 1
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Pieces to learn from, and the last tenth of all time, at least one window, to be judged by.

    Parameters
    ----------
    pieces : sequence of ndarray, each of shape (n_points,)
        Whitened; those shorter than a window are left out.
    window : int
        Points of a window.
    points_per_s : float
        For the message.
    what : str
        What the pieces hold, for the message.
    n_channels : int
        Channels that are interleaved: pieces are cut between two moments.

    Raises
    ------
    SignalError
        If there is less than six windows; the message tells how much is needed.
    """
    long_enough = [piece for piece in pieces if len(piece) >= window]
    total = sum(map(len, long_enough))
    if total < LEAST_WINDOWS * window:
        raise SignalError(
            f"diffusion: {total / points_per_s:.1f} s of {what} in pieces of {window / points_per_s:.1f} s or more, "
            f"{LEAST_WINDOWS * window / points_per_s:.0f} s are needed; record more or longer takes"
        )
    wanted = max(window, round(VALIDATION_SHARE * total / n_channels) * n_channels)
    training: list[FloatArray] = list(long_enough)
    validation: list[FloatArray] = []
    while wanted > 0:
        piece = training.pop()
        taken = min(len(piece), max(wanted, window))
        # a rest that is no window is of no use to learn from
        taken = len(piece) if len(piece) - taken < window else taken
        validation.insert(0, piece[len(piece) - taken :])
        if taken < len(piece):
            training.append(piece[: len(piece) - taken])
        wanted -= taken
    return training, validation
