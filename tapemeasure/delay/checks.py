"""What a pair of signals must be before it can be tracked, and what about it the user should know."""

from itertools import pairwise

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, runs_of
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_power, rms_dbfs

MIN_LENGTH_S = 0.1
SILENT_DBFS = -110.0
SURE_DBFS = -109.0
PART_SAMPLES = 65536
CLIPPED_SAMPLES = 3
CLIP_LEVEL = 0.98


def check_channel(samples: FloatArray, channel: int, *, name: str) -> None:
    """Raise SignalError if `samples`, (n_samples, n_channels), has no channel of that index."""
    if not 0 <= channel < samples.shape[1]:
        raise SignalError(
            f"the {name} has {samples.shape[1]} channel(s), channel {channel + 1} was asked for; choose another"
        )


def require_signal(samples: FloatArray, *, name: str, sample_rate: float) -> None:
    """Raise SignalError if a signal is too short, not finite, or silent but for a DC offset."""
    if len(samples) < MIN_LENGTH_S * sample_rate:
        raise SignalError(
            f"the {name} is {len(samples) / sample_rate:.3f} s long; {MIN_LENGTH_S:g} s are needed, give a longer file"
        )
    if not np.isfinite(samples).all():
        raise SignalError(f"the {name} holds NaN or infinite samples; export the file again")
    if all(is_silent(samples[:, channel]) for channel in range(samples.shape[1])):
        offset = float(np.abs(samples.mean(axis=0)).max())
        level_dbfs = rms_dbfs(samples - samples.mean(axis=0))
        raise SignalError(
            f"the {name} is silent: {level_dbfs:.1f} dBFS rms beside a DC offset of {offset:.4f}, more than "
            f"{SILENT_DBFS:g} dBFS is needed; check the cable, the level and the channel"
        )


def is_silent(samples: FloatArray) -> bool:
    """Whether one channel holds nothing but a constant (below -110 dBFS rms without its mean)."""
    # the whole varies at least by its middle's share, which is enough for all that is not nearly silent
    middle = samples[len(samples) // 2 : len(samples) // 2 + PART_SAMPLES]
    if len(middle) and rms_dbfs(middle - middle.mean()) + db_from_power(len(middle) / len(samples)) > SURE_DBFS:
        return False
    return rms_dbfs(samples - samples.mean()) < SILENT_DBFS


def clipped_runs(samples: FloatArray) -> int:
    """Runs of 3 or more equal samples at the signal's own largest magnitude, if that is above -0.2 dBFS."""
    magnitude = np.abs(samples)
    peak = float(magnitude.max(initial=0.0))
    if peak < CLIP_LEVEL:
        return 0
    return sum(stop - first >= CLIPPED_SAMPLES for first, stop in runs_of(magnitude >= peak * (1 - 1e-6)))


def lost_stretches(time_s: FloatArray, valid: BoolArray, *, longest_s: float) -> list[tuple[float, float]]:
    """Begin and end (seconds) of stretches without evidence between valid points, those longer than `longest_s`."""
    edges = np.flatnonzero(np.diff(valid.astype(np.int8)))
    stretches = []
    for first, last in pairwise(edges):
        if not valid[first + 1] and time_s[last + 1] - time_s[first] > longest_s:
            stretches.append((float(time_s[first]), float(time_s[last + 1])))
    return stretches
