"""Magnitude and phase response of a device: from a synchronised sweep, or from programme by its coherence."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tapemeasure.analysis.sweep import SweepImpulses
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.spectra import frames_of, hann, octave_grid, smooth_octaves
from tapemeasure.errors import MismatchError, SignalError

REFERENCE_HZ = 1000.0
POINTS_PER_OCTAVE = 48
PROGRAMME_WINDOW_S = 0.18
PROGRAMME_MIN_WINDOWS = 8
MAX_SIGMA_DB = 1.0
"""A point that noise makes more uncertain than this is not told."""
_DB_PER_NEPER = 20.0 / np.log(10.0)


@dataclass(frozen=True)
class Response:
    """Frequency response of a device; see the schema in `tapemeasure.analysis.take` for every field.

    Parameters
    ----------
    source : str
        ``sweep``, ``multitone`` or ``programme``.
    name : str
        Segment that it was read from.
    level_dbfs : float or None
        Peak level of the sweep or the multitone; None for programme.
    frequency_hz, magnitude_db, phase_deg, sigma_db : ndarray, shape (n_points,)
        Gain, unwrapped phase and the gain's standard uncertainty; NaN where not measurable.
    gain_db : float or None
        Gain at 1 kHz.
    low_3db_hz, high_3db_hz : float or None
        Where the gain first falls 3 dB below that at 1 kHz; None where it does not.
    gain_sigma_db, low_3db_sigma_hz, high_3db_sigma_hz : float or None
        Their standard uncertainties.
    phase_sigma_deg : ndarray, shape (n_points,), or None
        Standard uncertainty of the phase.
    """

    source: Literal["sweep", "multitone", "programme"]
    name: str
    level_dbfs: float | None
    frequency_hz: FloatArray
    magnitude_db: FloatArray
    phase_deg: FloatArray
    sigma_db: FloatArray
    gain_db: float | None
    low_3db_hz: float | None
    high_3db_hz: float | None
    gain_sigma_db: float | None = None
    low_3db_sigma_hz: float | None = None
    high_3db_sigma_hz: float | None = None
    phase_sigma_deg: FloatArray | None = None


def sweep_response(
    impulses: SweepImpulses,
    *,
    smoothing_octaves: float = 1.0 / 12.0,
    speed_deviation_pct: float = 0.0,
    name: str = "sweep",
    level_dbfs: float | None = None,
) -> Response:
    """Response of the fundamental over the swept band, without the harmonics.

    Parameters
    ----------
    impulses : SweepImpulses
        Of `tapemeasure.analysis.sweep.deconvolve_sweep`.
    smoothing_octaves : float
        Width over which the power is averaged; 0 for none.
    speed_deviation_pct : float
        Rms speed deviation (unweighted) of the take, per cent. Filters behind the transport see it as a wandering of
        their frequencies, filters before it do not; the uncertainty counts it as the response's slope times this.
    name, level_dbfs : str, float or None
        Carried into the result.

    Raises
    ------
    SignalError
        If noise makes every point more uncertain than 1 dB.

    Notes
    -----
    The linear impulse response is cut out from among the others and set against that of a wire. Against a known
    filter the error is below 0.1 dB from 50 Hz to 18 kHz for a 5 s sweep from 20 Hz to 20 kHz; smoothing adds the
    curvature of the response over its width. Through wow and flutter (10 s sweep, hiss of -60 dBFS, pilot of 100 pulses
    a second, `tapemeasure.analysis.sweep_timing.steadied_sweep`) it is 0.01 dB rms from 100 Hz to 10 kHz unsmoothed.
    The uncertainty counts the noise found between the responses of first and second order, the hum lines found behind
    the response (a line of random phase, so half of its power), and the speed deviation that was told. Without the
    steadying flutter that the trajectory missed is not in it: 2 us make a ripple of 1 dB at 10 kHz. Points more
    uncertain than 1 dB are NaN.
    """
    gap_s = impulses.sweep.harmonic_lead_s(2)
    spectrum, wire, energy = impulses.linear()
    noise, noise_energy = impulses.cut(centre_s=-0.5 * gap_s, left_s=0.15 * gap_s, right_s=0.15 * gap_s)
    grid = octave_grid(low_hz=impulses.sweep.start_hz, high_hz=impulses.sweep.stop_hz, per_octave=POINTS_PER_OCTAVE)

    def smooth(values: FloatArray, octaves: float = smoothing_octaves) -> FloatArray:
        return smooth_octaves(values, bin_hz=impulses.bin_hz, at_hz=grid, octaves=octaves)

    power = smooth(np.abs(spectrum) ** 2) / smooth(np.abs(wire) ** 2)
    # independent readings within the smoothing: the cut counts with its energy, as its ends are tapered
    # over a third of an octave; a hum line stands higher in the response's own width
    noise_power = np.maximum(smooth(np.abs(noise) ** 2, 1.0 / 3.0), smooth(np.abs(noise) ** 2))
    noise_power *= energy / noise_energy
    averaged = np.maximum(1.0, smoothing_octaves * np.log(2.0) * grid * energy / impulses.sample_rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude_db = 10.0 * np.log10(power)
        sigma_db = _DB_PER_NEPER * np.sqrt(noise_power / (2.0 * power * averaged))
        hum = impulses.behind_linear() * np.conj(spectrum)
        hum_db = (
            _DB_PER_NEPER * np.sqrt(0.5) * np.hypot(smooth(hum.real), smooth(hum.imag)) / smooth(np.abs(spectrum) ** 2)
        )
    sigma_db = np.maximum(sigma_db, hum_db)
    known = np.isfinite(magnitude_db) & (sigma_db <= MAX_SIGMA_DB)
    if not known.any():
        raise SignalError(f"{name}: noise makes the response more uncertain than {MAX_SIGMA_DB:g} dB; play it louder")
    magnitude_db = np.where(known, magnitude_db, np.nan)
    slope_db = np.nan_to_num(np.gradient(magnitude_db, np.log(grid))) if len(grid) > 1 else np.zeros(1)
    sigma_db = np.hypot(sigma_db, 0.01 * speed_deviation_pct * slope_db)
    cross = spectrum * np.conj(wire)
    phase = np.unwrap(np.angle(smooth(cross.real) + 1j * smooth(cross.imag)))
    return make_response(
        source="sweep", name=name, level_dbfs=level_dbfs, frequency_hz=grid,
        magnitude_db=magnitude_db, phase_deg=np.where(known, np.degrees(phase), np.nan),
        sigma_db=np.where(known, sigma_db, np.nan),
    )  # fmt: skip


def programme_response(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, smoothing_octaves: float = 1.0 / 12.0
) -> Response:
    """Response from any programme by the H1 estimate, told only where the coherence carries it.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each, the output's delay undone.
    sample_rate : int
        Hz.
    smoothing_octaves : float
        Width over which the complex response is averaged; 0 for none.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the take is shorter than about 0.8 s or the stimulus is silent.

    Notes
    -----
    ``H = sum(Sxy) / sum(Sxx)`` over 180 ms Hann windows and the bins of each band: every bin counts with the energy
    that the programme has there, which is the best weight where the device's noise is even across the band. Points
    whose standard uncertainty (from the coherence of the band) exceeds 1 dB are NaN: there the programme has no
    energy, or the device adds too much of its own. Distortion that follows the programme counts as noise.

    References
    ----------
    J. S. Bendat, A. G. Piersol, "Random Data", 4th ed., 9.2 (variance of a frequency response estimate).
    """
    bin_hz, n_windows, sxx, syy, sxy = _cross_spectra(stimulus, output, sample_rate=sample_rate)
    grid = octave_grid(low_hz=20.0, high_hz=min(20000.0, 0.48 * sample_rate), per_octave=POINTS_PER_OCTAVE)

    def smooth(values: FloatArray) -> FloatArray:
        return smooth_octaves(values, bin_hz=bin_hz, at_hz=grid, octaves=smoothing_octaves)

    cross = smooth(sxy.real) + 1j * smooth(sxy.imag)
    played, heard = smooth(sxx), smooth(syy)
    # half-overlapping Hann windows: 1.056 of them, and 1.5 neighbouring bins, carry what one would
    bins = np.maximum(1.0, smoothing_octaves * np.log(2.0) * grid / bin_hz / 1.5)
    independent = n_windows / 1.056 * bins
    with np.errstate(divide="ignore", invalid="ignore"):
        coherence = np.abs(cross) ** 2 / (played * heard)
        coherence = np.clip((coherence - 1.0 / independent) / (1.0 - 1.0 / independent), 0.0, 1.0)
        sigma_db = _DB_PER_NEPER * np.sqrt((1.0 - coherence) / (2.0 * independent * coherence))
        mean = cross / played
        magnitude_db = 20.0 * np.log10(np.abs(mean))
    known = np.isfinite(magnitude_db) & (sigma_db <= MAX_SIGMA_DB)
    phase_deg = np.full(len(grid), np.nan)
    phase_deg[known] = np.degrees(np.unwrap(np.angle(mean[known])))
    return make_response(
        source="programme", name="programme", level_dbfs=None, frequency_hz=grid,
        magnitude_db=np.where(known, magnitude_db, np.nan), phase_deg=phase_deg,
        sigma_db=np.where(known, sigma_db, np.nan),
    )  # fmt: skip


def _cross_spectra(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int
) -> tuple[float, int, FloatArray, FloatArray, ComplexArray]:
    """Distance of the bins in Hz, number of windows, and the sums Sxx, Syy, Sxy over them."""
    if len(stimulus) != len(output):
        raise MismatchError(f"response: stimulus {len(stimulus)} samples, output {len(output)}; align the output first")
    window = hann(2 * round(0.5 * PROGRAMME_WINDOW_S * sample_rate))
    cut = {"length_samples": len(window), "hop_samples": len(window) // 2}
    played, heard = frames_of(stimulus, **cut), frames_of(output, **cut)
    if len(played) < PROGRAMME_MIN_WINDOWS:
        needed_s = (PROGRAMME_MIN_WINDOWS + 1) * 0.5 * PROGRAMME_WINDOW_S
        raise SignalError(f"response: {len(stimulus) / sample_rate:.2f} s of programme; give at least {needed_s:.2f} s")
    if not np.any(stimulus):
        raise SignalError("response: the stimulus is silent; give a take with a sweep or with programme")
    sxx = np.zeros(len(window) // 2 + 1)
    syy = np.zeros_like(sxx)
    sxy = np.zeros(len(sxx), dtype=np.complex128)
    for x_frame, y_frame in zip(played, heard, strict=True):
        x, y = np.fft.rfft(x_frame * window), np.fft.rfft(y_frame * window)
        sxx += np.abs(x) ** 2
        syy += np.abs(y) ** 2
        sxy += np.conj(x) * y
    return sample_rate / len(window), len(played), sxx, syy, sxy


def make_response(
    *,
    source: Literal["sweep", "multitone", "programme"],
    name: str,
    level_dbfs: float | None,
    frequency_hz: FloatArray,
    magnitude_db: FloatArray,
    phase_deg: FloatArray,
    sigma_db: FloatArray,
    phase_sigma_deg: FloatArray | None = None,
) -> Response:
    """Response of measured points, with what follows from them: gain at 1 kHz, the 3 dB points, whole turns removed."""
    gain_db = _at_reference(frequency_hz, magnitude_db)
    low_hz, low_sigma_hz = _edge_hz(frequency_hz, magnitude_db, sigma_db, gain_db=gain_db, rising=False)
    high_hz, high_sigma_hz = _edge_hz(frequency_hz, magnitude_db, sigma_db, gain_db=gain_db, rising=True)
    return Response(
        source=source, name=name, level_dbfs=level_dbfs, frequency_hz=frequency_hz, magnitude_db=magnitude_db,
        phase_deg=_wound_back(frequency_hz, phase_deg), sigma_db=sigma_db, gain_db=gain_db,
        low_3db_hz=low_hz, high_3db_hz=high_hz,
        gain_sigma_db=None if gain_db is None else _at_reference(frequency_hz, sigma_db),
        low_3db_sigma_hz=low_sigma_hz, high_3db_sigma_hz=high_sigma_hz,
        phase_sigma_deg=np.degrees(sigma_db / _DB_PER_NEPER) if phase_sigma_deg is None else phase_sigma_deg,
    )  # fmt: skip


def _at_reference(frequency_hz: FloatArray, magnitude_db: FloatArray) -> float | None:
    if not frequency_hz[0] <= REFERENCE_HZ <= frequency_hz[-1]:
        return None
    gain_db = float(np.interp(np.log(REFERENCE_HZ), np.log(frequency_hz), magnitude_db))
    return gain_db if np.isfinite(gain_db) else None


def _wound_back(frequency_hz: FloatArray, phase_deg: FloatArray) -> FloatArray:
    """Unwrapped phase less whole turns, so that it lies within half a turn near 1 kHz."""
    known = np.flatnonzero(np.isfinite(phase_deg))
    if len(known) == 0:
        return phase_deg
    nearest = known[np.argmin(np.abs(np.log(frequency_hz[known] / REFERENCE_HZ)))]
    return phase_deg - 360.0 * round(float(phase_deg[nearest]) / 360.0)


def _edge_hz(
    frequency_hz: FloatArray, magnitude_db: FloatArray, sigma_db: FloatArray, *, gain_db: float | None, rising: bool
) -> tuple[float, float] | tuple[None, None]:
    """First frequency away from 1 kHz where the gain is 3 dB down, and its uncertainty; None if a gap comes first."""
    if gain_db is None:
        return None, None
    start = int(np.searchsorted(frequency_hz, REFERENCE_HZ))
    path = range(start, len(frequency_hz)) if rising else range(start - 1, -1, -1)
    limit_db = gain_db - 3.0
    before: int | None = None
    for index in path:
        if not np.isfinite(magnitude_db[index]):
            return None, None
        if magnitude_db[index] <= limit_db:
            if before is None:
                return float(frequency_hz[index]), float("nan")
            fall_db = magnitude_db[before] - magnitude_db[index]
            share = (magnitude_db[before] - limit_db) / fall_db
            step = np.log(frequency_hz[index] / frequency_hz[before])
            edge_hz = float(frequency_hz[before] * np.exp(share * step))
            return edge_hz, float(edge_hz * abs(step) / fall_db * max(sigma_db[before], sigma_db[index]))
        before = index
    return None, None
