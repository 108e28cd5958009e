"""Array types, runs of true values, and the one conversion between ``(n_samples,)`` and ``(n_samples, n_channels)``.

Measurement works in float64; torch works in float32 as ``(batch, channels, n_samples)``.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

Progress = Callable[[float], None]
"""Long work reports its completed fraction (0..1) by calling one of these."""


def no_progress(fraction: float) -> None:
    """Ignore progress: the default for library calls."""


def runs_of(flags: BoolArray) -> list[tuple[int, int]]:
    """First index and end of every run of true values.

    Examples
    --------
    >>> runs_of(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def as_channels(samples: npt.ArrayLike) -> FloatArray:
    """Signal as ``(n_samples, n_channels)`` float64.

    Parameters
    ----------
    samples : array_like, shape (n_samples,) or (n_samples, n_channels)
        Audio samples, full scale 1.0.

    Raises
    ------
    ValueError
        If the array has more than two dimensions.

    Examples
    --------
    >>> as_channels([0.0, 1.0]).shape
    (2, 1)
    """
    array = np.asarray(samples, dtype=np.float64)
    if array.ndim == 1:
        return array[:, np.newaxis]
    if array.ndim != 2:
        raise ValueError(f"audio has {array.ndim} dimensions; give (n_samples,) or (n_samples, n_channels)")
    return array
