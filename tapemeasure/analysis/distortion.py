"""Gain and harmonic distortion against level, from sines stepped in level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.tone_check import require_played_tone
from tapemeasure.analysis.tone_noise import tones_and_noise
from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.units import amplitude_from_db

MAX_ORDER = 9
HIDDEN_DB = 6.0
"""A reading less than this above its noise is not told."""
STANDING = 3.0
"""A line in silence counts as hum when it stands this far above the noise beside it."""
_THD_SIGMAS = 3.0
_DB_PER_NEPER = 20.0 / np.log(10.0)


@dataclass(frozen=True)
class ToneDistortion:
    """One sine through the device; amplitudes are peak values, full scale = 1.0.

    Parameters
    ----------
    frequency_hz : float
        Of the fundamental.
    stimulus_amplitude, output_amplitude : float
        Of the fundamental.
    harmonic_amplitudes : ndarray, shape (N - 1,)
        Output's orders 2..N; NaN above half the sample rate.
    noise_amplitudes : ndarray, shape (N,)
        Rms amplitude that noise, and hum where it is known, would read at orders 1..N; NaN above half the sample rate.
    """

    frequency_hz: float
    stimulus_amplitude: float
    output_amplitude: float
    harmonic_amplitudes: FloatArray
    noise_amplitudes: FloatArray


@dataclass(frozen=True)
class DistortionVsLevel:
    """Gain and distortion of one frequency against level; see the schema in `tapemeasure.analysis.take`.

    `gain_sigma_db`, `thd_sigma_pct` and `harmonics_sigma_db` are the standard uncertainties that the noise beside the
    tones leaves; NaN where the figure itself is.
    """

    frequency_hz: float
    level_dbfs: FloatArray
    output_dbfs: FloatArray
    gain_db: FloatArray
    thd_pct: FloatArray
    thd_floor_pct: FloatArray
    harmonics_db: FloatArray
    gain_sigma_db: FloatArray
    thd_sigma_pct: FloatArray
    harmonics_sigma_db: FloatArray


def tone_distortion(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: int,
    frequency_hz: float,
    harmonics: int = 5,
    standing: FloatArray | None = None,
) -> ToneDistortion:
    """Amplitudes of a steady sine's fundamental and harmonics, and of the noise beside them.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The steady part of the tone (no fades), the output's delay undone.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone played.
    harmonics : int
        Highest order, 2..9; orders above half the sample rate are left out.
    standing : ndarray, shape (harmonics,), optional
        What `standing_amplitudes` reads in a silence: hum or a pilot's crosstalk on the tone or on a harmonic, which is
        counted with the noise.

    Raises
    ------
    ParameterError
        If `harmonics` is outside 2..9.
    MismatchError
        If the lengths differ.
    SignalError
        If the record holds fewer than 20 periods of the tone, the stimulus does not hold the tone, or the output holds
        one of another frequency.

    Notes
    -----
    Windowed least squares at the known frequencies (no leakage between them); exact for a steady tone. Noise is the
    rms of the amplitudes read at ten frequencies 6 to 14 periods of the record beside each harmonic: without
    `standing` a hum line on a harmonic itself counts as harmonic.
    """
    orders, inside = _orders(harmonics, sample_rate=sample_rate, frequency_hz=frequency_hz)
    played = abs(require_played_tone(stimulus, output, sample_rate=sample_rate, frequency_hz=frequency_hz))
    heard = np.full(harmonics, np.nan)
    noise = np.full(harmonics, np.nan)
    amplitudes, noise[inside] = tones_and_noise(output, sample_rate=sample_rate, tones_hz=orders[inside] * frequency_hz)
    heard[inside] = np.abs(amplitudes)
    if standing is not None:
        noise[inside] = np.hypot(noise[inside], standing[inside])
    return ToneDistortion(frequency_hz, played, float(heard[0]), heard[1:], noise)


def standing_amplitudes(
    silence: FloatArray, *, sample_rate: int, frequency_hz: float, harmonics: int = 5
) -> FloatArray:
    """Amplitudes of what stands in the output at a tone and its harmonics while nothing is played, full scale 1.0.

    Parameters
    ----------
    silence : ndarray, shape (n_samples,)
        Output while nothing is played, at least 20 periods of the tone.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone.
    harmonics : int
        Highest order, 2..9.

    Returns
    -------
    ndarray, shape (harmonics,)
        Orders 1..N; 0 where nothing stands out of the noise, or above half the sample rate.

    Raises
    ------
    ParameterError
        If `harmonics` is outside 2..9.
    SignalError
        If the silence is too short.
    """
    orders, inside = _orders(harmonics, sample_rate=sample_rate, frequency_hz=frequency_hz)
    if not inside.any():
        return np.zeros(harmonics)
    found, beside = tones_and_noise(silence, sample_rate=sample_rate, tones_hz=orders[inside] * frequency_hz)
    standing = np.zeros(harmonics)
    standing[inside] = np.where(np.abs(found) > STANDING * beside, np.abs(found), 0.0)
    return standing


def _orders(harmonics: int, *, sample_rate: int, frequency_hz: float) -> tuple[FloatArray, BoolArray]:
    """Orders 1..N, and which of them lie below half the sample rate."""
    if not 2 <= harmonics <= MAX_ORDER:
        raise ParameterError(f"harmonics = {harmonics}; give a highest order from 2 to {MAX_ORDER}")
    orders = np.arange(1.0, harmonics + 1.0)
    return orders, orders * frequency_hz < 0.49 * sample_rate


def distortion_vs_level(steps: Sequence[ToneDistortion]) -> DistortionVsLevel:
    """Gain, THD and harmonics of one frequency against level, noise told apart.

    Parameters
    ----------
    steps : sequence of ToneDistortion
        All of one frequency, in any order of level.

    Raises
    ------
    SignalError
        If there is no step, or their frequencies differ.

    Notes
    -----
    THD is ``sqrt(sum(A_m^2 - noise_m^2)) / A_1`` over the orders 2..N below half the sample rate. It is NaN where it
    does not exceed what noise alone would read by three times that noise's own scatter, and where the third harmonic
    lies above half the sample rate (10 kHz at 44.1 kHz).

    References
    ----------
    IEC 60268-3 (total harmonic distortion against the fundamental).
    """
    frequencies = {step.frequency_hz for step in steps}
    if len(frequencies) != 1:
        raise SignalError(f"distortion: steps of {len(frequencies)} frequencies; give those of one frequency")
    ordered = sorted(steps, key=lambda step: step.stimulus_amplitude)
    played = np.array([step.stimulus_amplitude for step in ordered])
    heard = np.array([step.output_amplitude for step in ordered])
    harmonics = np.array([step.harmonic_amplitudes for step in ordered])
    noise = np.array([step.noise_amplitudes for step in ordered])
    above = amplitude_from_db(HIDDEN_DB)
    fundamental = np.where(heard > above * noise[:, 0], heard, np.nan)
    measured = np.isfinite(harmonics)
    noise_power = np.sum(np.square(np.where(measured, noise[:, 1:], 0.0)), axis=1)
    power = np.sum(np.square(np.where(measured, harmonics, 0.0)), axis=1)
    n_orders = np.sum(measured, axis=1)
    # the power of n complex Gaussian amplitudes scatters by 1 / sqrt(n) of itself
    # a machine's distortion is odd first: without the third harmonic the sum would flatter it
    complete = np.all(measured[:, :2], axis=1)
    told_thd = complete & (power > noise_power * (1.0 + _THD_SIGMAS / np.sqrt(np.maximum(n_orders, 1))))
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(n_orders > 0, np.sqrt(noise_power) / fundamental, np.nan)
        thd = np.where(told_thd, np.sqrt(np.maximum(power - noise_power, 0.0)) / fundamental, np.nan)
        told = np.where(harmonics > above * noise[:, 1:], harmonics, np.nan)
        # an amplitude feels the part of the noise that is in phase with it: half of its power
        gain_sigma_db = _DB_PER_NEPER * np.sqrt(0.5) * noise[:, 0] / fundamental
        in_thd = np.where(measured, harmonics * noise[:, 1:], 0.0)
        thd_sigma = np.sqrt(0.5 * np.sum(in_thd**2, axis=1)) / (thd * fundamental**2)
        return DistortionVsLevel(
            frequency_hz=frequencies.pop(),
            level_dbfs=20.0 * np.log10(played),
            output_dbfs=20.0 * np.log10(fundamental),
            gain_db=20.0 * np.log10(fundamental / played),
            thd_pct=100.0 * thd,
            thd_floor_pct=100.0 * floor,
            harmonics_db=20.0 * np.log10(told / fundamental[:, np.newaxis]),
            gain_sigma_db=gain_sigma_db,
            thd_sigma_pct=100.0 * thd_sigma,
            harmonics_sigma_db=_DB_PER_NEPER * np.sqrt(0.5) * noise[:, 1:] / told,
        )
