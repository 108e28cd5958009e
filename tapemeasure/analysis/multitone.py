"""Response at many frequencies at once, from a multitone whose tones lie on whole numbers of hertz."""

from collections.abc import Sequence

import numpy as np

from tapemeasure.analysis.response import MAX_SIGMA_DB, Response, make_response
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.spectra import hann
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.units import db_from_amplitude

MIN_S = 1.0
_BESIDE_BINS = (4, 5, 6)
_DB_PER_NEPER = 20.0 / np.log(10.0)


def multitone_response(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, frequencies_hz: Sequence[float]
) -> Response:
    """Magnitude and phase response at the tones of a multitone.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The steady part of the multitone (no fades), at least one second, the output's delay undone.
    sample_rate : int
        Hz.
    frequencies_hz : sequence of float
        The tones: whole numbers of hertz, at least 8 Hz apart, below half the sample rate.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the record is shorter than a second, a tone is not on a whole number of hertz or not in the stimulus, the
        output is silent or not finite, or noise makes every tone more uncertain than 1 dB.

    Notes
    -----
    Quotient of the two Fourier transforms over as many whole seconds as there are, Hann windows, at the tones alone:
    exact for a linear device. Products of even order fall between the tones. Those of odd order fall on some of them
    and count as response. The uncertainty is the power beside each tone (hiss, products, flutter that was left). The
    levels tell what programme of that level gets: at high levels a tape compresses all tones together.
    """
    tones_hz = np.sort(np.asarray(frequencies_hz, dtype=np.float64))
    length = _checked_length(stimulus, output, tones_hz, sample_rate=sample_rate)
    window = hann(length)
    bins = np.round(tones_hz * length / sample_rate).astype(np.int64)
    played, heard = (np.fft.rfft(samples[:length] * window) for samples in (stimulus, output))
    if np.any(np.abs(played[bins]) < 4.0 * _beside(played, bins)):
        raise SignalError("multitone: the stimulus does not hold all tones; check the timeline")
    with np.errstate(divide="ignore", invalid="ignore"):
        transfer = heard[bins] / played[bins]
        sigma_db = _DB_PER_NEPER * np.sqrt(0.5) * _beside(heard, bins) / np.abs(heard[bins])
        magnitude_db = 20.0 * np.log10(np.abs(transfer))
    known = np.isfinite(magnitude_db) & (sigma_db <= MAX_SIGMA_DB)
    if not known.any():
        raise SignalError(f"multitone: noise makes every tone more uncertain than {MAX_SIGMA_DB:g} dB; play it louder")
    phase_deg = np.full(len(bins), np.nan)
    phase_deg[known] = np.degrees(np.unwrap(np.angle(transfer[known])))
    return make_response(
        source="multitone", name="multitone", level_dbfs=db_from_amplitude(float(np.max(np.abs(stimulus)))),
        frequency_hz=tones_hz, magnitude_db=np.where(known, magnitude_db, np.nan), phase_deg=phase_deg,
        sigma_db=np.where(known, sigma_db, np.nan),
    )  # fmt: skip


def _checked_length(stimulus: FloatArray, output: FloatArray, tones_hz: FloatArray, *, sample_rate: int) -> int:
    """Samples of the whole seconds."""
    if len(stimulus) != len(output):
        raise MismatchError(
            f"multitone: stimulus {len(stimulus)} samples, output {len(output)}; align the output first"
        )
    if len(stimulus) < MIN_S * sample_rate:
        raise SignalError(
            f"multitone: {len(stimulus) / sample_rate:.2f} s; give at least {MIN_S:g} s of its steady part"
        )
    if not (np.isfinite(output).all() and np.any(output)):
        raise SignalError("multitone: the output is silent or not finite; check the cable, the level and the channel")
    spacing_hz = np.min(np.diff(tones_hz)) if len(tones_hz) > 1 else np.inf
    uneven = np.any(np.abs(tones_hz - np.round(tones_hz)) > 1e-9)
    if len(tones_hz) == 0 or uneven or spacing_hz < 8.0 or tones_hz[0] < 8.0 or tones_hz[-1] >= 0.5 * sample_rate:
        raise SignalError("multitone: give tones on whole numbers of hertz, 8 Hz apart and below half the sample rate")
    return len(stimulus) // sample_rate * sample_rate


def _beside(spectrum: ComplexArray, bins: np.ndarray) -> FloatArray:
    """Rms amplitude of the bins beside the main lobe of every tone."""
    offsets = np.array([*(-offset for offset in _BESIDE_BINS), *_BESIDE_BINS])
    places = np.clip(bins[:, np.newaxis] + offsets, 0, len(spectrum) - 1)
    return np.asarray(np.sqrt(np.mean(np.abs(spectrum[places]) ** 2, axis=1)), dtype=np.float64)
