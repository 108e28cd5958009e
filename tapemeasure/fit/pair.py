"""What is fitted to: an input and its aligned recording, checked, and the stretches of them that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.alignment import alignment_quality
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import MismatchError, SignalError

SHORTEST_S = 2.0
LARGEST_LAG_S = 1e-3
"""Beyond it a pair counts as not aligned; a machine's own group delay stays below."""

WHITENING = 0.75
LOOKED_AT_S = 60.0
CLEAR_PEAK = 40.0
"""A common signal's peak in the correlation over its rms: 80..400 for music, below 20 for two different pieces."""

RUN_OUT_SAMPLES = 512

CLIPPED_RUN = 4
"""So many equal samples at the largest value in a row are no programme."""

LARGEST_CLIPPED_SHARE = 0.01


@dataclass(frozen=True)
class FitPair:
    """One channel of an input and of what a machine made of it, aligned.

    Parameters
    ----------
    input, target : ndarray, shape (n_samples,)
        Full scale 1.0, on one time axis.
    sample_rate : int
        Hz.
    """

    input: FloatArray
    target: FloatArray
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return len(self.input) / self.sample_rate


@dataclass(frozen=True)
class PairCheck:
    """What is known of a pair before the fit.

    Parameters
    ----------
    correlation : float
        Normalised correlation at lag zero; negative where the polarity is inverted.
    residual_lag_us : float or None
        Mean lag of the target, microseconds: the machine's group delay, and what aligning left.
    residual_lag_rms_us : float or None
        How much the lag of single frames differs from it: timing errors that no setting explains.
    clipped_samples : int
        Samples of the target in runs of equal values at its peak.
    input_peak : float
        Largest sample of the input.
    """

    correlation: float
    residual_lag_us: float | None
    residual_lag_rms_us: float | None
    clipped_samples: int
    input_peak: float


@dataclass(frozen=True)
class Stretch:
    """Samples from `first` on are played, those from `counted` to before `stop` are compared."""

    first: int
    counted: int
    stop: int

    def played(self, samples: FloatArray) -> FloatArray:
        """The part of a signal that is played: some samples behind `stop` too, of which the filters hear early."""
        return samples[self.first : self.stop + RUN_OUT_SAMPLES]

    def compared(self, played: FloatArray) -> FloatArray:
        """The part of what was played that is compared."""
        return played[self.counted - self.first : self.stop - self.first]


def check_pair(pair: FitPair) -> PairCheck:
    """Whether a pair can be fitted: lag between its signals, polarity, clipping.

    Raises
    ------
    MismatchError
        If the shapes differ, or the pair is not aligned.
    SignalError
        If it is too short, not finite, silent, or more than 1 % of the target is clipped.
    """
    if pair.input.ndim != 1 or pair.input.shape != pair.target.shape:
        raise MismatchError(
            f"fit: the input has the shape {pair.input.shape}, the target {pair.target.shape}; "
            "give one channel of equal length"
        )
    if pair.duration_s < SHORTEST_S:
        raise SignalError(f"fit: the pair lasts {pair.duration_s:.2f} s; give at least {SHORTEST_S:g} s of programme")
    for name, samples in (("input", pair.input), ("target", pair.target)):
        if not np.isfinite(samples).all():
            raise SignalError(f"fit: the {name} holds NaN or infinite samples; make it again")
        if not np.any(samples):
            raise SignalError(f"fit: the {name} is silent (all samples are 0); give programme")
    clipped = clipped_samples(pair.target)
    if clipped > LARGEST_CLIPPED_SHARE * len(pair.target):
        raise SignalError(
            f"fit: {100.0 * clipped / len(pair.target):.1f} % of the target is clipped, the most that can be fitted is "
            f"{100.0 * LARGEST_CLIPPED_SHARE:g} %; record it at a lower level"
        )
    return _aligned_check(pair, clipped)


def _aligned_check(pair: FitPair, clipped: int) -> PairCheck:
    lag_s, peak = common_lag(pair)
    if abs(lag_s) > LARGEST_LAG_S or peak < CLEAR_PEAK:
        found = (
            f"lags by {1e3 * lag_s:.1f} ms" if peak >= CLEAR_PEAK else "has nothing in common with it that stands out"
        )
        raise MismatchError(
            f"fit: the target is not aligned with the input, it {found} (at most {1e3 * LARGEST_LAG_S:g} ms); undo its "
            "delay with `tapemeasure align` first, or check that the recording is of this input"
        )
    quality = alignment_quality(pair.input, pair.target, pair.target, sample_rate=pair.sample_rate)
    return PairCheck(
        correlation=quality.correlation_after,
        residual_lag_us=quality.residual_lag_mean_us,
        residual_lag_rms_us=quality.residual_lag_rms_us,
        clipped_samples=clipped,
        input_peak=float(np.abs(pair.input).max()),
    )


def common_lag(pair: FitPair) -> tuple[float, float]:
    """Lag at which the target is most like the input, seconds, and how far that stands out of all lags.

    Notes
    -----
    Correlation of the loudest minute, three quarters whitened; the height of its peak over its rms.
    """
    from scipy import fft

    chosen = loud_stretches(pair, [(0, len(pair.input))], length_s=LOOKED_AT_S, run_in_s=0.0, count=1)[0]
    part = slice(chosen.counted, chosen.stop)
    length = fft.next_fast_len(2 * (part.stop - part.start), real=True)
    cross = fft.rfft(pair.target[part], length) * np.conj(fft.rfft(pair.input[part], length))
    sizes = np.abs(cross)
    correlation = fft.irfft(cross / np.maximum(sizes, 1e-12 * max(float(sizes.max()), 1e-300)) ** WHITENING, length)
    index = int(np.argmax(np.abs(correlation)))
    height = float(np.abs(correlation[index])) / max(float(np.sqrt(np.mean(correlation**2))), 1e-300)
    return (index - length if index > length // 2 else index) / pair.sample_rate, height


def clipped_samples(samples: FloatArray) -> int:
    """Number of samples in runs of at least four equal ones at the largest or the smallest value.

    Examples
    --------
    >>> clipped_samples(np.array([0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, -0.9]))
    4
    """
    total = 0
    for limit in (samples.max(), samples.min()):
        at_limit = np.concatenate(([False], samples == limit, [False]))
        edges = np.flatnonzero(at_limit[1:] != at_limit[:-1])
        lengths = edges[1::2] - edges[::2]
        total += int(lengths[lengths >= CLIPPED_RUN].sum())
    return total


def loud_stretches(
    pair: FitPair, parts: Sequence[tuple[int, int]], *, length_s: float, run_in_s: float, count: int
) -> list[Stretch]:
    """The loudest stretches of some parts, which do not overlap, each with a run-in before it.

    Parameters
    ----------
    pair : FitPair
        The loudness is that of its input.
    parts : sequence of (first, stop)
        Samples to choose from.
    length_s, run_in_s : float
        Length of what is compared, and of what is played before it (less at the start of the file), seconds.
    count : int
        How many at most.
    """
    length, run_in = round(length_s * pair.sample_rate), round(run_in_s * pair.sample_rate)
    starts = [start for first, stop in parts for start in range(first, max(stop - length, first) + 1, max(length, 1))]
    energies = [float(np.sum(np.square(pair.input[start : start + length]))) for start in starts]
    loudest = sorted(np.argsort(energies)[::-1][:count].tolist())
    ends = {start: min(start + length, stop) for first, stop in parts for start in starts if first <= start < stop}
    return [Stretch(max(0, starts[k] - run_in), starts[k], ends[starts[k]]) for k in loudest]


def long_stretches(
    pair: FitPair, parts: Sequence[tuple[int, int]], *, longest_s: float, run_in_s: float
) -> list[Stretch]:
    """Whole parts, the first of them first, until `longest_s` are filled; each with a run-in before it."""
    left, run_in = round(longest_s * pair.sample_rate), round(run_in_s * pair.sample_rate)
    stretches = []
    for first, stop in parts:
        end = min(stop, first + left)
        if end > first:
            stretches.append(Stretch(max(0, first - run_in), first, end))
        left -= max(0, end - first)
    return stretches
