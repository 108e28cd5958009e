"""How far one signal is from another: ESR, ESR behind a DC blocker, multi-resolution STFT distance.

All three compare an output with the target it should equal, sample by sample: both must be aligned first. 0 is
perfect; an ESR of 1 is what silence scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray, as_channels
from tapemeasure.dsp.spectra import frames_of, hann
from tapemeasure.errors import MismatchError, SignalError

DC_BLOCKER_POLE = 0.995
"""Pole of the DC blocker; its -3 dB frequency is 35 Hz at 44.1 kHz."""

STFT_RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""FFT size, hop and window of each resolution, samples: the defaults of auraloss' MultiResolutionSTFTLoss."""

POWER_FLOOR = 1e-8
FRAMES_AT_ONCE = 2048
SILENT_TARGET = (
    "error measure: the target is silent (all samples are 0), so a ratio to it is not defined; "
    "give a stretch with signal"
)


@dataclass(frozen=True)
class SignalErrors:
    """Distances of an output from its target.

    Parameters
    ----------
    esr : float
        Error-to-signal ratio, an energy ratio.
    dc_blocked_esr : float
        The same with both signals behind the DC blocker.
    mr_stft : float
        Multi-resolution STFT distance.
    """

    esr: float
    dc_blocked_esr: float
    mr_stft: float


def signal_errors(outputs: Sequence[FloatArray], targets: Sequence[FloatArray]) -> SignalErrors:
    """Distances of several stretches of output from their targets, pooled.

    Parameters
    ----------
    outputs, targets : sequence of ndarray, each of shape (n_samples,) or (n_samples, n_channels)
        Stretches that belong together, aligned.

    Raises
    ------
    SignalError
        If a signal is empty or not finite, all targets are silent, or a stretch is too short for the STFT.
    MismatchError
        If the numbers of stretches or the shapes of a pair differ.

    Notes
    -----
    The ESR is a ratio of sums over all stretches; the STFT distance is the mean weighted by length.
    """
    if len(outputs) != len(targets) or not targets:
        raise MismatchError(f"error measure: {len(outputs)} outputs, {len(targets)} targets; give one output a target")
    pairs = [_checked_pair(output, target) for output, target in zip(outputs, targets, strict=True)]
    blocked = [(dc_block(output), dc_block(target)) for output, target in pairs]
    lengths = [len(target) for _, target in pairs]
    distances = [mr_stft(output, target) for output, target in pairs]
    return SignalErrors(
        esr=_ratio_of_sums(pairs),
        dc_blocked_esr=_ratio_of_sums(blocked),
        mr_stft=float(np.average(distances, weights=lengths)),
    )


def esr(output: FloatArray, target: FloatArray) -> float:
    """Error-to-signal ratio, an energy ratio: 0 for equal signals, 1 for a silent output.

    Parameters
    ----------
    output, target : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Aligned signals.

    Raises
    ------
    SignalError
        If a signal is empty or not finite, or the target is silent (the ratio is not defined).
    MismatchError
        If the shapes differ.

    Notes
    -----
    ``sum((target - output)**2) / sum(target**2)``, a ratio of sums over all samples and channels. A timing error of
    ``dt`` costs about ``(2 pi f dt)**2`` at the frequency f: 1 us at 10 kHz reads 0.004.

    References
    ----------
    A. Wright, V. Valimaki, "Perceptual loss function for neural modelling of audio systems", ICASSP 2020.

    Examples
    --------
    >>> esr(np.array([0.5, -0.5]), np.array([1.0, -1.0]))
    0.25
    """
    return _ratio_of_sums([_checked_pair(output, target)])


def dc_blocked_esr(output: FloatArray, target: FloatArray) -> float:
    """Error-to-signal ratio behind a DC blocker, an energy ratio; arguments and errors as in `esr`."""
    checked_output, checked_target = _checked_pair(output, target)
    return _ratio_of_sums([(dc_block(checked_output), dc_block(checked_target))])


def dc_block(samples: FloatArray) -> FloatArray:
    """Signal behind the first-order high-pass ``(1 - z^-1) / (1 - 0.995 z^-1)``, full scale 1.0.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,) or (n_samples, n_channels)

    References
    ----------
    A. Wright, V. Valimaki, "Perceptual loss function for neural modelling of audio systems", ICASSP 2020.
    """
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0, -1.0], [1.0, -DC_BLOCKER_POLE], samples, axis=0), dtype=np.float64)


def mr_stft(output: FloatArray, target: FloatArray) -> float:
    """Multi-resolution STFT distance: spectral convergence plus mean difference of log magnitudes, no unit.

    Parameters
    ----------
    output, target : ndarray, shape (n_samples,) or (n_samples, n_channels)
        Signals of equal shape, more than 1024 samples.

    Raises
    ------
    SignalError
        If a signal is too short or not finite, or the target is silent.
    MismatchError
        If the shapes differ.

    Notes
    -----
    Equal to ``auraloss.freq.MultiResolutionSTFTLoss()`` with its defaults, computed in float64 (natural logarithms,
    powers floored at 1e-8, frames centred with reflection at the ends). Insensitive to phase, so it also compares
    outputs whose timing is not exact; its value depends on the level through the floor.

    References
    ----------
    R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020; C. J. Steinmetz, J. D. Reiss, "auraloss", DMRN+15 2020.
    """
    checked_output, checked_target = _checked_pair(output, target)
    needed = max(size for size, _, _ in STFT_RESOLUTIONS) // 2 + 1
    if len(checked_target) < needed:
        raise SignalError(f"MR-STFT: {len(checked_target)} samples; give at least {needed}")
    if not np.any(checked_target):
        raise SignalError(SILENT_TARGET)
    distances = [_stft_distance(checked_output, checked_target, *sizes) for sizes in STFT_RESOLUTIONS]
    return float(np.mean(distances))


def _stft_distance(output: FloatArray, target: FloatArray, fft_size: int, hop: int, window_size: int) -> float:
    """Spectral convergence + L1 of the log magnitudes at one resolution, over all channels."""
    difference_energy = target_energy = log_difference = 0.0
    n_values = 0
    for channel in range(target.shape[1]):
        frames = zip(
            _magnitudes(output[:, channel], fft_size, hop, window_size),
            _magnitudes(target[:, channel], fft_size, hop, window_size),
            strict=True,
        )
        for of_output, of_target in frames:
            difference_energy += float(np.sum((of_target - of_output) ** 2))
            target_energy += float(np.sum(of_target**2))
            log_difference += float(np.sum(np.abs(np.log(of_output) - np.log(of_target))))
            n_values += of_target.size
    return float(np.sqrt(difference_energy / target_energy)) + log_difference / n_values


def _magnitudes(samples: FloatArray, fft_size: int, hop: int, window_size: int) -> Iterator[FloatArray]:
    """Floored magnitude spectra of centred frames, in blocks of frames."""
    padded = np.pad(samples, fft_size // 2, mode="reflect")
    # the window stands in the middle of the FFT frame; where its zeros lie does not change a magnitude
    frames = frames_of(padded[(fft_size - window_size) // 2 :], length_samples=window_size, hop_samples=hop)
    frames = frames[: 1 + len(samples) // hop]
    window = hann(window_size)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        spectrum = np.fft.rfft(frames[start : start + FRAMES_AT_ONCE] * window, fft_size, axis=1)
        yield np.sqrt(np.maximum(spectrum.real**2 + spectrum.imag**2, POWER_FLOOR))


def _ratio_of_sums(pairs: Sequence[tuple[FloatArray, FloatArray]]) -> float:
    target_energy = sum(float(np.sum(target**2)) for _, target in pairs)
    if target_energy == 0.0:
        raise SignalError(SILENT_TARGET)
    return sum(float(np.sum((target - output) ** 2)) for output, target in pairs) / target_energy


def _checked_pair(output: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both signals as (n_samples, n_channels), refused if they cannot be compared."""
    a, b = as_channels(output), as_channels(target)
    if a.shape != b.shape:
        raise MismatchError(
            f"error measure: the output has {a.shape[0]} samples in {a.shape[1]} channels, the target {b.shape[0]} in "
            f"{b.shape[1]}; cut both alike"
        )
    if b.size == 0:
        raise SignalError("error measure: both signals are empty (0 samples); give at least one sample")
    for name, samples in (("output", a), ("target", b)):
        bad = samples.size - int(np.isfinite(samples).sum())
        if bad:
            raise SignalError(f"error measure: {bad} samples of the {name} are NaN or infinite; make it again")
    return a, b
